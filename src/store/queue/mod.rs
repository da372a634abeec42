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
//! Every message ever pushed has a number, 0, 1, 2, …, that never changes. It fixes the message's
//! packet identifier, so the same message has the same identifier after a reconnect or a restart
//! [MQTT-4.4.0-1], and nothing is stored for it.
//!
//! A message for a client that keeps up goes to the front, and is sent from there. Any other
//! message goes to the tail; a full tail becomes a block record of the log. When the front is empty
//! it takes the next block, or the tail. A queue that has only a tail has no front: it takes little
//! more memory than the tail.
//!
//! Invariant: `first <= next <= end`, `next - first <= 65,535` where a message is taken, and for
//! each message that is not gone the segment of its record is held, as is that of each block's
//! record until the last of its messages is done with. `stored_bytes` is the sum of the records.
//!
//! A queue that is made [`Queue::volatile`] is not in the log: all of it is front. Any other queue
//! can be encoded (see `state`), and rebuilt from that and from the records that were appended
//! since (see `replay`), in their order: messages, blocks, acks, moves, and how far it was sent.
//! [`Queue::take_acks`] tells which messages were completed. The log may release a segment that is
//! no longer held when the acks taken since are durable. A queue that is being rebuilt holds
//! nothing, and may be dropped; any other is drained first.

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

/// The log, as a queue needs it. A segment that is held is kept.
pub trait QueueLog {
    /// `count` more messages, or blocks, of queues are in the segment of this position.
    fn hold(&mut self, position: Position, count: u32);

    /// `count` fewer of them need it.
    fn release(&mut self, position: Position, count: u32);

    /// As [`QueueLog::release`] of one at each of these positions, which mostly are close together.
    fn release_each(&mut self, positions: impl Iterator<Item = Position>)
    where
        Self: Sized,
    {
        positions.for_each(|position| self.release(position, 1));
    }

    /// Names the segment of a position: any number that is the same for all of one segment.
    fn segment_of(&self, position: Position) -> u64;

    /// Appends a block; tells where its record stands. It is not held yet.
    fn append_block(&mut self, block: &BlockRecord<'_>) -> Position;

    /// Reads a block that is held; `None` if it cannot be read.
    fn block(&self, position: Position) -> Option<BlockRecord<'_>>;

    /// A block cannot be read, and so many messages are lost with it.
    fn lost_block(&mut self, position: Position, count: u64) {
        let _nothing = (position, count);
    }

    /// Bytes that the packed end of a queue may have.
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
    /// PUBREL of a message that was released before its client went away [MQTT-4.4.0-1].
    Release {
        /// The message's packet identifier.
        packet_id: u16,
    },
}

/// Where taking stops: in front of a message that was never taken and has the number `end` or a
/// higher one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TakeBound {
    /// The number.
    pub end: u64,
    /// Of any QoS, and not of QoS 2 alone.
    pub all: bool,
}

impl TakeBound {
    /// Taking goes on to the end.
    pub const NONE: Self = Self { end: u64::MAX, all: false };
}

/// The meaning of a client's answer to a message in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The step is done.
    Done,
    /// No such message is in flight, or the step was done before.
    Known,
    /// The answer belongs to another QoS, or to a step that is still to come.
    Wrong,
}

/// See the module.
#[derive(Debug)]
pub struct Queue {
    /// Messages ever pushed.
    end: u64,
    stored_bytes: u64,
    /// `None`: the queue is volatile.
    tail: Option<Packed>,
    /// There is one, unless it would say nothing.
    front: Option<Box<Front>>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { end: 0, stored_bytes: 0, tail: Some(Packed::default()), front: None }
    }
}

impl Queue {
    /// Of a session that ends with its connection.
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

    /// Messages that wait to be sent (ones that are gone may still be counted).
    #[inline]
    pub fn waiting(&self) -> u64 {
        match &self.front {
            Some(front) => self.end - front.ready_first + (front.flight_end() - front.next),
            None => self.tail().count().into(),
        }
    }

    /// Messages sent and not acknowledged.
    #[inline]
    pub fn unacked(&self) -> u32 {
        self.front.as_ref().map_or(0, |front| front.unacked)
    }

    /// Whether nothing is queued or in flight.
    pub fn is_empty(&self) -> bool {
        self.first() == self.end
    }

