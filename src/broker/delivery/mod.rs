//! The delivery of messages to sessions: at once if possible, otherwise later.
//!
//! A QoS 1 or 2 message for a durable session is in its queue, and so in the log, before it is
//! delivered (see `shard::fan_out`). For a clean session it is kept in memory, only while it must
//! wait.
//!
//! Invariant: a waiting message is sent only after the log has the client's return, and a QoS 2
//! message only after it is committed. If a crash undid a message that was sent, the message would
//! come again under another identifier, and its own identifier would go to another message.
//!
//! Verbs: [`Delivery::deliver_qos0`], [`Delivery::deliver_clean`] and [`Delivery::deliver_stored`]
//! for a new message, [`Delivery::pump`] for waiting ones.
//!
//! May use `names`, `group` (identifiers in use by members), `meters`, `output`, `read_gate`,
//! `client_log`, `admission` (rights) and `exchange` (subscription identifiers).

mod own_parts;
mod pump;
mod timed;

use std::collections::VecDeque;

use crate::limits::LOG_BYTES_MAX;
use crate::mqtt::{AckRun, Delivery as PacketOptions, PacketId, QoS, SubscriptionId};
use crate::store::{Logs, OwnIdentifiers, QueueNext, QueueTerms, Session, SessionMut};

use super::client_log::{self, ClientLog, DropReason};
use super::group::Groups;
use super::meters::Meters;
use super::names::{ConnId, ConnTable, Context, Options, Stats};
use super::output::{OutboundMessage, Outputs, Source, Written};
use super::read_gate::ReadGates;
use timed::Timed;

use own_parts::OwnParts;

/// The rooms that a delivery needs.
pub(crate) struct Lent<'a> {
    pub(crate) logs: &'a mut Logs,
    pub(crate) outputs: &'a mut Outputs,
    pub(crate) gates: &'a mut ReadGates,
    pub(crate) client_log: &'a mut ClientLog,
    pub(crate) meters: &'a mut Meters,
    pub(crate) groups: &'a mut Groups,
}

/// The options of one delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeliveryOptions<'a> {
    /// RETAIN in the client's packet [MQTT-3.3.1-8], [MQTT-3.3.1-9].
    pub(crate) retain: bool,
    pub(crate) source: Source,
    /// Identifiers of its matching subscriptions [MQTT-3.3.4-3] v5.
    pub(crate) identifiers: &'a [SubscriptionId],
    /// Whether they are not those of all its matching subscriptions, so that they are kept with a
    /// message that waits.
    pub(crate) keeps_identifiers: bool,
}

impl DeliveryOptions<'_> {
    /// Without RETAIN and identifiers.
    #[inline]
    pub(crate) fn plain(source: Source) -> Self {
        Self { retain: false, source, identifiers: &[], keeps_identifiers: false }
    }
}

/// The reasons to send nothing to a client, except for its window and its output.
#[derive(Debug)]
struct SendGate {
    /// The number of log writes that must be committed before a waiting message is sent: the
    /// client's return, and its answers before that. The bit [`TELLS_POSITIONS`] means that each
    /// message is sent after it is committed, with its position.
    barriers: u32,
    /// QoS 2 messages below this number in the session's queue are committed and may be sent.
    qos2_below: u64,
    /// Whether it waits until that number rises.
    awaits_commit: bool,
    /// The client's Receive Maximum (MQTT 5, 3.1.2.11.3).
    receive_max: u16,
    /// The part of it that groups may use.
    leased: u16,
    timed: Timed,
}

/// The client is told the positions of its messages: see [`SendGate::barriers`]. If a crash undoes
/// a message, its number goes to another one, so the client must not have seen it.
const TELLS_POSITIONS: u32 = 1 << 31;

impl SendGate {
    fn has_barrier(&self) -> bool {
        self.barriers & !TELLS_POSITIONS > 0
    }

    fn tells_positions(&self) -> bool {
        self.barriers & TELLS_POSITIONS > 0
    }

    /// The number of messages that the session's own queue may have in flight.
    #[inline]
    fn window(&self, window: u16) -> u16 {
        window.min(self.receive_max.saturating_sub(self.leased))
    }
}

/// See the room.
pub(crate) struct Delivery {
    table: ConnTable<SendGate>,
    /// Connections that wait for QoS 2 messages to be committed, in order: the end of the log that
    /// must be committed, and the number below which their sessions' messages are committed then.
    awaiting_commit: VecDeque<(u64, u64, ConnId)>,
    /// Connections with a waiting message whose Receive Maximum is in use by groups.
    squeezed: Vec<ConnId>,
    /// `--max-inflight`.
    window: u16,
    /// `--session-max-bytes`.
    session_bytes_max: u64,
    own: OwnParts,
    stats: Stats,
}

