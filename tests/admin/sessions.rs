//! Metrics of sessions: how far the worst is behind, and those that the operator has named.

use std::fs;

use crate::common::{Broker, Client, DataDir, connect, publish};
use crate::http::{Door, start};
use crate::metrics::value;

fn scrape(door: &Door) -> String {
    let reply = door.ask("GET", "/metrics/sessions", &[]);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

fn of(name: &str, client: &str) -> String {
    format!("ringmq_watched_session_{name}{{vhost=\"/\",client=\"{client}\"}}")
}

/// A session that stays, with a filter; its client leaves.
fn leave_session(broker: &Broker, id: &str, filter: &str) {
    Client::connect_with(broker, &connect(id).persistent()).subscribe_and_leave(filter, 1);
}

// Lag counts the messages that a client has not acknowledged, in messages, bytes and time, whether
// or not they were sent; sessions without a pattern count in the totals only.
#[test]
fn lag_is_told() {
    for shards in [1, 3] {
        let watched = ["--watch-session", "//back*", "--watch-session", "//one"];
        let (broker, door) = start(shards, &watched);
        for (id, filter) in [("back-1", "a/#"), ("back-2", "b/#"), ("one", "a/1"), ("other", "#")] {
            leave_session(&broker, id, filter);
        }
        let mut publisher = Client::connect(&broker, "publisher");
        for (id, topic) in (1..).zip(["a/1", "a/2", "a/3", "c/1"]) {
            publisher.publish(&publish(topic, "hello").qos1(id));
        }
        let text = scrape(&door);
        for (name, client, wanted) in [
            ("lag_messages", "back-1", 3.0),
            ("lag_messages", "back-2", 0.0),
            ("lag_messages", "one", 1.0),
            ("inflight_messages", "back-1", 0.0),
            ("lag_bytes", "back-2", 0.0),
            ("lag_seconds", "back-2", 0.0),
            ("connected", "back-1", 0.0),
            ("dropped_total", "one", 0.0),
        ] {
            assert_eq!(value(&text, &of(name, client)), wanted, "{name} {client}");
        }
        assert!(value(&text, &of("lag_bytes", "back-1")) > 3.0 * 8.0, "{text}");
        for client in ["other", "publisher"] {
            assert!(!text.contains(&format!("client=\"{client}\"")), "{text}");
        }
        assert_eq!(value(&text, "ringmq_session_backlog_messages"), 8.0);
        assert_eq!(value(&text, "ringmq_session_backlog_messages_max"), 4.0);
        assert_eq!(value(&text, "ringmq_watched_sessions_left_out"), 0.0);
        // Messages that were sent and not acknowledged count too.
        let mut client = Client::open(&broker);
        client.send(&connect("back-1").persistent().bytes());
        client.expect(&[0x20, 2, 1, 0]);
        let ids: Vec<u16> = (0..3).map(|_| client.read_publish().id).collect();
        let text = scrape(&door);
        for (name, wanted) in
            [("lag_messages", 3.0), ("inflight_messages", 3.0), ("connected", 1.0)]
        {
            assert_eq!(value(&text, &of(name, "back-1")), wanted, "{name}");
        }
        ids.into_iter().for_each(|id| client.acknowledge(1, id));
        client.send(&[0xc0, 0]);
        client.expect(&[0xd0, 0]);
        let text = scrape(&door);
        assert_eq!(value(&text, &of("lag_messages", "back-1")), 0.0);
        assert_eq!(value(&text, &of("lag_seconds", "back-1")), 0.0);
        broker.stop();
    }
}

// Sessions above the bound have no metrics of their own, and are counted.
#[test]
fn too_many_are_left_out() {
    let (broker, door) = start(2, &["--watch-session", "//*"]);
    for n in 0..103 {
        leave_session(&broker, &format!("c{n}"), "a");
    }
    let text = scrape(&door);
    let told = text.lines().filter(|line| line.starts_with("ringmq_watched_session_connected{"));
    assert_eq!(told.count(), 100);
    assert_eq!(value(&text, "ringmq_watched_sessions_left_out"), 3.0);
    broker.stop();
}

// A reload changes the patterns; a pattern for a vhost that does not exist has no effect.
#[test]
fn reload_changes_names() {
    let directory = DataDir::fresh();
    fs::create_dir(directory.path()).expect("nobody else has it");
    let file = directory.path().join("ringmq.toml");
    fs::write(&file, "watch-session = [\"//a\", \"nowhere/b\"]\n").expect("it is ours");
    let (broker, door) = start(2, &["--config", file.to_str().expect("it is text")]);
    ["a", "b"].into_iter().for_each(|id| leave_session(&broker, id, "t"));
    let text = scrape(&door);
    assert_eq!(value(&text, &of("connected", "a")), 0.0);
    assert!(!text.contains("client=\"b\""), "{text}");
    fs::write(&file, "watch-session = \"//b\"\n").expect("it is ours");
    broker.reload();
    let text = scrape(&door);
    assert_eq!(value(&text, &of("connected", "b")), 0.0);
    assert!(!text.contains("client=\"a\""), "{text}");
    broker.stop();
}
