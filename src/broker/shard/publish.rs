//! PUBLISH from clients, and PUBREL (3.3, 3.6).

use log::debug;

use crate::mqtt::{PacketId, Publish, QoS, ReasonCode, TopicName, Version};
use crate::store::{Origin, SessionKey};

use super::super::connection::Open;
use super::super::exchange::FoundRoute;
use super::super::names::{
    CloseReason, ConnId, Context, DEFAULT_VHOST, Flow, OnDenied, Options, RouteHandle, ShardSet,
    TraceSet, VhostId, placement,
};
use super::super::output::{Message, Source};
use super::super::peer::PeerMessage;
use super::super::publish::InboundMessage;
use super::super::replies::{Reply, Wait};
use super::super::storage::Wanted;
use super::Shard;
use super::fan_out::{Fate, Published};

/// The route of a client's message.
#[derive(Clone, Copy)]
struct PublishRoute {
    vhost: VhostId,
    session: SessionKey,
    route: RouteHandle,
    /// Whether the client may not publish it.
    denied: bool,
    /// Traces of the client or of the topic.
    traces: TraceSet,
}

/// Makes a message of a PUBLISH.
#[inline]
pub(super) fn message_of<'a>(
    topic: TopicName<'a>,
    properties: &'a [u8],
    publish: &Publish<'a>,
) -> Message<'a> {
    let &Publish { payload, qos, retain, .. } = publish;
    Message { topic, properties, payload, qos, retain }
}

impl Shard {
    /// Handles a PUBLISH, unless it must wait for the disk: then it is handed over again later.
    #[inline]
    pub(super) fn handle_publish(
        &mut self,
        conn: ConnId,
        publish: &Publish<'_>,
        context: &mut Context<'_>,
    ) -> Flow {
        match publish.topic {
            Some(topic) if publish.properties.list().is_empty() => {
                let message = message_of(topic, &[], publish);
                self.handle_message(conn, &message, publish.packet_id, None, context)
            }
            _ => self.handle_publish_with_properties(conn, publish, context),
        }
    }

