//! The name of a lane.

/// Names a lane on its shard. Names are not used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LaneId(pub(crate) u64);
