//! The length of the next segment file. Owned by the log's files.
//!
//! ```text
//!  written, in first lengths    0     1/2       2        8
//!  length of the next file        1    │   4    │   16   │   64 …   up to the most
//! ```
//! The files grow with the log, so that an empty directory is small and a busy one has few files.
//! Invariant: `first <= ceiling <= most`. The ceiling is lowered if the disk has no room for more.
//! Each length but the last is the previous one times [`SEGMENT_GROWTH`].

use crate::limits::SEGMENT_GROWTH;

/// See the file.
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

    /// The length of files without records, for a log of `written` bytes.
    pub(super) fn usual(&self, written: u64) -> u64 {
        self.grow(self.ceiling, |length| length <= written.saturating_mul(2))
    }

    /// The length of a file for at least `bytes`. A segment beyond the ceiling gets the length it
    /// needs, and no more.
    pub(super) fn at_least(&self, bytes: u64) -> u64 {
        self.grow(self.ceiling, |length| length < bytes).max(bytes)
    }

    /// The length of a file for `bytes` up to the greatest length, whatever the ceiling.
    pub(super) fn enough_for(&self, bytes: u64) -> u64 {
        self.grow(self.most, |length| length < bytes)
    }

    /// Notes that the disk has no room for a file of this length.
    pub(super) fn lower(&mut self, refused: u64) {
        let mut below = self.first;
        while below.saturating_mul(SEGMENT_GROWTH) < refused {
            below *= SEGMENT_GROWTH;
        }
        self.ceiling = self.ceiling.min(below);
    }

    /// Notes that there may be room again.
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

    // The length grows with what was written, up to the greatest length, also if that is not a
    // power of the growth.
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

    // A file is long enough for its record, with or without room on the disk.
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

    // A refused length is not requested again, except for the first length, until the ceiling is
    // lifted.
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
