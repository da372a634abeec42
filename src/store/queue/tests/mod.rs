//! The queue against a minimal log, a plain model, and its own past.

mod bytes;
mod harness;
mod model;
mod random;
mod restart;
mod small;
mod transfer;
mod visit;

use std::collections::BTreeMap;
use std::ops::Range;

use super::*;

const SESSION: SessionKey = 7;

const QOS_1: Terms = Terms { retain: false, exactly_once: false };
const QOS_2: Terms = Terms { retain: false, exactly_once: true };

/// Offsets of one segment.
const SEGMENT: u64 = 2_000;

/// A block as it was appended.
struct Appended {
    session: SessionKey,
    first: u64,
    count: u32,
    base: u64,
    entries: Vec<u8>,
}

/// A log that counts references.
struct FakeLog {
    end: u64,
    blocks: BTreeMap<u64, Appended>,
    /// Messages and blocks that need a segment, by its start; a retired segment is absent.
    held: BTreeMap<u64, u64>,
    /// Positions of appended blocks that are not in the log's own account yet.
    appended: Vec<(Position, u64, u32)>,
    tail_bytes_max: usize,
}

impl FakeLog {
    fn new(tail_bytes_max: usize) -> Self {
        let held = BTreeMap::new();
        Self { end: 0, blocks: BTreeMap::new(), held, appended: Vec::new(), tail_bytes_max }
    }

    /// Appends something; returns its position.
    fn append(&mut self, bytes: u32) -> Position {
        let at = self.end;
        self.end += u64::from(bytes);
        self.held.entry(segment(at)).or_default();
        Position::durable(at)
    }

    /// Appends a message.
    fn message(&mut self, bytes: u32, terms: Terms) -> Entry {
        Entry::stored(self.append(bytes), bytes, terms)
    }

    /// The current references, by place.
    fn holds(&self) -> BTreeMap<u64, u64> {
        let some = self.held.iter().filter(|(_, count)| **count > 0);
        some.map(|(segment, count)| (*segment, *count)).collect()
    }

    /// Removes all references: the process was started again.
    fn forget_holds(&mut self) {
        self.held.values_mut().for_each(|count| *count = 0);
    }

    /// Removes unreferenced segments, except the one being written.
    fn retire(&mut self) {
        let last = segment(self.end);
        self.held.retain(|segment, count| *count > 0 || *segment >= last);
        let Self { blocks, held, .. } = self;
        blocks.retain(|at, _| held.contains_key(&segment(*at)));
    }

    /// Makes a segment unreadable.
    fn damage(&mut self, range: &Range<u64>) {
        self.blocks.retain(|at, _| !range.contains(at));
    }
}

impl QueueLog for FakeLog {
    fn hold(&mut self, position: Position, count: u32) {
        let held = self.held.get_mut(&segment(position.offset()));
        *held.expect("a segment that is held is there") += u64::from(count);
    }

    fn release(&mut self, position: Position, count: u32) {
        let held = self.held.get_mut(&segment(position.offset())).expect("it is there");
        *held = held.checked_sub(count.into()).expect("it is held so often");
    }

    fn segment_of(&self, position: Position) -> u64 {
        segment(position.offset())
    }

    fn append_block(&mut self, block: &BlockRecord<'_>) -> Position {
        let BlockRecord { session, first, count, base, entries } = *block;
        let position = self.append(30 + u32::try_from(entries.len()).expect("small"));
        let entries = entries.to_vec();
        let appended = Appended { session, first, count, base, entries };
        self.blocks.insert(position.offset(), appended);
        self.appended.push((position, first, count));
        position
    }

    fn block(&self, position: Position) -> Option<BlockRecord<'_>> {
        let Appended { session, first, count, base, entries } =
            self.blocks.get(&position.offset())?;
        Some(BlockRecord { session: *session, first: *first, count: *count, base: *base, entries })
    }

    fn tail_bytes_max(&self) -> usize {
        self.tail_bytes_max
    }
}

fn segment(offset: u64) -> u64 {
    offset / SEGMENT * SEGMENT
}

/// Every message of a queue that is not gone, by number, and the positions of its blocks.
fn contents(queue: &Queue, log: &FakeLog) -> (BTreeMap<u64, Entry>, Vec<Position>) {
    let mut entries = BTreeMap::new();
    let mut blocks = Vec::new();
    if let Some(front) = &queue.front {
        assert!(front.first <= front.next && front.next <= front.flight_end());
        assert!(front.flight_end() <= front.ready_first && front.ready_end() <= queue.end());
        assert!(front.flight.is_empty() || front.flight[0] != Entry::GONE);
        assert!(!front.flight.is_empty() || front.first == front.ready_first);
        assert!(front.loaded.iter().all(|block| block.end > front.first), "let go of when done");
        entries.extend((front.first..).zip(front.flight.iter().copied()));
        entries.extend((front.ready_first..).zip(front.ready.iter().copied()));
        for block in &front.middle {
            let packed = block.read(log).expect("a block that is held can be read");
            entries.extend((block.first..).zip(packed.iter()));
        }
        blocks.extend(front.loaded.iter().map(|block| block.position));
        blocks.extend(front.middle.iter().map(|block| block.position));
    }
    entries.extend((queue.tail_first()..).zip(queue.tail().iter()));
    entries.retain(|_, entry| *entry != Entry::GONE);
    (entries, blocks)
}
