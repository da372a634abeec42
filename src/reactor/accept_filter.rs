//! Decides by its address whether an accepted link is kept.
//!
//! Behind a proxy, the peer must be a trusted proxy and the link begins with a PROXY header, which
//! names the client's address. Connections are counted for the client's address: when the link is
//! accepted or, behind a proxy, when the header has been read. A refused link is closed without a
//! reply.

use std::net::IpAddr;
use std::sync::Arc;

use log::{debug, warn};

use crate::broker::Stats;
use crate::limits::{PENDING_LINKS_MAX, REFUSED_WARN_MS};
use crate::mesh::{AddressLimits, AddressPermit, AddressRefusal, AddressTable, Entry};

use super::listener::{ListenerKind, Proxied};

/// A range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subnet {
    address: IpAddr,
    bits: u8,
}

impl Subnet {
    /// The addresses that have the first `bits` bits of `address`.
    pub fn new(address: IpAddr, bits: u8) -> Self {
        Self { address, bits }
    }

    /// Whether an address that is not mapped to IPv6 is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => own.to_bits() ^ other.to_bits(),
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                return (own.to_bits() ^ other.to_bits()).leading_zeros() >= u32::from(self.bits);
            }
            _ => return false,
        };
        differing.leading_zeros() >= u32::from(self.bits)
    }
}

/// Limits warnings of one kind to one in a period, because refused clients try again at once.
#[derive(Clone, Copy, Default, Debug)]
struct LogLimit {
    until_ms: u64,
    unlogged: u64,
}

impl LogLimit {
    /// Whether this warning is to be logged, and how many before it were not.
    fn log_now(&mut self, now_ms: u64) -> Option<u64> {
        if now_ms < self.until_ms {
            self.unlogged += 1;
            return None;
        }
        self.until_ms = now_ms + REFUSED_WARN_MS;
        Some(std::mem::take(&mut self.unlogged))
    }
}

/// See the file.
#[derive(Debug)]
pub struct AcceptFilter {
    addresses: Arc<AddressTable>,
    trusted: Vec<Subnet>,
    untrusted_log: LogLimit,
    address_log: LogLimit,
    full_log: LogLimit,
    crowd_log: LogLimit,
}

impl AcceptFilter {
    /// A filter that counts in `addresses`, the table of all shards, and trusts these proxies.
    pub fn new(addresses: Arc<AddressTable>, trusted: Vec<Subnet>) -> Self {
        let quiet = LogLimit::default();
        Self {
            addresses,
            trusted,
            untrusted_log: quiet,
            address_log: quiet,
            full_log: quiet,
            crowd_log: quiet,
        }
    }

    /// Replaces the limits of addresses, for all shards, and the trusted proxies.
    pub(super) fn set(&mut self, limits: AddressLimits, trusted: Vec<Subnet>) {
        self.addresses.set_limits(limits);
        self.trusted = trusted;
    }

    /// Decides whether a link that was just accepted is kept.
    pub(super) fn check(
        &mut self,
        kind: ListenerKind,
        address: Option<IpAddr>,
        stats: &mut Stats,
        now_ms: u64,
    ) -> Result<Option<AddressPermit>, Refused> {
        let trusted = match kind.proxied {
            Proxied::No => return self.count_in(address, stats, now_ms),
            Proxied::ByAnyone => true,
            // A peer without an address has disconnected already.
            Proxied::ByTrusted => address.is_some_and(|address| self.trusts(address)),
        };
        if trusted {
            return Ok(None);
        }
        stats.refused_untrusted_proxy += 1;
        debug!("refused {address:?}: not among --proxy-trust");
        if let (Some(unlogged), Some(address)) = (self.untrusted_log.log_now(now_ms), address) {
            warn!(
                "refused a connection from {address}: the listener is behind a proxy, and the \
                 address is not among --proxy-trust ({unlogged} more since the last)"
            );
        }
        Err(Refused)
    }

