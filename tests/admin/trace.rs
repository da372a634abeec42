//! Traces over HTTP: their formats, the rights, and their end.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{Broker, Client, connect, publish, until};
use crate::http::{Door, Reply, request, start};

#[track_caller]
fn post(door: &Door, path: &str) -> Reply {
    door.ask("POST", path, &[("authorization", &format!("Bearer {}", door.token))])
}

/// Starts a trace; its name.
#[track_caller]
fn begin(door: &Door, query: &str) -> String {
    let reply = post(door, &format!("/api/v1/traces?{query}"));
    assert_eq!(reply.status, 200, "{query}: {reply:?}");
    reply.json()["trace"].as_str().expect("it has a name").to_owned()
}

/// The traces that run.
fn running(door: &Door) -> Vec<Value> {
    let reply = door.get("/api/v1/traces").json();
    reply["items"].as_array().expect("a list").clone()
}

/// A stream of a trace, piece by piece.
struct Stream {
    stream: BufReader<TcpStream>,
    bytes: Vec<u8>,
}

impl Stream {
    #[track_caller]
    fn open(door: &Door, trace: &str, more: &str) -> Self {
        let path = format!("/api/v1/trace/stream?id={trace}{more}");
        let (host, token) = (door.address.to_string(), format!("Bearer {}", door.token));
        let mut stream = door.connect();
        let request = request("GET", &path, &[("host", &host), ("authorization", &token)]);
        stream.write_all(&request).expect("it is taken");
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).expect("it answers") > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        Self { stream, bytes: Vec::new() }
    }

    /// Takes one piece more; false: it is over.
    fn read(&mut self) -> bool {
        let mut size = String::new();
        self.stream.read_line(&mut size).expect("it goes on");
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        let mut piece = vec![0; size + 2];
        self.stream.read_exact(&mut piece).expect("it goes on");
        self.bytes.extend_from_slice(&piece[..size]);
        size > 0
    }

    /// The next line; none: it is over.
    fn next_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return Some(String::from_utf8(line).expect("it is text").trim_end().to_owned());
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// The next event that this is true of.
    #[track_caller]
    fn find(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        loop {
            let line = self.next_line().unwrap_or_else(|| panic!("none of {seen:#?}"));
            let event: Value = serde_json::from_str(&line).expect("a line is an object");
            if is_it(&event) {
                return event;
            }
            seen.push(event);
        }
    }
}

fn is_packet(event: &Value, packet: &str, direction: &str) -> bool {
    event["packet"] == packet && event["direction"] == direction
}

