//! How a queue is made that goes on where one of another store has ended: message by message, with
//! the numbers, and so the packet identifiers, that its client knows.

use super::super::record::SessionKey;
use super::{Entry, Queue, QueueLog};

impl Queue {
    /// An empty queue of which the next message gets this number.
    pub fn starting_at(number: u64) -> Self {
        Self { end: number, ..Self::default() }
    }

    /// The next `count` numbers are of messages that are gone.
    ///
    /// # Panics
    /// If the queue is volatile.
    pub fn pass_over(&mut self, count: u16, session: SessionKey, log: &mut impl QueueLog) {
        for _ in 0..count {
            self.push(Entry::GONE, false, session, log);
        }
    }

    /// The next number is of a QoS 2 message that the client has and must complete.
    ///
    /// # Panics
    /// If the queue is volatile.
    pub fn push_released(&mut self, session: SessionKey, log: &mut impl QueueLog) {
        self.push(Entry::RELEASED, false, session, log);
    }
}
