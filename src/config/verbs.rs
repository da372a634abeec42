//! The table of nouns and verbs of `ringmq ctl`: name, parameters, request and view of each. The
//! command line, its help and the requests are generated from this table; a new verb is a new row.

use crate::limits::{PAGE_ROWS_MAX, TOP_ROWS_MAX};

use super::account_verbs::ACCOUNT_VERBS;
use super::group_verbs::GROUP_VERBS;
use super::lookup_verbs::LOOKUP_VERBS;
use super::operating_verbs::OPERATING_VERBS;
use super::trace_verbs::TRACE_VERBS;
use super::verb::{Columns, ID, Kind, Parameter, VHOST, Verb, View, behind, flag, local, verb};

const TOP_BY: Parameter = flag(
    ("by", "by"),
    "WHAT",
    Kind::Word(&[
        "backlog_bytes",
        "backlog_messages",
        "dropped",
        "inflight",
        "outgoing",
        "lag",
        "rate",
    ]),
    "What the sessions have most of [default: backlog_bytes]",
);
const TOP_COUNT: Parameter =
    flag(("n", "n"), "N", Kind::Number(1, TOP_ROWS_MAX as u64), "Sessions [default: 10]");
const OF_TOP: &[Parameter] = &[TOP_BY, TOP_COUNT];

/// Parameters of every list of clients or sessions; the last one is only for sessions.
const OF_LIST: &[Parameter] = &[
    flag(("id", "id"), "ID", Kind::Text, "Exactly this client id"),
    flag(("id-prefix", "id_prefix"), "TEXT", Kind::Text, "Beginning of the client id"),
    flag(("user", "user"), "NAME", Kind::Text, "User that the session belongs to"),
    flag(("vhost", "vhost"), "NAME", Kind::Text, "Name of a vhost"),
    flag(
        ("address", "address"),
        "RANGE",
        Kind::Text,
        "Address of the client, or a range of addresses, as in 10.0.0.0/8",
    ),
    flag(
        ("listener", "listener"),
        "LISTENER",
        Kind::Text,
        "Listener that the client came in through, as listeners tells it",
    ),
    flag(
        ("connected-after", "connected_after"),
        "TIME",
        Kind::Text,
        "Connected since this time, as in 2026-11-29T21:40:00Z",
    ),
    flag(
        ("state", "state"),
        "STATE",
        Kind::Word(&["ok", "full", "slow"]),
        "State of its output: publishers wait for a full one, QoS 0 messages to a slow one are \
         dropped",
    ),
    flag(
        ("backlog-min", "backlog_min"),
        "N",
        Kind::Number(0, u64::MAX),
        "Messages that wait for it, at least",
    ),
    flag(
        ("dropped-min", "dropped_min"),
        "N",
        Kind::Number(0, u32::MAX as u64),
        "Messages that were dropped for it, at least",
    ),
    flag(
        ("limit", "limit"),
        "N",
        Kind::Number(1, PAGE_ROWS_MAX as u64),
        "Rows [default: 100]; with --all the rows of each request",
    ),
    flag(("cursor", "cursor"), "CURSOR", Kind::Text, "Where an earlier list ended"),
    flag(
        ("connected", "connected"),
        "BOOL",
        Kind::Word(&["true", "false"]),
        "Whether its client is connected",
    ),
];
const OF_CLIENTS: &[Parameter] = OF_LIST.split_at(OF_LIST.len() - 1).0;

const SESSION_FIELDS: &[&str] = &[
    "id",
    "vhost",
    "user",
    "shard",
    "clean",
    "connected",
    "subscriptions",
    "inflight",
    "backlog.messages",
    "backlog.bytes",
    "backlog.lag_seconds",
    "dropped",
    "withheld",
    "absent_seconds",
    "address",
    "listener",
    "connected_at",
    "received.bytes",
    "sent.bytes",
    "protocol",
    "transport",
    "keep_alive",
    "will",
    "certified",
    "state",
    "waits_for",
    "outgoing_bytes",
    "connected_seconds",
    "silent_seconds",
    "bytes_per_second",
];
const CLIENTS: Columns = Columns {
    usual: &[
        "id",
        "vhost",
        "user",
        "address",
        "state",
        "waits_for",
        "backlog.messages",
        "dropped",
        "connected_seconds",
    ],
    all: SESSION_FIELDS,
};
const SESSIONS: Columns = Columns {
    usual: &[
        "id",
        "vhost",
        "user",
        "connected",
        "subscriptions",
        "backlog.messages",
        "backlog.bytes",
        "backlog.lag_seconds",
        "dropped",
        "absent_seconds",
    ],
    all: SESSION_FIELDS,
};
const TOP: Columns = Columns {
    usual: &[
        "id",
        "vhost",
        "connected",
        "state",
        "backlog.messages",
        "backlog.bytes",
        "backlog.lag_seconds",
        "inflight",
        "outgoing_bytes",
        "dropped",
    ],
    all: SESSION_FIELDS,
};
const SESSION: Columns = Columns { usual: SESSION_FIELDS, all: SESSION_FIELDS };

