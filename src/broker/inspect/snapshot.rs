//! All figures of one shard at one time, copied in one step.
//!
//! The memory belongs to the asker: the shard fills it and allocates nothing.

use super::super::meters::{Latency, Load};
use super::super::names::Stats;

/// See the file.
#[derive(Clone, Default, Debug)]
pub struct Snapshot {
    /// Counters since the broker started.
    pub stats: Stats,
    /// The present state.
    pub gauges: Gauges,
    /// Measured durations.
    pub latency: Latency,
    /// The load of the shard.
    pub load: Load,
    /// Uptime, in milliseconds.
    pub now_ms: u64,
}

/// The present state of a shard.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Gauges {
    /// Connected clients.
    pub clients: u64,
    /// Sessions, clean ones included.
    pub sessions: u64,
    /// Clean sessions of connected clients among these.
    pub clean_sessions: u64,
    /// Subscriptions of all sessions.
    pub subscriptions: u64,
    /// Bytes of messages that wait in durable sessions.
    pub queued_bytes: u64,
    /// Memory of the messages that wait in clean sessions, in bytes.
    pub memory_bytes: u64,
    /// Consumer groups with a part here.
    pub groups: u64,
    /// Subscriptions of sessions here to groups.
    pub group_members: u64,
    /// Bytes of messages that wait in groups, or are not acknowledged.
    pub group_bytes: u64,
    /// Topics with a retained message.
    pub retained: u64,
    /// Their size in bytes.
    pub retained_bytes: u64,
    /// Full sessions for which publishers wait.
    pub full_sessions: u64,
    /// Passwords that wait to be verified.
    pub password_checks: u64,
    /// Connections that are receiving retained messages.
    pub replays: u64,
    /// Clients that are marked slow.
    pub slow_clients: u64,
    /// Connections that are not read, by reason, as far as the broker decides it.
    pub waiting: WaitingConnections,
    /// Segments of the log.
    pub log_segments: u64,
    /// Damaged ones among these.
    pub log_damaged_segments: u64,
    /// Files that are ready for the next segments.
    pub log_spare_files: u64,
    /// Approximate bytes of the log to which something refers.
    pub log_live_bytes: u64,
    /// Bytes from the first segment of the log to its end.
    pub log_bytes: u64,
    /// Bytes ever appended to the log.
    pub log_appended: u64,
    /// Bytes of these that were committed.
    pub log_committed: u64,
    /// Bytes appended and not written.
    pub log_staged_bytes: u64,
    /// Bytes appended since the last checkpoint.
    pub log_since_checkpoint: u64,
    /// Segments that were cleaned.
    pub log_cleaned: u64,
    /// Bytes that cleaning has moved.
    pub log_cleaned_bytes: u64,
    /// Checkpoints that were completed.
    pub log_checkpoints: u64,
    /// Uptime at the last of them, milliseconds; 0: there was none.
    pub log_checkpoint_ms: u64,
    /// Free bytes of the file system at the last check.
    pub disk_free: u64,
    /// Bytes of the file system.
    pub disk_size: u64,
    /// Free bytes below which publishers wait.
    pub disk_limit: u64,
    /// 1: publishers that need the disk wait, because of its space or its speed.
    pub disk_short: u64,
}

/// Connections that are not read, by reason.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct WaitingConnections {
    /// A client does not receive what they publish.
    pub slow_client: u64,
    /// A session is full.
    pub full_session: u64,
    /// They wait for the disk.
    pub disk: u64,
    /// Their session is not on disk yet.
    pub session: u64,
    /// Their own client does not receive its output.
    pub own_output: u64,
    /// Their password is being verified.
    pub password: u64,
    /// They exceed their publish rate.
    pub rate: u64,
}
