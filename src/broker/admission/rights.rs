//! The permissions of clients by the access policy: to publish, to subscribe, and to receive the
//! topics that a wildcard covers beyond a permission.
//!
//! Invariant: every session in a route may read its topic. Permissions are checked when a route is
//! computed, and kept with it; a publisher's permission is kept with its last topic. A new policy
//! makes all routes stale, and waiting messages are checked before they are sent (see
//! `shard::review`).

use crate::access::{Client, Policy};
use crate::mqtt::{TopicFilter, TopicName};
use crate::store::{Session, SessionKey, Sessions};

use super::super::names::VhostId;
use super::Admission;

/// The client of a session in the policy's terms.
pub(crate) fn client_of(session: &Session) -> Client<'_> {
    Client { vhost: session.vhost, user: session.owner(), client_id: &session.client_id }
}

/// The read permissions of a vhost.
pub(crate) struct Readers<'a> {
    /// `None`: all clients may read.
    policy: Option<&'a Policy>,
    sessions: &'a Sessions,
}

impl Readers<'_> {
    /// Whether a session's client may receive messages of a topic.
    #[inline]
    pub(crate) fn may_receive(&self, key: SessionKey, topic: TopicName<'_>) -> bool {
        let Some(policy) = self.policy else { return true };
        policy.may_receive(&client_of(self.sessions.get(key)), topic)
    }
}

impl Admission {
    /// The read permissions in a vhost.
    #[inline]
    pub(crate) fn readers<'a>(&'a self, vhost: VhostId, sessions: &'a Sessions) -> Readers<'a> {
        let policy = &*self.policy;
        Readers { policy: policy.has_rules(vhost.0).then_some(policy), sessions }
    }

    /// Whether a session's client may publish to a topic with at most so many levels. No client may
    /// publish to `$SYS` (4.7.2).
    pub(crate) fn may_publish(
        &self,
        session: &Session,
        topic: TopicName<'_>,
        levels_max: usize,
    ) -> bool {
        let policy = &self.policy;
        let is_allowed =
            || !policy.has_rules(session.vhost) || policy.may_publish(&client_of(session), topic);
        // It is no group's name: only a client that mistakes it for one would publish there.
        let is_share = topic.as_str().starts_with("$share/");
        !topic.is_system() && !is_share && topic.level_count() <= levels_max && is_allowed()
    }

    /// Whether a session's client may subscribe to a filter.
    pub(crate) fn may_subscribe(&self, session: &Session, filter: TopicFilter<'_>) -> bool {
        let policy = &self.policy;
        !policy.has_rules(session.vhost) || policy.may_subscribe(&client_of(session), filter)
    }
}
