//! What waits in one session: a look at its first messages, and their end.

use super::session_name::SessionName;
use super::span::Span;

/// A question for the first messages of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peek {
    /// Whose.
    pub name: SessionName,
    /// Messages wanted at most.
    pub limit: usize,
    /// The first number that was not looked at.
    pub(crate) from: u64,
}

/// One of them.
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
    /// QoS it is delivered with.
    pub qos: u8,
    /// It goes out as a retained one.
    pub retain: bool,
    /// Its client was sent it.
    pub sent: bool,
    /// How long ago it came, milliseconds; none if it is not on the disk.
    pub age_ms: Option<u64>,
    /// The disk has lost it.
    pub is_lost: bool,
}

/// An order to drop all that waits in a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Purge {
    /// Whose.
    pub name: SessionName,
    pub(crate) purged: u64,
    /// All was dropped; it is to be noted in the log, and committed.
    pub(crate) awaits: Option<Awaits>,
}

/// What a purge waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Awaits {
    /// The end of the turn, which notes what was dropped.
    Turn,
    /// The log, up to here.
    Log(u64),
}

impl Peek {
    /// A look at the first messages of a session.
    pub fn new(name: SessionName, limit: usize) -> Self {
        Self { name, limit, from: 0 }
    }
}

impl Purge {
    /// The end of all messages that wait in a session.
    pub fn new(name: SessionName) -> Self {
        Self { name, purged: 0, awaits: None }
    }
}
