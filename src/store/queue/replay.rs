//! Rebuilds a queue from its state and from the records of the log after that state.
//! Records may refer to messages that are gone, because a later record makes them obsolete. So no
//! message is read or held until [`Queue::settle`].
//!
//! During the rebuild, a queue looks as if its client had been away: its messages are in the tail
//! and in blocks. If the live queue moved messages to its front before a block was written, they
//! are kept as a *chunk* between the blocks. All messages before a chunk were in memory at one time
//! in the live queue, so settling may load them.
//!
//! Invariant: the front, then blocks and chunks by number, then the tail follow each other. They
//! have every message that is not gone, and may have others. `gone` and `released` are at or above
//! `first`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use super::super::position::Position;
use super::acks::Notes;
use super::blocks::{Block, Holds, Span};
use super::front::{Front, IDENTIFIERS};
use super::packed::Packed;
use super::relocate::Moves;
use super::{Entry, Queue, QueueLog};

/// See the file.
#[derive(Default, Debug)]
pub(super) struct Replay {
    chunks: VecDeque<Chunk>,
    /// The ends of runs of messages that are gone, by their starts.
    gone: BTreeMap<u64, u64>,
    released: BTreeSet<u64>,
}

/// Messages that precede a block and are in none.
#[derive(Debug)]
struct Chunk {
    first: u64,
    packed: Packed,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.first + u64::from(self.packed.count())
    }
}

impl Queue {
    /// Handles a pushed message.
    pub fn replay_push(&mut self, entry: Entry) {
        self.tail_mut().push(entry);
        self.end += 1;
    }

    /// Handles a lost message, so that no other gets its number.
    pub fn replay_lost(&mut self) {
        self.tail_mut().push(Entry::GONE);
        self.end += 1;
    }

    /// Handles a block that was appended, perhaps again, at this position.
    pub fn replay_block(
        &mut self,
        position: Position,
        first: u64,
        count: u32,
        log: &impl QueueLog,
    ) {
        let mut block = Block { position, first, count, holds: None };
        if block.end() <= self.first() {
            return;
        }
        let tail_first = self.tail_first();
        let front = self.wake();
        if let Some(known) = front.middle.iter_mut().find(|known| known.first == first) {
            known.position = position;
            known.holds = None;
            return;
        }
        if first < tail_first {
            // Its messages are in memory or complete.
            return;
        }
        self.cut_chunk(first - tail_first);
        let packed = self.tail_mut().split_front(count);
        let holds = Holds::of(packed.iter(), log);
        if holds.stored() == u64::from(count) {
            block.holds = Some(holds);
        } else {
            // Messages of it are in a damaged segment; its record has them.
            self.end = self.end.max(block.end());
        }
        self.wake().middle.push_back(block);
    }

    /// Notes that the record of the block with this first message may differ from the pushed
    /// messages, so that it is read.
    pub fn replay_doubt(&mut self, first: u64) {
        let last = self.front.as_deref_mut().and_then(|front| front.middle.back_mut());
        if let Some(block) = last.filter(|block| block.first == first) {
            block.holds = None;
        }
    }

    /// Handles acks: messages below `first`, and those in `gone`, are complete; others are
    /// released.
    pub fn replay_acks(&mut self, first: u64, gone: &[u64], released: &[u64]) {
        if first >= self.end {
            self.end = first;
            if let Some(tail) = &mut self.tail {
                tail.clear();
            }
        }
        while !self.tail().is_empty() && self.tail_first() < first {
            self.tail_mut().pop_front();
        }
        if let Some(front) = self.front.as_deref_mut() {
            front.replay_first(first);
        }
        if !gone.is_empty() || !released.is_empty() {
            let replay = self.replay();
            gone.iter().for_each(|number| replay.add_gone(*number));
            replay.released.extend(released);
            replay.forget(first);
        }
        self.rest();
    }

    /// Handles that messages below this number were sent.
    pub fn replay_sent(&mut self, sent: u64) {
        if sent > self.first() {
            let front = self.wake();
            front.sent = front.sent.max(sent);
        }
    }

