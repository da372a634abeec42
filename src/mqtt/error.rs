//! What can be wrong with bytes, topics and filters that a peer sent.
//!
//! Every value is `Copy` and small; its `Display` tells the reader of a log what to change.

use std::error::Error;
use std::fmt;

use super::fields::PacketKind;

/// Why bytes are not an MQTT packet. Each closes the connection that sent them [MQTT-4.8.0-1];
/// [`DecodeError::UnacceptableVersion`] is answered with CONNACK 1 before [MQTT-3.1.2-2].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The fixed header announces a packet of `bytes` bytes, header included; `max` are allowed.
    TooLarge {
        /// Bytes of the announced packet.
        bytes: usize,
        /// Bytes a packet may have.
        max: usize,
    },
    /// The remaining length takes more than four bytes (2.2.3).
    LengthTooLong,
    /// Packet type 0 or 15 (2.2.1).
    ReservedType(u8),
    /// The low bits of the first byte are not those of the packet type [MQTT-2.2.2-2].
    ReservedFlags(PacketKind),
    /// A field runs past the end of the packet.
    UnexpectedEnd,
    /// Bytes are left over after the last field.
    TrailingBytes,
    /// A string is not well-formed UTF-8 [MQTT-1.5.3-1].
    InvalidUtf8,
    /// A string contains U+0000 [MQTT-1.5.3-2].
    NulInString,
    /// CONNECT names the protocol MQTT or MQIsdp with a level that is not spoken here
    /// [MQTT-3.1.2-2].
    UnacceptableVersion,
    /// CONNECT names another protocol [MQTT-3.1.2-1].
    UnknownProtocol,
    /// Bit 0 of the connect flags is set [MQTT-3.1.2-3].
    ReservedConnectFlag,
    /// Will QoS or will retain without a will [MQTT-3.1.2-13], [MQTT-3.1.2-15].
    WillFlagsWithoutWill,
    /// A password without a user name [MQTT-3.1.2-22].
    PasswordWithoutUsername,
    /// QoS 3, or reserved bits beside a requested QoS [MQTT-3.3.1-4], [MQTT-3.1.2-14],
    /// [MQTT-3.8.3-4].
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
            Self::UnacceptableVersion => {
                "protocol level is not supported: connect with MQTT 3.1.1 or 3.1"
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
        };
        f.write_str(text)
    }
}

impl Error for DecodeError {}

/// Why a text is not a topic name (4.7).
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

/// A text that is not a topic filter (4.7), and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidFilter<'a> {
    /// The text.
    pub filter: &'a str,
    /// What is wrong with it.
    pub reason: InvalidFilterReason,
}

/// What is wrong with a topic filter.
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
        // What a peer sent may be long; a log line needs its beginning.
        write!(f, "topic filter {:.80?} {}", self.filter, self.reason)
    }
}

impl Error for InvalidFilter<'_> {}