    /// Handles a message that a client publishes, as [`Shard::handle_publish`]. `known` is the
    /// topic's route, if it is current.
    #[expect(
        clippy::inline_always,
        reason = "each message passes here, most of them by one of the callers"
    )]
    #[inline(always)]
    pub(super) fn handle_message(
        &mut self,
        conn: ConnId,
        message: &Message<'_>,
        packet_id: Option<PacketId>,
        known: Option<FoundRoute>,
        context: &mut Context<'_>,
    ) -> Flow {
        let Some(to) = self.publish_route(conn, message.topic, known) else {
            return Flow::Stop;
        };
        if to.denied {
            return self.deny_publish(conn, to, message, packet_id, context);
        }
        if self.waits_for_disk(conn, to, message)
            // The log notes each QoS 2 message, with or without subscribers.
            || message.qos == QoS::ExactlyOnce && self.waits_for_log(conn)
        {
            return Flow::Wait;
        }
        if self.full_sessions.is_awaited() && self.must_refuse(conn, to, message) {
            return self.refuse_publish(conn, message.qos, packet_id);
        }
        let mut traces = to.traces;
        if traces.is_any() {
            traces = self.trace_publish(conn, (message, packet_id), traces, false, context.now_ms);
        }
        let vhost = to.vhost;
        self.stats.publishes_in += 1;
        self.stats.payload_bytes_in += message.payload.len() as u64;
        self.quotas.counts_mut(vhost).publishes_in += 1;
        let vhost_rate = self.quotas.get(vhost).publish_rate;
        if self.options.publish_rate.is_limited() || vhost_rate.is_limited() {
            self.meter(conn, vhost, message.bytes(), context.now_ms);
        }
        let mut inbound = InboundMessage {
            message,
            source: Source::Here(conn),
            publisher: Some(to.session),
            packet_id,
            received: None,
            origin: None,
            keep: false,
            is_shared: false,
            stamp: 0,
            traces,
        };
        match (message.qos, packet_id) {
            (QoS::ExactlyOnce, Some(packet_id)) => {
                self.stats.publishes_in_qos2 += 1;
                self.publish_once(conn, packet_id, to, &mut inbound, context);
            }
            (_, packet_id) => {
                let published = self.publish(vhost, to.route, &mut inbound, context);
                if let Some(packet_id) = packet_id {
                    self.stats.publishes_in_qos1 += 1;
                    // [MQTT-3.3.4-1] The answer promises that every session that must have the
                    // message has it.
                    let reason = self.reason_of(conn, &published);
                    if reason == ReasonCode::QuotaExceeded {
                        return self.refuse_publish(conn, message.qos, Some(packet_id));
                    }
                    let wait = published.wait;
                    let waits = self.promise_puback(conn, packet_id, reason, wait);
                    if waits && traces.is_any() {
                        let reply = ("PUBACK", packet_id);
                        self.trace_reply_waits(conn, traces, reply, wait, context);
                    }
                }
            }
        }
        Flow::Continue
    }

    /// The reason code of the reply to a message.
    #[inline]
    fn reason_of(&self, conn: ConnId, published: &Published) -> ReasonCode {
        if published.fate == Fate::Routed || self.outputs.version(conn) != Version::V5 {
            return ReasonCode::Success;
        }
        match published.fate {
            Fate::Routed | Fate::Unrouted => ReasonCode::NoMatchingSubscribers,
            Fate::Refused => ReasonCode::QuotaExceeded,
        }
    }

    /// Whether the message would exceed the bound of a receiving session so far that an older
    /// message had to go (`--session-overflow block`), and the publisher can be told.
    #[cold]
    fn must_refuse(&self, conn: ConnId, to: PublishRoute, message: &Message<'_>) -> bool {
        let is_told = message.qos > QoS::AtMostOnce && self.outputs.version(conn) == Version::V5;
        is_told && self.is_beyond_bounds(to.vhost, to.route, Some(to.session), message.bytes())
    }

    /// Whether one of a route's sessions has no room for so many bytes of this publisher.
    pub(super) fn is_beyond_bounds(
        &self,
        vhost: VhostId,
        route: RouteHandle,
        publisher: Option<SessionKey>,
        bytes: usize,
    ) -> bool {
        let bytes = bytes as u64;
        let queued_bytes = self.catalog.totals(vhost.0).queued_bytes;
        let queued_bytes_max = self.quotas.get(vhost).queued_bytes_max;
        let route = self.exchanges.get(vhost, route);
        route.targets.iter().any(|target| {
            let granted = target.granted_from(publisher);
            let stores = granted.is_some_and(|granted| granted > QoS::AtMostOnce);
            let session = self.catalog.session(target.session);
            let queued = (queued_bytes, queued_bytes_max);
            target.durable && stores && self.full_sessions.is_beyond(session, queued, bytes)
        })
    }

    /// Refuses a message because a receiving session is full. At QoS 2 its identifier is free at
    /// once [MQTT-4.3.3-9] v5.
    #[cold]
    fn refuse_publish(&mut self, conn: ConnId, qos: QoS, packet_id: Option<PacketId>) -> Flow {
        self.stats.publishes_refused += 1;
        if let Some(id) = packet_id {
            let reason = ReasonCode::QuotaExceeded;
            let reply = match qos {
                QoS::ExactlyOnce => Reply::Pubrec(id, reason),
                _ => Reply::Puback(id, reason),
            };
            self.promise(conn, reply, Wait::default());
        }
        Flow::Continue
    }

    /// The vhost and route of a message from a connection; `None` if the connection is not open.
    #[expect(clippy::inline_always, reason = "each message passes here, by one caller")]
    #[inline(always)]
    fn publish_route(
        &mut self,
        conn: ConnId,
        topic: TopicName<'_>,
        known: Option<FoundRoute>,
    ) -> Option<PublishRoute> {
        let &Open { vhost, session, traces: own, .. } = self.connections.client(conn)?;
        // Inlined, which `Option::or_else` is not.
        let last = match known {
            Some(known) => Some(known),
            None => self.exchanges.last_route(conn, vhost, topic),
        };
        let (route, denied, traces) =
            last.unwrap_or_else(|| self.find_publish_route(conn, vhost, session, topic));
        Some(PublishRoute { vhost, session, route, denied, traces: own.or(traces) })
    }

    #[inline(never)]
    fn find_publish_route(
        &mut self,
        conn: ConnId,
        vhost: VhostId,
        session: SessionKey,
        topic: TopicName<'_>,
    ) -> FoundRoute {
        let route = self.route(vhost, topic);
        let session = self.catalog.session(session);
        let levels_max = self.options.topic_levels_max;
        let denied = !self.admission.may_publish(session, topic, levels_max);
        let traces = self.exchanges.note_last(conn, vhost, topic, route, denied);
        (route, denied, traces)
    }

    /// Handles a PUBLISH that its client may not send: acknowledges it without routing it
    /// [MQTT-3.3.5-2], or ends the connection.
    #[cold]
    fn deny_publish(
        &mut self,
        conn: ConnId,
        to: PublishRoute,
        message: &Message<'_>,
        packet_id: Option<PacketId>,
        context: &mut Context<'_>,
    ) -> Flow {
        self.count_denied_publish(to.session, message.topic);
        if to.traces.is_any() {
            self.trace_publish(conn, (message, packet_id), to.traces, true, context.now_ms);
        }
        if self.options.on_denied == OnDenied::Disconnect {
            self.close(conn, CloseReason::Denied, context);
            return Flow::Stop;
        }
        if let Some(packet_id) = packet_id {
            let is_too_deep = message.topic.level_count() > self.options.topic_levels_max;
            let reason = match self.outputs.version(conn) {
                Version::V5 if is_too_deep => ReasonCode::TopicNameInvalid,
                Version::V5 => ReasonCode::NotAuthorized,
                Version::V31 | Version::V311 => ReasonCode::Success,
            };
            let reply = match message.qos {
                QoS::ExactlyOnce => Reply::Pubrec(packet_id, reason),
                _ => Reply::Puback(packet_id, reason),
            };
            self.promise(conn, reply, Wait::default());
        }
        Flow::Continue
    }

    /// Counts and logs a message that a session's client may not publish.
    pub(super) fn count_denied_publish(&mut self, key: SessionKey, topic: TopicName<'_>) {
        let session = self.catalog.session(key);
        self.stats.publishes_denied += 1;
        self.quotas.counts_mut(VhostId(session.vhost)).publishes_denied += 1;
        let levels_max = self.options.topic_levels_max;
        self.client_log.denied_publish((key, &session.client_id), topic, levels_max);
    }

    /// Whether a message must wait for a disk, here or on another shard. Then its publisher is
    /// resumed later.
    #[inline]
    fn waits_for_disk(&mut self, conn: ConnId, to: PublishRoute, message: &Message<'_>) -> bool {
        let bytes = message.bytes();
        !self.storage.shortage().has_room_for(bytes, &self.logs.disk)
            && self.may_wait_for_disk(conn, to, message, bytes)
    }

    #[cold]
    fn may_wait_for_disk(
        &mut self,
        conn: ConnId,
        to: PublishRoute,
        message: &Message<'_>,
        bytes: usize,
    ) -> bool {
        let Options { shard, shards, .. } = self.options;
        let route = self.exchanges.get(to.vhost, to.route);
        let is_kept = message.qos > QoS::AtMostOnce;
        let mut concerned = if is_kept { route.remote } else { ShardSet::default() };
        if is_kept && (route.stores || self.has_durable_group(&route.groups)) {
            concerned.insert(shard);
        }
        if message.retain {
            let name = self.exchanges.name(to.vhost);
            concerned.insert(placement::keeper_of(name, message.topic.as_str(), shards));
        }
        let wanted = Wanted { shards: concerned, bytes, targets: route.targets.len() };
        let shortage = self.storage.shortage_mut();
        shortage.holds_up(conn, wanted, &mut self.logs.disk, &mut self.gates)
    }

    /// Counts a message against the rates of its publisher and of its vhost. A publisher that
    /// exceeds one is not read from for a while.
    fn meter(&mut self, conn: ConnId, vhost: VhostId, bytes: usize, now_ms: u64) {
        let rate = self.options.publish_rate;
        let vhost_ms = self.quotas.note_publish(vhost, bytes, now_ms);
        if let Some(until_ms) = self.gates.note_publish(conn, rate, bytes, vhost_ms, now_ms) {
            self.stats.publishers_throttled += 1;
            debug!("link {}: publishes too fast, paused for {} ms", conn.slot, until_ms - now_ms);
        }
    }

    /// Handles a QoS 2 PUBLISH: routes it when its identifier comes for the first time
    /// [MQTT-4.3.3-2].
    fn publish_once(
        &mut self,
        conn: ConnId,
        packet_id: PacketId,
        to: PublishRoute,
        inbound: &mut InboundMessage<'_>,
        context: &mut Context<'_>,
    ) {
        let PublishRoute { vhost, session: key, route, .. } = to;
        let (id, session) = (packet_id.get(), self.catalog.session(key));
        let durable = !session.clean;
        let apart = durable && self.options.shards > 1;
        let first = !session.has_received(id) && !self.publishing.is_in_transit(key, id);
        if first {
            let origin =
                Origin { shard: self.options.shard.0, serial: session.serial, packet_id: id };
            inbound.received = (durable && !apart).then_some((key, id));
            inbound.origin = apart.then_some(origin);
            let published = self.publish(vhost, route, inbound, context);
            let (wait, reason) = (published.wait, self.reason_of(conn, &published));
            if reason == ReasonCode::QuotaExceeded {
                self.refuse_publish(conn, QoS::ExactlyOnce, Some(packet_id));
                return;
            }
            if apart {
                self.publishing.begin_transit(key, id);
                self.promise(conn, Reply::Receive(packet_id, reason), wait);
                return;
            }
            // If the message was stored, its record notes the identifier as well.
            self.catalog.receive(key, id, &mut self.logs);
            let wait = Wait { disk: durable || wait.disk, ..wait };
            let waits = self.promise(conn, Reply::Pubrec(packet_id, reason), wait);
            if waits && inbound.traces.is_any() {
                let reply = ("PUBREC", packet_id);
                self.trace_reply_waits(conn, inbound.traces, reply, wait, context);
            }
            return;
        }
        // The message was routed before, but perhaps not every receiver has it yet.
        let wait = Wait { peers: self.options.shards > 1, disk: true };
        // [MQTT-4.6.0-3] PUBRECs keep the order of the PUBLISHes.
        let reason = ReasonCode::Success;
        let reply = if apart {
            Reply::Receive(packet_id, reason)
        } else {
            Reply::Pubrec(packet_id, reason)
        };
        self.promise(conn, reply, wait);
    }

    /// All receivers have a QoS 2 message: notes its identifier, and replies when the note is
    /// stored.
    pub(super) fn note_received(&mut self, conn: ConnId, packet_id: PacketId, reason: ReasonCode) {
        let Some(key) = self.connections.session(conn) else {
            // The client has left. This shard keeps the identifier until the PUBREL comes; after a
            // crash the other shards know it by the message's origin.
            self.promise(conn, Reply::Pubrec(packet_id, reason), Wait::default());
            return;
        };
        let id = packet_id.get();
        // A repeated PUBLISH must not take an identifier again that a PUBREL has freed meanwhile.
        if self.publishing.end_transit(key, id) {
            self.catalog.receive(key, id, &mut self.logs);
        }
        self.promise(conn, Reply::Pubrec(packet_id, reason), Wait::disk_if(true));
    }

    /// Handles PUBREL: the identifier is free for another message [MQTT-4.3.3-2].
    pub(super) fn handle_pubrel(
        &mut self,
        conn: ConnId,
        packet_id: PacketId,
        context: &mut Context<'_>,
    ) {
        let mut wait = Wait::default();
        if let Some(key) = self.connections.session(conn) {
            let (id, shards) = (packet_id.get(), self.options.shards);
            self.catalog.free(key, id, &mut self.logs);
            let session = self.catalog.session(key);
            wait.disk = !session.clean;
            if wait.disk && (shards > 1 || self.catalog.has_copies()) {
                // Also if the identifier is free here: this may repeat a PUBREL that all other
                // shards lost in a crash.
                wait.peers = shards > 1;
                let serial = session.serial;
                self.publishing.end_transit(key, id);
                self.free_everywhere(serial, id, context);
            }
        }
        // An unknown identifier gets its PUBCOMP too: the first may have been lost.
        self.promise(conn, Reply::Pubcomp(packet_id), wait);
    }

    /// Frees the QoS 2 identifiers of a session that ends: no PUBREL will come.
    pub(super) fn free_received(&mut self, key: SessionKey, context: &mut Context<'_>) {
        let session = self.catalog.session(key);
        if session.clean || self.options.shards == 1 {
            return;
        }
        let serial = session.serial;
        let ids: Vec<u16> = session.received().chain(self.publishing.in_transit(key)).collect();
        for id in ids {
            self.free_everywhere(serial, id, context);
        }
    }

    /// Frees the identifier of this origin on all shards.
    pub(super) fn free_everywhere(
        &mut self,
        serial: u64,
        packet_id: u16,
        context: &mut Context<'_>,
    ) {
        let &Options { shard, shards, .. } = &self.options;
        let origin = Origin { shard: shard.0, serial, packet_id };
        self.catalog.free_origin(origin, &mut self.logs);
        let freed = PeerMessage::Freed { serial, packet_id };
        freed.send(DEFAULT_VHOST, ShardSet::all_but(shards, shard), context.peers);
    }
}
