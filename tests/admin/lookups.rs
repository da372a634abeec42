//! Look-ups: closed connections, subscriptions, receivers of a topic, rights, retained messages and
//! messages of a session; and the deletion of the last two, which survives a restart.

use std::fs;

use serde_json::Value;

use crate::common::{Broker, Client, End, connect, puback, publish};
use crate::http::{Door, start};

/// A field of all objects of a list.
#[track_caller]
fn walk(door: &Door, path: &str, field: &str) -> Vec<Value> {
    door.items(path).iter().map(|item| item[field].clone()).collect()
}

fn sorted(values: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> =
        values.iter().map(|value| value.as_str().expect("a text").to_owned()).collect();
    texts.sort_unstable();
    texts
}

/// Has messages wait in the session of `id`, which is subscribed to `t` and away.
fn fill(broker: &Broker, id: &str, messages: u16) {
    Client::connect_with(broker, &connect(id).persistent()).subscribe_and_leave("t", 1);
    let mut publisher = Client::connect(broker, "publisher");
    for n in 1..=messages {
        publisher.publish(&publish("t", format!("m{n}")).qos1(n));
    }
    publisher.leave();
}

// A closed connection is listed with its reason, newest first and once over all pages, also if it
// was refused.
#[test]
fn closed_connections_are_told() {
    let (broker, door) = start(2, &[]);
    for n in 0..5 {
        Client::connect(&broker, &format!("left-{n}")).leave();
    }
    let mut faulty = Client::connect(&broker, "faulty");
    faulty.send(&[0xf0, 0]);
    faulty.expect_closed();
    let kicked = Client::connect(&broker, "kicked");
    assert_eq!(door.delete("/api/v1/client?id=kicked").status, 200);
    drop(kicked);
    let mut refused = Client::open(&broker);
    refused.send(&connect("").persistent().bytes());
    refused.expect(&crate::common::connack(false, 2));
    refused.expect_closed();
    let of = |id: &str| door.items(&format!("/api/v1/closed?id={id}"))[0].clone();
    for (id, reason) in [("left-3", "client"), ("faulty", "malformed"), ("kicked", "kicked")] {
        let item = of(id);
        assert_eq!((&item["reason"], &item["vhost"]), (&reason.into(), &"/".into()), "{item}");
        assert!(item["says"].as_str().is_some_and(|says| !says.is_empty()), "{item}");
        assert!(item["received"]["bytes"].as_u64().is_some_and(|bytes| bytes > 14), "{item}");
        // The CONNACK.
        assert!(item["sent"]["bytes"].as_u64().is_some_and(|bytes| bytes >= 4), "{item}");
        assert!(item["connected_seconds"].is_number(), "{item}");
    }
    let item = &door.items("/api/v1/closed?reason=refused")[0];
    assert_eq!((&item["id"], &item["connected_seconds"]), (&Value::Null, &Value::Null), "{item}");
    for limit in [1, 3, 1000] {
        let path = format!("/api/v1/closed?limit={limit}");
        let ids = walk(&door, &path, "id");
        assert_eq!(ids.len(), 8, "{ids:?}");
        let left = walk(&door, &format!("{path}&id_prefix=left-"), "id");
        assert_eq!(sorted(&left).len(), 5, "{left:?}");
    }
    let ages = walk(&door, "/api/v1/closed?limit=1000", "ago_seconds");
    let ages: Vec<f64> = ages.iter().map(|age| age.as_f64().expect("a number")).collect();
    assert!(ages.is_sorted(), "the newest is first: {ages:?}");
    assert_eq!(door.get("/api/v1/closed?cursor=x").status, 422);
    broker.stop();
}

// Every subscription is on one page, also when a page ends within a session; filters are exact.
#[test]
fn subscriptions_are_listed() {
    for shards in [1, 3] {
        let (broker, door) = start(shards, &[]);
        let mut clients = Vec::new();
        for n in 0..4 {
            let mut client = Client::connect(&broker, &format!("c{n}"));
            (0..7).for_each(|m| client.subscribe(&format!("f/{n}/{m}"), 1));
            client.subscribe("all/#", 0);
            clients.push(client);
        }
        for limit in [1, 3, 5, 1000] {
            let path = format!("/api/v1/subscriptions?limit={limit}");
            let filters = walk(&door, &path, "filter");
            assert_eq!(filters.len(), 32, "{limit}: {filters:?}");
            let own = sorted(&walk(&door, &format!("{path}&client=c2"), "filter"));
            let wanted: Vec<String> = ["all/#".to_owned()]
                .into_iter()
                .chain((0..7).map(|m| format!("f/2/{m}")))
                .collect();
            assert_eq!(own, wanted);
            let holders = sorted(&walk(&door, &format!("{path}&filter=all%2F%23"), "id"));
            assert_eq!(holders, ["c0", "c1", "c2", "c3"]);
        }
        let one = door.items("/api/v1/subscriptions?filter=f%2F1%2F0&fields=filter,qos");
        assert_eq!(one, [serde_json::json!({ "filter": "f/1/0", "qos": 1 })]);
        assert_eq!(door.get("/api/v1/subscriptions?filter=a%23").status, 422);
        drop(clients);
        broker.stop();
    }
}

