//! The hash of every map whose keys clients choose.
//!
//! Seeded by the owner: a client that cannot know the seed cannot choose keys that collide, and the
//! same seed gives the same run.

use std::collections::HashMap;

/// How maps of one shard hash.
pub type Hashing = foldhash::fast::FixedState;

/// A map whose keys clients choose.
pub type Map<K, V> = HashMap<K, V, Hashing>;
