//! The number of connections of each address, and the rate of new ones, over all shards.
//!
//! Any shard may accept a link, which then moves to another shard, so all shards share these
//! counts. They are used when a connection is accepted, and never when a message is handled: a lock
//! is acceptable there. The table is divided into parts, so that shards seldom want the same lock.
//!
//! An entry's open connections are the clones of its token, so the end of a connection takes no
//! lock. Tokens are cloned only under the lock of the entry's part: if the table has the only token
//! of an entry, the entry has no connection while the lock is held.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::limits::{ADDRESSES_MAX, ADDRESSES_SWEEP_MIN};

use super::sync::{AtomicU32, Ordering};

/// Locks of one table: this many shards rarely want the same lock at once.
const PARTS: usize = 64;

/// The limits of one address. 0: no limit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AddressLimits {
    /// The most open connections.
    pub connections_max: u32,
    /// The most new connections in a second; so many may come at once.
    pub connects_per_s: u32,
}

/// The reason why an address may not have another connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressRefusal {
    /// It has the most connections it may have.
    Connections,
    /// It has opened the most connections it may open in a second.
    Rate,
}

/// An open connection of an address. It counts until it is dropped.
#[derive(Debug)]
pub struct AddressPermit(#[allow(dead_code, reason = "its existence is what counts")] Arc<()>);

/// The decision about a connection of an address.
#[derive(Debug)]
pub enum Entry {
    /// Granted. The permit is kept as long as the connection. None: the connection is not counted.
    Granted(Option<AddressPermit>),
    /// Granted without a count: the table is full.
    Full,
    /// It may not.
    Refused(AddressRefusal),
}

/// See the module.
#[derive(Debug)]
pub struct AddressTable {
    /// The current [`AddressLimits`].
    connections_max: AtomicU32,
    connects_per_s: AtomicU32,
    hashing: RandomState,
    parts: Vec<Mutex<Part>>,
    entries_max: usize,
}

/// The unit of counting: an IPv4 address, or the first half of an IPv6 address, because a host can
/// use any address of its /64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Network {
    V4(u32),
    V6(u64),
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => {
                Self::V6(u64::try_from(v6.to_bits() >> 64).expect("64 bits are left"))
            }
        }
    }
}

#[derive(Debug)]
struct Known {
    token: Arc<()>,
    /// The time, in microseconds, until which its connections would use the permitted rate if they
    /// came evenly. At most a second ahead.
    used_until_us: u64,
}

impl Known {
    /// Whether a new entry would have the same effect.
    fn is_idle(&self, now_us: u64) -> bool {
        Arc::strong_count(&self.token) == 1 && self.used_until_us <= now_us
    }
}

#[derive(Debug)]
struct Part {
    known: HashMap<Network, Known, RandomState>,
    /// The number of entries at which idle ones are removed.
    sweep_at: usize,
    /// If the part was full of entries in use: the time of the next attempt to remove idle ones.
    full_until_us: u64,
}

impl AddressTable {
    /// A table without entries. Without limits it never gets any.
    pub fn new(limits: AddressLimits) -> Self {
        Self::with_room(limits, ADDRESSES_MAX)
    }

    fn with_room(limits: AddressLimits, entries_max: usize) -> Self {
        let hashing = RandomState::new();
        let part = || Part {
            known: HashMap::with_hasher(hashing.clone()),
            sweep_at: ADDRESSES_SWEEP_MIN.min(entries_max / PARTS),
            full_until_us: 0,
        };
        let parts = (0..PARTS).map(|_| Mutex::new(part())).collect();
        Self {
            connections_max: AtomicU32::new(limits.connections_max),
            connects_per_s: AtomicU32::new(limits.connects_per_s),
            hashing,
            parts,
            entries_max: entries_max / PARTS,
        }
    }

    /// Replaces the limits. Connections that were opened while there were no limits are not
    /// counted.
    pub fn set_limits(&self, limits: AddressLimits) {
        // Relaxed: they guard no other memory, and a concurrent connection may be checked against
        // the old or the new limits.
        self.connections_max.store(limits.connections_max, Ordering::Relaxed);
        self.connects_per_s.store(limits.connects_per_s, Ordering::Relaxed);
    }

