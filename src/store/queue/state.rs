//! The bytes of a queue: all of it, as a session's state record has it.
//!
//! | bytes | what |
//! |---|---|
//! | *v* | number of the first message that is not done with |
//! | *v* | one past the highest number ever sent |
//! | *v* | messages ever pushed |
//! | packed | messages in flight, from the first on |
//! | *v* | messages behind those that are gone |
//! | packed | messages in memory behind these |
//! | *v* | blocks, each: |
//! | – *v* | position |
//! | – *v* | messages between it and what is before it that are gone: 0, if no block was damaged |
//! | – *v* | numbers it covers |
//! | – *v* | bytes of its messages' records |
//! | – *v* | spans, each: position of a message *v*, messages in that segment *v* |
//! | packed | the tail, of which the last message is the last pushed |
//!
//! *v* is a number in LEB128; packed is a count *v*, a base *v*, the length *v* of the rest, and
//! what `packed` says.
//!
//! Blocks of which the messages are in memory are not in it: it stands for them.

use super::super::cursor::{Cursor, put_varint};
use super::super::position::Position;
use super::Queue;
use super::blocks::{Block, Holds, Span};
use super::front::Front;
use super::packed::Packed;

impl Queue {
    /// Appends all of the queue.
    ///
    /// # Panics
    /// If the queue is volatile, or is being rebuilt.
    pub(in super::super) fn encode(&self, out: &mut Vec<u8>) {
        assert!(!self.is_volatile(), "it is not to be found again");
        match &self.front {
            Some(front) => front.encode(self.end, out),
            None => Front::new(self.tail_first(), false).encode(self.end, out),
        }
        self.tail().encode(out);
    }

    /// Reads a queue, which is being rebuilt then.
    pub(in super::super) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (front, end) = Front::decode(cursor)?;
        let tail = Packed::decode(cursor)?;
        let tail_first = end.checked_sub(tail.count().into())?;
        let behind = front.middle.back().map_or(front.ready_end(), Block::end);
        if behind > tail_first || tail.is_empty() && behind < tail_first {
            return None;
        }
        let front = (!front.is_idle()).then(|| Box::new(front));
        Some(Self { end, tail: Some(tail), front, ..Self::default() })
    }
}

impl Front {
    fn encode(&self, end: u64, out: &mut Vec<u8>) {
        assert!(self.replay.is_none(), "it is settled first");
        put_varint(out, self.first);
        put_varint(out, self.sent.max(self.first));
        put_varint(out, end);
        self.flight.iter().copied().collect::<Packed>().encode(out);
        put_varint(out, self.ready_first - self.flight_end());
        self.ready.iter().copied().collect::<Packed>().encode(out);
        put_varint(out, self.middle.len() as u64);
        let mut behind = self.ready_end();
        for block in &self.middle {
            put_varint(out, block.position.offset());
            put_varint(out, block.first - behind);
            put_varint(out, block.count.into());
            let holds = block.known();
            put_varint(out, holds.bytes);
            put_varint(out, holds.spans.len() as u64);
            for span in &holds.spans {
                put_varint(out, span.position.offset());
                put_varint(out, span.count.into());
            }
            behind = block.end();
        }
    }

    /// Reads a front, and how many messages were ever pushed to its queue.
    fn decode(cursor: &mut Cursor<'_>) -> Option<(Self, u64)> {
        let (first, sent, end) = (cursor.varint()?, cursor.varint()?, cursor.varint()?);
        let mut front = Self::new(first, false);
        front.sent = sent;
        front.flight.extend(Packed::decode(cursor)?.iter());
        front.ready_first = first.checked_add(front.flight.len() as u64)?;
        front.ready_first = front.ready_first.checked_add(cursor.varint()?)?;
        front.ready.extend(Packed::decode(cursor)?.iter());
        let mut behind = front.ready_first.checked_add(front.ready.len() as u64)?;
        for _ in 0..cursor.varint()? {
            let position = position(cursor)?;
            let first = behind.checked_add(cursor.varint()?)?;
            let count = cursor.narrow()?;
            behind = first.checked_add(u64::from(count))?;
            let mut holds = Holds { bytes: cursor.varint()?, ..Holds::default() };
            let mut spans = Vec::new();
            for _ in 0..cursor.varint()? {
                spans.push(Span { position: self::position(cursor)?, count: cursor.narrow()? });
            }
            holds.spans = spans.into();
            front.middle.push_back(Block { position, first, count, holds: Some(holds) });
        }
        Some((front, end))
    }
}

fn position(cursor: &mut Cursor<'_>) -> Option<Position> {
    let offset = cursor.varint()?;
    (offset < Position::OFFSET_END).then(|| Position::durable(offset))
}
