//! The records of a shard's log: everything that is to be found again.
//!
//! Frame:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | CRC-32C of the record's place (8 bytes) and of all that follows this field |
//! | 4 | length of the body in bytes |
//! | 1 | kind |
//! | length | body |
//!
//! A place is the record's offset in the log XOR the salt of its segment. The offset tells a record
//! from what an earlier use of the file left behind. The salt tells it from what stood at the same
//! offset before a crash, if that was never committed: the log is cut there, and goes on with
//! something else, maybe in the same file. Numbers are little endian; *v* is a number in LEB128,
//! *text* and *bytes* are a *v* with their length and then they themselves. A *list* is a *v* with
//! its length, then each number less `first` as *v*. A session is named by its key (*v*): see
//! [`SessionKey`].
//!
//! | kind | record | body |
//! |---|---|---|
//! | 1 | message | see [`MessageRecord`] |
//! | 2 | acks | session, first *v*, gone *list*, released *list* |
//! | 3 | session opened | session, vhost 2, time 8, client id text |
//! | 4 | session ended | session |
//! | 5 | subscribed | session, granted QoS 1, filter text |
//! | 6 | unsubscribed | session, filter text |
//! | 7 | attached | session |
//! | 8 | detached | session, sent *v*, time 8 |
//! | 9 | received | session, packet identifier 2 |
//! | 10 | freed | session, packet identifier 2 |
//! | 11 | cleared | vhost 2, topic text |
//! | 12 | block | session, first *v*, count *v*, base 8, entries: the rest (see `queue`) |
//! | 13 | session state | session, state: the rest (see `session`) |
//! | 14 | retained state | vhost 2, entries: the rest (see `retained`) |
//! | 15 | checkpoint begun | – |
//! | 16 | checkpoint ended | begun 8 |
//! | 17 | cleaned | from 8, to 8 |
//! | 18 | freed elsewhere | origin: shard 2, session's serial 8, packet identifier 2 |
//! | 19 | origins | each 12, as above: the rest |
//! | 20 | queued | target *v* as in a message, offset 8, bytes *v* |
//! | 21 | references | of each segment: start 8, references there ever were *v* |
//! | 22 | owner | session, user name text; empty: nobody |
//! | 23 | ends | of each segment but the newest: start 8, length *v* |
//! | 26 | clock | see [`super::timeline`]: name of the machine's start 16, six times 8 each |
//! | 27 | gaps | all there are, each: time 8, length *v*, proven 1: the rest |
//!
//! Times are milliseconds of the log's time line (see `timeline`); the wall time is since 1970.

use super::cursor::{Cursor, put_bytes, put_varint};
use super::position::Position;
use super::timeline::{Gap, Mark};

/// Bytes of a record before its body.
pub(super) const FRAME_BYTES: usize = 9;

/// Names a session of a shard while it exists; then another session may get the same.
pub type SessionKey = u32;

/// Where a QoS 2 message came from: a second one of the same origin is the same message
/// [MQTT-4.3.3-2].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin {
    /// The shard of the publisher's session.
    pub shard: u16,
    /// Where that session was opened in that shard's log.
    pub serial: u64,
    /// The publisher's packet identifier.
    pub packet_id: u16,
}

/// A message as it stands in the log.
///
/// | bytes | what |
/// |---|---|
/// | 1 | flags: bits 0–1 QoS as published, 2 retained, 3 moved, 4 received here, 5 origin |
/// | 2 | vhost |
/// | 2 | length of the topic |
/// | 4 | length of the payload |
/// | 8 | when it came, milliseconds of the time line |
/// | topic | topic name |
/// | payload | application message |
/// | 8 | if moved: the offset where it stood before |
/// | 6 | if received here: publisher's session 4, packet identifier 2 |
/// | 12 | if it has an origin: shard 2, session's serial 8, packet identifier 2 |
/// | rest | targets, each a *v*: session × 4 + 2 if RETAIN + 1 if QoS 2 |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageRecord<'a> {
    /// Names the vhost.
    pub vhost: u16,
    /// QoS it was published with, 0 to 2.
    pub qos: u8,
    /// It is its topic's retained message from here on.
    pub retained: bool,
    /// When it came, milliseconds of the log's time line (see [`super::Timeline`]).
    pub time_ms: u64,
    /// Topic name.
    pub topic: &'a str,
    /// Application message.
    pub payload: &'a [u8],
    /// Where it stood before; the targets are those that still waited for it.
    pub moved_from: Option<Position>,
    /// The session and packet identifier it was received with, of a publisher here, at QoS 2.
    pub received: Option<(SessionKey, u16)>,
    /// The same of a publisher on another shard.
    pub origin: Option<Origin>,
    /// Sessions that wait for it: see [`Targets`].
    pub targets: Targets<'a>,
}

