//! Messages that wait in a session: a look at the first ones, and their deletion.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::broker::inspect::{Peek, Purge, Question, Reply};
use crate::limits::PEEK_MESSAGES_MAX;

use super::actor::Actor;
use super::answer::{Answer, json_of};
use super::api::{find, named, no_session};
use super::item::{add_payload, seconds};
use super::query::Query;
use super::state::Admin;

/// Messages if the request names no limit.
const MESSAGES_USUAL: usize = 20;

/// The first messages of a session.
pub(super) async fn peek(admin: &Admin, query: &Query<'_>) -> Answer {
    let (vhost, name) = named(admin, query)?;
    let limit = query.number("limit", (1, MESSAGES_USUAL, PEEK_MESSAGES_MAX))?;
    let (shard, page) = find(admin, &name).await?;
    if page.rows.is_empty() {
        return Err(no_session("session", vhost, &name));
    }
    let question = Question::Peek(Peek::new(name, limit));
    let Reply::Waiting(sheet) = admin.asker.ask(shard, question).await? else {
        unreachable!("a question for messages is answered with messages")
    };
    let items = sheet.rows.iter().map(|row| {
        let state = match (row.is_lost, row.sent) {
            (true, _) => "lost",
            (false, true) => "sent",
            (false, false) => "waiting",
        };
        let mut item = json!({
            "topic": sheet.text(row.topic),
            "qos": row.qos,
            "retain": row.retain,
            "state": state,
            "number": row.number,
        });
        if let Some(age_ms) = row.age_ms {
            item["age_seconds"] = seconds(age_ms).into();
        }
        add_payload(&mut item, sheet.bytes_of(row.payload), row.payload_bytes);
        item
    });
    let items: Vec<Value> = items.collect();
    Ok(json_of(StatusCode::OK, &json!({ "items": items })))
}

/// Drops the messages that wait in a session.
pub(super) async fn purge(admin: &Admin, query: &Query<'_>, by: &Actor) -> Answer {
    let (vhost, name) = named(admin, query)?;
    let (shard, page) = find(admin, &name).await?;
    if page.rows.is_empty() {
        return Err(no_session("session", vhost, &name));
    }
    let question = Question::Purge(Purge::new(name.clone()));
    let answer = admin.asker.ask(shard, question).await;
    let Reply::Purged(purged) = answer.inspect_err(|_| {
        by.audit("purge session", vhost, &name.client_id, "not known yet");
    })?
    else {
        unreachable!("an order to purge is answered with what was purged")
    };
    let Some(purged) = purged else { return Err(no_session("session", vhost, &name)) };
    let result = format!("{purged} messages dropped");
    by.audit("purge session", vhost, &name.client_id, &result);
    Ok(json_of(StatusCode::OK, &json!({ "purged": purged })))
}
