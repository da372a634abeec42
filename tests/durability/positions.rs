//! Positions: an MQTT 5 client that requests them gets, with each message of its durable session,
//! the session's epoch, the message's number and the time of storage.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::v5::{Connect, Props, Publish, connect, id, props, publish};
use crate::common::{BROKER_ENDS, Broker, Client, End, puback};

/// A position, as the properties of a PUBLISH have it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    epoch: String,
    number: u64,
    stored_ms: u64,
}

/// The client ids of a test, so that several shards are met.
const IDS: [&str; 4] = ["ash", "beech", "clover", "daisy"];

fn asking(name: &str) -> Connect {
    connect(name).durable(3600).resume().with(|props| props.user("ringmq-position", "1"))
}

/// The next message, and its position: that stands behind the properties that the message has.
#[track_caller]
fn read(client: &mut Client) -> (Publish, Position) {
    let mut message = client.read_publish_v5();
    let at = message.props.0.len().checked_sub(3).expect("a position");
    let own = Props(message.props.0.split_off(at));
    let [("ringmq-epoch", epoch), ("ringmq-number", number), ("ringmq-stored", stored)] =
        own.users()[..]
    else {
        panic!("no position: {own:?}")
    };
    let epoch = epoch.to_owned();
    let [number, stored_ms] = [number, stored].map(|text| text.parse().expect("a number"));
    (message, Position { epoch, number, stored_ms })
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(now.as_millis()).expect("it fits")
}

/// Whether a message was stored since then, and not later than now. A clock may be adjusted, and
/// the broker reads it now and then only.
fn is_since(begun_ms: u64, position: &Position) -> bool {
    const ADJUSTED_MS: u64 = 5_000;
    (begun_ms - ADJUSTED_MS..=now_ms() + ADJUSTED_MS).contains(&position.stored_ms)
}

/// An unacknowledged message is redelivered with the same position, also after a kill, and every
/// later one has a higher number; a new session has a new epoch.
#[test]
fn positions_are_the_same_again() {
    for (shards, end) in [1, 2].into_iter().flat_map(|shards| BROKER_ENDS.map(|end| (shards, end)))
    {
        let mut broker = Broker::start(shards);
        let begun_ms = now_ms();
        let mut publisher = Client::connect_v5(&broker, "publisher");
        for name in IDS {
            let (mut client, connack) = Client::connect_v5_with(&broker, &asking(name));
            let epoch = connack.props.users()[0].1.to_owned();
            client.subscribe_v5(name, 2);
            // Live.
            let own = |props: Props| props.user("b", "2").user("a", "1");
            let sent = |payload: &str, qos| publish(name, payload).at(qos).with(own);
            let mut last = None;
            for (number, qos) in [1, 2, 1].into_iter().enumerate() {
                let payload = number.to_string();
                let id = u16::try_from(number + 1).expect("small");
                publisher.publish_v5(&Publish { id, ..sent(&payload, qos) });
                let (message, position) = read(&mut client);
                assert_eq!(message, Publish { id: message.id, ..sent(&payload, qos) });
                assert_eq!(position.epoch, epoch);
                assert!(is_since(begun_ms, &position), "{position:?}");
                assert!(last.is_none_or(|last| last < position.number), "{position:?}");
                last = Some(position.number);
                client.acknowledge(qos, message.id);
            }
            // At QoS 0 nothing is stored.
            publisher.publish_v5(&sent("live", 0));
            client.expect_publish_v5(&sent("live", 0));
            // One in flight, and one that waits.
            publisher.publish_v5(&Publish { id: 7, ..sent("in flight", 1) });
            let (first, seen) = read(&mut client);
            assert_eq!((first.payload, seen.number), (b"in flight".to_vec(), last.unwrap() + 1));
            drop(client);
            publisher.publish_v5(&Publish { id: 8, ..sent("waiting", 1) });
            let (mut client, connack) = Client::connect_v5_with(&broker, &asking(name));
            assert_eq!((connack.flags, connack.props.users()[0].1), (1, &*epoch));
            let (again, position) = read(&mut client);
            assert!(again.dup && position == seen, "{again:?} {position:?}, {seen:?}");
            let (_, waited) = read(&mut client);
            assert_eq!(waited.number, seen.number + 1);
            drop(client);
        }
        broker.restart(end);
        let mut publisher = Client::connect_v5(&broker, "publisher");
        for name in IDS {
            let (mut client, connack) = Client::connect_v5_with(&broker, &asking(name));
            let epoch = connack.props.users()[0].1.to_owned();
            let mut number = 0;
            for payload in ["in flight", "waiting"] {
                let (message, position) = read(&mut client);
                assert_eq!(message.payload, payload.as_bytes());
                assert_eq!(position.epoch, epoch);
                assert!(is_since(begun_ms, &position), "{position:?}");
                number = position.number;
                client.send(&puback(message.id));
            }
            publisher.publish_v5(&publish(name, "later").qos1(9));
            let (message, position) = read(&mut client);
            assert_eq!((message.payload, position.number), (b"later".to_vec(), number + 1));
            client.send(&puback(message.id));
            client.leave_v5();
            let fresh = Connect { flags: asking(name).flags | 2, ..asking(name) };
            let (_client, connack) = Client::connect_v5_with(&broker, &fresh);
            assert_ne!(connack.props.users()[0].1, epoch, "another session");
        }
    }
}

