//! One session as JSON and as text.

use ringmq::store::{Queue, QueueItem, Session, Store};
use serde_json::{Value, json};
use std::ops::ControlFlow;

use crate::output::bytes;
use crate::shards::Shards;

/// What there is to say of a session.
pub(crate) struct Summary {
    pub(crate) vhost: u16,
    /// `None`: it has none any more.
    pub(crate) vhost_name: Option<String>,
    pub(crate) client_id: String,
    /// The user whose it is.
    pub(crate) owner: Option<String>,
    pub(crate) shard: u16,
    /// Messages that its client has not acknowledged, sent or not.
    pub(crate) queued: u64,
    /// Bytes of their records.
    pub(crate) bytes: u64,
    /// Messages among them that its client may have, and those it has and must complete.
    pub(crate) in_flight: u64,
    /// Messages that cannot be read.
    pub(crate) lost: u64,
    /// Filter and granted QoS.
    pub(crate) filters: Vec<(String, u8)>,
    /// Identifiers of QoS 2 messages it has sent and not released.
    pub(crate) received: Vec<u16>,
    /// When its client left, milliseconds since 1970; it was there when the broker ended.
    pub(crate) left_ms: Option<u64>,
}

impl Summary {
    pub(crate) fn of(session: &Session, shard: u16, store: &Store, shards: &Shards) -> Self {
        let filters = session.subscriptions.iter();
        let left_ms = Some(session.left_ms).filter(|ms| *ms > 0);
        let mut summary = Self {
            vhost: session.vhost,
            vhost_name: shards.vhost_name(session.vhost).map(str::to_owned),
            client_id: session.client_id.to_string(),
            owner: session.owner().map(str::to_owned),
            shard,
            queued: 0,
            bytes: session.queue.stored_bytes(),
            in_flight: 0,
            lost: 0,
            filters: filters.map(|(filter, qos)| (filter.to_owned(), qos)).collect(),
            received: session.received().collect(),
            left_ms: left_ms.map(|ms| store.catalog.timeline.wall_ms(ms)),
        };
        let _whole = session.queue.visit(&store.logs, &mut |item| {
            match item {
                QueueItem::Message { sent, .. } => {
                    summary.queued += 1;
                    summary.in_flight += u64::from(sent);
                }
                QueueItem::Released { .. } => {
                    summary.queued += 1;
                    summary.in_flight += 1;
                }
                QueueItem::Lost { count, .. } => summary.lost += u64::from(count),
                QueueItem::Block { .. } => {}
            }
            ControlFlow::Continue(())
        });
        summary
    }

    pub(crate) fn json(&self, queue: &Queue) -> Value {
        let filters = self.filters.iter();
        let filters = filters.map(|(filter, qos)| json!({ "filter": filter, "qos": qos }));
        json!({
            "session": self.client_id,
            "user": self.owner,
            "vhost": self.vhost,
            "vhost_name": self.vhost_name,
            "shard": self.shard,
            "queued": self.queued,
            "bytes": self.bytes,
            "in_flight": self.in_flight,
            "lost": self.lost,
            "first": queue.first(),
            "end": queue.end(),
            "filters": filters.collect::<Vec<_>>(),
            "received": self.received,
            "left_ms": self.left_ms,
        })
    }

    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let Self { vhost, client_id, shard, queued, in_flight, .. } = self;
        let name = self.vhost_name.as_deref().unwrap_or("deleted");
        let filters: Vec<String> =
            self.filters.iter().map(|(filter, qos)| format!("{filter} ({qos})")).collect();
        let (filters, size) = (filters.join(", "), bytes(self.bytes));
        format!(
            "vhost {vhost} ({name}) {client_id:?} shard {shard}: {queued} queued in {size}, \
             {in_flight} in flight; filters: {}; last seen {}",
            if filters.is_empty() { "none" } else { &filters },
            last_seen(self.left_ms)
        )
    }
}

/// A time for people, in UTC.
fn last_seen(left_ms: Option<u64>) -> String {
    let Some(ms) = left_ms else { return "when the broker ended".to_owned() };
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| format!("{ms} ms after 1970"), |time| format!("{time:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times are in UTC, to the second; one that no calendar has is still told.
    #[test]
    fn times_for_people() {
        for (ms, text) in [
            (None, "when the broker ended"),
            (Some(1), "1970-01-01T00:00:00Z"),
            (Some(1_795_384_800_999), "2026-11-22T22:00:00Z"),
            (Some(u64::MAX), "18446744073709551615 ms after 1970"),
        ] {
            assert_eq!(last_seen(ms), text);
        }
    }
}
