//! The gate: which links come in at all, by the address they come from.
//!
//! A link behind a proxy must come from one that is trusted, and begins with a PROXY header; its
//! caller is the one that the header names. What an address may have is counted for the caller: at
//! once where it is known at once, else when the header is there. A link that may not come in is
//! closed without a word.

use std::net::IpAddr;
use std::sync::Arc;

use log::{debug, warn};

use crate::broker::CloseReason;
use crate::limits::{PENDING_LINKS_MAX, REFUSED_WARN_MS};
use crate::mesh::{AddressBook, AddressLimits, AddressPass, AddressRefusal, Entry};
use crate::ring::{Buffer, Key, Ring};
use crate::store::Medium;
use crate::transport::{ProxyHeader, read_proxy_header};

use super::door::{DoorKind, Proxied};
use super::links::conn_of;
use super::turn::{Clock, Reactor};

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

    /// Whether an address, not mapped to IPv6, is one of them.
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

/// Lets one warning a while into the log for each kind: who is refused comes again at once.
#[derive(Clone, Copy, Default, Debug)]
struct Quiet {
    until_ms: u64,
    unlogged: u64,
}

impl Quiet {
    /// Whether this one is to be logged, and how many before it were not.
    fn log_now(&mut self, now_ms: u64) -> Option<u64> {
        if now_ms < self.until_ms {
            self.unlogged += 1;
            return None;
        }
        self.until_ms = now_ms + REFUSED_WARN_MS;
        Some(std::mem::take(&mut self.unlogged))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Gate {
    addresses: Arc<AddressBook>,
    trusted: Vec<Subnet>,
    untrusted_log: Quiet,
    address_log: Quiet,
    full_log: Quiet,
    crowd_log: Quiet,
}

impl Gate {
    /// A gate that counts in `addresses`, the same book for all shards, and trusts these proxies.
    pub fn new(addresses: Arc<AddressBook>, trusted: Vec<Subnet>) -> Self {
        let quiet = Quiet::default();
        Self {
            addresses,
            trusted,
            untrusted_log: quiet,
            address_log: quiet,
            full_log: quiet,
            crowd_log: quiet,
        }
    }

    /// Replaces the limits of addresses, for all shards, and the proxies that are trusted.
    pub(super) fn set(&mut self, limits: AddressLimits, trusted: Vec<Subnet>) {
        self.addresses.set_limits(limits);
        self.trusted = trusted;
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|subnet| subnet.contains(address))
    }
}

impl Default for Gate {
    /// A gate that lets everybody in and trusts no proxy.
    fn default() -> Self {
        Self::new(Arc::new(AddressBook::new(AddressLimits::default())), Vec::new())
    }
}

/// The link may not come in. It was counted and logged.
#[derive(Debug)]
pub(super) struct Refused;

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// Whether what a door has just accepted may come in.
    pub(super) fn judge(
        &mut self,
        kind: DoorKind,
        address: Option<IpAddr>,
    ) -> Result<Option<AddressPass>, Refused> {
        let trusted = match kind.proxied {
            Proxied::No => return self.count_in(address),
            Proxied::ByAnyone => true,
            // A peer without an address is gone already.
            Proxied::ByTrusted => address.is_some_and(|address| self.gate.trusts(address)),
        };
        if trusted {
            return Ok(None);
        }
        self.broker.stats_mut().refused_untrusted_proxy += 1;
        debug!("refused {address:?}: not among --proxy-trust");
        if let (Some(unlogged), Some(address)) =
            (self.gate.untrusted_log.log_now(self.now_ms), address)
        {
            warn!(
                "refused a connection from {address}: the listener is behind a proxy, and the \
                 address is not among --proxy-trust ({unlogged} more since the last)"
            );
        }
        Err(Refused)
    }

    /// Notes that a link was closed as it was accepted: too many are open that are no clients.
    pub(super) fn note_crowded(&mut self) {
        self.broker.stats_mut().refused_crowded += 1;
        if let Some(unlogged) = self.gate.crowd_log.log_now(self.now_ms) {
            warn!(
                "refused a connection: {PENDING_LINKS_MAX} of this shard have not sent CONNECT or \
                 are closing ({unlogged} more since the last); --address-connections-max bounds \
                 what one address has"
            );
        }
    }

