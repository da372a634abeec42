//! Every metric: its name, meaning, source, and the topics of `$SYS` that tell it. The text for
//! Prometheus, the JSON, `$SYS` and the documentation are made from this table.
//!
//! Its parts are in several files. Metrics of all durable sessions are computed only on request, so
//! they are at another path and in a table of their own ([`TOTALS`]).

use crate::broker::inspect::Waiting;

use super::broker_metrics::BROKER_METRICS;
use super::connection_metrics::CONNECTION_METRICS;
use super::group_events::{GROUP_EVENT_TOPICS, GROUP_EVENTS, GROUP_METRICS};
use super::log_metrics::LOG_METRICS;
use super::message_metrics::MESSAGE_METRICS;
use super::metric::{Kind, MICROS, Metric, Of, Source, counter, float, gauge, row, times};
use super::session_metrics::TOTALS;
use super::topic::{
    CONNECTS, DROPPED, Form, MOST_SESSIONS, NOT_GOT, STORED, STORED_BYTES, Topic, load, number,
    topic,
};

/// Every metric.
pub(super) fn metrics() -> impl Iterator<Item = &'static Metric> {
    let tables =
        [METRICS, CONNECTION_METRICS, MESSAGE_METRICS, LOG_METRICS, GROUP_METRICS, BROKER_METRICS];
    tables.into_iter().flatten()
}

/// A row that a topic is computed from, and how it names the topic.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// Of the broker.
    Broker(&'static Metric, &'static Topic),
    /// Of all durable sessions and groups.
    Waiting(&'static Metric<Of<Waiting>>, &'static Topic),
}

impl Part {
    pub(super) fn topic(&self) -> &'static Topic {
        match self {
            Self::Broker(_, topic) | Self::Waiting(_, topic) => topic,
        }
    }
}

/// The topics below `$SYS/`: the names that have one value, and the rows that it is computed from.
pub(super) fn topics() -> Vec<Vec<Part>> {
    let of_broker = metrics()
        .flat_map(|metric| metric.topics.iter().map(move |topic| Part::Broker(metric, topic)));
    let of_sessions = TOTALS
        .iter()
        .flat_map(|metric| metric.topics.iter().map(move |topic| Part::Waiting(metric, topic)));
    let mut topics: Vec<Vec<Part>> = Vec::new();
    for part in of_broker.chain(of_sessions) {
        let names = part.topic().names;
        match topics.iter_mut().find(|known| known[0].topic().names == names) {
            Some(known) => known.push(part),
            None => topics.push(vec![part]),
        }
    }
    topics
}

/// The metrics of shards, and some of the broker.
pub(super) const METRICS: &[Metric] = &[
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
    )
    .at(&[CONNECTS]),
    counter(
        "received_bytes_total",
        "Bytes received from clients",
        Source::Sum(|s| s.load.received_bytes),
    )
    .at(&[number(&["broker/bytes/received"]), load(&["broker/load/bytes/received"])]),
    counter("sent_bytes_total", "Bytes sent to clients", Source::Sum(|s| s.load.sent_bytes))
        .at(&[number(&["broker/bytes/sent"]), load(&["broker/load/bytes/sent"])]),
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
    )
    .at(&[
        number(&["broker/publish/messages/dropped"]).only(DROPPED).says(NOT_GOT),
        load(&["broker/load/publish/dropped"]).only(DROPPED).says(NOT_GOT),
    ]),
    counter("group_messages_total", "Messages of consumer groups, by event", GROUP_EVENTS)
        .at(GROUP_EVENT_TOPICS),
    gauge(
        "sessions_max",
        "The most sessions that there were at once since the start",
        Source::Highest(|s| s.load.sessions_max),
    )
    .at(&[MOST_SESSIONS]),
    counter(
        "sessions_expired_total",
        "Sessions that ended because their client stayed away",
        Source::Sum(|s| s.stats.sessions_expired),
    )
    .at(&[number(&["broker/clients/expired"])]),
    counter(
        "sessions_deleted_total",
        "Sessions that ended because an operator asked for it",
        Source::Sum(|s| s.stats.sessions_deleted),
    ),
    gauge(
        "subscriptions",
        "Subscriptions of all sessions",
        Source::Sum(|s| s.gauges.subscriptions),
    )
    .at(&[number(&["broker/subscriptions/count"])]),
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
    )
    .at(&[STORED_BYTES]),
    gauge("group_members", "Members of groups", Source::Sum(|s| s.gauges.group_members))
        .at(&[number(&["broker/shared_subscriptions/count", "ringmq/groups/members"])
            .says("Subscriptions to groups")]),
    gauge("group_backlog_bytes", "Messages in groups", Source::Sum(|s| s.gauges.group_bytes))
        .at(&[STORED_BYTES, number(&["ringmq/groups/backlog_bytes"])]),
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
    )
    .at(&[
        STORED,
        number(&["broker/retained messages/count"]).says("Retained messages, without `$SYS`"),
    ]),
    gauge("retained_bytes", "Retained messages", Source::Sum(|s| s.gauges.retained_bytes))
        .at(&[STORED_BYTES]),
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
    gauge(
        "disk_free_bytes",
        "Free space of the file system",
        Source::Highest(|s| s.gauges.disk_free),
    )
    .at(&[number(&["ringmq/disk/free"])]),
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
    )
    .at(&[number(&["ringmq/disk/low"])]),
    counter(
        "disk_low_total",
        "Times free space was found too low",
        Source::Sum(|s| s.stats.disk_low),
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
    times("ask_step_duration_seconds", "One step of a shard's answer to operators", |s| {
        &s.latency.ask
    }),
    times("turn_duration_seconds", "One turn of a shard, without its sleep", |s| &s.latency.turn),
    row(
        ("shard_busy_seconds_total", Kind::Counter, MICROS),
        "Time that the shard was awake: the load of its core",
        Source::Each(|s| s.load.busy_us),
    )
    .at(&[topic(&["ringmq/shard/N/busy"], Form::Share)
        .says("The share of the time in which the shard was awake, 0.00 to 1.00")]),
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
        "heap_bytes",
        "Resident memory that is not of files: heap, tables, buffers and stacks",
        Source::Broker(|whole| float(whole.process.heap_bytes)),
    )
    .at(&[
        number(&["broker/heap/current"]),
        topic(&["broker/heap/maximum"], Form::Peak).says("The most that an update has found"),
    ]),
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
    )
    .at(&[topic(&["broker/uptime"], Form::Uptime).says("Time since then: `N seconds`")]),
];
