//! Handing messages to sessions: at once when they can go, into the session's queue when they
//! can't.

use std::collections::VecDeque;

use log::warn;

use crate::chunk::ChunkPool;
use crate::limits::{LOG_BYTES_MAX, OUTGOING_BURST_FACTOR, RETAINED_BYTES_MAX};
use crate::mqtt::{Ack, AckKind, Delivery, PacketId, Properties, Publish, QoS, TopicName, Version};
use crate::store::{Entry, EntryTerms, MessageLog, Next, RetainStore};

use super::congestion::Pace;
use super::connection::Connections;
use super::letter::{Letter, Message, Source};
use super::session::Session;
use super::shard::{Context, Event};
use super::stats::Stats;
use super::{ConnId, Options};

/// Everything a message touches on its way out of a shard, beside the session it goes to.
pub(super) struct Outgoing {
    pub(super) options: Options,
    pub(super) connections: Connections,
    pub(super) log: MessageLog,
    pub(super) pool: ChunkPool,
    /// Connections with output to send; each once.
    pub(super) dirty: Vec<ConnId>,
    pub(super) events: VecDeque<Event>,
    /// Ends of patience, in order: every patience is as long.
    pub(super) patience: VecDeque<(u64, ConnId)>,
    pub(super) stats: Stats,
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
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            connections: Connections::default(),
            log: MessageLog::default(),
            pool: ChunkPool::default(),
            dirty: Vec::new(),
            events: VecDeque::new(),
            patience: VecDeque::new(),
            stats: Stats::default(),
        }
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
    /// whether the session has it.
    #[inline]
    pub(super) fn deliver(
        &mut self,
        session: &mut Session,
        letter: &mut Letter<'_>,
        terms: Terms,
        context: &mut Context<'_>,
    ) -> bool {
        match letter.message.qos.min(terms.granted) {
            QoS::AtMostOnce => self.deliver_qos0(session, letter, terms, context),
            qos => {
                self.deliver_acknowledged(qos, session, letter, terms, context);
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
        let Some(conn) = session.conn else {
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

    /// Hands over a message that the client will acknowledge.
    fn deliver_acknowledged(
        &mut self,
        qos: QoS,
        session: &mut Session,
        letter: &mut Letter<'_>,
        terms: Terms,
        context: &mut Context<'_>,
    ) {
        let window = self.options.inflight_max;
        let max = self.options.outgoing_bytes_max;
        let exactly_once = qos == QoS::ExactlyOnce;
        let entry_terms = EntryTerms { retain: terms.retain, exactly_once };
        let ready = session.queue.waiting() == 0
            && session.queue.window_open(window)
            && session.stored_bytes < self.options.session_bytes_max;
        let conn = session.conn;
        if let Some((conn, connection)) = conn.zip(conn.and_then(|c| self.connections.get_mut(c))) {
            if ready && connection.output.bytes() < max {
                let entry = if session.clean {
                    // What is in flight to a clean session is never sent again: its id is enough.
                    Entry::passing(entry_terms)
                } else {
                    Entry::stored(letter.stored(&mut self.log), entry_terms)
                };
                session.enqueue(entry, &mut self.log);
                let next = session.queue.take_next(window);
                let Some(Next::Publish { packet_id, again: dup, .. }) = next else {
                    unreachable!("nothing else waited, and the window is open")
                };
                let packet_id = PacketId::new(packet_id);
                let delivery = Delivery { packet_id, dup, retain: terms.retain };
                letter.write(qos, delivery, &mut connection.output, &mut self.pool);
                if !std::mem::replace(&mut connection.dirty, true) {
                    self.dirty.push(conn);
                }
                self.stats.publishes_out += 1;
                return;
            }
            if session.stored_bytes >= max as u64 {
                self.hold(conn, terms.source, context);
            }
        }
        let position = letter.stored(&mut self.log);
        session.enqueue(Entry::stored(position, entry_terms), &mut self.log);
        self.drop_overflow(session);
    }

    /// Sends what waits in a session, as far as its client's window and output allow. Half of the
    /// output stays free for what comes live.
    pub(super) fn pump(&mut self, session: &mut Session) {
        let Some(conn) = session.conn else { return };
        let Some(connection) = self.connections.get_mut(conn) else { return };
        let before = connection.output.bytes();
        while connection.output.bytes() <= self.options.outgoing_bytes_max / 2 {
            let (entry, packet_id, dup) = match session.queue.take_next(self.options.inflight_max) {
                None => break,
                Some(Next::Release { packet_id }) => {
                    let packet_id = PacketId::new(packet_id).expect("identifiers are not 0");
                    let pubrel = Ack::bytes_v3(AckKind::Pubrel, packet_id);
                    connection.output.room(pubrel.len(), &mut self.pool).extend(pubrel);
                    continue;
                }
                Some(Next::Publish { entry, packet_id, again }) => (entry, packet_id, again),
            };
            let position = entry.position().expect("what waits is stored");
            let stored = self.log.get(position);
            let EntryTerms { retain, exactly_once } = entry.terms();
            let publish = Publish {
                dup,
                qos: if exactly_once { QoS::ExactlyOnce } else { QoS::AtLeastOnce },
                retain,
                topic: TopicName::parse(stored.topic).expect("it was checked when it came"),
                packet_id: PacketId::new(packet_id),
                properties: Properties::EMPTY,
                payload: stored.payload,
            };
            let bytes = publish.encoded_bytes(Version::V311);
            publish.encode(Version::V311, connection.output.room(bytes, &mut self.pool));
            self.stats.publishes_out += 1;
            if session.clean {
                session.queue.forget_taken();
                session.release(entry, &mut self.log);
            }
        }
        let wrote = connection.output.bytes() > before;
        if wrote && !std::mem::replace(&mut connection.dirty, true) {
            self.dirty.push(conn);
        }
    }

    /// Keeps a message as its topic's retained one, or clears that [MQTT-3.3.1-5], [MQTT-3.3.1-10].
    pub(super) fn retain(&mut self, store: &mut RetainStore, message: &Message<'_>) {
        let (topic, qos) = (message.topic.as_str(), message.qos as u8);
        if !store.set(topic, message.payload, qos, RETAINED_BYTES_MAX) {
            self.stats.retained_refused_full += 1;
            if self.stats.retained_refused_full.is_power_of_two() {
                warn!("{topic}: not retained: this shard retains as much as it may");
            }
        }
    }

    /// Empties a session's queue.
    pub(super) fn discard(&mut self, session: &mut Session) {
        let entries: Vec<Entry> = session.queue.drain().collect();
        for entry in entries {
            session.release(entry, &mut self.log);
        }
    }

    fn drop_overflow(&mut self, session: &mut Session) {
        while session.stored_bytes > self.options.session_bytes_max
            || self.log.memory_bytes() > LOG_BYTES_MAX
        {
            let Some(entry) = session.queue.drop_oldest_waiting() else {
                return;
            };
            session.release(entry, &mut self.log);
            self.stats.queued_dropped_full += 1;
            if self.stats.queued_dropped_full.is_power_of_two() {
                let (client, count) = (&session.client_id, self.stats.queued_dropped_full);
                warn!("{client:?}: session full, oldest message dropped; {count} on this shard");
            }
        }
    }
}