    /// Ends the rebuild: reads what is needed, and holds the records of the queue. The queue is as
    /// the live one was at its last record, with its client away.
    pub fn settle(&mut self, log: &mut impl QueueLog) {
        self.stored_bytes = 0;
        if let Some(mut front) = self.front.take() {
            let replay = front.replay.take().map_or_else(Replay::default, |replay| *replay);
            let first = front.first;
            // All messages before one that was answered or dropped were sent.
            let told = replay.told_end();
            let sent = front.sent.max(told).min(self.end);
            let told = told.max(sent.min(first + IDENTIFIERS));
            let mut new = Front::new(first, false);
            new.sent = sent;
            let mut settling = Settling { front: new, bytes: 0, told, first, replay };
            settling.take_memory(&front, log);
            settling.take_middle(std::mem::take(&mut front.middle), log);
            while self.tail_first() < settling.replay.told_end() {
                let number = self.tail_first();
                let Some(entry) = self.tail_mut().pop_front() else { break };
                settling.add(number, entry, log);
            }
            self.stored_bytes = settling.bytes;
            self.front = Some(Box::new(settling.end(self.tail_first(), self.tail().is_empty())));
        }
        for entry in self.tail.iter().flat_map(Packed::iter) {
            self.stored_bytes += hold(entry, log);
        }
        self.unload(log);
        self.rest();
    }

    fn replay(&mut self) -> &mut Replay {
        self.wake().replay.get_or_insert_default()
    }

    /// Moves the first messages of the tail into a chunk.
    fn cut_chunk(&mut self, count: u64) {
        let first = self.tail_first();
        let packed = self.tail_mut().split_front(u32::try_from(count).unwrap_or(u32::MAX));
        if !packed.is_empty() {
            self.replay().chunks.push_back(Chunk { first, packed });
        }
    }
}

impl Front {
    /// Completes every message below `first`.
    fn replay_first(&mut self, first: u64) {
        while self.first < first && self.flight.pop_front().is_some() {
            self.first += 1;
        }
        while self.ready_first < first && self.ready.pop_front().is_some() {
            self.ready_first += 1;
        }
        self.first = self.first.max(first);
        self.ready_first = self.ready_first.max(self.flight_end());
        self.next = self.first;
        self.notes = Notes::new(self.first, false);
        while self.middle.pop_front_if(|block| block.end() <= first).is_some() {}
        if let Some(replay) = &mut self.replay {
            replay.forget(first);
            if replay.is_empty() {
                self.replay = None;
            }
        }
    }
}

impl Replay {
    pub(super) fn relocate(&mut self, moves: Moves<'_>) {
        for chunk in &mut self.chunks {
            chunk.packed = chunk.packed.iter().map(|entry| moves.apply(entry)).collect();
        }
    }

    fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.gone.is_empty() && self.released.is_empty()
    }

    fn add_gone(&mut self, number: u64) {
        if self.is_gone(&(number..number + 1)) {
            return;
        }
        let end = self.gone.remove(&(number + 1)).unwrap_or(number + 1);
        match self.gone.range_mut(..number).next_back() {
            Some((_, before)) if *before == number => *before = end,
            _ => drop(self.gone.insert(number, end)),
        }
    }

    /// Forgets messages below `first`.
    fn forget(&mut self, first: u64) {
        while self.chunks.pop_front_if(|chunk| chunk.end() <= first).is_some() {}
        while self.gone.first_entry().is_some_and(|run| *run.get() <= first) {
            self.gone.pop_first();
        }
        while self.released.first().is_some_and(|number| *number < first) {
            self.released.pop_first();
        }
    }

    /// Whether all of these messages are gone.
    fn is_gone(&self, numbers: &Range<u64>) -> bool {
        let run = self.gone.range(..=numbers.start).next_back();
        run.is_some_and(|(_, end)| *end >= numbers.end)
    }

    /// The state of a message after the records.
    fn judge(&self, number: u64, entry: Entry) -> Entry {
        if self.is_gone(&(number..number + 1)) {
            Entry::GONE
        } else if self.released.contains(&number) {
            Entry::RELEASED
        } else {
            entry
        }
    }

    /// The number after the last message that a record names.
    fn told_end(&self) -> u64 {
        let gone = self.gone.last_key_value().map_or(0, |(_, end)| *end);
        gone.max(self.released.last().map_or(0, |number| number + 1))
    }
}

/// A front that is being rebuilt.
struct Settling {
    front: Front,
    /// The size of the held records.
    bytes: u64,
    /// The number below which messages were sent.
    told: u64,
    first: u64,
    replay: Replay,
}

impl Settling {
    fn take_memory(&mut self, old: &Front, log: &mut impl QueueLog) {
        let flight = (old.first..).zip(&old.flight);
        let ready = (old.ready_first..).zip(&old.ready);
        flight.chain(ready).for_each(|(number, entry)| self.add(number, *entry, log));
    }

