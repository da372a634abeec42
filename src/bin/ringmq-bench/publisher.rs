//! A publisher: stamps a batch of its belt, writes it, and refills its window as PUBACKs arrive.
//!
//! The window is refilled after each read of PUBACKs, without waiting for more of them: the refill
//! carries the TCP acknowledgement that a broker with Nagle's algorithm waits for.
//!
//! Invariant: `acked <= written <= prepared <= allowed`, in messages since the run began (`acked`
//! is what the broker claims). A batch that the socket accepted in part is finished before the next
//! one is prepared. It is owned by a thread's load.

use std::ops::Range;

use crate::belt::{Belt, Stamp};
use crate::client::{Client, Fault, Inbox};
use crate::stats::{Clock, Stats};
use crate::wire::{self, Packet};

/// One publishing connection.
#[derive(Debug)]
pub(crate) struct Publisher {
    client: Client,
    belt: Belt,
    /// The belt after this one, which is sent once.
    next_belt: Option<Belt>,
    pace: Pace,
    window: Option<Window>,
    stamped: bool,
    topics: usize,
    /// Next slot of the belt to be prepared.
    slot: usize,
    /// Topic of that slot, and how many rounds it has had before.
    topic: usize,
    round: u32,
    allowed: u64,
    prepared: u64,
    written: u64,
    /// Bytes of the belt that are prepared and not yet written.
    unsent: Range<usize>,
}

/// The belts of a publisher.
#[derive(Debug)]
pub(crate) struct Belts {
    /// Sent once, before the belt: one round of the topics, which gives them their aliases.
    pub(crate) introduction: Option<Belt>,
    /// Sent repeatedly.
    pub(crate) belt: Belt,
}

/// The form of a publisher's messages, and the bound of those in flight.
#[derive(Debug)]
pub(crate) struct Terms {
    /// QoS 1: messages in flight; `None` is QoS 0.
    pub(crate) window: Option<u16>,
    /// Whether payloads have room for a stamp.
    pub(crate) stamped: bool,
    /// Number of topics, used in turn.
    pub(crate) topics: usize,
}

/// The intended times of sending.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As soon as socket and window allow; stamped with the time of the batch.
    Flat,
    /// Message `k` at its time in the schedule.
    Scheduled(Schedule),
}

/// An open loop's schedule: all publishers take turns at `rate` messages a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// When the first message is due.
    pub(crate) start_ns: u64,
    /// Messages a second, of all publishers together; at most 10^9.
    pub(crate) rate: u64,
    /// Number of publishers.
    pub(crate) publishers: u64,
    /// This one's number among them.
    pub(crate) publisher: u64,
}

impl Schedule {
    /// When message `k` of this publisher is due.
    pub(crate) fn due_ns(&self, k: u64) -> u64 {
        let place = k * self.publishers + self.publisher;
        let (seconds, rest) = (place / self.rate, place % self.rate);
        self.start_ns + seconds * 1_000_000_000 + rest * 1_000_000_000 / self.rate
    }
}

/// Packet identifiers 1 to the size of the window, each with the stamp of the message that holds
/// it, or 0. Invariant: `in_flight` of them are not 0.
#[derive(Debug)]
struct Window {
    stamps: Box<[u64]>,
    next: usize,
    in_flight: usize,
}

impl Window {
    fn new(size: u16) -> Window {
        Window { stamps: vec![0; usize::from(size)].into(), next: 0, in_flight: 0 }
    }

    fn room(&self) -> usize {
        self.stamps.len() - self.in_flight
    }

    /// Takes a free identifier; there must be room.
    fn take(&mut self, stamp_ns: u64) -> u16 {
        assert!(self.room() > 0, "the batch was cut to the window");
        // PUBACKs come in order [MQTT-4.6.0-2], so the first attempt nearly always finds a free
        // one.
        while self.stamps[self.next] != 0 {
            self.step();
        }
        self.stamps[self.next] = stamp_ns.max(1);
        self.in_flight += 1;
        let packet_id = u16::try_from(self.next + 1).expect("the window is a u16");
        self.step();
        packet_id
    }

