//! The operations on single objects: closed connections, subscriptions, rights, retained messages,
//! the messages of a session; in a table beside [`OPERATIONS`](super::openapi::OPERATIONS).

use serde_json::{Value, json};

use crate::limits::{CLOSED_MAX, PAGE_ROWS_MAX, PEEK_MESSAGES_MAX};

use super::operation::{ID, Kind, Operation, Parameter, VHOST, object, operation, parameter};
use super::tokens::Right;

const LIMIT: Parameter =
    parameter("limit", Kind::Number(1, PAGE_ROWS_MAX), "Rows of the page at most");
const CURSOR: Parameter = parameter("cursor", Kind::Text, "`next` of the page before");
const FIELDS: Parameter =
    parameter("fields", Kind::Text, "Names of the fields that are wanted, with commas between");
const ANY_VHOST: Parameter = parameter("vhost", Kind::Text, "Name of a vhost");
const TOPIC: Parameter =
    Parameter { required: true, ..parameter("topic", Kind::Text, "Topic name, no filter") };

/// See the module.
pub(super) const LOOKUPS: &[Operation] = &[
    operation(
        ("GET", "/closed"),
        Right::Read,
        &[
            parameter("limit", Kind::Number(1, CLOSED_MAX), "Rows of the page at most"),
            CURSOR,
            FIELDS,
            ANY_VHOST,
            parameter("id", Kind::Text, "Client id, case sensitive"),
            parameter("id_prefix", Kind::Text, "What the client id begins with"),
            parameter("reason", Kind::Text, "Why it ended, in a word"),
        ],
        "A page of the connections that ended last, the newest first",
        "ClosedPage",
    ),
    operation(
        ("GET", "/subscriptions"),
        Right::Read,
        &[
            LIMIT,
            CURSOR,
            FIELDS,
            ANY_VHOST,
            parameter("client", Kind::Text, "Client id, case sensitive"),
            parameter("filter", Kind::Text, "Exactly this topic filter"),
        ],
        "A page of subscriptions",
        "SubscriptionPage",
    ),
    operation(
        ("GET", "/match"),
        Right::Read,
        &[
            TOPIC,
            VHOST,
            parameter("qos", Kind::Number(0, 2), "QoS of the message; without it 0"),
            parameter("user", Kind::Text, "User of the client that publishes; empty: nobody"),
            parameter("client_id", Kind::Text, "Its client id"),
            LIMIT,
            CURSOR,
            FIELDS,
        ],
        "A page of the subscriptions that match a topic: who would get a message, and why not",
        "MatchPage",
    ),
    operation(
        ("GET", "/can"),
        Right::Read,
        &[
            VHOST,
            parameter("user", Kind::Text, "The client's user; empty: nobody"),
            parameter("client_id", Kind::Text, "The client's id"),
            Parameter {
                required: true,
                ..parameter("action", Kind::Word(&["publish", "subscribe"]), "What it wants to do")
            },
            Parameter {
                required: true,
                ..parameter("topic", Kind::Text, "A topic; for subscribe a filter")
            },
        ],
        "Whether a client may do something, and which rule says so",
        "Decision",
    ),
    operation(
        ("GET", "/retained"),
        Right::Read,
        &[
            LIMIT,
            CURSOR,
            FIELDS,
            VHOST,
            parameter("prefix", Kind::Text, "What the topics begin with"),
        ],
        "A page of topics with a retained message",
        "RetainedPage",
    ),
    operation(
        ("DELETE", "/retained"),
        Right::Operate,
        &[
            VHOST,
            Parameter {
                required: true,
                ..parameter("filter", Kind::Text, "Topic filter of the messages")
            },
            parameter("dry_run", Kind::Word(&["true", "false"]), "Only count them"),
        ],
        "Clears the retained messages that match a filter; answers when that is stored",
        "Cleared",
    ),
    operation(
        ("GET", "/retained/message"),
        Right::Read,
        &[VHOST, TOPIC],
        "The retained message of a topic",
        "Message",
    ),
    operation(
        ("DELETE", "/retained/message"),
        Right::Operate,
        &[VHOST, TOPIC],
        "Clears the retained message of a topic; answers when that is stored",
        "Cleared",
    ),
    operation(
        ("GET", "/session/messages"),
        Right::Read,
        &[VHOST, ID, parameter("limit", Kind::Number(1, PEEK_MESSAGES_MAX), "Messages at most")],
        "The first messages that wait in a session, which stay there",
        "Messages",
    ),
    operation(
        ("DELETE", "/session/messages"),
        Right::Operate,
        &[VHOST, ID],
        "Drops the messages that wait in a session; answers when that is stored",
        "Purged",
    ),
];

