//! The middle of a long queue: messages that are in block records of the log, and where those are.
//!
//! Invariant: a block in the middle is whole: none of its messages was sent or dropped since.

use std::ops::Range;

use super::super::position::Position;
use super::super::record::{BlockRecord, SessionKey};
use super::packed::{Packed, Unpack};
use super::{Entry, QueueLog};

/// Messages of one block that stand in one segment of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    /// The place of a block.
    pub(super) position: Position,
    /// How many there are.
    pub(super) count: u32,
}

/// Messages that are not in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Block {
    /// Where its record stands.
    pub(super) position: Position,
    /// Number of its first message.
    pub(super) first: u64,
    /// Numbers it covers.
    pub(super) count: u32,
    /// The content of its record, as far as known; `None` in a queue that is being rebuilt, if the
    /// record must be read for that.
    pub(super) holds: Option<Holds>,
}

/// The references of a block's messages.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Holds {
    /// Bytes of their records.
    pub(super) bytes: u64,
    /// By segment.
    pub(super) spans: Box<[Span]>,
}

/// A block of which the messages are in memory, and not all done with: recovery may need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Loaded {
    /// Where its record stands.
    pub(super) position: Position,
    /// Number of its first message.
    pub(super) first: u64,
    /// One past the number of its last.
    pub(super) end: u64,
}

impl Block {
    /// One past the number of the last message.
    pub(super) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// As it is while its messages are in memory.
    pub(super) fn loaded(&self) -> Loaded {
        Loaded { position: self.position, first: self.first, end: self.end() }
    }

    /// Its content, for a queue that is not being rebuilt.
    pub(super) fn known(&self) -> &Holds {
        self.holds.as_ref().expect("a block is known once its queue is settled")
    }

    /// Reads its record; `None` if that is damaged, or holds something else.
    pub(super) fn read(&self, log: &impl QueueLog) -> Option<Packed> {
        let record = log.block(self.position)?;
        if (record.first, record.count) != (self.first, self.count) {
            return None;
        }
        Packed::read(record.base, record.count, record.entries)
    }

    /// Appends its messages to those in memory; whether its record was what it was known to be.
    pub(super) fn load(&self, ready: &mut impl Extend<Entry>, log: &impl QueueLog) -> bool {
        let Some(packed) = self.read_known(log) else { return false };
        ready.extend(packed.iter());
        true
    }

    /// Reads its record; `None` also if that is not what it was known to be.
    pub(super) fn read_known(&self, log: &impl QueueLog) -> Option<Packed> {
        // Which segments there are may have changed, if some are lost.
        let is_known = |packed: &Packed| {
            let (holds, known) = (Holds::of(packed.iter(), log), self.known());
            (holds.bytes, holds.stored()) == (known.bytes, known.stored())
        };
        self.read(log).filter(is_known)
    }

    pub(super) fn release(&self, log: &mut impl QueueLog) {
        log.release(self.position, 1);
        self.known().spans.iter().for_each(|span| log.release(span.position, span.count));
    }

    /// Whether it, or a message of it, is in a segment within this range.
    pub(super) fn refers_to(&self, range: &Range<u64>) -> bool {
        let spans = self.known().spans.iter().map(|span| span.position);
        spans.chain([self.position]).any(|position| is_in(position, range))
    }
}

impl Holds {
    /// The references of these messages.
    pub(super) fn of(entries: Unpack<'_>, log: &impl QueueLog) -> Self {
        let mut segments: Vec<u64> = Vec::new();
        let mut spans: Vec<Span> = Vec::new();
        let mut bytes = 0;
        for (position, entry) in entries.filter_map(|entry| Some((entry.position()?, entry))) {
            bytes += u64::from(entry.bytes());
            let segment = log.segment_of(position);
            // They mostly follow each other, so the last segment is the likeliest.
            match segments.iter().rposition(|known| *known == segment) {
                Some(at) => spans[at].count += 1,
                None => {
                    segments.push(segment);
                    spans.push(Span { position, count: 1 });
                }
            }
        }
        Self { bytes, spans: spans.into() }
    }

    pub(super) fn hold(&self, log: &mut impl QueueLog) {
        self.spans.iter().for_each(|span| log.hold(span.position, span.count));
    }

    /// Messages among them that are stored.
    pub(super) fn stored(&self) -> u64 {
        self.spans.iter().map(|span| u64::from(span.count)).sum()
    }
}

/// Appends a block to the log, and holds its record. Its messages are held already.
pub(super) fn append(
    packed: &Packed,
    first: u64,
    session: SessionKey,
    log: &mut impl QueueLog,
) -> Block {
    let (count, base) = (packed.count(), packed.base());
    let record = BlockRecord { session, first, count, base, entries: packed.bytes() };
    let position = log.append_block(&record);
    log.hold(position, 1);
    Block { position, first, count, holds: Some(Holds::of(packed.iter(), log)) }
}

/// Whether it stands in this part of the log on disk.
pub(super) fn is_in(position: Position, range: &Range<u64>) -> bool {
    !position.is_volatile() && range.contains(&position.offset())
}
