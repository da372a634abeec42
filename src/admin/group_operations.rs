//! The operations on consumer groups, in a table beside
//! [`OPERATIONS`](super::openapi::OPERATIONS).

use serde_json::{Value, json};

use crate::broker::inspect::GroupCounts;
use crate::limits::PAGE_ROWS_MAX;

use super::operation::{Kind, Operation, Parameter, VHOST, object, operation, parameter};
use super::tokens::Right;

const LIMIT: Parameter =
    parameter("limit", Kind::Number(1, PAGE_ROWS_MAX), "Rows of the page at most");
const CURSOR: Parameter = parameter("cursor", Kind::Text, "`next` of the page before");
const FIELDS: Parameter =
    parameter("fields", Kind::Text, "Names of the fields that are wanted, with commas between");
const GROUP: Parameter = Parameter {
    required: true,
    ..parameter("group", Kind::Text, "Its whole filter, as in $share/NAME/a/b/#")
};

/// See the module.
pub(super) const GROUPS: &[Operation] = &[
    operation(
        ("GET", "/groups"),
        Right::Read,
        &[LIMIT, CURSOR, FIELDS, parameter("vhost", Kind::Text, "Name of a vhost")],
        "A page of consumer groups, by vhost and filter",
        "GroupPage",
    ),
    operation(("GET", "/group"), Right::Read, &[VHOST, GROUP], "One consumer group", "Group"),
    operation(
        ("GET", "/group/members"),
        Right::Read,
        &[VHOST, GROUP, LIMIT, CURSOR, FIELDS],
        "A page of the members of a consumer group",
        "MemberPage",
    ),
];

/// What they answer.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let flag = || json!({ "type": "boolean" });
    let number = || json!({ "type": "number" });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let dropped = GroupCounts::default().dropped().map(|(why, _)| (why, count()));
    let backlog =
        object(2, &[("messages", count()), ("bytes", count()), ("lag_seconds", number())]);
    let group = [
        ("group", text()),
        ("vhost", text()),
        ("name", text()),
        ("filter", text()),
        ("order", text()),
        ("durable", flag()),
        ("members", count()),
        ("connected", count()),
        ("inflight", count()),
        ("backlog", backlog),
        ("delivered", count()),
        ("acknowledged", count()),
        ("redelivered", count()),
        ("refused", count()),
        ("dropped", object(dropped.len(), &dropped)),
    ];
    let member = [
        ("id", text()),
        ("user", json!({ "type": "string", "nullable": true })),
        ("shard", count()),
        ("clean", flag()),
        ("connected", flag()),
        ("state", text()),
        ("qos", count()),
        ("lanes", count()),
        ("inflight", count()),
        ("inflight_all", count()),
        ("window", count()),
    ];
    // With `fields` any field of a row may be missing.
    let page = |fields: &[(&str, Value)]| {
        object(1, &[("items", list(object(0, fields))), ("next", text())])
    };
    vec![
        ("Group", object(group.len(), &group)),
        ("GroupPage", page(&group)),
        ("MemberPage", page(&member)),
    ]
}
