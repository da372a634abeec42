//! All figures of one shard at one moment: a copy, made in one step.
//!
//! The memory is the asker's: a shard fills it and allocates nothing.

use super::super::meters::{Latency, Load};
use super::super::names::Stats;

/// See the module.
#[derive(Clone, Default, Debug)]
pub struct Snapshot {
    /// What was counted since the broker started.
    pub stats: Stats,
    /// What there is now.
    pub gauges: Gauges,
    /// How long things took.
    pub latency: Latency,
    /// How busy it is.
    pub load: Load,
    /// Uptime, milliseconds.
    pub now_ms: u64,
}

/// What a shard has now.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Gauges {
    /// Clients that are connected.
    pub clients: u64,
    /// Sessions, clean ones included.
    pub sessions: u64,
    /// Subscriptions of all sessions.
    pub subscriptions: u64,
    /// Bytes of messages that wait in durable sessions.
    pub queued_bytes: u64,
    /// Bytes of memory that messages take which wait in clean sessions.
    pub memory_bytes: u64,
    /// Consumer groups with a part here.
    pub groups: u64,
    /// Subscriptions of sessions here to groups.
    pub group_members: u64,
    /// Bytes of messages that wait in groups, or are not acknowledged.
    pub group_bytes: u64,
    /// Topics with a retained message.
    pub retained: u64,
    /// Bytes of these messages.
    pub retained_bytes: u64,
    /// Full sessions that publishers wait for.
    pub full_sessions: u64,
    /// Passwords that are about to be verified.
    pub password_checks: u64,
    /// Connections that retained messages are being sent to.
    pub replays: u64,
    /// Segments of the log.
    pub log_segments: u64,
    /// Bytes from the first segment of the log to its end.
    pub log_bytes: u64,
    /// Bytes ever appended to the log.
    pub log_appended: u64,
    /// Of these, the ones that were committed.
    pub log_committed: u64,
    /// Bytes appended and not written.
    pub log_staged_bytes: u64,
    /// Bytes that wait in the log since the last checkpoint.
    pub log_since_checkpoint: u64,
    /// Segments that were cleaned.
    pub log_cleaned: u64,
    /// Checkpoints that were completed.
    pub log_checkpoints: u64,
    /// Free bytes of the file system, when it was looked at last.
    pub disk_free: u64,
    /// Bytes of the file system.
    pub disk_size: u64,
    /// Free bytes below which publishers wait.
    pub disk_limit: u64,
    /// 1: publishers that need the disk wait, for its space or its speed.
    pub disk_short: u64,
}
