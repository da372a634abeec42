//! PUBLISH from clients, and their answers to ours (3.3 to 3.7).

use log::debug;

use crate::mqtt::{Ack, AckKind, PacketId, Publish, QoS, TopicName};
use crate::store::{Origin, QueueAnswer, SessionKey};

use super::connection::Phase;
use super::letter::{Message, Source};
use super::peers::{PeerMessage, ShardSet};
use super::promises::{Reply, Wait};
use super::reason::CloseReason;
use super::rights::{Readers, may_publish};
use super::routes::Ticket;
use super::routing::Arrival;
use super::shard::{Context, Shard};
use super::vhost::{Vhost, VhostId};
use super::{ConnId, Flow, Options};

/// Where a client's message goes.
#[derive(Clone, Copy)]
struct Passage {
    vhost: VhostId,
    route: Ticket,
    /// It may not be published.
    denied: bool,
}

impl Shard {
    /// Handles a PUBLISH, unless it must wait for the disk: then it is to come again.
    #[inline]
    pub(super) fn handle_publish(
        &mut self,
        conn: ConnId,
        publish: &Publish<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        let Some(Passage { vhost, route, denied }) = self.route_of(conn, publish.topic) else {
            return Flow::Stop;
        };
        if denied {
            return self.deny_publish(conn, vhost, publish, context);
        }
        if self.waits_for_disk(conn, vhost, route, publish)
            // That it came is noted, whether or not anybody gets it.
            || publish.qos == QoS::ExactlyOnce && self.waits_for_log(conn)
        {
            return Flow::Wait;
        }
        self.out.stats.publishes_in += 1;
        self.vhosts[vhost].counts.publishes_in += 1;
        let vhost_rate = self.vhosts[vhost].quota.publish_rate;
        if self.out.options.publish_rate.is_limited() || vhost_rate.is_limited() {
            self.meter(conn, vhost, publish, context.now_ms);
        }
        let message = Message {
            topic: publish.topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
        };
        let arrival = Arrival::of(message, Source::Here(conn));
        match (publish.qos, publish.packet_id) {
            (QoS::ExactlyOnce, Some(packet_id)) => {
                self.publish_once(conn, packet_id, vhost, route, arrival, context);
            }
            (_, packet_id) => {
                let wait = self.publish(vhost, route, arrival, context);
                if let Some(packet_id) = packet_id {
                    // [MQTT-3.3.4-1] The answer promises that whoever must have the message has it.
                    self.promise(conn, Reply::Puback(packet_id), wait);
                }
            }
        }
        Flow::Continue
    }

    /// Counts a message for the limits of its publisher and of the vhost; a publisher that is too
    /// fast, or finds what the vhost may publish used up, is not read from for a while.
    fn meter(&mut self, conn: ConnId, vhost: VhostId, publish: &Publish<'_>, now_ms: u64) {
        let rate = self.out.options.publish_rate;
        let Some(connection) = self.out.connections.get_mut(conn) else { return };
        let meter = connection.meter.get_or_insert_default();
        let bytes = publish.topic.as_str().len() + publish.payload.len();
        let own_ms = meter.budget.note(rate, bytes, now_ms);
        let Vhost { quota, usage, .. } = &mut self.vhosts[vhost];
        let vhost_ms = usage.budget.note(quota.publish_rate, bytes, now_ms);
        if let Some(until_ms) = own_ms.max(vhost_ms) {
            meter.paused_until_ms = Some(until_ms);
            self.out.stats.publishers_throttled += 1;
            debug!("link {}: publishes too fast, paused for {} ms", conn.slot, until_ms - now_ms);
        }
    }

