//! `ringmq-store` on directories that a killed broker left. `tests/data` has the tests on the
//! directory of a running broker.

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Broker, Client, End, connect, puback, publish, pubrec, pubrel, resume_as};
use serde_json::{Value, json};

/// The result of the tool.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    /// The lines, which are JSON.
    fn lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).expect("a line of JSON");
        self.out.lines().map(parse).collect()
    }
}

fn tool(words: &[&str], data: &Path) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-store"));
    let output = command.args(words).arg(data).output().expect("the tool's binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A persistent session that has subscribed, and is left.
fn subscribe(broker: &Broker, id: &str, filter: &str, qos: u8) {
    let mut client = Client::connect_with(broker, &connect(id).persistent());
    client.subscribe(filter, qos);
    client.leave();
}

// The dump has a session's messages in order, with all fields.
#[test]
fn a_session_is_told() {
    for shards in [1, 2] {
        let mut broker = Broker::start(shards);
        subscribe(&broker, "reader", "t/#", 2);
        let mut publisher = Client::connect(&broker, "writer");
        publisher.publish(&publish("t/a", "21.5 °C").qos1(1));
        publisher.publish(&publish("t/b", [0, 255]).qos2(2));
        publisher.publish(&publish("t/c", "").qos2(3));
        // It gets the three, answers the second and none of the others.
        let mut reader = resume_as(&broker, "reader", true);
        let first_id = reader.expect_unacked(&publish("t/a", "21.5 °C").at(1));
        let second = reader.expect_unacked(&publish("t/b", [0, 255]).at(2));
        reader.expect_unacked(&publish("t/c", "").at(2));
        reader.send(&pubrec(second));
        reader.expect(&pubrel(second));
        reader.leave();
        publisher.publish(&publish("t/d", "later").qos1(4).retained());
        broker.end(End::Killed);

        let said = tool(&["dump", "--session", "reader"], broker.data_dir());
        assert_eq!((said.code, &*said.err), (Some(0), ""));
        let lines = said.lines();
        let mut session = lines[0].clone();
        let left_ms = session["left_ms"].take().as_u64().expect("its client left");
        let shard = session["shard"].take().as_u64().expect("a number");
        let bytes = session["bytes"].take().as_u64().expect("a number");
        assert!(
            left_ms > 1_600_000_000_000 && bytes > 50 && shard < shards as u64,
            "{said}",
            said = said.out
        );
        let filters = json!([{ "filter": "t/#", "qos": 2 }]);
        let expected = json!({
            "session": "reader", "vhost": 0, "vhost_name": "/", "shard": null,
            "queued": 4, "bytes": null,
            "in_flight": 3, "lost": 0, "first": 0, "end": 4, "filters": filters,
            "received": [], "left_ms": null, "user": null,
        });
        assert_eq!(session, expected);
        let told: Vec<Value> = lines[1..].iter().cloned().map(without_time).collect();
        let message = |number: u64, state: &str, rest: Value| {
            let id = u64::from(first_id) + number;
            let mut line = json!({
                "message_of": "reader", "number": number, "packet_id": id, "state": state,
            });
            let fields = line.as_object_mut().expect("it is written as one");
            fields.extend(rest.as_object().expect("so is this").clone());
            line
        };
        let content = |qos: u8, topic: &str, payload: &str, sent: bool| {
            json!({
                "qos": qos, "published_qos": qos, "topic": topic, "payload": payload,
                "retain": false, "dup": sent,
            })
        };
        assert_eq!(
            told,
            [
                message(0, "sent", content(1, "t/a", "21.5 °C", true)),
                message(1, "released", json!({})),
                message(2, "sent", content(2, "t/c", "", true)),
                message(3, "waiting", content(1, "t/d", "later", false)),
            ]
        );
        let missing = tool(&["dump", "--session", "nobody"], broker.data_dir());
        assert_eq!((missing.code, &*missing.out), (Some(2), ""));
        assert!(missing.err.contains("nobody"), "{}", missing.err);
    }
}

fn without_time(mut line: Value) -> Value {
    let fields = line.as_object_mut().expect("a line is an object");
    if let Some(time) = fields.remove("time_ms") {
        assert!(time.as_u64() > Some(1_600_000_000_000), "{time}");
    }
    line
}

// Retained messages are selected by filter; payloads that are no text are in hexadecimal digits.
#[test]
fn retained_messages_are_told() {
    for shards in [1, 2] {
        let mut broker = Broker::start(shards);
        let mut publisher = Client::connect(&broker, "writer");
        let messages: [(&str, &[u8]); 5] =
            [("a/1", b"one"), ("a/2", b"two"), ("a/3", &[0xff, 0]), ("b/1", b"B"), ("a/2", b"")];
        for (id, (topic, payload)) in (1..).zip(messages) {
            publisher.publish(&publish(topic, payload).qos1(id).retained());
        }
        broker.end(End::Killed);
        for (filter, expected) in [
            ("#", json!([["a/1", "one", null], ["a/3", null, "ff00"], ["b/1", "B", null]])),
            ("a/+", json!([["a/1", "one", null], ["a/3", null, "ff00"]])),
            ("b/1", json!([["b/1", "B", null]])),
            ("a/2", json!([])),
        ] {
            let said = tool(&["dump", "--retained", filter], broker.data_dir());
            assert_eq!(said.code, Some(0), "{}", said.err);
            let mut told = said.lines();
            told.sort_by_key(|line| line["retained"].to_string());
            assert!(told.iter().all(|line| line["qos"] == 1), "{told:?}");
            let line =
                |line: &Value| json!([line["retained"], line["payload"], line["payload_hex"]]);
            assert_eq!(told.iter().map(line).collect::<Value>(), expected, "{filter}");
        }
        let refused = tool(&["dump", "--retained", "a/#/b"], broker.data_dir());
        assert_eq!(refused.code, Some(2), "{}", refused.err);
    }
}

// Counts of a backlog that is long enough for blocks of the log, and of retained messages.
#[test]
fn a_backlog_is_counted() {
    const MESSAGES: u16 = 6_000;
    for shards in [1, 2] {
        let mut broker = Broker::start(shards);
        subscribe(&broker, "reader", "t/#", 1);
        subscribe(&broker, "other", "t/#", 1);
        let mut publisher = Client::connect(&broker, "writer");
        for id in 1..=MESSAGES {
            publisher.send(&publish("t/a", id.to_string()).qos1(id).bytes());
        }
        (1..=MESSAGES).for_each(|id| publisher.expect(&puback(id)));
        publisher.publish(&publish("r", "kept").qos1(1).retained());
        broker.end(End::Killed);

        let data = broker.data_dir();
        let dump = tool(&["dump", "--session", "reader"], data).lines();
        let payloads = dump[1..].iter().map(|line| line["payload"].as_str().unwrap_or("").parse());
        assert!(payloads.eq((1..=MESSAGES).map(Ok)), "each once, in order");

        let check = tool(&["check", "--json"], data);
        assert_eq!(check.code, Some(0), "{}", check.out);
        let check = &check.lines()[0];
        assert_eq!(check["damaged"], false);
        let sum = |pointer: &str| -> u64 {
            let shards = check["shards"].as_array().expect("one each");
            shards.iter().filter_map(|shard| shard.pointer(pointer)?.as_u64()).sum()
        };
        let twice = 2 * u64::from(MESSAGES);
        assert_eq!(sum("/references/queued"), twice);
        assert!(sum("/references/blocks") >= 2 && sum("/records/block/records") >= 2, "{check}");
        assert_eq!((sum("/references/retained"), sum("/unreadable/queued")), (1, 0));

        let stat = tool(&["stat", "--sessions", "--json"], data).lines();
        let names: BTreeMap<&str, u64> = stat[..2]
            .iter()
            .filter_map(|line| Some((line["session"].as_str()?, line["queued"].as_u64()?)))
            .collect();
        assert_eq!(names, BTreeMap::from([("other", 6_000), ("reader", 6_000)]));
        let total = &stat[2]["total"];
        assert_eq!([&total["sessions"], &total["queued"], &total["retained"]], [2, twice, 1]);
        assert!(total["live_bytes"].as_u64() <= total["record_bytes"].as_u64(), "{total}");
        let text = tool(&["stat", "--sessions"], data).out;
        for part in ["\"reader\" shard", "6000 queued", "t/# (1)", "retained  1 in", "total"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}

// What waits for a consumer group is told as that group's, by lane, and not as a session's.
#[test]
fn groups_are_told() {
    let mut broker = Broker::start(1);
    let group = "$share/g/t/#";
    subscribe(&broker, "reader", group, 1);
    let mut publisher = Client::connect(&broker, "writer");
    for id in 1..=6 {
        publisher.publish(&publish(format!("t/{id}"), format!("m{id}")).qos1(id));
    }
    publisher.leave();
    broker.end(End::Killed);
    let data = broker.data_dir();
    let stat = tool(&["stat", "--sessions", "--json"], data).lines();
    let (total, listed) = stat.split_last().expect("there is a total");
    let total = &total["total"];
    assert_eq!([&total["sessions"], &total["queued"], &total["group_queued"]], [1, 0, 6]);
    let lanes: Vec<&Value> = listed.iter().filter(|line| line["group"] == group).collect();
    assert_eq!(total["lanes"], lanes.len(), "{listed:?}");
    assert_eq!(lanes.iter().filter_map(|lane| lane["queued"].as_u64()).sum::<u64>(), 6);
    assert_eq!(listed.len(), lanes.len() + 1, "and one session: {listed:?}");
    let text = tool(&["stat", "--sessions"], data).out;
    for part in ["group \"$share/g/t/#\" lane 0 shard 0", "6 queued", "  groups    "] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let dump = tool(&["dump"], data).lines();
    let mut payloads: Vec<&str> = dump
        .iter()
        .filter(|line| line["message_of"] == group && line["lane"].is_number())
        .filter_map(|line| line["payload"].as_str())
        .collect();
    payloads.sort_unstable();
    assert_eq!(payloads, ["m1", "m2", "m3", "m4", "m5", "m6"]);
}

/// A broker of one shard that was killed with messages in several segments. Payloads begin with
/// their number in five digits.
fn with_segments() -> Broker {
    let mut broker = Broker::start(1);
    subscribe(&broker, "reader", "t/#", 1);
    let mut publisher = Client::connect(&broker, "writer");
    for id in 1..=600 {
        let mut payload = format!("{id:05}").into_bytes();
        payload.resize(8_000, b'.');
        publisher.publish(&publish("t/a", payload).qos1(id));
    }
    broker.end(End::Killed);
    broker
}

fn segments(broker: &Broker) -> Vec<PathBuf> {
    let names = fs::read_dir(broker.data_dir().join("shard-0")).expect("it is there");
    let mut paths: Vec<PathBuf> = names.map(|name| name.expect("it can be read").path()).collect();
    paths.sort();
    paths
}

fn flip(path: &Path, at: usize) {
    let file = File::options().read(true).write(true).open(path).expect("it is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).expect("it is as long");
    file.write_all_at(&[byte[0] ^ 0x10], at as u64).expect("it is writable");
}

// A flipped byte is damage, reported with file and place, except in free space.
#[test]
fn a_flipped_byte_is_damage() {
    let broker = with_segments();
    let data = broker.data_dir();
    assert_eq!(tool(&["check"], data).code, Some(0));
    let find = |text: &str| {
        let found = |path: &PathBuf| {
            let bytes = fs::read(path).expect("it is there");
            Some((path.clone(), bytes.windows(5).position(|window| window == text.as_bytes())?))
        };
        segments(&broker).iter().find_map(found).expect("a message stands in a segment")
    };
    let (first, second) = (find("00002"), find("00300"));
    assert_ne!(first.0, second.0, "they are in different segments");
    for (path, at) in [first, second] {
        flip(&path, at);
        let said = tool(&["check"], data);
        assert_eq!(said.code, Some(1), "{}", said.out);
        let path_text = path.to_str().expect("it is text");
        assert!(said.out.contains(&format!("DAMAGE: {path_text} at byte ")), "{}", said.out);
        let told = tool(&["check", "--json"], data).lines();
        let damage = &told[0]["shards"][0]["damage"][0];
        let offset = damage["offset"].as_u64().expect("a number");
        let lost = damage["lost_bytes"].as_u64().expect("a number");
        assert!((offset..offset + lost).contains(&(at as u64)), "{at} is in {damage}");
        assert_eq!(damage["file"], path_text);
        flip(&path, at);
    }
    let path = segments(&broker).remove(0);
    flip(&path, 20);
    let said = tool(&["check"], data);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.out.contains("at byte 0: a byte of the header is damaged"), "{}", said.out);
    let dump = tool(&["dump", "--session", "reader"], data);
    assert!(dump.out.lines().count() > 100, "what can be read is told");
    flip(&path, 20);
    assert_eq!(tool(&["check"], data).code, Some(0));
}

// Bytes of an unfinished write behind the end of the log are reported, but are no damage.
#[test]
fn a_torn_tail_is_no_damage() {
    let broker = with_segments();
    let data = broker.data_dir();
    let told = tool(&["check", "--json"], data).lines();
    let end = &told[0]["shards"][0]["end"];
    assert_eq!((&end["torn_bytes"], &end["torn_records"]), (&json!(0), &json!(0)));
    let path = end["file"].as_str().expect("a path").to_owned();
    let file = File::options().write(true).open(&path).expect("it is there");
    let offset = end["offset"].as_u64().expect("a number");
    file.write_all_at(&[7; 100], offset).expect("it is writable");
    let said = tool(&["check"], data);
    let text = format!("ends in {path} at byte {offset}; 100 bytes behind it");
    assert!(said.out.contains(&text), "{}", said.out);
    assert_eq!(said.code, Some(0), "{}", said.out);
}

/// Every file below a directory, with its contents.
fn contents(path: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(path).expect("it is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            all.extend(contents(&path));
            all.insert(path, None);
        } else {
            let bytes = fs::read(&path).expect("it can be read");
            all.insert(path, Some(bytes));
        }
    }
    all
}

// The tool creates, changes and removes nothing, with a data directory or without one.
#[test]
fn nothing_is_written() {
    let mut broker = with_segments();
    let data = broker.data_dir().to_owned();
    fs::write(data.join("shard-0/00000000000000099999.segment.new"), "begun").expect("room");
    let before = contents(&data);
    for words in [&["check"][..], &["stat", "--sessions"], &["dump"]] {
        assert_eq!(tool(words, &data).code, Some(0), "{words:?}");
    }
    assert!(contents(&data) == before);

    let none = data.join("none");
    let empty = data.join("shard-0/empty");
    fs::create_dir(&empty).expect("room");
    let newer = data.join("newer");
    fs::create_dir(&newer).expect("room");
    fs::write(newer.join("FORMAT"), "ringmq data, format 6\nshards 1\n").expect("room");
    let before = contents(&data);
    for (path, says) in [
        (&none, "there is no directory"),
        (&empty, "not a ringmq data directory"),
        (&data.join("shard-0"), "not a ringmq data directory"),
        (&data.join("FORMAT"), "not a directory"),
        (&newer, "format 6"),
    ] {
        for word in ["check", "stat", "dump"] {
            let said = tool(&[word], path);
            assert_eq!((said.code, &*said.out), (Some(2), ""), "{word} {}", path.display());
            assert!(said.err.contains(says), "{word} {}: {}", path.display(), said.err);
        }
    }
    assert!(contents(&data) == before);

    broker.start_again();
    let said = tool(&["check"], &data);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("in use"), "{}", said.err);
}

// A reader that closes the pipe ends the tool without an error.
#[test]
fn a_closed_pipe_ends_it() {
    let broker = with_segments();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringmq-store"))
        .arg("dump")
        .arg(broker.data_dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool's binary starts");
    let mut line = String::new();
    let mut out = BufReader::with_capacity(100, child.stdout.take().expect("is piped"));
    out.read_line(&mut line).expect("it is text");
    assert!(line.starts_with('{'), "{line}");
    drop(out);
    let mut err = String::new();
    child.stderr.take().expect("is piped").read_to_string(&mut err).expect("it is text");
    assert_eq!((child.wait().expect("it is ours").code(), &*err), (Some(0), ""));
}