    fn step(&mut self) {
        self.next = if self.next + 1 == self.stamps.len() { 0 } else { self.next + 1 };
    }

    /// Frees an identifier and returns its stamp; `None` when it was not in flight.
    fn release(&mut self, packet_id: u16) -> Option<u64> {
        let stamp = self.stamps.get_mut(usize::from(packet_id).wrapping_sub(1))?;
        let stamp_ns = std::mem::take(stamp);
        if stamp_ns == 0 {
            return None;
        }
        self.in_flight -= 1;
        Some(stamp_ns)
    }
}

impl Publisher {
    /// A publisher that may not send anything yet.
    pub(crate) fn new(client: Client, belts: Belts, terms: &Terms) -> Publisher {
        let (belt, next_belt) = match belts.introduction {
            Some(introduction) => (introduction, Some(belts.belt)),
            None => (belts.belt, None),
        };
        Publisher {
            client,
            belt,
            next_belt,
            pace: Pace::Flat,
            window: terms.window.map(Window::new),
            stamped: terms.stamped,
            topics: terms.topics,
            slot: 0,
            topic: 0,
            round: 0,
            allowed: 0,
            prepared: 0,
            written: 0,
            unsent: 0..0,
        }
    }

    /// The connection.
    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Sets when messages are due.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Allows `more` further messages.
    pub(crate) fn allow(&mut self, more: u64) {
        self.allowed = self.allowed.saturating_add(more);
    }

    /// Prepares no further message; returns how many were allowed and not prepared.
    pub(crate) fn stop(&mut self) -> u64 {
        let left = self.allowed - self.prepared;
        self.allowed = self.prepared;
        left
    }

    /// Messages that the socket has accepted completely.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Messages without their PUBACK; 0 at QoS 0.
    pub(crate) fn in_flight(&self) -> u64 {
        self.window.as_ref().map_or(0, |window| window.in_flight as u64)
    }

    /// Whether all allowed messages are written and, at QoS 1, acknowledged.
    pub(crate) fn is_done(&self) -> bool {
        self.written == self.allowed && self.in_flight() == 0
    }