    /// Handles a PUBLISH at QoS 2: it is passed on when its identifier comes for the first time
    /// [MQTT-4.3.3-2].
    fn publish_once(
        &mut self,
        conn: ConnId,
        packet_id: PacketId,
        vhost: VhostId,
        route: Ticket,
        arrival: Arrival<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(key) = self.session_key(conn) else { return };
        let id = packet_id.get();
        let session = self.catalog.sessions.get(key);
        let durable = !session.clean;
        // One log can hold a message and the note that it came in one piece, two cannot: then it is
        // noted when the others have it, and they know it by its origin should it come again.
        let apart = durable && self.out.options.shards > 1;
        let first = !session.has_received(id) && !self.receiving.contains(&(key, id));
        if first {
            let origin =
                Origin { shard: self.out.options.shard.0, serial: session.serial, packet_id: id };
            let arrival = Arrival {
                received: (durable && !apart).then_some((key, id)),
                origin: apart.then_some(origin),
                ..arrival
            };
            let wait = self.publish(vhost, route, arrival, context);
            if apart {
                self.receiving.insert((key, id));
                self.promise(conn, Reply::Receive(packet_id), wait);
                return;
            }
            // Where a message was stored, that was noted with it.
            self.catalog.receive(key, id, &mut self.out.logs);
            let wait = Wait { disk: durable || wait.disk, ..wait };
            self.promise(conn, Reply::Pubrec(packet_id), wait);
            return;
        }
        // Passed on before, though it may not be everywhere yet.
        let wait = Wait { peers: self.out.options.shards > 1, disk: true };
        // [MQTT-4.6.0-3] PUBRECs keep the order of the PUBLISHes.
        let reply = if apart { Reply::Receive(packet_id) } else { Reply::Pubrec(packet_id) };
        self.promise(conn, reply, wait);
    }

    /// A QoS 2 message is wherever it must be: notes that it came, and answers when that is stored.
    pub(super) fn note_received(&mut self, conn: ConnId, packet_id: PacketId) {
        let Some(key) = self.session_key(conn) else {
            // Its client has left. This shard remembers the identifier until its PUBREL comes; if
            // it crashes, the others do, by the message's origin.
            self.promise(conn, Reply::Pubrec(packet_id), Wait::default());
            return;
        };
        let id = packet_id.get();
        // A repeated one must not take the identifier again that PUBREL has freed meanwhile.
        if self.receiving.remove(&(key, id)) {
            self.catalog.receive(key, id, &mut self.out.logs);
        }
        self.promise(conn, Reply::Pubrec(packet_id), Wait::disk_if(true));
    }

    /// PUBREL: the identifier is free for another message [MQTT-4.3.3-2].
    pub(super) fn handle_pubrel(
        &mut self,
        conn: ConnId,
        packet_id: PacketId,
        context: &mut Context<'_>,
    ) {
        let mut wait = Wait::default();
        if let Some(key) = self.session_key(conn) {
            let (id, shards) = (packet_id.get(), self.out.options.shards);
            self.catalog.free(key, id, &mut self.out.logs);
            let session = self.catalog.sessions.get(key);
            wait.disk = !session.clean;
            if wait.disk && shards > 1 {
                // Also if it is free here already: this may be the repetition of a PUBREL that all
                // shards but this one lost in a crash.
                wait.peers = true;
                let serial = session.serial;
                self.receiving.remove(&(key, id));
                self.free_everywhere(serial, id, context);
            }
        }
        // Also for an identifier that is not known: the PUBCOMP may have been lost.
        self.promise(conn, Reply::Pubcomp(packet_id), wait);
    }

    /// A session ends, and with it what its client has not released: no PUBREL is to come.
    pub(super) fn free_received(&mut self, key: SessionKey, context: &mut Context<'_>) {
        let session = self.catalog.sessions.get(key);
        if session.clean || self.out.options.shards == 1 {
            return;
        }
        let serial = session.serial;
        let receiving = self.receiving.range((key, 0)..=(key, u16::MAX)).map(|(_, id)| *id);
        let ids: Vec<u16> = session.received().chain(receiving).collect();
        for id in ids {
            self.free_everywhere(serial, id, context);
        }
    }

