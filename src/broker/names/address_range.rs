//! A range of addresses with a common prefix.

use std::net::IpAddr;

/// Addresses that have their first `bits` bits in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressRange {
    /// An address of the range.
    pub address: IpAddr,
    /// 0 to 32 for IPv4, 0 to 128 for IPv6.
    pub bits: u8,
}

impl AddressRange {
    /// Whether it contains an address.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A range contains exactly its addresses, also in their IPv6-mapped form.
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
