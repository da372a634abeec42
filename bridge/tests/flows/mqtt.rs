//! Another MQTT broker as target and as source.

use std::collections::BTreeMap;

use super::harness::{Bridge, Broker, Client, Mosquitto};

fn numbered(topic: &'static str, count: usize) -> impl Iterator<Item = (&'static str, String)> {
    (0..count).map(move |number| (topic, number.to_string()))
}

/// Receives until each of `count` numbers came on each topic; how often a number came again. First
/// arrivals must be in order by topic.
fn receive_numbers(client: &mut Client, topics: &[&str], count: usize) -> usize {
    let mut next: BTreeMap<&str, usize> = topics.iter().map(|topic| (*topic, 0)).collect();
    let mut again = 0;
    while next.values().any(|next| *next < count) {
        let received = client.receive();
        let number: usize = received.payload.parse().expect("payloads are numbers");
        let next = next.get_mut(received.topic.as_str()).expect("one of the topics");
        match number {
            number if number == *next => *next += 1,
            number if number < *next => again += 1,
            number => panic!("{}: {number} came, {next} is missing", received.topic),
        }
    }
    again
}

fn sink(home: &str, other: &str, keys: &str) -> String {
    format!(
        "[broker]\nurl = \"{home}\"\n[[sink]]\nname = \"out\"\nfilters = [\"a/#\"]\n{keys}\n\
         [sink.mqtt]\nurl = \"{other}\"\n"
    )
}

// What is published at one broker comes at the other: in order, once, prefixes exchanged, retained
// if it was retained, with its properties and the mark of the bridge.
#[test]
fn messages_arrive_in_order() {
    let (home, other) = (Broker::start(), Broker::start());
    let mut reader = Client::unix(&other.socket(), "reader", false);
    reader.subscribe("site/#");
    let keys = "strip = \"a/\"\nadd = \"site/1/\"";
    let bridge = Bridge::start(&sink(&home.url(), &other.url(), keys));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish_all(numbered("a/x", 3000), false);
    writer.publish_all(numbered("a/y", 10), true);
    assert_eq!(receive_numbers(&mut reader, &["site/1/x"], 3000), 0);
    assert_eq!(receive_numbers(&mut reader, &["site/1/y"], 10), 0);
    let mut late = Client::unix(&other.socket(), "late", false);
    late.subscribe("site/1/y");
    let received = late.receive();
    assert!(received.retain && received.payload == "9", "{received:?}");
    assert_eq!(received.user, [("ringmq-bridge-via".to_owned(), home.url())]);
    bridge.expect_metric("delivered_total", "out", |value| value == 3010.0);
}

// Kills of the bridge and of both brokers under load lose nothing, and keep the order.
#[test]
fn kills_lose_nothing() {
    const COUNT: usize = 2000;
    let rounds = super::harness::rounds(8);
    let (mut home, mut other) = (Broker::start(), Broker::start());
    let durable = |other: &Broker| Client::unix(&other.socket(), "reader", true);
    durable(&other).subscribe("a/#");
    let mut bridge = Bridge::start(&sink(&home.url(), &other.url(), "batch = { messages = 50 }"));
    bridge.process.wait_for_line("subscribed");
    for round in 0..rounds {
        let mut writer = Client::unix(&home.socket(), "writer", false);
        let from = round * COUNT;
        let numbers = (from..from + COUNT).map(|number| ("a/x", number.to_string()));
        writer.publish_all(numbers, false);
        match round % 4 {
            0 | 2 => bridge.kill_and_start(),
            1 => {
                home.kill();
                home.start_again();
            }
            _ => {
                other.kill();
                other.start_again();
            }
        }
    }
    let again = receive_numbers(&mut durable(&other), &["a/x"], rounds * COUNT);
    eprintln!("{again} messages came again");
}

// Two ways over the same topics between ringmq and mosquitto: what goes out does not come back.
#[test]
fn ways_make_no_loop() {
    let (home, other) = (Broker::start(), Mosquitto::start());
    let config = format!(
        "[broker]\nurl = \"{}\"\n\
         [[sink]]\nname = \"out\"\nfilters = [\"t/#\"]\n[sink.mqtt]\nurl = \"{1}\"\n\
         [[source]]\nname = \"in\"\nfilters = [\"t/#\"]\n[source.mqtt]\nurl = \"{1}\"\n",
        home.url(),
        other.url()
    );
    let bridge = Bridge::start(&config);
    bridge.process.wait_for_line("subscribed");
    bridge.process.wait_for_line("subscribed");
    let mut here = Client::unix(&home.socket(), "here", false);
    let mut there = Client::tcp(other.port, "there", false);
    here.subscribe("t/#");
    there.subscribe("t/#");
    for round in 0..3 {
        here.publish("t/a", &format!("from here {round}"));
        there.publish("t/b", &format!("from there {round}"));
    }
    // Each side has each message once: what came back would stand between these.
    let all = |client: &mut Client| {
        let mut payloads: Vec<String> = (0..6).map(|_| client.receive().payload).collect();
        payloads.sort();
        payloads
    };
    let wanted: Vec<String> = ["from here", "from there"]
        .iter()
        .flat_map(|side| (0..3).map(move |round| format!("{side} {round}")))
        .collect();
    assert_eq!(all(&mut here), wanted);
    assert_eq!(all(&mut there), wanted);
    here.publish("t/end", "end");
    assert_eq!(here.receive().payload, "end");
    assert_eq!(there.receive().payload, "end");
}

