//! Metrics of sessions: of all durable ones together, and of each watched one.

use crate::broker::inspect::{Row, Waiting};

use super::metric::{Metric, Of, counter, float, gauge};
use super::topic::{STORED, number};

/// Metrics of all durable sessions together, and of all groups.
pub(super) const TOTALS: &[Metric<Of<Waiting>>] = &[
    total(
        "session_backlog_messages",
        "Messages in durable sessions that wait or are not acknowledged",
        |waiting| float(waiting.messages),
    )
    .at(&[STORED, number(&["ringmq/sessions/backlog_messages"])]),
    total(
        "session_backlog_messages_max",
        "Those of the session that has most of them",
        |waiting| float(waiting.messages_max),
    ),
    total(
        "messages_inflight",
        "Messages that were sent to clients, of clean sessions too, and are not acknowledged",
        |waiting| float(waiting.inflight),
    ),
    total(
        "session_lag_seconds_max",
        "How long the oldest message has been in a durable session without an acknowledgement",
        |waiting| float(waiting.lag_ms_max) / 1000.0,
    )
    .at(&[number(&["ringmq/sessions/lag_max_seconds"])]),
    total(
        "group_backlog_messages",
        "Messages in consumer groups that wait or are not acknowledged",
        |waiting| float(waiting.group_messages),
    )
    .at(&[STORED, number(&["ringmq/groups/backlog_messages"])]),
    total(
        "group_lag_seconds_max",
        "How long the oldest message has been in a consumer group without an acknowledgement",
        |waiting| float(waiting.group_lag_ms_max) / 1000.0,
    )
    .at(&[number(&["ringmq/groups/lag_max_seconds"])]),
];

/// Metrics of each watched session.
pub(super) const WATCHED: &[Metric<Of<Row>>] = &[
    gauge(
        "watched_session_lag_messages",
        "Messages that its client has not acknowledged, whether or not they were sent",
        |row| float(row.backlog_messages + row.inflight),
    ),
    gauge("watched_session_lag_bytes", "Bytes of these messages", |row| float(row.backlog_bytes)),
    gauge(
        "watched_session_lag_seconds",
        "How long the oldest of them has been there; 0 if there is none",
        |row| float(row.lag_ms.unwrap_or(0)) / 1000.0,
    ),
    gauge("watched_session_inflight_messages", "Those of them that were sent", |row| {
        float(row.inflight)
    }),
    counter(
        "watched_session_dropped_total",
        "Messages that were dropped because it was full",
        |row| float(row.dropped),
    ),
    gauge("watched_session_connected", "1 if its client is connected", |row| {
        if row.client.is_some() { 1.0 } else { 0.0 }
    }),
];

/// The number of watched sessions without metrics of their own.
pub(super) const LEFT_OUT: Metric<()> = gauge(
    "watched_sessions_left_out",
    "Sessions that --watch-session names and that are not told, since too many are",
    (),
);

/// A metric of all sessions together.
const fn total(name: &'static str, help: &'static str, source: Of<Waiting>) -> Metric<Of<Waiting>> {
    gauge(name, help, source)
}
