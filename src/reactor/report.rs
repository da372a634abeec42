//! A shard's report: its counters and current figures.

use crate::broker::{ShardId, Stats, VhostReport};

/// One shard in figures, at one moment.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub shard: ShardId,
    /// Its counters since it started.
    pub stats: Stats,
    /// Its part of each vhost.
    pub vhosts: Vec<VhostReport>,
    /// Its current gauges, each with its name.
    pub figures: Vec<(&'static str, u64)>,
}
