//! What a shard measures beside what it counts in [`Stats`](super::Stats): once a turn, a commit
//! group or a barrier of promises, never once a message.
//!
//! Verbs: [`Meters::begin_turn`] and [`Meters::end_turn`] by the reactor, the others by the hub.

mod deliveries;
mod histogram;

use std::collections::VecDeque;

pub use histogram::Histogram;

use deliveries::Deliveries;

/// How long things took.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Latency {
    /// From the turn in which a message was received to the one in which its PUBACK or PUBREC was
    /// handed to the connection's output.
    pub acknowledge: Histogram,
    /// From the turn in which a message was appended to the log to that in which the broker knew
    /// that it is committed.
    pub store: Histogram,
    /// From when a commit group was handed to the kernel until it was written and synced.
    pub sync: Histogram,
    /// Turns, without their sleep.
    pub turn: Histogram,
    /// From the turn in which a message was received to the end of the one in which it was in a
    /// subscriber's output: of this shard's clients.
    pub deliver_local: Histogram,
    /// The same of messages that another shard received.
    pub deliver_cross: Histogram,
    /// From when a message was stored until it was sent the first time, of those that waited in a
    /// durable session; some are looked at.
    pub queue_wait: Histogram,
    /// From sending a message to its PUBACK or PUBREC: one message of a client at a time.
    pub client_ack: Histogram,
}

/// How busy a shard is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Load {
    /// Time in turns, without their sleep, microseconds.
    pub busy_us: u64,
    /// Times it was about to sleep until something comes.
    pub sleeps: u64,
    /// What the ring has brought: accepts, receives, ends of sends and writes, wakes.
    pub completions: u64,
    /// Turns that it brought something for, and nothing but ends of sends.
    pub send_turns: u64,
    /// Bytes received, as sockets give them.
    pub received_bytes: u64,
    /// Bytes sent, likewise.
    pub sent_bytes: u64,
    /// Links accepted.
    pub accepted: u64,
    /// Times a link found no receive buffer.
    pub starved: u64,
    /// Turns that ended with a ring to another shard full.
    pub mesh_full: u64,
    /// Links there are.
    pub links: u64,
    /// TLS handshakes that wait for a later turn.
    pub handshakes_waiting: u64,
    /// The most sessions that all shards together had when a turn had changed those of this one.
    pub sessions_max: u64,
}

/// Messages of one turn that were appended to the log.
#[derive(Clone, Copy, Debug)]
struct Appended {
    /// The log ended here then.
    end: u64,
    since_us: u64,
    messages: u64,
}

/// Turns of which the store latency is known one by one. Beyond, a turn counts with the one before
/// it: the disk is so far behind that it makes no difference.
const APPENDED_MAX: usize = 1024;

/// See the module.
#[derive(Clone, Default, Debug)]
pub struct Meters {
    /// How long things took.
    pub latency: Latency,
    /// How busy it is.
    pub load: Load,
    /// When the turn began, microseconds.
    turn_us: u64,
    /// Replies to messages that left in the turn they were asked for, and of those the ones that
    /// the turns before have recorded.
    acknowledged_at_once: u64,
    at_once_recorded: u64,
    /// Messages appended to the log, and of those the ones that `appended` has, or had.
    messages_stored: u64,
    stored_noted: u64,
    appended: VecDeque<Appended>,
    deliveries: Deliveries,
}

impl Meters {
    /// When the turn began, microseconds.
    pub(crate) fn turn_us(&self) -> u64 {
        self.turn_us
    }

    /// A reply to a message leaves at once.
    #[inline]
    pub(crate) fn count_acknowledged(&mut self) {
        self.acknowledged_at_once += 1;
    }

    /// All shards together have so many sessions, since a turn has changed those of this one.
    pub fn note_sessions(&mut self, sessions: u64) {
        self.load.sessions_max = self.load.sessions_max.max(sessions);
    }

    /// A message was appended to the log.
    #[inline]
    pub(crate) fn count_stored(&mut self) {
        self.messages_stored += 1;
    }

    /// When the turn began, as it is sent to other shards: [`Meters::count_crossed`] takes it.
    #[inline]
    pub(crate) fn turn_stamp(&self) -> u32 {
        deliveries::low_bits(self.turn_us)
    }

    /// A message that was received in this turn is in the output of so many subscribers.
    #[inline]
    pub(crate) fn count_delivered(&mut self, copies: u64) {
        self.deliveries.count_local(copies);
    }

    /// The same of a message that another shard received in the turn of this stamp.
    #[inline]
    pub(crate) fn count_crossed(&mut self, stamp: u32, copies: u64) {
        self.deliveries.count_crossed(stamp, copies);
    }

