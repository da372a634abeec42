//! Metrics of sessions: of all durable ones together, and of each watched one.

use crate::broker::inspect::{Row, Waiting};

use super::metric::{Kind, float};

/// A metric: its name without the common prefix, its kind, its help and its source.
pub(super) type Figure<T> = (&'static str, Kind, &'static str, fn(&T) -> f64);

/// Metrics of all durable sessions together, and of all groups.
pub(super) const TOTALS: &[Figure<Waiting>] = &[
    (
        "session_backlog_messages",
        Kind::Gauge,
        "Messages in durable sessions that wait or are not acknowledged",
        |waiting| float(waiting.messages),
    ),
    (
        "session_backlog_messages_max",
        Kind::Gauge,
        "Those of the session that has most of them",
        |waiting| float(waiting.messages_max),
    ),
    (
        "messages_inflight",
        Kind::Gauge,
        "Messages that were sent to clients, of clean sessions too, and are not acknowledged",
        |waiting| float(waiting.inflight),
    ),
    (
        "session_lag_seconds_max",
        Kind::Gauge,
        "How long the oldest message has been in a durable session without an acknowledgement",
        |waiting| float(waiting.lag_ms_max) / 1000.0,
    ),
    (
        "group_backlog_messages",
        Kind::Gauge,
        "Messages in consumer groups that wait or are not acknowledged",
        |waiting| float(waiting.group_messages),
    ),
    (
        "group_lag_seconds_max",
        Kind::Gauge,
        "How long the oldest message has been in a consumer group without an acknowledgement",
        |waiting| float(waiting.group_lag_ms_max) / 1000.0,
    ),
];

/// Metrics of each watched session.
pub(super) const WATCHED: &[Figure<Row>] = &[
    (
        "watched_session_lag_messages",
        Kind::Gauge,
        "Messages that its client has not acknowledged, whether or not they were sent",
        |row| float(row.backlog_messages + row.inflight),
    ),
    ("watched_session_lag_bytes", Kind::Gauge, "Bytes of these messages", |row| {
        float(row.backlog_bytes)
    }),
    (
        "watched_session_lag_seconds",
        Kind::Gauge,
        "How long the oldest of them has been there; 0 if there is none",
        |row| float(row.lag_ms.unwrap_or(0)) / 1000.0,
    ),
    ("watched_session_inflight_messages", Kind::Gauge, "Those of them that were sent", |row| {
        float(row.inflight)
    }),
    (
        "watched_session_dropped_total",
        Kind::Counter,
        "Messages that were dropped because it was full",
        |row| float(row.dropped),
    ),
    ("watched_session_connected", Kind::Gauge, "1 if its client is connected", |row| {
        if row.client.is_some() { 1.0 } else { 0.0 }
    }),
];

/// The number of watched sessions without metrics of their own.
pub(super) const LEFT_OUT: (&str, Kind, &str) = (
    "watched_sessions_left_out",
    Kind::Gauge,
    "Sessions that --watch-session names and that are not told, since too many are",
);
