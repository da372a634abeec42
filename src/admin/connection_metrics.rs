//! Metrics of connections and of the clients behind them.

use crate::broker::inspect::ListenerLoad;
use crate::limits::LISTENERS_COUNTED_MAX;

use super::metric::{
    Kind, LabelledRow, MICROS, Metric, ShardFigures, Source, Whole, counter, float, gauge, row,
};
use super::topic::{CONNECTS, MOST_SESSIONS, load, number};

/// See the module.
pub(super) const CONNECTION_METRICS: &[Metric] = &[
    gauge(
        "connections",
        "Open connections, with or without a client, by the listener that they came to",
        Source::Rows(&["listener"], |shards, whole| {
            by_listener(shards, whole, |load| load.accepted.saturating_sub(load.ended))
        }),
    ),
    counter(
        "connections_accepted_total",
        "Connections accepted, by listener",
        Source::Rows(&["listener"], |shards, whole| {
            by_listener(shards, whole, |load| load.accepted)
        }),
    )
    .at(&[number(&["broker/connections/socket/count"]), load(&["broker/load/sockets"])]),
    counter(
        "connections_refused_total",
        "Connections closed before a byte was read",
        Source::Sums(
            "reason",
            &[
                ("crowded", |s| s.stats.refused_crowded),
                ("untrusted_proxy", |s| s.stats.refused_untrusted_proxy),
                ("address_connections", |s| s.stats.refused_address_connections),
                ("address_rate", |s| s.stats.refused_address_rate),
            ],
        ),
    ),
    counter(
        "addresses_uncounted_total",
        "Connections whose address was not counted because too many are",
        Source::Sum(|s| s.stats.addresses_uncounted),
    ),
    counter(
        "tls_handshakes_total",
        "TLS handshakes that have ended, by how: with a new session, with that of an earlier \
         connection, or not well",
        Source::Sums(
            "result",
            &[
                ("full", |s| s.stats.tls_handshakes_full),
                ("resumed", |s| s.stats.tls_handshakes_resumed),
                ("failed", |s| s.stats.tls_handshakes_failed),
            ],
        ),
    ),
    counter(
        "connects_total",
        "CONNECTs that were accepted, by the version of MQTT",
        Source::Sums(
            "version",
            &[
                ("3.1", |s| s.stats.clients_v31),
                ("3.1.1", |s| {
                    let others = s.stats.clients_v31 + s.stats.clients_v5;
                    s.stats.clients_accepted.saturating_sub(others)
                }),
                ("5", |s| s.stats.clients_v5),
            ],
        ),
    )
    .at(&[CONNECTS]),
    counter(
        "connects_websocket_total",
        "Of the CONNECTs that were accepted, those over WebSocket",
        Source::Sum(|s| s.stats.clients_websocket),
    ),
    counter(
        "disconnects_total",
        "Connections that ended, by why; refused ones are counted elsewhere",
        Source::Sums(
            "reason",
            &[
                ("client", |s| s.stats.closed_by_client),
                ("peer_closed", |s| s.stats.closed_by_peer),
                ("no_data", |s| s.stats.closed_no_data),
                ("network", |s| s.stats.closed_network),
                ("malformed", |s| s.stats.closed_malformed),
                ("protocol", |s| s.stats.closed_violation),
                ("tls", |s| s.stats.closed_tls),
                ("http", |s| s.stats.closed_http),
                ("websocket", |s| s.stats.closed_websocket),
                ("keep_alive", |s| s.stats.closed_keep_alive),
                ("connect_timeout", |s| s.stats.closed_timeout - s.stats.closed_keep_alive),
                ("proxy_header", |s| s.stats.closed_proxy_header),
                ("taken_over", |s| s.stats.taken_over),
                ("revoked", |s| s.stats.clients_revoked),
                ("denied", |s| s.stats.closed_denied),
                ("kicked", |s| s.stats.closed_kicked),
                ("stopping", |s| s.stats.closed_stopping),
            ],
        ),
    ),
    gauge(
        "auth_waiting",
        "CONNECTs whose password is about to be given to the threads that verify it",
        Source::Sum(|s| s.gauges.password_checks),
    ),
    row(
        ("auth_duration_seconds", Kind::Histogram, MICROS),
        "From giving a password to the threads that verify it to going on with its CONNECT, exact \
         to a turn of the shard",
        Source::TimesBy("method", &[("file", |s| &s.latency.auth)]),
    ),
    gauge(
        "sessions",
        "Sessions, by whether their client is connected, and whether they end with its connection",
        Source::Pairs(
            ["state", "kind"],
            &[
                (["connected", "clean"], |s| s.gauges.clean_sessions),
                (["connected", "durable"], |s| {
                    s.gauges.clients.saturating_sub(s.gauges.clean_sessions)
                }),
                (["absent", "durable"], |s| s.gauges.sessions.saturating_sub(s.gauges.clients)),
            ],
        ),
    )
    .at(&[
        number(&["broker/clients/connected", "broker/clients/active"])
            .only(&["connected"])
            .says("Clients that are connected"),
        number(&["broker/clients/disconnected", "broker/clients/inactive"])
            .only(&["absent"])
            .says("Sessions whose client is not connected"),
        number(&["broker/clients/total"]).says("Sessions"),
        MOST_SESSIONS,
    ]),
    counter(
        "sessions_created_total",
        "Accepted clients that began a session",
        Source::Sum(|s| s.stats.clients_accepted.saturating_sub(s.stats.sessions_resumed)),
    ),
    counter(
        "sessions_resumed_total",
        "Accepted clients that found their session",
        Source::Sum(|s| s.stats.sessions_resumed),
    ),
    counter(
        "subscriptions_refused_total",
        "Filters that were refused",
        Source::Sums(
            "reason",
            &[
                ("denied", |s| s.stats.subscriptions_denied),
                ("limit", |s| {
                    s.stats.subscriptions_refused.saturating_sub(s.stats.subscriptions_too_deep)
                }),
                ("depth", |s| s.stats.subscriptions_too_deep),
            ],
        ),
    ),
    counter(
        "publisher_waits_total",
        "Times a publisher was not read from for a while, by what it waited for",
        Source::Sums(
            "reason",
            &[
                ("slow_client", |s| s.stats.publishers_held),
                ("full_session", |s| s.stats.publishers_blocked),
                ("disk", |s| s.stats.publishers_waited_disk),
                ("rate", |s| s.stats.publishers_throttled),
                ("mesh", |s| s.load.mesh_waits),
                ("buffers", |s| s.load.starved),
            ],
        ),
    ),
    gauge(
        "publishers_waiting",
        "Connections that are not read from now, by what they wait for; one may wait for several \
         things",
        Source::Sums(
            "reason",
            &[
                ("slow_client", |s| s.gauges.waiting.slow_client),
                ("full_session", |s| s.gauges.waiting.full_session),
                ("disk", |s| s.gauges.waiting.disk),
                ("rate", |s| s.gauges.waiting.rate),
                ("mesh", |s| s.load.mesh_waiting),
                ("buffers", |s| s.load.starving),
                ("session", |s| s.gauges.waiting.session),
                ("own_output", |s| s.gauges.waiting.own_output),
                ("password", |s| s.gauges.waiting.password),
            ],
        ),
    ),
    counter(
        "request_waits_total",
        "Times a client waited for the disk with something else than a message",
        Source::Sum(|s| s.stats.requests_waited_disk),
    ),
    gauge(
        "clients_slow",
        "Clients that are marked slow: QoS 0 for them is dropped, and nobody waits for them",
        Source::Sum(|s| s.gauges.slow_clients),
    ),
    counter(
        "clients_marked_slow_total",
        "Times a client was marked slow",
        Source::Sum(|s| s.stats.marked_slow),
    ),
];

/// A figure of each listener, by its address.
fn by_listener(
    shards: &[ShardFigures<'_>],
    whole: &Whole,
    of: fn(&ListenerLoad) -> u64,
) -> Vec<LabelledRow> {
    let listeners = &whole.condition.facts.listeners;
    let name_of = |at: usize| match listeners.get(at) {
        Some(_) if at + 1 == LISTENERS_COUNTED_MAX && listeners.len() > LISTENERS_COUNTED_MAX => {
            "others".to_owned()
        }
        Some(listener) => listener.at.clone(),
        None => String::new(),
    };
    let sum = |at: usize| {
        // A connection may be accepted by one shard and end on another.
        let mut sum = ListenerLoad::default();
        for ShardFigures { snapshot, .. } in shards {
            let ListenerLoad { accepted, ended } = snapshot.load.listeners[at];
            (sum.accepted, sum.ended) = (sum.accepted + accepted, sum.ended + ended);
        }
        of(&sum)
    };
    let count = listeners.len().min(LISTENERS_COUNTED_MAX);
    (0..count).map(|at| (vec![name_of(at)], float(sum(at)))).collect()
}
