//! The queue of one session: messages that its client must still acknowledge, and messages that
//! wait to be sent.
//!
//! ```text
//!  first           next                                        tail first          end
//!    │ sent, some done │ waiting: in memory │ in blocks of the log │ packed, in memory │
//!    ▼                 ▼                    ▼                      ▼                   ▼
//!   [e][·][e][e][·][e] [e][e][e][e][e][e][e][ block ][ block ][ ……… ][ tail ]
//!   └─────────────── front ───────────────┘└──────── middle ────────┘
//! ```
//!
//! Every message ever pushed has a number, 0, 1, 2, …, that never changes. The number determines
//! the message's packet identifier, so the same message has the same identifier after a reconnect
//! or a restart [MQTT-4.4.0-1], and the identifier is not stored.
//!
//! A message for a client that keeps up goes to the front and is sent from there. Any other message
//! goes to the tail; a full tail becomes a block record of the log. When the front is empty, it
//! takes the next block or the tail. A queue with nothing but a tail has no front and uses little
//! more memory than the tail.
//!
//! Invariant: `first <= next <= end`, and `next - first <= 65,535` when a message is taken. The
//! segment of each message that is not gone is held, and the segment of each block's record until
//! all of its messages are complete. `stored_bytes` is the sum of the records.
//!
//! A queue made by [`Queue::volatile`] is not in the log: all of it is front. Any other queue can
//! be encoded (see `state`), and rebuilt from that and from the records that were appended since
//! (see `replay`), in their order: messages, blocks, acks, moves, and how far it was sent.
//! [`Queue::take_acks`] returns the messages that were completed. The log may free a released
//! segment once the acks taken since are durable. A queue that is being rebuilt holds nothing and
//! may be dropped; any other must be drained first.

mod acks;
mod answers;
mod blocks;
mod entry;
mod flow;
mod front;
mod packed;
mod relocate;
mod replay;
mod state;
#[cfg(test)]
mod tests;
mod transfer;
mod visit;

use crate::limits::QUEUE_TAIL_BYTES_MAX;

use super::position::Position;
use super::record::{BlockRecord, SessionKey};

pub use acks::Acks;
pub use entry::{Entry, Terms};
pub use visit::Item;

use front::{Front, IDENTIFIERS};
use packed::{PACKED_ENTRY_MAX, Packed};

/// The interface of the log for a queue. A held segment is kept.
pub trait QueueLog {
    /// Adds `count` references to the segment of this position.
    fn hold(&mut self, position: Position, count: u32);

    /// Removes `count` references.
    fn release(&mut self, position: Position, count: u32);

    /// As [`QueueLog::release`] of one reference for each position; most are close together.
    fn release_each(&mut self, positions: impl Iterator<Item = Position>)
    where
        Self: Sized,
    {
        positions.for_each(|position| self.release(position, 1));
    }

    /// A number for the segment of a position, the same for all positions of the segment.
    fn segment_of(&self, position: Position) -> u64;

    /// Appends a block; returns the position of its record, which is not held yet.
    fn append_block(&mut self, block: &BlockRecord<'_>) -> Position;

    /// Reads a held block; `None` if it cannot be read.
    fn block(&self, position: Position) -> Option<BlockRecord<'_>>;

    /// Notes that a block cannot be read, and that `count` messages are lost with it.
    fn lost_block(&mut self, position: Position, count: u64) {
        let _nothing = (position, count);
    }

    /// The greatest size of the packed end of a queue.
    fn tail_bytes_max(&self) -> usize {
        QUEUE_TAIL_BYTES_MAX
    }
}

/// The next packet to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// PUBLISH.
    Publish {
        /// The message.
        entry: Entry,
        /// Its packet identifier, 1 to 65,535.
        packet_id: u16,
        /// Its number in the queue.
        number: u64,
        /// Whether it was sent before (DUP, [MQTT-3.3.1-1]).
        again: bool,
    },
    /// PUBREL of a message that was released before its client left [MQTT-4.4.0-1].
    Release {
        /// The message's packet identifier.
        packet_id: u16,
    },
}

