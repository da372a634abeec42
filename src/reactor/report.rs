//! What a shard tells of itself when it is asked.

use crate::broker::{ShardId, Stats, VhostReport};
use crate::ring::Ring;
use crate::store::Medium;

use super::turn::{Clock, Reactor};

/// One shard in figures, at one moment.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub shard: ShardId,
    /// What it has counted since it started.
    pub stats: Stats,
    /// Its part of each vhost.
    pub vhosts: Vec<VhostReport>,
    /// What it has now, each with its name.
    pub figures: Vec<(&'static str, u64)>,
}

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// See [`Report`]. Takes time with the number of vhosts alone.
    pub(super) fn report(&self) -> Report {
        let own = [
            ("links", self.links.len() as u64),
            ("links_yielded", self.yielded.len() as u64),
            ("links_starved", self.starved.len() as u64),
            ("handshakes_waiting", self.handshakes.waiting() as u64),
            ("shards_behind", u64::from(self.outboxes.is_full())),
        ];
        Report {
            shard: self.shard,
            stats: self.stats(),
            vhosts: self.broker.vhost_reports(),
            figures: self.broker.figures().into_iter().chain(own).collect(),
        }
    }
}
