//! Reports to traces, and the bits that mark what is traced.
//!
//! A message that is not traced calls nothing here: a call needs a set bit, or an active trace.

use crate::limits::ASK_SLOTS_MAX;
use crate::mqtt::{Connect, Packet, PacketId, PacketKind, Publish, QoS, TopicFilter, TopicName};
use crate::mqtt::{PublishProperties, SharedFilter, Version};
use crate::store::SessionKey;

use super::super::client_log::why_denied;
use super::super::inspect::{Reply, Step, TraceOrder};
use super::super::names::{CloseReason, ConnId, Context, Options, RouteHandle, TraceSet, VhostId};
use super::super::output::{Message, Source};
use super::super::publish::InboundMessage;
use super::super::replies::Wait;
use super::super::trace::{
    Candidate, Decision, Direction, Happening, Outcome, Subject, TraceEvent, TraceKind,
};
use super::Shard;

impl Shard {
    /// Begins or ends a trace and updates the bits of connections, some in each step.
    pub(super) fn answer_trace(
        &mut self,
        order: &mut TraceOrder,
        reply: &mut Reply,
        now_ms: u64,
    ) -> Step {
        if !order.is_set {
            order.is_set = true;
            self.collect_traced(now_ms);
            *reply = Reply::Traced(Box::new(self.traces.take(self.trace_time_us(now_ms))));
            match order.begins.take() {
                Some((spec, ms)) => {
                    let until_ms = now_ms.saturating_add(ms);
                    self.traces.begin(order.number, order.id, *spec, until_ms);
                }
                None => self.traces.end(order.number),
            }
            self.note_traces_changed();
        }
        let slots = ASK_SLOTS_MAX as usize;
        let Some(conns) = self.connections.ids_from(order.from, slots) else { return Step::Done };
        order.from += slots;
        conns.into_iter().for_each(|conn| self.set_traces(conn));
        Step::More
    }

    /// Returns the events gathered for traces, or waits for some.
    pub(super) fn answer_trace_events(&mut self, reply: &mut Reply, now_ms: u64) -> Step {
        if !self.traces.has_news() {
            return Step::Wait;
        }
        *reply = Reply::Traced(Box::new(self.traces.take(self.trace_time_us(now_ms))));
        Step::Done
    }

    /// The time at which the turn began, which is the most exact time known.
    fn trace_time_us(&self, now_ms: u64) -> u64 {
        self.meters.turn_us().max(now_ms * 1000)
    }

    /// Ends overdue traces that the admin thread has not ended.
    pub(super) fn expire_traces(&mut self, now_ms: u64) {
        if self.traces.expire(now_ms) {
            self.note_traces_changed();
        }
    }

    fn note_traces_changed(&mut self) {
        self.exchanges.invalidate_all();
        let payload_max = self.traces.payload_max();
        self.outputs.tap().set_payload_max(payload_max);
    }

    /// Updates the bits of a connection for the present traces.
    fn set_traces(&mut self, conn: ConnId) {
        let Some(open) = self.connections.client(conn) else { return };
        let (before, traces) = (open.traces, self.session_traces(open.session));
        if traces != before {
            self.connections.set_traces(conn, traces);
            self.outputs.set_traced(conn, traces.is_any());
            self.gates.set_traced(conn, traces.is_any());
        }
    }

    /// The traces of a session's client, which may be away.
    fn session_traces(&self, key: SessionKey) -> TraceSet {
        let session = self.catalog.session(key);
        let conn = session.holder.map(ConnId::of);
        self.traces.of_client(&Candidate {
            vhost: session.vhost,
            id: &session.client_id,
            user: session.owner(),
            address: conn.and_then(|conn| self.connections.client_address(conn).address),
        })
    }

    /// Notes in a route which traces select it, unless it is noted already.
    #[cold]
    pub(super) fn trace_route(&mut self, vhost: VhostId, route: RouteHandle, topic: TopicName<'_>) {
        if self.exchanges.get(vhost, route).traces_known {
            return;
        }
        let of_topic = self.traces.of_topic(vhost.0, topic);
        let targets = &self.exchanges.get(vhost, route).targets;
        let sessions: Vec<SessionKey> = targets.iter().map(|target| target.session).collect();
        let of_sessions = sessions.into_iter().map(|key| {
            let traces = self.session_traces(key);
            if traces.is_any() { self.traces.of_message(traces, topic) } else { traces }
        });
        let of_sessions: Vec<TraceSet> = of_sessions.collect();
        self.exchanges.trace_route(vhost, route, of_topic, of_sessions);
    }

