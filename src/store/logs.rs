//! The two logs of one shard: the log on disk, and the log in memory for messages that wait in
//! clean sessions. Tracks how far the promises about the log on disk are kept.
//!
//! A promise that a message is safe is kept when its record is committed, or when it is not needed
//! any more because every session for which it was stored has acknowledged it. So a message that is
//! consumed at once is acknowledged at once, without waiting for the disk. Invariant: `committed <=
//! settled <= appended`, and every turn before `settled` is committed, or has appended only
//! messages without references.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::limits::QUEUE_TAIL_BYTES_MAX;

use super::lifetime::Lifetime;
use super::log::Log;
use super::messages::MessageLog;
use super::own_identifiers::OwnIdentifiers;
use super::position::Position;
use super::queue::QueueLog;
use super::record::{BlockRecord, Record};
use super::timeline::Timeline;

/// A message that was read from a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredMessage<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
    /// The QoS of its publication, 0 to 2.
    pub qos: u8,
    /// The properties for receivers: see [`super::NewMessage::properties`].
    pub properties: &'a [u8],
    /// The time of its arrival on the time line, in milliseconds; 0 if it is in memory and does not
    /// expire.
    pub time_ms: u64,
    /// The identifiers of one session's copy: see [`super::NewMessage::own`].
    pub own: Option<OwnIdentifiers<'a>>,
}

impl StoredMessage<'_> {
    /// Its remaining lifetime at the time `now_ms` of the time line.
    #[inline]
    pub fn lifetime(&self, timeline: &Timeline, now_ms: u64) -> Lifetime {
        Lifetime::of(self.properties, self.time_ms, timeline, now_ms)
    }
}

/// The records that one turn of the owner appended.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// The offset after its last byte.
    end: u64,
    /// References to its messages.
    held: u64,
    /// Whether it has another record whose commit is promised.
    must_commit: bool,
}

/// Messages of one turn and one segment on disk that are released together.
#[derive(Default)]
struct Near {
    /// Their positions as [`Position::bits`].
    range: Range<u64>,
    count: u32,
}

/// See the file.
pub struct Logs {
    /// The durable log: records that recovery must find.
    pub disk: Log,
    /// The volatile log: records that may be lost with the process.
    pub memory: MessageLog,
    /// The greatest size of the packed end of a durable queue, in bytes.
    pub tail_bytes_max: usize,
    /// Ended turns that are not settled, in order.
    turns: VecDeque<Turn>,
    current: Turn,
    /// The offset at which the current turn begins.
    begun: u64,
    settled: u64,
    /// The number of references to positions in no segment, by the end of the segment before.
    missed: BTreeMap<u64, u64>,
    /// The number of messages in blocks that are in no segment, likewise.
    missed_blocks: BTreeMap<u64, u64>,
}

impl Logs {
    pub(super) fn new(disk: Log) -> Self {
        let begun = disk.appended();
        let current = Turn { end: begun, held: 0, must_commit: false };
        let memory = MessageLog::default();
        Self {
            disk,
            memory,
            tail_bytes_max: QUEUE_TAIL_BYTES_MAX,
            turns: VecDeque::new(),
            current,
            begun,
            settled: begun,
            missed: BTreeMap::new(),
            missed_blocks: BTreeMap::new(),
        }
    }

    /// The number of references to positions in no segment since they were last taken.
    pub(super) fn missed(&self) -> u64 {
        self.missed.values().sum()
    }

    /// Holds a retained message; returns false if its position is in no segment.
    pub(super) fn hold_retained(&mut self, position: Position) -> bool {
        let is_there = self.disk.hold(position, 1);
        if !is_there {
            self.miss(position, 1);
        }
        is_there
    }

    /// Takes the number of references to positions in no segment, and of messages in missing
    /// blocks, by the end of the segment before.
    pub(super) fn take_missed(&mut self) -> BTreeMap<u64, u64> {
        let mut missed = std::mem::take(&mut self.missed);
        for (end, count) in std::mem::take(&mut self.missed_blocks) {
            *missed.entry(end).or_default() += count;
        }
        missed
    }

    #[cold]
    fn miss(&mut self, position: Position, count: u32) {
        let end = self.disk.end_before(position.offset());
        *self.missed.entry(end).or_default() += u64::from(count);
    }

    /// Appends a record whose commit is promised.
    pub(super) fn append_promised(&mut self, record: &Record<'_>) -> Position {
        self.current.must_commit = true;
        self.disk.append(record)
    }

    /// Promises the commit of all that this turn appends, even if its messages are released.
    pub fn promise_turn(&mut self) {
        self.current.must_commit = true;
    }

    /// Promises the commit of all turns, because it is not known to which of them held messages
    /// belong.
    #[cold]
    fn promise_all(&mut self) {
        self.current.must_commit = true;
        self.turns.iter_mut().for_each(|turn| turn.must_commit = true);
    }

