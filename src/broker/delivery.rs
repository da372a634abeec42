//! Handing messages to sessions: at once when they can go, later when they can't.
//!
//! What a durable session must get at QoS 1 or 2 stands in its queue, and so in the log, before it
//! is delivered (see `routing`); a clean session's waits in memory, and only if it must.

use std::collections::VecDeque;

use log::warn;

use crate::access::Policy;
use crate::chunk::ChunkPool;
use crate::limits::{LOG_BYTES_MAX, OUTGOING_BURST_FACTOR};
use crate::mqtt::{Ack, AckKind, Delivery, PacketId, Properties, Publish, QoS, TopicName, Version};
use crate::shown::Shown;
use crate::store::{Logs, QueueEntry, QueueNext, QueueTerms, Session, SessionKey};

use super::accounts::Accounts;
use super::congestion::Pace;
use super::connection::Connections;
use super::letter::{Letter, Source};
use super::notices::note_first_slow;
use super::overflow::{DropReason, FULL};
use super::rights::client_of;
use super::shard::{Context, Event};
use super::stats::Stats;
use super::{ConnId, Options};

/// Everything a message touches on its way out of a shard, beside the session it goes to.
pub(super) struct Outgoing {
    pub(super) options: Options,
    time_base: TimeBase,
    pub(super) connections: Connections,
    pub(super) logs: Logs,
    pub(super) pool: ChunkPool,
    /// Connections with output to send; each once.
    pub(super) dirty: Vec<ConnId>,
    pub(super) events: VecDeque<Event>,
    /// Ends of patience, in order: every patience is as long.
    pub(super) patience: VecDeque<(u64, ConnId)>,
    /// Connections that wait for QoS 2 messages to be committed, in order: how far the log must be,
    /// and below which number their sessions' messages are committed then.
    pub(super) steadying: VecDeque<(u64, u64, ConnId)>,
    /// What happened to sessions and is still to be told.
    pub(super) accounts: Accounts,
    /// Connections that QoS 0 was dropped for lately; each once.
    pub(super) slow: Vec<ConnId>,
    pub(super) stats: Stats,
}

/// One moment on the log's time line and on the clock of [`Context`].
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeBase {
    pub(super) time_ms: u64,
    pub(super) now_ms: u64,
}

/// How one session gets one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The highest QoS it was granted.
    pub(super) granted: QoS,
    /// RETAIN towards the client [MQTT-3.3.1-8], [MQTT-3.3.1-9].
    pub(super) retain: bool,
    pub(super) source: Source,
}