    /// Whether the socket has accepted a packet in part.
    pub(crate) fn is_mid_packet(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether a [`Publisher::pump`] would write something.
    pub(crate) fn can_pump(&self) -> bool {
        self.client.is_writable() && (!self.unsent.is_empty() || self.batch_messages() > 0)
    }

    /// Writes one batch or the rest of one; returns the bytes that the socket accepted.
    pub(crate) fn pump(&mut self, clock: &Clock, stats: &mut Stats) -> Result<usize, Fault> {
        if !self.client.is_writable() {
            return Ok(0);
        }
        let now_ns = clock.now_ns();
        if self.unsent.is_empty() {
            self.prepare(now_ns);
        }
        if self.unsent.is_empty() {
            return Ok(0);
        }
        let Range { start, end } = self.unsent;
        let taken = self.client.send(self.belt.bytes(start..end))?;
        self.unsent.start += taken;
        let whole = self.belt.slots_between(start, self.unsent.start) as u64;
        self.written += whole;
        assert!(self.written <= self.prepared && self.prepared <= self.allowed);
        stats.tally.published += whole;
        if whole > 0 {
            stats.published_ns = now_ns;
        }
        Ok(taken)
    }

    /// Messages the next batch would have.
    fn batch_messages(&self) -> usize {
        let allowed = usize::try_from(self.allowed - self.prepared).unwrap_or(usize::MAX);
        let room = self.window.as_ref().map_or(usize::MAX, Window::room);
        allowed.min(room).min(self.belt.len() - self.slot)
    }

    fn prepare(&mut self, now_ns: u64) {
        if self.slot == 0
            && self.prepared > 0
            && let Some(belt) = self.next_belt.take()
        {
            self.belt = belt;
        }
        let count = self.batch_messages();
        if count == 0 {
            return;
        }
        match (self.window.is_some(), self.stamped) {
            (false, false) => self.stamp_batch::<false, false>(count, now_ns),
            (false, true) => self.stamp_batch::<false, true>(count, now_ns),
            (true, false) => self.stamp_batch::<true, false>(count, now_ns),
            (true, true) => self.stamp_batch::<true, true>(count, now_ns),
        }
        self.unsent = self.belt.span(self.slot..self.slot + count);
        self.slot += count;
        if self.slot == self.belt.len() {
            self.slot = 0;
        }
    }

    fn stamp_batch<const QOS1: bool, const STAMPED: bool>(&mut self, count: usize, now_ns: u64) {
        for slot in self.slot..self.slot + count {
            let intended_ns = match &self.pace {
                Pace::Flat => now_ns,
                Pace::Scheduled(schedule) => schedule.due_ns(self.prepared),
            };
            let packet_id = match &mut self.window {
                Some(window) if QOS1 => window.take(intended_ns),
                _ => 0,
            };
            let stamp = Stamp { packet_id, sequence: self.round, intended_ns };
            self.belt.stamp::<QOS1, STAMPED>(slot, stamp);
            self.prepared += 1;
            self.topic += 1;
            if self.topic == self.topics {
                self.topic = 0;
                self.round = self.round.wrapping_add(1);
            }
        }
    }

    /// Reads once and processes the PUBACKs; returns the bytes received.
    pub(crate) fn receive(
        &mut self,
        inbox: &mut Inbox,
        clock: &Clock,
        stats: &mut Stats,
    ) -> Result<usize, Fault> {
        let received = self.client.receive(inbox)?;
        if received == 0 {
            return Ok(0);
        }
        let now_ns = clock.now_ns();
        let (mut at, version) = (0, self.client.version());
        while let Some((packet, size)) = wire::split(&inbox.bytes()[at..], version)? {
            at += size;
            let Packet::Puback { packet_id } = packet else {
                self.client.handle_control(&packet)?;
                continue;
            };
            let window = self.window.as_mut();
            match window.and_then(|window| window.release(packet_id)) {
                Some(stamp_ns) => {
                    stats.tally.acked += 1;
                    stats.published_ns = now_ns;
                    stats.ack.note(stamp_ns, now_ns, 1);
                }
                None => stats.tally.stray_acks += 1,
            }
        }
        self.client.carry_over(inbox, at);
        Ok(received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Identifiers are never 0, never used twice at a time, and may be freed in any order.
    #[test]
    fn window_reuses_identifiers() {
        for size in [1, 2, 3, u16::MAX] {
            let mut window = Window::new(size);
            let taken: Vec<u16> = (0..size).map(|_| window.take(9)).collect();
            assert!(taken.iter().copied().eq(1..=size), "{size}");
            assert_eq!(window.room(), 0);
            assert_eq!(window.release(size), Some(9));
            assert_eq!(window.release(size), None, "released twice");
            assert_eq!(window.take(8), size);
        }
        let mut window = Window::new(2);
        for packet_id in [0, 1, 3, u16::MAX] {
            assert_eq!(window.release(packet_id), None, "{packet_id} was never taken");
        }
    }

    /// The publishers' schedules interleave into one even stream, however long it runs.
    #[test]
    fn schedule_is_even() {
        let (start_ns, publishers) = (1_000, 3);
        for rate in [1, 7, 20_000, 1_000_000_000] {
            let due_ns = |place: u64| {
                let publisher = place % publishers;
                let schedule = Schedule { start_ns, rate, publishers, publisher };
                schedule.due_ns(place / publishers)
            };
            for place in [0, 1, 2, 3, 1_000_000, 40_000_000_000] {
                let exact = u128::from(place) * 1_000_000_000 / u128::from(rate);
                let Ok(exact) = u64::try_from(exact + 1_000) else {
                    continue;
                };
                assert_eq!(due_ns(place), exact, "{place} at {rate}/s");
                assert!(due_ns(place) <= due_ns(place + 1), "{place} at {rate}/s");
            }
        }
    }
}
