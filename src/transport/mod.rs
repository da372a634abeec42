//! Wire bytes to application bytes and back. Pure: no sockets, no MQTT.
//!
//! A [`Transport`] belongs to one link and moves with it. It holds the bytes that were received and
//! not yet opened, and its own output. Plain TCP passes bytes unchanged; `layers` change them:
//! [`tls`], [`websocket`], or both.

pub mod tls;
pub mod websocket;

mod clients;
mod fault;
mod identity;
mod layers;
mod opened;
mod proxy;

#[cfg(test)]
mod tests;

pub use clients::ClientVerifier;
pub use fault::TlsFault;
pub use identity::Identity;
pub use opened::{Opened, Then};
pub use proxy::{ProxyHeader, ProxyHeaderError, read_proxy_header};
pub use tls::{Tls, TlsSetup};
pub use websocket::{Accepts, Beginning, Closing, Origins, WebSocketFault, WebSocketSetup};

use crate::chunk::{Batch, ChunkPool};

use layers::Layers;

/// How a link's wire bytes become application bytes.
#[derive(Debug, Default)]
pub enum Transport {
    /// Wire bytes are application bytes.
    #[default]
    Plain,
    /// The bytes are in TLS records or WebSocket frames, or the protocol is not known yet.
    Layered(Box<Layers>),
}

impl Transport {
    /// The transport of an accepted link, with TLS or without; `beginning` says which protocols the
    /// link may begin with.
    pub fn new(tls: Option<Tls>, beginning: Beginning) -> Self {
        Self::Layered(Box::new(Layers::new(tls, beginning)))
    }

    /// Turns received bytes into application bytes; it may use `room` as memory for them.
    #[inline]
    pub fn open<'a>(&mut self, wire: &'a mut [u8], room: &'a mut Vec<u8>) -> Opened<'a> {
        match self {
            Self::Plain => Opened { bytes: wire, then: Then::More },
            Self::Layered(layers) => {
                let opened = layers.open(wire, room);
                if layers.is_plain() {
                    *self = Self::Plain;
                }
                opened
            }
        }
    }

    /// Keeps received bytes for a later [`Transport::open`], which may bring no bytes of its own.
    pub fn keep(&mut self, wire: &[u8]) {
        if let Some(tls) = self.tls_mut() {
            tls.keep(wire);
        }
    }

    /// Whether opening is expensive: the TLS handshake is not complete.
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(Tls::is_handshaking)
    }

    /// Whether it holds bytes to send: its own, or those of [`Transport::seal`].
    #[inline]
    pub fn has_output(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Layered(layers) => layers.has_output(),
        }
    }

    /// Turns application bytes into wire bytes for one send; with `last` it ends the stream. Bytes
    /// that one send cannot carry are kept. While [`Transport::is_full`], it takes no more.
    pub fn seal(
        &mut self,
        plain: Batch,
        last: bool,
        room: &mut Vec<u8>,
        pool: &mut ChunkPool,
    ) -> Batch {
        match self {
            Self::Plain => plain,
            Self::Layered(layers) => layers.seal(plain, last, room, pool),
        }
    }

    /// Whether it holds application bytes that wait for the next send.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.tls().is_some_and(Tls::is_full)
    }

    /// Notes that `bytes` of the last sealed ones were sent; returns how many application bytes
    /// these are.
    #[inline]
    pub fn on_sent(&mut self, bytes: usize) -> usize {
        match self {
            Self::Plain => bytes,
            Self::Layered(layers) => layers.on_sent(bytes),
        }
    }

    /// Notes why the link is being closed, which a WebSocket's Close frame tells the client.
    pub fn note_closing(&mut self, closing: Closing) {
        if let Self::Layered(layers) = self {
            layers.note_closing(closing);
        }
    }

    /// The user name in a verified client certificate; [`Identity`] says in which field.
    pub fn certified_name(&self) -> Option<&str> {
        self.tls()?.certified_name()
    }

    /// The version of TLS that the peers have agreed on; `None` without TLS.
    pub fn version(&self) -> Option<&'static str> {
        self.tls()?.version()
    }

    /// The name in a verified client certificate, for people to read: that of
    /// [`Transport::certified_name`], else the common name.
    pub fn subject(&self) -> Option<String> {
        self.tls()?.subject()
    }

    /// Whether the peer has presented a certificate that was verified, with or without a name.
    pub fn is_certified(&self) -> bool {
        self.tls().is_some_and(Tls::is_certified)
    }

    /// Whether the TLS session is one of an earlier link.
    pub fn is_resumed(&self) -> bool {
        self.tls().is_some_and(Tls::is_resumed)
    }

    /// Whether the link uses TLS.
    pub fn is_sealed(&self) -> bool {
        self.tls().is_some()
    }

    /// Whether the link has begun with an HTTP request.
    pub fn is_websocket(&self) -> bool {
        matches!(self, Self::Layered(layers) if layers.is_websocket())
    }

    #[inline]
    fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Plain => None,
            Self::Layered(layers) => layers.tls(),
        }
    }

    fn tls_mut(&mut self) -> Option<&mut Tls> {
        match self {
            Self::Plain => None,
            Self::Layered(layers) => layers.tls_mut(),
        }
    }
}

// A link of plain TCP pays this much memory for the other transports.
const _: () = assert!(size_of::<Transport>() == size_of::<usize>());
