//! The measurements of a shard beside the counters of [`Stats`](super::Stats): once for each turn,
//! commit group or barrier of promises, never for each message.
//!
//! Verbs: [`Meters::begin_turn`] and [`Meters::end_turn`] by the reactor, the others by the hub.

mod deliveries;
mod histogram;

use std::collections::VecDeque;

use crate::limits::LISTENERS_COUNTED_MAX;

pub use histogram::Histogram;

use deliveries::Deliveries;

/// The histograms of durations.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Latency {
    /// From the turn in which a message was received to the one in which its PUBACK or PUBREC was
    /// handed to the connection's output.
    pub acknowledge: Histogram,
    /// From the turn in which a message was appended to the log to that in which the broker knew
    /// that it is committed.
    pub store: Histogram,
    /// From the submission of a commit group to the kernel until it was written and synced.
    pub sync: Histogram,
    /// Bytes of a commit group: its records, and the zeros after them.
    pub group_bytes: Histogram,
    /// From the turn in which a password is passed to a verifying thread to the turn in which its
    /// CONNECT continues.
    pub auth: Histogram,
    /// Turns, without the sleep between them.
    pub turn: Histogram,
    /// From the turn in which this shard received a message to the end of the turn that wrote it to
    /// a subscriber's output.
    pub deliver_local: Histogram,
    /// The same for messages that another shard received.
    pub deliver_cross: Histogram,
    /// From the storing of a message that waited in a durable session until it was first sent;
    /// sampled.
    pub queue_wait: Histogram,
    /// One step of an answer to operators.
    pub ask: Histogram,
    /// From sending a message to its PUBACK or PUBREC; one message of a client at a time is
    /// measured.
    pub client_ack: Histogram,
}

/// The load of a shard.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Load {
    /// Time in turns, without their sleep, microseconds.
    pub busy_us: u64,
    /// Number of times it was about to sleep.
    pub sleeps: u64,
    /// Completions from the ring: accepts, receives, ends of sends and writes, wakes.
    pub completions: u64,
    /// Turns whose completions were all ends of sends.
    pub send_turns: u64,
    /// Bytes received from sockets.
    pub received_bytes: u64,
    /// Bytes sent to sockets.
    pub sent_bytes: u64,
    /// Links accepted.
    pub accepted: u64,
    /// Number of times a link found no receive buffer.
    pub starved: u64,
    /// Number of turns that ended with a full ring to another shard.
    pub mesh_full: u64,
    /// Number of times that a link was not read because a ring to another shard was full.
    pub mesh_waits: u64,
    /// Number of links that are not read for that reason now.
    pub mesh_waiting: u64,
    /// Number of links that wait for a receive buffer now.
    pub starving: u64,
    /// By listener: accepted links, and ended links. A link may end on another shard.
    pub listeners: [ListenerLoad; LISTENERS_COUNTED_MAX],
    /// Duration of the opening of the log at the start, microseconds.
    pub recovery_us: u64,
    /// Bytes of the log that were found damaged at the start.
    pub recovery_lost_bytes: u64,
    /// Number of open links.
    pub links: u64,
    /// Number of TLS handshakes that wait for a later turn.
    pub handshakes_waiting: u64,
    /// The largest number of sessions on all shards together, seen when this shard's number
    /// changed.
    pub sessions_max: u64,
}

/// The links of a listener.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct ListenerLoad {
    /// Accepted links.
    pub accepted: u64,
    /// Ended links.
    pub ended: u64,
}

impl Load {
    /// The counts of the listener with this number.
    pub fn listener_mut(&mut self, number: u16) -> &mut ListenerLoad {
        &mut self.listeners[usize::from(number).min(LISTENERS_COUNTED_MAX - 1)]
    }
}

/// The messages that one turn appended to the log.
#[derive(Clone, Copy, Debug)]
struct Appended {
    /// The end of the log after that turn.
    end: u64,
    since_us: u64,
    messages: u64,
}

/// Number of turns whose store latency is kept separately. A further turn counts with the one
/// before it: the disk is so far behind then that this changes little.
const APPENDED_MAX: usize = 1024;

