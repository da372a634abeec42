//! The messages that wait in one session: reading the first of them, and dropping all.

use super::session_name::SessionName;
use super::span::Span;

/// A question for the first messages of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peek {
    /// The session.
    pub name: SessionName,
    /// The most messages.
    pub limit: usize,
    /// The number of the first message that was not read.
    pub(crate) from: u64,
}

/// A message that waits.
#[derive(Clone, Copy, Debug)]
pub struct WaitingRow {
    /// Its number in the queue.
    pub number: u64,
    /// Its topic.
    pub topic: Span,
    /// Its payload, or the beginning of a large one.
    pub payload: Span,
    /// Bytes of its payload.
    pub payload_bytes: u64,
    /// The QoS of its delivery.
    pub qos: u8,
    /// Whether it is sent with RETAIN set.
    pub retain: bool,
    /// Whether it was sent to its client.
    pub sent: bool,
    /// Its age in milliseconds; none if it is not on disk.
    pub age_ms: Option<u64>,
    /// Whether the disk has lost it.
    pub is_lost: bool,
}

/// An order to drop all waiting messages of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Purge {
    /// The session.
    pub name: SessionName,
    pub(crate) purged: u64,
    /// Set when all messages are dropped: the record of that must be committed.
    pub(crate) awaits: Option<Awaits>,
}

/// The event for which a purge waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Awaits {
    /// The end of the turn, which appends the record.
    Turn,
    /// The log, up to this place.
    Log(u64),
}

impl Peek {
    /// Reads the first messages of a session.
    pub fn new(name: SessionName, limit: usize) -> Self {
        Self { name, limit, from: 0 }
    }
}

impl Purge {
    /// Drops all waiting messages of a session.
    pub fn new(name: SessionName) -> Self {
        Self { name, purged: 0, awaits: None }
    }
}