impl Delivery {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            table: ConnTable::default(),
            awaiting_commit: VecDeque::new(),
            squeezed: Vec::new(),
            window: options.inflight_max,
            session_bytes_max: options.session_bytes_max,
            own: OwnParts::default(),
            stats: Stats::default(),
        }
    }

    pub(crate) fn set_options(&mut self, options: &Options) {
        self.window = options.inflight_max;
        self.session_bytes_max = options.session_bytes_max;
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(crate) fn open(&mut self, conn: ConnId) {
        let gate = SendGate {
            barriers: 0,
            qos2_below: u64::MAX,
            awaits_commit: false,
            receive_max: u16::MAX,
            leased: 0,
            timed: Timed::default(),
        };
        self.table.open(conn, gate);
    }

    pub(crate) fn remove(&mut self, conn: ConnId) {
        self.table.remove(conn);
    }

    /// Begins the delivery to a client. Messages of a durable session may not be committed yet:
    /// only QoS 2 messages below `qos2_below` may be sent. At most `receive_max` messages are in
    /// flight [MQTT-3.3.4-9].
    pub(crate) fn begin(&mut self, conn: ConnId, qos2_below: u64, receive_max: u16) {
        if let Some(gate) = self.table.get_mut(conn) {
            gate.qos2_below = qos2_below;
            gate.receive_max = receive_max;
        }
    }

    /// Tells a client of a durable session the positions of its messages from now on.
    pub(crate) fn tell_positions(&mut self, conn: ConnId) {
        if let Some(gate) = self.table.get_mut(conn) {
            gate.barriers |= TELLS_POSITIONS;
        }
    }

    /// The Receive Maximum of a connection's client.
    pub(crate) fn receive_max(&self, conn: ConnId) -> u16 {
        self.table.get(conn).map_or(u16::MAX, |gate| gate.receive_max)
    }

    /// Sets the part of a client's Receive Maximum that groups may use.
    pub(crate) fn set_leased(&mut self, conn: ConnId, leased: u16) {
        if let Some(gate) = self.table.get_mut(conn) {
            gate.leased = leased;
        }
    }

    /// The next connection whose session's own messages wait because of groups.
    pub(crate) fn next_squeezed(&mut self) -> Option<ConnId> {
        self.squeezed.pop()
    }

    /// Notes that a session's own message waits, if groups may use its window.
    #[inline]
    fn note_squeezed(&mut self, session: &Session) {
        let Some(conn) = session.holder.map(ConnId::of) else { return };
        let is_squeezed = self.table.get(conn).is_some_and(|gate| gate.leased > 0);
        if is_squeezed && self.squeezed.last() != Some(&conn) {
            self.squeezed.push(conn);
        }
    }

    /// Holds back waiting messages until the records appended so far are committed.
    pub(crate) fn set_barrier(&mut self, conn: ConnId) {
        if let Some(gate) = self.table.get_mut(conn) {
            gate.barriers += 1;
        }
    }

    /// Ends one such hold.
    pub(crate) fn end_barrier(&mut self, conn: ConnId) {
        if let Some(gate) = self.table.get_mut(conn) {
            gate.barriers -= 1;
        }
    }

    /// Hands a QoS 0 message to a session (3.8.4); returns whether it was sent.
    #[inline]
    pub(crate) fn deliver_qos0(
        &mut self,
        session: &Session,
        message: &mut OutboundMessage<'_>,
        options: DeliveryOptions<'_>,
        lent: &mut Lent<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(conn) = session.holder.map(ConnId::of) else {
            self.stats.qos0_dropped_absent += 1;
            return false;
        };
        match lent.outputs.write_qos0(conn, options.retain, options.identifiers, message) {
            Written::Yes { full } => {
                if full {
                    lent.outputs.hold(conn, options.source, lent.gates, context);
                }
                true
            }
            Written::Dropped { first } => {
                if first {
                    client_log::log_first_slow(&session.client_id, lent.outputs.slow_count());
                }
                false
            }
            Written::TooLarge | Written::Gone => false,
        }
    }

    /// Hands a QoS 1 or 2 message to a clean session.
    pub(crate) fn deliver_clean(
        &mut self,
        qos: QoS,
        session: &mut SessionMut<'_>,
        message: &mut OutboundMessage<'_>,
        options: DeliveryOptions<'_>,
        lent: &mut Lent<'_>,
        context: &mut Context<'_>,
    ) {
        let exactly_once = qos == QoS::ExactlyOnce;
        let terms = QueueTerms { retain: options.retain, exactly_once };
        let has_room = session.queue.stored_bytes() < self.session_bytes_max;
        if has_room && self.is_ready(session, 0, lent) {
            // Messages in flight to a clean session are never sent again, so only their numbers are
            // kept.
            let next = session.pass(terms);
            return self.write_taken(next, qos, session, message, options, lent);
        }
        self.note_squeezed(session);
        hold_if_behind(session, options.source, lent, context);
        let entry = if options.keeps_identifiers {
            self.own.encode(options.identifiers);
            let own = OwnIdentifiers::new(session.key(), &self.own.encoded);
            message.own_entry(terms, own, &mut lent.logs.memory)
        } else {
            message.entry(terms, &mut lent.logs.memory)
        };
        session.push(entry, lent.logs);
        while session.queue.stored_bytes() > self.session_bytes_max
            || lent.logs.memory.memory_bytes() > LOG_BYTES_MAX
        {
            if !self.drop_oldest(session, lent) {
                break;
            }
        }
    }

    /// Delivers the message at the end of a durable session's queue, if it can be sent now.
    pub(crate) fn deliver_stored(
        &mut self,
        qos: QoS,
        session: &mut SessionMut<'_>,
        message: &mut OutboundMessage<'_>,
        options: DeliveryOptions<'_>,
        lent: &mut Lent<'_>,
        context: &mut Context<'_>,
    ) {
        if qos == QoS::ExactlyOnce {
            self.await_commit(session, lent.logs);
            hold_if_behind(session, options.source, lent, context);
        } else if self.is_ready(session, 1, lent) {
            // The window was just checked.
            let next = session.take_next(u16::MAX, lent.logs);
            let next = next.expect("nothing else waited, and the window is open");
            self.write_taken(next, qos, session, message, options, lent);
        } else {
            self.note_squeezed(session);
            let holder = session.holder.map(ConnId::of);
            let gate = holder.and_then(|conn| self.table.get(conn));
            if gate.is_some_and(SendGate::tells_positions) {
                self.await_commit(session, lent.logs);
            }
            hold_if_behind(session, options.source, lent, context);
        }
    }

    /// Notes that a session's QoS 2 message waits until the records appended so far are committed.
    fn await_commit(&mut self, session: &Session, logs: &Logs) {
        let Some(conn) = session.holder.map(ConnId::of) else { return };
        let Some(gate) = self.table.get_mut(conn) else { return };
        if !std::mem::replace(&mut gate.awaits_commit, true) {
            self.awaiting_commit.push_back((logs.disk.appended(), session.queue.end(), conn));
        }
    }

    /// The next connection to which more QoS 2 messages may be sent, because the log is committed
    /// up to `committed`.
    pub(crate) fn next_committed(&mut self, committed: u64) -> Option<ConnId> {
        let (_, end, conn) = self.awaiting_commit.pop_front_if(|(log, ..)| *log <= committed)?;
        if let Some(gate) = self.table.get_mut(conn) {
            gate.awaits_commit = false;
            gate.qos2_below = end;
        }
        Some(conn)
    }

    /// Whether the next message for a session can be sent at once, with `waiting` messages in its
    /// queue.
    fn is_ready(&self, session: &SessionMut<'_>, waiting: u64, lent: &mut Lent<'_>) -> bool {
        let Some(conn) = session.holder.map(ConnId::of) else { return false };
        let Some(gate) = self.table.get(conn) else { return false };
        session.queue.waiting() == waiting
            && session.queue.window_open(gate.window(self.window))
            && gate.barriers == 0
            && lent.outputs.bytes(conn) < lent.outputs.bytes_max()
            && lent.groups.leaves_identifier(session.key(), session.queue.next_identifier())
    }

    /// Why the messages of a session wait, in words.
    pub(crate) fn waits_for(&self, session: &Session, outputs: &Outputs) -> &'static str {
        let Some(conn) = session.holder.map(ConnId::of) else { return "its client is away" };
        match self.table.get(conn) {
            _ if session.is_withheld() => "the access rules let its client read nothing of it",
            Some(gate) if gate.has_barrier() => "the log, to know that its client is back",
            _ if !session.queue.window_open(self.window) => {
                "its client, to acknowledge others first (--max-inflight)"
            }
            _ if outputs.bytes(conn) >= outputs.bytes_max() => {
                "its client, to read what was sent (--max-outgoing-bytes)"
            }
            Some(gate) if gate.awaits_commit => "the log, to have it",
            _ => "others that are sent before it",
        }
    }

    /// Writes a message taken from a session's queue; `message` is its content.
    fn write_taken(
        &mut self,
        next: QueueNext,
        qos: QoS,
        session: &mut SessionMut<'_>,
        message: &mut OutboundMessage<'_>,
        options: DeliveryOptions<'_>,
        lent: &mut Lent<'_>,
    ) {
        let QueueNext::Publish { entry, number, packet_id, again: dup } = next else {
            unreachable!("nothing else waited")
        };
        let Some(conn) = session.holder.map(ConnId::of) else { return };
        let (id, retain) = (PacketId::new(packet_id), entry.terms().retain);
        let delivery = PacketOptions { packet_id: id, dup, retain };
        if lent.outputs.write(conn, qos, delivery, options.identifiers, message) {
            self.note_sent(conn, packet_id, dup, lent.meters);
            lent.gates.note_to_acknowledge(conn);
        } else {
            // [MQTT-3.1.2-25] v5: counts as sent and acknowledged.
            session.withdraw(number, lent.logs);
        }
    }

    /// Notes that a message is sent to a client; `again`: it was sent before.
    #[inline]
    pub(crate) fn note_sent(&mut self, conn: ConnId, packet_id: u16, again: bool, meters: &Meters) {
        if let Some(gate) = self.table.get_mut(conn) {
            gate.timed.note_sent(packet_id, again, meters.turn_stamp());
        }
        if again {
            self.stats.publishes_redelivered += 1;
        }
    }

    /// The turn in which an acknowledged message was sent, if it was timed.
    #[inline]
    pub(crate) fn take_timed(&mut self, conn: ConnId, packet_id: PacketId) -> Option<u32> {
        self.table.get_mut(conn)?.timed.take(packet_id)
    }

    /// As [`Delivery::take_timed`] for a run of acknowledgements.
    pub(crate) fn take_timed_of(&mut self, conn: ConnId, run: AckRun) -> Option<u32> {
        self.table.get_mut(conn)?.timed.take_of(run)
    }

    /// Drops the oldest message that was not sent; returns false if there is none.
    pub(crate) fn drop_oldest(
        &mut self,
        session: &mut SessionMut<'_>,
        lent: &mut Lent<'_>,
    ) -> bool {
        let dropped = session.drop_oldest_waiting(lent.logs);
        if dropped {
            self.stats.queued_dropped_oldest += 1;
            count_drop(session, DropReason::Oldest, lent.client_log);
        }
        dropped
    }

    /// Drops expired messages that were never sent, a few of the oldest at most; returns how many.
    /// `time_ms` is a time on the time line.
    pub(crate) fn drop_expired(
        &mut self,
        session: &mut SessionMut<'_>,
        time_ms: u64,
        logs: &mut Logs,
    ) -> u64 {
        let dropped = session.drop_expired(time_ms, logs);
        self.stats.queued_expired += dropped;
        dropped
    }

    /// Counts a message that is dropped because its session is full.
    pub(crate) fn drop_newest(&mut self, session: &mut SessionMut<'_>, client_log: &mut ClientLog) {
        self.stats.queued_dropped_newest += 1;
        count_drop(session, DropReason::Newest, client_log);
    }

    /// Returns memory of `slots_max` connections at most; returns whether there is more to do.
    pub(crate) fn reclaim(&mut self, slots_max: usize) -> bool {
        self.awaiting_commit.shrink_to(0);
        self.table.reclaim(slots_max)
    }
}

fn count_drop(session: &mut SessionMut<'_>, reason: DropReason, client_log: &mut ClientLog) {
    session.count_dropped();
    client_log.session_full((session.key(), &session.client_id), reason);
}

/// Pauses a publisher whose messages gather for a connected client.
fn hold_if_behind(
    session: &Session,
    source: Source,
    lent: &mut Lent<'_>,
    context: &mut Context<'_>,
) {
    if let Some(conn) = session.holder.map(ConnId::of)
        && session.queue.stored_bytes() >= lent.outputs.bytes_max() as u64
    {
        lent.outputs.hold(conn, source, lent.gates, context);
    }
}
