//! Counts that all shards share, for bounds that hold for them together.

use super::sync::{AtomicUsize, Ordering};

/// How many of something there are. Touched when clients come and go, never per message.
#[derive(Debug, Default)]
pub struct SharedCount {
    count: AtomicUsize,
}

impl SharedCount {
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

/// A sum of which every shard has a part. Touched when a turn has changed that.
#[derive(Debug, Default)]
pub struct SharedSum {
    sum: AtomicUsize,
}

impl SharedSum {
    /// A part was `before` and is `now`: returns the sum with that. The caller that made it highest
    /// is told so.
    pub fn replace(&self, before: usize, now: usize) -> usize {
        let more = now.wrapping_sub(before);
        // Relaxed: the sum guards no other memory, and one location's changes have one order.
        self.sum.fetch_add(more, Ordering::Relaxed).wrapping_add(more)
    }
}

/// How many of something there are, and how many of that in each part.
#[derive(Debug)]
pub struct SharedCounts {
    all: SharedCount,
    parts: Box<[SharedCount]>,
    sessions: SharedSum,
}

/// Bounds of a [`SharedCounts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CountsMax {
    /// Of all.
    pub all: usize,
    /// Of the part that is asked about.
    pub part: usize,
}

/// The limit that has been reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CountsFull {
    /// There are as many as there may be.
    All,
    /// There are as many as there may be in the part.
    Part,
}

impl SharedCounts {
    /// Counters at zero, in this many parts.
    pub fn new(parts: usize) -> Self {
        Self {
            all: SharedCount::default(),
            parts: (0..parts).map(|_| SharedCount::default()).collect(),
            sessions: SharedSum::default(),
        }
    }

    /// Counts one more, in a part.
    ///
    /// # Errors
    /// If there are as many as there may be; then it does not count.
    ///
    /// # Panics
    /// If there is no such part.
    pub fn try_take(&self, part: usize, max: CountsMax) -> Result<(), CountsFull> {
        if !self.parts[part].try_take(max.part) {
            return Err(CountsFull::Part);
        }
        if !self.all.try_take(max.all) {
            self.parts[part].give_back();
            return Err(CountsFull::All);
        }
        Ok(())
    }

    /// Sessions of all shards, including those of disconnected clients.
    pub fn sessions(&self) -> &SharedSum {
        &self.sessions
    }

    /// Counts one less.
    ///
    /// # Panics
    /// If none was taken.
    pub fn give_back(&self, part: usize) {
        self.parts[part].give_back();
        self.all.give_back();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    // A sum is that of its parts, whichever changes, and the caller that makes it highest is told.
    #[test]
    fn sums() {
        let sum = SharedSum::default();
        for (before, now, expected) in [(0, 5, 5), (0, 7, 12), (5, 2, 9), (7, 7, 9), (2, 0, 7)] {
            assert_eq!(sum.replace(before, now), expected);
        }
    }

    // Each bound holds by itself; a refused session is not counted.
    #[test]
    fn parts_and_all() {
        let counts = SharedCounts::new(2);
        let max = CountsMax { all: 3, part: 2 };
        assert_eq!([0, 0, 0, 1].map(|part| counts.try_take(part, max)), {
            [Ok(()), Ok(()), Err(CountsFull::Part), Ok(())]
        });
        assert_eq!(counts.try_take(1, max), Err(CountsFull::All));
        counts.give_back(0);
        assert_eq!(counts.try_take(1, max), Ok(()));
        assert_eq!(counts.try_take(1, max), Err(CountsFull::Part));
    }
}