    /// Counts a caller's connection, if it may have one more.
    fn count_in(&mut self, address: Option<IpAddr>) -> Result<Option<AddressPass>, Refused> {
        let Some(address) = address else { return Ok(None) };
        let (refusal, flag) = match self.gate.addresses.enter(address, self.now_ms) {
            Entry::Granted(pass) => return Ok(pass),
            Entry::Full => {
                self.broker.stats_mut().addresses_uncounted += 1;
                if let Some(unlogged) = self.gate.full_log.log_now(self.now_ms) {
                    warn!(
                        "{address} is let in without limits: as many addresses are counted as may \
                         be ({unlogged} more since the last)"
                    );
                }
                return Ok(None);
            }
            Entry::Refused(refusal) => match refusal {
                AddressRefusal::Connections => (refusal, "--address-connections-max"),
                AddressRefusal::Rate => (refusal, "--address-connects-per-second"),
            },
        };
        let stats = self.broker.stats_mut();
        match refusal {
            AddressRefusal::Connections => stats.refused_address_connections += 1,
            AddressRefusal::Rate => stats.refused_address_rate += 1,
        }
        debug!("refused {address}: {flag}");
        if let Some(unlogged) = self.gate.address_log.log_now(self.now_ms) {
            warn!("refused a connection from {address}: {flag} ({unlogged} more since the last)");
        }
        Err(Refused)
    }

    /// Notes that a link of a door must begin with a header, if it must.
    pub(super) fn await_header(&mut self, key: Key, kind: DoorKind) {
        if let Some(link) = self.links.get_mut(key) {
            link.awaits_header = kind.proxied != Proxied::No;
        }
    }

    /// Handles the first bytes of a link behind a proxy. What follows the header is handled as
    /// those of any other.
    pub(super) fn on_header_data(&mut self, key: Key, buffer: Buffer) {
        let Some(link) = self.links.get_mut(key) else { return };
        let bytes: &[u8] = self.ring.bytes_mut(&buffer);
        // Whole in one piece, as good as always.
        let kept = link.carry.unread().len();
        let read = if kept == 0 {
            read_proxy_header(bytes)
        } else {
            link.carry.extend(bytes);
            read_proxy_header(link.carry.unread())
        };
        match read {
            Ok(Some(header)) => {
                link.carry.clear();
                // The pieces before were no whole header: it ends in this one.
                let skip = header.bytes - kept;
                let whole = skip == bytes.len();
                if !self.take_header(key, header) || whole {
                    return self.ring.recycle(buffer);
                }
                self.on_data(key, Some(buffer), skip);
            }
            Ok(None) => {
                if kept == 0 {
                    link.carry.extend(bytes);
                }
                self.ring.recycle(buffer);
            }
            Err(error) => {
                debug!("link {} from {}: {error}", key.slot, link.caller);
                self.ring.recycle(buffer);
                self.end(key, CloseReason::ProxyHeader);
            }
        }
    }

    /// Believes a header; whether the link may stay.
    fn take_header(&mut self, key: Key, header: ProxyHeader) -> bool {
        let Some(link) = self.links.get_mut(key) else { return false };
        link.awaits_header = false;
        if let Some(client) = header.client {
            debug!("link {}: {} speaks for {client}", key.slot, link.caller);
            (link.caller.address, link.caller.port) = (Some(client.ip()), client.port());
        }
        let (address, port) = (link.caller.address, link.caller.port);
        self.broker.relocate(conn_of(key), address, port);
        match self.count_in(address) {
            Ok(pass) => {
                if let Some(link) = self.links.get_mut(key) {
                    link.pass = pass;
                }
                true
            }
            Err(Refused) => {
                self.end(key, CloseReason::AddressLimit);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A range has its first address and its last and none beside them, nor any of the other family.
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

    // The first is logged, then none for a while, and the next tells how many there were.
    #[test]
    fn quiet_after_one() {
        let mut quiet = Quiet::default();
        let logged = [0, 1, REFUSED_WARN_MS - 1, REFUSED_WARN_MS, REFUSED_WARN_MS + 1];
        let logged = logged.map(|now_ms| quiet.log_now(now_ms));
        assert_eq!(logged, [Some(0), None, None, Some(2), None]);
    }
}
