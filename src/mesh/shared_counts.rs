//! Counts that all shards share, for common bounds.

use super::sync::{AtomicUsize, Ordering};

/// A count. It changes when clients connect and disconnect, never per message.
#[derive(Debug, Default)]
pub struct SharedCount {
    count: AtomicUsize,
}

impl SharedCount {
    /// Counts one more, unless the count is `max`; returns whether it did.
    pub fn try_take(&self, max: usize) -> bool {
        // Relaxed: the count guards no other memory, and the changes of one location have one
        // order.
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

/// The sum of a part of each shard. It changes at the end of a turn that has changed a part.
#[derive(Debug, Default)]
pub struct SharedSum {
    sum: AtomicUsize,
}

impl SharedSum {
    /// Replaces the part `before` by `now`; returns the new sum. So the caller that makes the sum
    /// highest learns that.
    pub fn replace(&self, before: usize, now: usize) -> usize {
        let more = now.wrapping_sub(before);
        // Relaxed: the sum guards no other memory, and the changes of one location have one order.
        self.sum.fetch_add(more, Ordering::Relaxed).wrapping_add(more)
    }
}

/// A count of all, and a count of each part.
#[derive(Debug)]
pub struct SharedCounts {
    all: SharedCount,
    parts: Box<[SharedCount]>,
    sessions: SharedSum,
}

/// Bounds of a [`SharedCounts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CountsMax {
    /// The most of all.
    pub all: usize,
    /// The most of the part in question.
    pub part: usize,
}

/// The limit that has been reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CountsFull {
    /// The bound of all.
    All,
    /// The bound of the part.
    Part,
}

impl SharedCounts {
    /// Counters at zero, with this many parts.
    pub fn new(parts: usize) -> Self {
        Self {
            all: SharedCount::default(),
            parts: (0..parts).map(|_| SharedCount::default()).collect(),
            sessions: SharedSum::default(),
        }
    }

    /// Counts one more in a part.
    ///
    /// # Errors
    /// If a bound is reached; then nothing is counted.
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

    // A sum is that of its parts, whichever changes; the caller that makes it highest learns that.
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
