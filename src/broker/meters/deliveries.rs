//! Delivery latency to the output of subscribers, and the waiting time in sessions.
//!
//! A delivery is recorded at the end of its turn. Messages of one turn of one shard have the same
//! start time, so they are counted together: a message costs one addition.
//!
//! Times of other shards are the lower 32 bits of microseconds: a difference of more than 35
//! minutes counts as zero.

use crate::limits::{CROSSED_TURNS_MAX, WAITS_SAMPLED_MAX};

use super::histogram::Histogram;

/// One in this many of the messages that waited in a session is sampled.
const WAITS_SAMPLED_ONE_IN: u32 = 64;

/// Deliveries of the messages of one turn of another shard.
#[derive(Clone, Copy, Debug)]
struct Crossed {
    since_us: u32,
    count: u64,
}

/// The deliveries of the current turn.
#[derive(Clone, Default, Debug)]
pub(super) struct Deliveries {
    /// Copies of messages that were received in this turn.
    local: u64,
    /// Copies of messages of other shards; neighbours differ in their start time.
    crossed: Vec<Crossed>,
    /// Number of messages that had waited in a session and were sent.
    waited: u32,
    /// The times at which the sampled ones were stored, in milliseconds of the log's time line.
    waits: [u64; WAITS_SAMPLED_MAX],
    waits_len: usize,
}

impl Deliveries {
    #[inline]
    pub(super) fn count_local(&mut self, copies: u64) {
        self.local += copies;
    }

    #[inline]
    pub(super) fn count_crossed(&mut self, since_us: u32, copies: u64) {
        let is_full = self.crossed.len() >= CROSSED_TURNS_MAX;
        match self.crossed.last_mut() {
            // Turns beyond the bound count with the last separate one.
            Some(last) if last.since_us == since_us || is_full => last.count += copies,
            _ if copies > 0 => self.crossed.push(Crossed { since_us, count: copies }),
            _ => {}
        }
    }

    /// Notes a waiting message that is sent for the first time. If it is sampled, `stored_ms` is
    /// called for the time at which it was stored.
    #[inline]
    pub(super) fn count_waited(&mut self, stored_ms: impl FnOnce() -> Option<u64>) {
        self.waited = self.waited.wrapping_add(1);
        if self.waited.is_multiple_of(WAITS_SAMPLED_ONE_IN)
            && let Some(free) = self.waits.get_mut(self.waits_len)
            && let Some(stored_ms) = stored_ms()
        {
            *free = stored_ms;
            self.waits_len += 1;
        }
    }

    /// The time at which a sampled message was stored.
    #[inline]
    pub(super) fn next_wait(&mut self) -> Option<u64> {
        self.waits_len = self.waits_len.checked_sub(1)?;
        Some(self.waits[self.waits_len])
    }

    /// The turn ends at `now_us`, after `took_us`.
    #[inline]
    pub(super) fn end_turn(
        &mut self,
        (now_us, took_us): (u64, u64),
        local: &mut Histogram,
        crossed: &mut Histogram,
    ) {
        let copies = std::mem::take(&mut self.local);
        if copies > 0 {
            local.record_n(took_us, copies);
        }
        for Crossed { since_us, count } in self.crossed.drain(..) {
            crossed.record_n(since(since_us, now_us), count);
        }
    }
}

/// The lower bits of a time, which are sent and kept.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "differences are taken modulo 2^32")]
pub(super) fn low_bits(us: u64) -> u32 {
    us as u32
}

/// Microseconds from a time of which these are the lower bits until `now_us`.
#[inline]
pub(super) fn since(since_us: u32, now_us: u64) -> u64 {
    let took_us = low_bits(now_us).wrapping_sub(since_us);
    // The other shard's clock may be ahead by a moment.
    if i32::try_from(took_us).is_ok() { took_us.into() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each copy is recorded once, with the time from its message's turn to the end of this one.
    #[test]
    fn deliveries_are_recorded_at_the_end() {
        let (mut local, mut crossed) = (Histogram::default(), Histogram::default());
        let mut deliveries = Deliveries::default();
        deliveries.count_local(3);
        deliveries.count_local(4);
        for (since_us, copies) in [(900, 2), (900, 5), (950, 1), (700, 0)] {
            deliveries.count_crossed(since_us, copies);
        }
        for _ in 0..2 {
            deliveries.end_turn((1_000, 10), &mut local, &mut crossed);
        }
        assert_eq!((local.count(), local.sum_us()), (7, 70));
        assert_eq!((crossed.count(), crossed.sum_us()), (8, 7 * 100 + 50));
    }

    /// However many turns a shard has to catch up with, memory is bounded and each copy is counted.
    #[test]
    fn crossed_turns_are_bounded() {
        let mut deliveries = Deliveries::default();
        let turns = 3 * u32::try_from(CROSSED_TURNS_MAX).expect("some dozens");
        (0..turns).for_each(|turn| deliveries.count_crossed(turn, 1));
        assert_eq!(deliveries.crossed.len(), CROSSED_TURNS_MAX);
        let mut crossed = Histogram::default();
        deliveries.end_turn((u64::from(turns), 0), &mut Histogram::default(), &mut crossed);
        assert_eq!(crossed.count(), u64::from(turns));
    }

    /// One in 64 is sampled, up to the bound.
    #[test]
    fn waits_are_sampled() {
        let mut deliveries = Deliveries::default();
        let mut looks = 0;
        for _ in 0..4 * WAITS_SAMPLED_ONE_IN {
            deliveries.count_waited(|| {
                looks += 1;
                (looks != 2).then_some(looks)
            });
        }
        let waits: Vec<u64> = std::iter::from_fn(|| deliveries.next_wait()).collect();
        assert_eq!((looks, waits), (4, vec![4, 3, 1]));
        for stored_ms in 0..10_000 {
            deliveries.count_waited(|| Some(stored_ms));
        }
        assert_eq!(std::iter::from_fn(|| deliveries.next_wait()).count(), WAITS_SAMPLED_MAX);
    }

    /// Differences are right across the wrap of the lower bits; a clock that is ahead gives zero.
    #[test]
    fn times_of_32_bits() {
        let hour_us = 3_600_000_000;
        for (from_us, now_us, took_us) in [
            (5, 5, 0),
            (5, 9, 4),
            (u64::from(u32::MAX), u64::from(u32::MAX) + 7, 7),
            (9, 5, 0),
            (0, hour_us, 0),
            (3 * hour_us, 3 * hour_us + 2_000_000_000, 2_000_000_000),
        ] {
            assert_eq!(since(low_bits(from_us), now_us), took_us, "{from_us} to {now_us}");
        }
    }
}
