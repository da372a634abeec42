//! Messages of other shards.

use crate::mqtt::{TopicFilter, TopicName};
use crate::store::Origin;

use super::super::names::{Context, ShardId, ShardSet, VhostId};
use super::super::output::{Message, Source};
use super::super::peer::{PeerMessage, PeerPublish, Refusable};
use super::super::publish::InboundMessage;
use super::super::read_gate::Pause;
use super::Shard;

impl Shard {
    /// Handles a message of another shard; returns whether that shard may wait until it is handled.
    pub fn handle_peer(&mut self, from: ShardId, record: &[u8], context: &mut Context<'_>) -> bool {
        let (vhost, message) = PeerMessage::read(record);
        self.introduce(vhost);
        let awaited = message.is_awaited();
        let now_ms = context.now_ms;
        match message {
            PeerMessage::Publish(publish) => {
                self.handle_peer_publish(from, vhost, &publish, context);
            }
            PeerMessage::Interested { filter } => self.set_interest(vhost, filter, from, true),
            PeerMessage::NotInterested { filter } => self.set_interest(vhost, filter, from, false),
            PeerMessage::Hold { conn } => {
                self.gates.pause(conn, Pause::FullOutput);
            }
            PeerMessage::Release { conn } => {
                self.gates.resume(conn, Pause::FullOutput, now_ms);
            }
            PeerMessage::Block { conn } => self.pause_for_full_session(conn),
            PeerMessage::Unblock { conn } => self.resume_for_full_session(conn, context),
            PeerMessage::Refused { conn, message } => self.handle_refused(from, conn, message),
            PeerMessage::Short => self.set_peer_short(from, true, now_ms),
            PeerMessage::Ample => self.set_peer_short(from, false, now_ms),
            PeerMessage::Freed { serial, packet_id } => {
                let origin = Origin { shard: from.0, serial, packet_id };
                self.catalog.free_origin(origin, &mut self.logs);
            }
            PeerMessage::Ask(ask) => self.handle_ask(from, vhost, &ask, context),
            PeerMessage::Vouch { replay, keeper } => {
                let vouched = PeerMessage::Vouched { replay, asker: from };
                vouched.send(vhost, ShardSet::of(keeper), context.peers);
            }
            PeerMessage::Vouched { replay, asker } => {
                self.handle_vouched(asker, replay, context);
            }
            PeerMessage::Answer { replay, topic, properties, payload, qos } => {
                let topic = TopicName::parse(topic).expect("a peer sends topics it has checked");
                let message = Message { topic, properties, payload, qos, retain: true };
                self.handle_answered(replay, &message, context);
            }
            PeerMessage::Group(message) => self.handle_group(from, vhost, &message, context),
            PeerMessage::AnswerEnd { replay, after } => {
                self.handle_answer_end(replay, after, context);
            }
        }
        awaited
    }

    fn set_interest(&mut self, vhost: VhostId, filter: &str, shard: ShardId, has: bool) {
        let filter = TopicFilter::parse(filter).expect("a peer sends filters it has checked");
        self.exchanges.set_interest(vhost, filter, shard, has);
    }

    fn set_peer_short(&mut self, shard: ShardId, short: bool, now_ms: u64) {
        self.storage.shortage_mut().set_peer_short(shard, short, &mut self.gates, now_ms);
    }

    fn handle_peer_publish(
        &mut self,
        from: ShardId,
        vhost: VhostId,
        publish: &PeerPublish<'_>,
        context: &mut Context<'_>,
    ) {
        let topic = TopicName::parse(publish.topic).expect("a peer sends topics it has checked");
        let PeerPublish { properties, payload, qos, retain, keep, stamp, .. } = *publish;
        let origin =
            publish.origin.map(|(serial, packet_id)| Origin { shard: from.0, serial, packet_id });
        // A keeper delivers in any case: its subscriber may be too new for the publisher's shard to
        // know, while its replay has already read the value before this one.
        if publish.deliver || keep {
            let route = self.route(vhost, topic);
            let source = publish.source.map_or(Source::Nobody, |conn| Source::There(from, conn));
            let message = Message { topic, properties, payload, qos, retain };
            let inbound =
                InboundMessage { origin, keep, stamp, ..InboundMessage::of(&message, source) };
            let refusable = publish.source.zip(publish.refusable);
            let Some((conn, named)) = refusable else {
                self.publish_on(vhost, route, &inbound, context);
                return;
            };
            let is_new = origin.is_none_or(|origin| !self.catalog.has_origin(&origin));
            if is_new
                && self.full_sessions.is_awaited()
                && self.is_beyond_bounds(vhost, route, None, message.bytes())
            {
                // One session suffices: that the others have it is better than that it is lost.
                self.tell_refused(from, conn, Refusable { shards: 1, ..named }, context);
            } else if self.publish_on(vhost, route, &inbound, context).is_refused {
                self.tell_refused(from, conn, named, context);
            }
        }
    }
}
