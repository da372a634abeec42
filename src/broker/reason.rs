//! Why connections end.

use std::fmt;

use crate::mqtt::{ConnectReturn, DecodeError};

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// DISCONNECT came.
    Disconnected,
    /// The peer closed, without DISCONNECT.
    PeerClosed,
    /// The network failed.
    Failed,
    /// Bytes that are no TLS, or a peer that TLS does not let in.
    TlsFault,
    /// Bytes that are no MQTT.
    Malformed(DecodeError),
    /// CONNACK carried this code.
    Refused(ConnectReturn),
    /// The first packet was another than CONNECT [MQTT-3.1.0-1].
    NoConnect,
    /// A second CONNECT [MQTT-3.1.0-2].
    SecondConnect,
    /// A packet that only servers send, or that answers none of ours.
    Unexpected,
    /// An acknowledgement of another QoS than the message's, or of a step that is still to come.
    WrongAnswer,
    /// No packet within one and a half times the keep alive [MQTT-3.1.2-24].
    KeepAlive,
    /// No CONNECT in time.
    ConnectTimeout,
    /// Too many bytes before CONNECT.
    TooMuchBeforeConnect,
    /// It came through a proxy, and began with no PROXY header.
    ProxyHeader,
    /// Its address has, or opens, as many connections as it may.
    AddressLimit,
    /// Another client came with the same client id [MQTT-3.1.4-2].
    TakenOver,
    /// It published where it may not, with `--on-denied disconnect`.
    Denied,
    /// A new policy does not have it.
    Revoked,
    /// An operator has its session deleted.
    Deleted,
    /// The broker stops.
    Stopping,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "client disconnected",
            Self::PeerClosed => "peer closed without DISCONNECT",
            Self::Failed => "connection failed",
            Self::TlsFault => "refused by TLS",
            Self::Malformed(error) => return write!(f, "malformed packet: {error}"),
            Self::Refused(code) => return write!(f, "refused with CONNACK {}", *code as u8),
            Self::NoConnect => "first packet is not CONNECT",
            Self::SecondConnect => "second CONNECT",
            Self::Unexpected => "packet that a client may not send",
            Self::WrongAnswer => "acknowledgement of another QoS or step than the message's",
            Self::KeepAlive => "nothing received within 1.5 times the keep alive",
            Self::ConnectTimeout => "no CONNECT in time",
            Self::TooMuchBeforeConnect => "too many bytes before CONNECT",
            Self::ProxyHeader => "no PROXY header",
            Self::AddressLimit => "too many connections of its address",
            Self::TakenOver => "another client connected with the same client id",
            Self::Denied => "published where it may not",
            Self::Deleted => "its session is deleted, as an operator asked",
            Self::Revoked => "may not be here under the new access rules",
            Self::Stopping => "broker stops",
        })
    }
}
