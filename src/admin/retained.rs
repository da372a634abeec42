//! Retained messages: a list of their topics, one message, and their deletion.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use serde_json::json;

use crate::broker::inspect::{
    Cleared, Clearing, Question, Reply, RetainedListing, RetainedMessage, keeper_of,
};
use crate::limits::{CURSOR_TOPIC_BYTES_MAX, LISTING_MS_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::mqtt::TopicName;

use super::actor::Actor;
use super::answer::{Answer, Fault, json_of};
use super::item::{add_payload, seconds};
use super::query::Query;
use super::rows::Rows;
use super::state::Admin;
use super::subscriptions::filter_of;

/// Rows of a page if the request names no limit.
const ROWS_USUAL: usize = 100;

/// The position of a list: a shard, and the topic after which it continues.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Cursor {
    shard: u16,
    after: Option<Box<str>>,
}

impl Cursor {
    fn parse(text: &str, shards: u16) -> Option<Self> {
        let (shard, topic) = text.strip_prefix('r')?.split_once('.')?;
        let shard = shard.parse().ok().filter(|shard| *shard < shards)?;
        let topic = String::from_utf8(URL_SAFE_NO_PAD.decode(topic).ok()?).ok()?;
        Some(Self { shard, after: Some(topic).filter(|topic| !topic.is_empty()).map(Into::into) })
    }

    /// A very long topic does not fit into a request. Only its beginning is kept, and the list
    /// continues after all topics with that beginning.
    fn text(&self) -> String {
        let topic = self.after.as_deref().unwrap_or_default();
        let kept = &topic[..topic.floor_char_boundary(CURSOR_TOPIC_BYTES_MAX)];
        let end = if kept.len() < topic.len() { "\u{10ffff}" } else { "" };
        format!("r{}.{}", self.shard, URL_SAFE_NO_PAD.encode(format!("{kept}{end}")))
    }
}

/// A page of topics.
pub(super) async fn retained(
    admin: &Admin,
    query: &Query<'_>,
    mut rows: Rows,
) -> Result<Rows, Fault> {
    let shards = admin.asker.shards();
    let limit = query.number("limit", (1, ROWS_USUAL, PAGE_ROWS_MAX))?;
    let vhost = admin.vhost(query.get("vhost").unwrap_or("/"))?;
    let prefix: Box<str> = query.get("prefix").unwrap_or_default().into();
    let begin = query.get("cursor").map(|text| {
        let wrong = || Fault::of_field("cursor", "cursor is the `next` of another page");
        Cursor::parse(text, shards).ok_or_else(wrong)
    });
    let mut at = begin.transpose()?.unwrap_or_default();
    let begun = Instant::now();
    let mut bytes = 0;
    while at.shard < shards && rows.count() < limit {
        let (prefix, after) = (prefix.clone(), at.after.take());
        let limit = limit - rows.count();
        let listing = RetainedListing { vhost, prefix, after, limit };
        let question = Question::Retained(Box::new(listing));
        let Reply::Retained(sheet) = admin.asker.ask(at.shard, question).await? else {
            unreachable!("a question for topics is answered with topics")
        };
        for row in &sheet.rows {
            let topic = sheet.text(row.topic);
            bytes += topic.len() + 50;
            rows.push(json!({ "topic": topic, "bytes": row.bytes, "shard": at.shard }));
        }
        at = match sheet.next {
            Some(topic) => Cursor { after: Some(topic), ..at },
            None => Cursor { shard: at.shard + 1, after: None },
        };
        let is_long = begun.elapsed() >= Duration::from_millis(LISTING_MS_MAX);
        if is_long || bytes >= PAGE_BYTES_MAX {
            break;
        }
    }
    rows.next = (at.shard < shards).then(|| at.text());
    Ok(rows)
}

/// One message.
pub(super) async fn message(admin: &Admin, query: &Query<'_>) -> Answer {
    let (name, topic) = (query.get("vhost").unwrap_or("/"), topic_of(query)?);
    let vhost = admin.vhost(name)?;
    let shard = keeper_of(name, topic, admin.asker.shards()).0;
    let wanted = RetainedMessage { vhost, topic: topic.into(), ..RetainedMessage::default() };
    let question = Question::RetainedMessage(Box::new(wanted));
    let Reply::Message(found) = admin.asker.ask(shard, question).await? else {
        unreachable!("a question for a message is answered with one or none")
    };
    let found = found.ok_or_else(|| no_message(name, topic))?;
    let mut item = json!({
        "topic": topic,
        "qos": found.qos,
        "age_seconds": seconds(found.age_ms),
        "retain": true,
        "shard": shard,
    });
    add_payload(&mut item, &found.payload, found.payload_bytes);
    Ok(json_of(StatusCode::OK, &item))
}

