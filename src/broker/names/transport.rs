//! The transport of a connection.

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum TransportKind {
    /// Plain TCP, or a Unix socket.
    #[default]
    Tcp,
    /// TLS.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl TransportKind {
    /// Its name, which is the scheme of its addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Whether it is a WebSocket, with TLS or without.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}
