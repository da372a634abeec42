//! The events of a trace: packets as they were on the wire, and decisions of the broker.

use crate::limits::TRACE_PACKET_BYTES_MAX;
use crate::mqtt::{
    Auth, AuthProperties, Packet, PacketKind, Publish, QoS, TopicName, Version, peek_frame,
};

use super::super::names::{ClientAddress, TraceSet};
use super::spec::TraceKind;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceEvent {
    /// The traces that record it.
    pub traces: TraceSet,
    /// The beginning of its turn, in microseconds on the clock of
    /// [`Context`](super::super::Context).
    pub time_us: u64,
    /// The client id; empty without a client, or before CONNECT.
    pub client: Box<str>,
    /// The client's vhost.
    pub vhost: u16,
    /// The client's address.
    pub address: ClientAddress,
    /// The kind of the event.
    pub kind: TraceKind,
    /// The event itself.
    pub what: Happening,
}

/// The event itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happening {
    /// A packet.
    Packet(TracedPacket),
    /// A decision.
    Decision(Decision),
}

/// The sender of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The client sent it.
    Received,
    /// The broker sent it to the client.
    Sent,
    /// The broker published it: a will, or an operator's message.
    Own,
}

/// A packet, or its beginning. A password in it is replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TracedPacket {
    /// Its sender.
    pub direction: Direction,
    /// The version of MQTT in which it is encoded.
    pub version: Version,
    /// Its beginning; only the end of a long payload or of a very long packet is missing.
    pub bytes: Box<[u8]>,
    /// Length of the whole packet in bytes.
    pub total_bytes: usize,
    /// Length of its payload in bytes, if it is a PUBLISH.
    pub payload_bytes: usize,
}

/// The text that replaces a password.
const HIDDEN: &[u8] = b"********";

impl TracedPacket {
    /// Encodes a packet, with at most `payload_max` bytes of its payload.
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

    /// Encodes a PUBLISH likewise.
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

    /// Takes a packet that is encoded already.
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

    /// The packet type in its first byte.
    pub(crate) fn type_bits(&self) -> u8 {
        self.bytes.first().map_or(0, |first| first >> 4)
    }
}

/// A decision of the broker, or a wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// The password has to be verified first.
    VerifiesPassword,
    /// A client is accepted.
    LetIn {
        /// The user; `None` for an anonymous client.
        user: Option<Box<str>>,
        /// Whether a session existed.
        session_present: bool,
    },
    /// A client is refused.
    Refused {
        /// The reason in words.
        why: Box<str>,
    },
    /// Whether a client may publish; recorded only where rules exist.
    Publish {
        /// The topic.
        topic: Box<str>,
        /// The reason why not; `None` if it may.
        denied: Option<&'static str>,
    },
    /// The answer to one filter of a SUBSCRIBE.
    Subscription {
        /// The filter.
        filter: Box<str>,
        /// The granted QoS, or the reason of the refusal.
        granted: Result<QoS, &'static str>,
    },
    /// The receivers of a message.
    Route {
        /// The message's topic.
        topic: Box<str>,
        /// Number of subscribed sessions of this shard.
        sessions: usize,
        /// Number of other shards with a subscriber.
        shards: Vec<u16>,
        /// Whether it becomes the topic's retained message, or clears it.
        retain: bool,
    },
    /// The fate of a message for one session, whose client the event names.
    Target {
        /// Its topic.
        topic: Box<str>,
        /// The QoS for this session.
        qos: QoS,
        /// Its fate.
        outcome: Outcome,
    },
    /// Further sessions of this shard that got a message, without their names.
    Targets {
        /// Its topic.
        topic: Box<str>,
        /// How many.
        more: usize,
    },
    /// The session is full: its oldest messages were dropped.
    DroppedOldest {
        /// How many.
        messages: u32,
    },
    /// A reply waits.
    ReplyWaits {
        /// The type of the reply.
        reply: &'static str,
        /// Its packet identifier.
        packet_id: u16,
        /// Whether it waits for other shards to have the message.
        peers: bool,
        /// Whether it waits for the log to have it.
        disk: bool,
    },
    /// The broker stops reading from the client, for this reason.
    Paused(&'static str),
    /// That reason is over.
    Resumed(&'static str),
    /// The connection ends.
    Closed {
        /// Why, in words.
        why: Box<str>,
    },
}

/// The fate of a message for one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was written to the client's output.
    Sent,
    /// It waits in the session, for this reason.
    Waits(&'static str),
    /// It was dropped, for this reason.
    Dropped(&'static str),
}

impl TraceEvent {
    /// The memory that it takes, in bytes (approximate).
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

    /// Its kind.
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