    /// Ends a turn.
    pub fn end_turn(&mut self) {
        let end = self.disk.appended();
        if end > self.begun {
            let turn = Turn { end, held: 0, must_commit: false };
            self.turns.push_back(Turn { end, ..std::mem::replace(&mut self.current, turn) });
            self.begun = end;
        }
    }

    /// The end of the part of the log whose promises are kept.
    pub fn settled(&mut self) -> u64 {
        let committed = self.disk.committed();
        while let Some(first) = self.turns.front()
            && (first.end <= committed || first.held == 0 && !first.must_commit)
        {
            self.settled = first.end;
            self.turns.pop_front();
        }
        self.settled = self.settled.max(committed);
        self.settled
    }

    /// Whether no promise waits for appended records.
    pub fn is_settled(&mut self) -> bool {
        self.settled() >= self.disk.appended()
    }

    /// The turn that appended the record at `offset`, if it is not settled.
    #[inline]
    fn turn_of(&mut self, offset: u64) -> Option<&mut Turn> {
        if offset >= self.begun {
            return Some(&mut self.current);
        }
        if offset < self.settled {
            return None;
        }
        let at = self.turns.partition_point(|turn| turn.end <= offset);
        self.turns.get_mut(at)
    }

    /// An end up to which all positions after this one are in the same segment and turn.
    fn near_end(&mut self, position: Position) -> u64 {
        let offset = position.offset();
        let Some(segment_end) = self.disk.segment_end(position) else { return offset + 1 };
        let (begun, settled) = (self.begun, self.settled);
        let turn_end = match self.turn_of(offset) {
            Some(_) if offset >= begun => segment_end,
            Some(turn) => turn.end,
            None if offset < settled => settled,
            None => offset + 1,
        };
        segment_end.min(turn_end)
    }

    /// Removes one reference for each of some messages.
    fn release_near(&mut self, near: &Near) {
        if near.count == 0 {
            return;
        }
        let first = Position::from_bits(near.range.start);
        self.disk.release(first, near.count);
        if let Some(turn) = self.turn_of(first.offset()) {
            let count = u64::from(near.count);
            assert!(turn.held >= count || turn.must_commit, "let go of once for each hold");
            turn.held = turn.held.saturating_sub(count);
        }
    }

    /// The message at a held position; `None` if the disk has lost it.
    pub fn message(&self, position: Position) -> Option<StoredMessage<'_>> {
        if position.is_volatile() {
            return Some(self.memory.get(position));
        }
        let message = self.disk.message(position)?;
        Some(StoredMessage {
            topic: message.topic,
            payload: message.payload,
            qos: message.qos,
            properties: message.properties,
            time_ms: message.time_ms,
            own: message.own_identifiers(),
        })
    }
}

impl QueueLog for Logs {
    #[inline]
    fn hold(&mut self, position: Position, count: u32) {
        if position.is_volatile() {
            self.memory.hold(position, count);
        } else if !self.disk.hold(position, count) {
            self.miss(position, count);
        } else {
            match count {
                1 => self.turn_of(position.offset()).into_iter().for_each(|turn| turn.held += 1),
                _ => self.promise_all(),
            }
        }
    }

    #[inline]
    fn release(&mut self, position: Position, count: u32) {
        if position.is_volatile() {
            self.memory.release(position, count);
        } else {
            self.disk.release(position, count);
            // Several messages of a block are in one segment, but perhaps of several turns. A
            // message that is not known to be released waits for its commit.
            if count == 1
                && let Some(turn) = self.turn_of(position.offset())
            {
                assert!(turn.held > 0 || turn.must_commit, "let go of once for each hold");
                turn.held = turn.held.saturating_sub(1);
            }
        }
    }

    fn release_each(&mut self, positions: impl Iterator<Item = Position>) {
        let mut near = Near::default();
        for position in positions {
            if near.range.contains(&position.bits()) {
                near.count += 1;
                continue;
            }
            self.release_near(&near);
            near = match position.is_volatile() {
                true => {
                    self.memory.release(position, 1);
                    Near::default()
                }
                false => Near { range: position.bits()..self.near_end(position), count: 1 },
            };
        }
        self.release_near(&near);
    }

    fn segment_of(&self, position: Position) -> u64 {
        self.disk.segment_of(position).unwrap_or_else(|| position.offset())
    }

    fn append_block(&mut self, block: &BlockRecord<'_>) -> Position {
        self.disk.append(&Record::Block(*block))
    }

    fn block(&self, position: Position) -> Option<BlockRecord<'_>> {
        self.disk.block(position)
    }

    fn lost_block(&mut self, position: Position, count: u64) {
        if self.disk.segment_of(position).is_none() {
            let end = self.disk.end_before(position.offset());
            *self.missed_blocks.entry(end).or_default() += count;
        }
    }

    fn tail_bytes_max(&self) -> usize {
        self.tail_bytes_max
    }
}
