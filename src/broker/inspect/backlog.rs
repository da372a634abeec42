//! How much is in durable sessions and in consumer groups, and for how long: looked at when
//! somebody asks, in steps, so that a message costs nothing for it.

use crate::store::SessionKey;

/// See the module.
#[derive(Clone, Copy, Default, Debug)]
pub struct Backlog {
    /// Where the next step begins.
    pub(crate) from: SessionKey,
    /// What was found so far.
    pub(crate) found: Waiting,
}

/// What durable sessions and groups have.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Messages that wait or are not acknowledged.
    pub messages: u64,
    /// Those of the session that has most of them.
    pub messages_max: u64,
    /// How long the oldest has been there, milliseconds.
    pub lag_ms_max: u64,
    /// Messages in consumer groups that wait or are not acknowledged.
    pub group_messages: u64,
    /// How long the oldest of these has been there, milliseconds.
    pub group_lag_ms_max: u64,
}

impl Waiting {
    /// Adds what is elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.messages_max = self.messages_max.max(other.messages_max);
        self.lag_ms_max = self.lag_ms_max.max(other.lag_ms_max);
        self.group_messages += other.group_messages;
        self.group_lag_ms_max = self.group_lag_ms_max.max(other.group_lag_ms_max);
    }
}
