//! The reasons why the broker does not read from a connection: one gate for each connection.
//!
//! Invariant: a gate opens only here, and when the last reason of a kind ends, the reactor is told
//! to hand over the connection's packets again. Time in which the broker did not read does not
//! count for the keep alive (see [`ReadGates::resume`]).
//!
//! Verbs: [`ReadGates::pause`] and [`ReadGates::resume`] for the room that owns the reason,
//! [`ReadGates::is_open`] for the shard.
//!
//! It uses `names`.

use std::collections::VecDeque;

use crate::limits::TRACE_PAUSES_MAX;

use super::names::{Budget, ConnId, ConnTable, Event, PublishRate};

/// A reason why a connection is not read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Pause {
    /// Outputs that receive its messages are full. Counted.
    FullOutput,
    /// Sessions that receive its messages are full. Counted. It is read from nevertheless while its
    /// own client has messages to acknowledge.
    FullSession,
    /// Its next packet waits for the disk.
    Disk,
    /// Its CONNACK waits for the disk.
    Connack,
    /// It sends requests without taking the answers, or while no answer can be given.
    OwnOutput,
    /// Its password is being verified.
    Password,
    /// It published faster than its limit.
    Rate,
}

impl Pause {
    /// Its name for operators.
    pub(crate) fn name(self) -> &'static str {
        NAMES[self as usize].0
    }

    /// The reasons whose bits are set (see [`ReadGates::reasons`]).
    pub(crate) fn all_of(reasons: u8) -> impl Iterator<Item = Self> {
        ALL.into_iter().filter(move |reason| reasons & reason.bit() != 0)
    }
}

/// The names of the reasons, and of the figures that count connections by reason.
const NAMES: [(&str, &str); 7] = [
    ("slow_client", "held_slow_client"),
    ("full_session", "held_full_session"),
    ("disk", "held_disk"),
    ("session", "held_session"),
    ("own_output", "held_own_output"),
    ("password", "held_password"),
    ("rate", "held_rate"),
];

const ALL: [Pause; 7] = [
    Pause::FullOutput,
    Pause::FullSession,
    Pause::Disk,
    Pause::Connack,
    Pause::OwnOutput,
    Pause::Password,
    Pause::Rate,
];

/// The gate of one connection.
#[derive(Default, Debug)]
struct ReadGate {
    /// The time at which it was opened, the last whole packet came, or reading resumed.
    last_packet_ms: u64,
    /// The reasons that hold, as bits by [`Pause`].
    reasons: u8,
    /// Number of received bytes.
    received_bytes: u64,
    full_outputs: u32,
    full_sessions: u32,
    /// Its client is traced.
    traced: bool,
    meter: Option<Box<Meter>>,
}

/// The publish rate of a client with a limit.
#[derive(Default, Debug)]
struct Meter {
    budget: Budget,
    /// The time before which it is not read from, while [`Pause::Rate`] holds.
    until_ms: u64,
}

impl Pause {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl ReadGate {
    /// The count of a reason that can hold several times.
    fn count(&mut self, reason: Pause) -> Option<&mut u32> {
        match reason {
            Pause::FullOutput => Some(&mut self.full_outputs),
            Pause::FullSession => Some(&mut self.full_sessions),
            Pause::Disk | Pause::Connack | Pause::OwnOutput | Pause::Password | Pause::Rate => None,
        }
    }

    /// Whether one of these reasons holds, except those that a client with messages to acknowledge
    /// is exempt from.
    #[inline]
    fn is_closed_by(&self, reasons: u8, has_to_acknowledge: impl Fn() -> bool) -> bool {
        let full_session = Pause::FullSession.bit();
        let holding = self.reasons & reasons;
        holding & !full_session != 0 || holding & full_session != 0 && !has_to_acknowledge()
    }
}

/// All gates. See the module.
#[derive(Default, Debug)]
pub(crate) struct ReadGates {
    table: ConnTable<ReadGate>,
    events: VecDeque<Event>,
    /// The number of connections that each reason holds, in the order of [`ALL`].
    held: [u64; ALL.len()],
    /// Changes for traced clients: reasons that began (true) or ended (false).
    traced: Vec<(ConnId, Pause, bool)>,
}

impl ReadGates {
    pub(crate) fn open(&mut self, conn: ConnId, now_ms: u64) {
        self.table.open(conn, ReadGate { last_packet_ms: now_ms, ..ReadGate::default() });
    }

