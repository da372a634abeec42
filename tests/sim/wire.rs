//! A connection in memory: a bounded pipe each way between a client and the broker.
//!
//! Owned by the kernel; the client writes and reads here at once, the broker through its ring.

use std::collections::VecDeque;

/// Bytes on their way in one direction. `bytes.len() <= capacity`.
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// The writer has closed: the end follows the bytes.
    pub(crate) ended: bool,
}

impl Pipe {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity, ended: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn room(&self) -> usize {
        self.capacity - self.bytes.len()
    }

    /// Takes in as much of `bytes` as there is room for; how much that was.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        self.bytes.extend(&bytes[..count]);
        count
    }

    /// Gives out at most `max` bytes.
    pub(crate) fn read(&mut self, max: usize) -> Vec<u8> {
        let count = max.min(self.bytes.len());
        self.bytes.drain(..count).collect()
    }

    /// Loses everything after the first `keep` bytes.
    pub(crate) fn truncate(&mut self, keep: usize) {
        self.bytes.truncate(keep);
    }
}

/// A connection, from the client's `connect` on.
pub(crate) struct Conn {
    pub(crate) to_broker: Pipe,
    pub(crate) to_client: Pipe,
    /// The client has reset it: the broker's operations fail after they have seen the received
    /// bytes.
    pub(crate) reset: bool,
    /// The broker has shut both directions.
    pub(crate) shut: bool,
    /// The time at which the broker dropped its socket.
    pub(crate) closed: bool,
    pub(crate) closed_ms: u64,
    /// Operations of the broker on it whose last completion was not delivered.
    pub(crate) operations: u32,
}

impl Conn {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            to_broker: Pipe::new(capacity),
            to_client: Pipe::new(capacity),
            reset: false,
            shut: false,
            closed: false,
            closed_ms: 0,
            operations: 0,
        }
    }

    /// The broker dies: the client reads at most `keep` bytes more.
    pub(crate) fn cut(&mut self, keep: usize) {
        self.to_client.truncate(keep);
        self.to_client.ended = true;
        (self.shut, self.closed, self.operations) = (true, true, 0);
    }

    /// Whether the client has read everything up to the end.
    pub(crate) fn is_over(&self) -> bool {
        self.to_client.ended && self.to_client.len() == 0
    }

    /// Whether a receive would complete.
    pub(crate) fn is_readable(&self) -> bool {
        self.to_broker.len() > 0 || self.to_broker.ended || self.reset || self.shut
    }

    /// Whether a send would get on.
    pub(crate) fn is_writable(&self) -> bool {
        self.to_client.room() > 0 || self.reset || self.shut
    }
}
