//! Every metric: its name, what it means, and where it comes from. Text for Prometheus, JSON and
//! the documentation are made from this table.

use crate::broker::inspect::{Histogram, Snapshot};

use super::broker_metrics::BROKER_METRICS;
use super::group_events::{GROUP_EVENTS, GROUP_METRICS};
use super::metric::{Kind, Metric, Source, float};

const COUNT: u32 = 1;
const MICROS: u32 = 1_000_000;

const fn row(
    (name, kind, per_unit): (&'static str, Kind, u32),
    help: &'static str,
    source: Source,
) -> Metric {
    Metric { name, kind, per_unit, help, source }
}

const fn counter(name: &'static str, help: &'static str, source: Source) -> Metric {
    row((name, Kind::Counter, COUNT), help, source)
}

const fn gauge(name: &'static str, help: &'static str, source: Source) -> Metric {
    row((name, Kind::Gauge, COUNT), help, source)
}

const fn times(name: &'static str, help: &'static str, of: fn(&Snapshot) -> &Histogram) -> Metric {
    row((name, Kind::Histogram, MICROS), help, Source::Times(of))
}

/// Every metric.
pub(super) fn metrics() -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().chain(GROUP_METRICS).chain(BROKER_METRICS)
}

/// Those that shards know, and some of the broker.
pub(super) const METRICS: &[Metric] = &[
    gauge(
        "build_info",
        "1; the version is its label",
        Source::Label("version", |_| env!("CARGO_PKG_VERSION")),
    ),
    gauge(
        "ready",
        "1 while clients are let in",
        Source::Broker(|whole| (whole.condition.is_ready && !whole.condition.draining).into()),
    ),
    gauge(
        "config_last_reload_successful",
        "1 if the last SIGHUP was followed, or there was none",
        Source::Broker(|whole| whole.condition.reloaded.into()),
    ),
    gauge(
        "config_last_reload_success_timestamp_seconds",
        "When the configuration was read the last time without a fault",
        Source::Broker(|whole| {
            u32::try_from(whole.condition.reloaded_at_s).unwrap_or(u32::MAX).into()
        }),
    ),
    gauge(
        "connections",
        "Open connections, with or without a client",
        Source::Sum(|s| s.load.links),
    ),
    counter("connections_accepted_total", "Connections accepted", Source::Sum(|s| s.load.accepted)),
    counter(
        "connections_refused_total",
        "Connections closed before a byte was read",
        Source::Sums(
            "reason",
            &[
                ("crowded", |s| s.stats.refused_crowded),
                ("untrusted_proxy", |s| s.stats.refused_untrusted_proxy),
                ("address_connections", |s| s.stats.refused_address_connections),
                ("address_rate", |s| s.stats.refused_address_rate),
            ],
        ),
    ),
    counter(
        "addresses_uncounted_total",
        "Connections whose address was not counted because too many are",
        Source::Sum(|s| s.stats.addresses_uncounted),
    ),
    counter(
        "connects_total",
        "CONNECTs that were accepted",
        Source::Sum(|s| s.stats.clients_accepted),
    ),
    counter(
        "connects_websocket_total",
        "Of the CONNECTs that were accepted, those over WebSocket",
        Source::Sum(|s| s.stats.clients_websocket),
    ),
    counter(
        "connects_refused_total",
        "CONNECTs that were answered with a refusal",
        Source::Sums(
            "reason",
            &[
                ("no_user", |s| s.stats.logins_refused),
                ("password", |s| s.stats.passwords_wrong),
                ("throttled", |s| s.stats.logins_throttled),
                ("unheard", |s| s.stats.logins_unheard),
                ("client_id_taken", |s| s.stats.takeovers_refused),
                ("max_connections", |s| s.stats.refused_connections),
                ("max_sessions", |s| s.stats.refused_sessions),
                ("vhost_connections", |s| s.stats.refused_vhost_connections),
                ("vhost_sessions", |s| s.stats.refused_vhost_sessions),
                ("identifier", |s| s.stats.refused_identifier),
                ("version", |s| s.stats.refused_version),
                ("revoked", |s| s.stats.refused_revoked),
            ],
        ),
    ),
    counter(
        "disconnects_total",
        "Connections that ended, by why; refused ones are counted elsewhere",
        Source::Sums(
            "reason",
            &[
                ("client", |s| s.stats.closed_by_client),
                ("peer_closed", |s| s.stats.closed_by_peer),
                ("network", |s| s.stats.closed_network),
                ("malformed", |s| s.stats.closed_malformed),
                ("protocol", |s| s.stats.closed_violation),
                ("tls", |s| s.stats.closed_tls),
                ("http", |s| s.stats.closed_http),
                ("websocket", |s| s.stats.closed_websocket),
                ("keep_alive", |s| s.stats.closed_keep_alive),
                ("connect_timeout", |s| s.stats.closed_timeout - s.stats.closed_keep_alive),
                ("proxy_header", |s| s.stats.closed_proxy_header),
                ("taken_over", |s| s.stats.taken_over),
                ("revoked", |s| s.stats.clients_revoked),
                ("denied", |s| s.stats.closed_denied),
                ("kicked", |s| s.stats.closed_kicked),
                ("stopping", |s| s.stats.closed_stopping),
            ],
        ),
    ),
    gauge(
        "auth_waiting",
        "CONNECTs whose password is about to be given to the threads that verify it",
        Source::Sum(|s| s.gauges.password_checks),
    ),
    counter(
        "received_bytes_total",
        "Bytes received from clients",
        Source::Sum(|s| s.load.received_bytes),
    ),
    counter("sent_bytes_total", "Bytes sent to clients", Source::Sum(|s| s.load.sent_bytes)),
    counter(
        "packets_received_total",
        "Packets received, of any type",
        Source::Sum(|s| s.stats.packets_in),
    ),
    counter(
        "packets_sent_total",
        "Packets sent, of any type",
        Source::Sum(|s| s.stats.publishes_out + s.stats.answers_out),
    ),
    counter("messages_received_total", "PUBLISHes received", Source::Sum(|s| s.stats.publishes_in)),
    counter("messages_sent_total", "PUBLISHes sent", Source::Sum(|s| s.stats.publishes_out)),
    counter(
        "messages_received_payload_bytes_total",
        "Bytes of the payloads of PUBLISHes received",
        Source::Sum(|s| s.stats.payload_bytes_in),
    ),
    counter(
        "messages_sent_payload_bytes_total",
        "Bytes of the payloads of PUBLISHes sent",
        Source::Sum(|s| s.stats.payload_bytes_out),
    ),
    counter(
        "messages_dropped_total",
        "Messages that were accepted and not delivered to a session",
        Source::Sums(
            "reason",
            &[
                ("absent", |s| s.stats.qos0_dropped_absent),
                ("slow", |s| s.stats.qos0_dropped_slow),
                ("session_full_oldest", |s| s.stats.queued_dropped_oldest),
                ("session_full_newest", |s| s.stats.queued_dropped_newest),
                ("not_readable", |s| s.stats.queued_denied),
                ("expired", |s| s.stats.queued_expired),
                ("purged", |s| s.stats.queued_purged),
                ("disk_lost", |s| s.stats.stored_lost),
                ("too_large", |s| s.stats.publishes_too_large),
                ("payload_format", |s| s.stats.payloads_refused),
                ("refused", |s| s.stats.publishes_refused),
            ],
        ),
    ),
    counter("group_messages_total", "Messages of consumer groups, by event", GROUP_EVENTS),
    counter(
        "messages_unrouted_total",
        "Messages that had no subscriber",
        Source::Sum(|s| s.stats.unrouted),
    ),
    counter(
        "messages_denied_total",
        "PUBLISHes and wills that their client may not send",
        Source::Sum(|s| s.stats.publishes_denied),
    ),
    gauge(
        "sessions",
        "Sessions, by whether their client is connected",
        Source::Sums(
            "state",
            &[
                ("connected", |s| s.gauges.clients),
                ("absent", |s| s.gauges.sessions.saturating_sub(s.gauges.clients)),
            ],
        ),
    ),
    gauge(
        "sessions_max",
        "The most sessions that there were at once since the start",
        Source::Highest(|s| s.load.sessions_max),
    ),
    counter(
        "sessions_expired_total",
        "Sessions that ended because their client stayed away",
        Source::Sum(|s| s.stats.sessions_expired),
    ),
    counter(
        "sessions_deleted_total",
        "Sessions that ended because an operator asked for it",
        Source::Sum(|s| s.stats.sessions_deleted),
    ),
    gauge(
        "subscriptions",
        "Subscriptions of all sessions",
        Source::Sum(|s| s.gauges.subscriptions),
    ),
    counter(
        "subscriptions_refused_total",
        "Filters that were refused",
        Source::Sums(
            "reason",
            &[
                ("denied", |s| s.stats.subscriptions_denied),
                ("limit", |s| s.stats.subscriptions_refused),
            ],
        ),
    ),
    counter(
        "subscriptions_suspended_total",
        "Subscriptions of sessions that new rules deny",
        Source::Sum(|s| s.stats.subscriptions_suspended),
    ),
    counter(
        "subscriptions_resumed_total",
        "Subscriptions that were denied and that new rules allow again",
        Source::Sum(|s| s.stats.subscriptions_resumed),
    ),
    gauge(
        "session_backlog_bytes",
        "Messages in durable sessions that wait or are not acknowledged",
        Source::Sum(|s| s.gauges.queued_bytes),
    ),
    gauge("group_members", "Members of groups", Source::Sum(|s| s.gauges.group_members)),
    gauge("group_backlog_bytes", "Messages in groups", Source::Sum(|s| s.gauges.group_bytes)),
    gauge(
        "clean_session_memory_bytes",
        "Memory of messages that wait in clean sessions",
        Source::Sum(|s| s.gauges.memory_bytes),
    ),
    gauge(
        "sessions_full",
        "Full sessions that publishers wait for (--session-overflow block)",
        Source::Sum(|s| s.gauges.full_sessions),
    ),
    gauge(
        "retained_messages",
        "Topics with a retained message",
        Source::Sum(|s| s.gauges.retained),
    ),
    gauge("retained_bytes", "Retained messages", Source::Sum(|s| s.gauges.retained_bytes)),
    counter(
        "retained_expired_total",
        "Retained messages that expired",
        Source::Sum(|s| s.stats.retained_expired),
    ),
    counter(
        "retained_refused_total",
        "Messages that were not retained because the retain store was full",
        Source::Sum(|s| s.stats.retained_refused_full),
    ),
    gauge(
        "retained_replays",
        "Connections that retained messages are being sent to",
        Source::Sum(|s| s.gauges.replays),
    ),
    counter(
        "publisher_waits_total",
        "Times a publisher was not read from for a while, by what it waited for",
        Source::Sums(
            "reason",
            &[
                ("slow_client", |s| s.stats.publishers_held),
                ("full_session", |s| s.stats.publishers_blocked),
                ("disk", |s| s.stats.publishers_waited_disk),
                ("rate", |s| s.stats.publishers_throttled),
            ],
        ),
    ),
    counter(
        "request_waits_total",
        "Times a client waited for the disk with something else than a message",
        Source::Sum(|s| s.stats.requests_waited_disk),
    ),
    counter(
        "clients_marked_slow_total",
        "Times a client was marked slow",
        Source::Sum(|s| s.stats.marked_slow),
    ),
    counter(
        "log_appended_bytes_total",
        "Bytes appended to the log",
        Source::Sum(|s| s.gauges.log_appended),
    ),
    counter(
        "log_checkpoints_total",
        "Checkpoints that were completed",
        Source::Sum(|s| s.gauges.log_checkpoints),
    ),
    counter(
        "log_segments_cleaned_total",
        "Segments whose living messages were moved to the end of the log",
        Source::Sum(|s| s.gauges.log_cleaned),
    ),
    gauge("log_segments", "Segments of the log", Source::Sum(|s| s.gauges.log_segments)),
    gauge(
        "log_bytes",
        "Bytes from the begin of the log to its end",
        Source::Sum(|s| s.gauges.log_bytes),
    ),
    gauge(
        "log_uncommitted_bytes",
        "Bytes appended and not committed",
        Source::Sum(|s| s.gauges.log_appended.saturating_sub(s.gauges.log_committed)),
    ),
    gauge(
        "log_staged_bytes",
        "Bytes appended and not written",
        Source::Sum(|s| s.gauges.log_staged_bytes),
    ),
    gauge(
        "log_since_checkpoint_bytes",
        "Bytes appended since the last checkpoint: what a start has to read",
        Source::Sum(|s| s.gauges.log_since_checkpoint),
    ),
    gauge(
        "disk_free_bytes",
        "Free space of the file system",
        Source::Highest(|s| s.gauges.disk_free),
    ),
    gauge("disk_size_bytes", "Size of the file system", Source::Highest(|s| s.gauges.disk_size)),
    gauge(
        "disk_low_limit_bytes",
        "Free space below which publishers wait (--disk-low)",
        Source::Highest(|s| s.gauges.disk_limit),
    ),
    gauge(
        "disk_short",
        "1 while publishers that need the disk wait for its space or its speed",
        Source::Highest(|s| s.gauges.disk_short),
    ),
    counter(
        "disk_low_total",
        "Times free space was found too low",
        Source::Sum(|s| s.stats.disk_low),
    ),
    counter(
        "disk_failures_total",
        "Operations that the disk has failed",
        Source::Sums(
            "operation",
            &[
                ("write", |s| s.stats.disk_write_failures),
                ("supply", |s| s.stats.disk_supply_failures),
            ],
        ),
    ),
    times(
        "publish_ack_duration_seconds",
        "From receiving a message to its PUBACK or PUBREC, exact to a turn of the shard",
        |s| &s.latency.acknowledge,
    ),
    times(
        "publish_store_duration_seconds",
        "From receiving a message to knowing that the log has it, exact to a turn of the shard",
        |s| &s.latency.store,
    ),
    row(
        ("deliver_duration_seconds", Kind::Histogram, MICROS),
        "From receiving a message to its being in a subscriber's output, exact to a turn of the \
         shards: within one shard, or across two",
        Source::TimesBy(
            "path",
            &[("local", |s| &s.latency.deliver_local), ("cross", |s| &s.latency.deliver_cross)],
        ),
    ),
    times(
        "queue_wait_duration_seconds",
        "How long messages were stored before they were first sent, of one in 64 of those that \
         waited in a durable session",
        |s| &s.latency.queue_wait,
    ),
    times(
        "client_ack_duration_seconds",
        "From sending a message to its PUBACK or PUBREC, of one message of a client at a time",
        |s| &s.latency.client_ack,
    ),
    times("log_sync_duration_seconds", "One commit group: written and synced", |s| &s.latency.sync),
    times("ask_step_duration_seconds", "One step of a shard's answer to operators", |s| {
        &s.latency.ask
    }),
    times("turn_duration_seconds", "One turn of a shard, without its sleep", |s| &s.latency.turn),
    row(
        ("shard_busy_seconds_total", Kind::Counter, MICROS),
        "Time that the shard was awake: the load of its core",
        Source::Each(|s| s.load.busy_us),
    ),
    counter("shard_turns_total", "Turns of the shard", Source::Each(|s| s.latency.turn.count())),
    counter(
        "shard_sleeps_total",
        "Times the shard was about to wait until something comes",
        Source::Each(|s| s.load.sleeps),
    ),
    counter(
        "shard_completions_total",
        "What the kernel has brought: accepts, receives, ends of sends and writes, wakes",
        Source::Each(|s| s.load.completions),
    ),
    counter(
        "shard_send_turns_total",
        "Turns that handled only ends of sends",
        Source::Each(|s| s.load.send_turns),
    ),
    counter(
        "shard_mesh_full_total",
        "Times it was about to wait while a ring to another shard was full",
        Source::Each(|s| s.load.mesh_full),
    ),
    counter(
        "shard_buffers_starved_total",
        "Times a connection found no receive buffer",
        Source::Each(|s| s.load.starved),
    ),
    gauge("shard_connections", "Open connections of the shard", Source::Each(|s| s.load.links)),
    gauge("shard_sessions", "Sessions of the shard", Source::Each(|s| s.gauges.sessions)),
    gauge(
        "shard_handshakes_waiting",
        "TLS handshakes that wait for a later turn",
        Source::Each(|s| s.load.handshakes_waiting),
    ),
    gauge(
        "snapshot_age_seconds",
        "How old the figures of the shard are: it has not answered for so long",
        Source::Age,
    ),
    counter(
        "http_requests_total",
        "Requests of operators",
        Source::Broker(|whole| float(whole.requests)),
    ),
    counter(
        "http_requests_refused_total",
        "Requests of operators that were refused: a wrong token, a missing right, another origin",
        Source::Broker(|whole| float(whole.refused_requests)),
    ),
    counter(
        "process_cpu_seconds_total",
        "CPU time of the process",
        Source::Broker(|whole| whole.process.cpu_s),
    ),
    gauge(
        "process_resident_memory_bytes",
        "Resident memory",
        Source::Broker(|whole| float(whole.process.resident_bytes)),
    ),
    gauge(
        "process_virtual_memory_bytes",
        "Virtual memory",
        Source::Broker(|whole| float(whole.process.virtual_bytes)),
    ),
    gauge(
        "process_max_fds",
        "Files that the process may open",
        Source::Broker(|whole| float(whole.process.files_max)),
    ),
    gauge(
        "process_start_time_seconds",
        "When the process was started",
        Source::Broker(|whole| whole.process.started_s),
    ),
];
