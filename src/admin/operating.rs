//! The operations on the broker as a whole, in a table beside
//! [`OPERATIONS`](super::openapi::OPERATIONS).

use serde_json::{Value, json};

use crate::limits::{BULK_KICK_PER_SECOND_MAX, DRAIN_S_MAX, HTTP_BODY_BYTES_MAX, LOG_LEVEL_S_MAX};

use super::operation::{Kind, Operation, object, operation, parameter};
use super::tokens::Right;

/// See the module.
pub(super) const OPERATING: &[Operation] = &[
    operation(
        ("POST", "/publish"),
        Right::Publish,
        &[],
        "Publishes a message; answers when it is stored wherever it must be",
        "Published",
    )
    .taking("Publish", HTTP_BODY_BYTES_MAX),
    operation(
        ("POST", "/reload"),
        Right::Operate,
        &[],
        "Reads configuration and files again; if something is wrong, everything stays as it was",
        "Reloaded",
    ),
    operation(
        ("PUT", "/log-level"),
        Right::Operate,
        &[],
        "Changes what is logged, until the next reload or for some time",
        "LogLevel",
    )
    .taking("LogLevel", HTTP_BODY_BYTES_MAX),
    operation(
        ("POST", "/drain"),
        Right::Operate,
        &[],
        "Lets no client in any more, and disconnects those there are, evenly over some time",
        "Draining",
    )
    .taking("Drain", HTTP_BODY_BYTES_MAX),
    operation(("DELETE", "/drain"), Right::Operate, &[], "Lets clients in again", "Draining"),
    operation(
        ("POST", "/clients/kick"),
        Right::Operate,
        &[],
        "Disconnects all clients that match, some each second, or counts them",
        "Kicked",
    )
    .taking("Kick", HTTP_BODY_BYTES_MAX),
    operation(
        ("GET", "/node"),
        Right::Read,
        &[],
        "What the broker runs on: host, process, disk",
        "Node",
    ),
    operation(("GET", "/shards"), Right::Read, &[], "What each shard has and does", "Shards"),
    operation(
        ("GET", "/config"),
        Right::Read,
        &[],
        "Every setting: its value, where that comes from, and whether a reload changes it",
        "Settings",
    ),
    operation(("GET", "/listeners"), Right::Read, &[], "Where clients come in", "Listeners"),
    operation(
        ("GET", "/certificates"),
        Right::Read,
        &[],
        "Certificates and lists of revoked ones, with their dates",
        "Certificates",
    ),
    operation(
        ("GET", "/checks/disk"),
        Right::Read,
        &[],
        "Whether no publisher waits for the disk; 503 if one does",
        "Check",
    ),
    operation(
        ("GET", "/checks/certificates"),
        Right::Read,
        &[parameter("within", Kind::Text, "Days from now, as in 30d; without it 7d")],
        "Whether no certificate ends to be valid within some time; 503 if one does",
        "Check",
    ),
    operation(
        ("GET", "/checks/listeners"),
        Right::Read,
        &[],
        "Whether clients are let in; 503 if not",
        "Check",
    ),
    operation(
        ("GET", "/checks/shards"),
        Right::Read,
        &[],
        "Whether every shard answers; 503 if one does not",
        "Check",
    ),
];

