//! SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11), and the end of a session's subscriptions.

use log::info;

use crate::mqtt::{QoS, Suback, Subscribe, SubscribeEntry, TopicFilter, Unsubscribe};
use crate::store::SessionKey;

use super::ConnId;
use super::connection::Phase;
use super::peers::{PeerMessage, ShardSet};
use super::promises::{Reply, Wait};
use super::routes::Grant;
use super::shard::{Context, Shard};
use super::vhost::VhostId;

impl Shard {
    pub(super) fn handle_subscribe(
        &mut self,
        conn: ConnId,
        subscribe: &Subscribe<'_>,
        context: &mut Context<'_>,
    ) {
        let Some((vhost, key)) = self.session_of(conn) else {
            return;
        };
        let mut codes = Vec::new();
        for entry in subscribe.entries() {
            let granted = self.subscribe(conn, vhost, key, &entry, context);
            codes.push(granted.map_or(Suback::FAILURE, |qos| qos as u8));
        }
        // Until other shards know of a filter, a message published there could be missed. Also when
        // another session told them just before: they may not have handled that yet.
        let replays = codes.iter().any(|code| *code != Suback::FAILURE);
        self.settle_if_withheld(key, context);
        let durable = !self.catalog.sessions.get(key).clean;
        let wait = Wait { peers: replays && self.out.options.shards > 1, disk: replays && durable };
        let (packet_id, codes) = (subscribe.packet_id, codes.into());
        if self.promise(conn, Reply::Suback { packet_id, codes, replays }, wait) && replays {
            self.hold_replay(conn);
        }
        self.advance_replay(conn, context);
    }

    pub(super) fn handle_unsubscribe(
        &mut self,
        conn: ConnId,
        unsubscribe: &Unsubscribe<'_>,
        context: &mut Context<'_>,
    ) {
        let Some((vhost, key)) = self.session_of(conn) else {
            return;
        };
        let mut wait = Wait::default();
        let durable = !self.catalog.sessions.get(key).clean;
        for filter in unsubscribe.filters() {
            if self.catalog.unsubscribe(key, filter.as_str(), &mut self.out.logs) {
                wait.disk = durable;
                wait.peers |= self.unbind(vhost, key, filter, context);
                self.stop_replay(conn, filter);
            }
        }
        self.settle_if_withheld(key, context);
        self.promise(conn, Reply::Unsuback(unsubscribe.packet_id), wait);
    }

    /// A session whose client may read nothing has another filter, or one less.
    fn settle_if_withheld(&mut self, key: SessionKey, context: &mut Context<'_>) {
        if self.catalog.sessions.get(key).is_withheld() {
            self.settle_withheld(key, context);
        }
    }

    /// Ends a session: its subscriptions and what waits in it.
    pub(super) fn end_session(&mut self, key: SessionKey, context: &mut Context<'_>) {
        self.free_received(key, context);
        let vhost = VhostId(self.catalog.sessions.get(key).vhost);
        self.discount_session(key);
        let subscriptions = self.catalog.end_session(key, &mut self.out.logs);
        for (filter, _) in subscriptions.iter() {
            let filter = TopicFilter::parse(filter).expect("it was checked before");
            self.unbind(vhost, key, filter, context);
        }
        self.receiving.retain(|(receiving, _)| *receiving != key);
        self.relieve_session(key, context);
        self.relieve_vhost(vhost, context);
    }

    /// Binds the sessions that recovery found, and tells the other shards what they want. What
    /// belongs to no vhost is dropped.
    pub fn restore_bindings(&mut self, context: &mut Context<'_>) {
        let keys: Vec<SessionKey> = self.catalog.sessions.keys_from(0).collect();
        keys.into_iter().for_each(|key| self.count_session(key));
        self.drop_nobodys(context);
        let keys: Vec<SessionKey> = self.catalog.sessions.keys_from(0).collect();
        for key in keys {
            let session = self.catalog.sessions.get(key);
            let vhost = VhostId(session.vhost);
            for (filter, granted) in session.subscriptions.iter() {
                let parsed = TopicFilter::parse(filter).ok().zip(QoS::try_from(granted).ok());
                let Some((filter, qos)) = parsed else { continue };
                let grant = Grant { qos, durable: true };
                let exchange = &mut self.vhosts[vhost].exchange;
                if exchange.bind(filter, key, grant) {
                    let others = ShardSet::all_but(self.out.options.shards, self.out.options.shard);
                    let message = PeerMessage::Interested { filter: filter.as_str() };
                    if !others.is_empty() {
                        message.send(vhost, others, context.peers);
                    }
                }
            }
        }
        self.review_sessions(None, context);
        if !self.catalog.sessions.is_empty() {
            self.expect_absences(context.now_ms);
        }
    }

