//! The encoding of a complete queue in a session's state record.
//!
//! | bytes | what |
//! |---|---|
//! | *v* | number of the first incomplete message |
//! | *v* | number after the highest ever sent |
//! | *v* | count of messages ever pushed |
//! | packed | messages in flight, from the first on |
//! | *v* | count of messages after those that are gone |
//! | packed | messages in memory after these |
//! | *v* | blocks, each: |
//! | – *v* | position |
//! | – *v* | count of messages before it that are gone: 0 if no block was damaged |
//! | – *v* | count of its messages |
//! | – *v* | size of its messages' records |
//! | – *v* | spans, each: position of a message *v*, messages in that segment *v* |
//! | packed | the tail; its last message is the last pushed one |
//!
//! *v* is a number in LEB128. Packed is a count *v*, a base *v*, the length *v* of the bytes, and
//! the bytes as described in `packed`.
//!
//! Blocks whose messages are in memory are left out: the messages take their place.

use super::super::cursor::{Cursor, put_varint};
use super::super::position::Position;
use super::Queue;
use super::blocks::{Block, Holds, Span};
use super::front::Front;
use super::packed::Packed;

impl Queue {
    /// Appends the complete queue.
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

    /// Reads a queue, which is being rebuilt afterwards.
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

    /// Reads a front, and the count of messages that were ever pushed to its queue.
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
