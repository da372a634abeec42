//! The origin of a link.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The peer of a link.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ClientAddress {
    /// Its IP address, if it has one.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// Whether its listener can be reached from this host only.
    pub local: bool,
    /// The number of that listener.
    pub listener: u16,
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => SocketAddr::new(address, self.port).fmt(f),
            None => f.write_str("a Unix socket"),
        }
    }
}
