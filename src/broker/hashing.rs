//! The hash of every map whose keys clients choose.
//!
//! Seeded from [`super::Options`]: a client that cannot know the seed cannot choose keys that
//! collide, and the same seed gives the same run.

use std::collections::HashMap;

/// How maps of this shard hash.
pub(super) type Hashing = foldhash::fast::FixedState;

/// A map whose keys clients choose.
pub(super) type Map<K, V> = HashMap<K, V, Hashing>;