    /// A message that has waited in a session is sent for the first time; `stored_ms` tells when it
    /// was stored, if it is looked at. [`Meters::next_wait`] follows.
    #[inline]
    pub(crate) fn count_waited(&mut self, stored_ms: impl FnOnce() -> Option<u64>) {
        self.deliveries.count_waited(stored_ms);
    }

    /// When one of the messages that are looked at was stored; [`Meters::note_waited`] follows.
    #[inline]
    pub(crate) fn next_wait(&mut self) -> Option<u64> {
        self.deliveries.next_wait()
    }

    /// So long a message has waited.
    pub(crate) fn note_waited(&mut self, waited_ms: u64) {
        self.latency.queue_wait.record_n(waited_ms.saturating_mul(1000), 1);
    }

    /// A client has acknowledged a message that was sent in the turn of this stamp.
    pub(crate) fn note_client_ack(&mut self, stamp: u32) {
        self.latency.client_ack.record_n(deliveries::since(stamp, self.turn_us), 1);
    }

    /// A turn begins.
    #[inline]
    pub fn begin_turn(&mut self, now_us: u64) {
        self.turn_us = now_us;
    }

    /// The turn has so many completions, of which so many are ends of sends.
    #[inline]
    pub fn count_completions(&mut self, all: usize, sends: usize) {
        self.load.completions += all as u64;
        self.load.send_turns += u64::from(all > 0 && all == sends);
    }

    /// It ends. What was answered within it took as long as the turn.
    #[inline]
    pub fn end_turn(&mut self, now_us: u64) {
        let took_us = now_us.saturating_sub(self.turn_us);
        self.load.busy_us += took_us;
        self.latency.turn.record_n(took_us, 1);
        let at_once = self.acknowledged_at_once - self.at_once_recorded;
        if at_once > 0 {
            self.at_once_recorded = self.acknowledged_at_once;
            self.latency.acknowledge.record_n(took_us, at_once);
        }
        let Latency { deliver_local, deliver_cross, .. } = &mut self.latency;
        self.deliveries.end_turn((now_us, took_us), deliver_local, deliver_cross);
    }

    /// Replies leave that have waited since the turn that began at `since_us`.
    #[inline]
    pub(crate) fn note_acknowledged(&mut self, since_us: u64, replies: u64) {
        if replies > 0 {
            let took_us = self.turn_us.saturating_sub(since_us);
            self.latency.acknowledge.record_n(took_us, replies);
        }
    }

    /// The log goes so far at the end of a turn.
    #[inline]
    pub(crate) fn note_appended(&mut self, end: u64) {
        let messages = self.messages_stored - self.stored_noted;
        if messages == 0 {
            return;
        }
        self.stored_noted = self.messages_stored;
        let since_us = self.turn_us;
        if self.appended.len() < APPENDED_MAX {
            self.appended.push_back(Appended { end, since_us, messages });
        } else if let Some(last) = self.appended.back_mut() {
            (last.end, last.messages) = (end, last.messages + messages);
        }
    }

    /// The log is committed up to here.
    pub(crate) fn note_committed(&mut self, committed: u64) {
        while let Some(turn) = self.appended.pop_front_if(|turn| turn.end <= committed) {
            let took_us = self.turn_us.saturating_sub(turn.since_us);
            self.latency.store.record_n(took_us, turn.messages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was answered at once took the turn, what waited took from its turn to this one, and
    /// what was stored took until it was committed; each is recorded once.
    #[test]
    fn times_are_recorded_once() {
        let mut meters = Meters::default();
        meters.begin_turn(1_000);
        meters.acknowledged_at_once += 3;
        meters.messages_stored += 2;
        meters.note_appended(500);
        meters.note_appended(500);
        meters.end_turn(1_007);
        meters.begin_turn(1_100);
        meters.note_committed(499);
        meters.note_acknowledged(1_000, 5);
        meters.end_turn(1_100);
        meters.begin_turn(1_200);
        meters.note_committed(500);
        meters.end_turn(1_201);
        let Latency { acknowledge, store, turn, .. } = &meters.latency;
        assert_eq!((acknowledge.count(), acknowledge.sum_us()), (8, 3 * 7 + 5 * 100));
        assert_eq!((store.count(), store.sum_us()), (2, 2 * 200));
        assert_eq!((turn.count(), turn.sum_us(), meters.load.busy_us), (3, 8, 8));
    }

    /// A disk that commits nothing costs no memory without end, and every message is counted.
    #[test]
    fn appended_turns_are_bounded() {
        let mut meters = Meters::default();
        for turn in 0..3 * APPENDED_MAX as u64 {
            meters.messages_stored += 1;
            meters.note_appended(turn);
        }
        assert_eq!(meters.appended.len(), APPENDED_MAX);
        meters.note_committed(u64::MAX);
        assert_eq!(meters.latency.store.count(), 3 * APPENDED_MAX as u64);
    }
}