/// Clears one message.
pub(super) async fn clear(admin: &Admin, query: &Query<'_>, by: &Actor) -> Answer {
    let (name, topic) = (query.get("vhost").unwrap_or("/"), topic_of(query)?);
    let clearing =
        Clearing { vhost: admin.vhost(name)?, filter: topic.into(), ..Clearing::default() };
    let shard = keeper_of(name, topic, admin.asker.shards()).0;
    let cleared = clear_on(admin, shard, clearing).await?;
    if cleared.messages == 0 {
        return Err(no_message(name, topic));
    }
    by.audit_in("clear retained message", name, topic, "cleared");
    Ok(answer_of(&cleared, false))
}

/// Clears all messages that match a filter.
pub(super) async fn clear_matching(admin: &Admin, query: &Query<'_>, by: &Actor) -> Answer {
    let name = query.get("vhost").unwrap_or("/");
    let filter = filter_of("filter", query.need("filter")?)?;
    let is_dry = query.word("dry_run", &[("true", true), ("false", false)])?.unwrap_or(false);
    let (vhost, mut sum) = (admin.vhost(name)?, Cleared::default());
    for shard in 0..admin.asker.shards() {
        let clearing =
            Clearing { vhost, filter: filter.as_str().into(), is_dry, ..Clearing::default() };
        let cleared = clear_on(admin, shard, clearing).await;
        if cleared.is_err() && !is_dry {
            let result = format!("stopped after {} messages", sum.messages);
            by.audit_in("clear retained messages", name, filter.as_str(), &result);
        }
        let cleared = cleared?;
        sum.messages += cleared.messages;
        sum.bytes += cleared.bytes;
    }
    if !is_dry {
        let result = format!("{} messages cleared", sum.messages);
        by.audit_in("clear retained messages", name, filter.as_str(), &result);
    }
    Ok(answer_of(&sum, is_dry))
}

/// Clears the messages of one shard, with as many requests as it takes.
async fn clear_on(admin: &Admin, shard: u16, clearing: Clearing) -> Result<Cleared, Fault> {
    let (mut sum, mut after) = (Cleared::default(), None);
    loop {
        let clearing = Clearing { after: after.take(), ..clearing.clone() };
        let question = Question::Clear(Box::new(clearing));
        let Reply::Cleared(cleared) = admin.asker.ask(shard, question).await? else {
            unreachable!("an order to clear is answered with what was cleared")
        };
        sum.messages += cleared.messages;
        sum.bytes += cleared.bytes;
        match cleared.after {
            Some(topic) => after = Some(topic),
            None => return Ok(sum),
        }
    }
}

fn answer_of(cleared: &Cleared, is_dry: bool) -> hyper::Response<super::answer::Body> {
    let Cleared { messages, bytes, .. } = cleared;
    let answer = json!({ "messages": messages, "bytes": bytes, "dry_run": is_dry });
    json_of(StatusCode::OK, &answer)
}

fn topic_of<'q>(query: &'q Query<'_>) -> Result<&'q str, Fault> {
    let topic = query.need("topic")?;
    TopicName::parse(topic).map(|topic| topic.as_str()).map_err(|_| {
        let says = "topic is a topic name: not empty, without + and #";
        Fault::of_field("topic", says).hint("DELETE /api/v1/retained takes a filter")
    })
}

fn no_message(vhost: &str, topic: &str) -> Fault {
    let message = format!("no retained message for topic {topic:.200?} in vhost {vhost:?}");
    let hint = "/api/v1/retained?prefix= lists topics that have one";
    Fault::new(StatusCode::NOT_FOUND, "not_found", message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A cursor is read as it was written. For a very long topic it has the topic's beginning, and
    // sorts after the topic.
    #[test]
    fn cursors() {
        for after in [None, Some("a/b"), Some("ä é+#\u{0}")] {
            let cursor = Cursor { shard: 3, after: after.map(Into::into) };
            assert_eq!(Cursor::parse(&cursor.text(), 4), Some(cursor));
        }
        let long = "ä".repeat(CURSOR_TOPIC_BYTES_MAX);
        let cursor = Cursor { shard: 0, after: Some(long.as_str().into()) };
        let read = Cursor::parse(&cursor.text(), 1).expect("it is one");
        let after = read.after.expect("it is behind a topic");
        assert!(*after > *long && after.len() < CURSOR_TOPIC_BYTES_MAX + 9, "{}", after.len());
        for text in ["", "r", "r1", "r4.", "r1.*", "rx.YQ", "r1.__4"] {
            assert_eq!(Cursor::parse(text, 4), None, "{text}");
        }
    }
}
