//! What an operator may set of the broker's behaviour; validated where flags are read.

use crate::limits;

use super::{PublishRate, ShardId};

/// What happens to a message for a session that is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overflow {
    /// The oldest message that was not sent is dropped for it.
    DropOldest,
    /// It is dropped.
    DropNewest,
    /// It is taken, and its publisher not acknowledged until there is room; nor read from, unless
    /// it has something to acknowledge itself (see `broker::full_sessions`).
    Block,
}

/// Bounds of the sessions of some clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionLimit {
    /// A client id, or the beginning of one.
    pub id: String,
    /// Whether all client ids that begin with `id` are meant, instead of one.
    pub is_prefix: bool,
    /// Bytes that may wait for each; `None`: as for all sessions.
    pub bytes_max: Option<u64>,
    /// What happens when one is full; `None`: as for all sessions.
    pub overflow: Option<Overflow>,
}

/// What happens to who publishes where it may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnDenied {
    /// The message is acknowledged and goes nowhere.
    Drop,
    /// The connection is closed.
    Disconnect,
}

/// Who may take over a client id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takeover {
    /// The user whose session it is; nobody's session, anybody.
    SameUser,
    /// Any user of the vhost.
    Any,
}

/// How little free space is too little.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threshold {
    /// Bytes.
    Bytes(u64),
    /// Percent of the file system.
    Percent(u8),
}

/// See the flags of the same names.
#[derive(Clone, Debug)]
pub struct Options {
    /// This shard.
    pub shard: ShardId,
    /// Shards there are, 1 to [`limits::SHARDS_MAX`].
    pub shards: u16,
    /// `--max-outgoing-bytes`.
    pub outgoing_bytes_max: usize,
    /// `--qos0-patience`, milliseconds.
    pub qos0_patience_ms: u64,
    /// `--max-inflight`, 1 to 65,535.
    pub inflight_max: u16,
    /// `--client-publish-rate` and `--client-publish-bytes`.
    pub publish_rate: PublishRate,
    /// `--max-packet-size`, bytes.
    pub packet_bytes_max: usize,
    /// `--topic-alias-max`: topic aliases for each direction of a connection; 0: none.
    pub topic_alias_max: u16,
    /// `--keep-alive-max`, seconds; `None`: what clients ask for.
    pub keep_alive_s_max: Option<u16>,
    /// `--check-payload-format`.
    pub checks_payload_format: bool,
    /// `--max-subscriptions`, 1 to [`limits::SUBSCRIPTIONS_MAX`].
    pub subscriptions_max: usize,
    /// `--max-topic-levels`, 1 to [`limits::TOPIC_LEVELS_MAX`].
    pub topic_levels_max: usize,
    /// `--session-max-bytes`.
    pub session_bytes_max: u64,
    /// `--session-overflow`.
    pub session_overflow: Overflow,
    /// `--session-limit`, at most [`limits::SESSION_LIMITS_MAX`].
    pub session_limits: Vec<SessionLimit>,
    /// `--session-expiry`, milliseconds; 0: never.
    pub session_expiry_ms: u64,
    /// `--on-denied`.
    pub on_denied: OnDenied,
    /// `--takeover`.
    pub takeover: Takeover,
    /// `--log-connections`.
    pub log_connections: bool,
    /// Somebody answers a shard that wants the topics of the system (`--sys-interval`).
    pub system_topics: bool,
    /// `--disk-low`.
    pub disk_low: Option<Threshold>,
    /// The time, as [`super::Context`] has it, at which the clocks were read that the store was
    /// opened with.
    pub start_ms: u64,
    /// Secret of this start and shard: seeds hashes and begins client ids that the server makes.
    pub seed: u64,
}

impl Options {
    /// The defaults, for one shard.
    pub fn single() -> Self {
        Self {
            shard: ShardId(0),
            shards: 1,
            outgoing_bytes_max: limits::OUTGOING_BYTES_DEFAULT,
            qos0_patience_ms: limits::QOS0_PATIENCE_MS_DEFAULT,
            inflight_max: limits::INFLIGHT_DEFAULT,
            publish_rate: PublishRate::default(),
            packet_bytes_max: limits::PACKET_BYTES_DEFAULT,
            topic_alias_max: limits::TOPIC_ALIASES_DEFAULT,
            keep_alive_s_max: None,
            checks_payload_format: false,
            subscriptions_max: limits::SUBSCRIPTIONS_MAX,
            topic_levels_max: limits::TOPIC_LEVELS_DEFAULT,
            session_bytes_max: limits::SESSION_BYTES_MAX,
            session_overflow: Overflow::DropOldest,
            session_limits: Vec::new(),
            session_expiry_ms: 0,
            on_denied: OnDenied::Drop,
            takeover: Takeover::SameUser,
            log_connections: true,
            system_topics: false,
            disk_low: None,
            start_ms: 0,
            seed: 1,
        }
    }
}
