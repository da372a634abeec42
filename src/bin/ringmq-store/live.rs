//! The needed part of a log: records with references, each counted once.
//!
//! Invariant: a bit represents 16 bytes of a segment. Every record with a reference is longer, so
//! no two records begin in the same 16 bytes.

use std::collections::BTreeMap;

/// Bytes that one bit represents.
const SLOT_BYTES: u64 = 16;

/// The set of needed records. It takes at most 1/128 of the log's size.
#[derive(Default)]
pub(crate) struct Live {
    /// By start of the segment.
    segments: BTreeMap<u64, Marks>,
}

#[derive(Default)]
struct Marks {
    /// One bit for each 16 bytes.
    words: Vec<u64>,
    bytes: u64,
}

impl Live {
    /// Records a reference to the record `offset` bytes into the segment that starts at `start`.
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

    /// Needed bytes of a segment.
    pub(crate) fn bytes(&self, start: u64) -> u64 {
        self.segments.get(&start).map_or(0, |marks| marks.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record counts once in its segment, however many references it has.
    #[test]
    fn each_record_counts_once() {
        let mut live = Live::default();
        for (start, offset) in [(0, 0), (0, 30), (0, 0), (500, 0), (0, 16 * 64), (0, 30)] {
            live.note(start, offset, 30);
        }
        assert_eq!((live.bytes(0), live.bytes(500), live.bytes(7)), (90, 30, 0));
    }
}
