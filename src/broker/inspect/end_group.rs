//! The end of a consumer group that an operator wants gone, and of what waits in one.

use super::groups::GroupName;
use super::publication::Awaited;
use super::waiting::Awaits;

/// An order to a shard to do its part in the end of a group: first all are told to end the
/// memberships of their sessions, then all to end what is still there.
#[derive(Clone, Debug)]
pub struct GroupEnd {
    /// Which.
    pub name: GroupName,
    /// Members of this shard leave, as if they had unsubscribed; else its part ends if it has no
    /// members.
    pub is_of_members: bool,
    pub(crate) ended: GroupEnded,
    pub(crate) awaited: Option<Awaited>,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct GroupEnded {
    /// Members that have left.
    pub left: u64,
    /// The group has members, so it was not ended.
    pub has_members: bool,
}

impl GroupEnd {
    /// The end of the memberships of one shard's sessions.
    pub fn of_members(name: GroupName) -> Self {
        Self { name, is_of_members: true, ended: GroupEnded::default(), awaited: None }
    }

    /// The end of one shard's part.
    pub fn of_part(name: GroupName) -> Self {
        Self { is_of_members: false, ..Self::of_members(name) }
    }
}

/// An order to drop all that waits in a shard's part of a group.
#[derive(Clone, Debug)]
pub struct GroupPurge {
    /// Which.
    pub name: GroupName,
    pub(crate) purged: u64,
    /// All was dropped; it is to be noted in the log, and committed.
    pub(crate) awaits: Option<Awaits>,
}

impl GroupPurge {
    /// The end of what waits in a group on one shard.
    pub fn new(name: GroupName) -> Self {
        Self { name, purged: 0, awaits: None }
    }
}
