//! The verbs of `ringmq ctl` that change the whole broker or show its configuration, as a part of
//! the table in [`super::verbs()`].

use crate::limits::BULK_KICK_PER_SECOND_MAX;

use super::verb::{Columns, Kind, Parameter, Verb, View, behind, flag, in_body, local, verb};

const SETTINGS: Columns = Columns {
    usual: &["name", "values", "origin", "reload"],
    all: &["name", "values", "default", "origin", "variable", "file", "line", "takes", "reload"],
};
const LISTENER_FIELDS: &[&str] = &["at", "tls", "proxy", "local"];
const LISTENERS: Columns = Columns { usual: LISTENER_FIELDS, all: LISTENER_FIELDS };
const NODE_FIELDS: &[&str] = &[
    "version",
    "kernel",
    "cpus",
    "pid",
    "started_at",
    "uptime_seconds",
    "shards",
    "cpu_seconds",
    "memory.resident_bytes",
    "memory.virtual_bytes",
    "files.open",
    "files.max",
    "data_dir",
    "disk.free_bytes",
    "disk.size_bytes",
    "disk.low_limit_bytes",
];
const NODE: Columns = Columns { usual: NODE_FIELDS, all: NODE_FIELDS };
const SHARDS: Columns = Columns {
    usual: &[
        "shard",
        "age_seconds",
        "busy_seconds",
        "connections",
        "sessions",
        "messages.received",
        "messages.sent",
        "backlog.bytes",
        "log.bytes",
    ],
    all: &[
        "shard",
        "age_seconds",
        "uptime_seconds",
        "busy_seconds",
        "turns",
        "sleeps",
        "connections",
        "clients",
        "slow_clients",
        "sessions",
        "subscriptions",
        "messages.received",
        "messages.sent",
        "received.bytes",
        "sent.bytes",
        "backlog.bytes",
        "retained.messages",
        "retained.bytes",
        "log.bytes",
        "log.live_bytes",
        "log.uncommitted_bytes",
        "log.segments",
    ],
};
const CERTIFICATES: Columns = Columns {
    usual: &["flag", "file", "subject", "not_after", "days_left"],
    all: &["flag", "file", "subject", "not_before", "not_after", "days_left"],
};

/// Verbs about the whole broker.
pub(super) const OPERATING_VERBS: &[Verb] = &[
    Verb {
        more: "It returns when the message is stored in each session that needs it, as a PUBACK.",
        ..verb(
            &["publish"],
            "Publish a message",
            ("POST", "/api/v1/publish"),
            &[
                in_body(behind("topic", "TOPIC", Kind::Text, "Topic")),
                Parameter {
                    required: false,
                    ..in_body(behind("payload", "PAYLOAD", Kind::Text, "Payload, as text"))
                },
                local("file", "FILE", Kind::Text, "File with the payload; - is standard input"),
                in_body(flag(("qos", "qos"), "QOS", Kind::Number(0, 2), "Quality [default: 0]")),
                in_body(flag(
                    ("retain", "retain"),
                    "",
                    Kind::Switch,
                    "Make it the topic's retained message",
                )),
                in_body(flag(
                    ("vhost", "vhost"),
                    "NAME",
                    Kind::Text,
                    "Name of the vhost [default: /]",
                )),
            ],
            View::Done("published", None),
        )
    },
    verb(
        &["reload"],
        "Make the broker read its configuration and files again",
        ("POST", "/api/v1/reload"),
        &[],
        View::Reloaded,
    ),
    verb(
        &["log", "level"],
        "Change what is logged, until the next reload or for some time",
        ("PUT", "/api/v1/log-level"),
        &[
            in_body(behind("filter", "FILTER", Kind::Text, "As --log takes it")),
            in_body(flag(
                ("for", "seconds"),
                "DURATION",
                Kind::Duration,
                "Time until the configured level applies again, as in 10m",
            )),
        ],
        View::Done("what is logged is changed", None),
    ),
    Verb {
        more: "The broker keeps running: /readyz reports the drain, and new connections are \
               closed at once. `ringmq ctl undrain` ends the drain.",
        ..verb(
            &["drain"],
            "Refuse new clients, and disconnect the others gradually",
            ("POST", "/api/v1/drain"),
            &[in_body(flag(
                ("over", "seconds"),
                "DURATION",
                Kind::Duration,
                "Time until the last one is disconnected [default: 60s]",
            ))],
            View::Done("draining", Some("Disconnect all clients")),
        )
    },
    verb(
        &["undrain"],
        "Accept new clients again",
        ("DELETE", "/api/v1/drain"),
        &[],
        View::Done("clients are let in", None),
    ),
    Verb {
        more: "Clients that connect meanwhile are left alone. At most 10,000 clients are \
               disconnected at once, within 30 seconds; then say it again.",
        ..verb(
            &["clients", "evict"],
            "Disconnect all clients that match",
            ("POST", "/api/v1/clients/kick"),
            &[
                in_body(flag(("vhost", "vhost"), "NAME", Kind::Text, "Name of a vhost")),
                in_body(flag(("user", "user"), "NAME", Kind::Text, "User of the client")),
                in_body(flag(
                    ("id-prefix", "id_prefix"),
                    "TEXT",
                    Kind::Text,
                    "Beginning of the client id",
                )),
                in_body(flag(
                    ("address", "address"),
                    "RANGE",
                    Kind::Text,
                    "Address of the client, or a range of addresses, as in 10.0.0.0/8",
                )),
                in_body(flag(
                    ("listener", "listener"),
                    "LISTENER",
                    Kind::Text,
                    "Listener that the client came in through, as listeners tells it",
                )),
                in_body(flag(
                    ("state", "state"),
                    "STATE",
                    Kind::Word(&["ok", "full", "slow"]),
                    "State of its output",
                )),
                in_body(flag(
                    ("per-second", "per_second"),
                    "N",
                    Kind::Number(1, BULK_KICK_PER_SECOND_MAX),
                    "Clients each second [default: 100]",
                )),
                in_body(flag(
                    ("session", "session"),
                    "WHAT",
                    Kind::Word(&["keep", "delete"]),
                    "What happens to their sessions [default: keep]",
                )),
                in_body(flag(
                    ("will", "will"),
                    "WHAT",
                    Kind::Word(&["publish", "discard"]),
                    "What happens to their wills [default: publish]",
                )),
                in_body(flag(
                    ("dry-run", "dry_run"),
                    "",
                    Kind::Switch,
                    "Count them, and disconnect nobody",
                )),
            ],
            View::Evicted,
        )
    },
    verb(
        &["node"],
        "Show the host and the process of the broker",
        ("GET", "/api/v1/node"),
        &[],
        View::Object(NODE),
    ),
    verb(
        &["shards"],
        "List the shards with what they have and do",
        ("GET", "/api/v1/shards"),
        &[],
        View::Rows(SHARDS),
    ),
    verb(
        &["config", "show"],
        "List the settings that the broker has now",
        ("GET", "/api/v1/config"),
        &[],
        View::Rows(SETTINGS),
    ),
    verb(
        &["listeners"],
        "List the listeners",
        ("GET", "/api/v1/listeners"),
        &[],
        View::Rows(LISTENERS),
    ),
    verb(
        &["certs"],
        "List certificates and their validity",
        ("GET", "/api/v1/certificates"),
        &[],
        View::Rows(CERTIFICATES),
    ),
];
