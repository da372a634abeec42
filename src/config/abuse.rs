//! Flags that limit one address or one client. All limits are off by default.

use clap::{Args, value_parser};

use crate::limits;

use super::values::{parse_publish_bytes, parse_subscriptions, parse_topic_levels};

/// Flags that limit one address or one client.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct AbuseOptions {
    /// Open connections of one address (IPv6: of one /64); further connections are closed. 0: no
    /// limit.
    ///
    /// Loopback addresses and Unix sockets are exempt.
    #[arg(
        long = "address-connections-max",
        value_name = "N",
        default_value_t = 0,
        value_parser = value_parser!(u32).range(..=i64::from(limits::ADDRESS_CONNECTIONS_MAX)),
        help_heading = "Limits"
    )]
    pub address_connections_max: u32,

    /// Connections that one address may open in a second; further ones are closed. 0: no limit.
    ///
    /// Loopback addresses and Unix sockets are exempt.
    #[arg(
        long = "address-connects-per-second",
        value_name = "N",
        default_value_t = 0,
        value_parser = value_parser!(u32).range(..=i64::from(limits::RATE_MAX)),
        help_heading = "Limits"
    )]
    pub address_connects_per_s: u32,

    /// Messages that one client may publish in a second; the broker pauses reading from a client
    /// that exceeds this. 0: no limit
    #[arg(
        long = "client-publish-rate",
        value_name = "N",
        default_value_t = 0,
        value_parser = value_parser!(u32).range(..=i64::from(limits::RATE_MAX)),
        help_heading = "Limits"
    )]
    pub client_publishes_per_s: u32,

    /// Bytes of topics and payloads that one client may publish in a second; enforced as
    /// --client-publish-rate. 0: no limit
    #[arg(
        long = "client-publish-bytes",
        value_name = "BYTES",
        default_value = "0",
        value_parser = parse_publish_bytes,
        help_heading = "Limits"
    )]
    pub client_publish_bytes_per_s: u64,

    /// Filters that one session may hold; a SUBSCRIBE to a further one is answered 0x80
    #[arg(
        long = "max-subscriptions",
        value_name = "N",
        default_value_t = limits::SUBSCRIPTIONS_MAX,
        value_parser = parse_subscriptions,
        help_heading = "Limits"
    )]
    pub subscriptions_max: usize,

    /// Levels that a topic or a filter may have, at most 65535.
    ///
    /// A SUBSCRIBE to a deeper filter is answered 0x80. A message to a deeper topic is denied; see
    /// --on-denied.
    #[arg(
        long = "max-topic-levels",
        value_name = "N",
        default_value_t = limits::TOPIC_LEVELS_DEFAULT,
        value_parser = parse_topic_levels,
        help_heading = "Limits"
    )]
    pub topic_levels_max: usize,
}
