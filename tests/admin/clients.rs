//! Clients and sessions: pages, filters, one of them, those with most, and their ends.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::websocket::WebSocket;
use crate::common::{Client, connect, publish, resume_as};
use crate::http::{Door, start};

/// The ids of the listed items.
fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().expect("a text").to_owned()).collect()
}

/// The ids of all objects of a list.
#[track_caller]
fn walk(door: &Door, path: &str) -> Vec<String> {
    ids(&door.items(path))
}

// Every client is listed once over all pages, for any number of shards and rows.
#[test]
fn every_client_is_on_one_page() {
    for shards in [1, 3] {
        let (broker, door) = start(shards, &[]);
        let names: BTreeSet<String> = (0..25).map(|n| format!("client-{n}")).collect();
        let clients: Vec<Client> = names.iter().map(|id| Client::connect(&broker, id)).collect();
        for limit in [1, 7, 25, 1000] {
            let found = walk(&door, &format!("/api/v1/clients?limit={limit}"));
            assert_eq!(found.len(), names.len(), "{shards} shards, {limit} rows: {found:?}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), names);
        }
        assert_eq!(walk(&door, "/api/v1/clients?id_prefix=client-1").len(), 11);
        assert_eq!(walk(&door, "/api/v1/clients?id=client-7"), ["client-7"]);
        assert_eq!(walk(&door, "/api/v1/clients?id=client-7%2F"), [""; 0]);
        assert_eq!(walk(&door, "/api/v1/clients?address=127.0.0.0/8&limit=9").len(), 25);
        assert_eq!(walk(&door, "/api/v1/clients?address=10.0.0.0/8"), [""; 0]);
        let items = door.items("/api/v1/clients?fields=id&limit=1");
        let keys = items[0].as_object().expect("an object").keys().cloned();
        assert_eq!(keys.collect::<Vec<_>>(), ["id"]);
        drop(clients);
        broker.stop();
    }
}

// The transport of a client is reported, and WebSocket is counted.
#[test]
fn transports_are_told() {
    let (broker, door) = start(1, &[]);
    let _tcp = Client::connect(&broker, "device");
    let browser = WebSocket::connect(&broker, "browser");
    for (id, transport) in [("device", "tcp"), ("browser", "ws")] {
        let reply = door.get(&format!("/api/v1/client?id={id}"));
        assert_eq!(reply.json()["transport"], transport, "{reply:?}");
    }
    let reply = door.get("/metrics");
    assert!(reply.body.contains("\nringmq_connects_websocket_total 1\n"), "{reply:?}");
    browser.close();
}

// A client is shown with the data of its CONNECT and its backlog; ids may contain any character.
#[test]
fn one_client_is_told() {
    let (broker, door) = start(2, &[]);
    let id = "a/b c+d&e=%25?#\"ä";
    let encoded = "a%2Fb+c%2Bd%26e%3D%2525%3F%23%22%C3%A4";
    let mut client = Client::connect_with(&broker, &connect(id).persistent().keep_alive(77));
    client.subscribe("t", 1);
    let mut publisher = Client::connect(&broker, "publisher");
    publisher.publish(&publish("t", "x").qos1(1));
    let message = client.read_publish();
    let reply = door.get(&format!("/api/v1/client?id={encoded}"));
    let told = reply.json();
    assert_eq!(told["id"], id, "{reply:?}");
    for (field, value) in [
        ("vhost", Value::from("/")),
        ("user", Value::Null),
        ("clean", false.into()),
        ("connected", true.into()),
        ("keep_alive", 77.into()),
        ("protocol", "3.1.1".into()),
        ("transport", "tcp".into()),
        ("subscriptions", 1.into()),
        ("inflight", 1.into()),
        ("state", "ok".into()),
        ("dropped", 0.into()),
    ] {
        assert_eq!(told[field], value, "{field}: {reply:?}");
    }
    assert!(told["connected_seconds"].is_u64(), "{reply:?}");
    assert!(told["address"].as_str().is_some_and(|it| it.starts_with("127.0.0.1:")), "{reply:?}");
    assert!(told["backlog"]["lag_seconds"].as_f64().is_some_and(|lag| lag >= 0.0), "{reply:?}");
    client.acknowledge(1, message.id);
    client.leave();
    let reply = door.get(&format!("/api/v1/client?id={encoded}"));
    assert_eq!((reply.status, &*reply.code()), (404, "not_found"));
    assert!(reply.json()["error"]["hint"].as_str().expect("a hint").contains("/api/v1/session"));
    let session = door.get(&format!("/api/v1/session?id={encoded}")).json();
    assert_eq!((&session["connected"], &session["inflight"]), (&false.into(), &0.into()));
    assert!(session["absent_seconds"].is_u64(), "{session}");
    broker.stop();
}

// A kicked client is disconnected, and its session is deleted on request. Its will is published
// unless it is to be discarded. All of it is logged.
#[test]
fn clients_are_kicked() {
    let (broker, door) = start(2, &[]);
    let mut witness = Client::connect(&broker, "witness");
    witness.subscribe("will/#", 0);
    for (id, more, session_left) in [
        ("kept", "", true),
        ("deleted", "&session=delete", false),
        ("quiet", "&session=keep&will=discard", true),
    ] {
        let will = publish(format!("will/{id}"), "gone");
        let packet = connect(id).persistent().will(&will);
        let mut client = Client::connect_with(&broker, &packet);
        let reply = door.delete(&format!("/api/v1/client?id={id}{more}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        let told = reply.json();
        assert_eq!(
            (&told["disconnected"], &told["session_ended"]),
            (&true.into(), &(!session_left).into())
        );
        client.expect_closed();
        if id == "quiet" {
            witness.expect_silence();
        } else {
            witness.expect_publish(&will);
        }
        let says = broker.wait_for_line("disconnect by");
        assert!(says.contains("admin.token") && says.contains("127.0.0.1:"), "{says}");
        let reply = door.delete(&format!("/api/v1/client?id={id}"));
        assert_eq!((reply.status, &*reply.code()), (404, "not_found"), "{reply:?}");
        resume_as(&broker, id, session_left).leave();
    }
    let text = door.ask("GET", "/metrics", &[]).body;
    assert!(text.contains("ringmq_disconnects_total{reason=\"kicked\"}"), "{text}");
    broker.stop();
}

// A session is deleted, whether its client is connected or not.
#[test]
fn sessions_are_deleted() {
    let (broker, door) = start(2, &[]);
    Client::connect_with(&broker, &connect("absent").persistent()).subscribe_and_leave("t", 1);
    let mut present = Client::connect_with(&broker, &connect("present").persistent());
    for (id, connected) in [("absent", false), ("present", true)] {
        let reply = door.delete(&format!("/api/v1/session?id={id}"));
        let told = reply.json();
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(
            (&told["disconnected"], &told["session_ended"]),
            (&connected.into(), &true.into())
        );
        assert_eq!(door.get(&format!("/api/v1/session?id={id}")).status, 404);
        assert_eq!(door.delete(&format!("/api/v1/session?id={id}")).status, 404);
    }
    present.expect_closed();
    broker.stop();
}

// The sessions with the highest values are first, over all shards.
#[test]
fn top_ranks_sessions() {
    let (broker, door) = start(3, &[]);
    for backlog in 0..6 {
        let id = format!("has-{backlog}");
        Client::connect_with(&broker, &connect(&id).persistent())
            .subscribe_and_leave(&format!("to/{backlog}/#"), 1);
    }
    let mut publisher = Client::connect(&broker, "publisher");
    let mut packet_id = 0;
    for backlog in 0..6 {
        for _ in 0..backlog {
            packet_id += 1;
            publisher.publish(&publish(format!("to/{backlog}/x"), "waits").qos1(packet_id));
        }
    }
    let top = |query: &str| walk(&door, &format!("/api/v1/top?{query}"));
    assert_eq!(top("by=backlog_messages&n=3"), ["has-5", "has-4", "has-3"]);
    assert_eq!(top(""), ["has-5", "has-4", "has-3", "has-2", "has-1"]);
    assert_eq!(top("by=dropped"), [""; 0]);
    let absent = walk(&door, "/api/v1/sessions?connected=false&backlog_min=2");
    assert_eq!(absent.len(), 4, "{absent:?}");
    assert_eq!(walk(&door, "/api/v1/sessions?limit=2").len(), 7);
    broker.stop();
}

// A mistyped parameter is named, and nothing is done.
#[test]
fn mistakes_are_named() {
    let (broker, door) = start(2, &[]);
    let client = Client::connect_with(&broker, &connect("kept").persistent());
    for (path, status, field) in [
        ("/api/v1/clients?limit=0", 422, "limit"),
        ("/api/v1/clients?limit=1001", 422, "limit"),
        ("/api/v1/clients?limit=x", 422, "limit"),
        ("/api/v1/clients?cursor=c2.0", 422, "cursor"),
        ("/api/v1/clients?cursor=x", 422, "cursor"),
        ("/api/v1/clients?state=fast", 422, "state"),
        ("/api/v1/clients?address=10", 422, "address"),
        ("/api/v1/clients?connected=true", 422, "query"),
        ("/api/v1/sessions?connected=maybe", 422, "connected"),
        ("/api/v1/clients?colour=red", 422, "query"),
        ("/api/v1/clients?limit=1&limit=2", 422, "query"),
        ("/api/v1/clients?user=%ff", 422, "query"),
        ("/api/v1/client", 422, "id"),
        ("/api/v1/top?by=height", 422, "by"),
        ("/api/v1/top?n=51", 422, "n"),
        ("/metrics?x=1", 422, "query"),
    ] {
        let reply = door.get(path);
        assert_eq!((reply.status, &*reply.code()), (status, "invalid"), "{path}");
        assert_eq!(reply.json()["error"]["field"], field, "{path}: {reply:?}");
    }
    for path in ["/api/v1/client?id=kept&session=gone", "/api/v1/client?id=kept&wil=discard"] {
        assert_eq!(door.delete(path).status, 422, "{path}");
    }
    for (path, code) in [
        ("/api/v1/clients?vhost=none", "not_found"),
        ("/api/v1/client?id=kept&vhost=none", "not_found"),
        ("/api/v1/client?id=Kept", "not_found"),
        ("/api/v1/nothing", "no_such_path"),
        ("/api/v2/clients", "no_such_path"),
        ("/page/", "no_such_path"),
    ] {
        let reply = door.get(path);
        assert_eq!((reply.status, &*reply.code()), (404, code), "{path}");
        assert!(reply.json()["error"]["hint"].is_string(), "{path}: {reply:?}");
    }
    let reply = door.delete("/api/v1/clients");
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET")), "{reply:?}");
    assert_eq!(door.get("/api/v1/client?id=kept").status, 200);
    drop(client);
    broker.stop();
}
