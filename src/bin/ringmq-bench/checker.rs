//! Loss, duplicates and order of what one subscriber, or the members of one group, receive, in
//! constant time a message.
//!
//! A *stream* is one topic of one publisher, numbered `publisher * topics + topic`; its messages
//! carry consecutive numbers from 0. The standard promises order within a stream and no more
//! [MQTT-4.6.0-6]. Invariant of a flow: the messages below `next` are `next - missing` seen ones
//! and `missing` gaps. Owned by its thread, read by the report when the run is over.

use std::ops::Range;

/// How far back a late message can be distinguished from a duplicate, in messages of its stream.
const MEMORY: u32 = 512;
const WORDS: usize = MEMORY as usize / 64;

/// What one subscriber or group has received of the streams that its filter matches.
#[derive(Debug)]
pub(crate) struct Checker {
    first_stream: u32,
    flows: Vec<Flow>,
    duplicates: u64,
    late: u64,
}

/// Faults of delivery, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Findings {
    /// Not received although a later message of the same stream was received.
    pub(crate) gaps: u64,
    /// Not received, nor any later message of the same stream: it was dropped, or was still on its
    /// way when the drain ended.
    pub(crate) tail: u64,
    /// Received more than once.
    pub(crate) duplicates: u64,
    /// Received after a later message of the same stream.
    pub(crate) late: u64,
}

/// A numbered message of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The stream.
    pub(crate) stream: u32,
    /// Its number in the stream, modulo 2^32.
    pub(crate) sequence: u32,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    matched: bool,
    next: u32,
    missing: u32,
    /// Bit `s % MEMORY` tells whether `s` was seen, for `next - MEMORY <= s < next`.
    seen: [u64; WORDS],
}

impl Checker {
    /// A checker for the streams in `range` whose topics match the filter, as `matched` says.
    pub(crate) fn new(range: Range<u32>, matched: impl Fn(u32) -> bool) -> Checker {
        let first_stream = range.start;
        // Messages before the first received one count as seen.
        let flow =
            |stream| Flow { matched: matched(stream), next: 0, missing: 0, seen: [!0; WORDS] };
        Checker { first_stream, flows: range.map(flow).collect(), duplicates: 0, late: 0 }
    }

    /// Records one received message; `false` if its stream is not of this run.
    #[inline]
    pub(crate) fn note(&mut self, place: Place) -> bool {
        let index = place.stream.wrapping_sub(self.first_stream) as usize;
        let Some(flow) = self.flows.get_mut(index) else {
            return false;
        };
        if place.sequence == flow.next {
            flow.mark(place.sequence);
            flow.next = flow.next.wrapping_add(1);
            return true;
        }
        match flow.note_unexpected(place.sequence) {
            Verdict::Gap => {}
            Verdict::Late => self.late += 1,
            Verdict::Duplicate => self.duplicates += 1,
        }
        true
    }

    /// Messages that came more than once so far.
    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Streams that this subscriber should receive.
    pub(crate) fn matched_streams(&self) -> impl Iterator<Item = u32> {
        let streams = (self.first_stream..).zip(&self.flows);
        streams.filter(|(_, flow)| flow.matched).map(|(stream, _)| stream)
    }

    /// The faults, given the final number of messages of each stream.
    pub(crate) fn findings(&self, sent: impl Fn(u32) -> u64) -> Findings {
        let mut findings =
            Findings { duplicates: self.duplicates, late: self.late, ..Findings::default() };
        for (stream, flow) in (self.first_stream..).zip(&self.flows) {
            findings.gaps += u64::from(flow.missing);
            // Sequence numbers are modulo 2^32, so the number of missing messages at the end is a
            // difference modulo 2^32 as well. It is negative if a message was received before the
            // socket had accepted all of it.
            let low = u32::try_from(sent(stream) & u64::from(u32::MAX)).expect("masked");
            let tail = low.wrapping_sub(flow.next) as i32;
            if flow.matched {
                findings.tail += u64::try_from(tail).unwrap_or(0);
            }
        }
        findings
    }
}

impl std::ops::AddAssign for Findings {
    fn add_assign(&mut self, other: Findings) {
        self.gaps += other.gaps;
        self.tail += other.tail;
        self.duplicates += other.duplicates;
        self.late += other.late;
    }
}

enum Verdict {
    Gap,
    Late,
    Duplicate,
}

