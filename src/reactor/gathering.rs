//! [`Gathering`]: whether, and for how long, a shard that is about to sleep lets completions
//! gather.
//!
//! A sleep and a wake cost a shard more than handling a small message. If messages come often
//! enough, the shard sleeps a little beyond the first of them and handles several in one turn, with
//! one wake, one send to a subscriber, and one commit group.
//!
//! ```text
//! gain of a pause: (messages in it - 1) × the cost of a sleep      cost: each is up to `time` late
//! ```
//! So there is no pause if fewer than [`MESSAGES_MIN`] are expected in the longest pause. A pause
//! is not longer than [`MESSAGES_WANTED`] take to arrive: by then the sleep is a small part of a
//! message's cost, and each further message gains less.
//!
//! Only messages that would come anyway count. A client that waits for an answer before it sends
//! again would wait longer: fewer messages would come. So a message counts if its link was silent
//! for [`SILENCE_PAUSES`] of the longest pause. Such a client loses at most that share of its rate,
//! and a lone device is never delayed.
//!
//! The end of a write to the log ends a pause: the clients whose messages are durable now get their
//! answers, and the messages that came meanwhile are the next commit group.

use std::time::Duration;

/// The messages to expect in the longest pause; with fewer there is no pause.
const MESSAGES_MIN: u64 = 2;

/// The messages to expect in a shorter pause.
const MESSAGES_WANTED: u64 = 8;

/// A link whose last message came this many longest pauses ago did not wait for its answer, or
/// waits so long that a pause does not matter.
const SILENCE_PAUSES: u64 = 10;

/// The time in microseconds for which messages are counted to get a rate. At the least rate with
/// pauses, about a dozen come.
const SLICE_US: u64 = 4_000;

/// After this many times [`SLICE_US`] without a turn, the old rate is ignored.
const SLICES_REMEMBERED: u64 = 4;

/// Counts messages and derives pauses from their rate. Times are microseconds that never go back.
#[derive(Debug)]
pub(super) struct Gathering {
    /// `--gather-max`; 0: no pauses.
    longest_us: u64,
    /// The silence after which a message of a link counts.
    silence_us: u64,
    /// Messages since `since_us`.
    messages: u64,
    since_us: u64,
    /// Messages per second before that.
    per_s: u64,
}

impl Gathering {
    pub(super) fn new(longest: Duration, now_us: u64) -> Self {
        let mut gathering =
            Self { longest_us: 0, silence_us: 0, messages: 0, since_us: now_us, per_s: 0 };
        gathering.set_longest(longest);
        gathering
    }

    /// Sets the longest pause, `--gather-max`.
    pub(super) fn set_longest(&mut self, longest: Duration) {
        self.longest_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        self.silence_us = self.longest_us.saturating_mul(SILENCE_PAUSES);
    }

    /// The longest pause.
    pub(super) fn longest_us(&self) -> u64 {
        self.longest_us
    }

    /// Notes that a link received something after a silence.
    #[inline]
    pub(super) fn note_received(&mut self, silent_ms: u32) {
        if u64::from(silent_ms) * 1000 >= self.silence_us {
            self.messages += 1;
        }
    }

    /// Notes that a turn has handled what it received.
    pub(super) fn note_turn(&mut self, now_us: u64) {
        let elapsed_us = now_us.saturating_sub(self.since_us);
        if elapsed_us < SLICE_US {
            return;
        }
        let per_s = self.messages.saturating_mul(1_000_000) / elapsed_us;
        let is_recent = elapsed_us < SLICES_REMEMBERED * SLICE_US;
        self.per_s = if is_recent { u64::midpoint(self.per_s, per_s) } else { per_s };
        (self.messages, self.since_us) = (0, now_us);
    }