// A message that the target refuses becomes a dead letter with reason, position and topic; those
// around it arrive.
#[test]
fn refused_messages_are_dead_letters() {
    let home = Broker::start();
    let other = Broker::start_with(&["--max-packet-size", "2000"]);
    let mut reader = Client::unix(&other.socket(), "reader", false);
    reader.subscribe("a/#");
    let mut letters = Client::unix(&home.socket(), "letters", false);
    letters.subscribe("dead/#");
    let bridge = Bridge::start(&sink(&home.url(), &other.url(), ""));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    let long = "x".repeat(3000);
    for payload in ["before", &long, "after"] {
        writer.publish("a/x", payload);
    }
    assert_eq!(reader.receive().payload, "before");
    assert_eq!(reader.receive().payload, "after");
    let letter = letters.receive();
    assert_eq!((letter.topic.as_str(), &letter.payload), ("dead/out", &long));
    let fact = |name: &str| {
        let name = format!("ringmq-bridge-{name}");
        letter.user.iter().find(|(found, _)| *found == name).map(|(_, text)| text.as_str())
    };
    assert_eq!(fact("topic"), Some("a/x"));
    assert!(fact("reason").expect("is there").contains("the broker takes 2000"), "{letter:?}");
    assert!(fact("position").expect("is there").ends_with("-1"), "{letter:?}");
}

// A target that is not there is told once, the other sink goes on, and readiness shows it; when the
// target comes, what waited arrives.
#[test]
fn dead_target_stops_nobody_else() {
    let (home, mut late, other) = (Broker::start(), Broker::start(), Broker::start());
    let mut reader = Client::unix(&other.socket(), "reader", false);
    reader.subscribe("a/#");
    Client::unix(&late.socket(), "late", true).subscribe("a/#");
    late.kill();
    let config = format!(
        "{}[[sink]]\nname = \"well\"\nfilters = [\"a/#\"]\n[sink.mqtt]\nurl = \"{}\"\n",
        sink(&home.url(), &late.url(), ""),
        other.url()
    );
    let bridge = Bridge::start(&config);
    bridge.process.wait_for_line("subscribed");
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish_all(numbered("a/x", 2000), false);
    assert_eq!(receive_numbers(&mut reader, &["a/x"], 2000), 0);
    // Some attempts have failed by now: the pauses are short at first.
    bridge.process.wait_for_line("out: ");
    // The reader has its messages before the bridge has their acknowledgements.
    bridge.expect_metric("target_up", "well", |value| value == 1.0);
    let (status, says) = bridge.get("/readyz");
    assert_eq!(status, 503, "{says}");
    assert!(says.contains("out: retrying") && says.contains("well: up"), "{says}");
    assert_eq!(bridge.get("/healthz").0, 200);
    bridge.expect_metric("in_flight", "out", |value| value == 2000.0);
    late.start_again();
    let mut late_reader = Client::unix(&late.socket(), "late", true);
    assert_eq!(receive_numbers(&mut late_reader, &["a/x"], 2000), 0);
    assert_eq!(bridge.process.times_said("tries again until it succeeds"), 1);
}

// SIGTERM ends the bridge with 0, and what was confirmed does not come again.
#[test]
fn stop_confirms() {
    let (home, other) = (Broker::start(), Broker::start());
    let mut reader = Client::unix(&other.socket(), "reader", false);
    reader.subscribe("a/#");
    let mut bridge = Bridge::start(&sink(&home.url(), &other.url(), ""));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish_all(numbered("a/x", 500), false);
    assert_eq!(receive_numbers(&mut reader, &["a/x"], 500), 0);
    assert_eq!(bridge.process.stop(), Some(0));
    let bridge = Bridge::start(&sink(&home.url(), &other.url(), ""));
    writer.publish("a/x", "500");
    assert_eq!(reader.receive().payload, "500");
    drop(bridge);
}
