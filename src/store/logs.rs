//! The two logs of one shard: the one on disk, and the one in memory for what clean sessions still
//! wait for.

use crate::limits::QUEUE_TAIL_BYTES_MAX;

use super::log::Log;
use super::messages::MessageLog;
use super::position::Position;
use super::queue::QueueLog;
use super::record::{BlockRecord, Record};

/// A message as it is read from a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredMessage<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Application message.
    pub payload: &'a [u8],
    /// QoS it was published with, 0 to 2.
    pub qos: u8,
}

/// See the module.
pub struct Logs {
    /// What must be found again.
    pub disk: Log,
    /// What may be lost with the process.
    pub memory: MessageLog,
    /// Bytes that the packed end of a durable queue may have.
    pub tail_bytes_max: usize,
}

impl Logs {
    pub(super) fn new(disk: Log) -> Self {
        Self { disk, memory: MessageLog::default(), tail_bytes_max: QUEUE_TAIL_BYTES_MAX }
    }

    /// The message at a position that is held; `None` if the disk has lost it.
    pub fn message(&self, position: Position) -> Option<StoredMessage<'_>> {
        if position.is_volatile() {
            return Some(self.memory.get(position));
        }
        let message = self.disk.message(position)?;
        let (topic, payload, qos) = (message.topic, message.payload, message.qos);
        Some(StoredMessage { topic, payload, qos })
    }
}

impl QueueLog for Logs {
    #[inline]
    fn hold(&mut self, position: Position, count: u32) {
        if position.is_volatile() {
            self.memory.hold(position, count);
        } else {
            self.disk.hold(position, count);
        }
    }

    #[inline]
    fn release(&mut self, position: Position, count: u32) {
        if position.is_volatile() {
            self.memory.release(position, count);
        } else {
            self.disk.release(position, count);
        }
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

    fn tail_bytes_max(&self) -> usize {
        self.tail_bytes_max
    }
}
