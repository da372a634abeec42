//! Retained messages for new subscriptions (3.3.1.3), in bounded steps.

use std::ops::ControlFlow;

use crate::limits::REPLAY_STEPS_MAX;
use crate::mqtt::{QoS, TopicFilter, TopicName, Version};
use crate::store::{NewMessage, OwnIdentifiers, Retained, ScanEnd, SessionKey, Target};

use super::super::delivery::DeliveryOptions;
use super::super::exchange::is_identified;
use super::super::names::{ConnId, Context, ShardId, ShardSet, VhostId};
use super::super::output::{Message, OutboundMessage, Source, put_properties};
use super::super::peer::{Ask, PeerMessage, ReplayId};
use super::super::retained::{Granted, PAGE_MESSAGES, ReadMessage, Replays, read, visit};
use super::{Shard, lent};

impl Shard {
    /// Continues the replays that stopped only to let other connections go on.
    pub fn continue_replays(&mut self, context: &mut Context<'_>) {
        self.continue_groups(context);
        for conn in self.retained.take_continuing() {
            self.advance_replay(conn, context);
        }
    }

    /// Whether [`Shard::continue_replays`] has something to do.
    pub fn has_replays(&self) -> bool {
        self.retained.continuing() > 0
    }

    /// A SUBACK for which a replay waited has left.
    pub(super) fn release_replay(&mut self, conn: ConnId, context: &mut Context<'_>) {
        if let Some(replays) = self.retained.get_mut(conn) {
            replays.release();
            self.advance_replay(conn, context);
        }
    }

    /// Takes the next steps of a connection's replays, as far as its output allows.
    pub(super) fn advance_replay(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(open) = self.connections.client(conn) else { return };
        let (vhost, key) = (open.vhost, open.session);
        let Some(mut replays) = self.retained.take(conn) else { return };
        let mut steps = 0;
        while replays.may_step() && !self.is_behind(key) {
            if !replays.has_current() {
                let serial = self.retained.next_serial();
                let (name, awaits_system) = (self.exchanges.name(vhost), self.awaits_system(vhost));
                if !replays.begin_next(serial, name, &self.options, awaits_system) {
                    if replays.has_pending() {
                        self.retained.await_system(conn);
                        break;
                    }
                    return;
                }
            }
            if replays.keeper() == Some(self.options.shard) {
                self.step_here(vhost, key, &mut replays, context);
            } else {
                replays.ask(conn, vhost, &self.options, context);
            }
            steps += 1;
            if steps == REPLAY_STEPS_MAX {
                replays.list();
            }
        }
        self.retained.put(conn, replays);
    }

    /// Handles a retained message of another shard. It is not dropped even if the output is full:
    /// an ask is for one page at most.
    pub(super) fn handle_answered(
        &mut self,
        id: ReplayId,
        message: &Message<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(open) = self.connections.client(id.conn) else { return };
        let (vhost, key) = (open.vhost, open.session);
        let Some(replays) = self.retained.get(id.conn) else { return };
        let Some(granted) = replays.granted(id.serial) else { return };
        if !replays.has_seen(message.topic.as_str()) && self.may_receive(key, message.topic) {
            self.deliver_retained(vhost, key, message, granted, None, context);
        }
    }

    /// Handles the end of another shard's answer.
    pub(super) fn handle_answer_end(
        &mut self,
        id: ReplayId,
        after: Option<&str>,
        context: &mut Context<'_>,
    ) {
        let Some(replays) = self.retained.get_mut(id.conn) else { return };
        if replays.end_ask(id.serial) {
            replays.go_on_after(after.map(Into::into));
            self.advance_replay(id.conn, context);
        }
    }

    /// Handles another shard's ask for retained messages.
    pub(super) fn handle_ask(
        &mut self,
        from: ShardId,
        vhost: VhostId,
        ask: &Ask<'_>,
        context: &mut Context<'_>,
    ) {
        if ask.vouched {
            self.retained.await_vouchers(from, vhost, ask);
            self.answer_if_vouched(from, ask.replay, context);
        } else {
            self.answer_replay(from, vhost, ask, context);
        }
    }

    /// Handles that a shard has vouched for an ask of `asker`, which may not have arrived yet.
    pub(super) fn handle_vouched(
        &mut self,
        asker: ShardId,
        replay: ReplayId,
        context: &mut Context<'_>,
    ) {
        self.retained.note_vouched(asker, replay);
        self.answer_if_vouched(asker, replay, context);
    }

