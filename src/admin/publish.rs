//! A message that an operator publishes. The shard that keeps its topic's retained message
//! publishes it, so messages of one topic that are published one after the other keep their order.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::{Response, StatusCode};
use serde_json::json;
use tokio::time;

use crate::broker::inspect::{Publication, Published, Question, Reply, keeper_of};
use crate::limits::PUBLISH_MS_MAX;

use super::actor::Actor;
use super::answer::{Body, Fault, json_of};
use super::body::Fields;
use super::shards::NoAnswer;
use super::state::Admin;

/// The number of tries for a message without room, and the time between them. A new segment file is
/// ready soon; a disk that is full stays full.
const NO_ROOM_TRIES: usize = 20;
const NO_ROOM_PAUSE: Duration = Duration::from_millis(100);

/// Publishes the message of a request; answers when it is stored wherever it must be.
pub(super) async fn publish(
    admin: &Admin,
    mut fields: Fields,
    by: &Actor,
) -> Result<Response<Body>, Fault> {
    let vhost = fields.text("vhost")?.unwrap_or_else(|| "/".to_owned());
    let topic = fields.need_text("topic")?;
    let text = fields.text("payload")?;
    let encoded = fields.text("payload_base64")?;
    let qos = fields.number("qos", (0, 2))?.unwrap_or(0);
    let retain = fields.flag("retain")?;
    fields.end()?;
    by.check_vhost(&vhost)?;
    let number = admin.vhost(&vhost)?;
    let payload = match (text, encoded) {
        (Some(_), Some(_)) => {
            let message = "payload and payload_base64 are both given: leave one of them out";
            return Err(Fault::of_field("payload_base64", message));
        }
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => STANDARD.decode(encoded).map_err(|error| {
            Fault::of_field("payload_base64", format!("payload_base64 is no base64: {error}"))
        })?,
        (None, None) => Vec::new(),
    };
    let qos = u8::try_from(qos).expect("at most 2");
    let publication = Publication::new(number, &topic, payload, (qos, retain));
    let wrong = |says: String| Fault::of_field("topic", format!("topic: {says}"));
    let publication = publication.map_err(wrong)?;
    let shard = keeper_of(&vhost, &topic, admin.asker.shards()).0;
    let reply = stored(admin, shard, publication).await;
    let result = match &reply {
        Ok(Reply::Published(Published::Done { .. })) => "published",
        Ok(_) | Err(NoAnswer::Busy(_)) => "refused",
        Err(NoAnswer::Silent(_)) => "not confirmed",
    };
    by.audit_of("publish", &format!("{vhost} {topic}"), result);
    let unavailable = |code, message: &str| {
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(1)
    };
    match reply {
        Ok(Reply::Published(Published::Done { matched })) => {
            let answer = json!({ "published": true, "matched": matched });
            Ok(json_of(StatusCode::OK, &answer))
        }
        Ok(Reply::Published(Published::NoRoom)) => {
            let message = "the disk has no room or time for the message now";
            Err(unavailable("disk", message).hint("/api/v1/checks/disk tells more"))
        }
        Ok(Reply::Published(Published::Denied)) => {
            let message = "nobody may publish to this topic: it is one of the broker's own, or \
                           has more levels than --max-topic-levels";
            Err(Fault::of_field("topic", message))
        }
        Ok(Reply::Published(Published::NoVhost)) => {
            let message = format!("no vhost {vhost:.255?} any more");
            Err(Fault::new(StatusCode::NOT_FOUND, "not_found", message))
        }
        Ok(_) => unreachable!("a message is answered with what became of it"),
        Err(NoAnswer::Silent(_)) => {
            let message = "the message was not stored in time, and may be later";
            Err(unavailable("unconfirmed", message))
        }
        Err(busy) => Err(busy.into()),
    }
}

/// Has a shard publish a message, and tries again while there is no room for it.
async fn stored(admin: &Admin, shard: u16, publication: Publication) -> Result<Reply, NoAnswer> {
    let mut tries = 0..NO_ROOM_TRIES;
    loop {
        let question = Question::Publish(Box::new(publication.clone()));
        let reply = admin.asker.ask_within(PUBLISH_MS_MAX, shard, question).await;
        if !matches!(reply, Ok(Reply::Published(Published::NoRoom))) || tries.next().is_none() {
            return reply;
        }
        time::sleep(NO_ROOM_PAUSE).await;
    }
}