    fn limits(&self) -> AddressLimits {
        AddressLimits {
            // Relaxed: as in `set_limits`.
            connections_max: self.connections_max.load(Ordering::Relaxed),
            connects_per_s: self.connects_per_s.load(Ordering::Relaxed),
        }
    }

    /// Counts a connection of an address, if it may have another one. Loopback addresses are not
    /// counted: there may be a proxy on this host with many clients behind it.
    pub fn enter(&self, address: IpAddr, now_ms: u64) -> Entry {
        let limits = self.limits();
        if limits == AddressLimits::default() || address.to_canonical().is_loopback() {
            return Entry::Granted(None);
        }
        let network = Network::of(address);
        let now_us = now_ms.saturating_mul(1000);
        let mut part = self.part(network);
        if let Some(known) = part.known.get_mut(&network) {
            return known.enter(limits, now_us);
        }
        if !part.make_room(self.entries_max, now_us) {
            return Entry::Full;
        }
        let known = Known { token: Arc::new(()), used_until_us: 0 };
        part.known.entry(network).or_insert(known).enter(limits, now_us)
    }

    fn part(&self, network: Network) -> MutexGuard<'_, Part> {
        let [byte, ..] = self.hashing.hash_one(network).to_be_bytes();
        let part = &self.parts[usize::from(byte) % PARTS];
        part.lock().expect("nothing panics while it has the lock")
    }
}

impl Known {
    fn enter(&mut self, limits: AddressLimits, now_us: u64) -> Entry {
        const SECOND_US: u64 = 1_000_000;
        let open = Arc::strong_count(&self.token) - 1;
        if limits.connections_max > 0 && open >= limits.connections_max as usize {
            return Entry::Refused(AddressRefusal::Connections);
        }
        if limits.connects_per_s > 0 {
            let each_us = SECOND_US / u64::from(limits.connects_per_s);
            let used_until_us = self.used_until_us.max(now_us) + each_us;
            if used_until_us > now_us + SECOND_US {
                return Entry::Refused(AddressRefusal::Rate);
            }
            self.used_until_us = used_until_us;
        }
        Entry::Granted(Some(AddressPermit(Arc::clone(&self.token))))
    }
}

