//! The number of a vhost.

/// Names a vhost; the same on every shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct VhostId(pub(crate) u16);

/// The vhost of clients that name none.
pub(crate) const DEFAULT_VHOST: VhostId = VhostId(0);
