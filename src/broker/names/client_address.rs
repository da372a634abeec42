//! Where a link comes from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Who is at the other end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ClientAddress {
    /// Where it connected from, if that has an address.
    pub address: Option<IpAddr>,
    /// From which port.
    pub port: u16,
    /// It came in through a listener that only this host can reach.
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
