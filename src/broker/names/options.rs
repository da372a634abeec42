//! The settings of the broker's behaviour; the reader of the flags validates them.

use crate::limits;

use super::{PublishRate, ShardId};

/// The handling of a message for a full session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overflow {
    /// The oldest unsent message is dropped for it.
    DropOldest,
    /// The new message is dropped.
    DropNewest,
    /// It is stored, but its publisher gets no acknowledgement until there is room. The broker does
    /// not read from the publisher either, unless it has messages to acknowledge itself (see
    /// `broker::full_sessions`).
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
    /// The policy for a full one; `None`: as for all sessions.
    pub overflow: Option<Overflow>,
}

/// The handling of a publisher without permission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnDenied {
    /// The message is acknowledged and dropped.
    Drop,
    /// The connection is closed.
    Disconnect,
}

/// The users that may take over a client id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takeover {
    /// Only the user whose session it is; an anonymous client's session, any user.
    SameUser,
    /// Any user of the vhost.
    Any,
}

/// Which member of a consumer group gets a message.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum GroupOrder {
    /// Messages of one publisher and topic are with one member at a time.
    #[default]
    Topic,
    /// A topic's messages go to one member as long as it is there.
    Sticky,
    /// Each message goes to the next that can take it.
    None,
}

impl GroupOrder {
    /// Its name for flags and operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Sticky => "sticky",
            Self::None => "none",
        }
    }
}

/// The bound below which free space is too low.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threshold {
    /// Bytes.
    Bytes(u64),
    /// Percent of the file system.
    Percent(u8),
}

/// See the flags with these names.
#[derive(Clone, Debug)]
pub struct Options {
    /// This shard.
    pub shard: ShardId,
    /// Number of shards, 1 to [`limits::SHARDS_MAX`].
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
    /// `--group-order`.
    pub group_order: GroupOrder,
    /// `--group-max-bytes`, of all shards together.
    pub group_bytes_max: u64,
    /// `--group-expiry`, milliseconds.
    pub group_expiry_ms: u64,
    /// [`limits::GROUP_GRACE_MS`].
    pub group_grace_ms: u64,
    /// `--on-denied`.
    pub on_denied: OnDenied,
    /// `--takeover`.
    pub takeover: Takeover,
    /// `--log-connections`.
    pub log_connections: bool,
    /// Whether the topics of the system are published (`--sys-interval`).
    pub system_topics: bool,
    /// `--disk-low`.
    pub disk_low: Option<Threshold>,
    /// The time on the clock of [`super::Context`] at which the store was opened.
    pub start_ms: u64,
    /// A secret of this start and shard: it seeds hashes and begins client ids that the server
    /// assigns.
    pub seed: u64,
    /// Secret of this start and shard: what clients must answer in an authentication comes from it.
    pub nonce_key: [u8; 32],
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
            group_order: GroupOrder::Topic,
            group_bytes_max: limits::GROUP_BYTES_DEFAULT,
            group_expiry_ms: limits::GROUP_EXPIRY_MS_DEFAULT,
            group_grace_ms: limits::GROUP_GRACE_MS,
            on_denied: OnDenied::Drop,
            takeover: Takeover::SameUser,
            log_connections: true,
            system_topics: false,
            disk_low: None,
            start_ms: 0,
            seed: 1,
            nonce_key: [1; 32],
        }
    }
}