/// A bound on taking: it stops before a message that was never taken and has the number `end` or a
/// higher one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TakeBound {
    /// The number.
    pub end: u64,
    /// Whether it stops at messages of any QoS, and not only at those of QoS 2.
    pub all: bool,
}

impl TakeBound {
    /// No bound.
    pub const NONE: Self = Self { end: u64::MAX, all: false };
}

/// The meaning of a client's answer to a message in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The answer was processed.
    Done,
    /// No such message is in flight, or the answer came before.
    Known,
    /// The answer belongs to another QoS, or to a later step.
    Wrong,
}

/// See the file.
#[derive(Debug)]
pub struct Queue {
    /// The count of messages ever pushed.
    end: u64,
    stored_bytes: u64,
    /// `None`: the queue is volatile.
    tail: Option<Packed>,
    /// `None` if it would have no information.
    front: Option<Box<Front>>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { end: 0, stored_bytes: 0, tail: Some(Packed::default()), front: None }
    }
}

impl Queue {
    /// The queue of a clean session.
    pub fn volatile() -> Self {
        Self { tail: None, ..Self::default() }
    }

    /// Appends a message; `near` if the client is connected.
    ///
    /// # Panics
    /// If the message is not in the log on disk, and the queue is not volatile.
    #[inline]
    pub fn push(&mut self, entry: Entry, near: bool, session: SessionKey, log: &mut impl QueueLog) {
        if let Some(position) = entry.position() {
            log.hold(position, 1);
            self.stored_bytes += u64::from(entry.bytes());
        }
        if let Some(front) = self.open_front(near) {
            front.ready.push_back(entry);
            self.end += 1;
            return;
        }
        let tail = self.tail_mut();
        tail.push(entry);
        let tail_bytes = tail.bytes().len();
        self.end += 1;
        if tail_bytes + PACKED_ENTRY_MAX > log.tail_bytes_max() {
            self.spill(session, log);
        }
    }

    /// The count of messages that wait to be sent; it may include some that are gone.
    #[inline]
    pub fn waiting(&self) -> u64 {
        match &self.front {
            Some(front) => self.end - front.ready_first + (front.flight_end() - front.next),
            None => self.tail().count().into(),
        }
    }

    /// The count of messages sent and not acknowledged.
    #[inline]
    pub fn unacked(&self) -> u32 {
        self.front.as_ref().map_or(0, |front| front.unacked)
    }

    /// Whether no message waits or is in flight.
    pub fn is_empty(&self) -> bool {
        self.first() == self.end
    }

    /// Whether [`Queue::take_next`] would return a pushed message with this window, if none waits.
    #[inline]
    pub fn window_open(&self, window: u16) -> bool {
        match &self.front {
            Some(front) => {
                front.unacked < u32::from(window) && front.next_number() - front.first < IDENTIFIERS
            }
            None => window > 0,
        }
    }

    /// The size of the records that it needs, in bytes.
    #[inline]
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// The number of the oldest incomplete message; [`Queue::end`] if there is none.
    pub fn first(&self) -> u64 {
        self.front.as_ref().map_or(self.tail_first(), |front| front.first)
    }

    /// The number after the highest ever sent, if that one is not complete; else at most
    /// [`Queue::first`].
    pub fn sent(&self) -> u64 {
        self.front.as_ref().map_or(self.tail_first(), |front| front.sent)
    }

    /// The count of messages ever pushed, which is the number of the next one.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Takes the next packet to send while fewer than `window` messages are unacknowledged and the
    /// next packet identifier is free.
    #[inline]
    pub fn take_next(&mut self, window: u16, log: &mut impl QueueLog) -> Option<Next> {
        self.take_next_before(TakeBound::NONE, window, log)
    }