    /// Drops sessions and retained messages of vhosts that were deleted.
    fn drop_nobodys(&mut self, context: &mut Context<'_>) {
        let (sessions, vhosts) = (&self.catalog.sessions, &self.vhosts);
        let is_nobodys = |key: &SessionKey| !vhosts.is_named(VhostId(sessions.get(*key).vhost));
        let keys: Vec<SessionKey> = sessions.keys_from(0).filter(is_nobodys).collect();
        for key in &keys {
            self.end_session(*key, context);
        }
        let mut dropped = 0;
        for vhost in self.catalog.retained_vhosts() {
            if !self.vhosts.is_named(VhostId(vhost)) {
                dropped += self.catalog.clear_all_retained(vhost, &mut self.out.logs);
            }
        }
        if !keys.is_empty() || dropped > 0 {
            let sessions = keys.len();
            info!("dropped {sessions} sessions and {dropped} retained messages of deleted vhosts");
        }
    }

    fn subscribe(
        &mut self,
        conn: ConnId,
        vhost: VhostId,
        key: SessionKey,
        entry: &SubscribeEntry<'_>,
        context: &mut Context<'_>,
    ) -> Option<QoS> {
        let filter = entry.filter;
        if filter.level_count() > self.out.options.topic_levels_max {
            return self.refuse_subscription(key, filter, "more levels than --max-topic-levels");
        }
        if filter.is_shared() {
            // A client that was granted it would wait for ever for its share.
            return self.refuse_subscription(key, filter, "there are no shared subscriptions yet");
        }
        if !self.may_subscribe(key, filter) {
            self.tell_denied_subscription(key, filter, "the access rules deny it");
            self.out.stats.subscriptions_denied += 1;
            self.vhosts[vhost].counts.subscriptions_denied += 1;
            return None;
        }
        let (granted, text) = (entry.qos, filter.as_str());
        if !self.has_room_for(key, text)
            || self.catalog.subscribe(key, text, granted as u8, &mut self.out.logs).is_none()
        {
            return self.refuse_subscription(key, filter, "the session has as many as it may");
        }
        let exchange = &mut self.vhosts[vhost].exchange;
        let durable = !self.catalog.sessions.get(key).clean;
        if exchange.bind(filter, key, Grant { qos: granted, durable }) {
            let message = PeerMessage::Interested { filter: filter.as_str() };
            self.tell_all(vhost, &message, context);
        }
        // [MQTT-3.8.4-3] Also when the subscription was there before.
        self.start_replay(conn, filter, granted);
        Some(granted)
    }

    fn refuse_subscription(
        &mut self,
        key: SessionKey,
        filter: TopicFilter<'_>,
        why: &str,
    ) -> Option<QoS> {
        self.tell_denied_subscription(key, filter, why);
        self.out.stats.subscriptions_refused += 1;
        None
    }

    /// Whether a session may have this filter, or has it already.
    fn has_room_for(&self, key: SessionKey, filter: &str) -> bool {
        let subscriptions = &self.catalog.sessions.get(key).subscriptions;
        subscriptions.len() < self.out.options.subscriptions_max || subscriptions.contains(filter)
    }

    pub(super) fn unbind(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        filter: TopicFilter<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let last = self.vhosts[vhost].exchange.unbind(filter, key);
        let message = PeerMessage::NotInterested { filter: filter.as_str() };
        last && self.tell_all(vhost, &message, context)
    }

    /// Sends a message to all other shards; false if there are none.
    fn tell_all(
        &mut self,
        vhost: VhostId,
        message: &PeerMessage<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let others = ShardSet::all_but(self.out.options.shards, self.out.options.shard);
        if others.is_empty() {
            return false;
        }
        message.send(vhost, others, context.peers);
        true
    }

    fn session_of(&self, conn: ConnId) -> Option<(VhostId, SessionKey)> {
        match &self.out.connections.get(conn)?.phase {
            Phase::Open(open) => Some((open.vhost, open.session)),
            Phase::Greeting(_) | Phase::Closed => None,
        }
    }
}