// A topic's subscribers are listed with whether they get its message, and the reason.
#[test]
fn matches_say_who_gets_a_message() {
    let (broker, door) = start(2, &[]);
    fill(&broker, "away", 1);
    let mut there = Client::connect(&broker, "there");
    there.subscribe("+", 0);
    let mut absent = Client::connect_with(&broker, &connect("absent").persistent());
    absent.subscribe("#", 0);
    absent.leave();
    let mut other = Client::connect(&broker, "other");
    other.subscribe("u/+", 0);
    for (qos, id, gets, why) in [
        (1, "away", true, "stored"),
        (0, "away", false, "absent"),
        (0, "there", true, "sent"),
        (1, "there", true, "sent"),
        (1, "absent", false, "absent"),
    ] {
        let items = door.items(&format!("/api/v1/match?topic=t&qos={qos}"));
        assert_eq!(items.len(), 3, "{items:?}");
        let item = items.iter().find(|item| item["id"] == id).expect("it is subscribed");
        assert_eq!((&item["gets"], &item["why"]), (&gets.into(), &why.into()), "{item}");
    }
    assert_eq!(door.get("/api/v1/match?topic=t").json()["retained"], false);
    // Acknowledged, so that the shard that keeps it has it.
    there.send(&publish("t", "kept").qos1(1).retained().bytes());
    while there.read_packet() != puback(1) {}
    assert_eq!(door.get("/api/v1/retained/message?topic=t").status, 200);
    assert_eq!(door.get("/api/v1/match?topic=t").json()["retained"], true);
    assert_eq!(door.get("/api/v1/match?topic=t%2F%23").status, 422);
    broker.stop();
}

