//! [`Hold`]: whether a commit group that could be written waits for more messages.
//!
//! A write and its sync cost a shard more than handling dozens of small messages. While the kernel
//! already has the next completions, the group is *held* for the messages in them: until there are
//! none, until `--gather-max` is over, or until the group is large. A shard never sleeps on a held
//! group, so an idle shard writes at once.

use crate::limits::GROUP_BYTES_MAX;

/// The state of the group that is written next. Times are microseconds that never go back.
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// Since when the group is held; `None` if it is not.
    since_us: Option<u64>,
    /// Whether this turn had completions.
    is_fruitful: bool,
}

impl Hold {
    /// Notes the beginning of a turn. If the ring was said to be ready and returned nothing, it was
    /// not, and the group is held no longer.
    pub(super) fn begin_turn(&mut self, completions: usize) {
        self.is_fruitful = completions > 0;
    }

    /// Decides for a group of `staged_bytes` whose write could begin. `is_ready` says whether the
    /// ring has completions; `us_max` is the longest time.
    pub(super) fn decide(
        &mut self,
        staged_bytes: u64,
        is_ready: impl FnOnce() -> bool,
        now_us: impl FnOnce() -> u64,
        us_max: u64,
    ) -> bool {
        let may_grow = (1..GROUP_BYTES_MAX as u64).contains(&staged_bytes) && us_max > 0;
        if !may_grow || !self.is_fruitful || !is_ready() {
            self.since_us = None;
            return false;
        }
        let now_us = now_us();
        let since_us = self.since_us.unwrap_or(now_us);
        let holds = now_us.saturating_sub(since_us) < us_max;
        self.since_us = holds.then_some(since_us);
        holds
    }

    /// Whether the group is held: the shard must not sleep.
    pub(super) fn is_held(&self) -> bool {
        self.since_us.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US_MAX: u64 = 500;

    fn decide(hold: &mut Hold, is_ready: bool, now_us: u64) -> bool {
        let holds = hold.decide(100, || is_ready, || now_us, US_MAX);
        assert_eq!(hold.is_held(), holds);
        holds
    }

    /// A group is held while the ring is ready, for the longest time at most, which begins anew
    /// with the next group.
    #[test]
    fn held_while_the_ring_is_ready() {
        let mut hold = Hold::default();
        hold.begin_turn(1);
        assert!(!decide(&mut hold, false, 0), "an idle shard writes at once");
        for start_us in [10, 10 + US_MAX] {
            assert!(decide(&mut hold, true, start_us));
            assert!(decide(&mut hold, true, start_us + US_MAX - 1));
            assert!(!decide(&mut hold, true, start_us + US_MAX));
        }
        assert!(decide(&mut hold, true, 9_000));
        assert!(!decide(&mut hold, false, 9_001));
        assert!(decide(&mut hold, true, 9_400), "a new time has begun");
        assert!(decide(&mut hold, true, 9_899));
    }

    /// A hint that was wrong holds a group for one turn only.
    #[test]
    fn a_wrong_hint_costs_a_turn() {
        let mut hold = Hold::default();
        hold.begin_turn(1);
        assert!(decide(&mut hold, true, 0));
        hold.begin_turn(0);
        assert!(!decide(&mut hold, true, 1));
    }

    /// Nothing is held if there is nothing to write, if the group is large, or without
    /// `--gather-max`; then neither the ring nor the clock is asked.
    #[test]
    fn not_held() {
        let mut hold = Hold::default();
        hold.begin_turn(1);
        let large = GROUP_BYTES_MAX as u64;
        for (staged_bytes, us_max) in [(0, US_MAX), (large, US_MAX), (100, 0)] {
            let asks = || -> bool { panic!("the ring is asked") };
            assert!(!hold.decide(staged_bytes, asks, || panic!("the clock is asked"), us_max));
            assert!(!hold.is_held());
        }
        assert!(hold.decide(large - 1, || true, || 0, US_MAX));
    }
}
