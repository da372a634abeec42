//! The verbs of `ringmq ctl` about consumer groups.

use crate::limits::PAGE_ROWS_MAX;

use super::verb::{Columns, Kind, Parameter, VHOST, Verb, View, behind, flag, verb};

const GROUP: Parameter =
    behind("group", "GROUP", Kind::Text, "Its whole filter, as in '$share/NAME/a/b/#'");
const LIMIT: Parameter = flag(
    ("limit", "limit"),
    "N",
    Kind::Number(1, PAGE_ROWS_MAX as u64),
    "Rows [default: 100]; with --all the rows of each request",
);
const CURSOR: Parameter =
    flag(("cursor", "cursor"), "CURSOR", Kind::Text, "Where an earlier list ended");

const GROUP_FIELDS: &[&str] = &[
    "group",
    "vhost",
    "name",
    "filter",
    "order",
    "durable",
    "members",
    "connected",
    "inflight",
    "backlog.messages",
    "backlog.bytes",
    "backlog.lag_seconds",
    "delivered",
    "acknowledged",
    "redelivered",
    "refused",
    "dropped.full_oldest",
    "dropped.full_newest",
    "dropped.expired",
    "dropped.disk_lost",
    "dropped.absent",
    "dropped.purged",
];
const LIST: Columns = Columns {
    usual: &[
        "group",
        "vhost",
        "durable",
        "members",
        "connected",
        "backlog.messages",
        "backlog.bytes",
        "inflight",
        "redelivered",
    ],
    all: GROUP_FIELDS,
};
const ONE: Columns = Columns { usual: GROUP_FIELDS, all: GROUP_FIELDS };
const MEMBERS: Columns = Columns {
    usual: &["id", "user", "state", "qos", "lanes", "inflight", "inflight_all", "window"],
    all: &[
        "id",
        "user",
        "shard",
        "clean",
        "connected",
        "state",
        "qos",
        "lanes",
        "inflight",
        "inflight_all",
        "window",
    ],
};

/// See the module.
pub(super) const GROUP_VERBS: &[Verb] = &[
    verb(
        &["groups", "ls"],
        "List consumer groups",
        ("GET", "/api/v1/groups"),
        &[flag(("vhost", "vhost"), "NAME", Kind::Text, "Name of a vhost"), LIMIT, CURSOR],
        View::Pages(LIST),
    ),
    verb(
        &["groups", "show"],
        "Show a consumer group",
        ("GET", "/api/v1/group"),
        &[GROUP, VHOST],
        View::Object(ONE),
    ),
    Verb {
        more: "state is: ok; window_full, it has as many messages as it may; full, its output is \
               full; absent; suspended, the rules do not let it read all that is shared; left, it \
               has unsubscribed and still has messages.",
        ..verb(
            &["groups", "members"],
            "List the members of a consumer group",
            ("GET", "/api/v1/group/members"),
            &[GROUP, VHOST, LIMIT, CURSOR],
            View::Pages(MEMBERS),
        )
    },
];
