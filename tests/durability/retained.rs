//! Retained messages.

use std::collections::BTreeMap;

use crate::common::{Broker, Client, End, Publish, publish, resume_as};
use crate::setup::{on_setups, settle};

type Values = BTreeMap<String, (String, u8)>;

/// The broker has found this number of values at its start, and a subscriber of all gets these:
/// payload and QoS by topic.
#[track_caller]
fn expect_retained(broker: &Broker, due: &Values) {
    let counts = broker.said();
    let counts = counts.lines().filter_map(|line| line.split_once(" sessions, "));
    let counts =
        counts.filter_map(|(_, rest)| rest.split_once(" retained")?.0.parse::<usize>().ok());
    assert_eq!(counts.sum::<usize>(), due.len());
    let mut client = Client::connect(broker, "reader");
    client.subscribe("#", 2);
    let text = |bytes| String::from_utf8(bytes).expect("it was text");
    let mut found = Values::new();
    while found.len() < due.len() {
        let came = client.read_publish();
        assert!(came.retain && !came.dup, "{came:?}");
        let before = found.insert(text(came.topic), (text(came.payload), came.qos));
        assert!(before.is_none(), "twice");
    }
    assert_eq!(found, *due);
    client.expect_silence();
}

/// The last value of a topic survives with its QoS; a cleared one stays cleared.
#[test]
fn retained_messages_outlive_the_broker() {
    on_setups(&[], |broker, end| {
        let mut publisher = Client::connect(broker, "publisher");
        let mut set = |topic: &str, payload: &str, qos: u8| {
            let message = publish(topic, payload).at(qos).retained();
            publisher.publish(&Publish { id: qos.into(), ..message });
        };
        let mut due = Values::new();
        for number in 0..8 {
            for qos in 0..3 {
                let topic = format!("value/{number}/{qos}");
                set(&topic, "first", 1);
                set(&topic, "last", qos);
                due.insert(topic, ("last".to_owned(), qos));
                let topic = format!("cleared/{number}/{qos}");
                set(&topic, "first", 2);
                set(&topic, "", qos);
                let topic = format!("again/{number}/{qos}");
                set(&topic, "first", 1);
                set(&topic, "", 1);
                set(&topic, "new", qos);
                due.insert(topic, ("new".to_owned(), qos));
            }
        }
        settle(broker, &mut [&mut publisher]);
        for _ in 0..3 {
            broker.restart(end);
            expect_retained(broker, &due);
        }
    });
}

/// Values that are set and cleared after one restart are so after the next.
#[test]
fn retained_messages_change_after_a_restart() {
    on_setups(&[], |broker, end| {
        let mut due = Values::new();
        for round in 0..4 {
            let mut publisher = Client::connect(broker, "publisher");
            for number in 0..6 {
                let topic = format!("value/{number}");
                let payload = match (round + number) % 3 {
                    0 => String::new(),
                    1 => format!("round {round}"),
                    _ => continue,
                };
                publisher.publish(&publish(&topic, &payload).qos1(1).retained());
                if payload.is_empty() {
                    due.remove(&topic);
                } else {
                    due.insert(topic, (payload, 1));
                }
            }
            broker.restart(end);
            expect_retained(broker, &due);
        }
    });
}

/// A retained message that waits in a session is kept for it, even if the topic changes.
#[test]
fn queued_retained_messages_outlive_the_broker() {
    on_setups(&[], |broker, end| {
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("value", "old").qos1(1).retained());
        for name in crate::setup::NAMES {
            let mut client = resume_as(broker, name, false);
            client.subscribe("value", 1);
            client.expect_unacked(&publish("value", "old").at(1).retained());
            client.leave();
        }
        publisher.publish(&publish("value", "").qos1(1).retained());
        settle(broker, &mut [&mut publisher]);
        broker.restart(end);
        for name in crate::setup::NAMES {
            let mut client = resume_as(broker, name, true);
            client.expect_publish(&publish("value", "old").at(1).retained().again());
            client.expect_publish(&publish("value", "").at(1));
            client.expect_silence();
        }
        expect_retained(broker, &Values::new());
    });
}

/// Many values, set again and again over several segments, are all found again.
#[test]
fn many_retained_messages_outlive_the_broker() {
    const TOPICS: usize = 1500;
    for shards in [1, 2] {
        let mut broker = Broker::start(shards);
        let mut publisher = Client::connect(&broker, "publisher");
        let padding = "x".repeat(400);
        for round in 0..6 {
            for number in 0..TOPICS {
                let payload = format!("{round} {padding}");
                let message = publish(format!("many/{number}"), payload).qos1(1).retained();
                publisher.send(&message.bytes());
            }
            (0..TOPICS).for_each(|_| publisher.expect(&crate::common::puback(1)));
        }
        let due: Values = (0..TOPICS)
            .map(|number| (format!("many/{number}"), (format!("5 {padding}"), 1)))
            .collect();
        for _ in 0..2 {
            broker.restart(End::Killed);
            expect_retained(&broker, &due);
        }
    }
}

/// The bounds of retained topics and bytes hold over restarts; messages above them are delivered
/// and acknowledged; clearing makes room.
#[test]
fn limits_outlive_the_broker() {
    for shards in [1, 2] {
        let flags = ["--retained-max-count", "4", "--retained-max-bytes", "1MiB"];
        let mut broker = Broker::start_with(shards, &flags);
        let small = |number: u16| publish(format!("small/{number}"), "x").qos1(1).retained();
        let large = |number: u16| publish(format!("large/{number}"), vec![b'x'; 300_000]).qos1(1);
        // A replay may wait for another shard.
        let retained = |broker: &Broker, count: usize| {
            let mut client = Client::connect(broker, "reader");
            client.subscribe("#", 0);
            let came: Vec<_> = (0..count).map(|_| client.read_publish().topic).collect();
            client.expect_silence();
            client.leave();
            came
        };
        let mut publisher = Client::connect(&broker, "publisher");
        let mut live = Client::connect(&broker, "live");
        live.subscribe("small/#", 0);
        for number in 0..40 {
            publisher.publish(&small(number));
            live.expect_publish(&publish(format!("small/{number}"), "x"));
        }
        let mut kept = retained(&broker, 4);
        broker.restart(End::Killed);
        let mut publisher = Client::connect(&broker, "publisher");
        (40..60).for_each(|number| publisher.publish(&small(number)));
        let mut found = retained(&broker, 4);
        kept.sort();
        found.sort();
        assert_eq!(found, kept);
        for topic in kept {
            publisher.publish(&publish(topic, "").qos1(1).retained());
        }
        (0..20).for_each(|number| publisher.publish(&large(number).retained()));
        // Each shard has its part.
        let found = if shards == 1 { 3 } else { 2 };
        assert_eq!(retained(&broker, found).len(), found);
        broker.terminate();
        let said = broker.wait_for_line("retained_refused_full ");
        let refused = 20 + 20 - found;
        assert!(said.contains(&format!("retained_refused_full {refused}")), "{said}");
    }
}
