//! The packets as values, independent of the protocol version; their content is borrowed.
//!
//! `decode.rs` makes them from bytes, `encode.rs` makes bytes from them. SUBSCRIBE, UNSUBSCRIBE and
//! their acknowledgements are in `subscribe.rs`.

use std::fmt;

use super::fields::{OutOfRange, PacketId, PacketKind, QoS, Version};
use super::message_properties::{PublishProperties, WillProperties};
use super::properties::Properties;
use super::reason::ReasonCode;
use super::subscribe::{Suback, Subscribe, Unsuback, Unsubscribe};
use super::topic::TopicName;

/// Any packet (3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// 3.1
    Connect(Connect<'a>),
    /// 3.2
    Connack(Connack<'a>),
    /// 3.3
    Publish(Publish<'a>),
    /// 3.4
    Puback(Ack<'a>),
    /// 3.5
    Pubrec(Ack<'a>),
    /// 3.6
    Pubrel(Ack<'a>),
    /// 3.7
    Pubcomp(Ack<'a>),
    /// 3.8
    Subscribe(Subscribe<'a>),
    /// 3.9
    Suback(Suback<'a>),
    /// 3.10
    Unsubscribe(Unsubscribe<'a>),
    /// 3.11
    Unsuback(Unsuback<'a>),
    /// 3.12
    Pingreq,
    /// 3.13
    Pingresp,
    /// 3.14
    Disconnect(Disconnect<'a>),
    /// v5 3.15
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// The packet type.
    pub const fn kind(&self) -> PacketKind {
        match self {
            Self::Connect(_) => PacketKind::Connect,
            Self::Connack(_) => PacketKind::Connack,
            Self::Publish(_) => PacketKind::Publish,
            Self::Puback(_) => PacketKind::Puback,
            Self::Pubrec(_) => PacketKind::Pubrec,
            Self::Pubrel(_) => PacketKind::Pubrel,
            Self::Pubcomp(_) => PacketKind::Pubcomp,
            Self::Subscribe(_) => PacketKind::Subscribe,
            Self::Suback(_) => PacketKind::Suback,
            Self::Unsubscribe(_) => PacketKind::Unsubscribe,
            Self::Unsuback(_) => PacketKind::Unsuback,
            Self::Pingreq => PacketKind::Pingreq,
            Self::Pingresp => PacketKind::Pingresp,
            Self::Disconnect(_) => PacketKind::Disconnect,
            Self::Auth(_) => PacketKind::Auth,
        }
    }
}

/// CONNECT (3.1). Its `Debug` leaves out the password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version of the client.
    pub version: Version,
    /// Clean session (3.1.2.4); clean start in MQTT 5.
    pub clean_session: bool,
    /// Keep alive in seconds; 0 turns it off (3.1.2.10).
    pub keep_alive_s: u16,
    /// May be empty with any `clean_session`: the broker decides whether that is allowed
    /// [MQTT-3.1.3-8].
    pub client_id: &'a str,
    /// The will, published when the connection ends other than by DISCONNECT (3.1.2.5).
    pub will: Option<Will<'a>>,
    /// User name.
    pub username: Option<&'a str>,
    /// Password; in 3.x never without a user name [MQTT-3.1.2-22].
    pub password: Option<&'a [u8]>,
    /// MQTT 5: see [`ConnectProperties`](super::ConnectProperties).
    pub properties: Properties<'a>,
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_session", &self.clean_session)
            .field("keep_alive_s", &self.keep_alive_s)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("username", &self.username)
            .field("password", &self.password.map(|_| "(hidden)"))
            .field("properties", &self.properties)
            .finish()
    }
}

/// The will in a CONNECT (3.1.2.5, 3.1.3.2, 3.1.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// The topic of its publication.
    pub topic: TopicName<'a>,
    /// Its payload, at most 65,535 bytes.
    pub payload: &'a [u8],
    /// The QoS of its publication.
    pub qos: QoS,
    /// Whether it is published as a retained message.
    pub retain: bool,
    /// MQTT 5.
    pub properties: WillProperties<'a>,
}

/// CONNACK (3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connack<'a> {
    /// Whether the server had a session for this client. Only with reason 0 [MQTT-3.2.2-4], and not
    /// in 3.1.
    pub session_present: bool,
    /// In 3.x a [`ConnectReturn`], in MQTT 5 a [`ReasonCode`].
    pub reason: u8,
    /// MQTT 5: see [`ConnackProperties`](super::ConnackProperties).
    pub properties: Properties<'a>,
}

/// Return codes of CONNACK in 3.x (table 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectReturn {
    /// Connected.
    Accepted = 0,
    /// The server does not support this level of the protocol.
    UnacceptableVersion = 1,
    /// The client identifier is not allowed.
    IdentifierRejected = 2,
    /// The service is not available.
    ServerUnavailable = 3,
    /// User name or password is malformed, or wrong in 3.1.
    BadCredentials = 4,
    /// The client may not connect.
    NotAuthorized = 5,
}

impl fmt::Display for ConnectReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::UnacceptableVersion => "unacceptable protocol version",
            Self::IdentifierRejected => "identifier rejected",
            Self::ServerUnavailable => "server unavailable",
            Self::BadCredentials => "bad user name or password",
            Self::NotAuthorized => "not authorized",
        })
    }
}

impl TryFrom<u8> for ConnectReturn {
    type Error = OutOfRange;

    fn try_from(code: u8) -> Result<Self, OutOfRange> {
        Ok(match code {
            0 => Self::Accepted,
            1 => Self::UnacceptableVersion,
            2 => Self::IdentifierRejected,
            3 => Self::ServerUnavailable,
            4 => Self::BadCredentials,
            5 => Self::NotAuthorized,
            _ => return Err(OutOfRange(code)),
        })
    }
}

/// PUBLISH (3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Whether it may have been sent before (3.3.1.1); never with QoS 0 [MQTT-3.3.1-2].
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// From a client: keep as the topic's retained message. To a client: it was one (3.3.1.3).
    pub retain: bool,
    /// The topic. MQTT 5: `None` if a topic alias replaces it [MQTT-3.3.2-1] v5.
    pub topic: Option<TopicName<'a>>,
    /// `Some` exactly with QoS 1 and 2 [MQTT-2.3.1-5].
    pub packet_id: Option<PacketId>,
    /// MQTT 5.
    pub properties: PublishProperties<'a>,
    /// The payload; may be empty.
    pub payload: &'a [u8],
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP (3.4–3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The identifier of the PUBLISH.
    pub packet_id: PacketId,
    /// MQTT 5; success in 3.x.
    pub reason: ReasonCode,
    /// MQTT 5: a reason string and user properties.
    pub properties: Properties<'a>,
}

impl Ack<'_> {
    /// Success, which is the only reason in 3.x.
    #[inline]
    pub const fn new(packet_id: PacketId) -> Self {
        Self { packet_id, reason: ReasonCode::Success, properties: Properties::EMPTY }
    }
}

/// The packet type of an [`Ack`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckKind {
    /// Acknowledges a QoS 1 PUBLISH.
    Puback,
    /// First answer to a QoS 2 PUBLISH.
    Pubrec,
    /// Second step of QoS 2.
    Pubrel,
    /// Last step of QoS 2.
    Pubcomp,
}