/// Nouns that have several verbs.
pub(super) const NOUNS: &[(&str, &str)] = &[
    ("trace", "Show what happens to clients or messages, while it happens"),
    ("clients", "List, show or disconnect clients that are connected"),
    ("sessions", "List, rank, show, empty or delete sessions, of connected and absent clients"),
    ("groups", "List, show, empty or end consumer groups"),
    ("retained", "List, show or clear retained messages"),
    ("config", "Show the settings of a running broker"),
    ("log", "Change what a broker logs"),
    ("users", "List, add or delete users"),
    ("vhosts", "List, create, delete or limit vhosts"),
    ("definitions", "Export or import users, rules and limits of all vhosts"),
    ("token", "List, add or remove tokens of a file"),
];

/// Every verb.
pub fn verbs() -> impl Iterator<Item = &'static Verb> {
    VERBS
        .iter()
        .chain(TRACE_VERBS)
        .chain(LOOKUP_VERBS)
        .chain(GROUP_VERBS)
        .chain(OPERATING_VERBS)
        .chain(ACCOUNT_VERBS)
}

const CHECK_HELP: &str = "The line and the exit codes are those of Nagios' plugins: 0 OK, 1 \
    WARNING, 2 CRITICAL, also if the broker is not reached, 3 UNKNOWN.\n\nalive: every shard \
    answers. certificates: days until the first certificate or list of revoked ones ends. disk: \
    percent of free space; critical below --disk-low or while publishers wait for the disk. \
    drops: messages dropped within --over. lag: age in seconds of the oldest message that waits \
    for a connected client, of the 50 sessions with most of them. ready: clients are let in. \
    reload: the last reload succeeded.\n\nlag needs a token with the right read; the others need \
    none.";

/// All verbs. Verbs about single objects and about the whole broker are in the sibling modules.
const VERBS: &[Verb] = &[
    verb(
        &["status"],
        "Show a summary of the metrics",
        ("GET", "/api/v1/overview"),
        &[],
        View::Status,
    ),
    Verb {
        more: "With --watch, messages and bytes are shown per second.",
        ..verb(
            &["top"],
            "Show rates, and the largest sessions",
            ("GET", "/api/v1/top"),
            OF_TOP,
            View::Top(TOP),
        )
    },
    verb(
        &["clients", "ls"],
        "List connected clients",
        ("GET", "/api/v1/clients"),
        OF_CLIENTS,
        View::Pages(CLIENTS),
    ),
    verb(
        &["clients", "show"],
        "Show one connected client",
        ("GET", "/api/v1/client"),
        &[ID, VHOST],
        View::Object(SESSION),
    ),
    verb(
        &["clients", "kick"],
        "Disconnect a client",
        ("DELETE", "/api/v1/client"),
        &[
            ID,
            VHOST,
            flag(
                ("session", "session"),
                "WHAT",
                Kind::Word(&["keep", "delete"]),
                "What happens to its session [default: keep]",
            ),
            flag(
                ("will", "will"),
                "WHAT",
                Kind::Word(&["publish", "discard"]),
                "What happens to its will [default: publish]",
            ),
        ],
        View::Ended("Disconnect client"),
    ),
    verb(
        &["sessions", "ls"],
        "List sessions",
        ("GET", "/api/v1/sessions"),
        OF_LIST,
        View::Pages(SESSIONS),
    ),
    verb(
        &["sessions", "top"],
        "List the largest sessions",
        ("GET", "/api/v1/top"),
        OF_TOP,
        View::Rows(TOP),
    ),
    verb(
        &["sessions", "show"],
        "Show one session",
        ("GET", "/api/v1/session"),
        &[ID, VHOST],
        View::Object(SESSION),
    ),
    verb(
        &["sessions", "rm"],
        "Delete a session with its waiting messages, and disconnect its client",
        ("DELETE", "/api/v1/session"),
        &[ID, VHOST],
        View::Ended("Delete the session of client"),
    ),
    verb(
        &["vhosts"],
        "List vhosts with their metrics",
        ("GET", "/metrics/vhosts"),
        &[],
        View::Vhosts,
    ),
    Verb {
        more: "The code works once, within two minutes. The page has your rights: all \
               if you connect at the socket, otherwise those of your token.",
        ..verb(
            &["dashboard"],
            "Print the address of the page, and a code to sign in",
            ("POST", "/api/v1/dashboard"),
            &[],
            View::Dashboard,
        )
    },
    verb(
        &["metrics"],
        "List metrics, times with their percentiles",
        ("GET", "/api/v1/overview"),
        &[Parameter {
            required: false,
            is_local: true,
            ..behind("prefix", "PREFIX", Kind::Text, "Beginning of the names")
        }],
        View::Metrics,
    ),
    Verb {
        more: CHECK_HELP,
        ..verb(
            &["check"],
            "Tell Nagios whether the broker is well",
            ("GET", "/metrics"),
            &[
                Parameter {
                    is_local: true,
                    ..behind(
                        "name",
                        "NAME",
                        Kind::Word(&[
                            "alive",
                            "certificates",
                            "disk",
                            "drops",
                            "lag",
                            "ready",
                            "reload",
                        ]),
                        "The check to run",
                    )
                },
                local(
                    "warning",
                    "N",
                    Kind::Decimal,
                    "certificates, disk: warn below; drops, lag: warn above [default: 14, 10, 0, \
                     60]",
                ),
                local(
                    "critical",
                    "N",
                    Kind::Decimal,
                    "The same for critical [default: 3, none, 1000, 600]",
                ),
                local(
                    "over",
                    "DURATION",
                    Kind::Duration,
                    "Time for which drops are counted [default: 1s]",
                ),
            ],
            View::Check,
        )
    },
];
