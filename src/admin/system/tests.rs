//! Each topic has the value of the metrics that the catalogue names for it.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::inspect::{Snapshot, SystemTopics, Waiting};

use super::super::exposition::{Format, Text, of_broker};
use super::super::facts::{Facts, ListenerFact};
use super::super::metric::{ShardFigures, Whole};
use super::super::process::ProcessFigures;
use super::super::session_metrics::TOTALS;
use super::super::tokens::Tokens;
use super::super::{Condition, TopicMetric, system_topics};
use super::parts::Figures;
use super::topics::Values;

fn whole() -> Whole {
    let listener =
        ListenerFact { at: "127.0.0.1:1883".to_owned(), tls: false, proxy: false, local: true };
    let condition = Condition {
        is_ready: true,
        draining: false,
        facts: Arc::new(Facts { listeners: vec![listener], ..Facts::default() }),
        reloaded: true,
        reloaded_at_s: 0,
        vhosts: Arc::new([]),
        tokens: Arc::new(Tokens::default()),
        watched: Arc::new([]),
        tls: None,
        hosts: Arc::new([]),
        is_over: false,
    };
    Whole {
        condition,
        process: ProcessFigures { heap_bytes: 77, ..ProcessFigures::default() },
        requests: Vec::new(),
        refused_requests: 0,
        auth_failures: 0,
        trace_events_dropped: 0,
        log_lines_lost: 0,
        now_s: 0.0,
    }
}

/// The topics of shards with these figures.
fn compute(values: &mut Values, shards: &[Snapshot], waiting: &Waiting) -> SystemTopics {
    let figures = |(shard, snapshot)| ShardFigures { shard, snapshot, age: Duration::ZERO };
    let shards: Vec<ShardFigures<'_>> = shards.iter().enumerate().map(figures).collect();
    values.compute(&Figures { shards: &shards, whole: &whole(), waiting })
}

fn value(topics: &SystemTopics, name: &str) -> String {
    let mut all = topics.iter();
    let found = all.find(|one| one.topic().as_str() == name);
    found.unwrap_or_else(|| panic!("no {name}")).payload().to_owned()
}

/// An alias has the value of its topic; the maximum stays; a load is per minute, and that of a
/// shard is a share of time.
#[test]
fn values() {
    let mut values = Values::new();
    let mut shards = [Snapshot::default(), Snapshot::default()];
    (shards[0].gauges.sessions, shards[0].gauges.clients) = (5, 2);
    compute(&mut values, &shards, &Waiting::default());
    shards[0].gauges.sessions = 3;
    shards[1].load.sessions_max = 7;
    shards[1].now_ms = 60_000;
    shards[1].gauges.retained = 4;
    shards[0].stats.publishes_in = 100;
    shards[0].load.busy_us = 15_000_000;
    shards[1].load.busy_us = 90_000_000;
    shards.iter_mut().for_each(|shard| shard.gauges.groups = 2);
    let waiting = Waiting {
        messages: 6,
        lag_ms_max: 2_999,
        group_messages: 2,
        group_lag_ms_max: 3_999,
        ..Waiting::default()
    };
    let topics = compute(&mut values, &shards, &waiting);
    for (name, expected) in [
        ("broker/version", concat!("ringmq version ", env!("CARGO_PKG_VERSION"))),
        ("broker/uptime", "60 seconds"),
        ("broker/clients/maximum", "7"),
        ("broker/clients/connected", "2"),
        ("broker/clients/active", "2"),
        ("broker/clients/disconnected", "1"),
        ("broker/clients/inactive", "1"),
        ("broker/clients/total", "3"),
        ("broker/store/messages/count", "12"),
        ("broker/messages/stored", "12"),
        ("ringmq/sessions/backlog_messages", "6"),
        ("broker/retained messages/count", "4"),
        ("broker/load/publish/received/1min", "63.21"),
        ("broker/load/publish/received/15min", "6.45"),
        ("ringmq/sessions/lag_max_seconds", "2"),
        ("ringmq/groups/count", "2"),
        ("ringmq/groups/backlog_messages", "2"),
        ("ringmq/groups/lag_max_seconds", "3"),
        ("ringmq/shard/0/busy", "0.25"),
        ("ringmq/shard/1/busy", "1.00"),
        ("broker/heap/current", "77"),
        ("broker/heap/maximum", "77"),
    ] {
        assert_eq!(value(&topics, &format!("$SYS/{name}")), expected, "{name}");
    }
    // The number of sessions may be higher than any shard's maximum.
    shards[1].gauges.sessions = 9;
    let topics = compute(&mut values, &shards, &waiting);
    assert_eq!(value(&topics, "$SYS/broker/clients/maximum"), "12");
}

