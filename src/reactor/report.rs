//! A shard's report: its counters and present figures.

use crate::broker::{ShardId, Stats, VhostReport};

/// The figures of one shard at one time.
#[derive(Clone, Debug)]
pub struct Report {
    /// The shard.
    pub shard: ShardId,
    /// Its counters since it started.
    pub stats: Stats,
    /// Its part of each vhost.
    pub vhosts: Vec<VhostReport>,
    /// Its present gauges with their names.
    pub figures: Vec<(&'static str, u64)>,
}
