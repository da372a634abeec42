//! The middle of a long queue: messages in block records of the log, and the positions of these.
//!
//! Invariant: a block in the middle is complete: none of its messages was sent or dropped since.

use std::ops::Range;

use super::super::position::Position;
use super::super::record::{BlockRecord, SessionKey};
use super::packed::{Packed, Unpack};
use super::{Entry, QueueLog};

/// Messages of one block whose records are in one segment of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    /// The position of one of them.
    pub(super) position: Position,
    /// Their number.
    pub(super) count: u32,
}

/// Messages that are not in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Block {
    /// The position of its record.
    pub(super) position: Position,
    /// The number of its first message.
    pub(super) first: u64,
    /// The count of its messages.
    pub(super) count: u32,
    /// The content of its record, as far as known; `None` in a queue that is being rebuilt, if the
    /// record must be read.
    pub(super) holds: Option<Holds>,
}

/// The references of a block's messages.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Holds {
    /// The size of their records in bytes.
    pub(super) bytes: u64,
    /// By segment.
    pub(super) spans: Box<[Span]>,
}

/// A block whose messages are in memory and not all complete: recovery may need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Loaded {
    /// The position of its record.
    pub(super) position: Position,
    /// The number of its first message.
    pub(super) first: u64,
    /// The number after its last message.
    pub(super) end: u64,
}

impl Block {
    /// The number after its last message.
    pub(super) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// The block while its messages are in memory.
    pub(super) fn loaded(&self) -> Loaded {
        Loaded { position: self.position, first: self.first, end: self.end() }
    }

    /// Its content, for a queue that is not being rebuilt.
    pub(super) fn known(&self) -> &Holds {
        self.holds.as_ref().expect("a block is known once its queue is settled")
    }

    /// Reads its record; `None` if it is damaged or another one.
    pub(super) fn read(&self, log: &impl QueueLog) -> Option<Packed> {
        let record = log.block(self.position)?;
        if (record.first, record.count) != (self.first, self.count) {
            return None;
        }
        Packed::read(record.base, record.count, record.entries)
    }

    /// Appends its messages to those in memory; returns whether its record has the known content.
    pub(super) fn load(&self, ready: &mut impl Extend<Entry>, log: &impl QueueLog) -> bool {
        let Some(packed) = self.read_known(log) else { return false };
        ready.extend(packed.iter());
        true
    }

    /// Reads its record; `None` also if its content is not the known one.
    pub(super) fn read_known(&self, log: &impl QueueLog) -> Option<Packed> {
        // The segments of the messages may have changed, if some are lost.
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

    /// Whether its record, or one of its messages, is in a segment within this range.
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
            // Positions mostly ascend, so the last segment is the most likely.
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

    /// The number of stored messages among them.
    pub(super) fn stored(&self) -> u64 {
        self.spans.iter().map(|span| u64::from(span.count)).sum()
    }
}

/// Appends a block to the log and holds its record. Its messages are held already.
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

/// Whether a position is in this part of the log on disk.
pub(super) fn is_in(position: Position, range: &Range<u64>) -> bool {
    !position.is_volatile() && range.contains(&position.offset())
}