/// Redelivered messages have their numbers after a restart, and no other message ever gets them.
#[test]
fn numbers_are_not_given_again() {
    let mut broker = Broker::start(1);
    let mut seen = Vec::new();
    for round in 0..4 {
        let mut client = Client::connect_v5_with(&broker, &asking("client")).0;
        if round == 0 {
            client.subscribe_v5("t", 1);
        }
        let mut publisher = Client::connect_v5(&broker, "publisher");
        for number in 0..2 {
            let payload = format!("{round}.{number}").into_bytes();
            publisher.publish_v5(&publish("t", &payload).qos1(1));
            loop {
                let (message, position) = read(&mut client);
                client.send(&puback(message.id));
                let is_last = message.payload == payload;
                let was = seen.iter().find(|(number, _)| *number == position.number);
                match was {
                    Some((_, was)) => assert_eq!(*was, message.payload, "{position:?}"),
                    None => seen.push((position.number, message.payload)),
                }
                if is_last {
                    break;
                }
            }
        }
        drop(client);
        broker.restart(if round % 2 == 0 { End::Killed } else { End::Stopped });
    }
    assert!(seen.is_sorted() && seen.len() == 8, "{seen:?}");
}

/// A client without the request, with another request, or without a durable session, gets no
/// positions. With aliases, identifiers and a small Maximum Packet Size positions are right too.
#[test]
fn others_are_told_nothing() {
    let broker = Broker::start(2);
    let mut publisher = Client::connect_v5(&broker, "publisher");
    let user = |name, value| move |props: Props| props.user(name, value);
    for packet in [
        connect("durable").durable(60),
        connect("clean").with(user("ringmq-position", "1")),
        connect("other value").durable(60).with(user("ringmq-position", "yes")),
        connect("other name").durable(60).with(user("ringmq-positions", "1")),
    ] {
        let (mut client, connack) = Client::connect_v5_with(&broker, &packet);
        assert!(connack.props.users().is_empty(), "{connack:?}");
        client.subscribe_v5("t", 1);
        publisher.publish_v5(&publish("t", "x").qos1(1));
        client.expect_publish_v5(&publish("t", "x").at(1));
        client.leave_v5();
    }
    let packet = asking("aliases")
        .with(|props| props.two(id::TOPIC_ALIAS_MAXIMUM, 1).four(id::MAXIMUM_PACKET_SIZE, 160));
    let mut client = Client::connect_v5_with(&broker, &packet).0;
    client.subscribe_v5_with("t", 1, &props().varint(id::SUBSCRIPTION_ID, 9));
    let mut last = 0;
    for (payload, alias, topic) in [("1", 1, "t"), ("2", 1, "")] {
        publisher.publish_v5(&publish("t", payload).qos1(1));
        let (message, position) = read(&mut client);
        assert_eq!((&*message.topic, &*message.payload), (topic.as_bytes(), payload.as_bytes()));
        assert_eq!(message.props.number(id::TOPIC_ALIAS), Some(alias));
        assert_eq!(message.props.subscription_ids(), [9]);
        client.send(&puback(message.id));
        last = position.number;
    }
    // It is too large with its position, so it counts as sent. The next one has its own position.
    publisher.publish_v5(&publish("t", "x".repeat(70)).qos1(1));
    publisher.publish_v5(&publish("t", "3").qos1(1));
    let (message, position) = read(&mut client);
    assert_eq!((&*message.payload, position.number), (&b"3"[..], last + 2));
}