    pub(crate) fn remove(&mut self, conn: ConnId) {
        let Some(gate) = self.table.remove(conn) else { return };
        for reason in Pause::all_of(gate.reasons) {
            self.held[reason as usize] -= 1;
        }
    }

    /// Stops reading from a connection; returns whether the reason is new.
    pub(crate) fn pause(&mut self, conn: ConnId, reason: Pause) -> bool {
        let Some(gate) = self.table.get_mut(conn) else { return false };
        if let Some(count) = gate.count(reason) {
            *count += 1;
        }
        let is_new = gate.reasons & reason.bit() == 0;
        gate.reasons |= reason.bit();
        self.held[reason as usize] += u64::from(is_new);
        if gate.traced && is_new {
            self.note_traced(conn, reason, true);
        }
        is_new
    }

    #[cold]
    fn note_traced(&mut self, conn: ConnId, reason: Pause, begins: bool) {
        if self.traced.len() < TRACE_PAUSES_MAX {
            self.traced.push((conn, reason, begins));
        }
    }

    /// Sets whether the pauses of a connection are noted for traces.
    pub(crate) fn set_traced(&mut self, conn: ConnId, traced: bool) {
        if let Some(gate) = self.table.get_mut(conn) {
            gate.traced = traced;
        }
    }

    /// Whether a pause was noted.
    #[inline]
    pub(crate) fn has_traced(&self) -> bool {
        !self.traced.is_empty()
    }

    /// Takes the noted pauses.
    pub(crate) fn take_traced(&mut self) -> Vec<(ConnId, Pause, bool)> {
        std::mem::take(&mut self.traced)
    }

    /// Ends a reason, or one count of it; returns whether it is over. Then the reactor is told, and
    /// the client's keep alive begins anew, because the broker did not read. A client whose
    /// password was verified meanwhile gets no additional time for its CONNECT.
    pub(crate) fn resume(&mut self, conn: ConnId, reason: Pause, now_ms: u64) -> bool {
        let Some(gate) = self.table.get_mut(conn) else { return false };
        if gate.reasons & reason.bit() == 0 {
            return false;
        }
        if let Some(count) = gate.count(reason) {
            *count -= 1;
            if *count > 0 {
                return false;
            }
        }
        gate.reasons &= !reason.bit();
        self.held[reason as usize] -= 1;
        if reason != Pause::Password {
            gate.last_packet_ms = now_ms;
        }
        let traced = gate.traced;
        self.events.push_back(Event::Resume(conn));
        if traced {
            self.note_traced(conn, reason, false);
        }
        true
    }

    /// Whether a reason holds.
    #[inline]
    pub(crate) fn is_paused_by(&self, conn: ConnId, reason: Pause) -> bool {
        self.table.get(conn).is_some_and(|gate| gate.reasons & reason.bit() != 0)
    }

    /// Whether the connection may be read from; `has_to_acknowledge`: its client has, or will get,
    /// messages that it must acknowledge.
    #[inline]
    pub(crate) fn is_open(&self, conn: ConnId, has_to_acknowledge: impl Fn() -> bool) -> bool {
        let gate = self.table.get(conn);
        gate.is_some_and(|gate| {
            gate.reasons == 0 || !gate.is_closed_by(u8::MAX, has_to_acknowledge)
        })
    }

