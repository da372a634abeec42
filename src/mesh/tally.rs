//! A count that all shards share, for a bound that holds for them together.

use super::sync::{AtomicUsize, Ordering};

/// How many of something there are. Touched when clients come and go, never per message.
#[derive(Debug, Default)]
pub struct Tally {
    count: AtomicUsize,
}

impl Tally {
    /// Counts one more unless there are `max` already; whether it did.
    pub fn try_take(&self, max: usize) -> bool {
        // Relaxed: the count guards no other memory, and one location's changes have one order.
        let take = |count| (count < max).then_some(count + 1);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Counts one less.
    ///
    /// # Panics
    /// If none was taken.
    pub fn give_back(&self) {
        // Relaxed: as in `try_take`.
        let before = self.count.fetch_sub(1, Ordering::Relaxed);
        assert!(before > 0, "given back once for each take");
    }
}
