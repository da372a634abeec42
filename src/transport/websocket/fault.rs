//! The rules of WebSocket that a client can break.

/// Why a WebSocket ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WebSocketFault {
    /// A frame without a mask (RFC 6455, 5.1).
    Unmasked,
    /// A reserved bit, where no extension was agreed on, or a reserved opcode (5.2).
    Reserved,
    /// A text frame: MQTT is binary [MQTT-6.0.0-1].
    Text,
    /// A control frame in pieces, or of more than 125 bytes (5.5).
    Control,
    /// A continuation without a message, or a new message inside another one (5.4).
    Sequence,
    /// A length of more than 63 bits (5.2).
    Length,
    /// A Close frame with half a code, or with a code that must not be sent (5.5.1, 7.4).
    CloseCode,
    /// A Close frame whose reason is not UTF-8 (5.5.1).
    CloseText,
    /// The first bytes are not an HTTP request, and the listener accepts only WebSocket.
    NoRequest,
}

impl WebSocketFault {
    /// The broken rule in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unmasked => "WebSocket frame without a mask",
            Self::Reserved => "WebSocket frame with a reserved bit or opcode",
            Self::Text => "WebSocket text frame: MQTT needs binary frames",
            Self::Control => "WebSocket control frame that is fragmented or over 125 bytes",
            Self::Sequence => "WebSocket frames out of sequence",
            Self::Length => "WebSocket frame with a length of over 63 bits",
            Self::CloseCode => "WebSocket Close frame with an invalid code",
            Self::CloseText => "WebSocket Close frame with a reason that is not UTF-8",
            Self::NoRequest => {
                "does not begin with an HTTP request; this listener takes WebSocket alone (`,ws` \
                 behind its address)"
            }
        }
    }

    /// The code of the Close frame that tells the client (7.4.1).
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::CloseText => 1007,
            _ => 1002,
        }
    }
}