impl Outgoing {
    pub(super) fn new(options: Options, time_base: TimeBase, logs: Logs) -> Self {
        Self {
            options,
            time_base,
            connections: Connections::default(),
            logs,
            pool: ChunkPool::default(),
            dirty: Vec::new(),
            events: VecDeque::new(),
            patience: VecDeque::new(),
            steadying: VecDeque::new(),
            accounts: Accounts::default(),
            slow: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// The time of the log's time line.
    pub(super) fn time_ms(&self, context: &Context<'_>) -> u64 {
        self.time_at(context.now_ms)
    }

    pub(super) fn time_at(&self, now_ms: u64) -> u64 {
        let TimeBase { time_ms, now_ms: base_ms } = self.time_base;
        time_ms + now_ms.saturating_sub(base_ms)
    }

    /// Appends a reply, at most some bytes, to a connection's output.
    pub(super) fn reply(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        connection.output.room(bytes.len(), &mut self.pool).extend_from_slice(bytes);
        if !std::mem::replace(&mut connection.dirty, true) {
            self.dirty.push(conn);
        }
    }

    /// Hands a message to a session, at the lower of its own QoS and what was granted (3.8.4);
    /// whether the session has it. Not for what a durable session is to acknowledge: see
    /// [`Outgoing::deliver_stored`].
    #[inline]
    pub(super) fn deliver(
        &mut self,
        key: SessionKey,
        session: &mut Session,
        letter: &mut Letter<'_>,
        terms: Terms,
        context: &mut Context<'_>,
    ) -> bool {
        match letter.message.qos.min(terms.granted) {
            QoS::AtMostOnce => self.deliver_qos0(session, letter, terms, context),
            qos => {
                self.deliver_clean(qos, key, session, letter, terms, context);
                true
            }
        }
    }

    fn deliver_qos0(
        &mut self,
        session: &Session,
        letter: &mut Letter<'_>,
        terms: Terms,
        context: &mut Context<'_>,
    ) -> bool {
        let max = self.options.outgoing_bytes_max;
        let Some(conn) = session.holder.map(ConnId::of) else {
            self.stats.qos0_dropped_absent += 1;
            return false;
        };
        let Some(connection) = self.connections.get_mut(conn) else { return false };
        let bytes = connection.output.bytes();
        let slow = matches!(connection.pace, Pace::Slow);
        let full = slow && bytes > max / 2 || bytes >= max * OUTGOING_BURST_FACTOR;
        // A replay goes at the output's pace: it is bounded, and not dropped.
        if full && !terms.retain {
            self.stats.qos0_dropped_slow += 1;
            connection.qos0_dropped = connection.qos0_dropped.saturating_add(1);
            if connection.qos0_dropped == 1 {
                note_first_slow(&mut self.slow, conn, &session.client_id);
            }
            return false;
        }
        let delivery = Delivery { packet_id: None, dup: false, retain: terms.retain };
        letter.write(QoS::AtMostOnce, delivery, &mut connection.output, &mut self.pool);
        if !std::mem::replace(&mut connection.dirty, true) {
            self.dirty.push(conn);
        }
        let full = connection.output.bytes() >= max;
        self.stats.publishes_out += 1;
        if full {
            self.hold(conn, terms.source, context);
        }
        true
    }

    /// Hands a message that its client will acknowledge to a session that ends with its connection.
    fn deliver_clean(
        &mut self,
        qos: QoS,
        key: SessionKey,
        session: &mut Session,
        letter: &mut Letter<'_>,
        terms: Terms,
        context: &mut Context<'_>,
    ) {
        let exactly_once = qos == QoS::ExactlyOnce;
        let entry_terms = QueueTerms { retain: terms.retain, exactly_once };
        let room = session.queue.stored_bytes() < self.options.session_bytes_max;
        let ready = room && self.is_ready(session, 0);
        if ready {
            // What is in flight to a clean session is never sent again: its id is enough.
            session.queue.push(QueueEntry::passing(entry_terms), true, key, &mut self.logs);
            return self.write_next(qos, session, letter);
        }
        self.hold_if_behind(session, terms.source, context);
        let entry = letter.entry(entry_terms, &mut self.logs.memory);
        session.queue.push(entry, true, key, &mut self.logs);
        while session.queue.stored_bytes() > self.options.session_bytes_max
            || self.logs.memory.memory_bytes() > LOG_BYTES_MAX
        {
            if !self.drop_oldest(key, session) {
                break;
            }
        }
    }

    /// Delivers a message that was just put at the end of a durable session's queue, if it can go
    /// now.
    pub(super) fn deliver_stored(
        &mut self,
        qos: QoS,
        session: &mut Session,
        letter: &mut Letter<'_>,
        terms: Terms,
        context: &mut Context<'_>,
    ) {
        if qos == QoS::ExactlyOnce {
            self.steady(session);
            self.hold_if_behind(session, terms.source, context);
        } else if self.is_ready(session, 1) {
            self.write_next(qos, session, letter);
        } else {
            self.hold_if_behind(session, terms.source, context);
        }
    }

    /// Notes that a QoS 2 message of a session waits for what was appended to be committed.
    fn steady(&mut self, session: &Session) {
        let Some(conn) = session.holder.map(ConnId::of) else { return };
        let Some(connection) = self.connections.get_mut(conn) else { return };
        if !std::mem::replace(&mut connection.steadies, true) {
            let (log, end) = (self.logs.disk.appended(), session.queue.end());
            self.steadying.push_back((log, end, conn));
        }
    }

    /// The next connection of which more QoS 2 messages may go out.
    pub(super) fn next_steady(&mut self) -> Option<ConnId> {
        let committed = self.logs.disk.committed();
        let (_, end, conn) = self.steadying.pop_front_if(|(log, ..)| *log <= committed)?;
        if let Some(connection) = self.connections.get_mut(conn) {
            connection.steadies = false;
            connection.once_end = end;
        }
        Some(conn)
    }

    /// Whether the next message for a session can go out at once, with `waiting` in its queue.
    fn is_ready(&self, session: &Session, waiting: u64) -> bool {
        let conn = session.holder.map(ConnId::of);
        let connection = conn.and_then(|conn| self.connections.get(conn));
        session.queue.waiting() == waiting
            && session.queue.window_open(self.options.inflight_max)
            && connection.is_some_and(|connection| {
                connection.resumes == 0
                    && connection.output.bytes() < self.options.outgoing_bytes_max
            })
    }

    /// Writes the message that is next in a session's queue, of which `letter` is the content.
    fn write_next(&mut self, qos: QoS, session: &mut Session, letter: &mut Letter<'_>) {
        let next = session.queue.take_next(self.options.inflight_max, &mut self.logs);
        let Some(QueueNext::Publish { entry, packet_id, again: dup, .. }) = next else {
            unreachable!("nothing else waited, and the window is open")
        };
        let Some(conn) = session.holder.map(ConnId::of) else { return };
        let Some(connection) = self.connections.get_mut(conn) else { return };
        let retain = entry.terms().retain;
        let delivery = Delivery { packet_id: PacketId::new(packet_id), dup, retain };
        letter.write(qos, delivery, &mut connection.output, &mut self.pool);
        if !std::mem::replace(&mut connection.dirty, true) {
            self.dirty.push(conn);
        }
        if connection.blocks > 0 {
            self.events.push_back(Event::Resume(conn));
        }
        self.stats.publishes_out += 1;
    }

    /// Holds a publisher back whose messages gather for a client that is there.
    fn hold_if_behind(&mut self, session: &Session, source: Source, context: &mut Context<'_>) {
        if let Some(conn) = session.holder.map(ConnId::of)
            && session.queue.stored_bytes() >= self.options.outgoing_bytes_max as u64
        {
            self.hold(conn, source, context);
        }
    }

    /// Sends what waits in a session, as far as its client's window and output allow. Half of the
    /// output stays free for what comes live. What came under other rules is sent only if `policy`
    /// has nothing against it; whether any was dropped.
    pub(super) fn pump(&mut self, session: &mut Session, policy: &Policy) -> bool {
        let mut dropped = false;
        let Some(conn) = session.holder.map(ConnId::of) else { return dropped };
        let Some(connection) = self.connections.get_mut(conn) else { return dropped };
        if connection.resumes > 0 || session.is_withheld() {
            return dropped;
        }
        let (before, once_end) = (connection.output.bytes(), connection.once_end);
        let window = self.options.inflight_max;
        while connection.output.bytes() <= self.options.outgoing_bytes_max / 2 {
            let (entry, number, packet_id, dup) =
                match session.queue.take_next_before(once_end, window, &mut self.logs) {
                    None => break,
                    Some(QueueNext::Release { packet_id }) => {
                        let packet_id = PacketId::new(packet_id).expect("identifiers are not 0");
                        let pubrel = Ack::bytes_v3(AckKind::Pubrel, packet_id);
                        connection.output.room(pubrel.len(), &mut self.pool).extend(pubrel);
                        continue;
                    }
                    Some(QueueNext::Publish { entry, number, packet_id, again }) => {
                        (entry, number, packet_id, again)
                    }
                };
            let position = entry.position().expect("what waits is stored");
            let Some(stored) = self.logs.message(position) else {
                session.queue.mark_gone(number, &mut self.logs);
                continue;
            };
            let topic = TopicName::parse(stored.topic).expect("it was checked when it came");
            if session.must_screen(number) && !policy.may_receive(&client_of(session), topic) {
                self.stats.queued_denied += 1;
                if self.stats.queued_denied.is_power_of_two() {
                    let (client, topic) = (&*session.client_id, topic.as_str());
                    let count = self.stats.queued_denied;
                    warn!(
                        client;
                        "a waiting message to {topic:.80?} is dropped: the access rules deny it; \
                         {count} on this shard so far"
                    );
                }
                dropped |= session.queue.withdraw(number, &mut self.logs);
                continue;
            }
            let QueueTerms { retain, exactly_once } = entry.terms();
            let publish = Publish {
                dup,
                qos: if exactly_once { QoS::ExactlyOnce } else { QoS::AtLeastOnce },
                retain,
                topic,
                packet_id: PacketId::new(packet_id),
                properties: Properties::EMPTY,
                payload: stored.payload,
            };
            let bytes = publish.encoded_bytes(Version::V311);
            publish.encode(Version::V311, connection.output.room(bytes, &mut self.pool));
            self.stats.publishes_out += 1;
            if session.clean {
                session.queue.forget_taken(&mut self.logs);
            }
        }
        self.stats.stored_lost += session.queue.take_lost();
        let wrote = connection.output.bytes() > before;
        if wrote && !std::mem::replace(&mut connection.dirty, true) {
            self.dirty.push(conn);
        }
        if wrote && connection.blocks > 0 {
            // It is read from again: its client has something to acknowledge.
            self.events.push_back(Event::Resume(conn));
        }
        if session.queue.end() > once_end && session.queue.waiting() > 0 {
            self.steady(session);
        }
        dropped
    }

    /// Drops the oldest message that was not sent; false if there is none.
    pub(super) fn drop_oldest(&mut self, key: SessionKey, session: &mut Session) -> bool {
        let dropped = session.queue.drop_oldest_waiting(&mut self.logs);
        if dropped {
            self.stats.queued_dropped_oldest += 1;
            self.count_drop(key, session, DropReason::Oldest);
        }
        dropped
    }

    /// Notes that a message for a full session was dropped.
    pub(super) fn drop_newest(&mut self, key: SessionKey, session: &mut Session) {
        self.stats.queued_dropped_newest += 1;
        self.count_drop(key, session, DropReason::Newest);
    }

    fn count_drop(&mut self, key: SessionKey, session: &mut Session, reason: DropReason) {
        session.dropped = session.dropped.saturating_add(1);
        let client = &session.client_id;
        if self.accounts.is_first(key, client, reason.matter()) {
            let client = &**client;
            warn!(client, event = "session_full"; "session full ({FULL}), {reason}");
        }
    }

    /// Notes that a message was not retained.
    pub(super) fn count_retained_refused(&mut self, topic: &str) {
        self.stats.retained_refused_full += 1;
        if self.stats.retained_refused_full.is_power_of_two() {
            let count = self.stats.retained_refused_full;
            let topic = Shown(topic);
            warn!(
                "{topic}: not retained: as much is retained as may be (--retained-max-count, \
                 --retained-max-bytes, max-retained-bytes of its vhost); {count} on this shard"
            );
        }
    }
}
