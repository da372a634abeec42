//! A visit of all of a queue, in order, to list or check it: it changes nothing and reads at most
//! one block at a time.

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
        /// Its place, and how it is to be delivered.
        entry: Entry,
        /// Its client may have it: it goes out with DUP.
        sent: bool,
    },
    /// A QoS 2 message that its client has, and must still complete. Nothing else is kept of it.
    Released {
        /// Its number in the queue.
        number: u64,
    },
    /// A record with messages, which come next unless they came before.
    Block {
        /// Where it stands.
        position: Position,
    },
    /// Messages in a block that cannot be read.
    Lost {
        /// Number of the first.
        first: u64,
        /// How many there are, those included that are gone.
        count: u32,
    },
}

impl Queue {
    /// The packet identifier of the message with this number: 1 to 65,535.
    pub fn packet_id(number: u64) -> u16 {
        u16::try_from(number % IDENTIFIERS + 1).expect("a remainder below 65,535")
    }

    /// Tells each of the queue's parts, messages by number, until `each` breaks.
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

    /// Tells messages that follow each other, from this number on.
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
