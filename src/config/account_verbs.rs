//! The verbs of `ringmq ctl` about users, vhosts, limits and tokens, as a part of the table in
//! [`super::verbs()`].

use super::verb::{
    Columns, Kind, Parameter, Verb, View, behind, flag, in_body, local, needed, verb,
};

const USER: Parameter = behind("name", "NAME", Kind::Text, "Name of the user");
const VHOST: Parameter =
    flag(("vhost", "vhost"), "NAME", Kind::Text, "Name of the vhost [default: /]");
const NAME: Parameter = behind("vhost", "NAME", Kind::Text, "Name of the vhost");
const TOKENS: Parameter =
    needed(local("file", "FILE", Kind::Text, "File with tokens, as --http-tokens names it"));
const TOKEN_NAME: Parameter =
    Parameter { is_local: true, ..behind("name", "NAME", Kind::Text, "Name of the token") };

const USERS: Columns = Columns { usual: &["name"], all: &["vhost", "name"] };
const LIMIT_FIELDS: &[&str] =
    &["max_connections", "max_sessions", "max_retained_bytes", "max_queued_bytes", "publish_rate"];
const LIMITS: Columns = Columns { usual: LIMIT_FIELDS, all: LIMIT_FIELDS };
const VHOSTS: Columns = Columns {
    usual: &["name", "connections", "sessions", "backlog_bytes", "retained_messages", "limits"],
    all: &[
        "name",
        "number",
        "has_folder",
        "connections",
        "sessions",
        "backlog_bytes",
        "retained_messages",
        "retained_bytes",
        "limits",
    ],
};

const fn limit(
    (name, field): (&'static str, &'static str),
    least: u64,
    help: &'static str,
) -> Parameter {
    in_body(flag((name, field), "N", Kind::Number(least, i64::MAX.unsigned_abs()), help))
}

/// Verbs about users, vhosts, limits and tokens.
pub(super) const ACCOUNT_VERBS: &[Verb] = &[
    verb(
        &["users", "ls"],
        "List the users of a vhost",
        ("GET", "/api/v1/users"),
        &[
            VHOST,
            flag(("limit", "limit"), "N", Kind::Number(1, 1000), "Rows [default: 100]"),
            flag(("cursor", "cursor"), "CURSOR", Kind::Text, "Where an earlier list ended"),
        ],
        View::Rows(USERS),
    ),
    Verb {
        more: "The command asks for the password, or reads it from standard input. The broker \
               writes its hash to the password file, and uses it at once.",
        ..verb(
            &["users", "add"],
            "Add a user, or set another password",
            ("PUT", "/api/v1/user"),
            &[
                USER,
                VHOST,
                local("stdin", "", Kind::Switch, "Read the password from standard input"),
            ],
            View::Done("the password is set", None),
        )
    },
    verb(
        &["users", "rm"],
        "Delete a user, and disconnect its clients",
        ("DELETE", "/api/v1/user"),
        &[USER, VHOST],
        View::Done("the user is deleted", Some("Delete the user")),
    ),
    verb(
        &["vhosts", "ls"],
        "List vhosts with their clients, sessions and limits",
        ("GET", "/api/v1/vhosts"),
        &[],
        View::Rows(VHOSTS),
    ),
    verb(
        &["vhosts", "add"],
        "Create a vhost without users",
        ("PUT", "/api/v1/vhost"),
        &[NAME],
        View::Done("the vhost is there", None),
    ),
    verb(
        &["vhosts", "rm"],
        "Delete a vhost's folder, and disconnect its clients",
        ("DELETE", "/api/v1/vhost"),
        &[NAME],
        View::Done("the vhost is deleted", Some("Delete the vhost")),
    ),
    verb(
        &["vhosts", "limits"],
        "Show the limits of a vhost",
        ("GET", "/api/v1/vhost/limits"),
        &[NAME],
        View::Object(LIMITS),
    ),
    verb(
        &["vhosts", "limit"],
        "Set the limits of a vhost; a limit that is not given is removed",
        ("PUT", "/api/v1/vhost/limits"),
        &[
            NAME,
            limit(("max-connections", "max_connections"), 0, "Clients at once"),
            limit(("max-sessions", "max_sessions"), 0, "Sessions, those of absent clients too"),
            limit(("max-retained-bytes", "max_retained_bytes"), 0, "Bytes of retained messages"),
            limit(("max-queued-bytes", "max_queued_bytes"), 0, "Bytes that wait in sessions"),
            limit(("publish-rate", "publish_rate"), 1, "PUBLISHes a second"),
        ],
        View::Done("the limits are set", None),
    ),
    verb(
        &["definitions", "export"],
        "Print users with hashes of their passwords, rules and limits of every vhost, as JSON",
        ("GET", "/api/v1/definitions"),
        &[],
        View::Document,
    ),
    verb(
        &["definitions", "import"],
        "Replace users, rules and limits of the vhosts that a file names",
        ("POST", "/api/v1/definitions"),
        &[
            in_body(behind("document", "FILE", Kind::Document, "The file; - is standard input")),
            flag(
                ("dry-run", "dry_run"),
                "",
                Kind::Switch,
                "Only check whether the import would succeed",
            ),
        ],
        View::Done("the definitions are taken", Some("Replace definitions")),
    ),
    verb(
        &["token", "ls"],
        "List the tokens of a file, without their hashes",
        ("", ""),
        &[TOKENS],
        View::Tokens,
    ),
    Verb {
        more: "The token is printed once; the file has only its hash. The broker reads it at the \
               next reload.",
        ..verb(
            &["token", "add"],
            "Create a token and add it to a file",
            ("", ""),
            &[
                TOKEN_NAME,
                TOKENS,
                needed(local(
                    "rights",
                    "RIGHTS",
                    Kind::Text,
                    "Some of metrics, read, publish, operate and admin, with commas between",
                )),
                local("vhost", "NAME", Kind::Text, "The only vhost that the token is valid for"),
            ],
            View::Tokens,
        )
    },
    verb(
        &["token", "rm"],
        "Remove a token from a file",
        ("", ""),
        &[TOKEN_NAME, TOKENS],
        View::Tokens,
    ),
];
