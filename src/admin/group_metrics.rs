//! Metrics of each consumer group that is watched.

use super::groups::Group;
use super::metric::{Kind, float};
use super::session_metrics::Figure;

/// What the patterns of groups begin with, among those of sessions.
pub(super) const GROUP_BEGIN: &str = "$share/";

/// See the module.
pub(super) const WATCHED_GROUPS: &[Figure<Group>] = &[
    (
        "watched_group_lag_messages",
        Kind::Gauge,
        "Messages that no member has acknowledged, whether or not they were sent",
        |group| float(group.waiting + group.inflight),
    ),
    ("watched_group_lag_bytes", Kind::Gauge, "Bytes of these messages", |group| float(group.bytes)),
    (
        "watched_group_lag_seconds",
        Kind::Gauge,
        "How long the oldest of them has been there; 0 if there is none",
        |group| float(group.lag_ms.unwrap_or(0)) / 1000.0,
    ),
    ("watched_group_inflight_messages", Kind::Gauge, "Those of them that members have", |group| {
        float(group.inflight)
    }),
    ("watched_group_members_connected", Kind::Gauge, "Members that are connected", |group| {
        float(group.connected())
    }),
    (
        "watched_group_acknowledged_total",
        Kind::Counter,
        "Messages that members have acknowledged",
        |group| float(group.counts.acknowledged),
    ),
    (
        "watched_group_redelivered_total",
        Kind::Counter,
        "Messages that were sent again, to the same member or another",
        |group| float(group.counts.redelivered),
    ),
    (
        "watched_group_dropped_total",
        Kind::Counter,
        "Messages that no member got: it was full, they expired, or an operator dropped them",
        |group| float(group.counts.dropped().iter().map(|(_, count)| count).sum()),
    ),
];

/// The metric of those that are not told.
pub(super) const GROUPS_LEFT_OUT: (&str, Kind, &str) = (
    "watched_groups_left_out",
    Kind::Gauge,
    "Groups that --watch-session names and that are not told, since too many are",
);
