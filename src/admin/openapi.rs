//! The operations of the API: which there are, what they take, and who may have them done. The
//! document for OpenAPI is made from this table, and requests are held to it.

use serde_json::{Map, Value, json};

use crate::limits::{PAGE_ROWS_MAX, TOP_ROWS_MAX};

use super::lookups::{self, LOOKUPS};
use super::operation::{
    ID, Kind, Operation, Parameter, VHOST, described_parameter, object, operation, parameter,
};
use super::tokens::Right;

/// Where JSON is.
pub(super) const API: &str = "/api/v1";

/// What every list takes.
const LIST: &[Parameter] = &[
    parameter("limit", Kind::Number(1, PAGE_ROWS_MAX), "Rows of the page at most"),
    parameter("cursor", Kind::Text, "`next` of the page before"),
    parameter("fields", Kind::Text, "Names of the fields that are wanted, with commas between"),
    parameter("vhost", Kind::Text, "Name of a vhost"),
    parameter("id", Kind::Text, "Client id, case sensitive"),
    parameter("user", Kind::Text, "User that the session belongs to; empty: nobody"),
    parameter("id_prefix", Kind::Text, "What the client id begins with"),
    parameter("address", Kind::Text, "Where the client connected from: an address or a range"),
    parameter("state", Kind::Word(&["ok", "full", "slow"]), "How it takes what is sent to it"),
    parameter("backlog_min", Kind::Number(0, usize::MAX), "Messages that wait for it at least"),
    parameter("dropped_min", Kind::Number(0, u32::MAX as usize), "Messages dropped at least"),
    parameter("connected", Kind::Word(&["true", "false"]), "Whether its client is connected"),
];

/// See the module.
pub(super) const OPERATIONS: &[Operation] = &[
    operation(
        ("GET", "/overview"),
        Right::Read,
        &[],
        "Version, uptime, and all metrics with percentiles",
        "Overview",
    ),
    operation(
        ("GET", "/clients"),
        Right::Read,
        // Clients are connected.
        LIST.split_at(LIST.len() - 1).0,
        "A page of the clients that are connected",
        "Page",
    ),
    operation(("GET", "/client"), Right::Read, &[VHOST, ID], "One client", "Session"),
    operation(
        ("DELETE", "/client"),
        Right::Operate,
        &[
            VHOST,
            ID,
            parameter("session", Kind::Word(&["keep", "delete"]), "What becomes of its session"),
            parameter("will", Kind::Word(&["publish", "discard"]), "What becomes of its will"),
        ],
        "Disconnects a client",
        "Ended",
    ),
    operation(("GET", "/sessions"), Right::Read, LIST, "A page of sessions", "Page"),
    operation(("GET", "/session"), Right::Read, &[VHOST, ID], "One session", "Session"),
    operation(
        ("DELETE", "/session"),
        Right::Operate,
        &[VHOST, ID],
        "Ends a session, and disconnects its client",
        "Ended",
    ),
    operation(
        ("GET", "/top"),
        Right::Read,
        &[
            parameter(
                "by",
                Kind::Word(&[
                    "backlog_bytes",
                    "backlog_messages",
                    "dropped",
                    "inflight",
                    "outgoing",
                ]),
                "What they have most of; without it backlog_bytes",
            ),
            parameter("n", Kind::Number(1, TOP_ROWS_MAX), "How many are wanted"),
        ],
        "The sessions that have most of something",
        "Page",
    ),
    operation(("GET", "/openapi.json"), Right::Read, &[], "This document", "Document"),
];

/// Every operation.
fn all() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().chain(LOOKUPS)
}

/// The operations of a path below [`API`].
pub(super) fn of_path(path: &str) -> impl Iterator<Item = &'static Operation> {
    all().filter(move |operation| operation.path == path)
}

/// The document, of OpenAPI 3.0.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in all() {
        let path = paths.entry(format!("{API}{}", operation.path)).or_insert_with(|| json!({}));
        path[operation.method.to_lowercase()] = described(operation);
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "ringmq, HTTP for operators",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "security": [{ "token": [] }],
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
    })
}

fn described(operation: &Operation) -> Value {
    let reference = |name: &str| {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        json!({ "application/json": { "schema": schema } })
    };
    let parameters: Vec<Value> = operation.parameters.iter().map(described_parameter).collect();
    let mut answers = json!({
        "200": { "description": operation.says, "content": reference(operation.answer) },
    });
    let mut faults = vec![
        ("400", "No Host"),
        ("401", "No token, or one that is not known"),
        ("403", "The token lacks a right, or a page of another origin asks"),
        ("421", "A Host that a name server may have made up"),
        ("422", "A parameter is wrong"),
        ("429", "Too many wrong tokens"),
        ("503", "A shard does not answer, or answers others"),
    ];
    faults.extend(
        operation
            .parameters
            .iter()
            .any(|it| it.name == "vhost")
            .then_some(("404", "No such vhost, client or session")),
    );
    for (status, says) in faults {
        answers[status] = json!({ "description": says, "content": reference("Error") });
    }
    json!({
        "summary": operation.says,
        "description": format!("Needs the right {}.", operation.right.name()),
        "parameters": parameters,
        "responses": answers,
    })
}

fn schemas() -> Value {
    let mut schemas = own_schemas();
    for (name, schema) in lookups::schemas() {
        schemas[name] = schema;
    }
    schemas
}

fn own_schemas() -> Value {
    let text = || json!({ "type": "string" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let number = || json!({ "type": "number" });
    let flag = || json!({ "type": "boolean" });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let session = [
        ("id", text()),
        ("vhost", text()),
        ("user", json!({ "type": "string", "nullable": true })),
        ("shard", count()),
        ("clean", flag()),
        ("connected", flag()),
        ("subscriptions", count()),
        ("inflight", count()),
        (
            "backlog",
            object(2, &[("messages", count()), ("bytes", count()), ("lag_seconds", number())]),
        ),
        ("dropped", count()),
        ("withheld", flag()),
        ("absent_seconds", count()),
        ("address", text()),
        ("protocol", text()),
        ("keep_alive", count()),
        ("will", flag()),
        ("certified", flag()),
        ("state", text()),
        ("waits_for", list(text())),
        ("outgoing_bytes", count()),
        ("connected_seconds", count()),
        ("silent_seconds", number()),
    ];
    // With `fields` any of them may be missing.
    let item = object(0, &session);
    json!({
        "Session": object(11, &session),
        "Page": object(1, &[
            ("items", list(item)),
            ("approximate_total", count()),
            ("next", text()),
        ]),
        "Ended": object(2, &[("disconnected", flag()), ("session_ended", flag())]),
        "Overview": object(6, &[
            ("version", text()),
            ("ready", flag()),
            ("uptime_seconds", count()),
            ("shards", count()),
            ("shards_without_figures", list(count())),
            ("metrics", json!({ "type": "object" })),
        ]),
        "Document": json!({ "type": "object" }),
        "Error": object(1, &[("error", object(2, &[
            ("code", text()),
            ("message", text()),
            ("hint", text()),
            ("field", text()),
        ]))]),
    })
}
