//! The messages between shards, and the trait through which they are sent.
//!
//! Each message is one record of a mesh ring: a fixed header, a topic or filter, and bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | kind |
//! | 1 | flags: bits 0–1 QoS, 2 RETAIN of the publish; 3 to 7 depend on the kind |
//! | 2 | vhost |
//! | 4 | slot of the connection concerned |
//! | 4 | generation of the connection concerned |
//! | 4 | serial of the replay concerned; in a PUBLISH, when it was received, microseconds |
//! | 4 | bytes of the page in an ask; a shard's number; the packet identifier of a PUBLISH |
//! | 8 | serial of the publisher's session |
//! | 4 | length of the text |
//! | 4 | length of the properties |
//! | text length | topic name or topic filter, UTF-8 |
//! | properties length | properties of a message |
//! | rest | payload; in an ask, the topic after which to go on |
//!
//! Messages about consumer groups use the same fields: see `group`.

mod group;
mod layout;
mod refusable;

use crate::mqtt::QoS;

use super::names::{ConnId, Peers, ShardId, ShardSet, VhostId};

use layout::{Layout, QOS_BITS, RETAIN, flag};

pub(crate) use group::{GroupMessage, MemberName, Work};
pub(crate) use refusable::Refusable;

const HEADER_BYTES: usize = 36;

/// A PUBLISH for another shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PeerPublish<'a> {
    /// The publishing connection, if it can be made to wait.
    pub(crate) source: Option<ConnId>,
    /// For QoS 2: the serial of the publisher's session, and the packet identifier.
    pub(crate) origin: Option<(u64, u16)>,
    /// Of a message above QoS 0 whose publisher can be told that it was refused.
    pub(crate) refusable: Option<Refusable>,
    /// The turn in which it was received ([`super::meters::Meters::turn_stamp`]).
    pub(crate) stamp: u32,
    pub(crate) topic: &'a str,
    /// As [`Message::properties`](super::output::Message::properties).
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    /// RETAIN of the publication.
    pub(crate) retain: bool,
    /// Whether the receiver keeps this topic's retained message.
    pub(crate) keep: bool,
    /// Whether the receiver has subscribers.
    pub(crate) deliver: bool,
}

/// Names a replay by its connection and its number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ReplayId {
    pub(crate) conn: ConnId,
    pub(crate) serial: u32,
}

/// An ask for another shard's retained messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) replay: ReplayId,
    /// The size at which the page ends.
    pub(crate) bytes_max: u32,
    pub(crate) filter: &'a str,
    pub(crate) after: Option<&'a str>,
    /// Whether the answer waits until all other shards have vouched.
    pub(crate) vouched: bool,
}

