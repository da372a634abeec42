//! Faults of bytes, topics and filters that a peer sent.
//!
//! Every value is `Copy` and small; its `Display` tells the reader of a log what to change.

use std::error::Error;
use std::fmt;

use super::fields::{PacketKind, Version};
use super::property::{Carrier, PropertyId};
use super::reason::ReasonCode;

/// The reason why bytes are not an MQTT packet. Each closes the connection [MQTT-4.8.0-1].
/// [`DecodeError::UnacceptableVersion`] is answered with a CONNACK before [MQTT-3.1.2-2], and MQTT
/// 5 has a [`ReasonCode`] for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The fixed header announces a packet of `bytes` bytes, header included; `max` are allowed.
    TooLarge {
        /// Bytes of the announced packet.
        bytes: usize,
        /// The size that a packet may have.
        max: usize,
    },
    /// The remaining length has more than four bytes (2.2.3).
    LengthTooLong,
    /// Packet type 0, or 15 in 3.x (2.2.1).
    ReservedType(u8),
    /// The low bits of the first byte are not those of the packet type [MQTT-2.2.2-2].
    ReservedFlags(PacketKind),
    /// A field extends beyond the end of the packet.
    UnexpectedEnd,
    /// Bytes are left over after the last field.
    TrailingBytes,
    /// A string is not well-formed UTF-8 [MQTT-1.5.3-1].
    InvalidUtf8,
    /// A string contains U+0000 [MQTT-1.5.3-2].
    NulInString,
    /// CONNECT names the protocol MQTT or MQIsdp with a level that is not supported here
    /// [MQTT-3.1.2-2].
    UnacceptableVersion {
        /// The level. The bridges of some brokers set bit 7 of it.
        level: u8,
        /// The version whose CONNACK the client probably understands.
        answer: Version,
    },
    /// CONNECT names another protocol [MQTT-3.1.2-1].
    UnknownProtocol,
    /// Bit 0 of the connect flags is set [MQTT-3.1.2-3].
    ReservedConnectFlag,
    /// Will QoS or will retain without a will [MQTT-3.1.2-13], [MQTT-3.1.2-15].
    WillFlagsWithoutWill,
    /// A password without a user name in 3.x [MQTT-3.1.2-22].
    PasswordWithoutUsername,
    /// QoS 3 in a PUBLISH or a will [MQTT-3.3.1-4], [MQTT-3.1.2-14]; in 3.x also in a SUBSCRIBE, or
    /// reserved bits beside it [MQTT-3.8.3-4].
    InvalidQoS,
    /// DUP with QoS 0 [MQTT-3.3.1-2].
    DupWithoutQoS,
    /// Packet identifier 0 [MQTT-2.3.1-1].
    ZeroPacketId,
    /// The topic of a PUBLISH or a will is not a topic name.
    Topic(InvalidTopic),
    /// A filter of a SUBSCRIBE or UNSUBSCRIBE is not a topic filter.
    Filter(InvalidFilterReason),
    /// SUBSCRIBE [MQTT-3.8.3-3] or UNSUBSCRIBE [MQTT-3.10.3-2] without a filter, or SUBACK without
    /// a return code (3.9.3).
    EmptyList,
    /// CONNACK (3.2.2.3) or SUBACK [MQTT-3.9.3-2] with a reserved return code.
    ReservedReturnCode(u8),
    /// CONNACK acknowledge flags other than session present, or session present together with a
    /// refusal (3.2.2.1) [MQTT-3.2.2-4].
    ConnackFlags,
    /// MQTT 5: a variable byte integer has more bytes than it needs [MQTT-1.5.5-1] v5.
    PaddedInteger,
    /// MQTT 5: a property that is unknown, or not allowed in this packet (v5 2.2.2.2).
    PropertyNotAllowed {
        /// Its identifier.
        id: u8,
        /// The packet, or the will.
        carrier: Carrier,
    },
    /// MQTT 5: a property is repeated that may be there once.
    RepeatedProperty(PropertyId),
    /// MQTT 5: a value that the property must not have.
    PropertyValue(PropertyId),
    /// MQTT 5: only the other side may send this property in this packet.
    PropertyOfOtherSide(PropertyId),
    /// MQTT 5: authentication data, or an AUTH, without an authentication method.
    NoAuthenticationMethod,
    /// MQTT 5: PUBLISH with neither a topic nor an alias (v5 3.3.2.1).
    NoTopic,
    /// MQTT 5: bits 6 and 7 of subscription options are reserved [MQTT-3.8.3-5] v5.
    ReservedOptions,
    /// MQTT 5: subscription with QoS 3 (v5 3.8.3.1).
    SubscriptionQoS,
    /// MQTT 5: subscription with retain handling 3 (v5 3.8.3.1).
    RetainHandling,
    /// MQTT 5: No Local on a shared subscription [MQTT-3.8.3-4] v5.
    SharedNoLocal,
    /// MQTT 5: a byte that is not a reason code of this packet (v5 2.4).
    ReasonCode {
        /// The packet.
        kind: PacketKind,
        /// The byte.
        code: u8,
    },
}

