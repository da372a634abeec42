//! The records of a shard's log, from which its state is recovered.
//!
//! Frame:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | CRC-32C of the record's place (8 bytes) and of all that follows this field |
//! | 4 | length of the body in bytes |
//! | 1 | kind; plus 128 if it is the first of its commit group |
//! | length | body |
//!
//! A place is the record's offset in the log XOR the salt of its segment. The offset distinguishes
//! a record from those of an earlier use of the file. The salt distinguishes it from a record that
//! was at the same offset before a crash and never committed: the log is cut there and continues
//! with other records, perhaps in the same file. A group is written only when the one before it is
//! committed, so the first record of a group proves that all earlier records were committed.
//!
//! Numbers are little endian. *v* is a number in LEB128; *text* and *bytes* are a length *v* and
//! the content. A *list* is a length *v* and each number less `first` as *v*. A session is named by
//! its key (*v*): see [`SessionKey`].
//!
//! | kind | record | body |
//! |---|---|---|
//! | 1 | message | see [`MessageRecord`] |
//! | 2 | acks | session, first *v*, gone *list*, released *list* |
//! | 3 | session opened | session, vhost 2, time 8, client id text |
//! | 4 | session ended | session |
//! | 5 | subscribed | session, options (see `subscription`), filter text |
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
//! | 21 | references | for each segment: start 8, references there ever were *v* |
//! | 22 | owner | session, user name text; empty: none |
//! | 23 | ends | for each segment but the newest: start 8, length *v* |
//! | 26 | clock | see [`super::timeline`]: name of the machine's start 16, six times 8 each |
//! | 27 | gaps | all gaps, each: time 8, length *v*, proven 1: the rest |
//! | 28 | session expiry | session, interval *v*: 0 the broker's default, else seconds + 1 |
//! | 29 | will | session, will: the rest (see `will`) |
//! | 30 | will cleared | session |
//! | 31 | leases | session, numbers reserved below *v* |
//!
//! Times are milliseconds of the log's time line (see `timeline`); a wall time counts from 1970.

mod message;
mod queue;

pub use message::{MessageRecord, Origin, Target, Targets};
pub(in crate::store) use queue::AcksRecord;
pub use queue::BlockRecord;

use super::cursor::{Cursor, put_bytes, put_varint};
use super::mend::{Wrong, wrong_byte};
use super::position::Position;
use super::subscription::SubscriptionOptions;
use super::timeline::{Gap, Mark};
use super::will::Will;

/// Bytes of a record before its body.
pub(in crate::store) const FRAME_BYTES: usize = 9;

/// Names a session of a shard while it exists. Keys are used again.
pub type SessionKey = u32;

