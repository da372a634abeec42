//! How long the next segment file is to be. Owned by the log's files.
//!
//! ```text
//!  written, in first lengths    0     1/2       2        8
//!  length of the next file        1    │   4    │   16   │   64 …   up to the most
//! ```
//! Files grow with what is written, so that an empty directory takes little and a busy one has few
//! files. Invariant: `first <= ceiling <= most`. The ceiling is lowered where the disk has no room
//! for more; each length but the last is the one before times [`SEGMENT_GROWTH`].

use crate::limits::SEGMENT_GROWTH;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    first: u64,
    most: u64,
    ceiling: u64,
}

impl Lengths {
    pub(super) fn new(first: u64, most: u64) -> Self {
        let first = first.min(most);
        Self { first, most, ceiling: most }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// The length of files that have no record yet, for a log of so many bytes.
    pub(super) fn usual(&self, written: u64) -> u64 {
        self.grow(self.ceiling, |length| length <= written.saturating_mul(2))
    }

    /// The length of a file that is to have so many bytes at least. A segment beyond the ceiling
    /// gets the length it needs, and no more.
    pub(super) fn at_least(&self, bytes: u64) -> u64 {
        self.grow(self.ceiling, |length| length < bytes).max(bytes)
    }

    /// The length of a file for this many bytes, if one is allowed, whatever room there is.
    pub(super) fn enough_for(&self, bytes: u64) -> u64 {
        self.grow(self.most, |length| length < bytes)
    }

    /// There is no room for a file of this length.
    pub(super) fn lower(&mut self, refused: u64) {
        let mut below = self.first;
        while below.saturating_mul(SEGMENT_GROWTH) < refused {
            below *= SEGMENT_GROWTH;
        }
        self.ceiling = self.ceiling.min(below);
    }

    /// There may be room again.
    pub(super) fn lift(&mut self) {
        self.ceiling = self.most;
    }

    fn grow(&self, end: u64, is_short: impl Fn(u64) -> bool) -> u64 {
        let mut length = self.first;
        while length < end && is_short(length) {
            length = length.saturating_mul(SEGMENT_GROWTH).min(end);
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What was written decides, up to the most; where that is no power, it is the last length.
    #[test]
    fn growth() {
        for (first, most, written, usual) in [
            (1, 64, 0, 1),
            (2, 128, 0, 2),
            (2, 128, 1, 8),
            (2, 128, 3, 8),
            (2, 128, 4, 32),
            (2, 128, 15, 32),
            (2, 128, 16, 128),
            (2, 128, u64::MAX, 128),
            (2, 48, 16, 48),
            (2, 2, 1000, 2),
            (4, 2, 1000, 2),
        ] {
            let lengths = Lengths::new(first, most);
            assert_eq!(lengths.usual(written), usual, "{first} to {most}, {written} written");
        }
    }

    // A file has room for what it is made for, with and without room on the disk.
    #[test]
    fn large_records() {
        let mut lengths = Lengths::new(2, 48);
        for (bytes, length) in [(1, 2), (2, 2), (3, 8), (32, 32), (33, 48), (48, 48), (49, 49)] {
            assert_eq!(lengths.at_least(bytes), length, "{bytes}");
        }
        lengths.lower(32);
        for (bytes, length) in [(1, 2), (3, 8), (8, 8), (9, 9), (32, 32), (49, 49)] {
            assert_eq!(lengths.at_least(bytes), length, "{bytes}");
        }
        for (bytes, length) in [(0, 2), (3, 8), (9, 32), (33, 48), (49, 48)] {
            assert_eq!(lengths.enough_for(bytes), length, "{bytes}");
        }
    }

    // A length that was refused is not requested again, down to the first length; then the rule
    // above applies again.
    #[test]
    fn refusals() {
        let mut lengths = Lengths::new(2, 48);
        for (refused, usual) in [(48, 32), (32, 8), (48, 8), (8, 2), (2, 2)] {
            lengths.lower(refused);
            assert_eq!(lengths.usual(1000), usual, "{refused} refused");
        }
        lengths.lift();
        assert_eq!(lengths.usual(1000), 48);
    }
}
