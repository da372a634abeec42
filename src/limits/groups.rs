//! Bounds of consumer groups.

/// Lanes of a group on each shard: messages of this many topics may be sent to different members at
/// once. Each used lane takes some 300 bytes, and up to 8 KiB while messages wait in it. More lanes
/// would spread the acknowledgements of a turn over more records.
pub const GROUP_LANES: usize = 64;

/// Bytes of the name of a group. Over: the subscription is refused.
pub const SHARE_NAME_BYTES_MAX: usize = 128;

/// Groups of one vhost. Over: a subscription to another group is refused. A message goes to a lane
/// of each matching group, so this bounds the cost of one message.
pub const GROUPS_MAX: usize = 1024;

/// Members of one group. Over: a subscription is refused.
pub const GROUP_MEMBERS_MAX: usize = 4096;

/// Messages that a member may have unacknowledged, of all groups and shards, unless its client sets
/// a lower Receive Maximum. Telegraf reads at most 1,000 before it writes them, and writes 1,000 at
/// once: more would block its reader, fewer its writer.
pub const GROUP_WINDOW: u16 = 1000;

/// Answers of members in one message to the shard of their lanes; more are several messages. Such a
/// message is copied into the ring ([`super::SHARE_BYTES_MIN`]), so it needs no memory of its own.
pub const GROUP_DONE_MAX: usize = 100;

/// How long a durable member's lanes are kept for it when its connection ends: a client that
/// connects anew at once gets the same messages under the same identifiers.
pub const GROUP_GRACE_MS: u64 = 5000;

/// Bytes that wait in one group by default (`--group-max-bytes`), on all shards together. Full: as
/// `--session-overflow` says. They suffice for a consumer's holiday at some thousand messages a
/// second.
pub const GROUP_BYTES_DEFAULT: u64 = 16 * 1024 * 1024 * 1024;

/// Bytes that wait in one group in memory, on all shards together, if `--group-max-bytes` allows
/// more: as in a clean session ([`super::SESSION_BYTES_MAX`]). Full: as `--session-overflow` says.
pub const GROUP_MEMORY_BYTES_MAX: u64 = super::SESSION_BYTES_MAX;

/// Lease numbers that are reserved in the log at once: one record is written for this many messages
/// of a durable member.
pub const LEASE_STRIDE: u64 = 8192;

/// Members that are lost one after the other with the same message at a lane's head. Then the
/// message is logged, and goes to the next member alone.
pub const GROUP_DELIVERIES_TOLD: u8 = 2;

/// Time for which a group without members is kept by default (`--group-expiry`): as a session.
pub const GROUP_EXPIRY_MS_DEFAULT: u64 = super::SESSION_EXPIRY_MS_DEFAULT;

/// How often a declared group may give out a message without an acknowledgement (`max-deliveries`).
/// Fewer are refused: from the second lost member on the message goes alone, so that only with the
/// third it is sure that it was this one.
pub const GROUP_DELIVERIES_MIN: u8 = GROUP_DELIVERIES_TOLD + 1;
/// See [`GROUP_DELIVERIES_MIN`]; what the count of a lane can say.
pub const GROUP_DELIVERIES_MAX: u8 = u8::MAX;

/// Bytes of a vhost's file of groups. Over: it is refused.
pub const GROUPS_FILE_BYTES_MAX: u64 = 1024 * 1024;
