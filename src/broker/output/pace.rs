//! The pace of a connection's output, and the publishers that wait for it.

use std::collections::{BTreeSet, VecDeque};

use super::super::names::{ConnId, ShardId};

/// See the room.
#[derive(Default, Debug)]
pub(super) enum Pace {
    #[default]
    Free,
    Holding(Box<Holding>),
    Slow,
}

#[derive(Debug)]
pub(super) struct Holding {
    /// The time at which patience ends.
    pub(super) deadline_ms: u64,
    /// Whether the client took something since patience began.
    pub(super) took: bool,
    /// Publishers in the order in which they came; `members` has the same ones.
    waiters: VecDeque<(ShardId, ConnId)>,
    members: BTreeSet<(ShardId, ConnId)>,
}

impl Holding {
    pub(super) fn until(deadline_ms: u64) -> Self {
        let (waiters, members) = (VecDeque::new(), BTreeSet::new());
        Self { deadline_ms, took: false, waiters, members }
    }

    /// Adds a publisher; returns false if it waits already.
    pub(super) fn add(&mut self, shard: ShardId, publisher: ConnId) -> bool {
        let is_new = self.members.insert((shard, publisher));
        if is_new {
            self.waiters.push_back((shard, publisher));
        }
        is_new
    }

    /// Takes all waiting publishers, in the order in which they came.
    pub(super) fn take_waiters(&mut self) -> VecDeque<(ShardId, ConnId)> {
        self.members.clear();
        std::mem::take(&mut self.waiters)
    }

    pub(super) fn next_waiter(&mut self) -> Option<(ShardId, ConnId)> {
        let waiter = self.waiters.pop_front()?;
        self.members.remove(&waiter);
        Some(waiter)
    }
}

impl Pace {
    /// Notes that the client has taken some of its output.
    pub(super) fn note_taken(&mut self) {
        if let Self::Holding(holding) = self {
            holding.took = true;
        }
    }
}
