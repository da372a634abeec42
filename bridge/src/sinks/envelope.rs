//! Envelopes: many messages as one payload, for consumers that process batches.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `RMB1` |
//! | 8 | epoch of the session |
//!
//! and for each message:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | its number |
//! | 8 | its time, in milliseconds since 1970 |
//! | 1 | flags; bit 0: retained |
//! | 2 + *n* | the length of its topic, and the topic |
//! | 4 + *n* | the length of its payload, and the payload |
//!
//! Numbers are big-endian. A consumer that remembers epoch and number of the last processed message
//! can skip messages that are delivered again.

use bytes::Bytes;

use crate::flow::Message;

/// The first bytes of an envelope.
const MAGIC: &[u8] = b"RMB1";

/// Envelopes of one batch.
pub(super) struct Envelope<'n> {
    name: &'n str,
    bytes_max: usize,
    payload: Vec<u8>,
    /// Place and position of the first message.
    first: Option<(usize, String)>,
    messages: usize,
}

/// A full envelope.
#[derive(Debug)]
pub(super) struct Full {
    /// The place of its first message.
    pub(super) at: usize,
    pub(super) messages: usize,
    pub(super) id: String,
    pub(super) payload: Bytes,
}

impl<'n> Envelope<'n> {
    pub(super) fn new(name: &'n str, bytes_max: usize) -> Self {
        Self { name, bytes_max, payload: Vec::new(), first: None, messages: 0 }
    }

    /// Adds a message. If it does not fit, it begins the next envelope, and the previous one is
    /// returned.
    pub(super) fn add(&mut self, at: usize, message: &Message<'_>) -> Option<Full> {
        let bytes = 8 + 8 + 1 + 2 + message.topic.len() + 4 + message.payload.len();
        let is_full = !self.payload.is_empty() && self.payload.len() + bytes > self.bytes_max;
        let full = if is_full { self.take() } else { None };
        if self.first.is_none() {
            self.payload.extend_from_slice(MAGIC);
            self.payload.extend_from_slice(&message.position.epoch.to_be_bytes());
            self.first = Some((at, message.position.to_string()));
        }
        self.messages += 1;
        let out = &mut self.payload;
        out.extend_from_slice(&message.position.number.to_be_bytes());
        out.extend_from_slice(&message.time_ms.to_be_bytes());
        out.push(u8::from(message.retain));
        let topic = u16::try_from(message.topic.len()).expect("a topic is shorter");
        out.extend_from_slice(&topic.to_be_bytes());
        out.extend_from_slice(message.topic.as_bytes());
        let payload = u32::try_from(message.payload.len()).expect("a payload is shorter");
        out.extend_from_slice(&payload.to_be_bytes());
        out.extend_from_slice(message.payload);
        full
    }

    /// The envelope so far.
    pub(super) fn take(&mut self) -> Option<Full> {
        let (at, first) = self.first.take()?;
        // With other bounds the envelope differs: its id contains its length.
        let id = format!("{}-{first}-{}", self.name, self.payload.len());
        let payload = Bytes::from(std::mem::take(&mut self.payload));
        Some(Full { at, messages: std::mem::take(&mut self.messages), id, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Position;

    // Messages are in envelopes in order, as many as fit; a long one has its own envelope.
    #[test]
    fn messages_fill_envelopes() {
        let mut envelope = Envelope::new("n", 100);
        let mut full = Vec::new();
        for (at, length) in [1, 1, 200, 1].into_iter().enumerate() {
            let payload = vec![7; length];
            let position = Position { epoch: 3, number: at as u64 };
            let message =
                Message { topic: "t/u", payload: &payload, position, ..Message::default() };
            full.extend(envelope.add(at, &message));
        }
        full.extend(envelope.take());
        assert!(envelope.take().is_none());
        let firsts: Vec<_> = full.iter().map(|full| (full.at, full.messages)).collect();
        assert_eq!(firsts, [(0, 2), (2, 1), (3, 1)]);
        let Full { id, payload, .. } = &full[0];
        assert_eq!(payload.len(), 4 + 8 + 2 * (8 + 8 + 1 + 2 + 3 + 4 + 1));
        assert_eq!(id, "n-3-0-66");
        assert_eq!(payload[..4], *MAGIC);
        assert_eq!(payload[29..34], *b"\0\x03t/u");
    }
}
