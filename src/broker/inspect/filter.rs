//! Which sessions and clients are wanted. All of it holds exactly: a part of a name, or a pattern,
//! would be a look at every byte of every name.

use std::net::IpAddr;

use super::client::{ClientFacts, Pace};

/// Addresses that have their first `bits` bits in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressRange {
    /// One of them.
    pub address: IpAddr,
    /// 0 to 32 for IPv4, 0 to 128 for IPv6.
    pub bits: u8,
}

impl AddressRange {
    fn has(&self, address: IpAddr) -> bool {
        let (own, other, bits) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()) << 96, u128::from(other.to_bits()) << 96, self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), self.bits),
            _ => return false,
        };
        let behind = 128 - u32::from(bits.min(128));
        (own ^ other).checked_shr(behind).unwrap_or(0) == 0
    }
}

/// See the module. What is none, or 0, is not asked for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// The number of a vhost.
    pub vhost: Option<u16>,
    /// The user that the session belongs to; empty: nobody.
    pub user: Option<Box<str>>,
    /// What the client id begins with.
    pub id_prefix: Box<str>,
    /// Where the client connected from.
    pub address: Option<AddressRange>,
    /// How it takes what is sent to it.
    pub pace: Option<Pace>,
    /// Whether its client is connected.
    pub connected: Option<bool>,
    /// Messages that wait for it, at least.
    pub backlog_min: u64,
    /// Messages that were dropped because it was full, at least.
    pub dropped_min: u32,
}

impl Filter {
    /// Whether a client is wanted, as far as it is about clients.
    pub(crate) fn has_client(&self, client: Option<&ClientFacts>) -> bool {
        let address = self.address.is_none_or(|range| {
            client.and_then(|client| client.address).is_some_and(|address| range.has(address))
        });
        let pace = self.pace.is_none_or(|pace| client.is_some_and(|client| client.pace == pace));
        let connected = self.connected.is_none_or(|connected| connected == client.is_some());
        address && pace && connected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A range has its own addresses, also those that come as IPv6, and no others.
    #[test]
    fn ranges() {
        for (range, bits, address, expected) in [
            ("10.1.0.0", 16, "10.1.255.255", true),
            ("10.1.0.0", 16, "10.2.0.0", false),
            ("10.1.0.0", 16, "::ffff:10.1.0.1", true),
            ("10.1.2.3", 32, "10.1.2.3", true),
            ("10.1.2.3", 32, "10.1.2.2", false),
            ("0.0.0.0", 0, "1.2.3.4", true),
            ("0.0.0.0", 0, "::1", false),
            ("fd00::", 8, "fdff::1", true),
            ("fd00::", 8, "fe00::1", false),
            ("::", 0, "::1", true),
            ("::1", 128, "::2", false),
        ] {
            let address_of = |text: &str| text.parse::<IpAddr>().expect("an address");
            let range = AddressRange { address: address_of(range), bits };
            assert_eq!(range.has(address_of(address)), expected, "{range:?} {address}");
        }
    }
}
