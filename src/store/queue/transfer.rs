//! Makes a queue that continues one of another store, message by message, with the numbers, and so
//! the packet identifiers, that its client knows.

use super::super::record::SessionKey;
use super::{Entry, Queue, QueueLog};

impl Queue {
    /// An empty queue whose next message gets this number.
    pub fn starting_at(number: u64) -> Self {
        Self { end: number, ..Self::default() }
    }

    /// Uses the next `count` numbers for messages that are gone.
    ///
    /// # Panics
    /// If the queue is volatile.
    pub fn pass_over(&mut self, count: u16, session: SessionKey, log: &mut impl QueueLog) {
        for _ in 0..count {
            self.push(Entry::GONE, false, session, log);
        }
    }

    /// Uses the next number for a QoS 2 message that the client has received and must complete.
    ///
    /// # Panics
    /// If the queue is volatile.
    pub fn push_released(&mut self, session: SessionKey, log: &mut impl QueueLog) {
        self.push(Entry::RELEASED, false, session, log);
    }
}
