//! Messages on their way: received bytes that are shared, with the places of the messages in them.
//!
//! Nothing of a message is copied between the socket and the target's own format.

use std::fmt;
use std::rc::Rc;

use bytes::Bytes;

use super::budget::Lease;

/// Which message it is, as far as the input can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Names the life of the session: a session that was deleted and made anew has another one.
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
    /// Forwarded properties of MQTT 5, as `ringmq::mqtt` has them.
    pub properties: &'a [u8],
    /// 0 or 1.
    pub qos: u8,
    /// It was, or is to be, retained.
    pub retain: bool,
    /// It may have been delivered before.
    pub dup: bool,
    /// Which message it is.
    pub position: Position,
    /// When it was stored or, if the input does not say, when it was received: milliseconds since
    /// 1970.
    pub time_ms: u64,
}

/// A message's place in its chunk.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) topic_at: u32,
    pub(crate) topic_bytes: u16,
    /// 0: it has none.
    pub(crate) packet_id: u16,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    /// It is not for the target: a dead letter that came back.
    pub(crate) skipped: bool,
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

/// Messages that came together. `first` is the order of receipt: it counts all of the input.
#[derive(Debug)]
pub struct Chunk {
    pub(crate) bytes: Bytes,
    pub(crate) spans: Vec<Span>,
    pub(crate) first: u64,
    /// The bytes count until the last chunk that shares them is gone.
    pub(crate) lease: Rc<Lease>,
}

impl Chunk {
    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Receipt number behind the last message.
    pub fn end(&self) -> u64 {
        self.first + self.spans.len() as u64
    }

    /// Bytes of the first `count` messages.
    pub(crate) fn message_bytes(&self, count: usize) -> usize {
        self.spans[..count].iter().map(Span::message_bytes).sum()
    }

    /// How many messages from the front are within these bounds.
    pub(crate) fn fitting(&self, messages: usize, bytes: usize) -> usize {
        let mut sum = 0;
        let fits = |at: &usize| {
            sum += self.spans[*at].message_bytes();
            sum <= bytes
        };
        (0..self.len().min(messages)).take_while(fits).count()
    }

    /// Takes the first `count` messages off.
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
    /// Adds chunk behind the others.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        assert!(self.chunks.last().is_none_or(|last| last.end() == chunk.first), "without a gap");
        self.messages += chunk.len();
        self.bytes += chunk.message_bytes(chunk.len());
        self.chunks.push(chunk);
    }

    /// Takes the first `count` messages off: the target has them.
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

    /// How many messages it has.
    pub fn len(&self) -> usize {
        self.messages
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Bytes of topics, properties and payloads.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Receipt number behind the last message.
    pub fn end(&self) -> u64 {
        self.chunks.last().map_or(0, Chunk::end)
    }

    /// Its messages in order, each with its place, without those that are skipped.
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

    /// One of them, by its place in the batch.
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