    /// The message of this origin is not to come again, to no shard.
    fn free_everywhere(&mut self, serial: u64, packet_id: u16, context: &mut Context<'_>) {
        let &Options { shard, shards, .. } = &self.out.options;
        let origin = Origin { shard: shard.0, serial, packet_id };
        self.catalog.free_origin(origin, &mut self.out.logs);
        let freed = PeerMessage::Freed { serial, packet_id };
        let others = ShardSet::all_but(shards, shard);
        freed.send(super::vhost::DEFAULT_VHOST, others, context.peers);
    }

    /// PUBACK, PUBREC or PUBCOMP: a client's answer to a message in flight. For an identifier that
    /// is not in flight the step was done before.
    pub(super) fn handle_answer_to(
        &mut self,
        conn: ConnId,
        packet_id: PacketId,
        kind: AckKind,
        context: &mut Context<'_>,
    ) {
        let Some(connection) = self.out.connections.get(conn) else { return };
        let Phase::Open(open) = &connection.phase else { return };
        let (key, replaying) = (open.session, connection.replays.is_some());
        let session = self.catalog.sessions.get_mut(key);
        let (id, logs) = (packet_id.get(), &mut self.out.logs);
        let ahead = session.queue.is_due_again(id);
        let answer = match kind {
            AckKind::Puback => session.queue.acknowledge(id, logs),
            AckKind::Pubrec => session.queue.release(id, logs),
            AckKind::Pubrel | AckKind::Pubcomp => session.queue.complete(id, logs),
        };
        let (waits, durable) = (session.queue.waiting() > 0, !session.clean);
        match answer {
            QueueAnswer::Done => self.catalog.note_acks(key),
            QueueAnswer::Known => {}
            QueueAnswer::Wrong => return self.close(conn, CloseReason::WrongAnswer, context),
        }
        self.count_queued(key);
        self.relieve_waiting(key, context);
        if kind == AckKind::Pubrec {
            // [MQTT-4.3.3-1] Each PUBREC is answered, also a repeated one. A durable session's only
            // when it is sure never to send the PUBLISH again. Where it was about to do so the
            // PUBREL takes the PUBLISH's place.
            if durable && ahead {
                self.pause_until_committed(conn);
            } else if durable {
                self.promise(conn, Reply::Pubrel(packet_id), Wait::disk_if(true));
            } else {
                self.out.reply(conn, &Ack::bytes_v3(AckKind::Pubrel, packet_id));
            }
            return;
        }
        if waits || replaying {
            self.make_progress(conn, context);
        }
    }

    /// Sends nothing of what waits in the client's session before what was appended is committed.
    pub(super) fn pause_until_committed(&mut self, conn: ConnId) {
        if let Some(connection) = self.out.connections.get_mut(conn) {
            connection.resumes += 1;
            self.promise(conn, Reply::Resume, Wait::disk_if(true));
        }
    }

    pub(super) fn session_key(&self, conn: ConnId) -> Option<SessionKey> {
        match &self.out.connections.get(conn)?.phase {
            Phase::Open(open) => Some(open.session),
            Phase::Greeting(_) | Phase::Closed => None,
        }
    }

    /// The vhost and route of what a connection publishes; `None` if it is not open.
    #[inline]
    fn route_of(&mut self, conn: ConnId, topic: TopicName<'_>) -> Option<Passage> {
        let connection = self.out.connections.get_mut(conn)?;
        let Phase::Open(open) = &connection.phase else {
            return None;
        };
        let exchange = &mut self.vhosts[open.vhost].exchange;
        let last = &mut connection.last_topic;
        if !exchange.routes.is_current(last.route) || last.topic != topic.as_str() {
            let readers = Readers::new(&self.policy, open.vhost, &self.catalog.sessions);
            last.route = exchange.route(topic, &readers);
            let session = self.catalog.sessions.get(open.session);
            let levels_max = self.out.options.topic_levels_max;
            last.denied = !may_publish(&self.policy, session, topic, levels_max);
            last.topic.clear();
            last.topic.push_str(topic.as_str());
        }
        Some(Passage { vhost: open.vhost, route: last.route, denied: last.denied })
    }
}
