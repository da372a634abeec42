//! How many refusals a shard has told, and heard of.
//!
//! Invariant: while another shard has counted more than are heard of, nothing that it has settled
//! counts.

use super::super::names::{Peers, ShardId};

/// See the module.
#[derive(Default, Debug)]
pub(crate) struct RefusalCounts {
    /// Told since the reactor last asked.
    told: u64,
    /// Heard of, by shard, as far as there were any.
    heard: Vec<u64>,
}

impl RefusalCounts {
    /// A shard was told that its message was refused.
    pub(crate) fn note_told(&mut self) {
        self.told += 1;
    }

    /// How many were told since this was last asked.
    pub(crate) fn take_told(&mut self) -> u64 {
        std::mem::take(&mut self.told)
    }

    /// Another shard has told that it refused a message.
    pub(crate) fn note_heard(&mut self, from: ShardId) {
        let at = usize::from(from.0);
        self.heard.resize(self.heard.len().max(at + 1), 0);
        self.heard[at] += 1;
    }

    /// The number of the last message that a shard has settled, if all is known that it has refused
    /// until then.
    pub(crate) fn settled(&self, peers: &dyn Peers, shard: ShardId) -> u64 {
        let settled = peers.settled(shard);
        let heard = self.heard.get(usize::from(shard.0)).copied().unwrap_or(0);
        if peers.refused(shard) == heard { settled } else { 0 }
    }
}
