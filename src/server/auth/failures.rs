//! Wrong passwords by address, within the last minute or so.
//!
//! IPv6 addresses count by their /64: a host has as many as it likes of the rest. Those without an
//! address, on Unix sockets, and those of loopback are never too many: often a proxy stands behind
//! them, and one of its clients could lock out the others. They still wait behind those that had
//! none wrong.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::limits::AUTH_ADDRESSES_MAX;

const MINUTE: Duration = Duration::from_secs(60);

/// When all are within their minute, the time until that is looked at again: a look at all for each
/// wrong password would be what an attacker with many addresses wants.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Failures {
    /// Wrong ones from one address in a minute, beyond which nothing is looked at; 0: no bound.
    max: u32,
    /// When an address's minute began, and its wrong ones since.
    addresses: HashMap<Option<IpAddr>, (Instant, u32)>,
    /// It was full of such: when to look again.
    full_until: Option<Instant>,
}

impl Failures {
    pub(super) fn new(max: u32) -> Self {
        Self { max, addresses: HashMap::new(), full_until: None }
    }

    pub(super) fn set_max(&mut self, max: u32) {
        self.max = max;
    }

    /// See `max`.
    pub(super) fn max(&self) -> u32 {
        self.max
    }

    /// Counts a wrong one; if it is the last that its address may have in this minute, when the
    /// minute ends. When there is no room for another address, those whose minute is over
    /// go; if there are none, it is not counted: so many addresses at once are no single attacker.
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

    /// Whether an address had any.
    pub(super) fn has(&self, address: Option<IpAddr>, now: Instant) -> bool {
        self.lately(address, now) > 0
    }

    /// Whether an address had as many as it may.
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

/// What is one host as far as can be told.
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
