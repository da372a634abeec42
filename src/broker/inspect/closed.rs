//! Connections that have ended recently, the last one first.

use std::net::IpAddr;

use super::span::Span;

/// A question for some of them.
#[derive(Clone, Default, Debug)]
pub struct ClosedListing {
    /// Only connections that ended before this place. On other shards, only its time counts.
    pub before: Option<ClosedPlace>,
    /// The shard that is asked.
    pub shard: u16,
    /// Rows wanted at most.
    pub limit: usize,
    /// Only those of this vhost.
    pub vhost: Option<u16>,
    /// Only those with this client id.
    pub id: Option<Box<str>>,
    /// Only those whose client id has this prefix.
    pub id_prefix: Box<str>,
    /// Only those that ended for this reason.
    pub reason: Option<Box<str>>,
    /// The place where the next step continues.
    pub at: Option<u64>,
}

/// Orders the ends of connections: by time, then by shard and by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClosedPlace {
    /// Uptime, in milliseconds.
    pub at_ms: u64,
    /// The shard.
    pub shard: u16,
    /// The number of the end on this shard.
    pub number: u64,
}

/// A connection that has ended.
#[derive(Clone, Copy, Debug)]
pub struct ClosedRow {
    /// Its place among all ends.
    pub place: ClosedPlace,
    /// The time since then, in milliseconds.
    pub ago_ms: u64,
    /// Its client id; empty if it never had one.
    pub id: Span,
    /// The user of its client; empty: none.
    pub user: Span,
    /// Whether the id or the user was cut to the bound.
    pub is_cut: bool,
    /// The number of its vhost; none if no client was accepted.
    pub vhost: Option<u16>,
    /// Its address; none: a Unix socket.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// The reason, in a word.
    pub reason: &'static str,
    /// The reason, in a sentence.
    pub says: Span,
    /// The duration of its client's connection in milliseconds; none if no client was accepted.
    pub connected_ms: Option<u64>,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Bytes of MQTT sent to it.
    pub sent_bytes: u64,
}
