//! The memory of a bridge is bounded, whatever its target does.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use super::harness::{Bridge, Broker, Client, Mosquitto, Nats, Postgres, free_port};

/// Most memory that a bridge with one sink may ever take.
const MEMORY_MIB: u64 = 128;
/// The buffer of a sink, by default.
const BUFFER_BYTES: f64 = (16 << 20) as f64;
/// What one read may bring beyond it.
const READ_BYTES: f64 = (1 << 20) as f64;

/// Messages of 4 KiB that are twice a buffer.
const COUNT: usize = 8000;
/// Small ones before them: what is kept about a message takes more than the message.
const SMALL: usize = 10_000;

fn peak_mib(bridge: &Bridge) -> u64 {
    let path = format!("/proc/{}/status", bridge.process.id());
    let status = fs::read_to_string(path).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("is there");
    let kib = line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok());
    kib.expect("a number") / 1024
}

fn config(home: &Broker, name: &str, sink: &str) -> String {
    let url = home.url();
    format!("[broker]\nurl = \"{url}\"\n[[sink]]\nname = \"{name}\"\nfilters = [\"m/#\"]\n{sink}\n")
}

/// A sink to each kind of target at a port of this host, with its name.
fn sinks(port: u16) -> Vec<(&'static str, String)> {
    let mut sinks = vec![
        ("mqtt", format!("[sink.mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"")),
        ("http", http(port)),
        ("nats", format!("[sink.nats]\nservers = [\"nats://127.0.0.1:{port}\"]")),
        (
            "postgres",
            postgres(&format!("host=127.0.0.1 port={port} user=a dbname=a sslmode=disable")),
        ),
    ];
    if cfg!(feature = "kafka") {
        let kafka = format!("[sink.kafka]\nservers = [\"127.0.0.1:{port}\"]\ntopic = \"t\"\n");
        sinks.push(("kafka", kafka.clone()));
        sinks.push(("once", format!("{kafka}once = \"transactional\"")));
    }
    sinks
}

fn http(port: u16) -> String {
    format!(
        "[sink.http]\nurl = \"http://127.0.0.1:{port}/write\"\nmeasurement = \"m\"\n\
         fields = {{ v = \"{{payload}}\" }}"
    )
}

fn postgres(url: &str) -> String {
    format!(
        "[sink.postgres]\nurl = \"{url}\"\ntable = \"telemetry\"\n\
         columns = {{ body = \"{{payload}}\" }}"
    )
}

fn publish(home: &Broker) {
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish_all((0..SMALL).map(|number| ("m/small", number.to_string())), false);
    let large = "x".repeat(4096);
    writer.publish_all((0..COUNT).map(|_| ("m/large", large.clone())), false);
}

/// Waits until the buffer is full, and checks that it is not more than that.
#[track_caller]
fn expect_full(bridge: &Bridge, name: &str) {
    bridge.expect_metric("buffered_bytes", name, |bytes| bytes >= BUFFER_BYTES - READ_BYTES);
    let bytes = bridge.metric("buffered_bytes", name);
    assert!(bytes <= BUFFER_BYTES + READ_BYTES, "{name} holds {bytes} bytes");
    let peak = peak_mib(bridge);
    assert!(peak <= MEMORY_MIB, "{name}: {peak} MiB");
}

fn bridges(home: &Broker, port: u16) -> Vec<(&'static str, Bridge)> {
    let start = |(name, sink): (&'static str, String)| {
        let bridge = Bridge::start(&config(home, name, &sink));
        bridge.process.wait_for_line("subscribed");
        (name, bridge)
    };
    sinks(port).into_iter().map(start).collect()
}

// Each kind of sink stops reading when its buffer is full: behind a target that is not there, and
// behind one that takes connections and never answers.
#[test]
fn silent_targets_cost_a_buffer() {
    let home = Broker::start();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("is bound").port();
    thread::spawn(move || {
        let streams: Vec<TcpStream> = listener.incoming().map_while(Result::ok).collect();
        drop(streams);
    });
    let silent = bridges(&home, port);
    publish(&home);
    for (name, bridge) in &silent {
        expect_full(bridge, name);
    }
    drop(silent);
    // The sessions are full already.
    for (name, bridge) in bridges(&home, free_port()) {
        expect_full(&bridge, name);
    }
}

/// Sends a signal to a process of the test's.
fn signal(name: &str, pid: &str) {
    let status = Command::new("kill").args(["-s", name, pid]).status().expect("kill is there");
    assert!(status.success(), "{pid} is there");
}

/// A process that stands still until this is dropped.
struct Stopped(String);

impl Stopped {
    fn new(pid: String) -> Self {
        signal("STOP", &pid);
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("CONT", &self.0);
    }
}

/// The target stands still after a first message; then all messages arrive.
fn stands_still(home: &Broker, sink: &str, still: impl FnOnce() -> Stopped) {
    let bridge = Bridge::start(&config(home, "s", sink));
    bridge.process.wait_for_line("subscribed");
    Client::unix(&home.socket(), "writer", false).publish("m/first", "0");
    bridge.expect_metric("delivered_total", "s", |count| count == 1.0);
    let stopped = still();
    publish(home);
    expect_full(&bridge, "s");
    drop(stopped);
    let all = u32::try_from(1 + SMALL + COUNT).expect("is small");
    bridge.expect_metric("delivered_total", "s", |count| count == f64::from(all));
    let peak = peak_mib(&bridge);
    assert!(peak <= MEMORY_MIB, "{peak} MiB");
}

// A broker that stands still holds a buffer, no more.
#[test]
fn stopped_mqtt_costs_a_buffer() {
    let (home, far) = (Broker::start(), Broker::start());
    let sink = format!("[sink.mqtt]\nurl = \"{}\"", far.url());
    stands_still(&home, &sink, || Stopped::new(far.process.id().to_string()));
}

// The same of a server of NATS.
#[test]
fn stopped_nats_costs_a_buffer() {
    let (home, server) = (Broker::start(), Nats::start());
    server.make_stream("s", "mq.>");
    let sink = format!("[sink.nats]\nservers = [\"{}\"]", server.url());
    stands_still(&home, &sink, || Stopped::new(server.id().to_string()));
}

// The same of PostgreSQL.
#[test]
fn stopped_postgres_costs_a_buffer() {
    let (home, database) = (Broker::start(), Postgres::start());
    database.ask("CREATE TABLE telemetry (body bytea)");
    let sink = postgres(&database.url());
    stands_still(&home, &sink, || {
        let pid = database.ask(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> \
             pg_backend_pid()",
        );
        Stopped::new(pid)
    });
}

/// One message as large as the broker takes, and a small one behind it.
fn largest(home: &Broker, sink: &str, dead: f64) {
    // A fixed header of 5 bytes, the topic with its length, an identifier, no properties.
    const PAYLOAD: usize = (16 << 20) - 5 - 2 - 3 - 2 - 1;
    let bridge = Bridge::start(&config(home, "s", sink));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    let payloads = ["x".repeat(PAYLOAD), "small".to_owned()];
    writer.publish_all(payloads.into_iter().map(|payload| ("m/a", payload)), false);
    bridge.expect_metric("delivered_total", "s", |count| count == 2.0 - dead);
    assert_eq!(bridge.metric("dead_total", "s"), dead);
    let peak = peak_mib(&bridge);
    assert!(peak <= MEMORY_MIB, "{peak} MiB");
}

// The largest message that the broker takes arrives at a target that takes it, within the bound.
#[test]
fn largest_message_fits() {
    let (home, far) = (Broker::start(), Mosquitto::start());
    largest(&home, &format!("[sink.mqtt]\nurl = \"{}\"\nversion = \"3.1.1\"", far.url()), 0.0);
    let (home, database) = (Broker::start(), Postgres::start());
    database.ask("CREATE TABLE telemetry (body bytea)");
    largest(&home, &postgres(&database.url()), 0.0);
    assert_eq!(database.ask("SELECT max(length(body)) FROM telemetry"), "16777203");
}

// Where it is too large it is a dead letter with the beginning of its payload: with its reason the
// whole would be larger than any packet of the broker. The next message arrives.
#[test]
fn largest_message_is_a_letter() {
    let (home, server) = (Broker::start(), Nats::start());
    server.make_stream("s", "mq.>");
    let mut letters = Client::unix(&home.socket(), "letters", false);
    letters.subscribe("dead/s");
    largest(&home, &format!("[sink.nats]\nservers = [\"{}\"]", server.url()), 1.0);
    let letter = letters.receive();
    let cut = letter.user.iter().find(|(name, _)| name == "ringmq-bridge-cut");
    assert_eq!(cut.map(|(_, bytes)| bytes.as_str()), Some("16777203"));
    assert!(letter.payload.len() > 16_000_000, "{}", letter.payload.len());
}

// The same with Kafka.
#[cfg(feature = "kafka")]
#[test]
fn largest_message_is_a_letter_of_kafka() {
    for once in ["idempotent", "transactional"] {
        let (home, cluster) = (Broker::start(), super::harness::Kafka::start());
        cluster.make_topic("t");
        let servers = cluster.servers();
        let sink = format!("[sink.kafka]\nservers = [{servers}]\ntopic = \"t\"\nonce = \"{once}\"");
        largest(&home, &sink, 1.0);
    }
}