    /// The time for completions to gather before the next sleep ends; zero: none.
    pub(super) fn time(&self) -> Duration {
        let in_longest = self.per_s.saturating_mul(self.longest_us) / 1_000_000;
        if in_longest < MESSAGES_MIN {
            return Duration::ZERO;
        }
        // It is not zero: otherwise no message would be expected in the longest pause.
        let wanted_us = MESSAGES_WANTED * 1_000_000 / self.per_s;
        Duration::from_micros(wanted_us.min(self.longest_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_micros(500);

    /// Feeds messages of silent links at an even rate, one per turn; returns the time of the end.
    fn feed(gathering: &mut Gathering, from_us: u64, per_s: u64, for_us: u64) -> u64 {
        let messages = per_s * for_us / 1_000_000;
        for message in 1..=messages {
            gathering.note_received(u32::MAX);
            gathering.note_turn(from_us + message * 1_000_000 / per_s);
        }
        from_us + for_us
    }

    /// The pause for each rate: none while it would gain fewer than two messages, then the longest,
    /// then the time that eight messages take.
    #[test]
    fn pauses_follow_the_rate() {
        for (per_s, pause_us) in [
            (1, 0),
            (500, 0),
            (3_900, 0),
            (4_100, 500),
            (5_000, 500),
            (15_900, 500),
            (20_000, 400),
            (80_000, 100),
            (1_000_000, 8),
        ] {
            let mut gathering = Gathering::new(LONGEST, 0);
            feed(&mut gathering, 0, per_s, 3_000_000);
            let found = u64::try_from(gathering.time().as_micros()).expect("it is short");
            assert!(found.abs_diff(pause_us) <= pause_us / 50, "{per_s}/s: {found} µs");
        }
    }

    /// If the longest pause is zero, there is none at any rate; it may be changed meanwhile.
    #[test]
    fn zero_is_never() {
        let mut gathering = Gathering::new(Duration::ZERO, 0);
        let now_us = feed(&mut gathering, 0, 100_000, 100_000);
        assert_eq!(gathering.time(), Duration::ZERO);
        gathering.set_longest(LONGEST);
        feed(&mut gathering, now_us, 100_000, 100_000);
        assert!(gathering.time() > Duration::ZERO);
        gathering.set_longest(Duration::ZERO);
        assert_eq!(gathering.time(), Duration::ZERO);
    }

    /// A burst counts after some slices and is forgotten equally fast, or at once after a long
    /// silence.
    #[test]
    fn bursts_come_and_go() {
        let mut gathering = Gathering::new(LONGEST, 0);
        let now_us = feed(&mut gathering, 0, 50_000, 3 * SLICE_US);
        assert!(gathering.time() > Duration::ZERO, "a burst");
        let Gathering { longest_us, silence_us, messages, since_us, per_s } = gathering;
        let mut ebbing = Gathering { longest_us, silence_us, messages, since_us, per_s };
        feed(&mut ebbing, now_us, 500, 10 * SLICE_US);
        assert_eq!(ebbing.time(), Duration::ZERO, "it ebbs away");
        gathering.note_received(u32::MAX);
        gathering.note_turn(now_us + SLICES_REMEMBERED * SLICE_US);
        assert_eq!(gathering.time(), Duration::ZERO, "a lone message after a silence");
    }

    /// Messages from links that were not silent for ten longest pauses cause no pause, at any rate.
    /// Turns without messages do not count either, nor does a clock that stands still.
    #[test]
    fn clients_that_wait_are_not_kept_waiting() {
        for (silent_ms, counts) in [(0, false), (4, false), (5, true), (u32::MAX, true)] {
            let mut gathering = Gathering::new(LONGEST, 0);
            for turn in 1..10_000 {
                gathering.note_received(silent_ms);
                gathering.note_turn(turn * 10);
            }
            assert_eq!(gathering.time() > Duration::ZERO, counts, "silent for {silent_ms} ms");
        }
        let mut gathering = Gathering::new(LONGEST, 0);
        (1..10_000).for_each(|turn| gathering.note_turn(turn * 10));
        assert_eq!(gathering.time(), Duration::ZERO);
        let mut gathering = Gathering::new(LONGEST, 7);
        for _ in 0..10_000 {
            gathering.note_received(u32::MAX);
            gathering.note_turn(7);
        }
        assert_eq!(gathering.time(), Duration::ZERO);
    }

    /// Extreme values do not overflow.
    #[test]
    fn extremes() {
        let mut gathering = Gathering::new(Duration::MAX, 0);
        gathering.messages = u64::MAX - 1;
        gathering.note_received(u32::MAX);
        gathering.note_turn(SLICE_US);
        assert!(gathering.time() <= Duration::MAX);
        gathering.note_turn(u64::MAX);
        assert_eq!(gathering.time(), Duration::ZERO);
    }
}