/// See the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::store) enum Record<'a> {
    Message(MessageRecord<'a>),
    Acks(AcksRecord),
    SessionOpened { session: SessionKey, vhost: u16, time_ms: u64, client_id: &'a str },
    SessionEnded { session: SessionKey },
    Subscribed { session: SessionKey, options: SubscriptionOptions, filter: &'a str },
    Unsubscribed { session: SessionKey, filter: &'a str },
    Attached { session: SessionKey },
    Owner { session: SessionKey, user: &'a str },
    Detached { session: SessionKey, sent: u64, time_ms: u64 },
    Expiry { session: SessionKey, interval_s: Option<u32> },
    Will { session: SessionKey, will: Will<'a> },
    WillCleared { session: SessionKey },
    Leases { session: SessionKey, below: u64 },
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

/// The reason why there is no record at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) enum BadRecord {
    /// The bytes end before the record does.
    Cut,
    /// The checksum is wrong.
    Sum,
    /// The checksum is right, but this version does not know the record.
    Unknown,
}

/// The highest kind that a search for records accepts.
const KIND_MAX: u8 = 63;

/// The bit of a record's kind that marks the first record of a commit group.
const BEGINS_GROUP: u8 = 1 << 7;

/// The position of the kind in a record.
const KIND_AT: usize = 8;

impl<'a> Record<'a> {
    /// Whether it belongs to a checkpoint. Some records of origins are counted that do not; records
    /// of the time line, which are small, are not counted.
    pub(in crate::store) fn is_captured(&self) -> bool {
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
            Self::Expiry { .. } => 28,
            Self::Will { .. } => 29,
            Self::WillCleared { .. } => 30,
            Self::Leases { .. } => 31,
        }
    }

    /// The most bytes that [`Record::encode`] appends.
    #[inline]
    pub(in crate::store) fn bytes_max(&self) -> usize {
        // The frame, fixed fields and numbers of any record except lists, which are added below.
        const REST_MAX: usize = FRAME_BYTES + 64;
        REST_MAX
            + match self {
                Self::Message(message) => {
                    message.topic.len()
                        + message.payload.len()
                        + message.properties.len()
                        + message.targets.0.len()
                        + message.own.map_or(0, <[u8]>::len)
                }
                Self::Acks(acks) => (acks.gone.len() + acks.released.len()) * 10,
                Self::Origins(origins) => origins.len() * 12,
                Self::References(segments) | Self::Ends(segments) => segments.len() * 18,
                Self::Gaps(gaps) => gaps.len() * 19,
                Self::SessionOpened { client_id, .. } => client_id.len(),
                Self::Owner { user, .. } => user.len(),
                Self::Will { will, .. } => will.bytes(),
                Self::Subscribed { filter, .. } | Self::Unsubscribed { filter, .. } => filter.len(),
                Self::Cleared { topic, .. } => topic.len(),
                Self::Block(block) => block.entries.len(),
                Self::SessionState { state: bytes, .. }
                | Self::RetainedState { entries: bytes, .. } => bytes.len(),
                _ => 0,
            }
    }

    /// Appends the record for a place: its offset XOR its segment's salt.
    #[inline]
    pub(in crate::store) fn encode(&self, place: u64, begins_group: bool, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; KIND_AT]);
        out.push(self.kind() | u8::from(begins_group) << 7);
        match self {
            Self::Message(message) => message.encode(out),
            _ => self.encode_body(out),
        }
        let body_len = u32::try_from(out.len() - start - FRAME_BYTES).expect("below 4 GiB");
        out[start + 4..start + 8].copy_from_slice(&body_len.to_le_bytes());
        sum_up(place, &mut out[start..]);
    }

    /// Marks an encoded record at `place` as the first of its commit group.
    pub(in crate::store) fn begin_group(place: u64, whole: &mut [u8]) {
        whole[KIND_AT] |= BEGINS_GROUP;
        sum_up(place, whole);
    }

    /// Whether the record at the start of `bytes` is marked as the first of its commit group.
    pub(in crate::store) fn begins_group(bytes: &[u8]) -> bool {
        bytes.get(KIND_AT).is_some_and(|kind| kind & BEGINS_GROUP != 0)
    }

    /// Whether the start of `bytes` has a record's kind.
    #[inline]
    pub(in crate::store) fn may_begin(bytes: &[u8]) -> bool {
        bytes.get(KIND_AT).is_some_and(|kind| (1..=KIND_MAX).contains(&(kind & !BEGINS_GROUP)))
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

    /// The body of a change of a session.
    fn encode_change(&self, out: &mut Vec<u8>) {
        match self {
            Self::SessionOpened { session, vhost, time_ms, client_id } => {
                put_varint(out, (*session).into());
                out.extend_from_slice(&vhost.to_le_bytes());
                out.extend_from_slice(&time_ms.to_le_bytes());
                put_bytes(out, client_id.as_bytes());
            }
            Self::SessionEnded { session }
            | Self::Attached { session }
            | Self::WillCleared { session } => put_varint(out, (*session).into()),
            Self::Leases { session, below } => {
                put_varint(out, (*session).into());
                put_varint(out, *below);
            }
            Self::Expiry { session, interval_s } => {
                put_varint(out, (*session).into());
                put_varint(out, interval_s.map_or(0, |seconds| u64::from(seconds) + 1));
            }
            Self::Will { session, will } => {
                put_varint(out, (*session).into());
                will.put(out);
            }
            Self::Owner { session, user } => {
                put_varint(out, (*session).into());
                put_bytes(out, user.as_bytes());
            }
            Self::Subscribed { session, options, filter } => {
                put_varint(out, (*session).into());
                options.put(out);
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

    /// Reads the record at the start of `bytes`, for the same place as [`Record::encode`]; returns
    /// it with its size.
    #[inline]
    pub(in crate::store) fn decode(
        place: u64,
        bytes: &'a [u8],
    ) -> Result<(Self, usize), BadRecord> {
        let whole = frame(bytes).ok_or(BadRecord::Cut)?;
        let crc = u32::from_le_bytes([whole[0], whole[1], whole[2], whole[3]]);
        if crc != checksum(place, &whole[4..]) {
            return Err(BadRecord::Sum);
        }
        Ok((Self::read(whole).ok_or(BadRecord::Unknown)?, whole.len()))
    }

    /// The record at `place`, which is all of `bytes`, if one byte of it is damaged and can be
    /// corrected.
    pub(in crate::store) fn mended(place: u64, bytes: &[u8]) -> Option<Vec<u8>> {
        let was = u32::from_le_bytes(*bytes.first_chunk()?);
        let mut whole = bytes.to_vec();
        match wrong_byte(was, checksum(place, &bytes[4..]), bytes.len() - 4)? {
            Wrong::Sum => sum_up(place, &mut whole),
            Wrong::Byte { at, bits } => whole[4 + at] ^= bits,
        }
        let is_one = frame(&whole).is_some_and(|frame| frame.len() == whole.len());
        is_one.then_some(whole)
    }

    /// A guess of the damaged record at the start of `bytes`. The targets of a message are returned
    /// even if other parts are not readable.
    pub(in crate::store) fn guess(bytes: &'a [u8]) -> Option<Self> {
        let whole = frame(bytes)?;
        let mut body = Cursor(&whole[FRAME_BYTES..]);
        match whole[KIND_AT] & !BEGINS_GROUP {
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

    /// Reads a record without checking its checksum.
    #[inline]
    fn read(whole: &'a [u8]) -> Option<Self> {
        let (kind, body) = (whole[KIND_AT] & !BEGINS_GROUP, Cursor(&whole[FRAME_BYTES..]));
        match kind {
            1 => MessageRecord::decode(body).map(Self::Message),
            _ => Self::decode_body(kind, body),
        }
    }

    /// The size of the record at the start of `bytes`, as it says itself.
    #[inline]
    pub(in crate::store) fn length(bytes: &[u8]) -> Option<usize> {
        frame(bytes).map(<[u8]>::len)
    }

    /// The same, even if there are fewer bytes.
    pub(in crate::store) fn length_told(bytes: &[u8]) -> Option<usize> {
        let body_len = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
        Some(FRAME_BYTES + body_len as usize)
    }

    /// Reads a message whose checksum need not be checked.
    #[inline]
    pub(in crate::store) fn message_unchecked(bytes: &'a [u8]) -> Option<MessageRecord<'a>> {
        let whole = frame(bytes)?;
        if whole[KIND_AT] & !BEGINS_GROUP != 1 {
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
                options: SubscriptionOptions::read(body)?,
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
            28..=31 => Self::decode_end(kind, body)?,
            22 => Self::Owner { session: body.narrow()?, user: body.text()? },
            _ => return None,
        };
        body.is_empty().then_some(record)
    }
}

impl<'a> Record<'a> {
    /// The body of a session's settings for the time after its connection.
    fn decode_end(kind: u8, body: &mut Cursor<'a>) -> Option<Self> {
        let session = body.narrow()?;
        Some(match kind {
            28 => {
                let interval_s = body.varint()?.checked_sub(1).map(u32::try_from);
                Self::Expiry { session, interval_s: interval_s.transpose().ok()? }
            }
            29 => Self::Will { session, will: Will::read(body)? },
            31 => Self::Leases { session, below: body.varint()? },
            _ => Self::WillCleared { session },
        })
    }
}

/// The bytes of the record at the start of `bytes`, as long as it says itself.
#[inline]
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let body_len = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    bytes.get(..FRAME_BYTES + body_len as usize)
}

/// Sets the checksum of an encoded record.
#[inline]
fn sum_up(place: u64, whole: &mut [u8]) {
    let crc = checksum(place, &whole[4..]);
    whole[..4].copy_from_slice(&crc.to_le_bytes());
}

#[inline]
fn checksum(place: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&place.to_le_bytes()), bytes)
}
