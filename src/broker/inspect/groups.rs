//! Consumer groups, their waiting messages and their members. Each shard reports its part. All
//! shards report groups and members in the same order, so that the parts can be joined.

use std::sync::Arc;

use crate::store::SessionKey;

use super::super::names::GroupCounts;
use super::span::Span;
use super::watch::SessionPattern;

/// The selection of groups.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum GroupsWanted {
    /// All groups.
    #[default]
    All,
    /// All groups of the vhost with this number.
    Vhost(u16),
    /// One group.
    One(GroupName),
    /// Groups that patterns name.
    Named(Arc<[SessionPattern]>),
}

/// The name of a group, by which groups are ordered.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct GroupName {
    /// The number of its vhost.
    pub vhost: u16,
    /// Its whole filter, `$share/NAME/FILTER`.
    pub share: Box<str>,
}

/// A question about groups.
#[derive(Clone, Default, Debug)]
pub struct GroupListing {
    /// The selection.
    pub wanted: GroupsWanted,
    /// Whether the age of the oldest message of each is wanted, which may need a read from the
    /// disk.
    pub with_lag: bool,
    /// The last visited group.
    pub after: Option<GroupName>,
    /// The most rows wanted.
    pub limit: usize,
    /// The number of steps so far.
    pub(crate) steps: u32,
    /// Lanes of the next group whose oldest message was read, and the age of the oldest.
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
    /// The number of its vhost.
    pub vhost_number: u16,
    /// The order in which members get its messages: `topic`, `sticky` or `none`.
    pub order: &'static str,
    /// Whether its waiting messages are on disk.
    pub durable: bool,
    /// Sessions that are members.
    pub members: u64,
    /// Members with a connected client.
    pub connected: u64,
    /// Messages that wait to be sent.
    pub waiting: u64,
    /// Messages that members have and have not acknowledged.
    pub inflight: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// The age of the oldest message, milliseconds, if it was requested and is known.
    pub lag_ms: Option<u64>,
    /// The counts of its other messages.
    pub counts: GroupCounts,
}

/// A question about members of a group.
#[derive(Clone, Default, Debug)]
pub struct MemberListing {
    /// The group.
    pub group: GroupName,
    /// The last visited member.
    pub after: Option<MemberPlace>,
    /// The most rows wanted.
    pub limit: usize,
}

/// The name of a member, its shard and its session there, by which members are ordered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct MemberPlace {
    /// The shard.
    pub shard: u16,
    /// The session.
    pub session: SessionKey,
}

/// A shard's knowledge of a member.
#[derive(Clone, Copy, Debug)]
pub struct MemberRow {
    /// Its name.
    pub place: MemberPlace,
    /// Whether its client is connected.
    pub connected: bool,
    /// Whether it has unsubscribed and still has messages.
    pub has_left: bool,
    /// Lanes of this shard whose messages are with it, or are kept for it.
    pub lanes: u64,
    /// Messages of these that it has and has not acknowledged.
    pub inflight: u64,
    /// The part that only its own shard knows.
    pub own: Option<OwnMember>,
}

/// The knowledge of a member's own shard.
#[derive(Clone, Copy, Debug)]
pub struct OwnMember {
    /// Client id.
    pub id: Span,
    /// The user who owns the session; empty: none.
    pub user: Span,
    /// Whether it ends with its connection.
    pub clean: bool,
    /// The QoS that was granted.
    pub qos: u8,
    /// Whether the rules do not let it read the whole filter: it gets no messages.
    pub suspended: bool,
    /// Whether its output is full: it gets no messages for now.
    pub is_full: bool,
    /// Messages of all its groups that it has and has not acknowledged.
    pub inflight_all: u64,
    /// The most messages that it may have at once.
    pub window: u64,
}
