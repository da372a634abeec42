//! Wire bytes to application bytes and back. Pure: no sockets, no MQTT.
//!
//! A [`Transport`] belongs to one link and moves with it. Plain TCP passes bytes as they are; TLS
//! takes its place here.

mod proxy;

pub use proxy::{ProxyHeader, ProxyHeaderError, read_proxy_header};

/// How a link's wire bytes become application bytes.
#[derive(Debug, Default)]
pub enum Transport {
    /// They are the same.
    #[default]
    Plain,
}

impl Transport {
    /// Turns received bytes into application bytes, in place.
    #[inline]
    pub fn open<'a>(&mut self, wire: &'a mut [u8]) -> &'a [u8] {
        match self {
            Self::Plain => wire,
        }
    }
}
