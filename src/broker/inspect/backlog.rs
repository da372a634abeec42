//! The backlog of durable sessions and its age, computed in steps when an operator asks. Handling a
//! message costs nothing for it.

use crate::store::SessionKey;

/// See the file.
#[derive(Clone, Copy, Default, Debug)]
pub struct Backlog {
    /// The position at which the next step begins.
    pub(crate) from: SessionKey,
    /// The sum so far.
    pub(crate) found: Waiting,
}

/// The backlog of durable sessions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Messages that wait or are not acknowledged.
    pub messages: u64,
    /// The most that one session has of them.
    pub messages_max: u64,
    /// Messages that were sent to clients of any session and are not acknowledged.
    pub inflight: u64,
    /// The age of the oldest one, milliseconds.
    pub lag_ms_max: u64,
    /// Messages in consumer groups that wait or are not acknowledged.
    pub group_messages: u64,
    /// The age of the oldest of these, milliseconds.
    pub group_lag_ms_max: u64,
}

impl Waiting {
    /// Adds the backlog of another shard or session.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.messages_max = self.messages_max.max(other.messages_max);
        self.inflight += other.inflight;
        self.lag_ms_max = self.lag_ms_max.max(other.lag_ms_max);
        self.group_messages += other.group_messages;
        self.group_lag_ms_max = self.group_lag_ms_max.max(other.group_lag_ms_max);
    }
}
