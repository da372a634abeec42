//! The operations on traces, in a table beside [`OPERATIONS`](super::openapi::OPERATIONS).

use serde_json::{Value, json};

use crate::limits::{TRACE_PAYLOAD_BYTES_MAX, TRACE_SECONDS_MAX};

use super::operation::{Kind, Operation, Parameter, STREAM, object, operation, parameter};
use super::tokens::Right;

const VHOST_OF_TRACE: Parameter =
    parameter("vhost", Kind::Text, "Name of the vhost; without it all of them");
/// The trace of a request.
pub(super) const TRACE_ID: Parameter =
    Parameter { required: true, ..parameter("id", Kind::Text, "`trace` of what started it") };
/// The file of a request.
pub(super) const TRACE_FILE: Parameter =
    Parameter { required: true, ..parameter("name", Kind::Text, "`name` of a file in the list") };
const SECONDS_MAX: usize = TRACE_SECONDS_MAX as usize;
const FORMATS: Kind = Kind::Word(&["json", "text", "pcapng"]);

/// See the module.
pub(super) const TRACES: &[Operation] = &[
    operation(("GET", "/traces"), Right::Read, &[], "The traces that run", "Traces"),
    operation(
        ("POST", "/traces"),
        Right::Operate,
        &[
            VHOST_OF_TRACE,
            parameter("id", Kind::Text, "Client id, case sensitive"),
            parameter("id_prefix", Kind::Text, "What the client id begins with"),
            parameter("user", Kind::Text, "User of the client; empty: nobody"),
            parameter("address", Kind::Text, "Where the client is: an address or a range"),
            parameter("topic", Kind::Text, "Topic filter: of messages that match alone"),
            parameter("kinds", Kind::Text, "connect, packet, deliver, auth, close; without it all"),
            parameter("seconds", Kind::Number(1, SECONDS_MAX), "How long at most; without it 600"),
            parameter(
                "payload",
                Kind::Number(0, TRACE_PAYLOAD_BYTES_MAX),
                "Bytes of a payload that are told; without it 64",
            ),
            parameter("file", FORMATS, "Write it into a file of the data directory, in this form"),
        ],
        "Starts a trace of clients, of a topic, or of clients with a topic",
        "Trace",
    ),
    operation(("DELETE", "/trace"), Right::Operate, &[TRACE_ID], "Ends a trace", "Trace"),
    operation(
        ("GET", "/trace/stream"),
        Right::Operate,
        &[
            TRACE_ID,
            parameter("format", FORMATS, "Without it json"),
            parameter("end", Kind::Word(&["true", "false"]), "Whether the trace ends with it"),
        ],
        "What a trace tells, until it ends",
        STREAM,
    ),
    operation(
        ("GET", "/events"),
        Right::Operate,
        &[
            VHOST_OF_TRACE,
            parameter("kinds", Kind::Text, "connect, auth, close; without it all"),
            parameter("seconds", Kind::Number(1, SECONDS_MAX), "How long at most"),
            parameter("format", Kind::Word(&["json", "text"]), "Without it json"),
        ],
        "Clients that come, are refused and leave, as it happens",
        STREAM,
    ),
    operation(
        ("GET", "/trace/files"),
        Right::Read,
        &[],
        "Files of traces, the oldest first",
        "TraceFiles",
    ),
    operation(
        ("GET", "/trace/file"),
        Right::Operate,
        &[TRACE_FILE],
        "What is in a file of a trace",
        STREAM,
    ),
    operation(
        ("DELETE", "/trace/file"),
        Right::Operate,
        &[TRACE_FILE],
        "Deletes a file of a trace",
        "TraceFile",
    ),
];

/// The schemas of their answers.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let optional = || json!({ "type": "string", "nullable": true });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let file =
        [("name", text()), ("bytes", count()), ("changed_at", optional()), ("trace", optional())];
    vec![
        ("Traces", object(1, &[("items", list(trace()))])),
        ("Trace", trace()),
        ("TraceFiles", object(1, &[("items", list(object(2, &file)))])),
        ("TraceFile", object(1, &file[..1])),
    ]
}

fn trace() -> Value {
    let text = || json!({ "type": "string" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let fields = [
        ("trace", text()),
        ("by", text()),
        ("payload", count()),
        ("seconds", count()),
        ("seconds_left", count()),
        ("events", count()),
        ("skipped", count()),
    ];
    // Optional fields: what is traced, and the file.
    let given = ["vhost", "id", "id_prefix", "user", "address", "topic", "kinds", "file"];
    let given = given.map(|name| (name, text()));
    object(fields.len(), &[&fields[..], &given].concat())
}
