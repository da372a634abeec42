//! Deliveries of consumer groups, as metrics count them.

use super::metric::Source;

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
