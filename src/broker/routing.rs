//! From a message to everybody who gets it: sessions here, other shards, the retain store.

use crate::mqtt::{TopicFilter, TopicName};

use super::delivery::Terms;
use super::letter::{Letter, Message, Source};
use super::peers::{PeerMessage, PeerPublish, ShardId, ShardSet};
use super::routes::Ticket;
use super::shard::{Context, Shard};
use super::vhost::{Vhost, VhostId};
use super::{ConnId, Options, placement};

impl Shard {
    /// Routes a message to its sessions here and to the shards that want it; true if other shards
    /// must have it before it can be acknowledged.
    pub(super) fn publish(
        &mut self,
        vhost: VhostId,
        route: Ticket,
        message: Message<'_>,
        publisher: Option<ConnId>,
        context: &mut Context<'_>,
    ) -> bool {
        let Options { shard, shards, .. } = self.out.options;
        self.publish_on(
            vhost,
            route,
            message,
            publisher.map_or(Source::Nobody, Source::Here),
            context,
        );
        let place = &mut self.vhosts[usize::from(vhost.0)];
        let remote = place.exchange.routes.get(route).remote;
        let mut keeper = None;
        if message.retain {
            let owner = placement::keeper_of(&place.name, message.topic.as_str(), shards);
            if owner == shard {
                self.out.retain(&mut place.retained, &message);
            } else {
                keeper = Some(owner);
            }
        }
        if remote.is_empty() && keeper.is_none() {
            return false;
        }
        let copy = PeerPublish {
            source: publisher,
            topic: message.topic.as_str(),
            payload: message.payload,
            qos: message.qos,
            retain: message.retain,
            keep: false,
            deliver: true,
        };
        let mut others = remote;
        if let Some(owner) = keeper {
            let deliver = others.take(owner);
            let copy = PeerPublish { keep: true, deliver, ..copy };
            PeerMessage::Publish(copy).send(vhost, ShardSet::of(owner), context.peers);
        }
        if !others.is_empty() {
            PeerMessage::Publish(copy).send(vhost, others, context.peers);
        }
        true
    }

    /// Hands a message to the sessions of a route.
    pub(super) fn publish_on(
        &mut self,
        vhost: VhostId,
        route: Ticket,
        message: Message<'_>,
        source: Source,
        context: &mut Context<'_>,
    ) {
        let Vhost { exchange, sessions, .. } = &mut self.vhosts[usize::from(vhost.0)];
        let route = exchange.routes.get(route);
        if route.targets.is_empty() {
            self.out.stats.unrouted += u64::from(route.remote.is_empty());
            return;
        }
        let mut letter = Letter::new(message, &mut self.forms);
        for target in &route.targets {
            let terms = Terms { granted: target.granted, retain: false, source };
            let session = sessions.get_mut(target.session);
            let kept = self.out.deliver(session, &mut letter, terms, context);
            if message.retain && kept {
                self.out.note_live_retained(session, message.topic);
            }
        }
    }

    pub(super) fn set_interest(&mut self, vhost: VhostId, filter: &str, shard: ShardId, has: bool) {
        let filter = TopicFilter::parse(filter).expect("a peer sends filters it has checked");
        self.vhosts[usize::from(vhost.0)].exchange.set_interest(filter, shard, has);
    }

    pub(super) fn handle_peer_publish(
        &mut self,
        from: ShardId,
        vhost: VhostId,
        publish: &PeerPublish<'_>,
        context: &mut Context<'_>,
    ) {
        let topic = TopicName::parse(publish.topic).expect("a peer sends topics it has checked");
        let place = &mut self.vhosts[usize::from(vhost.0)];
        let PeerPublish { payload, qos, retain, .. } = *publish;
        let message = Message { topic, payload, qos, retain };
        if publish.keep {
            self.out.retain(&mut place.retained, &message);
        }
        // A keeper delivers in any case: its subscriber may be so new that the publisher's shard
        // did not know of it, and the replay for it may have found the value before.
        if publish.deliver || publish.keep {
            let route = place.exchange.route(topic);
            let source = publish.source.map_or(Source::Nobody, |conn| Source::There(from, conn));
            self.publish_on(vhost, route, message, source, context);
        }
    }
}