/// The schemas of their answers.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    [lists(), decisions(), messages()].concat()
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn optional() -> Value {
    json!({ "type": "string", "nullable": true })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn number() -> Value {
    json!({ "type": "number" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn list(of: &Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// A page of rows with these fields. With the parameter `fields` any of them may be missing.
fn page(fields: &[(&str, Value)]) -> Value {
    object(1, &[("items", list(&object(0, fields))), ("next", text())])
}

/// Closed connections, subscriptions, topics.
fn lists() -> Vec<(&'static str, Value)> {
    let bytes = || object(1, &[("bytes", count())]);
    let closed = [
        ("id", optional()),
        ("vhost", optional()),
        ("user", optional()),
        ("address", text()),
        ("reason", text()),
        ("says", text()),
        ("ago_seconds", number()),
        ("connected_seconds", json!({ "type": "number", "nullable": true })),
        ("received", bytes()),
        ("sent", bytes()),
        ("shard", count()),
        ("names_cut", flag()),
    ];
    let subscription = [
        ("id", text()),
        ("vhost", text()),
        ("user", optional()),
        ("filter", text()),
        ("qos", count()),
        ("clean", flag()),
        ("connected", flag()),
        ("suspended", flag()),
        ("shard", count()),
    ];
    let retained = [("topic", text()), ("bytes", count()), ("shard", count())];
    vec![
        ("ClosedPage", page(&closed)),
        ("SubscriptionPage", page(&subscription)),
        ("RetainedPage", page(&retained)),
    ]
}

/// Decisions of rules.
fn decisions() -> Vec<(&'static str, Value)> {
    let rule = [
        ("basis", text()),
        ("says", text()),
        ("file", optional()),
        ("line", json!({ "type": "integer", "minimum": 1, "nullable": true })),
    ];
    let allowed: Vec<_> = [("allowed", flag())].into_iter().chain(rule.clone()).collect();
    let decision = || object(5, &allowed);
    // With the parameter `fields` any of them may be missing.
    let matched = object(
        0,
        &[
            ("id", text()),
            ("vhost", text()),
            ("user", optional()),
            ("filter", text()),
            ("granted", count()),
            ("qos", count()),
            ("connected", flag()),
            ("gets", flag()),
            ("why", text()),
            ("shard", count()),
            ("rule", decision()),
        ],
    );
    let page = [
        ("items", list(&matched)),
        ("retained", flag()),
        ("publish", decision()),
        ("next", text()),
    ];
    vec![("MatchPage", object(2, &page)), ("Decision", decision())]
}

/// Messages, and their deletion.
fn messages() -> Vec<(&'static str, Value)> {
    let message = [
        ("topic", text()),
        ("qos", count()),
        ("payload_bytes", count()),
        ("payload", text()),
        ("payload_base64", text()),
        ("payload_cut", flag()),
        ("age_seconds", number()),
        ("retain", flag()),
        ("state", text()),
        ("number", count()),
        ("shard", count()),
    ];
    vec![
        ("Message", object(3, &message)),
        ("Messages", object(1, &[("items", list(&object(3, &message)))])),
        ("Cleared", object(3, &[("messages", count()), ("bytes", count()), ("dry_run", flag())])),
        ("Purged", object(1, &[("purged", count())])),
    ]
}
