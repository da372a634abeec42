//! The metrics of vhosts, in a table for `/metrics/vhosts` and the documentation.

use super::metric::{Metric, counter, gauge};

/// Metrics of each vhost, with the names of their figures in
/// [`VhostReport`](crate::broker::VhostReport).
pub(super) const VHOST_METRICS: &[Metric<&str>] = &[
    gauge("vhost_connections", "Clients that are connected", "clients"),
    counter("vhost_connects_total", "CONNECTs that were accepted", "clients_accepted"),
    counter("vhost_messages_received_total", "PUBLISHes received", "publishes_in"),
    counter(
        "vhost_messages_denied_total",
        "PUBLISHes and wills that their client may not send",
        "publishes_denied",
    ),
    counter(
        "vhost_subscriptions_denied_total",
        "Filters that their client may not subscribe to",
        "subscriptions_denied",
    ),
    gauge("vhost_sessions", "Sessions", "sessions"),
    gauge(
        "vhost_backlog_bytes",
        "Messages in durable sessions and groups that wait or are not acknowledged: what \
         max-queued-bytes limits",
        "queued_bytes",
    ),
    gauge("vhost_retained_messages", "Topics with a retained message", "retained"),
    gauge("vhost_retained_bytes", "Retained messages", "retained_bytes"),
];
