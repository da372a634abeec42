//! What clients may do, as the access policy says: publishing, subscribing, and being sent what a
//! wildcard covers beyond that.
//!
//! Invariant: every session in a route may read its topic. Rights are looked at when a route is
//! computed, and remembered with it; a publisher's with the topic it published to last. A new
//! policy makes all routes stale, and what waits in sessions is looked at before it is sent (see
//! `review`).

use std::sync::Arc;

use crate::access::{Client, Identity, Policy};
use crate::mqtt::{Publish, QoS, TopicFilter, TopicName};
use crate::store::{Session, SessionKey, Sessions};

use super::connection::Phase;
use super::options::OnDenied;
use super::promises::{Reply, Wait};
use super::reason::CloseReason;
use super::shard::{Context, Shard};
use super::vhost::VhostId;
use super::{ConnId, Flow};

/// The client of a session, as the policy sees it.
pub(super) fn client_of(session: &Session) -> Client<'_> {
    Client { vhost: session.vhost, user: session.owner(), client_id: &session.client_id }
}

/// Who may read in a vhost.
pub(super) struct Readers<'a> {
    /// `None`: everybody may.
    policy: Option<&'a Policy>,
    sessions: &'a Sessions,
}

impl<'a> Readers<'a> {
    #[inline]
    pub(super) fn new(policy: &'a Policy, vhost: VhostId, sessions: &'a Sessions) -> Self {
        Self { policy: policy.has_rules(vhost.0).then_some(policy), sessions }
    }

    /// Whether messages of a topic may go to a session's client.
    #[inline]
    pub(super) fn may_receive(&self, key: SessionKey, topic: TopicName<'_>) -> bool {
        let Some(policy) = self.policy else { return true };
        policy.may_receive(&client_of(self.sessions.get(key)), topic)
    }
}

/// Whether a session's client may publish to a topic. None may where the broker tells of itself
/// (4.7.2).
pub(super) fn may_publish(
    policy: &Policy,
    session: &Session,
    topic: TopicName<'_>,
    levels_max: usize,
) -> bool {
    let is_allowed =
        || !policy.has_rules(session.vhost) || policy.may_publish(&client_of(session), topic);
    !topic.is_system() && topic.level_count() <= levels_max && is_allowed()
}

impl Shard {
    /// Whether a session's client may subscribe to a filter.
    pub(super) fn may_subscribe(&self, key: SessionKey, filter: TopicFilter<'_>) -> bool {
        let session = self.catalog.sessions.get(key);
        !self.policy.has_rules(session.vhost)
            || self.policy.may_subscribe(&client_of(session), filter)
    }

    /// Whether a session's client may read a topic.
    pub(super) fn may_receive(&self, key: SessionKey, topic: TopicName<'_>) -> bool {
        let vhost = VhostId(self.catalog.sessions.get(key).vhost);
        Readers::new(&self.policy, vhost, &self.catalog.sessions).may_receive(key, topic)
    }

    /// Handles a PUBLISH that its client may not send: it is acknowledged, and goes nowhere
    /// [MQTT-3.3.5-2], or ends the connection.
    pub(super) fn deny_publish(
        &mut self,
        conn: ConnId,
        vhost: VhostId,
        publish: &Publish<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        self.out.stats.publishes_denied += 1;
        self.vhosts[vhost].counts.publishes_denied += 1;
        if let Some(key) = self.session_key(conn) {
            self.tell_denied_publish(key, publish.topic);
        }
        if self.out.options.on_denied == OnDenied::Disconnect {
            self.close(conn, CloseReason::Denied, context);
            return Flow::Stop;
        }
        if let Some(packet_id) = publish.packet_id {
            let reply = match publish.qos {
                QoS::ExactlyOnce => Reply::Pubrec(packet_id),
                _ => Reply::Puback(packet_id),
            };
            self.promise(conn, reply, Wait::default());
        }
        Flow::Continue
    }

    /// Replaces the policy: clients whose right to be there is gone are disconnected, all others go
    /// on. Nothing is taken away that another policy could not give back (see `review`).
    pub fn set_policy(&mut self, policy: Arc<Policy>, context: &mut Context<'_>) {
        let before = std::mem::replace(&mut self.policy, policy);
        let policy = self.policy.clone();
        for (number, name) in policy.vhosts() {
            self.vhosts.set_name(VhostId(number), name);
        }
        self.set_quotas(&policy);
        self.relieve_vhosts(context);
        self.vhosts.exchanges().for_each(|exchange| exchange.routes.invalidate());
        for conn in self.out.connections.ids() {
            let connection = self.out.connections.get(conn);
            let Some(Phase::Open(open)) = connection.map(|connection| &connection.phase) else {
                continue;
            };
            let session = self.catalog.sessions.get(open.session);
            let user = session.owner().map(Into::into);
            let identity = Identity { vhost: open.vhost.0, user, certified: open.certified };
            if !policy.may_stay(&identity, open.caller.local) {
                self.close(conn, CloseReason::Revoked, context);
            }
        }
        self.review_sessions(Some(&before), context);
    }
}
