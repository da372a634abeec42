//! Bounds of consumer groups.

/// Lanes of a group on each shard: so many topics' messages may be with different members at once.
/// Each lane that was used takes some 300 bytes, and up to 8 KiB while messages wait in it; more
/// would scatter the acknowledgements of a turn over more records.
pub const GROUP_LANES: usize = 64;

/// Bytes of the name of a group. Over: the subscription is refused.
pub const SHARE_NAME_BYTES_MAX: usize = 128;

/// Groups of one vhost. Over: a subscription to another is refused. A message goes to a lane of
/// each group that matches, so this bounds what one message costs.
pub const GROUPS_MAX: usize = 1024;

/// Members of one group. Over: a subscription is refused.
pub const GROUP_MEMBERS_MAX: usize = 4096;

/// Messages that a member may have unacknowledged, of all groups and shards, if its client does not
/// set a lower Receive Maximum. Telegraf reads no more than 1,000 before it has written them, and
/// writes 1,000 at once: more would block its reader, less its writer.
pub const GROUP_WINDOW: u16 = 1000;

/// Answers of members in one message to the shard of their lanes; more are several messages. Such a
/// message is copied into the ring ([`super::SHARE_BYTES_MIN`]), so it needs no memory of its own.
pub const GROUP_DONE_MAX: usize = 100;

/// How long a durable member's lanes are kept for it when its connection ends: a client that
/// connects anew at once gets the same messages under the same identifiers.
pub const GROUP_GRACE_MS: u64 = 5000;

/// Bytes that wait in one group by default (`--group-max-bytes`), on all shards together. Full: as
/// `--session-overflow` says. It is enough for a consumer's holiday at some thousand messages a
/// second.
pub const GROUP_BYTES_DEFAULT: u64 = 16 * 1024 * 1024 * 1024;

/// Numbers of leases that are reserved in the log at once: a durable member's messages for which
/// one record is written.
pub const LEASE_STRIDE: u64 = 8192;

/// Members that are lost one after the other with the same message at a lane's head before it is
/// told, and goes to the next member alone.
pub const GROUP_DELIVERIES_TOLD: u8 = 2;

/// How long a group without members is kept by default (`--group-expiry`): as a session is.
pub const GROUP_EXPIRY_MS_DEFAULT: u64 = super::SESSION_EXPIRY_MS_DEFAULT;
