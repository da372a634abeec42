//! SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11).

use crate::mqtt::{QoS, Suback, Subscribe, SubscribeEntry, TopicFilter, Unsubscribe};
use crate::store::SessionKey;

use super::super::exchange::Grant;
use super::super::names::{ConnId, Context, ShardSet, VhostId};
use super::super::peer::PeerMessage;
use super::super::replies::{Reply, Wait};
use super::Shard;

impl Shard {
    pub(super) fn handle_subscribe(
        &mut self,
        conn: ConnId,
        subscribe: &Subscribe<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(open) = self.connections.client(conn) else { return };
        let (vhost, key) = (open.vhost, open.session);
        let mut codes = Vec::new();
        for entry in subscribe.entries() {
            let granted = self.subscribe(conn, vhost, key, &entry, context);
            if self.traces.is_on() {
                self.trace_subscription(conn, entry.filter, granted, context.now_ms);
            }
            codes.push(granted.map_or(Suback::FAILURE, |qos| qos as u8));
        }
        // Until other shards know of a filter, a message published there could be missed. Also when
        // another session told them just before: they may not have handled that yet.
        let replays = codes.iter().any(|code| *code != Suback::FAILURE);
        self.update_if_withheld(key, context);
        let durable = !self.catalog.session(key).clean;
        let wait = Wait { peers: replays && self.options.shards > 1, disk: replays && durable };
        let (packet_id, codes) = (subscribe.packet_id, codes.into());
        if self.promise(conn, Reply::Suback { packet_id, codes, replays }, wait)
            && replays
            && let Some(replays) = self.retained.get_mut(conn)
        {
            replays.hold();
        }
        self.advance_replay(conn, context);
    }

    pub(super) fn handle_unsubscribe(
        &mut self,
        conn: ConnId,
        unsubscribe: &Unsubscribe<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(open) = self.connections.client(conn) else { return };
        let (vhost, key) = (open.vhost, open.session);
        let mut wait = Wait::default();
        let durable = !self.catalog.session(key).clean;
        for filter in unsubscribe.filters() {
            if self.catalog.unsubscribe(key, filter.as_str(), &mut self.logs) {
                wait.disk = durable;
                wait.peers |= self.unbind(vhost, key, filter, context);
                self.retained.stop(conn, filter);
            }
        }
        self.update_if_withheld(key, context);
        self.promise(conn, Reply::Unsuback(unsubscribe.packet_id), wait);
    }

    /// A session whose client may read nothing has another filter, or one less.
    fn update_if_withheld(&mut self, key: SessionKey, context: &mut Context<'_>) {
        if self.catalog.session(key).is_withheld() {
            self.update_withheld(key, context);
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
        if filter.level_count() > self.options.topic_levels_max {
            return self.refuse_subscription(key, filter, "more levels than --max-topic-levels");
        }
        if filter.is_shared() {
            // A client that was granted it would wait for ever for its share.
            return self.refuse_subscription(key, filter, "there are no shared subscriptions yet");
        }
        let session = self.catalog.session(key);
        if !self.admission.may_subscribe(session, filter) {
            let why = "the access rules deny it";
            self.client_log.denied_subscription((key, &session.client_id), filter, why);
            self.stats.subscriptions_denied += 1;
            self.quotas.counts_mut(vhost).subscriptions_denied += 1;
            return None;
        }
        let (granted, text) = (entry.qos, filter.as_str());
        if !self.has_room_for(key, text)
            || self.catalog.subscribe(key, text, granted as u8, &mut self.logs).is_none()
        {
            return self.refuse_subscription(key, filter, "the session has as many as it may");
        }
        let durable = !self.catalog.session(key).clean;
        if self.exchanges.bind(vhost, filter, key, Grant { qos: granted, durable }) {
            let message = PeerMessage::Interested { filter: filter.as_str() };
            self.send_to_all(vhost, &message, context);
        }
        // [MQTT-3.8.4-3] Also when the subscription was there before.
        self.retained.start(conn, filter, granted);
        Some(granted)
    }

    fn refuse_subscription(
        &mut self,
        key: SessionKey,
        filter: TopicFilter<'_>,
        why: &str,
    ) -> Option<QoS> {
        let session = self.catalog.session(key);
        self.client_log.denied_subscription((key, &session.client_id), filter, why);
        self.stats.subscriptions_refused += 1;
        None
    }

    /// Whether a session may have this filter, or has it already.
    fn has_room_for(&self, key: SessionKey, filter: &str) -> bool {
        let subscriptions = &self.catalog.session(key).subscriptions;
        subscriptions.len() < self.options.subscriptions_max || subscriptions.contains(filter)
    }

    pub(super) fn unbind(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        filter: TopicFilter<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let last = self.exchanges.unbind(vhost, filter, key);
        let message = PeerMessage::NotInterested { filter: filter.as_str() };
        last && self.send_to_all(vhost, &message, context)
    }

    /// Sends a message to all other shards; false if there are none.
    pub(super) fn send_to_all(
        &mut self,
        vhost: VhostId,
        message: &PeerMessage<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let others = ShardSet::all_but(self.options.shards, self.options.shard);
        if others.is_empty() {
            return false;
        }
        message.send(vhost, others, context.peers);
        true
    }
}
