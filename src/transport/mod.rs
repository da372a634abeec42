//! Wire bytes to application bytes and back. Pure: no sockets, no MQTT.
//!
//! A [`Transport`] belongs to one link and moves with it, with the bytes that it has received and
//! not yet opened, and its own output. Plain TCP passes bytes as they are; `layers` do not:
//! [`tls`], [`websocket`], and both.

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
    /// They are the same.
    #[default]
    Plain,
    /// They are sealed in records, or have frames, or it is not known yet.
    Layered(Box<Layers>),
}

impl Transport {
    /// That of a link that was accepted: with TLS or without, and with what it may begin.
    pub fn new(tls: Option<Tls>, beginning: Beginning) -> Self {
        Self::Layered(Box::new(Layers::new(tls, beginning)))
    }

    /// Turns received bytes into application bytes; `room` is memory for them that may be used.
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

    /// Keeps received bytes for a later [`Transport::open`], which may then be of none.
    pub fn keep(&mut self, wire: &[u8]) {
        if let Some(tls) = self.tls_mut() {
            tls.keep(wire);
        }
    }

    /// Whether opening is expensive: peers have not agreed on keys yet.
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(Tls::is_handshaking)
    }

    /// Whether it holds bytes to be sent, its own or those of [`Transport::seal`].
    #[inline]
    pub fn has_output(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Layered(layers) => layers.has_output(),
        }
    }

    /// Turns application bytes into wire bytes for one send, `last` with the end of all. What one
    /// send does not carry is kept; as long as [`Transport::is_full`] nothing more may come.
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

    /// Notes that `bytes` of what was sealed last have gone; how many application bytes that is.
    #[inline]
    pub fn on_sent(&mut self, bytes: usize) -> usize {
        match self {
            Self::Plain => bytes,
            Self::Layered(layers) => layers.on_sent(bytes),
        }
    }

    /// Notes why the link is being closed: a WebSocket's client is told.
    pub fn note_closing(&mut self, closing: Closing) {
        if let Self::Layered(layers) = self {
            layers.note_closing(closing);
        }
    }

    /// The user name in a client certificate that was verified, as [`Identity`] says where.
    pub fn certified_name(&self) -> Option<&str> {
        self.tls()?.certified_name()
    }

    /// The version of TLS that the peers have agreed on; none without TLS.
    pub fn version(&self) -> Option<&'static str> {
        self.tls()?.version()
    }

    /// The name in a client certificate that was verified, for people to read: what
    /// [`Transport::certified_name`] has, else its common name.
    pub fn subject(&self) -> Option<String> {
        self.tls()?.subject()
    }

    /// Whether the peer has shown a certificate that was verified, with or without a name.
    pub fn is_certified(&self) -> bool {
        self.tls().is_some_and(Tls::is_certified)
    }

    /// Whether there is TLS.
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

// What a link of plain TCP pays for the others.
const _: () = assert!(size_of::<Transport>() == size_of::<usize>());
