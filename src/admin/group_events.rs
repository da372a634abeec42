//! Deliveries of consumer groups, as metrics count them.

use super::metric::{Kind, Metric, Source};

/// By event.
pub(super) const GROUP_EVENTS: Source = Source::Sums(
    "event",
    &[
        ("delivered", |s| s.stats.group_delivered),
        ("acknowledged", |s| s.stats.group_acknowledged),
        ("redelivered", |s| s.stats.group_redelivered),
        ("refused", |s| s.stats.group_refused),
    ],
);

/// Metrics of groups, beside those of [`catalogue`](super::catalogue).
pub(super) const GROUP_METRICS: &[Metric] = &[Metric {
    name: "groups",
    kind: Kind::Gauge,
    per_unit: 1,
    help: "Consumer groups",
    // Each shard has a part of each.
    source: Source::Highest(|s| s.gauges.groups),
}];