/// See the module.
#[derive(Clone, Default, Debug)]
pub struct Meters {
    /// The durations of operations.
    pub latency: Latency,
    /// The load of the shard.
    pub load: Load,
    /// The beginning of the turn in microseconds.
    turn_us: u64,
    /// Number of replies that left in the turn of their message, and how many of them are recorded.
    acknowledged_at_once: u64,
    at_once_recorded: u64,
    /// Number of messages appended to the log, and how many of them are or were in `appended`.
    messages_stored: u64,
    stored_noted: u64,
    appended: VecDeque<Appended>,
    deliveries: Deliveries,
}

impl Meters {
    /// The beginning of the turn in microseconds.
    pub(crate) fn turn_us(&self) -> u64 {
        self.turn_us
    }

    /// Counts a reply that leaves in the turn of its message.
    #[inline]
    pub(crate) fn count_acknowledged(&mut self) {
        self.acknowledged_at_once += 1;
    }

    /// Notes the number of sessions on all shards after this shard's number changed.
    pub fn note_sessions(&mut self, sessions: u64) {
        self.load.sessions_max = self.load.sessions_max.max(sessions);
    }

    /// Counts a message that was appended to the log.
    #[inline]
    pub(crate) fn count_stored(&mut self) {
        self.messages_stored += 1;
    }

    /// The beginning of the turn in the form for other shards, which [`Meters::count_crossed`]
    /// takes.
    #[inline]
    pub(crate) fn turn_stamp(&self) -> u32 {
        deliveries::low_bits(self.turn_us)
    }

    /// Counts copies of a message of this turn in the output of subscribers.
    #[inline]
    pub(crate) fn count_delivered(&mut self, copies: u64) {
        self.deliveries.count_local(copies);
    }

    /// The same for a message that another shard received in the turn of this stamp.
    #[inline]
    pub(crate) fn count_crossed(&mut self, stamp: u32, copies: u64) {
        self.deliveries.count_crossed(stamp, copies);
    }

    /// Notes a waiting message that is sent for the first time; `stored_ms` returns the time at
    /// which it was stored, and is called if it is sampled. [`Meters::next_wait`] follows.
    #[inline]
    pub(crate) fn count_waited(&mut self, stored_ms: impl FnOnce() -> Option<u64>) {
        self.deliveries.count_waited(stored_ms);
    }

    /// The time at which a sampled message was stored; [`Meters::note_waited`] follows.
    #[inline]
    pub(crate) fn next_wait(&mut self) -> Option<u64> {
        self.deliveries.next_wait()
    }

    /// Records the waiting time of a message.
    pub(crate) fn note_waited(&mut self, waited_ms: u64) {
        self.latency.queue_wait.record_n(waited_ms.saturating_mul(1000), 1);
    }

    /// Records that a client acknowledged a message that was sent in the turn of this stamp.
    pub(crate) fn note_client_ack(&mut self, stamp: u32) {
        self.latency.client_ack.record_n(deliveries::since(stamp, self.turn_us), 1);
    }

    /// Records the verification of a password that was passed to a verifying thread in the turn
    /// that began at `since_us`.
    pub(crate) fn note_verified(&mut self, since_us: u64) {
        self.latency.auth.record_n(self.turn_us.saturating_sub(since_us), 1);
    }

    /// Begins a turn.
    #[inline]
    pub fn begin_turn(&mut self, now_us: u64) {
        self.turn_us = now_us;
    }

    /// Counts the completions of the turn: all, and the ends of sends among them.
    #[inline]
    pub fn count_completions(&mut self, all: usize, sends: usize) {
        self.load.completions += all as u64;
        self.load.send_turns += u64::from(all > 0 && all == sends);
    }

    /// Ends the turn. Replies within it took as long as the turn.
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

    /// Records replies that leave and have waited since the turn that began at `since_us`.
    #[inline]
    pub(crate) fn note_acknowledged(&mut self, since_us: u64, replies: u64) {
        if replies > 0 {
            let took_us = self.turn_us.saturating_sub(since_us);
            self.latency.acknowledge.record_n(took_us, replies);
        }
    }

    /// Notes the end of the log after a turn.
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

    /// Records the messages that are committed up to this position of the log.
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

    /// An immediate reply takes its turn, a late one the time from its turn to the current one, and
    /// a stored message the time until its commit. Each is recorded once.
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

    /// Memory is bounded while the disk commits nothing, and every message is counted.
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
