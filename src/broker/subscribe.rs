//! SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11), and the end of a session's subscriptions.

use crate::limits::TOPIC_LEVELS_MAX;
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
        for entry in subscribe.entries() {
            let granted = self.subscribe(conn, vhost, key, &entry, context);
            codes.push(granted.map_or(Suback::FAILURE, |qos| qos as u8));
        }
        // Until other shards know of a filter, a message published there could be missed. Also when
        // another session told them just before: they may not have handled that yet.
        let replays = codes.iter().any(|code| *code != Suback::FAILURE);
        let wait = replays && self.out.options.shards > 1;
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
        let mut wait = false;
        // A filter that cannot be a filter was never subscribed to: nothing to do [MQTT-3.10.4-5].
        for filter in unsubscribe.filters().flatten() {
            let place = &mut self.vhosts[usize::from(vhost.0)];
            if place.sessions.get_mut(key).unsubscribe(filter.as_str()) {
                wait |= self.unbind(vhost, key, filter, context);
                self.stop_replay(conn, filter);
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
        for filter in session.filters() {
            let filter = TopicFilter::parse(filter).expect("it was checked before");
            self.unbind(vhost, key, filter, context);
        }
        self.out.discard(&mut session);
    }

    fn subscribe(
        &mut self,
        conn: ConnId,
        vhost: VhostId,
        key: SessionKey,
        entry: &SubscribeEntry<'_>,
        context: &mut Context<'_>,
    ) -> Option<QoS> {
        let filter = entry.filter.ok()?;
        if filter.level_count() > TOPIC_LEVELS_MAX {
            return None;
        }
        let granted = entry.qos;
        let Vhost { exchange, sessions, .. } = &mut self.vhosts[usize::from(vhost.0)];
        sessions.get_mut(key).subscribe(filter.as_str(), granted)?;
        if exchange.bind(filter, key, granted) {
            let message = PeerMessage::Interested { filter: filter.as_str() };
            self.tell_all(vhost, &message, context);
        }
        // [MQTT-3.8.4-3] Also when the subscription was there before.
        self.start_replay(conn, filter, granted);
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
