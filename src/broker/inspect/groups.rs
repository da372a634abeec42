//! Consumer groups: which there are, what waits in them, and who has it. Each shard tells its part;
//! all give groups and members in the same order, so that the parts of one can be put together.

use std::sync::Arc;

use crate::store::SessionKey;

use super::super::names::GroupCounts;
use super::span::Span;
use super::watch::SessionPattern;

/// Which groups are wanted.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum GroupsWanted {
    /// All.
    #[default]
    All,
    /// All of the vhost with this number.
    Vhost(u16),
    /// One.
    One(GroupName),
    /// Those that patterns name.
    Named(Arc<[SessionPattern]>),
}

/// Names a group. Groups are in the order of these.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct GroupName {
    /// The number of its vhost.
    pub vhost: u16,
    /// Its whole filter, `$share/NAME/FILTER`.
    pub share: Box<str>,
}

/// A question for groups.
#[derive(Clone, Default, Debug)]
pub struct GroupListing {
    /// Which.
    pub wanted: GroupsWanted,
    /// How old the oldest message of each is is wanted, which may have to come from the disk.
    pub with_lag: bool,
    /// The last group that was looked at.
    pub after: Option<GroupName>,
    /// Rows wanted at most.
    pub limit: usize,
    /// Steps taken.
    pub(crate) steps: u32,
    /// Lanes of the next group whose oldest message was looked at, and the age of the oldest.
    pub(crate) lanes_read: usize,
    pub(crate) lag_ms: Option<u64>,
}

/// A shard's part of a group.
#[derive(Clone, Copy, Debug)]
pub struct GroupRow {
    /// Its whole filter.
    pub share: Span,
    /// Its vhost.
    pub vhost: Span,
    /// The number of that.
    pub vhost_number: u16,
    /// How its messages are given out: `topic`, `sticky` or `none`.
    pub order: &'static str,
    /// What waits in it is on disk.
    pub durable: bool,
    /// Sessions that are members.
    pub members: u64,
    /// Those of them whose clients are connected.
    pub connected: u64,
    /// Messages that wait to be sent.
    pub waiting: u64,
    /// Messages that members have and have not acknowledged.
    pub inflight: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// How long the oldest has been there, milliseconds, if that was asked for and is known.
    pub lag_ms: Option<u64>,
    /// What became of others.
    pub counts: GroupCounts,
}

/// A question for members of a group.
#[derive(Clone, Default, Debug)]
pub struct MemberListing {
    /// The group.
    pub group: GroupName,
    /// The last member that was looked at.
    pub after: Option<MemberPlace>,
    /// Rows wanted at most.
    pub limit: usize,
}

/// Names a member: its shard and its session there. Members are in the order of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct MemberPlace {
    /// The shard.
    pub shard: u16,
    /// The session.
    pub session: SessionKey,
}

/// What a shard knows of a member.
#[derive(Clone, Copy, Debug)]
pub struct MemberRow {
    /// Which it is.
    pub place: MemberPlace,
    /// Its client is connected.
    pub connected: bool,
    /// It has unsubscribed, and still has messages.
    pub has_left: bool,
    /// Lanes of this shard whose messages are with it, or are kept for it.
    pub lanes: u64,
    /// Messages of these that it has and has not acknowledged.
    pub inflight: u64,
    /// What only its own shard knows.
    pub own: Option<OwnMember>,
}

/// What a member's own shard knows of it.
#[derive(Clone, Copy, Debug)]
pub struct OwnMember {
    /// Client id.
    pub id: Span,
    /// The user that the session belongs to; empty: nobody.
    pub user: Span,
    /// It ends with its connection.
    pub clean: bool,
    /// The QoS that was granted.
    pub qos: u8,
    /// The rules do not let it read all that is shared: it gets nothing.
    pub suspended: bool,
    /// Its output is full: it gets nothing for now.
    pub is_full: bool,
    /// Messages of all its groups that it has and has not acknowledged.
    pub inflight_all: u64,
    /// Messages that it may have at once.
    pub window: u64,
}
