//! Pauses between attempts. They double up to a bound and are shortened at random by up to a half,
//! so that many bridges do not reconnect at the same moment.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// The pauses of one outage.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Attempts that have failed.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The pause after one more failure.
    pub fn pause(&mut self) -> Duration {
        let doubled = BACKOFF_MIN.saturating_mul(1 << self.attempts.min(16));
        self.attempts = self.attempts.saturating_add(1);
        let longest = doubled.min(BACKOFF_MAX);
        // A new state has new keys, which makes the hash random.
        let random = RandomState::new().hash_one(self.attempts) % 1000;
        let part = 500 + u32::try_from(random / 2).expect("below 500");
        longest * part / 1000
    }

    /// Ends the outage.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Pauses grow to the bound and stay there; each is at least half of its bound.
    #[test]
    fn pauses_grow() {
        let mut backoff = Backoff::default();
        for attempt in 0..40 {
            let longest = BACKOFF_MIN.saturating_mul(1 << attempt.min(16)).min(BACKOFF_MAX);
            let pause = backoff.pause();
            assert!(pause <= longest && pause >= longest / 2, "{attempt}: {pause:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= BACKOFF_MIN);
    }
}
