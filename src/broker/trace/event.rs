//! What a trace tells: packets as they were on the wire, and what the broker decided.

use crate::limits::TRACE_PACKET_BYTES_MAX;
use crate::mqtt::{
    Auth, AuthProperties, Packet, PacketKind, Publish, QoS, TopicName, Version, peek_frame,
};

use super::super::names::{ClientAddress, TraceSet};
use super::spec::TraceKind;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceEvent {
    /// The traces that it is for.
    pub traces: TraceSet,
    /// When its turn began, microseconds on the clock of [`Context`](super::super::Context).
    pub time_us: u64,
    /// The client that it is about; empty: none, or none yet.
    pub client: Box<str>,
    /// The number of its vhost.
    pub vhost: u16,
    /// Where the client is.
    pub address: ClientAddress,
    /// What it is about.
    pub kind: TraceKind,
    /// What happened.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happening {
    /// A packet.
    Packet(TracedPacket),
    /// A decision.
    Decision(Decision),
}

/// Where a packet comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the client.
    Received,
    /// To the client.
    Sent,
    /// From the broker itself: a will, or an operator's message.
    Own,
}

/// A packet, or its beginning. A password in it is not the client's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TracedPacket {
    /// Where it comes from.
    pub direction: Direction,
    /// How its bytes are to be read.
    pub version: Version,
    /// Its beginning: all but the end of a payload or of a very long packet.
    pub bytes: Box<[u8]>,
    /// Bytes of the whole packet.
    pub total_bytes: usize,
    /// Bytes of its payload, if it is a PUBLISH.
    pub payload_bytes: usize,
}

/// What stands in the place of a password.
const HIDDEN: &[u8] = b"********";

impl TracedPacket {
    /// A packet as it is written, with so many bytes of its payload at most.
    pub(super) fn of(
        direction: Direction,
        version: Version,
        packet: &Packet<'_>,
        payload_max: usize,
    ) -> Self {
        let mut bytes = Vec::new();
        match packet {
            Packet::Publish(publish) => {
                return Self::of_publish(direction, version, publish, payload_max);
            }
            Packet::Connect(connect) => {
                let mut shown = *connect;
                shown.password = connect.password.map(|_| HIDDEN);
                if let Some(will) = &mut shown.will {
                    will.payload = &will.payload[..will.payload.len().min(payload_max)];
                }
                shown.encode(connect.version, &mut bytes);
            }
            // A proof can be tried against passwords.
            Packet::Auth(auth) => {
                let told = AuthProperties::of(auth.properties);
                let shown = AuthProperties { data: told.data.map(|_| HIDDEN), ..told };
                let mut scratch = Vec::new();
                let properties = shown.lay_out(&[], &mut scratch);
                Auth { properties, ..*auth }.encode(version, &mut bytes);
            }
            other => other.encode(version, &mut bytes),
        }
        Self::of_bytes(direction, version, &bytes)
    }

    /// The same of a PUBLISH.
    pub(super) fn of_publish(
        direction: Direction,
        version: Version,
        publish: &Publish<'_>,
        payload_max: usize,
    ) -> Self {
        let mut bytes = Vec::new();
        publish.encode_header(version, &mut bytes);
        let payload_bytes = publish.payload.len();
        let total_bytes = bytes.len() + payload_bytes;
        bytes.extend_from_slice(&publish.payload[..payload_bytes.min(payload_max)]);
        Self { direction, version, bytes: bytes.into(), total_bytes, payload_bytes }
    }

    /// The same of a packet that is written already.
    pub(super) fn of_bytes(direction: Direction, version: Version, bytes: &[u8]) -> Self {
        let kept = &bytes[..bytes.len().min(TRACE_PACKET_BYTES_MAX)];
        let total_bytes = bytes.len();
        Self { direction, version, bytes: kept.into(), total_bytes, payload_bytes: 0 }
    }

    /// The topic of a PUBLISH.
    pub(crate) fn topic(&self) -> Option<TopicName<'_>> {
        let frame = peek_frame(self.version, &self.bytes, usize::MAX).ok()??;
        if frame.kind().ok()? != PacketKind::Publish {
            return None;
        }
        let (len, rest) = self.bytes.get(frame.header_bytes..)?.split_first_chunk()?;
        let topic = rest.get(..usize::from(u16::from_be_bytes(*len)))?;
        TopicName::parse(std::str::from_utf8(topic).ok()?).ok()
    }

    /// Its type, as the first byte has it.
    pub(crate) fn type_bits(&self) -> u8 {
        self.bytes.first().map_or(0, |first| first >> 4)
    }
}

