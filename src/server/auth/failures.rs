//! Wrong passwords by address, within about the last minute.
//!
//! IPv6 addresses are counted by their /64, because a host can use any address within it. Clients
//! on Unix sockets and on loopback addresses are never blocked: they are often connected through a
//! proxy, and one of its clients could block the others. After a wrong password they still wait
//! behind addresses without one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::limits::AUTH_ADDRESSES_MAX;

const MINUTE: Duration = Duration::from_secs(60);

/// The time between two searches for expired entries in a full table. A search of the whole table
/// for each wrong password would help an attacker with many addresses.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The counts of wrong passwords.
#[derive(Debug)]
pub(super) struct Failures {
    /// Wrong passwords of one address in a minute after which its passwords are not checked; 0: no
    /// bound.
    max: u32,
    /// For each address the start of its minute, and its wrong passwords since.
    addresses: HashMap<Option<IpAddr>, (Instant, u32)>,
    /// The table is full of unexpired entries until this time.
    full_until: Option<Instant>,
}

impl Failures {
    pub(super) fn new(max: u32) -> Self {
        Self { max, addresses: HashMap::new(), full_until: None }
    }

    pub(super) fn set_max(&mut self, max: u32) {
        self.max = max;
    }

    /// The bound.
    pub(super) fn max(&self) -> u32 {
        self.max
    }

    /// Counts a wrong password. If the address has now reached the bound, returns when its minute
    /// ends. If there is no room for another address, expired entries are removed; if there are
    /// none, the password is not counted, because so many addresses are not a single attacker.
    pub(super) fn count(&mut self, address: Option<IpAddr>, now: Instant) -> Option<Instant> {
        let address = network_of(address);
        if self.addresses.len() >= AUTH_ADDRESSES_MAX && !self.addresses.contains_key(&address) {
            if self.full_until.is_some_and(|until| now < until) {
                return None;
            }
            self.addresses.retain(|_, (begun, _)| now < *begun + MINUTE);
            if self.addresses.len() >= AUTH_ADDRESSES_MAX {
                self.full_until = Some(now + LOOK_AGAIN);
                return None;
            }
        }
        let entry = self.addresses.entry(address).or_insert((now, 0));
        if now >= entry.0 + MINUTE {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        (entry.1 == self.max && is_bounded(address)).then_some(entry.0 + MINUTE)
    }

    /// Whether an address had recent wrong passwords.
    pub(super) fn has(&self, address: Option<IpAddr>, now: Instant) -> bool {
        self.lately(address, now) > 0
    }

    /// Whether an address has reached the bound.
    pub(super) fn is_exceeded(&self, address: Option<IpAddr>, now: Instant) -> bool {
        self.max > 0 && is_bounded(address) && self.lately(address, now) >= self.max
    }

    fn lately(&self, address: Option<IpAddr>, now: Instant) -> u32 {
        let entry = self.addresses.get(&network_of(address));
        entry.filter(|(begun, _)| now < *begun + MINUTE).map_or(0, |(_, count)| *count)
    }
}

fn is_bounded(address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| !address.is_loopback())
}

/// The network that counts as one host.
pub(super) fn network_of(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(|address| match address {
        _ if address.is_loopback() => address,
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    })
}
