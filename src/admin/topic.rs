//! The topics `$SYS/…`, as rows of the catalogue name them. A topic is the sum of all rows that
//! name it.

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Topic {
    /// Its name below `$SYS/`, and others with the same value.
    pub(super) names: &'static [&'static str],
    /// The values of the row's labels that count; empty: all of them.
    pub(super) only: &'static [&'static str],
    pub(super) form: Form,
    /// What it means, if the row's help does not say it.
    pub(super) help: &'static str,
}

/// What is published of a figure, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// The number, without a fraction.
    Number,
    /// The highest number of all rows and all updates so far.
    Peak,
    /// Its increase in a minute as moving averages: one topic below the name for each of
    /// [`SPANS`](super::system::SPANS).
    Load,
    /// The share of the time since the last update, of each shard: `N` in the name is its number.
    Share,
    /// The time since the start, as Mosquitto writes it.
    Uptime,
    /// The version, as Mosquitto writes it.
    Version,
}

impl Topic {
    /// Of these values of the row's labels only.
    pub(super) const fn only(mut self, values: &'static [&'static str]) -> Self {
        self.only = values;
        self
    }

    /// With another meaning than the row's help.
    pub(super) const fn says(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }
}

pub(super) const fn topic(names: &'static [&'static str], form: Form) -> Topic {
    Topic { names, only: &[], form, help: "" }
}

pub(super) const fn number(names: &'static [&'static str]) -> Topic {
    topic(names, Form::Number)
}

pub(super) const fn load(names: &'static [&'static str]) -> Topic {
    topic(names, Form::Load)
}

/// The reasons of dropped messages that Mosquitto counts.
pub(super) const DROPPED: &[&str] =
    &["absent", "slow", "session_full_oldest", "session_full_newest"];

/// The meaning of these.
pub(super) const NOT_GOT: &str = "Messages that sessions did not get because their client was \
                                  disconnected or slow, or the session full";

/// Messages that the broker keeps.
pub(super) const STORED: Topic = number(&["broker/store/messages/count", "broker/messages/stored"])
    .says("Retained messages, and those that wait in durable sessions and groups");

/// Their bytes.
pub(super) const STORED_BYTES: Topic = number(&["broker/store/messages/bytes"])
    .says("Bytes of retained messages, and of those that wait in durable sessions and groups");

/// CONNECTs in a minute.
pub(super) const CONNECTS: Topic =
    load(&["broker/load/connections"]).says("CONNECTs, accepted or refused");

/// The most sessions. The number and the maximum are of different moments, so both count.
pub(super) const MOST_SESSIONS: Topic = topic(&["broker/clients/maximum"], Form::Peak)
    .says("The most sessions that there were at once since the start");