/// What the broker decided, or waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// The password has to be verified first.
    VerifiesPassword,
    /// A client is let in.
    LetIn {
        /// As this user; none: anonymous.
        user: Option<Box<str>>,
        /// There was a session.
        session_present: bool,
    },
    /// A client is refused.
    Refused {
        /// Why, in words.
        why: Box<str>,
    },
    /// Whether a client may publish, where there are rules.
    Publish {
        /// To which topic.
        topic: Box<str>,
        /// Why not; none: it may.
        denied: Option<&'static str>,
    },
    /// What a client gets of a filter that it subscribes to.
    Subscription {
        /// The filter.
        filter: Box<str>,
        /// The QoS; or why it gets nothing.
        granted: Result<QoS, &'static str>,
    },
    /// Who gets a message.
    Route {
        /// Its topic.
        topic: Box<str>,
        /// Sessions of this shard.
        sessions: usize,
        /// Other shards with a subscriber.
        shards: Vec<u16>,
        /// It becomes its topic's retained message, or clears it.
        retain: bool,
    },
    /// What became of a message for one session; the client is that of the session.
    Target {
        /// Its topic.
        topic: Box<str>,
        /// The QoS for this session.
        qos: QoS,
        /// What became of it.
        outcome: Outcome,
    },
    /// Sessions of this shard that got a message and are not named.
    Targets {
        /// Its topic.
        topic: Box<str>,
        /// How many.
        more: usize,
    },
    /// The session is full: this many messages that had waited longest were dropped.
    DroppedOldest {
        /// How many.
        messages: u32,
    },
    /// A reply waits.
    ReplyWaits {
        /// The packet it is.
        reply: &'static str,
        /// Its packet identifier.
        packet_id: u16,
        /// For other shards to have the message.
        peers: bool,
        /// For the log to have it.
        disk: bool,
    },
    /// The client is not read from any more, for this reason.
    Paused(&'static str),
    /// That reason is over.
    Resumed(&'static str),
    /// The connection ends.
    Closed {
        /// Why, in words.
        why: Box<str>,
    },
}

/// What became of a message for one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is on its way to the client.
    Sent,
    /// It waits in the session, for this reason.
    Waits(&'static str),
    /// It was dropped, for this reason.
    Dropped(&'static str),
}

impl TraceEvent {
    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        let text = match &self.what {
            Happening::Packet(packet) => packet.bytes.len(),
            Happening::Decision(decision) => decision.text_bytes(),
        };
        size_of::<Self>() + self.client.len() + text
    }
}

impl Decision {
    fn text_bytes(&self) -> usize {
        match self {
            Self::LetIn { user, .. } => user.as_deref().map_or(0, str::len),
            Self::Refused { why } | Self::Closed { why } => why.len(),
            Self::Publish { topic, .. }
            | Self::Target { topic, .. }
            | Self::Targets { topic, .. } => topic.len(),
            Self::Subscription { filter, .. } => filter.len(),
            Self::Route { topic, shards, .. } => topic.len() + size_of_val(&**shards),
            Self::VerifiesPassword
            | Self::DroppedOldest { .. }
            | Self::ReplyWaits { .. }
            | Self::Paused(_)
            | Self::Resumed(_) => 0,
        }
    }

    /// The kind of event that it is.
    pub(crate) fn kind(&self) -> TraceKind {
        match self {
            Self::VerifiesPassword
            | Self::LetIn { .. }
            | Self::Refused { .. }
            | Self::Publish { .. }
            | Self::Subscription { .. } => TraceKind::Auth,
            Self::Route { .. }
            | Self::Target { .. }
            | Self::Targets { .. }
            | Self::DroppedOldest { .. }
            | Self::ReplyWaits { .. }
            | Self::Paused(_)
            | Self::Resumed(_) => TraceKind::Deliver,
            Self::Closed { .. } => TraceKind::Close,
        }
    }
}
