//! What metrics tell apart: types of packets, QoS, versions, listeners, sessions, waits, requests.

use std::fs;
use std::net::TcpStream;
use std::time::Instant;

use crate::common::{
    Broker, Client, End, PATIENCE, PINGREQ, PINGRESP, connect, puback, pubcomp, publish, pubrec,
    pubrel, v5,
};
use crate::http::{Door, start};
use crate::metrics::value;

/// Scrapes until series have these values: what is young is told again.
#[track_caller]
fn until_all(door: &Door, wanted: &[(&str, f64)]) {
    let begun = Instant::now();
    loop {
        let text = door.ask("GET", "/metrics", &[]).body;
        let wrong = wanted.iter().find(|(series, wanted)| value(&text, series) != *wanted);
        let Some((series, wanted)) = wrong else { return };
        assert!(begun.elapsed() < PATIENCE, "{series} is not {wanted}:\n{text}");
    }
}

/// A series of a metric with one label.
fn series(name: &str, label: &str, value: &str) -> String {
    format!("ringmq_{name}{{{label}=\"{value}\"}}")
}

/// The same series of one metric, each with its value.
#[track_caller]
fn until_each(door: &Door, name: &str, label: &str, wanted: &[(&str, f64)]) {
    let named: Vec<_> = wanted.iter().map(|(of, n)| (series(name, label, of), *n)).collect();
    let named: Vec<(&str, f64)> = named.iter().map(|(series, n)| (&**series, *n)).collect();
    until_all(door, &named);
}

// Packets are told by type in both directions, messages by QoS, and acknowledgements by who sent
// them; the types add up to what there was.
#[test]
fn packets_and_messages() {
    let (broker, door) = start(2, &[]);
    let mut receiver = Client::connect(&broker, "receiver");
    receiver.subscribe("#", 2);
    let mut publisher = Client::connect(&broker, "publisher");
    publisher.publish(&publish("a", "0"));
    receiver.expect_publish(&publish("a", "0"));
    publisher.publish(&publish("a", "1").qos1(1));
    receiver.expect_publish(&publish("a", "1").at(1));
    publisher.send(&publish("a", "2").qos2(2).bytes());
    publisher.expect(&pubrec(2));
    publisher.send(&pubrel(2));
    publisher.expect(&pubcomp(2));
    receiver.expect_publish(&publish("a", "2").at(2));
    receiver.unsubscribe("#");
    publisher.send(PINGREQ);
    publisher.expect(PINGRESP);
    publisher.leave();
    let acknowledgements = [("puback", 1.0), ("pubrec", 1.0), ("pubrel", 1.0), ("pubcomp", 1.0)];
    let received = [
        ("connect", 2.0),
        ("publish", 3.0),
        ("subscribe", 1.0),
        ("unsubscribe", 1.0),
        ("disconnect", 1.0),
        ("auth", 0.0),
    ];
    let sent =
        [("connack", 2.0), ("publish", 3.0), ("suback", 1.0), ("unsuback", 1.0), ("auth", 0.0)];
    for (name, of_it) in
        [("packets_received_total", &received[..]), ("packets_sent_total", &sent[..])]
    {
        until_each(&door, name, "type", &[of_it, &acknowledgements].concat());
    }
    // The clients of these tests ask for an answer where they have to know that they were heard.
    let text = door.ask("GET", "/metrics", &[]).body;
    let pings = value(&text, &series("packets_received_total", "type", "pingreq"));
    assert!(pings >= 1.0, "{text}");
    until_each(&door, "packets_sent_total", "type", &[("pingresp", pings)]);
    for name in ["messages_received_total", "messages_sent_total"] {
        until_each(&door, name, "qos", &[("0", 1.0), ("1", 1.0), ("2", 1.0)]);
    }
    let both = [("broker", 2.0), ("client", 2.0)];
    until_each(&door, "messages_acknowledged_total", "by", &both);
    until_all(&door, &[("ringmq_messages_redelivered_total", 0.0)]);
    broker.stop();
}

// Acknowledgements that come together are counted each.
#[test]
fn acknowledgements_in_a_row() {
    let (broker, door) = start(1, &[]);
    let mut receiver = Client::connect(&broker, "receiver");
    receiver.subscribe("#", 1);
    let mut publisher = Client::connect(&broker, "publisher");
    let mut run = Vec::new();
    for id in 1..=9 {
        publisher.publish(&publish("a", "1").qos1(id));
        run.extend(puback(receiver.read_publish().id));
    }
    receiver.send(&[&run[..], PINGREQ].concat());
    receiver.expect(PINGRESP);
    until_each(&door, "packets_received_total", "type", &[("puback", 9.0), ("publish", 9.0)]);
    let both = [("broker", 9.0), ("client", 9.0)];
    until_each(&door, "messages_acknowledged_total", "by", &both);
    broker.stop();
}

