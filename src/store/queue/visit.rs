//! A walk over a complete queue, in order, to list or check it. It changes nothing and reads at
//! most one block at a time.

use std::ops::ControlFlow;

use super::super::position::Position;
use super::front::IDENTIFIERS;
use super::{Entry, Queue, QueueLog};

/// A part of a queue, as [`Queue::visit`] reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item {
    /// A message.
    Message {
        /// Its number in the queue.
        number: u64,
        /// Its position and delivery terms.
        entry: Entry,
        /// Whether its client may have it, so that it is sent with DUP.
        sent: bool,
    },
    /// A QoS 2 message that its client has received and must still complete. Only its number is
    /// kept.
    Released {
        /// Its number in the queue.
        number: u64,
    },
    /// A block record, whose messages come next unless they came before.
    Block {
        /// The position of the record.
        position: Position,
    },
    /// Messages in a block that cannot be read.
    Lost {
        /// The number of the first.
        first: u64,
        /// Their count, including messages that are gone.
        count: u32,
    },
}

impl Queue {
    /// The packet identifier of the message with this number: 1 to 65,535.
    pub fn packet_id(number: u64) -> u16 {
        u16::try_from(number % IDENTIFIERS + 1).expect("a remainder below 65,535")
    }

    /// Calls `each` for each part of the queue, messages in order of their numbers, until it
    /// breaks.
    ///
    /// # Panics
    /// If the queue is being rebuilt.
    pub fn visit(
        &self,
        log: &impl QueueLog,
        each: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if let Some(front) = &self.front {
            assert!(front.replay.is_none(), "it is settled first");
            for block in &front.loaded {
                each(Item::Block { position: block.position })?;
            }
            self.tell(front.first, front.flight.iter().copied(), each)?;
            self.tell(front.ready_first, front.ready.iter().copied(), each)?;
            for block in &front.middle {
                each(Item::Block { position: block.position })?;
                match block.read_known(log) {
                    Some(packed) => self.tell(block.first, packed.iter(), each)?,
                    None => each(Item::Lost { first: block.first, count: block.count })?,
                }
            }
        }
        self.tell(self.tail_first(), self.tail().iter(), each)
    }

    /// Reports consecutive messages from this number on.
    fn tell(
        &self,
        first: u64,
        entries: impl Iterator<Item = Entry>,
        each: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        (first..).zip(entries).try_for_each(|(number, entry)| match entry {
            Entry::GONE => ControlFlow::Continue(()),
            Entry::RELEASED => each(Item::Released { number }),
            _ => each(Item::Message { number, entry, sent: number < self.sent() }),
        })
    }
}