    /// Whether the connection is not read from because of others, of the disk or of limits: then
    /// its client is not the cause of the silence.
    pub(crate) fn is_silenced(&self, conn: ConnId, has_to_acknowledge: impl Fn() -> bool) -> bool {
        let reasons = !(Pause::OwnOutput.bit() | Pause::Password.bit());
        let gate = self.table.get(conn);
        gate.is_some_and(|gate| gate.is_closed_by(reasons, has_to_acknowledge))
    }

    /// The reasons that hold, as bits.
    pub(crate) fn reasons(&self, conn: ConnId) -> u8 {
        self.table.get(conn).map_or(0, |gate| gate.reasons)
    }

    /// The number of connections that are not read from, by reason, with its name.
    pub(crate) fn figures(&self) -> [(&'static str, u64); ALL.len()] {
        ALL.map(|reason| (NAMES[reason as usize].1, self.held(reason)))
    }

    /// The number of connections that a reason holds.
    pub(crate) fn held(&self, reason: Pause) -> u64 {
        self.held[reason as usize]
    }

    /// Reads from a client with messages to acknowledge although sessions are full.
    #[inline]
    pub(crate) fn note_to_acknowledge(&mut self, conn: ConnId) {
        if self.is_paused_by(conn, Pause::FullSession) {
            self.events.push_back(Event::Resume(conn));
        }
    }

    /// Notes a packet, or another sign of life of the client.
    #[inline]
    pub(crate) fn note_alive(&mut self, conn: ConnId, now_ms: u64) {
        if let Some(gate) = self.table.get_mut(conn) {
            gate.last_packet_ms = now_ms;
        }
    }

    /// The time at which the client last sent a packet, or at which reading resumed.
    pub(crate) fn last_packet_ms(&self, conn: ConnId) -> u64 {
        self.table.get(conn).map_or(0, |gate| gate.last_packet_ms)
    }

    /// Counts received bytes.
    #[inline]
    pub(crate) fn note_received(&mut self, conn: ConnId, bytes: u32) {
        if let Some(gate) = self.table.get_mut(conn) {
            gate.received_bytes += u64::from(bytes);
        }
    }

    /// Bytes that came.
    pub(crate) fn received_bytes(&self, conn: ConnId) -> u64 {
        self.table.get(conn).map_or(0, |gate| gate.received_bytes)
    }

    /// Counts a message of `bytes` against its publisher's limit. `others_ms` is the time at which
    /// the limit that it shares with others allows the next message. If the publisher is too fast,
    /// the broker does not read from it until the later of the two times, which is returned.
    pub(crate) fn note_publish(
        &mut self,
        conn: ConnId,
        rate: PublishRate,
        bytes: usize,
        others_ms: Option<u64>,
        now_ms: u64,
    ) -> Option<u64> {
        let gate = self.table.get_mut(conn)?;
        let meter = gate.meter.get_or_insert_default();
        let until_ms = meter.budget.note(rate, bytes, now_ms).max(others_ms)?;
        meter.until_ms = until_ms;
        self.held[Pause::Rate as usize] += u64::from(gate.reasons & Pause::Rate.bit() == 0);
        gate.reasons |= Pause::Rate.bit();
        if gate.traced {
            self.note_traced(conn, Pause::Rate, true);
        }
        Some(until_ms)
    }

    /// The limits have changed: all counts begin anew, and publishers that were too fast go on.
    pub(crate) fn restart_meters(&mut self, now_ms: u64) {
        let metered = self.table.iter().filter(|(_, gate)| gate.meter.is_some());
        let metered: Vec<ConnId> = metered.map(|(conn, _)| conn).collect();
        for conn in metered {
            self.resume(conn, Pause::Rate, now_ms);
            if let Some(gate) = self.table.get_mut(conn) {
                gate.meter = None;
            }
        }
    }

    /// The time at which a connection that published too fast is read from again.
    #[inline]
    pub(crate) fn rate_pause_ends_ms(&self, conn: ConnId) -> Option<u64> {
        let gate = self.table.get(conn)?;
        let is_paused = gate.reasons & Pause::Rate.bit() != 0;
        gate.meter.as_ref().filter(|_| is_paused).map(|meter| meter.until_ms)
    }

    /// Tells the reactor to close a connection, or to check again whether it can be closed.
    pub(crate) fn close(&mut self, conn: ConnId) {
        self.events.push_back(Event::Close(conn));
    }

    /// The next task for the reactor.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether there is a task.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Frees memory of at most `slots_max` connections; returns whether there is more.
    pub(crate) fn reclaim(&mut self, slots_max: usize) -> bool {
        self.events.shrink_to(0);
        self.table.reclaim(slots_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId { slot: 0, generation: 1 };

    fn gates() -> ReadGates {
        let mut gates = ReadGates::default();
        gates.open(CONN, 0);
        gates
    }

    // A connection is counted once for each reason that holds it, until the reason or the
    // connection ends.
    #[test]
    fn held_connections_are_counted() {
        let mut gates = gates();
        let rate = PublishRate { messages: 1, bytes: 0 };
        for _ in 0..3 {
            gates.pause(CONN, Pause::FullOutput);
            gates.pause(CONN, Pause::Disk);
            gates.note_publish(CONN, rate, 1, None, 0);
        }
        let held = |gates: &ReadGates| ALL.map(|reason| gates.held(reason));
        assert_eq!(held(&gates), [1, 0, 1, 0, 0, 0, 1]);
        gates.resume(CONN, Pause::Disk, 0);
        gates.resume(CONN, Pause::Disk, 0);
        gates.resume(CONN, Pause::FullOutput, 0);
        assert_eq!(held(&gates), [1, 0, 0, 0, 0, 0, 1]);
        gates.remove(CONN);
        gates.remove(CONN);
        assert_eq!(held(&gates), [0; ALL.len()]);
    }

    // Each reason closes the gate alone, and only its end is told to the reactor, once.
    #[test]
    fn each_reason_closes() {
        for reason in ALL {
            let mut gates = gates();
            assert!(gates.is_open(CONN, || false), "{reason:?}");
            assert!(gates.pause(CONN, reason), "{reason:?}");
            assert!(!gates.is_open(CONN, || false), "{reason:?}");
            assert!(gates.figures().contains(&(NAMES[reason as usize].1, 1)), "{reason:?}");
            assert!(gates.resume(CONN, reason, 5), "{reason:?}");
            assert!(!gates.resume(CONN, reason, 6), "{reason:?}");
            assert_eq!(gates.next_event(), Some(Event::Resume(CONN)));
            assert_eq!(gates.next_event(), None);
            let heard_ms = if reason == Pause::Password { 0 } else { 5 };
            assert_eq!(gates.last_packet_ms(CONN), heard_ms, "{reason:?}");
        }
    }

    // A counted reason is over when it has ended as often as it began; another keeps it closed.
    #[test]
    fn reasons_are_counted() {
        let mut gates = gates();
        assert!(gates.pause(CONN, Pause::FullOutput));
        assert!(!gates.pause(CONN, Pause::FullOutput));
        gates.pause(CONN, Pause::Disk);
        assert!(!gates.resume(CONN, Pause::FullOutput, 1));
        assert!(gates.resume(CONN, Pause::FullOutput, 2));
        assert!(!gates.is_open(CONN, || true));
        assert!(gates.resume(CONN, Pause::Disk, 3));
        assert!(gates.is_open(CONN, || false));
    }

    // Full sessions do not close the gate of a client that has something to acknowledge; others do.
    #[test]
    fn acknowledgements_pass() {
        let mut gates = gates();
        gates.pause(CONN, Pause::FullSession);
        assert!(gates.is_open(CONN, || true));
        assert!(!gates.is_silenced(CONN, || true));
        assert!(gates.is_silenced(CONN, || false));
        gates.pause(CONN, Pause::OwnOutput);
        assert!(!gates.is_open(CONN, || true));
        assert!(!gates.is_silenced(CONN, || true), "its own output is its own fault");
    }
}
