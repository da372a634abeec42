//! Retained messages: which there are, one of them, and their end.

use super::span::Span;

/// A question for topics with a retained message, in byte order.
#[derive(Clone, Default, Debug)]
pub struct RetainedListing {
    /// The number of the vhost.
    pub vhost: u16,
    /// What the topics begin with.
    pub prefix: Box<str>,
    /// The last topic of the answer before.
    pub after: Option<Box<str>>,
    /// Rows wanted at most.
    pub limit: usize,
}

/// A topic with a retained message.
#[derive(Clone, Copy, Debug)]
pub struct RetainedRow {
    /// The topic.
    pub topic: Span,
    /// Bytes that its message takes in the log.
    pub bytes: u32,
}

/// A question for the retained message of a topic.
#[derive(Clone, Default, Debug)]
pub struct RetainedMessage {
    /// The number of the vhost.
    pub vhost: u16,
    /// The topic.
    pub topic: Box<str>,
    /// Where the message stood when the last step read of it.
    pub position: Option<u64>,
}

/// A message, or the beginning of a large one.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FoundMessage {
    /// QoS it was published with.
    pub qos: u8,
    /// How long ago it came, milliseconds.
    pub age_ms: u64,
    /// Bytes of its payload.
    pub payload_bytes: u64,
    /// The payload, as far as it is told.
    pub payload: Vec<u8>,
}

/// An order to clear retained messages.
#[derive(Clone, Default, Debug)]
pub struct Clearing {
    /// The number of the vhost.
    pub vhost: u16,
    /// Those whose topics match it, which is a topic filter.
    pub filter: Box<str>,
    /// They are only counted.
    pub is_dry: bool,
    /// The last topic that was looked at.
    pub after: Option<Box<str>>,
    /// What was cleared so far.
    pub cleared: Cleared,
    /// Steps taken.
    pub steps: u32,
    /// All was looked at; the log is to be committed up to here.
    pub awaits: Option<u64>,
}

/// What became of it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Cleared {
    /// Messages that were cleared, or would be.
    pub messages: u64,
    /// The bytes that they took.
    pub bytes: u64,
    /// There is more, behind this topic.
    pub after: Option<Box<str>>,
}