// A trace of a client has its packets and the decisions about it, from CONNECT to the end,
// whichever shard accepts it. It needs rights to start and to end, and both are logged.
#[test]
fn a_client_is_traced() {
    for shards in [1, 3] {
        let (broker, door) = start(shards, &[]);
        let trace = begin(&door, "id_prefix=dev-&payload=4");
        let says = broker.wait_for_line("start trace");
        assert!(says.contains("id_prefix") && says.contains("dev-"), "{says}");
        let mut stream = Stream::open(&door, &trace, "");
        let mut other = Client::connect(&broker, "other");
        other.subscribe("t", 0);
        // The sessions are on different shards, and so are the accepting shards.
        for n in 0..6 {
            let id = format!("dev-{n}");
            let mut client = Client::connect_with(&broker, &connect(&id).keep_alive(7));
            let of = |event: &Value| event["client"] == *id;
            let event = stream.find(|event| of(event) && is_packet(event, "CONNECT", "received"));
            assert_eq!((&event["keep_alive"], &event["kind"]), (&7.into(), &"connect".into()));
            let event = stream.find(|event| of(event) && event["decision"] == "let_in");
            assert_eq!(event["session_present"], false, "{event}");
            stream.find(|event| of(event) && is_packet(event, "CONNACK", "sent"));
            client.publish(&publish("t", "payload").qos1(9));
            let event = stream.find(|event| of(event) && is_packet(event, "PUBLISH", "received"));
            for (field, value) in [
                ("topic", Value::from("t")),
                ("qos", 1.into()),
                ("packet_id", 9.into()),
                ("payload", "payl".into()),
                ("payload_bytes", 7.into()),
                ("vhost", "/".into()),
            ] {
                assert_eq!(event[field], value, "{field}: {event}");
            }
            assert!(event["address"].as_str().is_some_and(|it| it.starts_with("127.0.0.1:")));
            stream.find(|event| event["decision"] == "route" && event["topic"] == "t");
            stream.find(|event| of(event) && is_packet(event, "PUBACK", "sent"));
            client.leave();
            let event = stream.find(|event| of(event) && event["kind"] == "close");
            assert_eq!(event["decision"], "closed");
        }
        let told = running(&door);
        assert_eq!((told.len(), &told[0]["id_prefix"]), (1, &"dev-".into()), "{told:?}");
        assert!(told[0]["events"].as_u64().is_some_and(|events| events > 30), "{told:?}");
        let reply = door.delete(&format!("/api/v1/trace?id={trace}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        let last = stream.find(|event| !event["ended"].is_null());
        assert_eq!((&last["ended"], stream.next_line()), (&"it was ended".into(), None));
        assert!(running(&door).is_empty());
        broker.wait_for_line("end trace");
        broker.stop();
    }
}

// The lines have Mosquitto's form, and text of clients cannot end one.
#[test]
fn text_is_as_operators_know_it() {
    let (broker, door) = start(1, &[]);
    let trace = begin(&door, "id_prefix=&payload=3");
    let mut stream = Stream::open(&door, &trace, "&format=text");
    let mut client = Client::connect(&broker, "evil\n\u{1b}[31m'");
    client.subscribe("b/\u{202e}/#", 1);
    client.publish(&publish("a/\u{1b}[2J", "\u{7}\nxyz"));
    client.leave();
    let mut lines = Vec::new();
    while !lines.iter().any(|line: &String| line.contains("disconnected")) {
        lines.push(stream.next_line().expect("it goes on"));
    }
    let text = lines.join("\n");
    for wanted in [
        "Received CONNECT from evil\\n\\u{1b}[31m' (MQTT 3.1.1, c1, ",
        "Sending CONNACK to evil\\n\\u{1b}[31m' (0, 0)",
        "Received SUBSCRIBE from evil\\n\\u{1b}[31m'\n\tb/\\u{202e}/# (QoS 1)",
        "Sending SUBACK to evil",
        "(d0, q0, r0, m0, 'a/\\u{1b}[2J', ... (5 bytes))\n\t\\u{7}\\nx…",
        "Received DISCONNECT from evil",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
    }
    let control = |c: char| c.is_control() && !['\t', '\n'].contains(&c) || c == '\u{202e}';
    assert!(!text.contains(control), "{text:?}");
    broker.stop();
}

// Wireshark decodes the pcapng stream, also a packet that was cut; it does not contain the
// password.
#[test]
fn wireshark_reads_packets() {
    let (broker, door) = start(2, &[]);
    let trace = begin(&door, "id=shark&payload=8");
    let mut stream = Stream::open(&door, &trace, "&format=pcapng");
    let mut client =
        Client::connect_with(&broker, &connect("shark").username("ann").password("hush-hush"));
    client.subscribe("fish/large", 0);
    client.publish(&publish("fish/small", "short").qos1(5));
    client.publish(&publish("fish/large", "x".repeat(100)));
    client.read_publish();
    client.leave();
    assert_eq!(door.delete(&format!("/api/v1/trace?id={trace}")).status, 200);
    while stream.read() {}
    assert!(!stream.bytes.windows(9).any(|part| part == b"hush-hush"));
    let mut tshark = Command::new("tshark")
        .args(["-r", "-", "-T", "fields", "-E", "separator=|"])
        .args(["-e", "mqtt.msgtype", "-e", "mqtt.topic", "-e", "mqtt.clientid", "-e", "ip.src"])
        .args(["-e", "frame.comment", "-e", "frame.len", "-e", "frame.cap_len"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tshark is there");
    tshark.stdin.take().expect("a pipe").write_all(&stream.bytes).expect("it reads");
    let output = tshark.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("it writes text");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').collect()).collect();
    let types: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let mut sorted = types.clone();
    sorted.sort_unstable();
    // Two messages are published, and one is delivered.
    assert_eq!(sorted, ["1", "14", "2", "3", "3", "3", "4", "8", "9"], "{text}");
    assert_eq!((rows[0][0], rows[0][2], rows[0][3]), ("1", "shark", "127.0.0.1"), "{text}");
    assert!(rows.iter().all(|row| row[4] == "shark" || row[4].is_empty()), "{text}");
    let large =
        rows.iter().find(|row| (row[0], row[1]) == ("3", "fish/large")).expect("it is there");
    let [whole, captured] = [large[5], large[6]].map(|it| it.parse::<u64>().expect("a number"));
    assert_eq!(whole - captured, 100 - 8, "{text}");
    broker.stop();
}

// A topic is traced for all publishers, with the receivers and the outcome.
#[test]
fn a_topic_is_traced() {
    let (broker, door) = start(2, &[]);
    let mut subscriber = Client::connect_with(&broker, &connect("absent").persistent());
    subscriber.subscribe("x/#", 1);
    subscriber.leave();
    let trace = begin(&door, "topic=x/%2B&kinds=packet,deliver");
    let mut stream = Stream::open(&door, &trace, "");
    let mut client = Client::connect(&broker, "p");
    client.publish(&publish("y", "no"));
    client.publish(&publish("x/1", [0xff, 0xfe]));
    let event = stream.find(|event| event["packet"] == "PUBLISH");
    assert_eq!((&event["topic"], &event["payload_base64"]), (&"x/1".into(), &"//4=".into()));
    let event = stream.find(|event| event["decision"] == "target");
    assert_eq!((&event["client"], &event["outcome"]), (&"absent".into(), &"dropped".into()));
    client.publish(&publish("x/1", "kept").qos1(1));
    let event = stream.find(|event| event["decision"] == "target");
    assert_eq!((&event["outcome"], &event["why"]), (&"waits".into(), &"its client is away".into()));
    broker.stop();
}

// A trace ends after its time, and with its only reader if that was requested.
#[test]
fn traces_end() {
    let (broker, door) = start(2, &[]);
    let trace = begin(&door, "id=nobody&seconds=1");
    let mut stream = Stream::open(&door, &trace, "");
    let last = stream.find(|event| !event["ended"].is_null());
    assert_eq!(last["ended"], "its time is over");
    assert!(running(&door).is_empty());
    assert_eq!(door.get(&format!("/api/v1/trace/stream?id={trace}")).status, 404);
    let trace = begin(&door, "id=nobody");
    drop(Stream::open(&door, &trace, ""));
    let other = begin(&door, "id=nobody");
    drop(Stream::open(&door, &other, "&end=true"));
    until("the one without a reader ends", || running(&door).len() == 1);
    assert_eq!(running(&door)[0]["trace"], *trace);
    broker.stop();
}

// A flood is skipped beyond the bounds; the stream reports how much, and continues.
#[test]
fn floods_are_skipped() {
    let (broker, door) = start(1, &[]);
    let trace = begin(&door, "topic=%23&kinds=packet&payload=4096");
    let mut stream = Stream::open(&door, &trace, "");
    let mut client = Client::connect(&broker, "p");
    let payload = "x".repeat(4096);
    for _ in 0..1500 {
        client.publish(&publish("flood", &*payload));
    }
    client.expect_silence();
    let event = stream.find(|event| !event["skipped"].is_null());
    assert!(event["skipped"].as_u64().is_some_and(|skipped| skipped > 0), "{event}");
    let told = &running(&door)[0];
    let counts = [&told["events"], &told["skipped"]].map(|it| it.as_u64().expect("a number"));
    assert!(counts[1] > 0 && counts[0] > 0, "{told}");
    // In another second events are sent again.
    until("it is told", || !stream_has_no(&mut stream, &mut client));
    broker.stop();
}

/// Publishes a message; returns whether its event was skipped in the same second.
fn stream_has_no(stream: &mut Stream, client: &mut Client) -> bool {
    client.publish(&publish("after", "x"));
    client.expect_silence();
    let event = stream.find(|event| !event["skipped"].is_null() || event["topic"] == "after");
    event["topic"] != "after"
}

// At most eight run at once; a mistyped parameter is named; a token with the right to read cannot
// start one.
#[test]
fn mistakes_are_named() {
    let (broker, door) = start(2, &[]);
    for (query, field) in [
        ("", "query"),
        ("kinds=packet", "query"),
        ("id=a&id_prefix=b", "id_prefix"),
        ("id=a&kinds=packet,colour", "kinds"),
        ("id=a&seconds=0", "seconds"),
        ("id=a&seconds=86401", "seconds"),
        ("id=a&payload=4097", "payload"),
        ("topic=a/%23/b", "topic"),
        ("topic=", "topic"),
        ("address=10", "address"),
        ("address=10.0.0.0/33", "address"),
        ("colour=red", "query"),
    ] {
        let reply = post(&door, &format!("/api/v1/traces?{query}"));
        assert_eq!((reply.status, &*reply.code()), (422, "invalid"), "{query}: {reply:?}");
        assert_eq!(reply.json()["error"]["field"], field, "{query}: {reply:?}");
    }
    assert_eq!(post(&door, "/api/v1/traces?id=a&vhost=none").status, 404);
    assert_eq!(door.get("/api/v1/trace/stream?id=1").status, 404);
    assert_eq!(door.delete("/api/v1/trace?id=x").status, 404);
    assert!(running(&door).is_empty());
    let names: Vec<String> = (0..8).map(|n| begin(&door, &format!("id=c{n}"))).collect();
    let reply = post(&door, "/api/v1/traces?id=c9");
    assert_eq!((reply.status, &*reply.code()), (409, "too_many"), "{reply:?}");
    assert_eq!(door.get(&format!("/api/v1/trace/stream?id={}&format=x", names[0])).status, 422);
    assert_eq!(door.delete(&format!("/api/v1/trace?id={}", names[3])).status, 200);
    begin(&door, "id=c9");
    assert_eq!(running(&door).len(), 8);
    for (method, path) in [("POST", "/api/v1/traces?id=a"), ("GET", "/api/v1/trace/stream?id=1")] {
        assert_eq!(door.ask(method, path, &[]).status, 401, "{path}");
    }
    stop_with_client(broker);
}

/// A broker whose traces run stops as any other.
fn stop_with_client(broker: Broker) {
    let client = Client::connect(&broker, "c1");
    broker.stop();
    drop(client);
}

/// `ringmq ctl` at a broker's socket, while it runs.
fn ctl(broker: &Broker, arguments: &[&str]) -> Child {
    let socket = format!("unix:{}", broker.data_dir().join("admin.sock").display());
    Command::new(env!("CARGO_BIN_EXE_ringmq"))
        .arg("ctl")
        .args(arguments)
        .args(["--at", &socket])
        .env_remove("RINGMQ_TOKEN")
        .env_remove("RINGMQ_ADMIN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program is there")
}

// `ringmq ctl` shows a trace live, and the trace ends with it in any case.
#[test]
fn ctl_traces() {
    let (broker, door) = start(2, &[]);
    let mut child = ctl(&broker, &["trace", "client", "c", "--payload", "2", "--seconds", "60"]);
    until("the trace begins", || !running(&door).is_empty());
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut client = Client::connect(&broker, "c");
    client.publish(&publish("t\u{1b}[2J", "payload"));
    let mut next = |wanted: &str| {
        let line = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(wanted)));
        line.unwrap_or_else(|| panic!("no {wanted}")).expect("it is text")
    };
    next("Received CONNECT from c (MQTT 3.1.1, ");
    assert!(next("Received PUBLISH from c").ends_with("'t\\u{1b}[2J', ... (7 bytes))"));
    assert_eq!(next("\tpa"), "\tpa…");
    child.kill().expect("it runs");
    child.wait().expect("it has ended");
    until("the trace ends", || running(&door).is_empty());
    let mut child = ctl(&broker, &["trace", "user", "ann", "--seconds", "1", "--json"]);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(output.stdout, b"{\"ended\":\"its time is over\"}\n");
    child = ctl(&broker, &["trace", "client", "c", "--kinds", "colour"]);
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
    broker.stop();
}

// A tail shows topics and payloads of messages under a filter, and nothing else.
#[test]
fn ctl_tails() {
    let (broker, door) = start(2, &[]);
    let mut child = ctl(&broker, &["tail", "plant/+", "--seconds", "60"]);
    until("the trace begins", || !running(&door).is_empty());
    let mut client = Client::connect(&broker, "c");
    client.subscribe("plant/+", 0);
    client.publish(&publish("other", "no"));
    client.publish(&publish("plant/1", "warm\nand\u{1b}[31m wet"));
    client.publish(&publish("plant/2", [0xff]));
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().take(2);
    let lines: Vec<String> = lines.map(|line| line.expect("it is text")).collect();
    assert_eq!(lines, ["plant/1\twarm\\nand\\u{1b}[31m wet", "plant/2\tbase64:/w=="]);
    child.kill().expect("it runs");
    child.wait().expect("it has ended");
    // Packets for Wireshark, which others cannot read.
    let path = broker.data_dir().join("trace.pcapng");
    let name = path.to_str().expect("it is text");
    let child = ctl(&broker, &["trace", "topic", "#", "--seconds", "1", "--pcapng", name]);
    until("the trace begins", || running(&door).iter().any(|trace| trace["topic"] == "#"));
    client.publish(&publish("plant/3", "x"));
    assert!(child.wait_with_output().expect("it ends").status.success());
    let bytes = fs::read(&path).expect("it is written");
    assert!(bytes.windows(8).any(|part| part == b"plant/3x"));
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    broker.stop();
}