impl AckKind {
    /// The packet type.
    #[inline]
    pub const fn packet_kind(self) -> PacketKind {
        match self {
            Self::Puback => PacketKind::Puback,
            Self::Pubrec => PacketKind::Pubrec,
            Self::Pubrel => PacketKind::Pubrel,
            Self::Pubcomp => PacketKind::Pubcomp,
        }
    }
}

/// DISCONNECT (3.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disconnect<'a> {
    /// MQTT 5; success in 3.x.
    pub reason: ReasonCode,
    /// MQTT 5: see [`DisconnectProperties`](super::DisconnectProperties).
    pub properties: Properties<'a>,
}

/// AUTH (v5 3.15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Whether the authentication continues, begins again or has succeeded.
    pub reason: ReasonCode,
    /// See [`AuthProperties`](super::AuthProperties).
    pub properties: Properties<'a>,
}

/// Bits of the connect flags (3.1.2.3).
pub(super) mod connect_flag {
    pub(in crate::mqtt) const RESERVED: u8 = 0x01;
    pub(in crate::mqtt) const CLEAN_SESSION: u8 = 0x02;
    pub(in crate::mqtt) const WILL: u8 = 0x04;
    pub(in crate::mqtt) const WILL_QOS_SHIFT: u32 = 3;
    pub(in crate::mqtt) const WILL_RETAIN: u8 = 0x20;
    pub(in crate::mqtt) const PASSWORD: u8 = 0x40;
    pub(in crate::mqtt) const USERNAME: u8 = 0x80;
}

/// Bits of a PUBLISH's first byte (3.3.1).
pub(super) mod publish_flag {
    use super::{PacketKind, QoS};

    pub(in crate::mqtt) const RETAIN: u8 = 0x01;
    pub(in crate::mqtt) const QOS_SHIFT: u32 = 1;
    pub(in crate::mqtt) const DUP: u8 = 0x08;

    /// The first byte with these flags.
    #[inline]
    pub(in crate::mqtt) const fn first_byte(qos: QoS, dup: bool, retain: bool) -> u8 {
        PacketKind::Publish.first_byte()
            | (qos as u8) << QOS_SHIFT
            | if dup { DUP } else { 0 }
            | if retain { RETAIN } else { 0 }
    }
}
