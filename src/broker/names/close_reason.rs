//! Why connections end.

use std::fmt;
use std::io;

use crate::mqtt::{ConnectReturn, DecodeError, Foreign, ReasonCode};

use super::ClientAddress;

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The client sent DISCONNECT.
    Disconnected,
    /// The client sent DISCONNECT with a reason that publishes the will [MQTT-3.14.4-3] v5.
    LeftWithWill(ReasonCode),
    /// The peer closed, without DISCONNECT.
    PeerClosed,
    /// The network failed.
    Failed(io::ErrorKind),
    /// The bytes are not TLS, or TLS refuses the peer.
    TlsFault,
    /// An HTTP request was refused with an answer.
    Http,
    /// A rule of WebSocket was broken: which, in words.
    WebSocket(&'static str),
    /// The bytes are not MQTT.
    Malformed(DecodeError),
    /// CONNACK carried this code.
    Refused(ConnectReturn),
    /// The first packet was not CONNECT [MQTT-3.1.0-1].
    NoConnect,
    /// The first bytes cannot begin a CONNECT, and look like another protocol.
    Foreign(Foreign),
    /// A second CONNECT [MQTT-3.1.0-2].
    SecondConnect,
    /// A packet that only servers send, or an answer to no packet of ours.
    Unexpected,
    /// An acknowledgement for another QoS than the message's, or for a later step.
    WrongAnswer,
    /// A topic alias that is larger than was offered [MQTT-3.3.2-9] v5.
    TopicAlias,
    /// A topic alias that stands for no topic.
    UnknownAlias,
    /// Topic aliases for more bytes of topics than a connection may have.
    AliasBytes,
    /// A payload that is not the UTF-8 it says (`--check-payload-format`).
    PayloadFormat,
    /// DISCONNECT with a session expiry, where CONNECT had none [MQTT-3.14.2-2] v5.
    LateExpiry,
    /// AUTH that breaks a rule: which, in words.
    Authentication(&'static str),
    /// Authentication anew as another user.
    OtherUser,
    /// Authentication anew without a proof that is right and in time [MQTT-4.12.1-2] v5.
    NotProved,
    /// No packet within one and a half times the keep alive of so many seconds [MQTT-3.1.2-24].
    KeepAlive(u32),
    /// No CONNECT in time.
    ConnectTimeout,
    /// Too many bytes before CONNECT.
    TooMuchBeforeConnect,
    /// It came through a proxy, but did not begin with a PROXY header.
    ProxyHeader,
    /// Its address has too many connections, or opens them too fast.
    AddressLimit,
    /// This connection took over the client id [MQTT-3.1.4-2].
    TakenOver(ClientAddress),
    /// It published to a denied topic, with `--on-denied disconnect`.
    Denied,
    /// A new policy no longer admits the client.
    Revoked,
    /// An operator deleted its session.
    Deleted,
    /// An operator disconnected it.
    Kicked,
    /// The broker shuts down.
    Stopping,
}

impl CloseReason {
    /// The reason code of the DISCONNECT to an MQTT 5 client; `None`: the client gets no
    /// DISCONNECT.
    pub(crate) fn disconnect_code(&self) -> Option<ReasonCode> {
        Some(match self {
            Self::Disconnected
            | Self::LeftWithWill(_)
            | Self::PeerClosed
            | Self::Failed(_)
            | Self::TlsFault
            | Self::Refused(_)
            | Self::NoConnect
            | Self::Foreign(_)
            | Self::Http
            | Self::WebSocket(_)
            | Self::ConnectTimeout
            | Self::TooMuchBeforeConnect
            | Self::ProxyHeader
            | Self::AddressLimit => return None,
            Self::Malformed(error) => error.reason(),
            Self::SecondConnect
            | Self::Unexpected
            | Self::WrongAnswer
            | Self::UnknownAlias
            | Self::LateExpiry
            | Self::Authentication(_) => ReasonCode::ProtocolError,
            Self::OtherUser | Self::NotProved => ReasonCode::NotAuthorized,
            Self::TopicAlias => ReasonCode::TopicAliasInvalid,
            Self::AliasBytes => ReasonCode::QuotaExceeded,
            Self::PayloadFormat => ReasonCode::PayloadFormatInvalid,
            Self::KeepAlive(_) => ReasonCode::KeepAliveTimeout,
            Self::TakenOver(_) => ReasonCode::SessionTakenOver,
            Self::Denied => ReasonCode::NotAuthorized,
            Self::Revoked | Self::Deleted | Self::Kicked => ReasonCode::AdministrativeAction,
            Self::Stopping => ReasonCode::ServerShuttingDown,
        })
    }

    /// The value of the label `reason` of the metric that counts it, if a metric does.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disconnected | Self::LeftWithWill(_) => "client",
            Self::PeerClosed => "peer_closed",
            Self::Failed(_) => "network",
            Self::TlsFault => "tls",
            Self::Malformed(_) => "malformed",
            Self::Refused(_) => "refused",
            Self::NoConnect
            | Self::Foreign(_)
            | Self::SecondConnect
            | Self::Unexpected
            | Self::WrongAnswer
            | Self::Http
            | Self::WebSocket(_)
            | Self::TopicAlias
            | Self::UnknownAlias
            | Self::AliasBytes
            | Self::PayloadFormat
            | Self::LateExpiry
            | Self::Authentication(_)
            | Self::OtherUser
            | Self::NotProved
            | Self::TooMuchBeforeConnect => "protocol",
            Self::KeepAlive(_) => "keep_alive",
            Self::ConnectTimeout => "connect_timeout",
            Self::ProxyHeader => "proxy_header",
            Self::AddressLimit => "address_limit",
            Self::TakenOver(_) => "taken_over",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Deleted | Self::Kicked => "kicked",
            Self::Stopping => "stopping",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "DISCONNECT from the client",
            Self::LeftWithWill(reason) => return write!(f, "DISCONNECT from the client: {reason}"),
            Self::PeerClosed => "closed by the client without DISCONNECT",
            Self::Failed(kind) => return write!(f, "the network failed: {kind}"),
            Self::TlsFault => "TLS failed",
            Self::Http => "HTTP that is no WebSocket",
            Self::WebSocket(rule) => rule,
            Self::Malformed(DecodeError::TooLarge { bytes, max }) => {
                let (bytes, max) = (Size(*bytes), Size(*max));
                return write!(f, "packet of {bytes} over --max-packet-size ({max})");
            }
            Self::Malformed(error) => return write!(f, "malformed: {error}"),
            Self::Refused(code) => return write!(f, "refused with CONNACK {}", *code as u8),
            Self::NoConnect => "first packet is not CONNECT",
            Self::Foreign(foreign) => return foreign.fmt(f),
            Self::SecondConnect => "second CONNECT",
            Self::Unexpected => "packet that a client may not send",
            Self::WrongAnswer => "acknowledgement of another QoS or step than the message's",
            Self::TopicAlias => "topic alias over --topic-alias-max",
            Self::UnknownAlias => "topic alias that stands for no topic",
            Self::AliasBytes => "topic aliases for more than 64 KiB of topics",
            Self::PayloadFormat => "payload that is not the UTF-8 it says",
            Self::LateExpiry => "DISCONNECT with a session expiry, which CONNECT did not have",
            Self::Authentication(rule) => rule,
            Self::OtherUser => "authentication anew as another user",
            Self::NotProved => "authentication anew without the right proof",
            Self::KeepAlive(seconds) => return write!(f, "keep alive of {seconds} s ran out"),
            Self::ConnectTimeout => "no CONNECT in time",
            Self::TooMuchBeforeConnect => "too many bytes before CONNECT",
            Self::ProxyHeader => "no PROXY header, which this listener expects",
            Self::AddressLimit => "too many connections of its address",
            Self::TakenOver(client_address) => return write!(f, "taken over by {client_address}"),
            Self::Denied => "published where it may not (--on-denied disconnect)",
            Self::Deleted => "its session is deleted, as an operator asked",
            Self::Kicked => "disconnected by an operator",
            Self::Revoked => "the new access rules do not have it",
            Self::Stopping => "broker stops",
        })
    }
}