impl DecodeError {
    /// The reason code of this fault in a CONNACK or DISCONNECT of MQTT 5 (v5 4.13).
    ///
    /// If the standard allows a choice, a syntax fault is a malformed packet.
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::TooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::UnacceptableVersion { .. } | Self::UnknownProtocol => {
                ReasonCode::UnsupportedProtocolVersion
            }
            Self::PropertyValue(PropertyId::TopicAlias) => ReasonCode::TopicAliasInvalid,
            Self::PropertyValue(PropertyId::PayloadFormat | PropertyId::ResponseTopic) => {
                ReasonCode::MalformedPacket
            }
            Self::EmptyList
            | Self::RepeatedProperty(_)
            | Self::PropertyValue(_)
            | Self::PropertyOfOtherSide(_)
            | Self::NoAuthenticationMethod
            | Self::NoTopic
            | Self::SubscriptionQoS
            | Self::RetainHandling
            | Self::SharedNoLocal => ReasonCode::ProtocolError,
            Self::LengthTooLong
            | Self::ReservedType(_)
            | Self::ReservedFlags(_)
            | Self::UnexpectedEnd
            | Self::TrailingBytes
            | Self::InvalidUtf8
            | Self::NulInString
            | Self::ReservedConnectFlag
            | Self::WillFlagsWithoutWill
            | Self::PasswordWithoutUsername
            | Self::InvalidQoS
            | Self::DupWithoutQoS
            | Self::ZeroPacketId
            | Self::Topic(_)
            | Self::Filter(_)
            | Self::ReservedReturnCode(_)
            | Self::ConnackFlags
            | Self::PaddedInteger
            | Self::PropertyNotAllowed { .. }
            | Self::ReservedOptions
            | Self::ReasonCode { .. } => ReasonCode::MalformedPacket,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::TooLarge { bytes, max } => {
                return write!(f, "packet of {bytes} bytes, where at most {max} are allowed");
            }
            Self::ReservedType(bits) => return write!(f, "packet type {bits} is reserved"),
            Self::ReservedFlags(kind) => {
                return write!(f, "{kind} with wrong flags in its first byte");
            }
            Self::ReservedReturnCode(code) => {
                return write!(f, "return code {code} is reserved");
            }
            Self::Topic(invalid) => return invalid.fmt(f),
            Self::Filter(reason) => return write!(f, "topic filter {reason}"),
            Self::LengthTooLong => "remaining length takes more than four bytes: is this MQTT?",
            Self::UnexpectedEnd => "a field runs past the end of the packet",
            Self::TrailingBytes => "bytes are left over after the last field of the packet",
            Self::InvalidUtf8 => "a string is not well-formed UTF-8",
            Self::NulInString => "a string contains the character U+0000",
            Self::UnacceptableVersion { level, .. } => {
                let says = "protocol level is not supported";
                return write!(f, "{says}: it is {level}, use MQTT 5 or 3.1.1");
            }
            Self::PropertyNotAllowed { id, carrier } => {
                return match PropertyId::try_from(*id) {
                    Ok(known) => write!(f, "property {known} is not one of {carrier}"),
                    Err(_) => write!(f, "property {id:#04x} is unknown"),
                };
            }
            Self::RepeatedProperty(id) => return write!(f, "property {id} is there twice"),
            Self::PropertyValue(id) => {
                return write!(f, "property {id} has a value that it may not have");
            }
            Self::PropertyOfOtherSide(id) => {
                return write!(f, "property {id} is for the other side to send in this packet");
            }
            Self::ReasonCode { kind, code } => {
                return write!(f, "{code:#04x} is no reason code of {kind}");
            }
            Self::UnknownProtocol => "protocol name is neither MQTT nor MQIsdp",
            Self::ReservedConnectFlag => "CONNECT sets the reserved bit of its flags",
            Self::WillFlagsWithoutWill => "CONNECT sets will QoS or will retain without a will",
            Self::PasswordWithoutUsername => "CONNECT has a password but no user name",
            Self::InvalidQoS => "QoS is not 0, 1 or 2",
            Self::DupWithoutQoS => "PUBLISH sets DUP with QoS 0",
            Self::ZeroPacketId => "packet identifier is 0, must be 1 to 65,535",
            Self::EmptyList => "the list of filters or return codes is empty",
            Self::ConnackFlags => "CONNACK with wrong acknowledge flags",
            Self::PaddedInteger => "a length or identifier takes more bytes than it needs",
            Self::NoAuthenticationMethod => "authentication without an authentication method",
            Self::NoTopic => "PUBLISH has neither a topic nor a topic alias",
            Self::ReservedOptions => "subscription options set bits that are reserved",
            Self::SubscriptionQoS => "subscription asks for QoS 3",
            Self::RetainHandling => "subscription has retain handling 3",
            Self::SharedNoLocal => "shared subscription sets No Local",
        };
        f.write_str(text)
    }
}

