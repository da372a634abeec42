//! The operations of the API: their methods, paths, parameters and rights. The OpenAPI document is
//! made from this table, and requests are checked against it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::limits::{PAGE_ROWS_MAX, TOP_ROWS_MAX};

use super::account_operations::{self, ACCOUNTS};
use super::group_operations::{self, GROUPS};
use super::lists;
use super::lookups::{self, LOOKUPS};
use super::operating::{self, OPERATING};
use super::operation::{
    ID, Kind, Operation, Parameter, STREAM, VHOST, described_parameter, object, operation,
    parameter,
};
use super::tokens::Right;
use super::trace_operations::{self, TRACE_FILE, TRACE_ID, TRACES};

/// The prefix of the paths of the JSON API.
pub(super) const API: &str = "/api/v1";

/// The parameters of every list.
const LIST: &[Parameter] = &[
    parameter("limit", Kind::Number(1, PAGE_ROWS_MAX), "Rows of the page at most"),
    parameter("cursor", Kind::Text, "`next` of the page before"),
    parameter("fields", Kind::Text, "Names of the fields that are wanted, with commas between"),
    parameter("vhost", Kind::Text, "Name of a vhost"),
    parameter("id", Kind::Text, "Client id, case sensitive"),
    parameter("user", Kind::Text, "User that the session belongs to; empty: nobody"),
    parameter("id_prefix", Kind::Text, "What the client id begins with"),
    parameter("address", Kind::Text, "Where the client connected from: an address or a range"),
    parameter("listener", Kind::Text, "Where the client came in, as /listeners has it"),
    parameter("connected_after", Kind::Text, "A time, as in 2026-11-29T21:40:00Z"),
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
        // The last parameter, `connected`, is left out: clients are always connected.
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
                    "lag",
                    "rate",
                ]),
                "What they have most of; without it backlog_bytes",
            ),
            parameter("n", Kind::Number(1, TOP_ROWS_MAX), "How many are wanted"),
        ],
        "The sessions that have most of something; a rate takes a second to tell",
        "Page",
    ),
    operation(
        ("GET", "/live"),
        Right::Read,
        &[parameter("count", Kind::Number(0, usize::MAX), "Lines until the end; 0: no end")],
        "The overview each second, a line each, with percentiles of what happened since the line \
         before",
        "Live",
    ),
    operation(
        ("GET", "/log"),
        Right::Read,
        &[parameter("from", Kind::Number(0, usize::MAX), "Number of the first line; without it 0")],
        "The last lines of the broker's log",
        "Log",
    ),
    operation(("GET", "/whoami"), Right::Metrics, &[], "Who asks, and what it may do", "Who"),
    operation(
        ("POST", "/dashboard"),
        Right::Read,
        &[],
        "Makes a code with which a person signs in to the page once",
        "Code",
    ),
    operation(
        ("POST", "/sign-in"),
        Right::Metrics,
        &[],
        "Gives the page a token for a code, which stands in place of a token",
        "SignIn",
    ),
    operation(
        ("DELETE", "/sign-in"),
        Right::Metrics,
        &[],
        "Ends what the token of a page is good for",
        "SignOut",
    ),
    operation(("GET", "/openapi.json"), Right::Read, &[], "This document", "Document"),
];

/// Every operation.
fn all() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().chain(TRACES).chain(OPERATING).chain(ACCOUNTS).chain(LOOKUPS).chain(GROUPS)
}

/// The operations of a path below [`API`].
pub(super) fn of_path(path: &str) -> impl Iterator<Item = &'static Operation> {
    all().filter(move |operation| operation.path == path)
}

/// What a path is called where requests are counted: there are few names, however many paths are
/// asked for.
pub(super) fn route_name(path: &str) -> &'static str {
    let below = path.strip_prefix(API);
    let operation = below.and_then(|below| all().find(|operation| operation.path == below));
    if let Some(operation) = operation {
        return operation.path;
    }
    let known = ["/metrics", "/metrics/vhosts", "/metrics/sessions", "/healthz", "/readyz"];
    match known.into_iter().find(|known| *known == path) {
        Some(known) => known,
        None if path == "/" || path.starts_with("/page/") => "page",
        None => "other",
    }
}

/// The document, of OpenAPI 3.0.
pub fn document() -> Value {
    let mut document = around();
    for path in paths() {
        document["paths"][format!("{API}{path}")] = described_path(path);
    }
    document
}

/// The document as text. It is written path by path, because all values together take some
/// megabytes.
pub(super) fn document_text() -> String {
    let (mut text, mut separator) = ("{\"paths\":{".to_owned(), "");
    for path in paths() {
        let (name, described) = (Value::from(format!("{API}{path}")), described_path(path));
        text.push_str(&format!("{separator}{name}:{described}"));
        separator = ",";
    }
    text.push('}');
    let Value::Object(around) = around() else { unreachable!("it was just made") };
    for (name, value) in around.iter().filter(|(name, _)| *name != "paths") {
        text.push_str(&format!(",\"{name}\":{value}"));
    }
    text.push_str("}\n");
    text
}

/// Every path once.
fn paths() -> BTreeSet<&'static str> {
    all().map(|operation| operation.path).collect()
}

fn described_path(path: &str) -> Value {
    let methods = of_path(path).map(|it| (it.method.to_lowercase(), described(it)));
    Value::Object(methods.collect())
}

/// The document without its paths.
fn around() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "ringmq, HTTP for operators",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": {},
        "security": [{ "token": [] }],
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": all_schemas(),
        },
    })
}

