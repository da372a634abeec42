//! Metrics of each consumer group that is watched.

use super::groups::Group;
use super::metric::{Metric, Of, counter, float, gauge};

/// What the patterns of groups begin with, among those of sessions.
pub(super) const GROUP_BEGIN: &str = "$share/";

/// See the module.
pub(super) const WATCHED_GROUPS: &[Metric<Of<Group>>] = &[
    gauge(
        "watched_group_lag_messages",
        "Messages that no member has acknowledged, whether or not they were sent",
        |group| float(group.waiting + group.inflight),
    ),
    gauge("watched_group_lag_bytes", "Bytes of these messages", |group| float(group.bytes)),
    gauge(
        "watched_group_lag_seconds",
        "How long the oldest of them has been there; 0 if there is none",
        |group| float(group.lag_ms.unwrap_or(0)) / 1000.0,
    ),
    gauge("watched_group_inflight_messages", "Those of them that members have", |group| {
        float(group.inflight)
    }),
    gauge("watched_group_members_connected", "Members that are connected", |group| {
        float(group.connected())
    }),
    counter(
        "watched_group_acknowledged_total",
        "Messages that members have acknowledged",
        |group| float(group.counts.acknowledged),
    ),
    counter(
        "watched_group_redelivered_total",
        "Messages that were sent again, to the same member or another",
        |group| float(group.counts.redelivered),
    ),
    counter(
        "watched_group_dropped_total",
        "Messages that no member got: it was full, they expired, or an operator dropped them",
        |group| float(group.counts.dropped().iter().map(|(_, count)| count).sum()),
    ),
];

/// The metric of those that are not told.
pub(super) const GROUPS_LEFT_OUT: Metric<()> = gauge(
    "watched_groups_left_out",
    "Groups that --watch-session names and that are not told, since too many are",
    (),
);
