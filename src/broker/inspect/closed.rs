//! Connections that have ended lately, the last one first.

use std::net::IpAddr;

use super::span::Span;

/// A question for some of them.
#[derive(Clone, Default, Debug)]
pub struct ClosedListing {
    /// Only those that ended before the one with this number on its shard, or at this time on
    /// others: its uptime in milliseconds, its shard and its number.
    pub before: Option<ClosedPlace>,
    /// The shard that is asked.
    pub shard: u16,
    /// Rows wanted at most.
    pub limit: usize,
    /// Only those of this vhost.
    pub vhost: Option<u16>,
    /// Only those with this client id.
    pub id: Option<Box<str>>,
    /// Only those whose client id begins so.
    pub id_prefix: Box<str>,
    /// Only those that ended for this reason.
    pub reason: Option<Box<str>>,
    /// Where the next step goes on.
    pub at: Option<u64>,
}

/// Which connection ended before which: the time, and if that is the same the shard and its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClosedPlace {
    /// Uptime, milliseconds.
    pub at_ms: u64,
    /// The shard.
    pub shard: u16,
    /// Counts those that ended on this shard.
    pub number: u64,
}

/// A connection that has ended.
#[derive(Clone, Copy, Debug)]
pub struct ClosedRow {
    /// When, among all others.
    pub place: ClosedPlace,
    /// How long ago, milliseconds.
    pub ago_ms: u64,
    /// Its client id; empty if it never had one.
    pub id: Span,
    /// The user of its client; empty: nobody.
    pub user: Span,
    /// The id or the user was longer than what is kept of it.
    pub is_cut: bool,
    /// The number of its vhost; none if no client was let in.
    pub vhost: Option<u16>,
    /// Where it came from; none: a Unix socket.
    pub address: Option<IpAddr>,
    /// From which port.
    pub port: u16,
    /// Why, in a word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub says: Span,
    /// How long its client was connected, milliseconds; none if no client was let in.
    pub connected_ms: Option<u64>,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Bytes of MQTT sent to it.
    pub sent_bytes: u64,
}
