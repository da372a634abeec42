//! The name of a lane.

/// Names a lane on its shard: no other ever has the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LaneId(pub(crate) u64);