// A session that is found again is told apart from one that begins; what comes again with DUP is
// counted; sessions are told by kind, and what is in flight when somebody asks.
#[test]
fn sessions_and_redelivery() {
    let (broker, door) = start(1, &[]);
    let mut durable = Client::connect_with(&broker, &connect("durable").persistent());
    durable.subscribe("#", 1);
    let mut publisher = Client::connect(&broker, "publisher");
    for id in 1..=2 {
        publisher.publish(&publish("a", "1").qos1(id));
        durable.read_publish();
    }
    let inflight =
        || value(&door.ask("GET", "/metrics/sessions", &[]).body, "ringmq_messages_inflight");
    assert_eq!(inflight(), 2.0);
    let kind =
        |state: &str, kind: &str| format!("ringmq_sessions{{state=\"{state}\",kind=\"{kind}\"}}");
    let (clean, here, away) =
        (kind("connected", "clean"), kind("connected", "durable"), kind("absent", "durable"));
    until_all(&door, &[(&clean, 1.0), (&here, 1.0), (&away, 0.0)]);
    durable.leave();
    until_all(&door, &[(&clean, 1.0), (&here, 0.0), (&away, 1.0)]);
    let mut durable = Client::open(&broker);
    durable.send(&connect("durable").persistent().bytes());
    durable.expect(&[0x20, 2, 1, 0]);
    for _ in 0..2 {
        let message = durable.read_publish();
        assert!(message.dup, "{message:?}");
        durable.acknowledge(1, message.id);
    }
    durable.send(PINGREQ);
    durable.expect(PINGRESP);
    until_all(
        &door,
        &[
            ("ringmq_sessions_created_total", 2.0),
            ("ringmq_sessions_resumed_total", 1.0),
            ("ringmq_messages_redelivered_total", 2.0),
        ],
    );
    assert_eq!(inflight(), 0.0);
    broker.stop();
}

// Clients are told by version, connections by listener, and those without a byte by themselves.
#[test]
fn versions_and_listeners() {
    let (broker, door) = start(2, &["--listen", "127.0.0.2:0"]);
    let places = door.get("/api/v1/listeners").json();
    let at = |place: usize| places["items"][place]["at"].as_str().expect("an address").to_owned();
    let (first, second) = (at(0), at(1));
    let _old = Client::connect_with(&broker, &connect("a").v31());
    let _usual = [Client::connect(&broker, "b"), Client::connect(&broker, "c")];
    let _new = Client::connect_v5(&broker, "d");
    until_each(&door, "connects_total", "version", &[("3.1", 1.0), ("3.1.1", 2.0), ("5", 1.0)]);
    let silent = TcpStream::connect(&*second).expect("it listens");
    until_each(&door, "connections", "listener", &[(&first, 4.0), (&second, 1.0)]);
    drop(silent);
    until_each(&door, "connections", "listener", &[(&first, 4.0), (&second, 0.0)]);
    until_each(&door, "connections_accepted_total", "listener", &[(&first, 4.0), (&second, 1.0)]);
    until_each(&door, "disconnects_total", "reason", &[("no_data", 1.0), ("peer_closed", 0.0)]);
    broker.stop();
}

// Denied messages are told by kind, and filters by why they were refused.
#[test]
fn denials() {
    let (broker, door) = start(1, &["--max-topic-levels", "2"]);
    let mut client = Client::connect_with(&broker, &connect("c").will(&publish("a/b/c", "w")));
    client.publish(&publish("a/b/c", "x").qos1(1));
    client.send(&crate::common::subscribe(3, &[("a/b/c", 0), ("a", 0)]));
    client.expect(&[0x90, 4, 0, 3, 0x80, 0]);
    drop(client);
    until_each(&door, "messages_denied_total", "kind", &[("publish", 1.0), ("will", 1.0)]);
    until_each(&door, "subscriptions_refused_total", "reason", &[("depth", 1.0), ("limit", 0.0)]);
    broker.stop();
}

// Those that wait are counted while they do, by what they wait for.
#[test]
fn waiting_publishers() {
    let (broker, door) = start(1, &["--client-publish-rate", "1"]);
    let mut fast = Client::connect(&broker, "fast");
    let messages: Vec<u8> = (0..20).flat_map(|_| publish("a", "x").bytes()).collect();
    fast.send(&messages);
    until_each(&door, "publishers_waiting", "reason", &[("rate", 1.0), ("disk", 0.0)]);
    // It is not read from for long yet: that it left would be seen late.
    assert_eq!(door.delete("/api/v1/client?id=fast").status, 200);
    until_each(&door, "publishers_waiting", "reason", &[("rate", 0.0), ("disk", 0.0)]);
    broker.stop();
}