/// The schemas of their bodies and answers.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let optional = || json!({ "type": "string", "nullable": true });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let flag = || json!({ "type": "boolean" });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let change = || object(3, &[("name", text()), ("before", text()), ("after", text())]);
    let strict = |mut schema: Value| {
        schema["additionalProperties"] = false.into();
        schema
    };
    let seconds = |most: u64| json!({ "type": "integer", "minimum": 1, "maximum": most });
    let setting = object(
        9,
        &[
            ("name", text()),
            ("values", list(text())),
            ("default", text()),
            ("origin", text()),
            ("variable", optional()),
            ("file", optional()),
            ("line", json!({ "type": "integer", "minimum": 1, "nullable": true })),
            ("takes", text()),
            ("reload", text()),
        ],
    );
    let listener =
        object(4, &[("at", text()), ("tls", flag()), ("proxy", flag()), ("local", flag())]);
    let certificate = object(
        5,
        &[
            ("flag", text()),
            ("file", text()),
            ("subject", text()),
            ("not_before", text()),
            ("not_after", optional()),
            ("days_left", json!({ "type": "integer" })),
        ],
    );
    let mut schemas = fleet_schemas();
    schemas.extend([
        (
            "Publish",
            strict(object(
                1,
                &[
                    ("topic", json!({ "type": "string", "minLength": 1 })),
                    ("vhost", text()),
                    ("payload", text()),
                    ("payload_base64", json!({ "type": "string", "format": "byte" })),
                    ("qos", json!({ "type": "integer", "minimum": 0, "maximum": 2 })),
                    ("retain", flag()),
                ],
            )),
        ),
        ("Published", object(2, &[("published", flag()), ("matched", flag())])),
        ("Reloaded", object(2, &[("taken", list(change())), ("waiting", list(change()))])),
        (
            "LogLevel",
            strict(object(1, &[("filter", text()), ("seconds", seconds(LOG_LEVEL_S_MAX))])),
        ),
        ("Drain", strict(object(0, &[("seconds", seconds(DRAIN_S_MAX))]))),
        ("Draining", object(1, &[("draining", flag()), ("seconds", count())])),
        ("Settings", object(1, &[("items", list(setting))])),
        ("Listeners", object(1, &[("items", list(listener))])),
        ("Certificates", object(1, &[("items", list(certificate))])),
        ("Check", object(2, &[("check", text()), ("ok", flag())])),
    ]);
    schemas
}

/// Those of many clients at once, and of what they are on.
fn fleet_schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let number = || json!({ "type": "number" });
    let some = || json!({ "type": "object" });
    let flag = || json!({ "type": "boolean" });
    let rate = json!({ "type": "integer", "minimum": 1, "maximum": BULK_KICK_PER_SECOND_MAX });
    let kick = [
        ("vhost", text()),
        ("user", text()),
        ("id_prefix", text()),
        ("address", text()),
        ("listener", text()),
        ("state", json!({ "type": "string", "enum": ["ok", "full", "slow"] })),
        ("per_second", rate),
        ("session", json!({ "type": "string", "enum": ["keep", "delete"] })),
        ("will", json!({ "type": "string", "enum": ["publish", "discard"] })),
        ("dry_run", flag()),
    ];
    let kicked = [("matched", count()), ("disconnected", count()), ("more", flag())];
    let node = [
        ("version", text()),
        ("kernel", text()),
        ("cpus", count()),
        ("pid", count()),
        ("started_at", json!({ "type": "string", "nullable": true })),
        ("uptime_seconds", count()),
        ("shards", count()),
        ("cpu_seconds", number()),
        ("memory", some()),
        ("files", some()),
        ("data_dir", text()),
        ("disk", some()),
    ];
    let shard = [
        ("shard", count()),
        ("age_seconds", number()),
        ("uptime_seconds", number()),
        ("busy_seconds", number()),
        ("turns", count()),
        ("sleeps", count()),
        ("connections", count()),
        ("clients", count()),
        ("slow_clients", count()),
        ("sessions", count()),
        ("subscriptions", count()),
        ("messages", some()),
        ("received", some()),
        ("sent", some()),
        ("backlog", some()),
        ("retained", some()),
        ("log", some()),
    ];
    let mut kick = object(0, &kick);
    kick["additionalProperties"] = false.into();
    let whom = ["vhost", "user", "id_prefix", "address", "listener", "state"];
    kick["anyOf"] = whom.map(|name| json!({ "required": [name] })).to_vec().into();
    let shards = json!({ "type": "array", "items": object(1, &shard) });
    vec![
        ("Kick", kick),
        ("Kicked", object(3, &kicked)),
        ("Node", object(node.len(), &node)),
        ("Shards", object(1, &[("items", shards)])),
    ]
}