// A decision names the file and the line of the rule that makes it; a reload counts at once.
#[test]
fn decisions_name_their_rule() {
    let directory = tempdir();
    let path = directory.join("acl");
    fs::write(&path, "topic read open/#\n\ntopic deny open/secret\npattern write own/%c\n")
        .expect("it is ours");
    let (broker, door) = start(2, &["--acl", path.to_str().expect("UTF-8")]);
    let ask = |query: &str| {
        let reply = door.get(&format!("/api/v1/can?{query}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    };
    for (query, allowed, line) in [
        ("action=subscribe&topic=open%2F%2B&client_id=c", true, Some(1)),
        ("action=subscribe&topic=open%2Fsecret&client_id=c", false, Some(3)),
        ("action=publish&topic=own%2Fc&client_id=c", true, Some(4)),
        ("action=publish&topic=own%2Fc&client_id=d", false, None),
        ("action=publish&topic=open%2Fx", false, None),
        ("action=publish&topic=%24SYS%2Fx", false, None),
    ] {
        let told = ask(query);
        assert_eq!(told["allowed"], allowed, "{query}: {told}");
        assert_eq!(told["line"].as_u64(), line, "{query}: {told}");
        let file = line.map(|_| path.display().to_string());
        assert_eq!(told["file"].as_str(), file.as_deref(), "{query}: {told}");
    }
    // A subscriber that a rule denies a topic is listed with the rule.
    let mut client = Client::connect(&broker, "c");
    client.subscribe("open/#", 0);
    let matched = "/api/v1/match?topic=open%2Fsecret&client_id=c";
    let item = &door.items(matched)[0];
    assert_eq!((&item["gets"], &item["why"]), (&false.into(), &"denied".into()), "{item}");
    let page = door.get(matched).json();
    assert_eq!((&item["rule"]["line"], &page["publish"]["allowed"]), (&3.into(), &false.into()));
    assert_eq!(door.get("/api/v1/can?action=publish&topic=a%2F%23").status, 422);
    assert_eq!(door.get("/api/v1/can?topic=a").status, 422);
    assert_eq!(door.get("/api/v1/can?action=fly&topic=a").status, 422);
    fs::write(&path, "topic open/#\n").expect("it is ours");
    broker.reload();
    let told = ask("action=publish&topic=open%2Fx");
    assert_eq!((&told["allowed"], &told["line"]), (&true.into(), &1.into()), "{told}");
    drop(client);
    broker.stop();
    fs::remove_dir_all(directory).expect("it is ours");
}

/// A directory for a test.
fn tempdir() -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("ringmq-lookups-{}", std::process::id()));
    fs::create_dir_all(&path).expect("there is room");
    path
}

// Retained messages are listed, shown and cleared; those that are cleared stay so.
#[test]
fn retained_messages() {
    let (mut broker, mut door) = start(3, &[]);
    let mut client = Client::connect(&broker, "c");
    let topics: Vec<String> = (0..9).map(|n| format!("r/{n}")).collect();
    for (id, topic) in (1..).zip(&topics) {
        client.publish(&publish(topic, format!("payload {topic}")).qos1(id).retained());
    }
    client.publish(&publish("raw", [0xff, 0]).qos1(20).retained());
    client.publish(&publish("large", "x".repeat(100_000)).qos1(21).retained());
    for limit in [1, 4, 1000] {
        let path = format!("/api/v1/retained?limit={limit}&prefix=r%2F");
        assert_eq!(sorted(&walk(&door, &path, "topic")), topics);
    }
    let told = door.get("/api/v1/retained/message?topic=r%2F3").json();
    assert_eq!((&told["payload"], &told["qos"]), (&"payload r/3".into(), &1.into()), "{told}");
    let told = door.get("/api/v1/retained/message?topic=raw").json();
    assert_eq!((&told["payload_base64"], &told["payload"]), (&"/wA=".into(), &Value::Null));
    let told = door.get("/api/v1/retained/message?topic=large").json();
    assert_eq!(told["payload"].as_str().map(str::len), Some(100_000));
    assert_eq!(told["payload_cut"], false);
    assert_eq!(door.get("/api/v1/retained/message?topic=none").status, 404);
    assert_eq!(door.delete("/api/v1/retained/message?topic=none").status, 404);
    assert_eq!(door.delete("/api/v1/retained/message?topic=r%2F3").status, 200);
    let audit = broker.wait_for_line("clear retained message");
    assert!(audit.contains("admin.token") && audit.contains("r/3"), "{audit}");
    let dry = door.delete("/api/v1/retained?filter=r%2F%2B&dry_run=true").json();
    assert_eq!((&dry["messages"], &dry["dry_run"]), (&8.into(), &true.into()), "{dry}");
    assert_eq!(walk(&door, "/api/v1/retained?limit=9", "topic").len(), 10);
    let cleared = door.delete("/api/v1/retained?filter=r%2F%2B").json();
    assert_eq!((&cleared["messages"], &cleared["dry_run"]), (&8.into(), &false.into()));
    broker.restart(End::Killed);
    door = Door::of(&broker);
    assert_eq!(sorted(&walk(&door, "/api/v1/retained?limit=9", "topic")), ["large", "raw"]);
    broker.stop();
}

// The messages of a session are shown without removing them; purged messages stay purged, and later
// ones are delivered.
#[test]
fn waiting_messages_are_peeked_and_purged() {
    for shards in [1, 2] {
        let (mut broker, mut door) = start(shards, &[]);
        fill(&broker, "away", 300);
        let page = door.get("/api/v1/session/messages?id=away&limit=100").json();
        let items = page["items"].as_array().expect("a page has items");
        let payloads: Vec<&Value> = items.iter().map(|item| &item["payload"]).collect();
        let wanted: Vec<String> = (1..=100).map(|n| format!("m{n}")).collect();
        assert_eq!(payloads, wanted.iter().collect::<Vec<_>>());
        assert_eq!((&items[0]["state"], &items[0]["qos"]), (&"waiting".into(), &1.into()));
        assert!(items[0]["age_seconds"].is_number(), "{page}");
        let told = door.get("/api/v1/session?id=away").json();
        assert_eq!(told["backlog"]["messages"], 300, "they are still there");
        assert_eq!(door.get("/api/v1/session/messages?id=nobody").status, 404);
        assert_eq!(door.delete("/api/v1/session/messages?id=nobody").status, 404);
        let purged = door.delete("/api/v1/session/messages?id=away");
        assert_eq!(purged.json()["purged"], 300, "{purged:?}");
        assert_eq!(door.delete("/api/v1/session/messages?id=away").json()["purged"], 0);
        broker.wait_for_line("purge session");
        // It is on the disk: the broker is killed at once.
        broker.restart(End::Killed);
        door = Door::of(&broker);
        let told = door.get("/api/v1/session?id=away").json();
        assert_eq!((&told["backlog"]["messages"], &told["subscriptions"]), (&0.into(), &1.into()));
        let mut publisher = Client::connect(&broker, "publisher");
        publisher.publish(&publish("t", "later").qos1(1));
        let mut client = crate::common::resume_as(&broker, "away", true);
        assert_eq!(client.read_publish().payload, b"later");
        broker.stop();
    }
}

// Messages sent to a connected client are not purged; those behind them are.
#[test]
fn what_was_sent_is_not_purged() {
    let (broker, door) = start(1, &["--max-inflight", "2"]);
    let mut client = Client::connect_with(&broker, &connect("slow").persistent());
    client.subscribe("t", 1);
    let mut publisher = Client::connect(&broker, "publisher");
    for n in 1..=5 {
        publisher.publish(&publish("t", format!("m{n}")).qos1(n));
    }
    let page = door.get("/api/v1/session/messages?id=slow").json();
    let states: Vec<&Value> =
        page["items"].as_array().expect("a list").iter().map(|item| &item["state"]).collect();
    assert_eq!(states, ["sent", "sent", "waiting", "waiting", "waiting"]);
    assert_eq!(door.delete("/api/v1/session/messages?id=slow").json()["purged"], 3);
    for payload in ["m1", "m2"] {
        let message = client.read_publish();
        assert_eq!(message.payload, payload.as_bytes());
        client.acknowledge(1, message.id);
    }
    publisher.publish(&publish("t", "next").qos1(9));
    assert_eq!(client.read_publish().payload, b"next");
    broker.stop();
}