    /// Loads the blocks and chunks that the live queue had in memory.
    fn take_middle(&mut self, blocks: VecDeque<Block>, log: &mut impl QueueLog) {
        let chunk_end = self.replay.chunks.back().map_or(0, Chunk::end);
        let load_end = self.replay.told_end().max(chunk_end).max(self.first);
        for block in blocks {
            let before = |chunk: &mut Chunk| chunk.first < block.first;
            while let Some(chunk) = self.replay.chunks.pop_front_if(before) {
                self.add_all(chunk.first, &chunk.packed, log);
            }
            if self.replay.is_gone(&(block.first.max(self.first)..block.end())) {
                continue;
            }
            if block.first < load_end {
                self.load(&block, log);
            } else {
                self.keep(block, log);
            }
        }
        while let Some(chunk) = self.replay.chunks.pop_front() {
            self.add_all(chunk.first, &chunk.packed, log);
        }
    }

    fn load(&mut self, block: &Block, log: &mut impl QueueLog) {
        match block.read(log) {
            Some(packed) => {
                log.hold(block.position, 1);
                self.front.loaded.push_back(block.loaded());
                self.add_all(block.first, &packed, log);
            }
            None => {
                let numbers = block.first.max(self.first)..block.end();
                let lost = numbers.filter(|at| !self.replay.is_gone(&(*at..at + 1))).count();
                self.lose(block, lost as u64, log);
            }
        }
    }

    fn keep(&mut self, mut block: Block, log: &mut impl QueueLog) {
        // A lost segment may be known as two, of which one exists.
        let is_lost = |span: &Span| log.segment_of(span.position) == span.position.offset();
        let spans = block.holds.iter().flat_map(|holds| &holds.spans);
        if block.holds.is_none() || spans.into_iter().any(is_lost) {
            block.holds = block.read(log).map(|packed| Holds::of(packed.iter(), log));
        }
        match &block.holds {
            Some(holds) => {
                log.hold(block.position, 1);
                holds.hold(log);
                self.bytes += holds.bytes;
                self.front.middle.push_back(block);
            }
            None => self.lose(&block, block.count.into(), log),
        }
    }

    fn lose(&mut self, block: &Block, count: u64, log: &mut impl QueueLog) {
        self.front.lost += count;
        log.lost_block(block.position, count);
    }

    fn add_all(&mut self, first: u64, packed: &Packed, log: &mut impl QueueLog) {
        (first..).zip(packed.iter()).for_each(|(number, entry)| self.add(number, entry, log));
    }

    /// Adds the next message in memory.
    fn add(&mut self, number: u64, entry: Entry, log: &mut impl QueueLog) {
        let entry = self.replay.judge(number, entry);
        if number < self.first || entry == Entry::GONE {
            return;
        }
        self.bytes += hold(entry, log);
        let front = &mut self.front;
        if number < self.told {
            front.enter(number, entry);
            return;
        }
        if front.ready.is_empty() {
            front.ready_first = number;
        }
        while front.ready_end() < number {
            front.ready.push_back(Entry::GONE);
        }
        front.ready.push_back(entry);
    }

    /// Returns the front, before a tail that begins at this number; the queue ends there if the
    /// tail is empty.
    fn end(self, tail_first: u64, tail_empty: bool) -> Front {
        let Self { mut front, .. } = self;
        if front.ready.is_empty() {
            front.ready_first = front.middle.front().map_or(tail_first, |block| block.first);
        } else if front.middle.is_empty() && tail_empty {
            // The next message must follow without a gap.
            while front.ready_end() < tail_first {
                front.ready.push_back(Entry::GONE);
            }
        }
        front.trim();
        front.next = front.first;
        front.notes = Notes::new(front.first, false);
        front
    }
}

/// Holds the record of a message; returns its size.
fn hold(entry: Entry, log: &mut impl QueueLog) -> u64 {
    if let Some(position) = entry.position() {
        log.hold(position, 1);
    }
    entry.bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // In any order of removal, neighbours that are gone form one run.
    #[test]
    fn runs_grow_together() {
        let orders: [[u64; 5]; 4] =
            [[3, 4, 5, 6, 7], [7, 6, 5, 4, 3], [3, 5, 7, 4, 6], [5, 5, 3, 3, 4]];
        for order in orders {
            let mut replay = Replay::default();
            order.iter().for_each(|number| replay.add_gone(*number));
            let end = order.iter().max().expect("five") + 1;
            assert_eq!(replay.gone, BTreeMap::from([(3, end)]), "{order:?}");
            assert!(replay.is_gone(&(3..end)) && replay.is_gone(&(4..5)));
            assert!(!replay.is_gone(&(2..5)) && !replay.is_gone(&(4..end + 1)));
            assert_eq!(replay.told_end(), end);
            replay.forget(end - 1);
            assert!(!replay.is_empty());
            replay.forget(end);
            assert!(replay.is_empty());
        }
    }
}
