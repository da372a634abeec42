//! Waits for the other shards to send the subscriptions of their sessions.
//!
//! Invariant: no client is accepted before all have sent them. Otherwise a message could be
//! acknowledged without being sent to a shard with a subscription.

use crate::broker::{ShardId, ShardSet};

use super::link_transfer::LinkTransfer;

/// See the file.
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

    /// Keeps a link until all subscriptions have arrived.
    pub(super) fn keep(&mut self, early: LinkTransfer<S>) {
        self.early.push(early);
    }

    /// Takes the kept links.
    pub(super) fn take_early(&mut self) -> Vec<LinkTransfer<S>> {
        std::mem::take(&mut self.early)
    }
}
