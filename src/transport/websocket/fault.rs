//! Rules of WebSocket that a client broke.

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
    /// A continuation of nothing, or a new message within another (5.4).
    Sequence,
    /// A length of more than 63 bits (5.2).
    Length,
    /// A Close frame with half a code, or a code that nobody may send (5.5.1, 7.4).
    CloseCode,
    /// A Close frame whose reason is no UTF-8 (5.5.1).
    CloseText,
    /// The first bytes are no HTTP request, and the listener takes WebSocket alone.
    NoRequest,
}

impl WebSocketFault {
    /// It in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unmasked => "WebSocket frame without a mask",
            Self::Reserved => "WebSocket frame with a reserved bit or opcode",
            Self::Text => "WebSocket text frame, where MQTT has binary ones",
            Self::Control => "WebSocket control frame in pieces or over 125 bytes",
            Self::Sequence => "WebSocket frames out of sequence",
            Self::Length => "WebSocket frame with a length of over 63 bits",
            Self::CloseCode => "WebSocket Close frame with a code that is none",
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