    /// The client of a connection, with its traces.
    fn subject(&self, conn: ConnId) -> Option<Subject> {
        let Some(open) = self.connections.client(conn) else {
            return self.traces.connecting(conn).cloned();
        };
        Some(Subject {
            traces: open.traces,
            vhost: open.vhost.0,
            client: (*self.catalog.session(open.session).client_id).into(),
            address: open.client_address,
            version: open.version,
        })
    }

    fn record(
        &mut self,
        subject: Subject,
        kind: TraceKind,
        what: Happening,
        traces: TraceSet,
        now_ms: u64,
    ) {
        let time_us = self.trace_time_us(now_ms);
        let Subject { vhost, client, address, .. } = subject;
        self.traces.record(TraceEvent { traces, time_us, client, vhost, address, kind, what });
    }

    fn record_decision(
        &mut self,
        subject: Subject,
        decision: Decision,
        traces: TraceSet,
        now_ms: u64,
    ) {
        let kind = decision.kind();
        self.record(subject, kind, Happening::Decision(decision), traces, now_ms);
    }

    /// Records the packets that were written and the pauses that were noted since the last event.
    pub(super) fn collect_traced(&mut self, now_ms: u64) {
        if !self.outputs.tap().is_empty() {
            let (packets, skipped) = self.outputs.tap().take();
            self.traces.skip(self.traces.on(), skipped);
            let are_full = self.traces.are_full(self.traces.on(), self.trace_time_us(now_ms));
            self.outputs.tap().set_closed(are_full);
            for (conn, packet) in packets {
                let Some(subject) = self.subject(conn) else { continue };
                let traces = match packet.topic() {
                    Some(topic) => self.traces.of_message(subject.traces, topic),
                    None => self.traces.of_others(subject.traces),
                };
                let is_connack = packet.type_bits() == PacketKind::Connack as u8;
                let kind = if is_connack { TraceKind::Connect } else { TraceKind::Packet };
                self.record(subject, kind, Happening::Packet(packet), traces, now_ms);
            }
        }
        if self.gates.has_traced() {
            for (conn, pause, begins) in self.gates.take_traced() {
                let Some(subject) = self.subject(conn) else { continue };
                let traces = self.traces.of_others(subject.traces);
                let name = pause.name();
                let decision =
                    if begins { Decision::Paused(name) } else { Decision::Resumed(name) };
                self.record_decision(subject, decision, traces, now_ms);
            }
        }
    }

    /// Records a packet other than PUBLISH from a client.
    #[cold]
    pub(super) fn trace_received(&mut self, conn: ConnId, packet: &Packet<'_>, now_ms: u64) {
        let Some(open) = self.connections.client(conn) else { return };
        if !open.traces.is_any() {
            return;
        }
        self.collect_traced(now_ms);
        let Some(subject) = self.subject(conn) else { return };
        let traces = self.traces.of_others(subject.traces);
        let kept = self.traces.received(subject.version, packet);
        self.record(subject, TraceKind::Packet, Happening::Packet(kept), traces, now_ms);
    }

    /// Records a CONNECT, which may come more than once.
    #[cold]
    pub(super) fn trace_connect(&mut self, conn: ConnId, connect: &Connect<'_>, now_ms: u64) {
        let Some(connecting) = self.connections.connecting(conn) else { return };
        let address = connecting.client_address();
        let login = self.admission.policy().login(connecting.user_name(connect));
        let candidate = Candidate {
            vhost: login.vhost.unwrap_or(u16::MAX),
            id: connect.client_id,
            user: login.user,
            address: address.address,
        };
        let traces = self.traces.of_client(&candidate);
        if !traces.is_any() {
            return;
        }
        let (client, version) = (connect.client_id.into(), connect.version);
        let subject = Subject { traces, vhost: candidate.vhost, client, address, version };
        if self.traces.note_connecting(conn, subject.clone()) {
            self.collect_traced(now_ms);
            self.outputs.set_traced(conn, true);
            let traces = self.traces.of_others(traces);
            let kept = self.traces.received(version, &Packet::Connect(*connect));
            self.record(subject, TraceKind::Connect, Happening::Packet(kept), traces, now_ms);
        }
    }

    /// Records a decision about a client.
    #[cold]
    pub(super) fn trace_decision(&mut self, conn: ConnId, decision: Decision, now_ms: u64) {
        self.collect_traced(now_ms);
        let Some(subject) = self.subject(conn) else { return };
        let traces = self.traces.of_others(subject.traces);
        self.record_decision(subject, decision, traces, now_ms);
    }

    /// Records that a client was refused, with the reason from the log.
    #[cold]
    pub(super) fn trace_refused(&mut self, conn: ConnId, now_ms: u64) {
        let why = self.client_log.why().map(|why| why.to_string()).unwrap_or_default();
        self.trace_decision(conn, Decision::Refused { why: why.into() }, now_ms);
    }