    /// Notes that an accepted link was closed, because too many open links have no client.
    pub(super) fn note_crowded(&mut self, stats: &mut Stats, now_ms: u64) {
        stats.refused_crowded += 1;
        if let Some(unlogged) = self.crowd_log.log_now(now_ms) {
            warn!(
                "refused a connection: {PENDING_LINKS_MAX} of this shard have not sent CONNECT or \
                 are closing ({unlogged} more since the last); --address-connections-max bounds \
                 what one address has"
            );
        }
    }

    /// Counts a connection of an address, if it may have one more.
    pub(super) fn count_in(
        &mut self,
        address: Option<IpAddr>,
        stats: &mut Stats,
        now_ms: u64,
    ) -> Result<Option<AddressPermit>, Refused> {
        let Some(address) = address else { return Ok(None) };
        let (refusal, flag) = match self.addresses.enter(address, now_ms) {
            Entry::Granted(permit) => return Ok(permit),
            Entry::Full => {
                stats.addresses_uncounted += 1;
                if let Some(unlogged) = self.full_log.log_now(now_ms) {
                    warn!(
                        "{address} is accepted without limits: no more addresses can be \
                         counted ({unlogged} more since the last)"
                    );
                }
                return Ok(None);
            }
            Entry::Refused(refusal) => match refusal {
                AddressRefusal::Connections => (refusal, "--address-connections-max"),
                AddressRefusal::Rate => (refusal, "--address-connects-per-second"),
            },
        };
        match refusal {
            AddressRefusal::Connections => stats.refused_address_connections += 1,
            AddressRefusal::Rate => stats.refused_address_rate += 1,
        }
        debug!("refused {address}: {flag}");
        if let Some(unlogged) = self.address_log.log_now(now_ms) {
            warn!("refused a connection from {address}: {flag} ({unlogged} more since the last)");
        }
        Err(Refused)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|subnet| subnet.contains(address))
    }
}

impl Default for AcceptFilter {
    /// A filter that accepts every address and trusts no proxy.
    fn default() -> Self {
        Self::new(Arc::new(AddressTable::new(AddressLimits::default())), Vec::new())
    }
}

/// A link was refused, counted and logged.
#[derive(Debug)]
pub(super) struct Refused;

#[cfg(test)]
mod tests {
    use super::*;

    // A range has its first and last address, none beside them, and none of the other family.
    #[test]
    fn subnets() {
        for (range, bits, inside, outside) in [
            ("10.0.0.0", 8, "10.0.0.0 10.255.255.255", "9.255.255.255 11.0.0.0 ::ffff:10.0.0.1"),
            ("10.0.0.7", 32, "10.0.0.7", "10.0.0.6 10.0.0.8"),
            ("0.0.0.0", 0, "0.0.0.0 255.255.255.255", "::"),
            ("fd00::", 8, "fd00:: fdff:ffff::", "fc00:: fe00:: 253.0.0.0"),
            ("::1", 128, "::1", "::2 ::"),
            ("::", 0, "::1 ffff::", "0.0.0.0"),
        ] {
            let subnet = Subnet::new(range.parse().expect("an address"), bits);
            let all = |texts: &str, expected: bool| {
                for text in texts.split(' ') {
                    let address: IpAddr = text.parse().expect("an address");
                    assert_eq!(subnet.contains(address), expected, "{range}/{bits} {text}");
                }
            };
            all(inside, true);
            all(outside, false);
        }
    }

    // The first warning is logged, then none for a period; the next one has the count of the
    // others.
    #[test]
    fn quiet_after_one() {
        let mut quiet = LogLimit::default();
        let logged = [0, 1, REFUSED_WARN_MS - 1, REFUSED_WARN_MS, REFUSED_WARN_MS + 1];
        let logged = logged.map(|now_ms| quiet.log_now(now_ms));
        assert_eq!(logged, [Some(0), None, None, Some(2), None]);
    }
}
