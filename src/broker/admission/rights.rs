//! What clients may do, as the access policy says: publishing, subscribing, and being sent what a
//! wildcard covers beyond that.
//!
//! Invariant: every session in a route may read its topic. Rights are looked at when a route is
//! computed, and remembered with it; a publisher's with the topic it published to last. A new
//! policy makes all routes stale, and what waits in sessions is looked at before it is sent (see
//! `shard::review`).

use crate::access::{Client, Policy};
use crate::mqtt::{TopicFilter, TopicName};
use crate::store::{Session, SessionKey, Sessions};

use super::super::names::VhostId;
use super::Admission;

/// The client of a session, as the policy sees it.
pub(crate) fn client_of(session: &Session) -> Client<'_> {
    Client { vhost: session.vhost, user: session.owner(), client_id: &session.client_id }
}

/// Who may read in a vhost.
pub(crate) struct Readers<'a> {
    /// `None`: everybody may.
    policy: Option<&'a Policy>,
    sessions: &'a Sessions,
}

impl Readers<'_> {
    /// Whether messages of a topic may go to a session's client.
    #[inline]
    pub(crate) fn may_receive(&self, key: SessionKey, topic: TopicName<'_>) -> bool {
        let Some(policy) = self.policy else { return true };
        policy.may_receive(&client_of(self.sessions.get(key)), topic)
    }
}

impl Admission {
    /// Who may read in a vhost.
    #[inline]
    pub(crate) fn readers<'a>(&'a self, vhost: VhostId, sessions: &'a Sessions) -> Readers<'a> {
        let policy = &*self.policy;
        Readers { policy: policy.has_rules(vhost.0).then_some(policy), sessions }
    }

    /// Whether a session's client may publish to a topic, which has so many levels at most. No
    /// client may publish where the broker tells of itself (4.7.2).
    pub(crate) fn may_publish(
        &self,
        session: &Session,
        topic: TopicName<'_>,
        levels_max: usize,
    ) -> bool {
        let policy = &self.policy;
        let is_allowed =
            || !policy.has_rules(session.vhost) || policy.may_publish(&client_of(session), topic);
        !topic.is_system() && topic.level_count() <= levels_max && is_allowed()
    }

    /// Whether a session's client may subscribe to a filter.
    pub(crate) fn may_subscribe(&self, session: &Session, filter: TopicFilter<'_>) -> bool {
        let policy = &self.policy;
        !policy.has_rules(session.vhost) || policy.may_subscribe(&client_of(session), filter)
    }
}
