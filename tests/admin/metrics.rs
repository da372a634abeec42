//! Metrics: Prometheus accepts them, they are right, and the page describes them.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{Broker, Client, connect, puback, publish, subscribe};
use crate::http::{Door, start};

/// The value of a series in a scrape; of a name without labels the sum of all its series.
#[track_caller]
pub(crate) fn value(text: &str, series: &str) -> f64 {
    let mut found = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(series)?;
        let is_whole = rest.starts_with(' ') || rest.starts_with('{');
        let value = rest.rsplit(' ').next().filter(|_| is_whole)?;
        Some(value.parse::<f64>().expect("a number"))
    });
    let first = found.next().unwrap_or_else(|| panic!("no {series} in:\n{text}"));
    first + found.sum::<f64>()
}

/// Traffic of every kind that has a metric of its own.
fn make_traffic(broker: &Broker) {
    let mut subscriber = Client::connect_with(broker, &connect("sub").persistent());
    subscriber.subscribe("a/#", 1);
    let mut publisher = Client::connect(broker, "pub");
    for id in 1..=3 {
        publisher.publish(&publish("a/b", "hello").qos1(id));
    }
    for _ in 0..3 {
        let message = subscriber.read_publish();
        subscriber.acknowledge(1, message.id);
    }
    publisher.publish(&publish("retained", "kept").qos1(4).retained());
    publisher.publish(&publish("nobody", "reads this").qos1(5));
    let mut refused = Client::open(broker);
    refused.send(&connect("").persistent().bytes());
    refused.expect_closed_after_connack();
    publisher.leave();
    subscriber.leave();
}

trait Refused {
    fn expect_closed_after_connack(self);
}

impl Refused for Client {
    fn expect_closed_after_connack(mut self) {
        self.expect(&[0x20, 2, 0, 2]);
        self.expect_closed();
    }
}

// Debian's promtool finds no fault in a scrape, of the broker or of its vhosts.
#[test]
fn promtool_takes_a_scrape() {
    let (broker, door) = start(2, &["--watch-session", "//*"]);
    make_traffic(&broker);
    for path in ["/metrics", "/metrics/vhosts", "/metrics/sessions"] {
        let reply = door.ask("GET", path, &[]);
        assert_eq!(reply.status, 200, "{reply:?}");
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        assert_eq!(reply.header("content-type"), Some(kind));
        let mut tool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool, of Debian's prometheus, is there");
        let mut stdin = tool.stdin.take().expect("it is piped");
        stdin.write_all(reply.body.as_bytes()).expect("it reads");
        drop(stdin);
        let output = tool.wait_with_output().expect("it ends");
        let says =
            String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && says.is_empty(), "{path}: {says}");
    }
    broker.stop();
}

// Traffic is measured: counters, gauges, and how long messages waited for their PUBACK.
#[test]
fn traffic_is_told() {
    let (broker, door) = start(2, &[]);
    make_traffic(&broker);
    let text = until(&door, "ringmq_disconnects_total{reason=\"client\"}", 2.0);
    for (series, wanted) in [
        ("ringmq_ready", 1.0),
        ("ringmq_connects_total", 2.0),
        ("ringmq_connections_accepted_total", 3.0),
        ("ringmq_connects_refused_total{reason=\"identifier\"}", 1.0),
        ("ringmq_connects_refused_total{reason=\"password\"}", 0.0),
        ("ringmq_messages_received_total", 5.0),
        ("ringmq_messages_sent_total", 3.0),
        ("ringmq_messages_unrouted_total", 2.0),
        ("ringmq_retained_messages", 1.0),
        ("ringmq_sessions{state=\"connected\",kind=\"durable\"}", 0.0),
        ("ringmq_sessions{state=\"absent\",kind=\"durable\"}", 1.0),
        ("ringmq_sessions", 1.0),
        ("ringmq_publish_ack_duration_seconds_count", 5.0),
        ("ringmq_queue_wait_duration_seconds_count", 0.0),
        ("ringmq_publish_ack_duration_seconds_bucket{le=\"+Inf\"}", 5.0),
    ] {
        assert_eq!(value(&text, series), wanted, "{series}");
    }
    let delivered = ["local", "cross"].map(|path| {
        value(&text, &format!("ringmq_deliver_duration_seconds_count{{path=\"{path}\"}}"))
    });
    assert_eq!(delivered.iter().sum::<f64>(), 3.0, "{delivered:?}");
    for series in [
        "ringmq_client_ack_duration_seconds_count",
        "ringmq_publish_store_duration_seconds_count",
        "ringmq_log_sync_duration_seconds_count",
        "ringmq_turn_duration_seconds_count",
        "ringmq_received_bytes_total",
        "ringmq_sent_bytes_total",
        "ringmq_log_appended_bytes_total",
        "ringmq_shard_busy_seconds_total{shard=\"0\"}",
        "ringmq_shard_turns_total{shard=\"1\"}",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
    ] {
        assert!(value(&text, series) > 0.0, "{series}");
    }
    let vhosts = door.ask("GET", "/metrics/vhosts", &[]).body;
    assert_eq!(value(&vhosts, "ringmq_vhost_messages_received_total{vhost=\"/\"}"), 5.0);
    broker.stop();
}

