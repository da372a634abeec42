//! What an operator may set of the broker's behaviour; validated where flags are read.

use crate::limits;

use super::ShardId;

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
    /// Bytes of messages one session may have waiting.
    pub session_bytes_max: u64,
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
            session_bytes_max: limits::SESSION_BYTES_MAX,
            seed: 1,
        }
    }
}
