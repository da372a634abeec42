//! Lists as lines, and their filters.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::{Client, connect, publish};
use crate::http::{Door, Reply, start};

/// Asks for lines, with the token.
#[track_caller]
fn lines(door: &Door, path: &str) -> (Reply, Vec<Value>) {
    let token = format!("Bearer {}", door.token);
    let headers = [("authorization", &*token), ("accept", "application/x-ndjson")];
    let reply = door.ask("GET", path, &headers);
    let lines = reply
        .body
        .split_terminator('\n')
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    let lines = if reply.status == 200 { lines.collect() } else { Vec::new() };
    (reply, lines)
}

fn texts(lines: &[Value], field: &str) -> BTreeSet<String> {
    lines.iter().map(|line| line[field].as_str().expect("a text").to_owned()).collect()
}

// Each list can be read as lines to its end, in any number of pieces, and equals its pages.
#[test]
fn lists_are_told_in_lines() {
    for shards in [1, 3] {
        let (broker, door) = start(shards, &[]);
        let names: BTreeSet<String> = (0..230).map(|n| format!("client-{n}")).collect();
        let mut clients: Vec<Client> =
            names.iter().map(|id| Client::connect(&broker, id)).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            client.subscribe(&format!("to/{at}"), 0);
        }
        for path in ["clients", "sessions", "subscriptions"] {
            let (reply, found) = lines(&door, &format!("/api/v1/{path}"));
            assert_eq!(reply.header("content-type"), Some("application/x-ndjson"), "{reply:?}");
            assert_eq!(found.len(), names.len(), "{path}");
            assert_eq!(texts(&found, "id"), names, "{path}");
        }
        let (_, few) = lines(&door, "/api/v1/clients?limit=7&fields=id");
        assert_eq!(few.len(), 7);
        assert!(few.iter().all(|line| line.as_object().is_some_and(|it| it.len() == 1)), "{few:?}");
        let (_, matched) = lines(&door, "/api/v1/match?topic=to/1");
        assert_eq!(matched.len(), 1);
        for topic in ["a", "b"] {
            clients[0].publish(&publish(topic, "kept").qos1(1).retained());
        }
        let (_, kept) = lines(&door, "/api/v1/retained");
        assert_eq!(texts(&kept, "topic").into_iter().collect::<Vec<_>>(), ["a", "b"]);
        for client in clients.drain(..200) {
            client.leave();
        }
        let (_, closed) = lines(&door, "/api/v1/closed");
        assert_eq!(closed.len(), 200);
        // An error is reported as usual, before any row.
        let (reply, _) = lines(&door, "/api/v1/clients?limit=0");
        assert_eq!((reply.status, &*reply.code()), (422, "invalid"));
        broker.stop();
    }
}

// Clients can be filtered by listener and by time of connection.
#[test]
fn clients_are_found_by_listener_and_time() {
    let path = format!("{}/listener-{}.sock", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let (broker, door) = start(2, &["--listen", &format!("unix:{path}")]);
    let mut client = Client::connect_with(&broker, &connect("tcp").persistent());
    client.subscribe("t", 1);
    let told = door.get("/api/v1/client?id=tcp").json();
    let (listener, since) = (&told["listener"], &told["connected_at"]);
    let at = listener.as_str().expect("a text").replace(':', "%3A");
    let all = door.get("/api/v1/listeners").json();
    let items = all["items"].as_array().expect("a list");
    assert!(items.iter().any(|item| item["at"] == *listener), "{all}");
    let other = items.iter().find(|item| item["at"] != *listener).expect("there are two");
    let other = other["at"].as_str().expect("a text").replace(':', "%3A").replace('/', "%2F");
    assert!(told["received"]["bytes"].as_u64().is_some_and(|bytes| bytes > 10), "{told}");
    assert!(told["sent"]["bytes"].as_u64().is_some_and(|bytes| bytes > 3), "{told}");
    let since = since.as_str().expect("a time");
    for (query, count) in [
        (format!("listener={at}"), 1),
        (format!("listener={other}"), 0),
        ("connected_after=2020-01-01T00:00:00Z".to_owned(), 1),
        ("connected_after=9999-01-01T00:00:00Z".to_owned(), 0),
        (format!("listener={at}&connected_after={since}"), 1),
    ] {
        for list in ["clients", "sessions"] {
            let items = door.items(&format!("/api/v1/{list}?{query}"));
            assert_eq!(items.len(), count, "{list} {query}: {items:?}");
        }
    }
    for (query, field) in
        [("listener=nowhere", "listener"), ("connected_after=now", "connected_after")]
    {
        let reply = door.get(&format!("/api/v1/clients?{query}"));
        assert_eq!((reply.status, &*reply.code()), (422, "invalid"), "{query}");
        let error = &reply.json()["error"];
        assert_eq!(error["field"], field, "{error}");
    }
    drop(client);
    broker.stop();
}
