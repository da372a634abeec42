//! From a message to everybody who gets it: sessions here, other shards, the retain store.

use crate::mqtt::{QoS, TopicFilter, TopicName};
use crate::slots::make_room;
use crate::store::{NewMessage, Origin, SessionKey, Target};

use super::delivery::Terms;
use super::letter::{Letter, Message, Source};
use super::peers::{PeerMessage, PeerPublish, ShardId, ShardSet};
use super::promises::Wait;
use super::rights::Readers;
use super::routes::Ticket;
use super::shard::{Context, Shard};
use super::vhost::{Vhost, VhostId};
use super::{ConnId, Options, Overflow, placement};

/// A message with where it came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) message: Message<'a>,
    pub(super) source: Source,
    /// The session and packet identifier to be remembered with it, of a QoS 2 publisher here.
    pub(super) received: Option<(SessionKey, u16)>,
    /// The same for other shards, and from them.
    pub(super) origin: Option<Origin>,
    /// This shard keeps the topic's retained message, and this is to be it.
    pub(super) keep: bool,
}

impl<'a> Arrival<'a> {
    pub(super) fn of(message: Message<'a>, source: Source) -> Self {
        Self { message, source, received: None, origin: None, keep: false }
    }
}

impl Shard {
    /// Routes a message to its sessions here and to the shards that want it; tells what an
    /// acknowledgement of it has to wait for.
    pub(super) fn publish(
        &mut self,
        vhost: VhostId,
        route: Ticket,
        arrival: Arrival<'_>,
        context: &mut Context<'_>,
    ) -> Wait {
        let Options { shard, shards, .. } = self.out.options;
        let message = arrival.message;
        let place = &self.vhosts[vhost];
        let targets = place.exchange.routes.get(route);
        let remote = targets.remote;
        // Once, where it was published: other shards do not know who else gets it.
        self.out.stats.unrouted += u64::from(targets.targets.is_empty() && remote.is_empty());
        let keeper = message
            .retain
            .then(|| placement::keeper_of(&place.name, message.topic.as_str(), shards));
        let keep = keeper == Some(shard);
        let stored = self.publish_on(vhost, route, Arrival { keep, ..arrival }, context);
        let keeper = keeper.filter(|keeper| *keeper != shard);
        let wait = Wait { peers: !remote.is_empty() || keeper.is_some(), disk: stored };
        if !wait.peers {
            return wait;
        }
        let copy = PeerPublish {
            source: match arrival.source {
                Source::Here(publisher) => Some(publisher),
                Source::There(..) | Source::Nobody => None,
            },
            origin: arrival.origin.map(|origin| (origin.serial, origin.packet_id)),
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
        wait
    }

    /// Stores a message for whom it must be stored, and hands it to the sessions of a route;
    /// whether something was written to the log.
    #[inline]
    pub(super) fn publish_on(
        &mut self,
        vhost: VhostId,
        route: Ticket,
        arrival: Arrival<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let Arrival { message, source, keep, origin, .. } = arrival;
        if origin.is_some_and(|origin| self.catalog.has_origin(&origin)) {
            // [MQTT-4.3.3-2] It is here already: the publisher's shard lost its own note of it.
            return false;
        }
        let targets = self.vhosts[vhost].exchange.routes.get(route);
        let stores = targets.stores && message.qos > QoS::AtMostOnce;
        let nobody = targets.targets.is_empty();
        let stored = (stores || keep) && self.store(vhost, route, &arrival, context);
        if nobody {
            return stored;
        }
        let Vhost { exchange, quota, usage, .. } = &mut self.vhosts[vhost];
        let route = exchange.routes.get(route);
        let mut letter = Letter::new(message, &mut self.forms);
        for target in &route.targets {
            let terms = Terms { granted: target.granted, retain: false, source };
            let session = self.catalog.sessions.get_mut(target.session);
            let qos = message.qos.min(target.granted);
            let kept = if !target.durable || qos == QoS::AtMostOnce {
                self.out.deliver(target.session, session, &mut letter, terms, context)
            } else if self.refusing.contains(&target.session) {
                false
            } else {
                self.out.deliver_stored(qos, session, &mut letter, terms, context);
                let before = usage.count(session);
                if session.queue.stored_bytes() > self.out.options.session_bytes_max
                    || usage.queued_bytes > quota.queued_bytes_max
                {
                    self.overflowing.push((target.session, before));
                }
                true
            };
            if message.retain && kept {
                self.out.note_live_retained(session, message.topic);
            }
        }
        self.refusing.clear();
        while let Some((session, before)) = self.overflowing.pop() {
            self.handle_overflow(session, before, source, context);
        }
        stored
    }

    /// Appends a message to the log for the durable sessions of its route, and as its topic's
    /// retained one; whether there was reason to.
    fn store(
        &mut self,
        vhost: VhostId,
        route: Ticket,
        arrival: &Arrival<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let Arrival { message, received, origin, keep, .. } = *arrival;
        let Vhost { exchange, quota, usage, .. } = &self.vhosts[vhost];
        let route = exchange.routes.get(route);
        // What is new is counted when it is delivered.
        let (mut queued, bytes) = (usage.queued_bytes, message.bytes() as u64);
        for target in &route.targets {
            let qos = message.qos.min(target.granted);
            if !target.durable || qos == QoS::AtMostOnce {
                continue;
            }
            if self.out.options.session_overflow == Overflow::DropNewest {
                let session = self.catalog.sessions.get_mut(target.session);
                if session.queue.stored_bytes() >= self.out.options.session_bytes_max
                    || queued >= quota.queued_bytes_max
                {
                    self.out.drop_newest(target.session, session);
                    self.refusing.push(target.session);
                    continue;
                }
            }
            let exactly_once = qos == QoS::ExactlyOnce;
            let target = Target { session: target.session, retain: false, exactly_once };
            make_room(&mut self.catalog.targets);
            self.catalog.targets.push(target);
            queued += bytes;
        }
        let topic = message.topic.as_str();
        let mut new = NewMessage {
            vhost: vhost.0,
            qos: message.qos as u8,
            retain: keep && !message.payload.is_empty(),
            time_ms: self.out.time_ms(context),
            topic,
            payload: message.payload,
            received,
            origin,
        };
        if new.retain && !self.catalog.may_retain(&new, quota.retained_bytes_max) {
            self.out.count_retained_refused(topic);
            new.retain = false;
        }
        // [MQTT-3.3.1-10]
        let clears = keep && message.payload.is_empty();
        // Before it is noted that the message came: when it comes again after a crash, that note is
        // all that is looked at.
        let mut stored = clears && self.catalog.clear_retained(vhost.0, topic, &mut self.out.logs);
        if new.retain || !self.catalog.targets.is_empty() {
            self.catalog.store(&new, &mut self.out.logs);
            self.meters.messages_stored += 1;
            stored = true;
        } else if clears && let Some(origin) = origin {
            // Should it come again, it must not clear what came after it.
            self.catalog.note_origin(origin, &mut self.out.logs);
            stored = true;
        }
        stored
    }

    pub(super) fn set_interest(&mut self, vhost: VhostId, filter: &str, shard: ShardId, has: bool) {
        let filter = TopicFilter::parse(filter).expect("a peer sends filters it has checked");
        self.vhosts[vhost].exchange.set_interest(filter, shard, has);
    }

    /// Where messages of a topic go now.
    pub(super) fn route(&mut self, vhost: VhostId, topic: TopicName<'_>) -> Ticket {
        let readers = Readers::new(&self.policy, vhost, &self.catalog.sessions);
        self.vhosts[vhost].exchange.route(topic, &readers)
    }

    pub(super) fn handle_peer_publish(
        &mut self,
        from: ShardId,
        vhost: VhostId,
        publish: &PeerPublish<'_>,
        context: &mut Context<'_>,
    ) {
        let topic = TopicName::parse(publish.topic).expect("a peer sends topics it has checked");
        let PeerPublish { payload, qos, retain, keep, .. } = *publish;
        let origin =
            publish.origin.map(|(serial, packet_id)| Origin { shard: from.0, serial, packet_id });
        // A keeper delivers in any case: its subscriber may be so new that the publisher's shard
        // did not know of it, and the replay for it may have found the value before.
        if publish.deliver || keep {
            let route = self.route(vhost, topic);
            let source = publish.source.map_or(Source::Nobody, |conn| Source::There(from, conn));
            let message = Message { topic, payload, qos, retain };
            let arrival = Arrival { origin, keep, ..Arrival::of(message, source) };
            self.publish_on(vhost, route, arrival, context);
        }
    }

    /// The connection that is to wait when a message of this source finds no room.
    pub(super) fn publisher_of(&self, source: Source) -> Option<(ShardId, ConnId)> {
        match source {
            Source::Here(publisher) => Some((self.out.options.shard, publisher)),
            Source::There(shard, publisher) => Some((shard, publisher)),
            Source::Nobody => None,
        }
    }
}
