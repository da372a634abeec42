//! The verbs of `ringmq ctl` that trace clients and messages, as a part of the table in
//! [`super::verbs()`].

use crate::limits::{TRACE_PAYLOAD_BYTES_MAX, TRACE_SECONDS_MAX};

use super::verb::{Columns, ID, Kind, Parameter, Verb, View, behind, flag, local, verb};

const TRACE_VHOST: Parameter =
    flag(("vhost", "vhost"), "NAME", Kind::Text, "Name of a vhost [default: all]");
const TRACE_KINDS: Parameter = flag(
    ("kinds", "kinds"),
    "KINDS",
    Kind::Text,
    "Some of connect, packet, deliver, auth and close, with commas between [default: all]",
);
const TRACE_SECONDS: Parameter = flag(
    ("seconds", "seconds"),
    "N",
    Kind::Number(1, TRACE_SECONDS_MAX as u64),
    "End after so many seconds [default: 600]",
);
const TRACE_PAYLOAD: Parameter = flag(
    ("payload", "payload"),
    "BYTES",
    Kind::Number(0, TRACE_PAYLOAD_BYTES_MAX as u64),
    "Bytes of each payload to show [default: 64, and 4096 for tail]",
);
const TRACE_PCAPNG: Parameter = local(
    "pcapng",
    "FILE",
    Kind::Text,
    "Write packets into a file for Wireshark; - is standard output",
);
const TRACE_RECORD: Parameter = flag(
    ("record", "file"),
    "FORM",
    Kind::Word(&["json", "text", "pcapng"]),
    "Write into a file of the broker's data directory instead, and return at once",
);
const RUNNING: Columns = Columns {
    usual: &["trace", "by", "id", "id_prefix", "user", "topic", "seconds_left", "events", "file"],
    all: &[
        "trace",
        "by",
        "id",
        "id_prefix",
        "user",
        "address",
        "topic",
        "vhost",
        "kinds",
        "payload",
        "seconds",
        "seconds_left",
        "events",
        "skipped",
        "file",
    ],
};
const FILE: Parameter = behind("name", "FILE", Kind::Text, "Name of the file");
const FILE_FIELDS: &[&str] = &["name", "bytes", "changed_at", "trace"];
const FILES: Columns = Columns { usual: FILE_FIELDS, all: FILE_FIELDS };

const TRACE_TOPIC: Parameter =
    behind("topic", "FILTER", Kind::Text, "Topic filter, as in plant/+/temperature");
const TRACE_HELP: &str = "Packets and decisions are shown as they happen, as lines like those of \
    Mosquitto's debug log. The trace ends with this program. What comes too fast is skipped, and \
    its number shown. It needs the right operate, and is in the broker's log.";

const fn trace(
    words: &'static [&'static str],
    about: &'static str,
    of: &'static [Parameter],
) -> Verb {
    Verb { more: TRACE_HELP, ..verb(words, about, ("POST", "/api/v1/traces"), of, View::Trace) }
}

/// Verbs about traces.
pub(super) const TRACE_VERBS: &[Verb] = &[
    Verb {
        more: "It tells of CONNECT and its answer, of what clients may not do, and of the end of \
               connections. A burst may be cut: then it says how many are left out.",
        ..verb(
            &["events"],
            "Show clients that come, are refused and leave, as it happens",
            ("GET", "/api/v1/events"),
            &[
                TRACE_VHOST,
                flag(
                    ("kinds", "kinds"),
                    "KINDS",
                    Kind::Text,
                    "Some of connect, auth and close, with commas between [default: all]",
                ),
                flag(
                    ("seconds", "seconds"),
                    "N",
                    Kind::Number(1, TRACE_SECONDS_MAX as u64),
                    "End after so many seconds",
                ),
            ],
            View::Events,
        )
    },
    trace(
        &["trace", "client"],
        "Trace a client",
        &[ID, TRACE_VHOST, TRACE_KINDS, TRACE_SECONDS, TRACE_PAYLOAD, TRACE_PCAPNG, TRACE_RECORD],
    ),
    trace(
        &["trace", "prefix"],
        "Trace clients by the beginning of their client id",
        &[
            behind("id_prefix", "TEXT", Kind::Text, "Beginning of the client id"),
            TRACE_VHOST,
            TRACE_KINDS,
            TRACE_SECONDS,
            TRACE_PAYLOAD,
            TRACE_PCAPNG,
            TRACE_RECORD,
        ],
    ),
    trace(
        &["trace", "user"],
        "Trace the clients of a user",
        &[
            behind("user", "NAME", Kind::Text, "The user; empty: clients without one"),
            TRACE_VHOST,
            TRACE_KINDS,
            TRACE_SECONDS,
            TRACE_PAYLOAD,
            TRACE_PCAPNG,
            TRACE_RECORD,
        ],
    ),
    trace(
        &["trace", "address"],
        "Trace clients from an address or a range",
        &[
            behind("address", "RANGE", Kind::Text, "An address or a range, as in 10.0.0.0/8"),
            TRACE_VHOST,
            TRACE_KINDS,
            TRACE_SECONDS,
            TRACE_PAYLOAD,
            TRACE_PCAPNG,
            TRACE_RECORD,
        ],
    ),
    trace(
        &["trace", "topic"],
        "Trace messages of a topic",
        &[
            TRACE_TOPIC,
            TRACE_VHOST,
            TRACE_KINDS,
            TRACE_SECONDS,
            TRACE_PAYLOAD,
            TRACE_PCAPNG,
            TRACE_RECORD,
        ],
    ),
    Verb {
        more: "It needs the right operate, and is in the broker's log. Events that come too \
               fast are skipped, and their number is shown.",
        ..verb(
            &["tail"],
            "Show messages that match a filter, as they are published",
            ("POST", "/api/v1/traces"),
            &[TRACE_TOPIC, TRACE_VHOST, TRACE_SECONDS, TRACE_PAYLOAD],
            View::Tail,
        )
    },
    verb(
        &["trace", "ls"],
        "List the traces that run",
        ("GET", "/api/v1/traces"),
        &[],
        View::Rows(RUNNING),
    ),
    verb(
        &["trace", "end"],
        "End a trace that runs",
        ("DELETE", "/api/v1/trace"),
        &[behind("id", "TRACE", Kind::Text, "The trace, as it is listed")],
        View::Done("ended", None),
    ),
    verb(
        &["trace", "files"],
        "List the files that traces have written with --record",
        ("GET", "/api/v1/trace/files"),
        &[],
        View::Rows(FILES),
    ),
    verb(
        &["trace", "get"],
        "Print a file of a trace",
        ("GET", "/api/v1/trace/file"),
        &[FILE],
        View::File,
    ),
    verb(
        &["trace", "rm"],
        "Delete a file of a trace",
        ("DELETE", "/api/v1/trace/file"),
        &[FILE],
        View::Done("deleted", Some("Delete this file of a trace")),
    ),
];
