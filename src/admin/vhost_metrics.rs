//! The metrics of vhosts, in a table for `/metrics/vhosts` and the documentation.

use super::metric::Kind;

/// Metrics of each vhost, with the names of their figures in
/// [`VhostReport`](crate::broker::VhostReport).
pub(super) const VHOST_METRICS: &[(&str, Kind, &str, &str)] = &[
    ("vhost_connections", Kind::Gauge, "clients", "Clients that are connected"),
    ("vhost_connects_total", Kind::Counter, "clients_accepted", "CONNECTs that were accepted"),
    ("vhost_messages_received_total", Kind::Counter, "publishes_in", "PUBLISHes received"),
    (
        "vhost_messages_denied_total",
        Kind::Counter,
        "publishes_denied",
        "PUBLISHes and wills that their client may not send",
    ),
    (
        "vhost_subscriptions_denied_total",
        Kind::Counter,
        "subscriptions_denied",
        "Filters that their client may not subscribe to",
    ),
    ("vhost_sessions", Kind::Gauge, "sessions", "Sessions"),
    (
        "vhost_backlog_bytes",
        Kind::Gauge,
        "queued_bytes",
        "Messages in durable sessions and groups that wait or are not acknowledged: what \
         max-queued-bytes limits",
    ),
    ("vhost_retained_messages", Kind::Gauge, "retained", "Topics with a retained message"),
    ("vhost_retained_bytes", Kind::Gauge, "retained_bytes", "Retained messages"),
];