    /// Records that a client was accepted.
    #[cold]
    pub(super) fn trace_let_in(&mut self, conn: ConnId, session_present: bool, now_ms: u64) {
        self.collect_traced(now_ms);
        self.traces.end_connecting(conn);
        self.outputs.set_traced(conn, false);
        self.set_traces(conn);
        let Some(open) = self.connections.client(conn) else { return };
        if open.traces.is_any() {
            let user = self.catalog.session(open.session).owner().map(Into::into);
            // Routes cache which targets are traced.
            self.exchanges.invalidate(open.vhost);
            self.trace_decision(conn, Decision::LetIn { user, session_present }, now_ms);
        }
    }

    /// Records that a connection is about to end.
    #[cold]
    pub(super) fn trace_close(&mut self, conn: ConnId, reason: CloseReason, now_ms: u64) {
        let why = reason.to_string().into();
        self.trace_decision(conn, Decision::Closed { why }, now_ms);
        self.traces.end_connecting(conn);
        self.outputs.set_traced(conn, false);
        self.gates.set_traced(conn, false);
        if let Some(open) = self.connections.client(conn)
            && open.traces.is_any()
        {
            self.exchanges.invalidate(open.vhost);
        }
    }

    /// Records a PUBLISH of a client. `traces` may select it; returns those that do.
    #[cold]
    pub(super) fn trace_publish(
        &mut self,
        conn: ConnId,
        (message, packet_id): (&Message<'_>, Option<PacketId>),
        traces: TraceSet,
        denied: bool,
        now_ms: u64,
    ) -> TraceSet {
        if self.traces.leave_out(traces, self.trace_time_us(now_ms)) {
            return TraceSet::NONE;
        }
        self.collect_traced(now_ms);
        let Some(subject) = self.subject(conn) else { return TraceSet::NONE };
        let topic = message.topic;
        let traces = self.traces.of_message(traces, topic);
        if !traces.is_any() {
            return traces;
        }
        let vhost = subject.vhost;
        let kept = self.traces.published(
            Direction::Received,
            subject.version,
            &publish_of(message, packet_id),
        );
        self.record(subject.clone(), TraceKind::Packet, Happening::Packet(kept), traces, now_ms);
        if denied || self.admission.policy().has_rules(vhost) {
            let why = || why_denied(topic, self.options.topic_levels_max);
            let denied = denied.then(why);
            let topic = topic.as_str().into();
            self.record_decision(subject, Decision::Publish { topic, denied }, traces, now_ms);
        }
        traces
    }

    /// Records that a message is about to be handed to its receivers.
    #[cold]
    pub(super) fn trace_publishing(
        &mut self,
        vhost: VhostId,
        route: RouteHandle,
        inbound: &InboundMessage<'_>,
        now_ms: u64,
    ) {
        let Message { topic, qos, retain, .. } = *inbound.message;
        let (traces, version) = (inbound.traces, Version::V311);
        if self.traces.leave_out(traces, self.trace_time_us(now_ms)) {
            return;
        }
        self.collect_traced(now_ms);
        let subject = match inbound.source {
            Source::Here(conn) => self.subject(conn),
            Source::There(..) | Source::Nobody => None,
        };
        let subject = subject.unwrap_or_else(|| {
            let (client, address) = (Box::default(), Default::default());
            Subject { traces, vhost: vhost.0, client, address, version }
        });
        if matches!(inbound.source, Source::Nobody) {
            // Each receiver gets another identifier, so this one is only a placeholder.
            let packet_id = PacketId::new(1).filter(|_| qos > QoS::AtMostOnce);
            let publish = publish_of(inbound.message, packet_id);
            let kept = self.traces.published(Direction::Own, version, &publish);
            let (kind, what) = (TraceKind::Packet, Happening::Packet(kept));
            self.record(subject.clone(), kind, what, traces, now_ms);
        }
        let route = self.exchanges.get(vhost, route);
        let decision = Decision::Route {
            topic: topic.as_str().into(),
            sessions: route.targets.len(),
            shards: route.remote.iter().map(|shard| shard.0).collect(),
            retain,
        };
        self.record_decision(subject, decision, traces, now_ms);
    }

    /// Records that a message was handed to sessions, as far as they were noted.
    #[cold]
    pub(super) fn trace_targets(&mut self, topic: TopicName<'_>, now_ms: u64) {
        self.collect_traced(now_ms);
        let (targets, more) = self.traces.take_targets();
        let mut last = None;
        for target in targets {
            let session = self.catalog.session(target.session);
            let outcome = match (target.is_kept, target.qos) {
                (true, QoS::AtMostOnce) => Outcome::Sent,
                (true, _) if session.queue.waiting() == 0 => Outcome::Sent,
                (true, _) => Outcome::Waits(self.delivery.waits_for(session, &self.outputs)),
                (false, QoS::AtMostOnce) if session.holder.is_none() => {
                    Outcome::Dropped("its client is away, and it is at QoS 0")
                }
                (false, QoS::AtMostOnce) => {
                    Outcome::Dropped("its client reads too slowly, and it is at QoS 0")
                }
                (false, _) => Outcome::Dropped("its session is full"),
            };
            let conn = session.holder.map(ConnId::of);
            let address = conn.map(|conn| self.connections.client_address(conn));
            let subject = Subject {
                traces: target.traces,
                vhost: session.vhost,
                client: (*session.client_id).into(),
                address: address.unwrap_or_default(),
                version: Version::V311,
            };
            last = Some(subject.clone());
            let (topic, qos) = (topic.as_str().into(), target.qos);
            let decision = Decision::Target { topic, qos, outcome };
            self.record_decision(subject, decision, target.traces, now_ms);
        }
        if let Some(subject) = last.filter(|_| more > 0) {
            let subject =
                Subject { client: Box::default(), address: Default::default(), ..subject };
            let (topic, traces) = (topic.as_str().into(), subject.traces);
            self.record_decision(subject, Decision::Targets { topic, more }, traces, now_ms);
        }
    }

    /// Records that the reply to a traced PUBLISH waits.
    #[cold]
    pub(super) fn trace_reply_waits(
        &mut self,
        conn: ConnId,
        traces: TraceSet,
        (reply, packet_id): (&'static str, PacketId),
        wait: Wait,
        context: &Context<'_>,
    ) {
        self.collect_traced(context.now_ms);
        let Some(subject) = self.subject(conn) else { return };
        let (packet_id, Wait { peers, disk }) = (packet_id.get(), wait);
        let decision = Decision::ReplyWaits { reply, packet_id, peers, disk };
        self.record_decision(subject, decision, traces, context.now_ms);
    }

    /// Records that the oldest waiting messages of a full session were dropped.
    #[cold]
    pub(super) fn trace_dropped_oldest(&mut self, key: SessionKey, messages: u32, now_ms: u64) {
        let traces = self.traces.of_others(self.session_traces(key));
        if messages == 0 || !traces.is_any() {
            return;
        }
        self.collect_traced(now_ms);
        let session = self.catalog.session(key);
        let conn = session.holder.map(ConnId::of);
        let address = conn.map(|conn| self.connections.client_address(conn));
        let subject = Subject {
            traces,
            vhost: session.vhost,
            client: (*session.client_id).into(),
            address: address.unwrap_or_default(),
            version: Version::V311,
        };
        self.record_decision(subject, Decision::DroppedOldest { messages }, traces, now_ms);
    }

    /// Records that a filter was granted or refused.
    #[cold]
    pub(super) fn trace_subscription(
        &mut self,
        conn: ConnId,
        filter: TopicFilter<'_>,
        granted: Option<QoS>,
        now_ms: u64,
    ) {
        let Some(open) = self.connections.client(conn) else { return };
        if !open.traces.is_any() {
            return;
        }
        let session = self.catalog.session(open.session);
        let Options { topic_levels_max, .. } = self.options;
        let why = || match () {
            () if filter.level_count() > topic_levels_max => {
                "it has more levels than --max-topic-levels"
            }
            () if is_invalid_share(filter) => {
                "it is not of the form $share/NAME/FILTER, or is of $SYS"
            }
            () if !self.admission.may_subscribe(session, filter) => "the access rules deny it",
            () if filter.is_shared() => {
                "there are as many groups or members as may be, or the session has as many \
                 subscriptions as it may (--max-subscriptions)"
            }
            () => "the session has as many as it may (--max-subscriptions)",
        };
        let granted = granted.ok_or_else(why);
        let decision = Decision::Subscription { filter: filter.as_str().into(), granted };
        self.trace_decision(conn, decision, now_ms);
    }
}

/// Whether a filter has the form of a shared subscription but is invalid.
fn is_invalid_share(filter: TopicFilter<'_>) -> bool {
    SharedFilter::parse(filter)
        .is_some_and(|shared| shared.map_or(true, |shared| shared.filter().is_system()))
}

/// The PUBLISH of a message, without what belongs to a single connection.
fn publish_of<'a>(message: &Message<'a>, packet_id: Option<PacketId>) -> Publish<'a> {
    let &Message { topic, properties, payload, qos, retain } = message;
    let (topic, properties) = (Some(topic), PublishProperties::forwarding(properties));
    Publish { dup: false, qos, retain, topic, packet_id, properties, payload }
}
