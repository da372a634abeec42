//! The operations on users, vhosts and limits, in a table beside
//! [`OPERATIONS`](super::openapi::OPERATIONS).

use serde_json::{Value, json};

use crate::limits::{
    HTTP_BODY_BYTES_MAX, HTTP_DEFINITIONS_BYTES_MAX, PAGE_ROWS_MAX, PASSWORD_BYTES_MAX,
};

use super::operation::{Kind, Operation, Parameter, VHOST, object, operation, parameter};
use super::task::LIMIT_FIELDS;
use super::tokens::Right;

const USER: Parameter =
    Parameter { required: true, ..parameter("name", Kind::Text, "Name of the user") };
const NAME: Parameter =
    Parameter { required: true, ..parameter("vhost", Kind::Text, "Name of the vhost") };

/// Fields of a vhost with what there is of it now, and the names of the figures in
/// [`VhostReport`](crate::broker::VhostReport).
pub(super) const VHOST_FIGURES: &[(&str, &str)] = &[
    ("connections", "clients"),
    ("sessions", "sessions"),
    ("backlog_bytes", "queued_bytes"),
    ("retained_messages", "retained"),
    ("retained_bytes", "retained_bytes"),
];

/// See the module.
pub(super) const ACCOUNTS: &[Operation] = &[
    operation(
        ("GET", "/users"),
        Right::Admin,
        &[
            VHOST,
            parameter("limit", Kind::Number(1, PAGE_ROWS_MAX), "Users of the page at most"),
            parameter("cursor", Kind::Text, "`next` of the page before"),
        ],
        "A page of the users of a vhost",
        "Users",
    ),
    operation(("GET", "/user"), Right::Admin, &[VHOST, USER], "One user", "User"),
    operation(
        ("PUT", "/user"),
        Right::Admin,
        &[VHOST, USER],
        "Adds a user, or sets another password",
        "UserPut",
    )
    .taking("UserBody", HTTP_BODY_BYTES_MAX),
    operation(
        ("DELETE", "/user"),
        Right::Admin,
        &[VHOST, USER],
        "Deletes a user; clients that connected as it are disconnected",
        "Deleted",
    ),
    operation(
        ("GET", "/vhosts"),
        Right::Admin,
        &[],
        "Every vhost, with its limits and figures",
        "Vhosts",
    ),
    operation(("GET", "/vhost"), Right::Admin, &[NAME], "One vhost, with its limits", "Vhost"),
    operation(
        ("PUT", "/vhost"),
        Right::Admin,
        &[NAME],
        "Makes a vhost in the directory of --vhosts; it has no users yet",
        "VhostPut",
    ),
    operation(
        ("DELETE", "/vhost"),
        Right::Admin,
        &[NAME],
        "Deletes a vhost\u{2019}s folder and disconnects its clients; what is stored stays until \
         `ringmq vhost delete`",
        "Deleted",
    ),
    operation(("GET", "/vhost/limits"), Right::Admin, &[NAME], "Limits of a vhost", "Limits"),
    operation(
        ("PUT", "/vhost/limits"),
        Right::Admin,
        &[NAME],
        "Sets the limits of a vhost; one that is not given is none",
        "Limits",
    )
    .taking("Limits", HTTP_BODY_BYTES_MAX),
    operation(
        ("DELETE", "/vhost/limits"),
        Right::Admin,
        &[NAME],
        "Takes the limits of a vhost away",
        "Deleted",
    ),
    operation(
        ("GET", "/definitions"),
        Right::Admin,
        &[],
        "Users with hashes of their passwords, rules and limits of every vhost",
        "Definitions",
    ),
    operation(
        ("POST", "/definitions"),
        Right::Admin,
        &[parameter("dry_run", Kind::Word(&["true", "false"]), "Whether they are only checked")],
        "Replaces users, rules and limits of the vhosts that it names",
        "Imported",
    )
    .taking("Definitions", HTTP_DEFINITIONS_BYTES_MAX),
];

/// The schemas of their bodies and answers.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let strict = |mut schema: Value| {
        schema["additionalProperties"] = false.into();
        schema
    };
    let least = |name: &str| u64::from(name == "publish_rate");
    let limits = || {
        let fields = LIMIT_FIELDS.map(|name| {
            let schema = json!({
                "type": "integer", "minimum": least(name), "maximum": i64::MAX, "nullable": true,
            });
            (name, schema)
        });
        strict(object(0, &fields))
    };
    let user = || object(2, &[("vhost", text()), ("name", text())]);
    let vhost = || {
        let mut fields = vec![
            ("name", text()),
            ("number", count()),
            ("has_folder", flag()),
            ("limits", limits()),
        ];
        fields.extend(VHOST_FIGURES.iter().map(|(field, _)| (*field, count())));
        object(4, &fields)
    };
    let password = json!({ "type": "string", "minLength": 1, "maxLength": PASSWORD_BYTES_MAX });
    let defined_user = strict(object(2, &[("name", text()), ("password_hash", text())]));
    let definition = strict(object(
        1,
        &[("name", text()), ("users", list(defined_user)), ("acl", text()), ("limits", limits())],
    ));
    vec![
        ("Users", object(1, &[("items", list(user())), ("next", text())])),
        ("User", user()),
        ("UserPut", object(3, &[("vhost", text()), ("name", text()), ("created", flag())])),
        ("UserBody", strict(object(0, &[("password", password), ("password_hash", text())]))),
        ("Deleted", object(1, &[("deleted", flag())])),
        ("Vhosts", object(1, &[("items", list(vhost()))])),
        ("Vhost", vhost()),
        ("VhostPut", object(2, &[("name", text()), ("created", flag())])),
        ("Limits", limits()),
        ("Definitions", strict(object(1, &[("vhosts", list(definition))]))),
        ("Imported", object(2, &[("dry_run", flag()), ("vhosts", count())])),
    ]
}
