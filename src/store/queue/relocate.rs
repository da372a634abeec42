//! Changes a queue when the log moves messages to free their segments.
//!
//! Invariant: afterwards the queue refers to nothing in those segments.

use std::ops::Range;

use super::super::position::Position;
use super::super::record::SessionKey;
use super::blocks::{self, Loaded, is_in};
use super::front::Front;
use super::packed::Packed;
use super::{Entry, Queue, QueueLog};

/// The new positions of the messages of a part of the log.
#[derive(Clone, Copy)]
pub(super) struct Moves<'a> {
    pub(super) range: &'a Range<u64>,
    pub(super) map: &'a dyn Fn(Position) -> Option<Position>,
}

impl Moves<'_> {
    /// The message at its new position; `GONE` if it has none.
    pub(super) fn apply(self, entry: Entry) -> Entry {
        match entry.position().filter(|position| is_in(*position, self.range)) {
            None => entry,
            Some(old) => (self.map)(old).map_or(Entry::GONE, |new| entry.moved_to(new)),
        }
    }
}

impl Queue {
    /// Whether it refers to a segment within these offsets of the log on disk.
    pub fn refers_to(&self, range: &Range<u64>) -> bool {
        let refers = |entry: Entry| entry.position().is_some_and(|at| is_in(at, range));
        let front = self.front.as_ref();
        front.is_some_and(|front| {
            front.loaded.iter().any(|block| is_in(block.position, range))
                || front.middle.iter().any(|block| block.refers_to(range))
                || front.entries().any(refers)
        }) || self.tail().iter().any(refers)
    }

    /// Visits the positions of its messages within these offsets of the log on disk, and whether
    /// each was sent.
    pub fn positions_in(
        &self,
        range: &Range<u64>,
        log: &impl QueueLog,
        visit: &mut impl FnMut(Position, bool),
    ) {
        let sent = self.sent();
        let mut look = |(number, entry): (u64, Entry)| {
            let position = entry.position().filter(|position| is_in(*position, range));
            position.into_iter().for_each(|position| visit(position, number < sent));
        };
        if let Some(front) = &self.front {
            (front.first..).zip(front.flight.iter().copied()).for_each(&mut look);
            (front.ready_first..).zip(front.ready.iter().copied()).for_each(&mut look);
            for block in front.middle.iter().filter(|block| block.refers_to(range)) {
                let Some(packed) = block.read(log) else { continue };
                (block.first..).zip(packed.iter()).for_each(&mut look);
            }
        }
        (self.tail_first()..).zip(self.tail().iter()).for_each(&mut look);
    }

    /// Replaces the position of each message in complete segments of the log on disk, those within
    /// `range`, by that of `map`. If that is `None`, the message is lost. Block records in these
    /// segments, or with references to them, are appended again.
    ///
    /// # Panics
    /// If the queue has acks that are not taken: the log must have them before.
    pub fn relocate(
        &mut self,
        range: &Range<u64>,
        map: &dyn Fn(Position) -> Option<Position>,
        session: SessionKey,
        log: &mut impl QueueLog,
    ) {
        assert!(!self.has_acks(), "what is done with is in the log before");
        if !self.refers_to(range) {
            return;
        }
        let moves = Moves { range, map };
        let mut lost = self.relocate_tail(moves, log);
        if self.front.is_some() {
            lost += self.relocate_front(moves, session, log);
            lost += self.relocate_middle(moves, session, log);
        }
        if lost > 0 {
            let front = self.wake();
            front.lost += lost;
            front.trim();
            self.unload(log);
        }
    }

    fn relocate_tail(&mut self, moves: Moves<'_>, log: &mut impl QueueLog) -> u64 {
        let Some(tail) = self.tail.take() else { return 0 };
        let mut lost = 0;
        let moved = tail.iter().map(|entry| self.relocate_entry(entry, moves, &mut lost, log));
        self.tail = Some(moved.collect());
        lost
    }

    fn relocate_front(
        &mut self,
        moves: Moves<'_>,
        session: SessionKey,
        log: &mut impl QueueLog,
    ) -> u64 {
        let Some(mut front) = self.front.take() else { return 0 };
        let refers = |block: &Loaded| {
            let mut entries = (block.first.max(front.first)..block.end).map(|at| front.get(at));
            is_in(block.position, moves.range) || entries.any(|entry| moves.apply(entry) != entry)
        };
        let old: Vec<bool> = front.loaded.iter().map(refers).collect();
        let mut lost = 0;
        for at in 0..front.flight.len() {
            let entry = front.flight[at];
            let moved = self.relocate_entry(entry, moves, &mut lost, log);
            if moved == Entry::GONE && entry != moved && front.first + (at as u64) < front.next {
                front.unacked -= 1;
            }
            front.flight[at] = moved;
        }
        for entry in &mut front.ready {
            *entry = self.relocate_entry(*entry, moves, &mut lost, log);
        }
        for at in (0..old.len()).filter(|at| old[*at]) {
            let Loaded { position, first, end } = front.loaded[at];
            // A message that is gone or released by now is marked so.
            let packed: Packed = (first..end).map(|number| front.get(number)).collect();
            front.loaded[at].position = blocks::append(&packed, first, session, log).position;
            log.release(position, 1);
        }
        self.front = Some(front);
        lost
    }

    fn relocate_middle(
        &mut self,
        moves: Moves<'_>,
        session: SessionKey,
        log: &mut impl QueueLog,
    ) -> u64 {
        let Some(front) = self.front.as_deref_mut() else { return 0 };
        let mut lost = 0;
        for block in &mut front.middle {
            if !block.refers_to(moves.range) {
                continue;
            }
            let packed = match block.read_known(log) {
                Some(packed) => packed.iter().map(|entry| moves.apply(entry)).collect(),
                None => std::iter::repeat_n(Entry::GONE, block.count as usize).collect::<Packed>(),
            };
            let moved = blocks::append(&packed, block.first, session, log);
            moved.known().hold(log);
            block.release(log);
            lost += block.known().stored() - moved.known().stored();
            self.stored_bytes -= block.known().bytes - moved.known().bytes;
            *block = moved;
        }
        lost
    }

    fn relocate_entry(
        &mut self,
        entry: Entry,
        moves: Moves<'_>,
        lost: &mut u64,
        log: &mut impl QueueLog,
    ) -> Entry {
        let moved = moves.apply(entry);
        if moved == entry {
            return entry;
        }
        match moved.position() {
            Some(position) => {
                log.hold(position, 1);
                if let Some(old) = entry.position() {
                    log.release(old, 1);
                }
            }
            None => {
                *lost += 1;
                self.let_go(entry, log);
            }
        }
        moved
    }

    /// As [`Queue::relocate`] for a queue that is being rebuilt. In the log, the messages of blocks
    /// were moved too.
    pub fn replay_relocate(
        &mut self,
        range: &Range<u64>,
        map: &dyn Fn(Position) -> Option<Position>,
    ) {
        let moves = Moves { range, map };
        if self.tail().iter().all(|entry| moves.apply(entry) == entry) && self.front.is_none() {
            return;
        }
        self.tail = Some(self.tail().iter().map(|entry| moves.apply(entry)).collect());
        if let Some(Front { flight, ready, replay, .. }) = self.front.as_deref_mut() {
            for entry in flight.iter_mut().chain(ready) {
                *entry = moves.apply(*entry);
            }
            if let Some(replay) = replay {
                replay.relocate(moves);
            }
        }
    }
}