/// Sessions that a message waits for, as a record has them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Targets<'a>(pub &'a [u8]);

/// One session that a message waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// The session.
    pub session: SessionKey,
    /// It goes out with RETAIN set.
    pub retain: bool,
    /// It goes out at QoS 2; else at QoS 1.
    pub exactly_once: bool,
}

impl Target {
    /// Appends the target to those of a record.
    #[inline]
    pub fn put(self, targets: &mut Vec<u8>) {
        let bits = u64::from(self.retain) << 1 | u64::from(self.exactly_once);
        put_varint(targets, u64::from(self.session) << 2 | bits);
    }
}

impl Target {
    fn from_bits(bits: u64) -> Option<Self> {
        let session = u32::try_from(bits >> 2).ok()?;
        Some(Self { session, retain: bits & 2 != 0, exactly_once: bits & 1 != 0 })
    }
}

impl Targets<'_> {
    /// Each target, up to one that is no target.
    pub fn iter(self) -> impl Iterator<Item = Target> {
        let mut cursor = Cursor(self.0);
        std::iter::from_fn(move || Target::from_bits(cursor.varint()?))
    }
}

/// What a session's client has acknowledged since the last such record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AcksRecord {
    pub(super) session: SessionKey,
    /// Every message with a lower number is done with.
    pub(super) first: u64,
    /// Messages from there on that are done with as well.
    pub(super) gone: Vec<u64>,
    /// QoS 2 messages from there on that the client has, but not completed.
    pub(super) released: Vec<u64>,
}

