//! Retained messages: listing, reading and clearing.

use super::span::Span;

/// A question for topics with a retained message, in byte order.
#[derive(Clone, Default, Debug)]
pub struct RetainedListing {
    /// The number of the vhost.
    pub vhost: u16,
    /// The prefix of the topics.
    pub prefix: Box<str>,
    /// The last topic of the answer before.
    pub after: Option<Box<str>>,
    /// The most rows.
    pub limit: usize,
}

/// A topic with a retained message.
#[derive(Clone, Copy, Debug)]
pub struct RetainedRow {
    /// The topic.
    pub topic: Span,
    /// The size of its message in the log.
    pub bytes: u32,
}

/// A question for the retained message of a topic.
#[derive(Clone, Default, Debug)]
pub struct RetainedMessage {
    /// The number of the vhost.
    pub vhost: u16,
    /// The topic.
    pub topic: Box<str>,
    /// The position of the message at the last step.
    pub position: Option<u64>,
}

/// A message, or the beginning of a large one.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FoundMessage {
    /// The QoS of its publication.
    pub qos: u8,
    /// Its age, in milliseconds.
    pub age_ms: u64,
    /// The size of its payload.
    pub payload_bytes: u64,
    /// The payload, or the beginning of a large one.
    pub payload: Vec<u8>,
}

/// An order to clear retained messages.
#[derive(Clone, Default, Debug)]
pub struct Clearing {
    /// The number of the vhost.
    pub vhost: u16,
    /// The topic filter of the messages.
    pub filter: Box<str>,
    /// Whether they are only counted.
    pub is_dry: bool,
    /// The last topic that was checked.
    pub after: Option<Box<str>>,
    /// The result so far.
    pub cleared: Cleared,
    /// Steps taken.
    pub steps: u32,
    /// The end of the log that must be committed; set when all topics were checked.
    pub awaits: Option<u64>,
}

/// The result.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Cleared {
    /// Messages that were cleared, or would be.
    pub messages: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// The topic after which there may be more.
    pub after: Option<Box<str>>,
}