/// Scrapes until a series has a value: recent figures are reused.
#[track_caller]
pub(crate) fn until(door: &Door, series: &str, wanted: f64) -> String {
    let begun = std::time::Instant::now();
    loop {
        let text = door.ask("GET", "/metrics", &[]).body;
        if value(&text, series) == wanted {
            return text;
        }
        assert!(begun.elapsed() < crate::common::PATIENCE, "{series} is not {wanted}:\n{text}");
    }
}

// A client that asks for OpenMetrics gets it, with its end mark and units.
#[test]
fn open_metrics_comes_on_demand() {
    let (broker, door) = start(1, &[]);
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let reply = door.ask("GET", "/metrics", &[("accept", accept)]);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.header("content-type"), Some(kind));
    assert!(reply.body.ends_with("\n# EOF\n"), "{}", reply.body);
    for line in [
        "# TYPE ringmq_received_bytes counter",
        "# UNIT ringmq_received_bytes bytes",
        "# TYPE ringmq_turn_duration_seconds histogram",
        "# UNIT ringmq_turn_duration_seconds seconds",
    ] {
        assert!(reply.body.lines().any(|other| other == line), "{line}:\n{}", reply.body);
    }
    assert!(!reply.body.contains("# TYPE ringmq_received_bytes_total"), "{}", reply.body);
    broker.stop();
}

// Without requests the thread does not wake.
#[test]
fn idle_thread_sleeps() {
    let (broker, door) = start(1, &[]);
    let mut client = Client::connect(&broker, "c");
    let mut switches = Vec::new();
    assert_eq!(door.ask("GET", "/metrics", &[]).status, 200);
    // Longer than any time that it measures for a request which is over.
    client.hear_nothing_for(Duration::from_secs(6));
    for _ in 0..2 {
        switches.push(switches_of(&broker, "admin"));
        client.hear_nothing_for(Duration::from_secs(2));
    }
    assert_eq!(switches[0], switches[1]);
    // Once its log is written, a shard sleeps as well: nothing of this has it wake each second.
    let mut is_quiet = || {
        let before = ["admin", "shard-0"].map(|name| switches_of(&broker, name));
        client.hear_nothing_for(Duration::from_secs(2));
        before == ["admin", "shard-0"].map(|name| switches_of(&broker, name))
    };
    assert!((0..10).any(|_| is_quiet()), "it never sleeps for two seconds");
    broker.stop();
}

/// How often a thread of the broker has given up its core.
#[track_caller]
fn switches_of(broker: &Broker, name: &str) -> String {
    let tasks = fs::read_dir(format!("/proc/{}/task", broker.pid())).expect("it runs");
    let mut texts =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let own = format!("Name:\t{name}\n");
    let text = texts.find(|text| text.starts_with(&own)).expect("there is the thread");
    let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
    line.expect("the kernel counts").to_owned()
}

// No client id appears in a label.
#[test]
fn no_metric_names_a_client() {
    let (broker, door) = start(1, &[]);
    let mut client = Client::connect(&broker, "very-own-id");
    client.send(&subscribe(1, &[("very/own/topic", 1)]));
    client.expect(&[0x90, 3, 0, 1, 1]);
    client.send(&publish("very/own/topic", "x").qos1(1).bytes());
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.push(client.read_packet());
    }
    assert!(seen.contains(&puback(1)), "{seen:?}");
    let text = door.ask("GET", "/metrics", &[]).body;
    assert!(!text.contains("very-own") && !text.contains("very/own"), "{text}");
    broker.stop();
}

// A device that waits for each PUBACK costs a turn a message: no turn only to learn that the PUBACK
// has been sent.
#[test]
fn ends_of_sends_take_no_turns() {
    let (broker, door) = start(1, &[]);
    let mut publisher = Client::connect(&broker, "device");
    let series = ["send_turns", "turns", "completions"];
    let series = series.map(|name| format!("ringmq_shard_{name}_total{{shard=\"0\"}}"));
    let count = |received: u16| {
        let text = until(&door, "ringmq_messages_received_total", received.into());
        series.each_ref().map(|series| value(&text, series))
    };
    let before = count(0);
    let messages: u16 = 500;
    for id in 1..=messages {
        publisher.publish(&publish("a", "x").qos1(id));
    }
    let after = count(messages);
    let many = f64::from(messages);
    let [send_turns, turns, completions] = std::array::from_fn(|at| after[at] - before[at]);
    assert!(send_turns < many / 10.0, "{before:?} to {after:?}");
    // A receive and the end of a send each.
    assert!(turns >= many && completions >= 2.0 * many - 1.0, "{before:?} to {after:?}");
}