impl Error for DecodeError {}

/// The reason why a text is not a topic name (4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidTopic {
    /// No character at all [MQTT-4.7.3-1].
    Empty,
    /// Contains `+` or `#` [MQTT-3.3.2-2].
    Wildcard,
    /// Contains U+0000 [MQTT-4.7.3-2].
    Nul,
    /// Longer than 65,535 bytes [MQTT-4.7.3-3].
    TooLong,
}

impl fmt::Display for InvalidTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "topic name is empty",
            Self::Wildcard => "topic name contains the wildcard '+' or '#'",
            Self::Nul => "topic name contains the character U+0000",
            Self::TooLong => "topic name is longer than 65,535 bytes",
        })
    }
}

impl Error for InvalidTopic {}

/// A text that is not a topic filter (4.7), and the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidFilter<'a> {
    /// The text.
    pub filter: &'a str,
    /// Its fault.
    pub reason: InvalidFilterReason,
}

/// The fault of a topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidFilterReason {
    /// No character at all [MQTT-4.7.3-1].
    Empty,
    /// `#` shares its level or is not in the last one [MQTT-4.7.1-2].
    HashPosition,
    /// `+` shares its level [MQTT-4.7.1-3].
    PlusPosition,
    /// Contains U+0000 [MQTT-4.7.3-2].
    Nul,
    /// Longer than 65,535 bytes [MQTT-4.7.3-3].
    TooLong,
}

impl fmt::Display for InvalidFilterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::TooLong => "is longer than 65,535 bytes",
            Self::HashPosition => "has a '#' that is not the whole last level",
            Self::PlusPosition => "has a '+' that is not a whole level",
            Self::Nul => "contains the character U+0000",
        })
    }
}

impl fmt::Display for InvalidFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A peer's text may be long; a log line needs only its beginning.
        write!(f, "topic filter {:.80?} {}", self.filter, self.reason)
    }
}

impl Error for InvalidFilter<'_> {}