fn described(operation: &Operation) -> Value {
    let reference = |name: &str| {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        let media = if name == "Live" { "application/x-ndjson" } else { "application/json" };
        json!({ media: { "schema": schema } })
    };
    let parameters: Vec<Value> = operation.parameters.iter().map(described_parameter).collect();
    let mut answers = json!({
        "200": { "description": operation.says, "content": reference(operation.answer) },
    });
    if lists::is_list(operation) {
        answers["200"]["content"][lists::LINES] = json!({ "schema": { "type": "string" } });
    }
    if operation.answer == STREAM {
        let types = ["application/x-ndjson", "text/plain", "application/x-pcapng"];
        let content = types.map(|it| (it.to_owned(), json!({ "schema": { "type": "string" } })));
        answers["200"]["content"] = Value::Object(content.into_iter().collect());
    }
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
            .then_some(("404", "No such vhost, client, session or group")),
    );
    if OPERATING.iter().chain(ACCOUNTS).any(|it| std::ptr::eq(it, operation)) {
        faults.push(("404", "No such thing"));
        faults.push(("409", "The broker runs without what this needs, or the system refuses it"));
    }
    if operation.answer == "GroupEnded" {
        faults.push(("409", "The group has members, or a file declares it"));
    }
    if operation.body.is_some() {
        faults[0].1 = "No Host, or a body that ends too early";
        faults.push(("408", "The body has not come in time"));
        faults.push(("413", "The body is too large"));
        faults.push(("415", "The body is no JSON"));
    }
    let is_of_trace = [TRACE_ID, TRACE_FILE].iter().any(|it| operation.parameters.contains(it));
    faults.extend(is_of_trace.then_some(("404", "No such trace or file")));
    let says = "As many traces run, or files are there, as may, or the system refuses it";
    faults.extend(operation.answer.starts_with("Trace").then_some(("409", says)));
    for (status, says) in faults {
        answers[status] = json!({ "description": says, "content": reference("Error") });
    }
    let mut described = json!({
        "summary": operation.says,
        "description": format!("Needs the right {}.", operation.right.name()),
        "parameters": parameters,
        "responses": answers,
    });
    if let Some((body, _)) = operation.body {
        described["requestBody"] = json!({ "required": true, "content": reference(body) });
    }
    described
}

fn all_schemas() -> Value {
    let mut all = schemas();
    page_schemas().into_iter().for_each(|(name, schema)| all[name] = schema);
    all
}

/// The schemas of the answers for the page.
fn page_schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let flag = || json!({ "type": "boolean" });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let live = [
        ("version", text()),
        ("ready", flag()),
        ("draining", flag()),
        ("uptime_seconds", count()),
        ("shards", count()),
        ("shards_without_figures", list(count())),
        ("metrics", json!({ "type": "object" })),
        ("uptime_ms", count()),
        ("latency", json!({ "type": "object" })),
    ];
    let code = [("address", text()), ("code", text()), ("expires_seconds", count())];
    let sign_in = [
        ("token", text()),
        ("expires_seconds", count()),
        ("name", text()),
        ("rights", list(text())),
    ];
    let who = [("name", text()), ("rights", list(text())), ("page", flag())];
    vec![
        ("Overview", object(7, &live[..7])),
        ("Live", object(9, &live)),
        ("Log", object(2, &[("first", count()), ("items", list(text()))])),
        ("Who", object(3, &who)),
        ("Code", object(3, &code)),
        ("SignIn", object(4, &sign_in)),
        ("SignOut", object(1, &[("signed_out", flag())])),
    ]
}

fn schemas() -> Value {
    let mut schemas = own_schemas();
    for (name, schema) in lookups::schemas()
        .into_iter()
        .chain(group_operations::schemas())
        .chain(trace_operations::schemas())
    {
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
        ("listener", json!({ "type": "string", "nullable": true })),
        ("connected_at", json!({ "type": "string", "nullable": true })),
        ("received", object(1, &[("bytes", count())])),
        ("sent", object(1, &[("bytes", count())])),
        ("protocol", text()),
        ("transport", text()),
        ("keep_alive", count()),
        ("will", flag()),
        ("certified", flag()),
        ("state", text()),
        ("waits_for", list(text())),
        ("outgoing_bytes", count()),
        ("connected_seconds", count()),
        ("silent_seconds", number()),
        ("bytes_per_second", count()),
    ];
    // With the parameter `fields` any of them may be missing.
    let item = object(0, &session);
    let optional = |kind: &str| json!({ "type": kind, "nullable": true });
    let file_fault = object(
        1,
        &[
            ("message", text()),
            ("file", optional("string")),
            ("line", optional("integer")),
            ("key", optional("string")),
        ],
    );
    let mut schemas = json!({
        "Session": object(11, &session),
        "Page": object(1, &[
            ("items", list(item)),
            ("approximate_total", count()),
            ("next", text()),
        ]),
        "Ended": object(2, &[("disconnected", flag()), ("session_ended", flag())]),
        "Document": json!({ "type": "object" }),
        "Error": object(1, &[("error", object(2, &[
            ("code", text()),
            ("message", text()),
            ("hint", text()),
            ("field", text()),
            ("faults", list(file_fault)),
        ]))]),
    });
    for (name, schema) in operating::schemas().into_iter().chain(account_operations::schemas()) {
        schemas[name] = schema;
    }
    schemas
}

/// Whether an operation is one of [`LOOKUPS`] or [`GROUPS`].
pub(super) fn is_lookup(operation: &Operation) -> bool {
    LOOKUPS.iter().chain(GROUPS).any(|it| std::ptr::eq(it, operation))
}