    /// As [`Queue::take_next`], but stops before a message that was never taken and is beyond
    /// `bound`. A PUBREL that is owed from an earlier connection is returned even if the window is
    /// full [MQTT-3.3.4-10].
    #[inline]
    pub fn take_next_before(
        &mut self,
        bound: TakeBound,
        window: u16,
        log: &mut impl QueueLog,
    ) -> Option<Next> {
        if self.front.is_none() {
            if self.tail().is_empty() {
                return None;
            }
            self.wake();
        }
        loop {
            let front = self.front.as_deref_mut()?;
            front.resting = false;
            front.pass_owed();
            if front.unacked >= u32::from(window) {
                return front.take_owed();
            }
            if let Some(next) = front.take_again() {
                return Some(next);
            }
            if front.ready.is_empty() && !self.refill(log) {
                return None;
            }
            let front = self.front.as_deref_mut()?;
            if front.ready_first - front.first >= IDENTIFIERS {
                return None;
            }
            if front.ready_first >= bound.end && (bound.all || front.is_once_next()) {
                return None;
            }
            if let Some(next) = front.take_ready() {
                return Some(next);
            }
            self.unload(log);
        }
    }

    /// Puts a message that is not kept at the end of a volatile queue, and takes it. No message may
    /// wait, and the window must be open (see [`Queue::window_open`]).
    #[inline]
    pub fn pass(&mut self, terms: Terms) -> Next {
        let number = self.end;
        let front = self.wake();
        front.resting = false;
        let next = front.pass(number, Entry::passing(terms));
        self.end += 1;
        next
    }

    /// Forgets the position of the message taken last: it will not be sent again. Only for volatile
    /// queues: another queue would lose the message at a restart.
    pub fn forget_taken(&mut self, log: &mut impl QueueLog) {
        if let Some(entry) = self.front.as_deref_mut().and_then(Front::forget_taken) {
            self.let_go(entry, log);
        }
    }

    /// Whether the message with this packet identifier was sent before its client left and must be
    /// sent again.
    pub fn is_due_again(&self, packet_id: u16) -> bool {
        self.front.as_ref().is_some_and(|front| {
            let number = front.number_of(packet_id);
            number.is_some_and(|number| front.next_number() <= number && number < front.sent)
        })
    }

    /// Whether the client still owes an answer for this packet identifier, or the next message to
    /// take has it.
    pub fn uses_identifier(&self, packet_id: u16) -> bool {
        let Some(front) = &self.front else {
            return Self::packet_id(self.tail_first()) == packet_id && !self.tail().is_empty();
        };
        let is_next =
            front.next_number() < self.end && Self::packet_id(front.next_number()) == packet_id;
        let number = front.number_of(packet_id);
        is_next
            || number.is_some_and(|number| {
                front.get(number) != Entry::GONE && number < front.flight_end()
            })
    }

    /// The packet identifier of the next message to take.
    #[inline]
    pub fn next_identifier(&self) -> u16 {
        let number = match &self.front {
            Some(front) => front.next_number(),
            None => self.tail_first(),
        };
        Self::packet_id(number)
    }

    /// Ends a message in memory that cannot be read.
    pub fn mark_gone(&mut self, number: u64, log: &mut impl QueueLog) {
        if self.withdraw(number, log)
            && let Some(front) = self.front.as_deref_mut()
        {
            front.lost += 1;
        }
    }

    /// Ends a message in memory that its client must not get; returns false if it has ended.
    pub fn withdraw(&mut self, number: u64, log: &mut impl QueueLog) -> bool {
        let Some(front) = self.front.as_deref_mut() else { return false };
        let entry = front.get(number);
        if entry == Entry::GONE || entry == Entry::RELEASED {
            return false;
        }
        if number < front.flight_end() {
            let at = front.at(number);
            self.end_at(at, log);
        } else {
            front.end_ready(number);
            self.let_go(entry, log);
        }
        true
    }

    /// Takes the count of messages that could not be read since the last call.
    pub fn take_lost(&mut self) -> u64 {
        let lost = self.front.as_mut().map_or(0, |front| std::mem::take(&mut front.lost));
        self.rest();
        lost
    }