/// Messages of a session's queue that are not in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockRecord<'a> {
    /// The session.
    pub session: SessionKey,
    /// Number of the first message in its queue.
    pub first: u64,
    /// Messages.
    pub count: u32,
    /// Offset that the first entry is relative to.
    pub base: u64,
    /// See `queue`.
    pub entries: &'a [u8],
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Record<'a> {
    Message(MessageRecord<'a>),
    Acks(AcksRecord),
    SessionOpened { session: SessionKey, vhost: u16, time_ms: u64, client_id: &'a str },
    SessionEnded { session: SessionKey },
    Subscribed { session: SessionKey, granted: u8, filter: &'a str },
    Unsubscribed { session: SessionKey, filter: &'a str },
    Attached { session: SessionKey },
    Owner { session: SessionKey, user: &'a str },
    Detached { session: SessionKey, sent: u64, time_ms: u64 },
    Received { session: SessionKey, packet_id: u16 },
    Freed { session: SessionKey, packet_id: u16 },
    FreedElsewhere(Origin),
    Cleared { vhost: u16, topic: &'a str },
    Block(BlockRecord<'a>),
    SessionState { session: SessionKey, state: &'a [u8] },
    RetainedState { vhost: u16, entries: &'a [u8] },
    CheckpointBegun,
    CheckpointEnded { begun: u64 },
    Cleaned { from: u64, to: u64 },
    Origins(Vec<Origin>),
    References(Vec<(u64, u64)>),
    Ends(Vec<(u64, u64)>),
    Queued { target: Target, position: Position, bytes: u32 },
    Clock(Mark),
    Gaps(Vec<Gap>),
}

/// Why there is no record at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BadRecord {
    /// The bytes end before the record does.
    Cut,
    /// The sum is another.
    Sum,
    /// The sum is right, but this version knows no such record.
    Unknown,
}

/// Bytes of a message record in front of the topic.
const HEAD_BYTES: usize = 17;

const QOS_BITS: u8 = 0b11;
const RETAINED: u8 = 1 << 2;
const MOVED: u8 = 1 << 3;
const RECEIVED: u8 = 1 << 4;
const ORIGIN: u8 = 1 << 5;

impl<'a> Record<'a> {
    /// Whether it is of a checkpoint. Of origins there is also one here and there that is not; of
    /// the time line, which is small, no one is counted.
    pub(super) fn is_captured(&self) -> bool {
        matches!(
            self,
            Self::SessionState { .. }
                | Self::RetainedState { .. }
                | Self::Origins(_)
                | Self::References(_)
                | Self::Ends(_)
        )
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Message(_) => 1,
            Self::Acks(_) => 2,
            Self::SessionOpened { .. } => 3,
            Self::SessionEnded { .. } => 4,
            Self::Subscribed { .. } => 5,
            Self::Unsubscribed { .. } => 6,
            Self::Attached { .. } => 7,
            Self::Detached { .. } => 8,
            Self::Received { .. } => 9,
            Self::Freed { .. } => 10,
            Self::Cleared { .. } => 11,
            Self::Block(_) => 12,
            Self::SessionState { .. } => 13,
            Self::RetainedState { .. } => 14,
            Self::CheckpointBegun => 15,
            Self::CheckpointEnded { .. } => 16,
            Self::Cleaned { .. } => 17,
            Self::FreedElsewhere(_) => 18,
            Self::Origins(_) => 19,
            Self::References(_) => 21,
            Self::Queued { .. } => 20,
            Self::Owner { .. } => 22,
            Self::Ends(_) => 23,
            Self::Clock(_) => 26,
            Self::Gaps(_) => 27,
        }
    }

    /// Bytes that [`Record::encode`] appends at most.
    #[inline]
    pub(super) fn bytes_max(&self) -> usize {
        // Frame, fixed fields and numbers of any record but lists, which count by themselves.
        const REST_MAX: usize = FRAME_BYTES + 64;
        REST_MAX
            + match self {
                Self::Message(message) => {
                    message.topic.len() + message.payload.len() + message.targets.0.len()
                }
                Self::Acks(acks) => (acks.gone.len() + acks.released.len()) * 10,
                Self::Origins(origins) => origins.len() * 12,
                Self::References(segments) | Self::Ends(segments) => segments.len() * 18,
                Self::Gaps(gaps) => gaps.len() * 19,
                Self::SessionOpened { client_id, .. } => client_id.len(),
                Self::Owner { user, .. } => user.len(),
                Self::Subscribed { filter, .. } | Self::Unsubscribed { filter, .. } => filter.len(),
                Self::Cleared { topic, .. } => topic.len(),
                Self::Block(block) => block.entries.len(),
                Self::SessionState { state: bytes, .. }
                | Self::RetainedState { entries: bytes, .. } => bytes.len(),
                _ => 0,
            }
    }

    /// Appends the record as it stands at a place: its offset XOR its segment's salt.
    #[inline]
    pub(super) fn encode(&self, place: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 8]);
        out.push(self.kind());
        match self {
            Self::Message(message) => message.encode(out),
            _ => self.encode_body(out),
        }
        let body_len = u32::try_from(out.len() - start - FRAME_BYTES).expect("below 4 GiB");
        out[start + 4..start + 8].copy_from_slice(&body_len.to_le_bytes());
        let crc = checksum(place, &out[start + 4..]);
        out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Message(message) => message.encode(out),
            Self::Acks(acks) => acks.encode(out),
            Self::FreedElsewhere(origin) => origin.encode(out),
            Self::Origins(origins) => origins.iter().for_each(|origin| origin.encode(out)),
            Self::References(segments) | Self::Ends(segments) => {
                for (start, number) in segments {
                    out.extend_from_slice(&start.to_le_bytes());
                    put_varint(out, *number);
                }
            }
            Self::Cleared { vhost, topic } => {
                out.extend_from_slice(&vhost.to_le_bytes());
                put_bytes(out, topic.as_bytes());
            }
            Self::Block(block) => {
                put_varint(out, block.session.into());
                put_varint(out, block.first);
                put_varint(out, block.count.into());
                out.extend_from_slice(&block.base.to_le_bytes());
                out.extend_from_slice(block.entries);
            }
            Self::SessionState { session, state } => {
                put_varint(out, (*session).into());
                out.extend_from_slice(state);
            }
            Self::RetainedState { vhost, entries } => {
                out.extend_from_slice(&vhost.to_le_bytes());
                out.extend_from_slice(entries);
            }
            Self::Queued { target, position, bytes } => {
                target.put(out);
                out.extend_from_slice(&position.offset().to_le_bytes());
                put_varint(out, (*bytes).into());
            }
            Self::Clock(mark) => mark.encode(out),
            Self::Gaps(gaps) => gaps.iter().for_each(|gap| gap.encode(out)),
            Self::CheckpointBegun => {}
            Self::CheckpointEnded { begun } => out.extend_from_slice(&begun.to_le_bytes()),
            Self::Cleaned { from, to } => {
                out.extend_from_slice(&from.to_le_bytes());
                out.extend_from_slice(&to.to_le_bytes());
            }
            of_a_session => of_a_session.encode_change(out),
        }
    }

    /// The body of what happens to a session.
    fn encode_change(&self, out: &mut Vec<u8>) {
        match self {
            Self::SessionOpened { session, vhost, time_ms, client_id } => {
                put_varint(out, (*session).into());
                out.extend_from_slice(&vhost.to_le_bytes());
                out.extend_from_slice(&time_ms.to_le_bytes());
                put_bytes(out, client_id.as_bytes());
            }
            Self::SessionEnded { session } | Self::Attached { session } => {
                put_varint(out, (*session).into());
            }
            Self::Owner { session, user } => {
                put_varint(out, (*session).into());
                put_bytes(out, user.as_bytes());
            }
            Self::Subscribed { session, granted, filter } => {
                put_varint(out, (*session).into());
                out.push(*granted);
                put_bytes(out, filter.as_bytes());
            }
            Self::Unsubscribed { session, filter } => {
                put_varint(out, (*session).into());
                put_bytes(out, filter.as_bytes());
            }
            Self::Detached { session, sent, time_ms } => {
                put_varint(out, (*session).into());
                put_varint(out, *sent);
                out.extend_from_slice(&time_ms.to_le_bytes());
            }
            Self::Received { session, packet_id } | Self::Freed { session, packet_id } => {
                put_varint(out, (*session).into());
                out.extend_from_slice(&packet_id.to_le_bytes());
            }
            _ => unreachable!("the caller has the rest"),
        }
    }

    /// Reads the record that stands at `place`, as for [`Record::encode`], and with which `bytes`
    /// begin; tells how many bytes it has.
    #[inline]
    pub(super) fn decode(place: u64, bytes: &'a [u8]) -> Result<(Self, usize), BadRecord> {
        let whole = frame(bytes).ok_or(BadRecord::Cut)?;
        let crc = u32::from_le_bytes([whole[0], whole[1], whole[2], whole[3]]);
        if crc != checksum(place, &whole[4..]) {
            return Err(BadRecord::Sum);
        }
        Ok((Self::read(whole).ok_or(BadRecord::Unknown)?, whole.len()))
    }

    /// What a damaged record, with which `bytes` begin, may have been. For whom a message was is
    /// told whatever the rest looks like.
    pub(super) fn guess(bytes: &'a [u8]) -> Option<Self> {
        let whole = frame(bytes)?;
        let mut body = Cursor(&whole[FRAME_BYTES..]);
        match whole[8] {
            1 => MessageRecord::guess(body).map(Self::Message),
            20 => {
                let target = Target::from_bits(body.varint()?)?;
                let queued = Self::Queued { target, position: Position::durable(0), bytes: 0 };
                // An offset and a number of 32 bits.
                (9..=13).contains(&body.len()).then_some(queued)
            }
            _ => Self::read(whole),
        }
    }

    /// Reads a record, whatever its sum says.
    #[inline]
    fn read(whole: &'a [u8]) -> Option<Self> {
        let (kind, body) = (whole[8], Cursor(&whole[FRAME_BYTES..]));
        match kind {
            1 => MessageRecord::decode(body).map(Self::Message),
            _ => Self::decode_body(kind, body),
        }
    }

    /// Bytes of the record that `bytes` begin with, by its own account.
    #[inline]
    pub(super) fn length(bytes: &[u8]) -> Option<usize> {
        frame(bytes).map(<[u8]>::len)
    }

    /// Reads a message of which the sum is known to be right, or is of no interest.
    #[inline]
    pub(super) fn message_unchecked(bytes: &'a [u8]) -> Option<MessageRecord<'a>> {
        let whole = frame(bytes)?;
        if whole[8] != 1 {
            return None;
        }
        MessageRecord::decode(Cursor(&whole[FRAME_BYTES..]))
    }

    fn decode_body(kind: u8, mut body: Cursor<'a>) -> Option<Self> {
        let body = &mut body;
        let record = match kind {
            2 => Self::Acks(AcksRecord::decode(body)?),
            3 => Self::SessionOpened {
                session: body.narrow()?,
                vhost: body.u16()?,
                time_ms: body.u64()?,
                client_id: body.text()?,
            },
            4 => Self::SessionEnded { session: body.narrow()? },
            5 => Self::Subscribed {
                session: body.narrow()?,
                granted: body.u8().filter(|qos| *qos <= 2)?,
                filter: body.text()?,
            },
            6 => Self::Unsubscribed { session: body.narrow()?, filter: body.text()? },
            7 => Self::Attached { session: body.narrow()? },
            8 => Self::Detached {
                session: body.narrow()?,
                sent: body.varint()?,
                time_ms: body.u64()?,
            },
            9 => Self::Received { session: body.narrow()?, packet_id: body.u16()? },
            10 => Self::Freed { session: body.narrow()?, packet_id: body.u16()? },
            11 => Self::Cleared { vhost: body.u16()?, topic: body.text()? },
            12 => Self::Block(BlockRecord::decode(body)?),
            13 => Self::SessionState { session: body.narrow()?, state: body.rest() },
            14 => Self::RetainedState { vhost: body.u16()?, entries: body.rest() },
            15 => Self::CheckpointBegun,
            16 => Self::CheckpointEnded { begun: body.u64()? },
            17 => Self::Cleaned { from: body.u64()?, to: body.u64()? },
            18 => Self::FreedElsewhere(Origin::decode(body)?),
            19 => {
                let mut origins = Vec::new();
                while !body.is_empty() {
                    origins.push(Origin::decode(body)?);
                }
                Self::Origins(origins)
            }
            21 | 23 => {
                let mut segments = Vec::new();
                while !body.is_empty() {
                    segments.push((body.u64()?, body.varint()?));
                }
                if kind == 21 { Self::References(segments) } else { Self::Ends(segments) }
            }
            20 => Self::Queued {
                target: Target::from_bits(body.varint()?)?,
                position: body
                    .u64()
                    .filter(|at| *at < Position::OFFSET_END)
                    .map(Position::durable)?,
                bytes: body.narrow()?,
            },
            26 => Self::Clock(Mark::decode(body)?),
            27 => {
                let mut gaps = Vec::new();
                while !body.is_empty() {
                    gaps.push(Gap::decode(body)?);
                }
                Self::Gaps(gaps)
            }
            22 => Self::Owner { session: body.narrow()?, user: body.text()? },
            _ => return None,
        };
        body.is_empty().then_some(record)
    }
}

impl<'a> MessageRecord<'a> {
    /// Bytes of the record that are the message's own: what a session or the retain store is
    /// charged with, who else waits for it aside.
    pub(super) fn own_bytes(&self) -> u32 {
        let bytes = FRAME_BYTES + HEAD_BYTES + self.topic.len() + self.payload.len();
        u32::try_from(bytes).expect("a packet is below 4 GiB")
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let topic_len = u16::try_from(self.topic.len()).expect("a topic is at most 65,535 bytes");
        let payload_len = u32::try_from(self.payload.len()).expect("a packet is below 4 GiB");
        let mut head = [0; HEAD_BYTES];
        head[0] = self.qos
            | flag(self.retained, RETAINED)
            | flag(self.moved_from.is_some(), MOVED)
            | flag(self.received.is_some(), RECEIVED)
            | flag(self.origin.is_some(), ORIGIN);
        head[1..3].copy_from_slice(&self.vhost.to_le_bytes());
        head[3..5].copy_from_slice(&topic_len.to_le_bytes());
        head[5..9].copy_from_slice(&payload_len.to_le_bytes());
        head[9..].copy_from_slice(&self.time_ms.to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(self.topic.as_bytes());
        out.extend_from_slice(self.payload);
        if let Some(position) = self.moved_from {
            out.extend_from_slice(&position.offset().to_le_bytes());
        }
        if let Some((session, packet_id)) = self.received {
            out.extend_from_slice(&session.to_le_bytes());
            out.extend_from_slice(&packet_id.to_le_bytes());
        }
        if let Some(origin) = self.origin {
            origin.encode(out);
        }
        out.extend_from_slice(self.targets.0);
    }

    #[inline]
    fn decode(body: Cursor<'a>) -> Option<Self> {
        let (message, topic) = Self::decode_around(body)?;
        Some(Self { topic: std::str::from_utf8(topic).ok()?, ..message })
    }

    /// The same, whatever the topic is.
    fn guess(body: Cursor<'a>) -> Option<Self> {
        let (message, topic) = Self::decode_around(body)?;
        Some(Self { topic: std::str::from_utf8(topic).unwrap_or_default(), ..message })
    }

    /// All but the topic, and that one's bytes.
    #[inline]
    fn decode_around(mut body: Cursor<'a>) -> Option<(Self, &'a [u8])> {
        let flags = body.u8()?;
        let vhost = body.u16()?;
        let (topic_len, payload_len) = (body.u16()?, body.u32()?);
        let time_ms = body.u64()?;
        let topic = body.take(topic_len.into())?;
        let payload = body.take(payload_len as usize)?;
        let moved_from = match flags & MOVED {
            0 => None,
            _ => Some(body.u64().filter(|offset| *offset < Position::OFFSET_END)?),
        };
        let received = match flags & RECEIVED {
            0 => None,
            _ => Some((body.u32()?, body.u16()?)),
        };
        let origin = match flags & ORIGIN {
            0 => None,
            _ => Some(Origin::decode(&mut body)?),
        };
        let message = Self {
            vhost,
            qos: (flags & QOS_BITS).min(2),
            retained: flags & RETAINED != 0,
            time_ms,
            topic: "",
            payload,
            moved_from: moved_from.map(Position::durable),
            received,
            origin,
            targets: Targets(body.rest()),
        };
        Some((message, topic))
    }
}

impl AcksRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.session.into());
        put_varint(out, self.first);
        for list in [&self.gone, &self.released] {
            put_varint(out, list.len() as u64);
            list.iter().for_each(|number| put_varint(out, number - self.first));
        }
    }

    fn decode(body: &mut Cursor<'_>) -> Option<Self> {
        let (session, first) = (body.narrow()?, body.varint()?);
        let mut lists = [Vec::new(), Vec::new()];
        for list in &mut lists {
            for _ in 0..body.varint()? {
                list.push(first.checked_add(body.varint()?)?);
            }
        }
        let [gone, released] = lists;
        Some(Self { session, first, gone, released })
    }
}

impl<'a> BlockRecord<'a> {
    fn decode(body: &mut Cursor<'a>) -> Option<Self> {
        Some(Self {
            session: body.narrow()?,
            first: body.varint()?,
            count: body.narrow()?,
            base: body.u64()?,
            entries: body.rest(),
        })
    }
}

impl Origin {
    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.shard.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.packet_id.to_le_bytes());
    }

    fn decode(body: &mut Cursor<'_>) -> Option<Self> {
        Some(Self { shard: body.u16()?, serial: body.u64()?, packet_id: body.u16()? })
    }
}

/// The whole record that `bytes` begin with, by its own account.
#[inline]
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let body_len = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    bytes.get(..FRAME_BYTES + body_len as usize)
}

#[inline]
fn checksum(place: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&place.to_le_bytes()), bytes)
}