impl Flow {
    #[cold]
    fn note_unexpected(&mut self, sequence: u32) -> Verdict {
        let ahead = sequence.wrapping_sub(self.next);
        if ahead as i32 > 0 {
            for back in 0..ahead.min(MEMORY) {
                self.clear(sequence.wrapping_sub(back + 1));
            }
            self.mark(sequence);
            self.missing += ahead;
            self.next = sequence.wrapping_add(1);
            return Verdict::Gap;
        }
        let behind = self.next.wrapping_sub(sequence);
        // Older than the memory: it counts as filling a gap while there is one.
        let seen = if behind > MEMORY { self.missing == 0 } else { self.is_marked(sequence) };
        if seen {
            return Verdict::Duplicate;
        }
        if behind <= MEMORY {
            self.mark(sequence);
        }
        self.missing = self.missing.saturating_sub(1);
        Verdict::Late
    }

    #[inline]
    fn mark(&mut self, sequence: u32) {
        self.seen[(sequence % MEMORY / 64) as usize] |= 1 << (sequence % 64);
    }

    fn clear(&mut self, sequence: u32) {
        self.seen[(sequence % MEMORY / 64) as usize] &= !(1 << (sequence % 64));
    }

    fn is_marked(&self, sequence: u32) -> bool {
        self.seen[(sequence % MEMORY / 64) as usize] >> (sequence % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings_of(sequences: impl IntoIterator<Item = u32>, sent: u64) -> Findings {
        let mut checker = Checker::new(5..6, |_| true);
        for sequence in sequences {
            assert!(checker.note(Place { stream: 5, sequence }));
        }
        checker.findings(|_| sent)
    }

    /// Each fault is counted once, as its kind.
    #[test]
    fn disorder_is_named() {
        let none = Findings::default();
        for (sequences, sent, expected) in [
            (&[][..], 0, none),
            (&[0, 1, 2], 3, none),
            (&[], 3, Findings { tail: 3, ..none }),
            (&[0, 1], 3, Findings { tail: 1, ..none }),
            (&[0, 2], 3, Findings { gaps: 1, ..none }),
            (&[2], 3, Findings { gaps: 2, ..none }),
            (&[0, 2, 1], 3, Findings { late: 1, ..none }),
            (&[0, 0, 1], 2, Findings { duplicates: 1, ..none }),
            (&[0, 2, 1, 1, 2], 3, Findings { late: 1, duplicates: 2, ..none }),
            (&[0, 1, 2], 2, none),
            (&[3, 0, 3], 5, Findings { gaps: 2, tail: 1, late: 1, duplicates: 1 }),
        ] {
            assert_eq!(findings_of(sequences.iter().copied(), sent), expected, "{sequences:?}");
        }
    }

    /// The memory's edge: a late message is known as such up to MEMORY back.
    #[test]
    fn memory_has_an_edge() {
        for back in [MEMORY - 1, MEMORY, MEMORY + 1, 2 * MEMORY] {
            let none = Findings::default();
            // All but number 1, up to `back` above it; then 1 itself, twice.
            let most = [0].into_iter().chain(2..=back);
            let found = findings_of(most.clone().chain([1]), u64::from(back) + 1);
            assert_eq!(found, Findings { late: 1, ..none }, "{back}");
            let found = findings_of(most.chain([1, 1]), u64::from(back) + 1);
            assert_eq!(found, Findings { late: 1, duplicates: 1, ..none }, "{back}");
        }
    }

    /// A gap longer than the memory forgets every older mark.
    #[test]
    fn long_gap_clears_the_memory() {
        let gap = 3 * MEMORY;
        let found = findings_of([0, gap, gap - 1, gap - MEMORY + 1], u64::from(gap) + 1);
        let gaps = u64::from(gap) - 3;
        assert_eq!(found, Findings { gaps, late: 2, ..Findings::default() });
    }

    /// Streams of other runs are recognised, and streams outside the filter count no loss.
    #[test]
    fn streams_are_bounded() {
        let mut checker = Checker::new(10..12, |stream| stream == 11);
        for (stream, known) in [(9, false), (10, true), (11, true), (12, false)] {
            assert_eq!(checker.note(Place { stream, sequence: 0 }), known, "{stream}");
        }
        assert_eq!(checker.matched_streams().collect::<Vec<_>>(), [11]);
        assert_eq!(checker.findings(|_| 4), Findings { tail: 3, ..Findings::default() });
    }

    /// Numbers wrap at 2^32 without a gap.
    #[test]
    fn sequences_wrap() {
        let mut checker = Checker::new(0..1, |_| true);
        checker.flows[0].next = u32::MAX;
        for sequence in [u32::MAX, 0, 2, 1] {
            checker.note(Place { stream: 0, sequence });
        }
        let found = checker.findings(|_| (1 << 32) + 3);
        assert_eq!(found, Findings { late: 1, ..Findings::default() });
    }
}
