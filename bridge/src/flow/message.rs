//! Messages of a flow: shared received bytes, and the places of the messages in them.
//!
//! A message is not copied between the socket and the target's format.

use std::fmt;
use std::rc::Rc;

use bytes::Bytes;

use super::budget::Lease;

/// The identity of a message, as far as the input knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The epoch of the session: a session that was deleted and created again has another one.
    pub epoch: u64,
    /// Number in the session's order, from 0.
    pub number: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.epoch, self.number)
    }
}

/// One message, borrowed from its chunk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
    /// Forwarded properties of MQTT 5, in the form of `ringmq::mqtt`.
    pub properties: &'a [u8],
    /// 0 or 1.
    pub qos: u8,
    /// Whether it was, or is to be, retained.
    pub retain: bool,
    /// Whether it may have been delivered before.
    pub dup: bool,
    /// Its identity.
    pub position: Position,
    /// The time at which it was stored or, if that is unknown, received: milliseconds since 1970.
    pub time_ms: u64,
}

/// A message's place in its chunk.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) topic_at: u32,
    pub(crate) topic_bytes: u16,
    /// 0 if it has none.
    pub(crate) packet_id: u16,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    /// Whether the target does not get it: a dead letter that was received again.
    pub(crate) skipped: bool,
    /// Whether the broker has told its position.
    pub(crate) is_told: bool,
    pub(crate) properties_at: u32,
    pub(crate) properties_bytes: u32,
    pub(crate) payload_at: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) position: Position,
    pub(crate) time_ms: u64,
}

impl Span {
    fn message_bytes(&self) -> usize {
        let bytes = u64::from(self.topic_bytes)
            + u64::from(self.payload_bytes)
            + u64::from(self.properties_bytes);
        usize::try_from(bytes).expect("a packet is smaller")
    }
}

/// Messages received together. `first` is the receipt number of the first one in its input.
#[derive(Debug)]
pub struct Chunk {
    pub(crate) bytes: Bytes,
    pub(crate) spans: Vec<Span>,
    pub(crate) first: u64,
    /// Counts the bytes until the last chunk that shares them is dropped.
    pub(crate) lease: Rc<Lease>,
}

impl Chunk {
    /// The number of messages.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether it has no messages.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The receipt number after the last message.
    pub fn end(&self) -> u64 {
        self.first + self.spans.len() as u64
    }

    /// Bytes of the first `count` messages.
    pub(crate) fn message_bytes(&self, count: usize) -> usize {
        self.spans[..count].iter().map(Span::message_bytes).sum()
    }

    /// The number of messages from the front that fit these bounds.
    pub(crate) fn fitting(&self, messages: usize, bytes: usize) -> usize {
        let mut sum = 0;
        let fits = |at: &usize| {
            sum += self.spans[*at].message_bytes();
            sum <= bytes
        };
        (0..self.len().min(messages)).take_while(fits).count()
    }

    /// Removes and returns the first `count` messages.
    pub(crate) fn split_to(&mut self, count: usize) -> Self {
        let rest = self.spans.split_off(count);
        let spans = std::mem::replace(&mut self.spans, rest);
        let front =
            Self { bytes: self.bytes.clone(), spans, first: self.first, lease: self.lease.clone() };
        self.first = front.end();
        front
    }

    fn message(&self, at: usize) -> Message<'_> {
        let span = &self.spans[at];
        let slice = |at: u32, bytes: u32| &self.bytes[at as usize..at as usize + bytes as usize];
        let topic = slice(span.topic_at, u32::from(span.topic_bytes));
        Message {
            topic: std::str::from_utf8(topic).expect("the input has checked it"),
            payload: slice(span.payload_at, span.payload_bytes),
            properties: slice(span.properties_at, span.properties_bytes),
            qos: span.qos,
            retain: span.retain,
            dup: span.dup,
            position: span.position,
            time_ms: span.time_ms,
        }
    }
}

/// Messages that are written together, in order of receipt and without a gap.
#[derive(Debug, Default)]
pub struct Batch {
    chunks: Vec<Chunk>,
    messages: usize,
    bytes: usize,
}

impl Batch {
    /// Appends a chunk.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        assert!(self.chunks.last().is_none_or(|last| last.end() == chunk.first), "without a gap");
        self.messages += chunk.len();
        self.bytes += chunk.message_bytes(chunk.len());
        self.chunks.push(chunk);
    }

    /// Removes the first `count` messages, which the target has.
    pub(crate) fn advance(&mut self, count: usize) {
        let mut count = count;
        while let Some(first) = self.chunks.first_mut().filter(|_| count > 0) {
            let taken = count.min(first.len());
            self.messages -= taken;
            self.bytes -= first.message_bytes(taken);
            first.split_to(taken);
            count -= taken;
            if first.is_empty() {
                self.chunks.remove(0);
            }
        }
    }

    /// The number of messages.
    pub fn len(&self) -> usize {
        self.messages
    }

    /// Whether it has no messages.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Bytes of topics, properties and payloads.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The receipt number after the last message.
    pub fn end(&self) -> u64 {
        self.chunks.last().map_or(0, Chunk::end)
    }

    /// Its messages in order with their places, without the skipped ones.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Message<'_>)> {
        let all = self.chunks.iter().flat_map(|chunk| (0..chunk.len()).map(move |at| (chunk, at)));
        let wanted = all.enumerate().filter(|(_, (chunk, at))| !chunk.spans[*at].skipped);
        wanted.map(|(place, (chunk, at))| (place, chunk.message(at)))
    }

    /// Skips messages of this topic.
    pub(crate) fn skip_topic(&mut self, topic: &str) {
        for chunk in &mut self.chunks {
            for at in 0..chunk.len() {
                chunk.spans[at].skipped |= chunk.message(at).topic == topic;
            }
        }
    }

    /// The message at a place of the batch.
    pub fn get(&self, at: usize) -> Option<Message<'_>> {
        let mut at = at;
        for chunk in &self.chunks {
            if at < chunk.len() {
                return Some(chunk.message(at));
            }
            at -= chunk.len();
        }
        None
    }
}
