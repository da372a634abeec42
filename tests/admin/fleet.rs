//! Many clients at once, the shards they are on, and what happens to them as it happens.

use std::io::{BufRead, BufReader, Write};

use serde_json::{Value, json};

use crate::common::{Broker, Client, connect, publish};
use crate::ctl::ctl;
use crate::http::{Door, request, start};

/// The ids of the clients that are connected, in order.
fn connected(door: &Door) -> Vec<String> {
    let items = door.items("/api/v1/clients?limit=1000");
    let mut ids: Vec<String> =
        items.iter().map(|it| it["id"].as_str().expect("it has one").to_owned()).collect();
    ids.sort();
    ids
}

#[track_caller]
fn kick(door: &Door, body: &Value) -> Value {
    let reply = door.send("POST", "/api/v1/clients/kick", &body.to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

// Those that match are disconnected and nobody else; a dry run only counts; sessions are kept
// unless they are to be deleted.
#[test]
fn many_are_disconnected() {
    let (broker, door) = start(3, &[]);
    let client = |id: &str| Client::connect_with(&broker, &connect(id).persistent());
    let mut others = [client("other-1"), client("other-2")];
    let mut fleet: Vec<Client> = (0..9).map(|n| client(&format!("dev-{n}"))).collect();
    let by_prefix = json!({ "id_prefix": "dev-", "per_second": 10_000 });
    let mut dry = by_prefix.clone();
    dry["dry_run"] = true.into();
    let wanted = json!({ "matched": 9, "disconnected": 0, "more": false });
    assert_eq!(kick(&door, &dry), wanted);
    assert_eq!(connected(&door).len(), 11);
    let wanted = json!({ "matched": 9, "disconnected": 9, "more": false });
    assert_eq!(kick(&door, &by_prefix), wanted);
    let says = broker.wait_for_line("disconnect clients of");
    assert!(says.contains("dev-") && says.contains("9 disconnected"), "{says}");
    fleet.iter_mut().for_each(Client::expect_closed);
    assert_eq!(connected(&door), ["other-1", "other-2"]);
    assert_eq!(door.items("/api/v1/sessions?id_prefix=dev-").len(), 9);
    let by_address = json!({ "address": "127.0.0.0/8", "state": "ok", "session": "delete" });
    assert_eq!(kick(&door, &by_address)["disconnected"], 2);
    others.iter_mut().for_each(Client::expect_closed);
    assert_eq!(door.items("/api/v1/sessions?id_prefix=other").len(), 0);
    broker.stop();
}

// Without a word about whom, nobody is disconnected; faulty fields are named, and a token for one
// vhost or without the right does nothing.
#[test]
fn bad_requests_disconnect_nobody() {
    let (broker, door) = start(1, &[]);
    let mut client = Client::connect(&broker, "c");
    for (body, field) in [
        ("{}", "body"),
        (r#"{"per_second":5}"#, "body"),
        (r#"{"id":"c"}"#, "body"),
        (r#"{"id_prefix":"c","per_second":0}"#, "per_second"),
        (r#"{"id_prefix":"c","state":"fast"}"#, "state"),
        (r#"{"id_prefix":"c","session":"burn"}"#, "session"),
        (r#"{"address":"10.0.0.0/99"}"#, "address"),
        (r#"{"listener":"nowhere"}"#, "listener"),
    ] {
        let reply = door.send("POST", "/api/v1/clients/kick", body);
        assert_eq!(reply.status, 422, "{body}: {reply:?}");
        assert_eq!(reply.json()["error"]["field"], field, "{body}: {reply:?}");
    }
    let reply = door.send("POST", "/api/v1/clients/kick", r#"{"vhost":"none"}"#);
    assert_eq!(reply.status, 404, "{reply:?}");
    client.publish(&publish("a", "x").qos1(1));
    broker.stop();
}

// The host and each shard are told, with what clients have there.
#[test]
fn node_and_shards() {
    let (broker, door) = start(2, &[]);
    let mut client = Client::connect(&broker, "c");
    client.publish(&publish("a", "x").qos1(1));
    let node = door.get("/api/v1/node").json();
    assert_eq!((&node["shards"], &node["pid"]), (&json!(2), &json!(broker.pid())), "{node}");
    assert_eq!(node["data_dir"].as_str(), broker.data_dir().to_str());
    assert!(node["memory"]["resident_bytes"].as_u64() > Some(1 << 20), "{node}");
    assert!(node["files"]["open"].as_u64() < node["files"]["max"].as_u64(), "{node}");
    let sum = |name: &str| {
        let shards = door.get("/api/v1/shards").json();
        let items = shards["items"].as_array().expect("it is a list").clone();
        assert_eq!(items.len(), 2, "{shards}");
        items.iter().map(|it| it.pointer(name).and_then(Value::as_u64).expect("a count")).sum()
    };
    // What is young is told again.
    crate::common::until("the shards tell", || sum("/messages/received") == 1_u64);
    assert_eq!((sum("/clients"), sum("/connections"), sum("/sessions")), (1, 1, 1));
    broker.stop();
}

// Sessions are ranked by lag and by rate.
#[test]
fn sessions_are_ranked() {
    let (broker, door) = start(2, &[]);
    Client::connect_with(&broker, &connect("late").persistent()).subscribe_and_leave("a", 1);
    let mut busy = Client::connect(&broker, "busy");
    busy.publish(&publish("a", "x").qos1(1));
    let top = door.get("/api/v1/top?by=lag").json();
    assert_eq!(top["items"][0]["id"], "late", "{top}");
    assert!(top["items"][0]["backlog"]["lag_seconds"].is_number(), "{top}");
    let writer = std::thread::spawn(move || door.get("/api/v1/top?by=rate").json());
    // While it looks twice.
    while !writer.is_finished() {
        busy.publish(&publish("b", vec![b'x'; 1_000]).qos1(2));
    }
    let top = writer.join().expect("it was answered");
    assert_eq!(top["items"][0]["id"], "busy", "{top}");
    assert!(top["items"][0]["bytes_per_second"].as_u64() > Some(0), "{top}");
    broker.stop();
}

/// Lines of a stream, as they come.
fn events(door: &Door, query: &str) -> impl Iterator<Item = Value> {
    let mut stream = door.connect();
    let (host, token) = (door.address.to_string(), format!("Bearer {}", door.token));
    let path = format!("/api/v1/events{query}");
    let headers = [("host", &*host), ("authorization", &*token)];
    stream.write_all(&request("GET", &path, &headers)).expect("it listens");
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str(&line).ok()).filter(Value::is_object)
}

/// Until a trace with this says of kinds runs.
fn await_events(broker: &Broker) {
    broker.wait_for_line("start trace");
}

// Clients that come, are refused and leave are told as it happens, of every shard, and nothing of
// what they send; what is told ends with its reader.
#[test]
fn events_are_told() {
    let (broker, door) = start(2, &[]);
    let mut told = events(&door, "");
    await_events(&broker);
    for id in ["a", "b", "c"] {
        let mut client = Client::connect(&broker, id);
        client.publish(&publish("secret", "x").qos1(1));
        client.leave();
    }
    for id in ["a", "b", "c"] {
        let mut kinds = Vec::new();
        for event in told.by_ref() {
            assert!(!event.to_string().contains("secret"), "{event}");
            if event["client"] != id {
                continue;
            }
            kinds.push(event["kind"].as_str().expect("it has one").to_owned());
            if event["kind"] == "close" {
                break;
            }
        }
        assert!(kinds.iter().any(|kind| kind == "connect"), "{kinds:?}");
    }
    let traces = || door.get("/api/v1/traces").json()["items"].as_array().map_or(0, Vec::len);
    assert_eq!(traces(), 1);
    drop(told);
    // The broker learns of it when it has more to tell.
    crate::common::until("the trace ends", || {
        Client::connect(&broker, "d").leave();
        traces() == 0
    });
    let reply = door.get("/api/v1/events?kinds=packet");
    assert_eq!((reply.status, reply.json()["error"]["field"].clone()), (422, "kinds".into()));
    broker.stop();
}

// The command line has all of it.
#[test]
fn the_command_line() {
    let (broker, _door) = start(2, &[]);
    let mut client = Client::connect(&broker, "dev-1");
    assert!(ctl(&broker, &["node"], 0).contains("kernel"));
    assert_eq!(ctl(&broker, &["shards", "--columns", "shard"], 0), "shard\n0\n1\n");
    assert_eq!(
        ctl(&broker, &["clients", "evict", "--id-prefix", "dev-", "--dry-run"], 0),
        "1 clients match\n"
    );
    let says = ctl(&broker, &["clients", "evict", "--id-prefix", "dev-"], 2);
    assert!(says.contains("--yes"), "{says}");
    let says = ctl(&broker, &["clients", "evict", "--id-prefix", "dev-", "--yes"], 0);
    assert_eq!(says, "1 clients disconnected\n");
    client.expect_closed();
    let says = ctl(&broker, &["clients", "evict", "--yes"], 2);
    assert!(says.contains("say whom"), "{says}");
    assert!(ctl(&broker, &["top", "--by", "lag"], 0).contains("backlog"));
    broker.stop();
}
