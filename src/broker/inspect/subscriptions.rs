//! Subscriptions, session by session.

use crate::store::SessionKey;

use super::client::Pace;
use super::session_name::SessionName;
use super::span::Span;

/// The conditions on subscriptions.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Wanted {
    /// All.
    #[default]
    All,
    /// Those with this filter.
    Filter(Box<str>),
    /// Those whose filter matches this topic name.
    Topic(Box<str>),
}

/// A question for subscriptions.
#[derive(Clone, Default, Debug)]
pub struct SubscriptionListing {
    /// The start of the answer.
    pub from: SubscriptionPlace,
    /// The most rows.
    pub limit: usize,
    /// Only those of this vhost.
    pub vhost: Option<u16>,
    /// Only those of this session.
    pub session: Option<SessionName>,
    /// The condition on their filters.
    pub wanted: Wanted,
    /// Steps taken.
    pub steps: u32,
    /// The last checked filter of the session at `from`.
    pub after: Option<Box<str>>,
    /// The filters of that session that are still to be skipped.
    pub to_skip: Option<u32>,
}

/// A place among all subscriptions of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SubscriptionPlace {
    /// The session.
    pub session: SessionKey,
    /// The number of its filters before this place.
    pub filters: u32,
}

/// One subscription.
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionRow {
    /// Client id of the session.
    pub id: Span,
    /// Its vhost.
    pub vhost: Span,
    /// The number of its vhost.
    pub vhost_number: u16,
    /// The user that owns the session; empty: none.
    pub user: Span,
    /// The topic filter.
    pub filter: Span,
    /// The granted QoS.
    pub qos: u8,
    /// Whether the session ends with its connection.
    pub clean: bool,
    /// The rate at which its client receives its messages; none: it is not connected.
    pub pace: Option<Pace>,
    /// Whether the session or its vhost has reached its bound.
    pub is_full: bool,
    /// Whether waiting messages are withheld, because the rules let its client read none of them.
    pub withheld: bool,
}
