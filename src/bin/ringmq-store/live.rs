//! What is needed of a log: its records that something refers to, each counted once.
//!
//! Invariant: a bit stands for 16 bytes of a segment, and no record that anything refers to is that
//! short: no two begin in the same.

use std::collections::BTreeMap;

/// Bytes for which one bit stands.
const SLOT_BYTES: u64 = 16;

/// See the module. At most 1/128 of the log's size.
#[derive(Default)]
pub(crate) struct Live {
    /// By start of the segment.
    segments: BTreeMap<u64, Marks>,
}

#[derive(Default)]
struct Marks {
    /// One bit a slot.
    words: Vec<u64>,
    bytes: u64,
}

impl Live {
    /// Notes that something refers to the record `offset` bytes into the segment that starts at
    /// `start`.
    pub(crate) fn note(&mut self, start: u64, offset: u64, bytes: u64) {
        let slot = offset / SLOT_BYTES;
        let word = usize::try_from(slot / 64).expect("segments are mapped");
        let marks = self.segments.entry(start).or_default();
        if word >= marks.words.len() {
            marks.words.resize(word + 1, 0);
        }
        let bit = 1 << (slot % 64);
        if marks.words[word] & bit == 0 {
            marks.words[word] |= bit;
            marks.bytes += bytes;
        }
    }

    /// Bytes of a segment that something refers to.
    pub(crate) fn bytes(&self, start: u64) -> u64 {
        self.segments.get(&start).map_or(0, |marks| marks.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However often something refers to a record, it counts once, in its segment.
    #[test]
    fn each_record_counts_once() {
        let mut live = Live::default();
        for (start, offset) in [(0, 0), (0, 30), (0, 0), (500, 0), (0, 16 * 64), (0, 30)] {
            live.note(start, offset, 30);
        }
        assert_eq!((live.bytes(0), live.bytes(500), live.bytes(7)), (90, 30, 0));
    }
}
