//! SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11), and the end of a session's subscriptions.

use crate::limits::{SUBSCRIPTIONS_MAX, TOPIC_LEVELS_MAX};
use crate::mqtt::{QoS, Suback, Subscribe, SubscribeEntry, TopicFilter, Unsubscribe};

use super::ConnId;
use super::connection::Phase;
use super::peers::{PeerMessage, ShardSet};
use super::promises::Reply;
use super::session::SessionKey;
use super::shard::{Context, Shard};
use super::vhost::{Vhost, VhostId};

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
        let mut wait = false;
        for entry in subscribe.entries() {
            let granted = self.subscribe(vhost, key, &entry, &mut wait, context);
            codes.push(granted.map_or(Suback::FAILURE, |qos| qos as u8));
        }
        // Until other shards know of a new filter, a message published there could be missed.
        let reply = Reply::Suback(subscribe.packet_id, codes.as_slice().into());
        let held = self.promise(conn, reply, wait);
        for (entry, code) in subscribe.entries().zip(codes) {
            if let (Ok(filter), Ok(granted)) = (entry.filter, QoS::try_from(code)) {
                // [MQTT-3.8.4-3] Also when the subscription was there before.
                self.start_replay(conn, filter, granted);
            }
        }
        if held {
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
        let mut wait = false;
        // A filter that cannot be a filter was never subscribed to: nothing to do [MQTT-3.10.4-5].
        for filter in unsubscribe.filters().flatten() {
            let place = &mut self.vhosts[usize::from(vhost.0)];
            if place.sessions.get_mut(key).unsubscribe(filter.as_str()) {
                wait |= self.unbind(vhost, key, filter, context);
            }
        }
        self.promise(conn, Reply::Unsuback(unsubscribe.packet_id), wait);
    }

    /// Ends a session: its subscriptions and what waits in it.
    pub(super) fn end_session(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        context: &mut Context<'_>,
    ) {
        let place = &mut self.vhosts[usize::from(vhost.0)];
        let mut session = place.sessions.remove(key);
        for subscription in &session.subscriptions {
            let filter = TopicFilter::parse(&subscription.filter).expect("it was checked before");
            self.unbind(vhost, key, filter, context);
        }
        self.out.discard(&mut session);
    }

    fn subscribe(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        entry: &SubscribeEntry<'_>,
        wait: &mut bool,
        context: &mut Context<'_>,
    ) -> Option<QoS> {
        let filter = entry.filter.ok()?;
        if filter.level_count() > TOPIC_LEVELS_MAX {
            return None;
        }
        let granted = entry.qos;
        let Vhost { exchange, sessions, .. } = &mut self.vhosts[usize::from(vhost.0)];
        sessions.get_mut(key).subscribe(filter.as_str(), granted, SUBSCRIPTIONS_MAX)?;
        if exchange.bind(filter, key, granted) {
            let message = PeerMessage::Interested { filter: filter.as_str() };
            *wait |= self.tell_all(vhost, &message, context);
        }
        Some(granted)
    }

    fn unbind(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        filter: TopicFilter<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let last = self.vhosts[usize::from(vhost.0)].exchange.unbind(filter, key);
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
            Phase::Greeting | Phase::Closed => None,
        }
    }
}