/// A message between shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PeerMessage<'a> {
    Publish(PeerPublish<'a>),
    /// The sender has its first subscriber for this filter.
    Interested {
        filter: &'a str,
    },
    /// The sender has no subscriber for this filter any more.
    NotInterested {
        filter: &'a str,
    },
    /// An output that this connection feeds is full: stop reading from it.
    Hold {
        conn: ConnId,
    },
    /// Ends one `Hold`.
    Release {
        conn: ConnId,
    },
    /// As `Hold`, but a session is full, and the publisher gets no acknowledgements either.
    Block {
        conn: ConnId,
    },
    /// Ends one `Block`.
    Unblock {
        conn: ConnId,
    },
    /// The sender has refused a message of this connection: the sessions that it is for are full.
    Refused {
        conn: ConnId,
        message: Refusable,
    },
    /// The sender's disk is short: messages that it must store have to wait.
    Short,
    /// The sender's disk is not short any more.
    Ample,
    /// A QoS 2 publisher has released its message.
    Freed {
        serial: u64,
        packet_id: u16,
    },
    /// Asks for a page of the matching retained messages.
    Ask(Ask<'a>),
    /// Asks the receiver to vouch to `keeper` for this replay, after all earlier messages.
    Vouch {
        replay: ReplayId,
        keeper: ShardId,
    },
    /// The sender has sent all its messages of before the ask of `asker`.
    Vouched {
        replay: ReplayId,
        asker: ShardId,
    },
    /// A retained message for an ask.
    Answer {
        replay: ReplayId,
        topic: &'a str,
        /// As in [`PeerPublish`].
        properties: &'a [u8],
        payload: &'a [u8],
        qos: QoS,
    },
    /// The end of an answer: the topic after which to go on, or `None` if it is complete.
    AnswerEnd {
        replay: ReplayId,
        after: Option<&'a str>,
    },
    /// A message about consumer groups.
    Group(GroupMessage<'a>),
}

const NOBODY: ConnId = ConnId { slot: u32::MAX, generation: u32::MAX };
const KEEP: u8 = 1 << 3;
const DELIVER: u8 = 1 << 4;
/// In an ask or the end of an answer: there is a topic after which to go on, which may be empty.
const AFTER: u8 = 1 << 5;
const VOUCHED: u8 = 1 << 6;
const ORIGIN: u8 = 1 << 7;
/// On a PUBLISH.
const REFUSABLE: u8 = 1 << 5;

/// The first byte of each kind of message.
mod kind {
    pub(crate) const PUBLISH: u8 = 0;
    pub(crate) const INTERESTED: u8 = 1;
    pub(crate) const NOT_INTERESTED: u8 = 2;
    pub(crate) const HOLD: u8 = 3;
    pub(crate) const RELEASE: u8 = 4;
    pub(crate) const ASK: u8 = 5;
    pub(crate) const ANSWER: u8 = 6;
    pub(crate) const ANSWER_END: u8 = 7;
    pub(crate) const VOUCH: u8 = 8;
    pub(crate) const VOUCHED: u8 = 9;
    pub(crate) const BLOCK: u8 = 10;
    pub(crate) const UNBLOCK: u8 = 11;
    pub(crate) const FREED: u8 = 12;
    pub(crate) const SHORT: u8 = 13;
    pub(crate) const AMPLE: u8 = 14;
}

impl<'a> PeerMessage<'a> {
    /// Whether a reply to a client may wait until this is handled (see [`super::replies`]).
    pub(crate) fn is_awaited(&self) -> bool {
        match self {
            Self::Publish(publish) => publish.qos > QoS::AtMostOnce,
            Self::Interested { .. } | Self::NotInterested { .. } | Self::Freed { .. } => true,
            Self::Group(message) => message.is_awaited(),
            Self::Hold { .. }
            | Self::Release { .. }
            | Self::Block { .. }
            | Self::Unblock { .. }
            | Self::Refused { .. }
            | Self::Short
            | Self::Ample
            | Self::Ask(_)
            | Self::Vouch { .. }
            | Self::Vouched { .. }
            | Self::Answer { .. }
            | Self::AnswerEnd { .. } => false,
        }
    }

    /// Sends the message to each of `to`.
    pub(crate) fn send(&self, vhost: VhostId, to: ShardSet, peers: &mut dyn Peers) {
        let layout = self.layout();
        let text_len = u32::try_from(layout.text.len()).expect("topics are below 64 KiB");
        let mut header = [0; HEADER_BYTES];
        header[0] = layout.kind;
        header[1] = layout.flags;
        header[2..4].copy_from_slice(&vhost.0.to_le_bytes());
        header[4..8].copy_from_slice(&layout.conn.slot.to_le_bytes());
        header[8..12].copy_from_slice(&layout.conn.generation.to_le_bytes());
        header[12..16].copy_from_slice(&layout.serial.to_le_bytes());
        header[16..20].copy_from_slice(&layout.number.to_le_bytes());
        header[20..28].copy_from_slice(&layout.session.to_le_bytes());
        header[28..32].copy_from_slice(&text_len.to_le_bytes());
        let properties_len = u32::try_from(layout.properties.len()).expect("they fit in a packet");
        header[32..].copy_from_slice(&properties_len.to_le_bytes());
        let parts = [&header, layout.text.as_bytes(), layout.properties, layout.rest];
        peers.send(to, &parts, self.is_awaited());
    }

    /// Reads a message of another shard of this process.
    ///
    /// # Panics
    /// If the bytes are not what [`PeerMessage::send`] made: our own fault.
    pub(crate) fn read(record: &'a [u8]) -> (VhostId, Self) {
        let (header, body) = record.split_at(HEADER_BYTES);
        let number = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (text, rest) = body.split_at(number(28) as usize);
        let (properties, rest) = rest.split_at(number(32) as usize);
        let layout = Layout {
            kind: header[0],
            flags: header[1],
            conn: ConnId { slot: number(4), generation: number(8) },
            serial: number(12),
            number: number(16),
            session: u64::from(number(20)) | u64::from(number(24)) << 32,
            text: std::str::from_utf8(text).expect("a peer sends topics it has checked"),
            properties,
            rest,
        };
        (VhostId(u16::from_le_bytes([header[2], header[3]])), Self::from_layout(&layout))
    }

    fn layout(&self) -> Layout<'a> {
        let plain = Layout {
            kind: 0,
            flags: 0,
            conn: NOBODY,
            serial: 0,
            number: 0,
            session: 0,
            text: "",
            properties: &[],
            rest: &[],
        };
        let replay = |id: ReplayId| Layout { conn: id.conn, serial: id.serial, ..plain };
        match *self {
            Self::Publish(publish) => Layout {
                kind: kind::PUBLISH,
                flags: publish.qos as u8
                    | flag(publish.retain, RETAIN)
                    | flag(publish.keep, KEEP)
                    | flag(publish.deliver, DELIVER)
                    | flag(publish.origin.is_some(), ORIGIN)
                    | flag(publish.refusable.is_some(), REFUSABLE),
                conn: publish.source.unwrap_or(NOBODY),
                serial: publish.stamp,
                session: publish.origin.map_or(0, |(serial, _)| serial),
                number: Refusable::put(publish.refusable, publish.origin),
                text: publish.topic,
                properties: publish.properties,
                rest: publish.payload,
            },
            Self::Interested { filter } => Layout { kind: kind::INTERESTED, text: filter, ..plain },
            Self::NotInterested { filter } => {
                Layout { kind: kind::NOT_INTERESTED, text: filter, ..plain }
            }
            Self::Hold { conn } => Layout { kind: kind::HOLD, conn, ..plain },
            Self::Release { conn } => Layout { kind: kind::RELEASE, conn, ..plain },
            Self::Block { conn } => Layout { kind: kind::BLOCK, conn, ..plain },
            Self::Unblock { conn } => Layout { kind: kind::UNBLOCK, conn, ..plain },
            Self::Refused { conn, message } => message.layout(conn, plain),
            Self::Short => Layout { kind: kind::SHORT, ..plain },
            Self::Ample => Layout { kind: kind::AMPLE, ..plain },
            Self::Freed { serial: session, packet_id } => {
                Layout { kind: kind::FREED, session, number: packet_id.into(), ..plain }
            }
            Self::Ask(ask) => Layout {
                kind: kind::ASK,
                flags: flag(ask.after.is_some(), AFTER) | flag(ask.vouched, VOUCHED),
                number: ask.bytes_max,
                text: ask.filter,
                rest: ask.after.unwrap_or("").as_bytes(),
                ..replay(ask.replay)
            },
            Self::Vouch { replay: id, keeper } => {
                Layout { kind: kind::VOUCH, number: keeper.0.into(), ..replay(id) }
            }
            Self::Vouched { replay: id, asker } => {
                Layout { kind: kind::VOUCHED, number: asker.0.into(), ..replay(id) }
            }
            Self::Answer { replay: id, topic, properties, payload, qos } => Layout {
                kind: kind::ANSWER,
                flags: qos as u8,
                text: topic,
                properties,
                rest: payload,
                ..replay(id)
            },
            Self::Group(message) => message.layout(plain),
            Self::AnswerEnd { replay: id, after } => Layout {
                kind: kind::ANSWER_END,
                flags: flag(after.is_some(), AFTER),
                text: after.unwrap_or(""),
                ..replay(id)
            },
        }
    }

    fn from_layout(layout: &Layout<'a>) -> Self {
        let Layout { flags, conn, text, properties, rest, .. } = *layout;
        let replay = ReplayId { conn, serial: layout.serial };
        let qos = QoS::try_from(flags & QOS_BITS).expect("a peer sends a QoS it has checked");
        let small = || u16::try_from(layout.number).expect("a peer sends what it read as 16 bits");
        let shard = || ShardId(small());
        match layout.kind {
            kind::PUBLISH => Self::Publish(PeerPublish {
                source: (conn != NOBODY).then_some(conn),
                origin: (flags & ORIGIN != 0)
                    .then(|| (layout.session, Refusable::id_in(layout.number))),
                refusable: Refusable::of(layout.number).filter(|_| flags & REFUSABLE != 0),
                stamp: layout.serial,
                topic: text,
                properties,
                payload: rest,
                qos,
                retain: flags & RETAIN != 0,
                keep: flags & KEEP != 0,
                deliver: flags & DELIVER != 0,
            }),
            kind::INTERESTED => Self::Interested { filter: text },
            kind::NOT_INTERESTED => Self::NotInterested { filter: text },
            kind::HOLD => Self::Hold { conn },
            kind::RELEASE => Self::Release { conn },
            kind::BLOCK => Self::Block { conn },
            kind::UNBLOCK => Self::Unblock { conn },
            refusable::REFUSED => {
                let message = Refusable::of(layout.number).expect("a peer sends what it was sent");
                Self::Refused { conn, message }
            }
            kind::SHORT => Self::Short,
            kind::AMPLE => Self::Ample,
            kind::FREED => Self::Freed { serial: layout.session, packet_id: small() },
            kind::ASK => {
                let after = std::str::from_utf8(rest).expect("a peer sends topics it has checked");
                let after = (flags & AFTER != 0).then_some(after);
                let vouched = flags & VOUCHED != 0;
                Self::Ask(Ask { replay, bytes_max: layout.number, filter: text, after, vouched })
            }
            kind::VOUCH => Self::Vouch { replay, keeper: shard() },
            kind::VOUCHED => Self::Vouched { replay, asker: shard() },
            kind::ANSWER => Self::Answer { replay, topic: text, properties, payload: rest, qos },
            kind::ANSWER_END => {
                Self::AnswerEnd { replay, after: (flags & AFTER != 0).then_some(text) }
            }
            kind if group::is_kind(kind) => Self::Group(GroupMessage::from_layout(layout)),
            unknown => panic!("peer message of kind {unknown}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::ClientLimit;
    use super::*;
    use crate::mqtt::PacketId;

    #[derive(Default)]
    struct Recorder(Vec<u8>);

    impl Peers for Recorder {
        fn send(&mut self, _: ShardSet, parts: &[&[u8]], _: bool) {
            self.0 = parts.concat();
        }

        fn awaited(&self, _: ShardId) -> u64 {
            0
        }

        fn settled(&self, _: ShardId) -> u64 {
            0
        }

        fn admit(&mut self, _: u16, _: u64) -> Result<(), ClientLimit> {
            Ok(())
        }

        fn leave(&mut self, _: u16) {}
    }

    /// Each message reads back as it was sent.
    #[test]
    fn messages_read_back() {
        let conn = ConnId { slot: 7, generation: 0x00ab_cdef };
        let replay = ReplayId { conn, serial: u32::MAX };
        let publish = PeerPublish {
            source: Some(conn),
            origin: None,
            refusable: None,
            stamp: u32::MAX - 1,
            topic: "a/é",
            properties: &[],
            payload: &[0, 255],
            qos: QoS::AtLeastOnce,
            retain: true,
            keep: false,
            deliver: true,
        };
        let message = Refusable { packet_id: PacketId::new(7).expect("not 0"), shards: u16::MAX };
        let refusable = Some(message);
        let ask = |bytes_max, after: Option<&'static str>| {
            let vouched = after.is_none();
            PeerMessage::Ask(Ask { replay, bytes_max, filter: "#", after, vouched })
        };
        let messages = [
            PeerMessage::Publish(publish),
            PeerMessage::Publish(PeerPublish { source: None, keep: true, payload: &[], ..publish }),
            PeerMessage::Publish(PeerPublish { properties: &[2, 0, 0, 0, 9], ..publish }),
            PeerMessage::Interested { filter: "+/#" },
            PeerMessage::NotInterested { filter: "+/#" },
            PeerMessage::Hold { conn },
            PeerMessage::Publish(PeerPublish { origin: Some((u64::MAX - 1, 7)), ..publish }),
            PeerMessage::Release { conn },
            PeerMessage::Block { conn },
            PeerMessage::Unblock { conn },
            PeerMessage::Publish(PeerPublish { refusable, ..publish }),
            PeerMessage::Publish(PeerPublish { refusable, origin: Some((5, 7)), ..publish }),
            PeerMessage::Refused { conn, message },
            PeerMessage::Short,
            PeerMessage::Ample,
            PeerMessage::Freed { serial: 1 << 40, packet_id: u16::MAX },
            ask(0, None),
            ask(1 << 31, Some("a")),
            PeerMessage::Vouch { replay, keeper: ShardId(63) },
            PeerMessage::Vouched { replay, asker: ShardId(1) },
            PeerMessage::Answer {
                replay,
                topic: "t",
                properties: b"",
                payload: b"p",
                qos: QoS::ExactlyOnce,
            },
            PeerMessage::Answer {
                replay,
                topic: "t",
                properties: b"p",
                payload: b"",
                qos: QoS::AtMostOnce,
            },
            PeerMessage::AnswerEnd { replay, after: None },
            PeerMessage::AnswerEnd { replay, after: Some("é") },
        ];
        for message in messages {
            let mut recorder = Recorder::default();
            message.send(VhostId(3), ShardSet::of(ShardId(0)), &mut recorder);
            assert_eq!(PeerMessage::read(&recorder.0), (VhostId(3), message));
        }
    }

    /// Each message about groups reads back as it was sent.
    #[test]
    fn messages_about_groups_read_back() {
        let (session, share) = (9, "$share/g/a/é");
        let member = MemberName { session, incarnation: u32::MAX };
        let work = Work {
            to: member,
            membership: 7,
            lane: u64::MAX - 1,
            number: u32::MAX - 2,
            retain: true,
            qos: QoS::ExactlyOnce,
            topic: "t",
            properties: b"p",
            payload: b"payload",
        };
        for message in [
            GroupMessage::Join { session, membership: 3, durable: true, weight: 1 << 60, share },
            GroupMessage::Join { session, membership: 3, durable: false, weight: 0, share },
            GroupMessage::Leave { session, unsubscribed: true, suspended: false, share },
            GroupMessage::Leave { session, unsubscribed: false, suspended: true, share },
            GroupMessage::Begin { member, credit: 500, weight: 77 },
            GroupMessage::Away { session },
            GroupMessage::Gone { session, ended: true },
            GroupMessage::Gone { session, ended: false },
            GroupMessage::Credit { member, count: u32::MAX },
            GroupMessage::Want { member },
            GroupMessage::Recall { member },
            GroupMessage::Return { member, count: 8 },
            GroupMessage::Full { member, full: true },
            GroupMessage::Full { member, full: false },
            GroupMessage::Work(work),
            GroupMessage::Work(Work { qos: QoS::AtMostOnce, retain: false, payload: b"", ..work }),
            GroupMessage::Done { answered: &[1; 48] },
            GroupMessage::Forget { session, lane: 1 << 40, number: 4 },
        ] {
            let (message, mut recorder) = (PeerMessage::Group(message), Recorder::default());
            message.send(VhostId(3), ShardSet::of(ShardId(0)), &mut recorder);
            assert_eq!(PeerMessage::read(&recorder.0), (VhostId(3), message));
        }
    }
}