/// The sum of a metric's samples in a text, or of those with the wanted values of a label.
fn sum(text: &str, metric: &TopicMetric) -> f64 {
    let mut found = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(metric.name.as_str()) else { continue };
        let (labels, figure) = rest.split_once(' ').expect("a sample has a value");
        let counts = match metric.only {
            _ if !labels.is_empty() && !labels.starts_with('{') => continue,
            Some((label, values)) => {
                values.iter().any(|value| labels.contains(&format!("{label}=\"{value}\"")))
            }
            None => true,
        };
        if counts {
            found.push(figure.parse::<f64>().expect("a number"));
        }
    }
    assert!(!found.is_empty(), "{metric:?} has no sample");
    found.iter().sum()
}

/// `/metrics` and `$SYS` are made from the same rows: at any figures a topic has the value of the
/// documented metrics. Every figure of a shard differs from the others, so no two metrics are
/// mistaken for each other.
#[test]
fn topics_and_metrics_agree() {
    let mut shards = [Snapshot::default(), Snapshot::default()];
    for (shard, n) in shards.iter_mut().zip([1, 1000]) {
        for (at, counter) in (1..).zip(shard.stats.each_mut()) {
            *counter = at * n;
        }
        // Others are parts of these.
        shard.stats.packets_in = 900_000 * n;
        shard.stats.publishes_in = 800_000 * n;
        shard.stats.publishes_out = 700_000 * n;
        let gauges = &mut shard.gauges;
        (gauges.clean_sessions, gauges.clients, gauges.sessions) = (101 * n, 203 * n, 407 * n);
        (gauges.subscriptions, gauges.group_members, gauges.groups) = (11 * n, 12 * n, 13);
        (gauges.queued_bytes, gauges.group_bytes, gauges.retained_bytes) = (14 * n, 15 * n, 16 * n);
        (gauges.retained, gauges.disk_free, gauges.disk_short) = (17 * n, 18, 1);
        let load = &mut shard.load;
        (load.received_bytes, load.sent_bytes, load.sessions_max) = (21 * n, 22 * n, 500_000);
        load.listeners[0].accepted = 23 * n;
    }
    let waiting = Waiting {
        messages: 31,
        messages_max: 32,
        inflight: 33,
        lag_ms_max: 34_000,
        group_messages: 35,
        group_lag_ms_max: 36_000,
    };
    let topics = compute(&mut Values::new(), &shards, &waiting);
    let figures = |(shard, snapshot)| ShardFigures { shard, snapshot, age: Duration::ZERO };
    let figures: Vec<ShardFigures<'_>> = shards.iter().enumerate().map(figures).collect();
    let mut text = of_broker(Format::Prometheus, &figures, &whole());
    let mut of_sessions = Text::new(Format::Prometheus);
    for metric in TOTALS {
        let name = of_sessions.family(metric);
        of_sessions.line(&name, &[], (metric.source)(&waiting));
    }
    text += &of_sessions.end();
    let mut compared = 0;
    for topic in system_topics() {
        let (name, metrics) = (&topic.names[0], &topic.metrics);
        let is_text = name.ends_with("/version") || name.ends_with("/uptime");
        if is_text || !topic.spans.is_empty() || name.contains("/N/") {
            continue;
        }
        let parts = metrics.iter().map(|metric| sum(&text, metric));
        let expected: f64 = match name.ends_with("/maximum") {
            true => parts.fold(0.0, f64::max),
            false => parts.sum(),
        };
        for name in &topic.names {
            let told: f64 = value(&topics, name).parse().expect("a number");
            assert!((told - expected).abs() < 0.5, "{name} is {told}, not {expected}: {metrics:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 38);
}

/// Each documented topic is published, and no other; loads have their numbers' metrics.
#[test]
fn topics_are_as_documented() {
    let published = compute(&mut Values::new(), &[Snapshot::default()], &Waiting::default());
    let published: Vec<String> =
        published.iter().map(|topic| topic.topic().as_str().to_owned()).collect();
    let mut documented = Vec::new();
    for topic in system_topics() {
        for name in topic.names {
            let name = name.replace("/N/", "/0/");
            documented.extend(topic.spans.iter().map(|span| format!("{name}/{span}")));
            documented.extend(topic.spans.is_empty().then_some(name));
        }
    }
    documented.sort();
    assert_eq!(published, documented);
}