    /// Whether [`Queue::take_next`] would give a pushed message with this window, if none waits.
    #[inline]
    pub fn window_open(&self, window: u16) -> bool {
        match &self.front {
            Some(front) => {
                front.unacked < u32::from(window) && front.next_number() - front.first < IDENTIFIERS
            }
            None => window > 0,
        }
    }

    /// Bytes of the records it needs.
    #[inline]
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Number of the oldest message that is not done with; if there is none, [`Queue::end`].
    pub fn first(&self) -> u64 {
        self.front.as_ref().map_or(self.tail_first(), |front| front.first)
    }

    /// One past the highest number ever sent, if that is not done with; else at most
    /// [`Queue::first`].
    pub fn sent(&self) -> u64 {
        self.front.as_ref().map_or(self.tail_first(), |front| front.sent)
    }

    /// Messages ever pushed: the number that the next one gets.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Takes the next packet to send while fewer than `window` messages are unacknowledged and the
    /// next packet identifier is free.
    #[inline]
    pub fn take_next(&mut self, window: u16, log: &mut impl QueueLog) -> Option<Next> {
        self.take_next_before(TakeBound::NONE, window, log)
    }

    /// The same, but stops in front of a message that was never taken and is beyond `bound`. A
    /// PUBREL that is owed since its client was away goes out also where the window
    /// is full [MQTT-3.3.4-10].
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

    /// Puts a message that is not kept at the end of a volatile queue and takes it. Nothing waits,
    /// and the window is open (see [`Queue::window_open`]).
    #[inline]
    pub fn pass(&mut self, terms: Terms) -> Next {
        let number = self.end;
        let front = self.wake();
        front.resting = false;
        let next = front.pass(number, Entry::passing(terms));
        self.end += 1;
        next
    }

    /// Forgets where the message taken last is stored: it will not be sent again. For volatile
    /// queues: in any other it would be gone after a restart.
    pub fn forget_taken(&mut self, log: &mut impl QueueLog) {
        if let Some(entry) = self.front.as_deref_mut().and_then(Front::forget_taken) {
            self.let_go(entry, log);
        }
    }

    /// Whether the message with this packet identifier was sent before its client left, and is
    /// still to be sent again.
    pub fn is_due_again(&self, packet_id: u16) -> bool {
        self.front.as_ref().is_some_and(|front| {
            let number = front.number_of(packet_id);
            number.is_some_and(|number| front.next_number() <= number && number < front.sent)
        })
    }

    /// Whether the client still owes an answer for this packet identifier, or the message that is
    /// taken next has it.
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

    /// The packet identifier of the message that is taken next.
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

    /// Ends a message in memory that its client is not to have; false if it had ended.
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

    /// How many messages could not be read since the last call.
    pub fn take_lost(&mut self) -> u64 {
        let lost = self.front.as_mut().map_or(0, |front| std::mem::take(&mut front.lost));
        self.rest();
        lost
    }

    /// Drops the oldest message that waits to be sent; whether there was one.
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

    /// Drops the oldest message that was not taken since it came, or was loaded; whether there was
    /// one.
    pub fn drop_oldest_unsent(&mut self, log: &mut impl QueueLog) -> bool {
        if self.is_empty() {
            return false;
        }
        self.wake();
        while let Some((number, entry)) = self.next_ready(log) {
            let front = self.wake();
            if entry == Entry::RELEASED {
                // It has no record; its PUBREL must still be sent.
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

    /// The oldest message that was never sent; `None` also if what is there is no message.
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

    /// So many of the messages that could not be read have expired before.
    pub fn forgive_lost(&mut self, count: u64) {
        if let Some(front) = self.front.as_deref_mut() {
            front.lost = front.lost.saturating_sub(count);
            self.rest();
        }
    }

    /// Makes everything unacknowledged the next to send, in its old order (the client left, or came
    /// back).
    pub fn rewind(&mut self) {
        if let Some(front) = self.front.as_deref_mut() {
            front.rewind();
            self.rest();
        }
    }

    /// Ends every message, in time that does not depend on how many are in blocks.
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

    /// Whether [`Queue::take_acks`] would give any.
    #[inline]
    pub fn has_acks(&self) -> bool {
        self.front.as_ref().is_some_and(|front| !front.notes.is_empty(front.first))
    }

    /// Takes what was done with since the last call, to be appended to the log.
    pub fn take_acks(&mut self) -> Option<Acks> {
        let acks = self.front.as_deref_mut()?.take_acks();
        self.rest();
        acks
    }
}