    /// Drops the oldest message that waits to be sent; returns whether there was one.
    pub fn drop_oldest_waiting(&mut self, log: &mut impl QueueLog) -> bool {
        if self.is_empty() {
            return false;
        }
        if let Some(number) = self.wake().oldest_again() {
            let at = self.wake().at(number);
            self.end_at(at, log);
            return true;
        }
        self.drop_oldest_unsent(log)
    }

    /// Drops the oldest message that was not taken since it arrived or was loaded; returns whether
    /// there was one.
    pub fn drop_oldest_unsent(&mut self, log: &mut impl QueueLog) -> bool {
        if self.is_empty() {
            return false;
        }
        self.wake();
        while let Some((number, entry)) = self.next_ready(log) {
            let front = self.wake();
            if entry == Entry::RELEASED {
                // A released message has no record; its PUBREL must still be sent.
                front.enter(number, entry);
                front.sent = front.sent.max(number + 1);
                continue;
            }
            let dropped = entry != Entry::GONE;
            if dropped && !front.flight.is_empty() {
                front.notes.gone(number);
            }
            front.trim();
            self.unload(log);
            if dropped {
                self.let_go(entry, log);
                return true;
            }
        }
        false
    }

    /// The oldest message that was never sent; `None` also if the oldest entry has no record.
    pub fn oldest_unsent(&mut self, log: &mut impl QueueLog) -> Option<Entry> {
        loop {
            let front = self.front.as_ref();
            if front.is_none_or(|front| front.ready.is_empty() && front.middle.is_empty()) {
                // The tail stays packed.
                let mut tail = (self.tail_first()..).zip(self.tail().iter());
                let (number, entry) = tail.find(|(_, entry)| *entry != Entry::GONE)?;
                let is_unsent = number >= self.sent() && entry.position().is_some();
                return is_unsent.then_some(entry);
            }
            if front.is_some_and(|front| front.ready.is_empty()) && !self.refill(log) {
                return None;
            }
            let front = self.front.as_deref_mut()?;
            let entry = *front.ready.front()?;
            if entry != Entry::GONE {
                let is_unsent = front.ready_first >= front.sent && entry.position().is_some();
                return is_unsent.then_some(entry);
            }
            front.pop_ready();
            front.trim();
            self.unload(log);
        }
    }

    /// Subtracts messages that have expired from the count of unreadable ones.
    pub fn forgive_lost(&mut self, count: u64) {
        if let Some(front) = self.front.as_deref_mut() {
            front.lost = front.lost.saturating_sub(count);
            self.rest();
        }
    }

    /// Makes all unacknowledged messages the next to send, in their order, because the client left
    /// or returned.
    pub fn rewind(&mut self) {
        if let Some(front) = self.front.as_deref_mut() {
            front.rewind();
            self.rest();
        }
    }

    /// Ends all messages, in a time that does not depend on how many are in blocks.
    pub fn drain(&mut self, log: &mut impl QueueLog) {
        if self.is_empty() {
            return;
        }
        self.wake();
        let tail = self.tail.as_mut().map(std::mem::take).unwrap_or_default();
        let mut new = Front::new(self.end, self.is_volatile());
        if let Some(front) = self.front.take() {
            front.entries().for_each(|entry| self.let_go(entry, log));
            front.loaded.iter().for_each(|block| log.release(block.position, 1));
            for block in &front.middle {
                block.release(log);
                self.stored_bytes -= block.known().bytes;
            }
            new.lost = front.lost;
            new.notes = front.notes;
        }
        self.front = Some(Box::new(new));
        tail.iter().for_each(|entry| self.let_go(entry, log));
        assert_eq!(self.stored_bytes, 0, "nothing is left");
        self.rest();
    }

    /// Whether [`Queue::take_acks`] would return any.
    #[inline]
    pub fn has_acks(&self) -> bool {
        self.front.as_ref().is_some_and(|front| !front.notes.is_empty(front.first))
    }

    /// Takes the completions since the last call, which must be appended to the log.
    pub fn take_acks(&mut self) -> Option<Acks> {
        let acks = self.front.as_deref_mut()?.take_acks();
        self.rest();
        acks
    }
}
