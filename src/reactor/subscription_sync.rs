//! The shards that have not sent their sessions' subscriptions yet.
//!
//! Invariant: no client is accepted before all have. Else a message could be acknowledged without
//! having been sent to a shard that subscribes to it.

use crate::broker::{ShardId, ShardSet};

use super::link_transfer::LinkTransfer;

/// See the module.
pub(super) struct SubscriptionSync<S> {
    missing: ShardSet,
    /// Links that other shards have sent here meanwhile.
    early: Vec<LinkTransfer<S>>,
}

impl<S> SubscriptionSync<S> {
    /// Waits for these shards.
    pub(super) fn of(others: ShardSet) -> Self {
        Self { missing: others, early: Vec::new() }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Notes that a shard has sent its subscriptions.
    pub(super) fn note(&mut self, from: ShardId) {
        self.missing.take(from);
    }

    /// Keeps a link until they are complete.
    pub(super) fn keep(&mut self, early: LinkTransfer<S>) {
        self.early.push(early);
    }

    /// The links that were kept.
    pub(super) fn take_early(&mut self) -> Vec<LinkTransfer<S>> {
        std::mem::take(&mut self.early)
    }
}
