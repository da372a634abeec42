//! Flags of consumer groups.

use clap::{Args, ValueEnum};

use crate::limits;

use super::values::{parse_group_bytes, parse_group_expiry_ms};

/// Which member of a consumer group gets a message.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupOrder {
    /// Messages of one publisher and topic are with one member at a time
    Topic,
    /// A topic stays with one member as long as it is connected
    Sticky,
    /// The next member that can take the message, in no order
    None,
}

/// Flags of consumer groups (shared subscriptions).
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct GroupOptions {
    /// Which member of a consumer group gets a message
    #[arg(
        long = "group-order",
        value_enum,
        value_name = "ORDER",
        default_value_t = GroupOrder::Topic,
        help_heading = "Storage"
    )]
    pub order: GroupOrder,

    /// Messages that may wait for one consumer group, in bytes.
    ///
    /// --session-overflow says what happens when the group is full.
    #[arg(
        long = "group-max-bytes",
        value_name = "BYTES",
        default_value = "16GiB",
        value_parser = parse_group_bytes,
        help_heading = "Storage"
    )]
    pub bytes_max: u64,

    /// How long a durable consumer group without members is kept, with what waits in it; 0: not at
    /// all
    #[arg(
        long = "group-expiry",
        value_name = "DURATION",
        default_value = "14d",
        value_parser = parse_group_expiry_ms,
        help_heading = "Storage"
    )]
    pub expiry_ms: u64,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self {
            order: GroupOrder::Topic,
            bytes_max: limits::GROUP_BYTES_DEFAULT,
            expiry_ms: limits::GROUP_EXPIRY_MS_DEFAULT,
        }
    }
}
