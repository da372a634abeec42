//! Wire bytes to application bytes and back. Pure: no sockets, no MQTT.
//!
//! A [`Transport`] belongs to one link and moves with it, with the bytes that it has received and
//! not yet opened, and its own output. Plain TCP passes bytes as they are; [`tls`] does not.

pub mod tls;

mod clients;
mod fault;
mod identity;
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

use crate::chunk::{Batch, ChunkPool};

/// How a link's wire bytes become application bytes.
#[derive(Debug, Default)]
pub enum Transport {
    /// They are the same.
    #[default]
    Plain,
    /// They are sealed in records.
    Tls(Box<Tls>),
}

impl Transport {
    /// Turns received bytes into application bytes; `room` is memory for them that may be used.
    #[inline]
    pub fn open<'a>(&mut self, wire: &'a mut [u8], room: &'a mut Vec<u8>) -> Opened<'a> {
        match self {
            Self::Plain => Opened { bytes: wire, then: Then::More },
            Self::Tls(tls) => tls.open(wire, room),
        }
    }

    /// Keeps received bytes for a later [`Transport::open`], which may then be of none.
    pub fn keep(&mut self, wire: &[u8]) {
        if let Self::Tls(tls) = self {
            tls.keep(wire);
        }
    }

    /// Whether opening is expensive: peers have not agreed on keys yet.
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Tls(tls) => tls.is_handshaking(),
        }
    }

    /// Whether it holds bytes to be sent, its own or those of [`Transport::seal`].
    #[inline]
    pub fn has_output(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Tls(tls) => tls.has_output(),
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
            Self::Tls(tls) => tls.seal(plain, last, room, pool),
        }
    }

    /// Whether it holds application bytes that wait for the next send.
    #[inline]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Tls(tls) => tls.is_full(),
        }
    }

    /// Notes that `bytes` of what was sealed last have gone; how many application bytes that is.
    #[inline]
    pub fn on_sent(&mut self, bytes: usize) -> usize {
        match self {
            Self::Plain => bytes,
            Self::Tls(tls) => tls.on_sent(bytes),
        }
    }

    /// The user name in a client certificate that was verified, as [`Identity`] says where.
    pub fn certified_name(&self) -> Option<&str> {
        match self {
            Self::Plain => None,
            Self::Tls(tls) => tls.certified_name(),
        }
    }

    /// The version of TLS that the peers have agreed on; none without TLS.
    pub fn version(&self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Tls(tls) => tls.version(),
        }
    }

    /// The name in a client certificate that was verified, for people to read: what
    /// [`Transport::certified_name`] has, else its common name.
    pub fn subject(&self) -> Option<String> {
        match self {
            Self::Plain => None,
            Self::Tls(tls) => tls.subject(),
        }
    }

    /// Whether the peer has shown a certificate that was verified, with or without a name.
    pub fn is_certified(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Tls(tls) => tls.is_certified(),
        }
    }
}