/// A number of bytes for people, rounded up.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..10_240 => write!(f, "{bytes} bytes"),
            bytes @ 10_240..10_485_760 => write!(f, "{} KiB", bytes.div_ceil(1 << 10)),
            bytes => write!(f, "{} MiB", bytes.div_ceil(1 << 20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Numbers are in the words.
    #[test]
    fn numbers_are_told() {
        let large = |bytes, max| CloseReason::Malformed(DecodeError::TooLarge { bytes, max });
        let client_address = |address: Option<&str>| ClientAddress {
            address: address.map(|address| address.parse().expect("an address")),
            port: 4711,
            local: false,
            listener: 0,
        };
        for (reason, words) in [
            (large(17 << 20, 16 << 20), "packet of 17 MiB over --max-packet-size (16 MiB)"),
            (large(65, 64), "packet of 65 bytes over --max-packet-size (64 bytes)"),
            (large(70_000, 65_536), "packet of 69 KiB over --max-packet-size (64 KiB)"),
            (CloseReason::KeepAlive(60), "keep alive of 60 s ran out"),
            (
                CloseReason::TakenOver(client_address(Some("10.0.0.7"))),
                "taken over by 10.0.0.7:4711",
            ),
            (CloseReason::TakenOver(client_address(Some("::1"))), "taken over by [::1]:4711"),
            (CloseReason::TakenOver(client_address(None)), "taken over by a Unix socket"),
            (
                CloseReason::Failed(io::ErrorKind::ConnectionReset),
                "the network failed: connection reset",
            ),
        ] {
            assert_eq!(reason.to_string(), words);
        }
    }
}
