//! Memory that goes back to the system when many clients have left.

use super::delivery::Outgoing;
use super::shard::Shard;

impl Shard {
    /// Gives memory back that connections and sessions which are gone have had, in a time bounded
    /// by `slots_max`: how many of them one call looks at. Whether there is more.
    pub fn reclaim(&mut self, slots_max: usize) -> bool {
        self.promises.reclaim();
        let more_sessions = self.catalog.reclaim(slots_max);
        let more_filters = self.vhosts.reclaim(slots_max);
        self.out.reclaim(slots_max) || more_sessions || more_filters
    }
}

impl Outgoing {
    fn reclaim(&mut self, slots_max: usize) -> bool {
        self.pool.reclaim();
        self.logs.disk.reclaim();
        self.dirty.shrink_to(0);
        self.events.shrink_to(0);
        self.patience.shrink_to(0);
        self.steadying.shrink_to(0);
        self.connections.reclaim(slots_max)
    }
}
