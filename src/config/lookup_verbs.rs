//! The verbs of `ringmq ctl` about single objects: ended connections, subscriptions, permissions,
//! retained messages, and messages that wait in a session.

use crate::limits::{CLOSED_MAX, PAGE_ROWS_MAX, PEEK_MESSAGES_MAX};

use super::verb::{Columns, ID, Kind, Parameter, VHOST, Verb, View, behind, flag, verb};

const LIMIT: Parameter = flag(
    ("limit", "limit"),
    "N",
    Kind::Number(1, PAGE_ROWS_MAX as u64),
    "Rows [default: 100]; with --all the rows of each request",
);
const CURSOR: Parameter =
    flag(("cursor", "cursor"), "CURSOR", Kind::Text, "Where an earlier list ended");
const OF_VHOST: Parameter = flag(("vhost", "vhost"), "NAME", Kind::Text, "Name of a vhost");
const USER: Parameter =
    flag(("user", "user"), "NAME", Kind::Text, "User of the client [default: none]");
const CLIENT: Parameter =
    flag(("client-id", "client_id"), "ID", Kind::Text, "Client id, case sensitive");

const CLOSED: Columns = Columns {
    usual: &[
        "id",
        "vhost",
        "user",
        "address",
        "reason",
        "ago_seconds",
        "connected_seconds",
        "says",
    ],
    all: &[
        "id",
        "vhost",
        "user",
        "address",
        "reason",
        "says",
        "ago_seconds",
        "connected_seconds",
        "received.bytes",
        "sent.bytes",
        "shard",
        "names_cut",
    ],
};
const SUBSCRIPTIONS: Columns = Columns {
    usual: &["id", "vhost", "filter", "qos", "connected", "suspended"],
    all: &["id", "vhost", "user", "filter", "qos", "clean", "connected", "suspended", "shard"],
};
const MATCH: Columns = Columns {
    usual: &["id", "filter", "qos", "gets", "why", "rule.says"],
    all: &[
        "id",
        "vhost",
        "user",
        "filter",
        "granted",
        "qos",
        "connected",
        "gets",
        "why",
        "shard",
        "rule.allowed",
        "rule.basis",
        "rule.says",
        "rule.file",
        "rule.line",
    ],
};
const DECISION: Columns =
    Columns { usual: &["allowed", "says"], all: &["allowed", "basis", "says", "file", "line"] };
const RETAINED: Columns = Columns { usual: &["topic", "bytes"], all: &["topic", "bytes", "shard"] };
const MESSAGE_FIELDS: &[&str] = &[
    "topic",
    "qos",
    "age_seconds",
    "payload_bytes",
    "payload",
    "payload_base64",
    "payload_cut",
    "retain",
    "shard",
];
const MESSAGE: Columns = Columns { usual: MESSAGE_FIELDS, all: MESSAGE_FIELDS };
const WAITING: Columns = Columns {
    usual: &["number", "state", "qos", "age_seconds", "payload_bytes", "topic", "payload"],
    all: &[
        "number",
        "state",
        "topic",
        "qos",
        "retain",
        "age_seconds",
        "payload_bytes",
        "payload",
        "payload_base64",
        "payload_cut",
    ],
};

const MATCH_HELP: &str = "why is: sent; stored, for a client that is away; withheld, until rules \
    allow it; denied by a rule; full, as much waits as may; absent or slow, at QoS 0. Of several \
    filters of one session the one with the highest QoS counts.";

/// Verbs about single objects.
pub(super) const LOOKUP_VERBS: &[Verb] = &[
    verb(
        &["closed"],
        "List the connections that ended last, with reasons",
        ("GET", "/api/v1/closed"),
        &[
            flag(("id", "id"), "ID", Kind::Text, "Exactly this client id"),
            flag(("id-prefix", "id_prefix"), "TEXT", Kind::Text, "Beginning of the client id"),
            flag(("reason", "reason"), "WORD", Kind::Text, "Reason of the end, as in keep_alive"),
            OF_VHOST,
            flag(
                ("limit", "limit"),
                "N",
                Kind::Number(1, CLOSED_MAX as u64),
                "Rows [default: 100]; with --all the rows of each request",
            ),
            CURSOR,
        ],
        View::Pages(CLOSED),
    ),
    verb(
        &["subs"],
        "List subscriptions",
        ("GET", "/api/v1/subscriptions"),
        &[
            flag(("client", "client"), "ID", Kind::Text, "Of exactly this client"),
            flag(("filter", "filter"), "FILTER", Kind::Text, "Exactly this topic filter"),
            OF_VHOST,
            LIMIT,
            CURSOR,
        ],
        View::Pages(SUBSCRIPTIONS),
    ),
    Verb {
        more: MATCH_HELP,
        ..verb(
            &["match"],
            "List the sessions that would get a message, and those that would not, with reasons",
            ("GET", "/api/v1/match"),
            &[
                behind("topic", "TOPIC", Kind::Text, "Topic of the message"),
                flag(("qos", "qos"), "QOS", Kind::Number(0, 2), "Its QoS [default: 0]"),
                VHOST,
                LIMIT,
                CURSOR,
            ],
            View::Pages(MATCH),
        )
    },
    verb(
        &["can"],
        "Show whether a client may publish or subscribe, and which rule decides",
        ("GET", "/api/v1/can"),
        &[
            behind("action", "ACTION", Kind::Word(&["publish", "subscribe"]), "The action"),
            behind("topic", "TOPIC", Kind::Text, "Topic; for subscribe a topic filter"),
            USER,
            CLIENT,
            VHOST,
        ],
        View::Object(DECISION),
    ),
    verb(
        &["retained", "ls"],
        "List topics with a retained message",
        ("GET", "/api/v1/retained"),
        &[
            flag(("prefix", "prefix"), "TEXT", Kind::Text, "Beginning of the topics"),
            VHOST,
            LIMIT,
            CURSOR,
        ],
        View::Pages(RETAINED),
    ),
    verb(
        &["retained", "get"],
        "Show a retained message",
        ("GET", "/api/v1/retained/message"),
        &[behind("topic", "TOPIC", Kind::Text, "Its topic"), VHOST],
        View::Object(MESSAGE),
    ),
    verb(
        &["retained", "rm"],
        "Clear the retained messages that match a filter",
        ("DELETE", "/api/v1/retained"),
        &[
            behind("filter", "FILTER", Kind::Text, "Topic, or topic filter"),
            VHOST,
            flag(("dry-run", "dry_run"), "", Kind::Switch, "Only count them"),
        ],
        View::Counted("Clear the retained messages of"),
    ),
    verb(
        &["sessions", "peek"],
        "Show the first messages that wait in a session",
        ("GET", "/api/v1/session/messages"),
        &[
            ID,
            VHOST,
            flag(
                ("limit", "limit"),
                "N",
                Kind::Number(1, PEEK_MESSAGES_MAX as u64),
                "Messages [default: 20]",
            ),
        ],
        View::Rows(WAITING),
    ),
    verb(
        &["sessions", "purge"],
        "Drop the messages that wait in a session",
        ("DELETE", "/api/v1/session/messages"),
        &[ID, VHOST],
        View::Counted("Drop what waits in the session of client"),
    ),
];
