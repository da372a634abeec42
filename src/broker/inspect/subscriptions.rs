//! Subscriptions, session by session.

use crate::store::SessionKey;

use super::client::Pace;
use super::session_name::SessionName;
use super::span::Span;

/// Which subscriptions are wanted.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Wanted {
    /// All.
    #[default]
    All,
    /// Those with exactly this filter.
    Filter(Box<str>),
    /// Those that match this topic, which is a topic name.
    Topic(Box<str>),
}

/// A question for subscriptions.
#[derive(Clone, Default, Debug)]
pub struct SubscriptionListing {
    /// Where the answer begins.
    pub from: SubscriptionPlace,
    /// Rows wanted at most.
    pub limit: usize,
    /// Only those of this vhost.
    pub vhost: Option<u16>,
    /// Only those of this session.
    pub session: Option<SessionName>,
    /// Which.
    pub wanted: Wanted,
    /// Steps taken.
    pub steps: u32,
    /// The last filter of the session at `from` that was looked at.
    pub after: Option<Box<str>>,
    /// Filters of that session that are still to be passed over.
    pub to_skip: Option<u32>,
}

/// A place among all subscriptions of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SubscriptionPlace {
    /// The session.
    pub session: SessionKey,
    /// How many of its filters come before.
    pub filters: u32,
}

/// One subscription.
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionRow {
    /// Client id of the session.
    pub id: Span,
    /// Its vhost.
    pub vhost: Span,
    /// The number of that.
    pub vhost_number: u16,
    /// The user that the session belongs to; empty: nobody.
    pub user: Span,
    /// The topic filter.
    pub filter: Span,
    /// The QoS that was granted.
    pub qos: u8,
    /// The session ends with its connection.
    pub clean: bool,
    /// How its client takes what is sent to it; none: it is not connected.
    pub pace: Option<Pace>,
    /// As much waits in the session as may.
    pub is_full: bool,
    /// Nothing of what waits is sent: the rules let its client read none of it.
    pub withheld: bool,
}
