//! Messages of lanes here that were published to a dead-letter topic, and wait until that is kept
//! wherever it must be: only then they leave their lane.
//!
//! Invariant: marks grow, so those that were set aside first are kept first.

use std::collections::VecDeque;

use super::super::names::ShardId;
use super::done::Done;
use super::lane::LaneId;

/// Why a message is set aside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// A member has refused it.
    Refused,
    /// Its members were lost with it as often as it may be given out.
    Deliveries,
}

/// A message that was set aside.
#[derive(Debug)]
pub(crate) struct Aside {
    pub(crate) lane: LaneId,
    pub(crate) number: u64,
    /// By shard: messages that must be settled there.
    pub(crate) marks: Box<[u64]>,
    /// How far this shard's log must be settled.
    pub(crate) log: u64,
    /// The answer of the member that has refused it, which is handled then.
    pub(crate) answer: Option<(ShardId, Done)>,
}

/// See the module.
#[derive(Default, Debug)]
pub(crate) struct SetAside(VecDeque<Aside>);

impl SetAside {
    pub(crate) fn push(&mut self, aside: Aside) {
        self.0.push_back(aside);
    }

    /// Whether the next is kept, by how far this shard's log and the others are settled.
    pub(crate) fn is_kept(&self, log: u64, settled: impl Fn(ShardId) -> u64) -> bool {
        self.0.front().is_some_and(|first| {
            let mut marks = (0..).map(ShardId).zip(&first.marks);
            first.log <= log && marks.all(|(shard, mark)| settled(shard) >= *mark)
        })
    }

    pub(crate) fn pop(&mut self) -> Option<Aside> {
        self.0.pop_front()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