    fn answer_if_vouched(&mut self, asker: ShardId, replay: ReplayId, context: &mut Context<'_>) {
        if let Some(vouched) = self.retained.take_vouched(asker, replay, self.options.shards) {
            let (filter, bytes_max) = (&*vouched.filter, vouched.bytes_max);
            let ask = Ask { replay, bytes_max, filter, after: None, vouched: true };
            self.answer_replay(asker, vouched.vhost, &ask, context);
        }
    }

    /// Sends another shard a page of retained messages.
    fn answer_replay(
        &mut self,
        to: ShardId,
        vhost: VhostId,
        ask: &Ask<'_>,
        context: &mut Context<'_>,
    ) {
        let Ask { replay, bytes_max, filter, after, .. } = *ask;
        let to = ShardSet::of(to);
        let filter = TopicFilter::parse(filter).expect("a peer sends filters it has checked");
        let (mut bytes, mut own_properties, mut expired) = (0, Vec::new(), Vec::new());
        let (logs, catalog) = (&self.logs, &self.catalog);
        let time_ms = self.time_ms(context.now_ms);
        let end = visit(catalog, vhost, filter, after, |_, kept| {
            let Some(ReadMessage { message, lifetime }) =
                read(logs, kept, &catalog.timeline, time_ms)
            else {
                return ControlFlow::Continue(());
            };
            if lifetime.is_over() {
                expired.push((message.topic.as_str().to_owned(), kept));
                return ControlFlow::Continue(());
            }
            put_properties(message.properties, lifetime, &mut own_properties);
            let (properties, topic) = (&own_properties[..], message.topic.as_str());
            let Message { payload, qos, .. } = message;
            let answer = PeerMessage::Answer { replay, topic, properties, payload, qos };
            answer.send(vhost, to, context.peers);
            bytes += message.bytes();
            if bytes < bytes_max as usize {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        let after = match &end {
            ScanEnd::Done => None,
            ScanEnd::After(topic) => Some(&**topic),
        };
        PeerMessage::AnswerEnd { replay, after }.send(vhost, to, context.peers);
        for (topic, kept) in expired {
            self.clear_expired(vhost, &topic, kept);
        }
    }

    /// Clears an expired retained message to free its room.
    fn clear_expired(&mut self, vhost: VhostId, topic: &str, kept: Retained) {
        let is_cleared = self.catalog.clear_expired(vhost.0, topic, kept.position, &mut self.logs);
        self.stats.retained_expired += u64::from(is_cleared);
    }

    /// Walks this shard's store for the current replay.
    fn step_here(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        replays: &mut Replays,
        context: &mut Context<'_>,
    ) {
        let Some((filter, granted, after)) = replays.current() else { return };
        if filter.is_system() {
            let end = self.step_system(vhost, key, replays, context);
            return self.end_step(key, replays, end);
        }
        let time_ms = self.time_ms(context.now_ms);
        // A page is copied, because the positions of messages may change during deliveries.
        let mut page = self.retained.take_page();
        let mut end = visit(&self.catalog, vhost, filter, after, |_, kept| {
            page.found.push(kept);
            let full = page.found.len() == PAGE_MESSAGES;
            if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        for kept in page.found.drain(..) {
            let Some(ReadMessage { message, lifetime }) =
                read(&self.logs, kept, &self.catalog.timeline, time_ms)
            else {
                self.stats.stored_lost += 1;
                continue;
            };
            page.topic.clear();
            page.topic.push_str(message.topic.as_str());
            if lifetime.is_over() {
                self.clear_expired(vhost, &page.topic, kept);
                continue;
            }
            put_properties(message.properties, lifetime, &mut page.properties);
            page.payload.clear();
            page.payload.extend_from_slice(message.payload);
            let topic = TopicName::parse(&page.topic).expect("it was checked when it came");
            let (properties, payload) = (&page.properties[..], &page.payload[..]);
            let message = Message { topic, properties, payload, ..message };
            if !replays.has_seen(&page.topic) && self.may_receive(key, topic) {
                self.deliver_retained(vhost, key, &message, granted, Some(kept), context);
            }
            if self.is_behind(key) {
                end = ScanEnd::After(page.topic.as_str().into());
                break;
            }
        }
        self.retained.recycle(page);
        self.end_step(key, replays, end);
    }

    fn end_step(&self, key: SessionKey, replays: &mut Replays, end: ScanEnd) {
        match end {
            ScanEnd::Done => replays.go_on_after(None),
            ScanEnd::After(topic) => {
                replays.go_on_after(Some(topic));
                // Otherwise the replay continues when output was sent.
                if !self.is_behind(key) {
                    replays.list();
                }
            }
        }
    }

    /// Hands a retained message to a session; `kept` is its position, if this shard keeps it.
    fn deliver_retained(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        message: &Message<'_>,
        granted: Granted,
        kept: Option<Retained>,
        context: &mut Context<'_>,
    ) {
        let source = Source::Nobody;
        let identifiers = granted.identifier.as_slice();
        let qos = message.qos.min(granted.qos);
        let keeps_identifiers =
            qos > QoS::AtMostOnce && self.keeps_identifiers(key, message.topic, kept);
        let options = DeliveryOptions { retain: true, source, identifiers, keeps_identifiers };
        let time_ms = self.time_ms(context.now_ms);
        if self.catalog.session(key).clean || qos == QoS::AtMostOnce {
            let encode = &mut self.publishing.working().encode;
            let mut outbound = OutboundMessage::new(message, time_ms, encode);
            let lent = lent!(self);
            if qos == QoS::AtMostOnce {
                let session = self.catalog.session(key);
                self.delivery.deliver_qos0(session, &mut outbound, options, lent, context);
            } else {
                let session = &mut self.catalog.session_mut(key);
                self.delivery.deliver_clean(qos, session, &mut outbound, options, lent, context);
            }
            return;
        }
        let exactly_once = qos == QoS::ExactlyOnce;
        let target = Target { session: key, retain: true, exactly_once };
        let bytes_before = self.catalog.session(key).queue.stored_bytes();
        match kept {
            Some(kept) if !keeps_identifiers => {
                self.catalog.queue_retained(target, kept, &mut self.logs);
            }
            _ => {
                let mut encoded = std::mem::take(&mut self.publishing.working().encoded);
                encoded.clear();
                identifiers.iter().for_each(|id| OwnIdentifiers::put(id.get(), &mut encoded));
                let copy = NewMessage {
                    vhost: vhost.0,
                    qos: message.qos as u8,
                    retain: false,
                    time_ms,
                    topic: message.topic.as_str(),
                    payload: message.payload,
                    properties: message.properties,
                    received: None,
                    origin: None,
                    own: keeps_identifiers.then(|| OwnIdentifiers::new(key, &encoded)),
                };
                self.catalog.store(&copy, &[target], &mut self.logs);
                self.publishing.working().encoded = encoded;
            }
        }
        let encode = &mut self.publishing.working().encode;
        let mut outbound = OutboundMessage::new(message, time_ms, encode);
        let mut session = self.catalog.session_mut(key);
        let lent = lent!(self);
        self.delivery.deliver_stored(qos, &mut session, &mut outbound, options, lent, context);
        let is_over = self.full_sessions.is_over(&session, &self.quotas);
        drop(session);
        if is_over {
            self.handle_overflow(key, bytes_before, source, context);
        }
    }

    /// Whether a retained message's copy must be stored with its identifiers: they are those of one
    /// of the matching subscriptions, or its record has the identifiers of another copy.
    fn keeps_identifiers(
        &self,
        key: SessionKey,
        topic: TopicName<'_>,
        kept: Option<Retained>,
    ) -> bool {
        let session = self.catalog.session(key);
        let holder = session.holder.map(ConnId::of);
        let is_v5 = holder.is_some_and(|conn| self.outputs.version(conn) == Version::V5);
        let stored = kept.and_then(|kept| self.logs.message(kept.position));
        let own = stored.and_then(|stored| stored.own);
        own.is_some_and(|own| own.session == key)
            || is_v5 && is_identified(&session.subscriptions, topic)
    }

    /// Whether a session's client may read a topic.
    pub(super) fn may_receive(&self, key: SessionKey, topic: TopicName<'_>) -> bool {
        let sessions = self.catalog.sessions();
        let vhost = VhostId(sessions.get(key).vhost);
        self.admission.readers(vhost, sessions).may_receive(key, topic)
    }

    /// Whether a client's output is not low, or messages wait in its session.
    pub(super) fn is_behind(&self, key: SessionKey) -> bool {
        let session = self.catalog.session(key);
        let is_full = session.holder.is_some_and(|held| !self.outputs.is_low(ConnId::of(held)));
        is_full || session.queue.waiting() > 0
    }
}
