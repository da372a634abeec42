//! A walk over this shard's retained messages.

use std::ops::ControlFlow;

use crate::limits::REPLAY_VISITS_MAX;
use crate::mqtt::{QoS, TopicFilter, TopicName};
use crate::store::{Catalog, Lifetime, Logs, Retained, ScanEnd, Timeline};

use super::super::names::VhostId;
use super::super::output::Message;

/// Retained messages that one step reads at most: it looks at their topics first.
pub(crate) const PAGE_MESSAGES: usize = 256;

/// Visits the retained messages that match a filter, at most [`REPLAY_VISITS_MAX`] topics.
pub(crate) fn visit(
    catalog: &Catalog,
    vhost: VhostId,
    filter: TopicFilter<'_>,
    after: Option<&str>,
    mut found: impl FnMut(&str, Retained) -> ControlFlow<()>,
) -> ScanEnd {
    let Some(retained) = catalog.retained(vhost.0) else { return ScanEnd::Done };
    let mut hand_over = |topic: &str, kept: Retained| {
        let name = TopicName::parse(topic).expect("it was checked when it came");
        if filter.matches(name) { found(topic, kept) } else { ControlFlow::Continue(()) }
    };
    if !filter.is_wildcard() {
        if after.is_none()
            && let Some(kept) = retained.get(filter.as_str())
        {
            let _ = hand_over(filter.as_str(), kept);
        }
        return ScanEnd::Done;
    }
    // `a/#` matches `a` as well: the prefix ends before the separator.
    let prefix = filter.literal_prefix();
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    retained.scan(prefix, after, REPLAY_VISITS_MAX, hand_over)
}

/// A retained message as it was read.
pub(crate) struct ReadMessage<'a> {
    /// With the properties that it came with.
    pub(crate) message: Message<'a>,
    /// The time for which it may still be delivered.
    pub(crate) lifetime: Lifetime,
}

/// Reads a retained message, at the time `time_ms` of the time line; `None` if the disk has lost
/// it.
pub(crate) fn read<'a>(
    logs: &'a Logs,
    kept: Retained,
    timeline: &Timeline,
    time_ms: u64,
) -> Option<ReadMessage<'a>> {
    let stored = logs.message(kept.position)?;
    let topic = TopicName::parse(stored.topic).expect("it was checked when it came");
    let qos = QoS::try_from(stored.qos).expect("it was checked when it came");
    let (properties, payload) = (stored.properties, stored.payload);
    let message = Message { topic, properties, payload, qos, retain: true };
    Some(ReadMessage { message, lifetime: stored.lifetime(timeline, time_ms) })
}
