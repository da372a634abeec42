//! Deliveries of consumer groups, as metrics count them.

use super::metric::{Metric, Source, gauge};
use super::topic::{Topic, number};

/// By event.
pub(super) const GROUP_EVENTS: Source = Source::Sums(
    "event",
    &[
        ("delivered", |s| s.stats.group_delivered),
        ("acknowledged", |s| s.stats.group_acknowledged),
        ("redelivered", |s| s.stats.group_redelivered),
        ("refused", |s| s.stats.group_refused),
        ("dead_lettered", |s| s.stats.group_dead_lettered),
        ("set_aside", |s| s.stats.group_set_aside),
    ],
);

/// The topics of these.
pub(super) const GROUP_EVENT_TOPICS: &[Topic] = &[
    number(&["ringmq/groups/delivered"]).only(&["delivered"]).says("Deliveries to members"),
    number(&["ringmq/groups/acknowledged"])
        .only(&["acknowledged"])
        .says("Messages that members have acknowledged"),
    number(&["ringmq/groups/redelivered"])
        .only(&["redelivered"])
        .says("Messages that were sent again, to the same member or another"),
    number(&["ringmq/groups/refused"])
        .only(&["refused"])
        .says("Messages that members have refused"),
];

/// Metrics of groups, beside those of [`catalogue`](super::catalogue).
pub(super) const GROUP_METRICS: &[Metric] = &[gauge(
    "groups",
    "Consumer groups",
    // Each shard has a part of each.
    Source::Highest(|s| s.gauges.groups),
)
.at(&[number(&["ringmq/groups/count"])])];
