//! Events as JSON objects.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::broker::inspect::{Decision, Direction, Happening, Outcome, TraceEvent, TracedPacket};
use crate::mqtt::{Packet, Publish};

use super::{packet, text};

/// An event as an object, with at most `payload_max` bytes of its payload.
pub(super) fn of(
    event: &TraceEvent,
    (shard, vhost): (u16, &str),
    time_us: u64,
    payload_max: usize,
) -> Value {
    let mut object = fields(json!({
        "time": text::time_of(time_us),
        "shard": shard,
        "vhost": vhost,
        "client": &*event.client,
        "kind": event.kind.name(),
    }));
    // A will has no connected publisher, so it has no address.
    if !event.client.is_empty() || event.address.address.is_some() {
        object.insert("address".to_owned(), event.address.to_string().into());
    }
    object.append(&mut fields(match &event.what {
        Happening::Packet(packet) => of_packet(packet, payload_max),
        Happening::Decision(decision) => of_decision(decision),
    }));
    Value::Object(object)
}

fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => unreachable!("an object was made"),
    }
}

fn of_packet(traced: &TracedPacket, payload_max: usize) -> Value {
    let (kind, packet) = packet::read(traced).unzip();
    let mut object = json!({
        "direction": match traced.direction {
            Direction::Received => "received",
            Direction::Sent => "sent",
            Direction::Own => "own",
        },
        "packet": kind.map(|kind| kind.to_string()),
        "bytes": traced.total_bytes,
    });
    let Some(packet) = packet.flatten() else { return object };
    if let Some(packet_id) = packet::id_of(&packet) {
        object["packet_id"] = packet_id.into();
    }
    let mut add = |more: Value| {
        if let (Some(object), Value::Object(mut more)) = (object.as_object_mut(), more) {
            object.append(&mut more);
        }
    };
    match packet {
        Packet::Publish(publish) => add(of_publish(&publish, traced, payload_max)),
        Packet::Connect(connect) => {
            add(json!({
                "version": text::version_of(connect.version),
                "client_id": connect.client_id,
                "clean": connect.clean_session,
                "keep_alive": connect.keep_alive_s,
                "user": connect.username,
                "password": connect.password.is_some(),
            }));
            if let Some(will) = connect.will {
                let (topic, qos) = (will.topic.as_str(), will.qos as u8);
                add(json!({ "will": { "topic": topic, "qos": qos, "retain": will.retain } }));
            }
        }
        Packet::Connack(connack) => {
            add(json!({ "session_present": connack.session_present, "code": connack.reason }));
        }
        Packet::Subscribe(subscribe) => {
            let filters = subscribe
                .entries()
                .map(|entry| json!({ "filter": entry.filter.as_str(), "qos": entry.qos as u8 }));
            add(json!({ "filters": filters.collect::<Vec<_>>() }));
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters = unsubscribe.filters().map(|it| json!({ "filter": it.as_str() }));
            add(json!({ "filters": filters.collect::<Vec<_>>() }));
        }
        Packet::Suback(suback) => add(json!({ "codes": suback.codes })),
        _ => {}
    }
    object
}

fn of_publish(publish: &Publish<'_>, traced: &TracedPacket, payload_max: usize) -> Value {
    let mut object = json!({
        "topic": publish.topic.map_or("", crate::mqtt::TopicName::as_str),
        "qos": publish.qos as u8,
        "retain": publish.retain,
        "dup": publish.dup,
        "payload_bytes": traced.payload_bytes,
    });
    let shown = &publish.payload[..publish.payload.len().min(payload_max)];
    match text::payload_of(shown, shown.len() < traced.payload_bytes) {
        Some(text) => object["payload"] = text.into(),
        None => object["payload_base64"] = STANDARD.encode(shown).into(),
    }
    object
}

fn of_decision(decision: &Decision) -> Value {
    match decision {
        Decision::VerifiesPassword => json!({ "decision": "verifies_password" }),
        Decision::LetIn { user, session_present } => {
            let user = user.as_deref();
            json!({ "decision": "let_in", "user": user, "session_present": session_present })
        }
        Decision::Refused { why } => json!({ "decision": "refused", "why": &**why }),
        Decision::Publish { topic, denied } => {
            let allowed = denied.is_none();
            json!({ "decision": "publish", "topic": &**topic, "allowed": allowed, "why": denied })
        }
        Decision::Subscription { filter, granted } => json!({
            "decision": "subscribe",
            "filter": &**filter,
            "allowed": granted.is_ok(),
            "qos": granted.ok().map(|qos| qos as u8),
            "why": granted.err(),
        }),
        Decision::Route { topic, sessions, shards, retain } => json!({
            "decision": "route",
            "topic": &**topic,
            "sessions": sessions,
            "shards": shards,
            "retain": retain,
        }),
        Decision::Target { topic, qos, outcome } => {
            let (outcome, why) = match outcome {
                Outcome::Sent => ("sent", None),
                Outcome::Waits(why) => ("waits", Some(why)),
                Outcome::Dropped(why) => ("dropped", Some(why)),
            };
            json!({
                "decision": "target",
                "topic": &**topic,
                "qos": *qos as u8,
                "outcome": outcome,
                "why": why,
            })
        }
        Decision::Targets { topic, more } => {
            json!({ "decision": "targets", "topic": &**topic, "more": more })
        }
        Decision::DroppedOldest { messages } => {
            json!({ "decision": "dropped_oldest", "messages": messages })
        }
        Decision::ReplyWaits { reply, packet_id, peers, disk } => json!({
            "decision": "reply_waits",
            "packet": reply,
            "packet_id": packet_id,
            "waits_for": text::awaited(*peers, *disk),
        }),
        Decision::Paused(why) => json!({ "decision": "paused", "why": why }),
        Decision::Resumed(why) => json!({ "decision": "resumed", "why": why }),
        Decision::Closed { why } => json!({ "decision": "closed", "why": &**why }),
    }
}