impl Part {
    /// Removes idle entries if there are many; returns whether there is room for one more.
    fn make_room(&mut self, entries_max: usize, now_us: u64) -> bool {
        const AGAIN_US: u64 = 1_000_000;
        if self.known.len() < self.sweep_at {
            return true;
        }
        if now_us < self.full_until_us {
            return false;
        }
        self.known.retain(|_, known| !known.is_idle(now_us));
        let least = ADDRESSES_SWEEP_MIN.min(entries_max);
        self.sweep_at = (self.known.len() * 2).clamp(least, entries_max);
        let room = self.known.len() < entries_max;
        if !room {
            self.full_until_us = now_us + AGAIN_US;
        }
        room
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn granted(entry: Entry) -> AddressPermit {
        match entry {
            Entry::Granted(Some(permit)) => permit,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(entry: &Entry) -> Option<AddressRefusal> {
        match entry {
            Entry::Refused(refusal) => Some(*refusal),
            Entry::Granted(_) | Entry::Full => None,
        }
    }

    /// The limit of connections holds, and each that ends permits one more. Other addresses do not
    /// count; those of one /64 do.
    #[test]
    fn open_connections() {
        let limits = AddressLimits { connections_max: 2, connects_per_s: 0 };
        for (one, same, other) in [
            ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::", "2001:db8:0:2::1"),
        ] {
            let table = AddressTable::new(limits);
            let first = granted(table.enter(address(one), 0));
            let _second = granted(table.enter(address(same), 0));
            for now_ms in [0, 1, 1_000_000] {
                let entry = table.enter(address(one), now_ms);
                assert_eq!(refusal(&entry), Some(AddressRefusal::Connections));
            }
            let _other = granted(table.enter(address(other), 0));
            drop(first);
            let _third = granted(table.enter(address(one), 0));
            let entry = table.enter(address(same), 0);
            assert_eq!(refusal(&entry), Some(AddressRefusal::Connections));
        }
    }

    /// A second's allowance may be used at once, then evenly. After a second without connections it
    /// is full again. A refusal does not reduce it.
    #[test]
    fn connects_per_second() {
        let limits = AddressLimits { connections_max: 0, connects_per_s: 4 };
        let table = AddressTable::new(limits);
        let mut tried = Vec::new();
        for now_ms in [0, 0, 0, 0, 0, 249, 250, 250, 499, 500, 1500, 1500, 1500, 1500, 1500] {
            let entry = table.enter(address("10.0.0.1"), now_ms);
            tried.push(u8::from(refusal(&entry).is_none()));
        }
        assert_eq!(tried, [1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0]);
        assert!(refusal(&table.enter(address("10.0.0.2"), 0)).is_none());
    }

    /// Without limits, and for loopback addresses, connections are not counted.
    #[test]
    fn exempt() {
        let strict = AddressLimits { connections_max: 1, connects_per_s: 1 };
        for (limits, text) in [
            (AddressLimits::default(), "10.0.0.1"),
            (strict, "127.0.0.1"),
            (strict, "127.9.9.9"),
            (strict, "::1"),
            (strict, "::ffff:127.0.0.1"),
        ] {
            let table = AddressTable::new(limits);
            for _ in 0..10 {
                assert!(matches!(table.enter(address(text), 0), Entry::Granted(None)), "{text}");
            }
        }
    }

    /// The table keeps entries with connections, replaces idle ones, and accepts connections
    /// without a count when it is full.
    #[test]
    fn bounded() {
        let limits = AddressLimits { connections_max: 1, connects_per_s: 0 };
        let table = AddressTable::with_room(limits, PARTS * 8);
        let count = || -> usize {
            let lengths = table.parts.iter().map(|part| part.lock().expect("no panic").known.len());
            lengths.sum()
        };
        let nth = |n: u32| IpAddr::V4(n.into());
        for n in 0..10_000 {
            drop(table.enter(nth(n), u64::from(n)));
        }
        assert!(count() <= PARTS * 8);
        let entries = (20_000..30_000).map(|n| table.enter(nth(n), 100_000));
        let (full, kept): (Vec<_>, Vec<_>) =
            entries.partition(|entry| matches!(entry, Entry::Full));
        assert_eq!((kept.len(), full.len()), (PARTS * 8, 10_000 - PARTS * 8));
        assert_eq!(count(), PARTS * 8);
        drop(kept);
        assert!(matches!(table.enter(nth(1), 200_000), Entry::Granted(Some(_))));
    }

    /// Several shards together never accept more connections than permitted.
    #[test]
    fn shards_count_together() {
        let limits = AddressLimits { connections_max: 5, connects_per_s: 0 };
        let table = AddressTable::new(limits);
        std::thread::scope(|scope| {
            let enter = || {
                let mut kept = Vec::new();
                for round in 0..2000 {
                    if let Entry::Granted(Some(permit)) = table.enter(address("10.0.0.1"), 0) {
                        kept.push(permit);
                        assert!(kept.len() <= 5);
                    }
                    if round % 3 == 0 {
                        kept.pop();
                    }
                }
                kept
            };
            let threads = [scope.spawn(enter), scope.spawn(enter), scope.spawn(enter)];
            // The comparison needs all at once: a dropped permit would make room for another.
            let kept = threads.map(|thread| thread.join().expect("no panic"));
            let counts: Vec<usize> = kept.iter().map(Vec::len).collect();
            assert!(counts.iter().sum::<usize>() <= 5, "{counts:?}");
        });
        let permits: Vec<_> = (0..9).map(|_| table.enter(address("10.0.0.1"), 0)).collect();
        let refused = permits.iter().filter_map(refusal).count();
        assert_eq!(refused, 4);
    }
}
