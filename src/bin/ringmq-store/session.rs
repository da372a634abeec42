//! One session, or one lane of a consumer group, as JSON and as text.

use ringmq::store::{Queue, QueueItem, Session, Store, SubscriptionOptions, Will, lane_of_name};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;

use crate::output::{bytes, field, hex_field};
use crate::shards::Shards;

/// The facts of a session.
pub(crate) struct Summary {
    pub(crate) vhost: u16,
    /// `None`: the vhost was deleted.
    pub(crate) vhost_name: Option<String>,
    pub(crate) client_id: String,
    /// It is a part of what waits for this group, in the lane of this number.
    pub(crate) lane: Option<(String, u16)>,
    /// The user who owns the session.
    pub(crate) owner: Option<String>,
    pub(crate) shard: u16,
    /// Messages that the client has not acknowledged, sent or not.
    pub(crate) queued: u64,
    /// Bytes of their records.
    pub(crate) bytes: u64,
    /// Of these messages, those that may have been sent, and QoS 2 messages that the client must
    /// complete.
    pub(crate) in_flight: u64,
    /// Messages that cannot be read.
    pub(crate) lost: u64,
    /// Filters, and the granted options.
    pub(crate) filters: Vec<(String, SubscriptionOptions)>,
    /// Identifiers of QoS 2 messages that the client has sent and not released.
    pub(crate) received: Vec<u16>,
    /// When the client disconnected, in milliseconds since 1970; `None` if it was connected when
    /// the broker ended.
    pub(crate) left_ms: Option<u64>,
    /// The session's own expiry interval, seconds.
    pub(crate) expiry_s: Option<u32>,
    /// The will, if the session holds one.
    pub(crate) will: Option<Value>,
}

impl Summary {
    pub(crate) fn of(session: &Session, shard: u16, store: &Store, shards: &Shards) -> Self {
        let filters = session.subscriptions.iter();
        let left_ms = Some(session.left_ms).filter(|ms| *ms > 0);
        let mut summary = Self {
            vhost: session.vhost,
            vhost_name: shards.vhost_name(session.vhost).map(str::to_owned),
            client_id: session.client_id.to_string(),
            lane: lane_of_name(&session.client_id)
                .map(|(number, share)| (share.to_owned(), number)),
            owner: session.owner().map(str::to_owned),
            shard,
            queued: 0,
            bytes: session.queue.stored_bytes(),
            in_flight: 0,
            lost: 0,
            filters: filters.map(|(filter, options)| (filter.to_owned(), options)).collect(),
            received: session.received().collect(),
            left_ms: left_ms.map(|ms| store.catalog.timeline.wall_ms(ms)),
            expiry_s: session.expiry_s(),
            will: session.will().map(|will| will_json(&will)),
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
        if let Some((share, number)) = &self.lane {
            return json!({
                "group": share,
                "lane": number,
                "vhost": self.vhost,
                "vhost_name": self.vhost_name,
                "shard": self.shard,
                "queued": self.queued,
                "bytes": self.bytes,
                "in_flight": self.in_flight,
                "lost": self.lost,
                "first": queue.first(),
                "end": queue.end(),
                "memberless_since_ms": self.left_ms,
            });
        }
        let filters = self.filters.iter().map(|(filter, options)| filter_json(filter, *options));
        let mut line = json!({
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
        });
        if let Some(seconds) = self.expiry_s {
            line["expiry_s"] = seconds.into();
        }
        if let Some(will) = &self.will {
            line["will"] = will.clone();
        }
        line
    }

    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let Self { vhost, client_id, shard, queued, in_flight, .. } = self;
        let name = self.vhost_name.as_deref().unwrap_or("deleted");
        let filters: Vec<String> =
            self.filters.iter().map(|(filter, options)| filter_text(filter, *options)).collect();
        let (filters, size) = (filters.join(", "), bytes(self.bytes));
        if let Some((share, number)) = &self.lane {
            return format!(
                "vhost {vhost} ({name}) group {share:?} lane {number} shard {shard}: {queued} \
                 queued in {size}, {in_flight} in flight"
            );
        }
        format!(
            "vhost {vhost} ({name}) {client_id:?} shard {shard}: {queued} queued in {size}, \
             {in_flight} in flight; filters: {}; last seen {}{}{}",
            if filters.is_empty() { "none" } else { &filters },
            last_seen(self.left_ms),
            self.expiry_s.map(expiry_text).unwrap_or_default(),
            if self.will.is_some() { "; has a will" } else { "" }
        )
    }
}

/// A filter and the granted QoS; also the options of MQTT 5 if any is set.
fn filter_json(filter: &str, options: SubscriptionOptions) -> Value {
    let SubscriptionOptions { qos, no_local, retain_as_published, identifier } = options;
    let mut line = json!({ "filter": filter, "qos": qos });
    if no_local {
        line["no_local"] = true.into();
    }
    if retain_as_published {
        line["retain_as_published"] = true.into();
    }
    if identifier > 0 {
        line["identifier"] = identifier.into();
    }
    line
}

/// A filter for people, with the granted QoS and the options of MQTT 5 by name.
fn filter_text(filter: &str, options: SubscriptionOptions) -> String {
    let SubscriptionOptions { qos, no_local, retain_as_published, identifier } = options;
    let mut text = format!("{filter} ({qos}");
    for (is_set, name) in [(no_local, "no local"), (retain_as_published, "retain as published")] {
        if is_set {
            text.push_str(", ");
            text.push_str(name);
        }
    }
    if identifier > 0 {
        text.push_str(&format!(", identifier {identifier}"));
    }
    text.push(')');
    text
}

/// The session's own expiry interval for people.
fn expiry_text(seconds: u32) -> String {
    match seconds {
        0 => "; ends with its connection".to_owned(),
        u32::MAX => "; never expires".to_owned(),
        seconds => format!("; expires after {seconds} s"),
    }
}

fn will_json(will: &Will<'_>) -> Value {
    let Will { topic, payload, properties, qos, retain, delay_s } = *will;
    let mut line = Map::new();
    line.insert("topic".into(), topic.into());
    line.insert("qos".into(), qos.into());
    line.insert("retain".into(), retain.into());
    line.insert("delay_s".into(), delay_s.into());
    line.extend([field("payload", payload)]);
    if !properties.is_empty() {
        line.extend([hex_field("properties", properties)]);
    }
    Value::Object(line)
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

    /// Options and intervals are shown only if there are any.
    #[test]
    fn options_for_people() {
        let plain = SubscriptionOptions::of_qos(1);
        assert_eq!(filter_text("a/#", plain), "a/# (1)");
        let all = SubscriptionOptions {
            qos: 2,
            no_local: true,
            retain_as_published: true,
            identifier: 7,
        };
        let text = "a/# (2, no local, retain as published, identifier 7)";
        assert_eq!(filter_text("a/#", all), text);
        assert_eq!(filter_json("a/#", plain), json!({ "filter": "a/#", "qos": 1 }));
        let value = json!({
            "filter": "a/#",
            "qos": 2,
            "no_local": true,
            "retain_as_published": true,
            "identifier": 7,
        });
        assert_eq!(filter_json("a/#", all), value);
        assert_eq!(expiry_text(0), "; ends with its connection");
        assert_eq!(expiry_text(90), "; expires after 90 s");
        assert_eq!(expiry_text(u32::MAX), "; never expires");
    }

    /// Times are in UTC, to the second; a time outside the calendar is still shown.
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
