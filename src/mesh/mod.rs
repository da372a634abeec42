//! Between shards: one ring for each ordered pair, one bell for each shard. This room has all
//! atomics of the broker, and its only locks: those of connections by address ([`AddressTable`]).
//!
//! Shard A reaches shard B through a [`Sender`] whose [`Receiver`] belongs to B. A pushes records
//! during its turn, publishes once at its end, and asks B's [`Bell`] whether B must be woken. B
//! takes the records, handles them, and publishes how many are *handled* and how many are
//! *settled*. A holds acknowledgements until those marks pass (invariant 8). No reply message is
//! needed.
//!
//! This room does not know the meaning of records, and never blocks: a full ring is a return value
//! (invariant 6), and the caller wakes a sleeping shard.

mod addresses;
mod bell;
mod shared_counts;
mod spsc;
mod sync;

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
mod tests;

pub use addresses::{AddressLimits, AddressPermit, AddressRefusal, AddressTable, Entry};
pub use bell::Bell;
pub use shared_counts::{CountsFull, CountsMax, SharedCount, SharedCounts, SharedSum};
pub use spsc::{Full, Receiver, Record, Sender, channel};