// A password takes time to verify, which is told; one that is wrong as well.
#[test]
fn passwords_take_time() {
    let mut broker = Broker::start(1);
    let file = broker.data_dir().join("passwords");
    let mut passwd = std::process::Command::new(env!("CARGO_BIN_EXE_ringmq"));
    passwd.args(["passwd", "--stdin"]).arg(&file).arg("ann");
    let mut child = passwd.stdin(std::process::Stdio::piped()).spawn().expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("it is piped"), b"right\n")
        .expect("it reads");
    assert!(child.wait().expect("it ends").success());
    let file = file.to_str().expect("it is text").to_owned();
    broker.restart_with(End::Stopped, &["--passwords", &file, "--http-listen", "127.0.0.1:0"]);
    let door = Door::of(&broker);
    for (password, is_let_in) in [("right", true), ("wrong", false)] {
        let mut client = Client::open(&broker);
        client.send(&connect("c").username("ann").password(password).bytes());
        assert_eq!(client.read_packet()[3] == 0, is_let_in, "{password}");
    }
    until_all(&door, &[("ringmq_auth_duration_seconds_count{method=\"file\"}", 2.0)]);
    broker.stop();
}

// Groups are counted with their bytes, and what a start has read.
#[test]
fn log_and_recovery() {
    let (mut broker, door) = start(1, &[]);
    Client::connect_with(&broker, &connect("durable").persistent()).subscribe_and_leave("#", 1);
    let mut publisher = Client::connect(&broker, "publisher");
    for id in 1..=5 {
        publisher.publish(&publish("a", vec![b'x'; 10_000]).qos1(id));
    }
    let text = door.ask("GET", "/metrics", &[]).body;
    let of = |name: &str| value(&text, &format!("ringmq_{name}"));
    assert!(of("log_commits_total") >= 5.0, "{text}");
    assert_eq!(of("log_commits_total"), of("log_group_bytes_count"));
    assert!(of("log_group_bytes_sum") >= 50_000.0, "{text}");
    assert!(of("log_live_bytes") >= 50_000.0 && of("log_live_bytes") <= of("log_bytes"), "{text}");
    assert!(of("log_segments{state=\"used\"}") >= 1.0, "{text}");
    assert!(of("log_segments{state=\"spare\"}") >= 1.0, "{text}");
    assert_eq!((of("log_segments{state=\"damaged\"}"), of("recovery_lost_bytes")), (0.0, 0.0));
    let before = of("recovery_duration_seconds");
    assert!(before > 0.0 && before < 60.0, "{before}");
    broker.end(End::Stopped);
    let mut files: Vec<_> = fs::read_dir(broker.data_dir().join("shard-0"))
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "segment"))
        .collect();
    files.sort();
    // Of the first message some bytes are others.
    let mut bytes = fs::read(&files[0]).expect("it is there");
    let at = bytes.windows(100).position(|window| window == [b'x'; 100]).expect("it is stored");
    bytes[at..at + 50].fill(b'y');
    fs::write(&files[0], bytes).expect("the place is ours");
    broker.start_again();
    let text = Door::of(&broker).ask("GET", "/metrics", &[]).body;
    assert!(value(&text, "ringmq_recovery_lost_bytes") >= 10_000.0, "{text}");
    broker.stop();
}

// Requests are told by what they are for and how they were answered, whatever paths are asked for.
#[test]
fn requests() {
    let (broker, door) = start(1, &[]);
    for _ in 0..2 {
        assert_eq!(door.get("/api/v1/clients").status, 200);
    }
    assert_eq!(door.ask("GET", "/api/v1/clients", &[]).status, 401);
    let wrong = [("authorization", "Bearer wrong")];
    assert_eq!(door.ask("GET", "/api/v1/session?id=x", &wrong).status, 401);
    assert_eq!(door.get("/api/v1/session?id=x").status, 404);
    assert_eq!(door.get("/secret/path").status, 404);
    let text = door.ask("GET", "/metrics", &[]).body;
    for (route, code, count) in [
        ("/clients", 200, 2.0),
        ("/clients", 401, 1.0),
        ("/session", 401, 1.0),
        ("/session", 404, 1.0),
        ("other", 404, 1.0),
    ] {
        let series = format!("ringmq_http_requests_total{{route=\"{route}\",code=\"{code}\"}}");
        assert_eq!(value(&text, &series), count, "{series}");
    }
    assert_eq!(value(&text, "ringmq_http_auth_failures_total"), 2.0);
    assert!(!text.contains("secret"), "{text}");
    assert!(text.contains("ringmq_build_info{version=\""), "{text}");
    assert!(text.contains("\",kernel=\""), "{text}");
    assert!(value(&text, "process_open_fds") > 5.0, "{text}");
    assert_eq!(value(&text, "ringmq_log_lines_dropped_total"), 0.0);
    broker.stop();
}

// A client that is connected in MQTT 5 authenticates and is told why it is disconnected.
#[test]
fn packets_of_version_5() {
    let (broker, door) = start(1, &[]);
    let mut client = Client::connect_v5(&broker, "c");
    client.send(&v5::disconnect(0, &v5::props()));
    client.expect_closed();
    let mut second = Client::connect_v5(&broker, "c");
    let third = Client::connect_v5(&broker, "c");
    second.expect_disconnect(0x8e);
    until_each(&door, "packets_received_total", "type", &[("disconnect", 1.0), ("connect", 3.0)]);
    until_each(&door, "packets_sent_total", "type", &[("disconnect", 1.0), ("connack", 3.0)]);
    drop(third);
    broker.stop();
}
