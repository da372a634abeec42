//! The hash of all maps whose keys clients choose.
//!
//! The owner seeds it. A client that does not know the seed cannot choose keys that collide. The
//! same seed gives the same run.

use std::collections::HashMap;

/// The hash function of the maps of one shard.
pub type Hashing = foldhash::fast::FixedState;

/// A map whose keys clients choose.
pub type Map<K, V> = HashMap<K, V, Hashing>;
