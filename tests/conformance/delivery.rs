//! Delivery: receivers of a message, its order, and redelivery after a reconnect (4.3 to 4.6).

use std::collections::HashMap;

use crate::common::{
    Broker, Client, Publish, connack, connect, on_shards, puback, pubcomp, publish, pubrec,
    resume_as,
};

/// A message is delivered to each client with a matching subscription, connected or not, and to no
/// other.
#[test]
pub(crate) fn every_matching_session_gets_it() {
    on_shards(&[1, 2, 4], |broker| {
        let name = |number: usize| format!("session-{number}");
        let mut present: Vec<_> = (0..8)
            .map(|number| {
                let mut client = resume_as(broker, &name(number), false);
                client.subscribe(["a/b", "a/+", "#", "b/#"][number % 4], 1);
                client
            })
            .collect();
        for client in present.drain(4..) {
            client.leave();
        }
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("a/b", "x").qos1(1));
        publisher.publish(&publish("b", "the end").qos1(2));
        let absent = (4..8).map(|number| resume_as(broker, &name(number), true));
        for (number, mut client) in present.into_iter().chain(absent).enumerate() {
            if number % 4 != 3 {
                client.expect_publish(&publish("a/b", "x").qos1(0));
            }
            if number % 4 >= 2 {
                client.expect_publish(&publish("b", "the end").qos1(0));
            }
            client.expect_silence();
        }
    });
}

/// A message is unacknowledged until its PUBACK, and sent again on each reconnect until then.
#[test]
pub(crate) fn unacknowledged_until_puback() {
    on_shards(&[1, 2], |broker| {
        let mut client = resume_as(broker, "client", false);
        client.subscribe("a", 1);
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("a", "x").qos1(1));
        let id = client.expect_unacked(&publish("a", "x").qos1(0));
        // Once for each connection: the standard permits more, but 4.4 requires no more.
        client.expect_silence();
        for _ in 0..3 {
            drop(client);
            client = resume_as(broker, "client", true);
            client.expect(&publish("a", "x").qos1(id).again().bytes());
            client.expect_silence();
        }
        client.send(&puback(id));
        client.expect_silence();
        client.leave();
        resume_as(broker, "client", true).expect_silence();
    });
}

/// Redelivered messages have their identifiers and their order, and precede new ones.
#[test]
pub(crate) fn resent_as_it_was_and_first() {
    on_shards(&[1, 2, 4], |broker| {
        let mut client = resume_as(broker, "client", false);
        client.subscribe("a/#", 1);
        let mut publisher = Client::connect(broker, "publisher");
        let message = |number: u16| publish(format!("a/{}", number % 3), number.to_string());
        for number in 0..10 {
            publisher.publish(&message(number).qos1(number + 1));
        }
        let ids: Vec<u16> =
            (0..10).map(|number| client.expect_unacked(&message(number).qos1(0))).collect();
        // Every second one is acknowledged, in no order.
        for index in [7, 1, 9, 3, 5] {
            client.send(&puback(ids[index]));
        }
        client.expect_silence();
        client.leave();
        for number in 10..15 {
            publisher.publish(&message(number).qos1(number + 1));
        }
        let mut client = resume_as(broker, "client", true);
        for number in [0, 2, 4, 6, 8] {
            let again = message(number).qos1(ids[usize::from(number)]).again();
            client.expect(&again.bytes());
        }
        let newer: Vec<u16> =
            (10..15).map(|number| client.expect_unacked(&message(number).qos1(0))).collect();
        assert!(newer.iter().all(|id| ![0, 2, 4, 6, 8].iter().any(|old| ids[*old] == *id)));
        // A second time, before anything is acknowledged.
        client.reset();
        let mut client = resume_as(broker, "client", true);
        for number in [0, 2, 4, 6, 8] {
            let again = message(number).qos1(ids[usize::from(number)]).again();
            client.expect(&again.bytes());
        }
        for (number, id) in (10..15).zip(newer) {
            client.expect(&message(number).qos1(id).again().bytes());
        }
        client.expect_silence();
    });
}

/// PUBACKs in any order: only messages without one are sent again.
#[test]
pub(crate) fn pubacks_in_any_order() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for missing in 0..6_u16 {
            let name = format!("client-{missing}");
            let mut client = resume_as(broker, &name, false);
            client.subscribe(&name, 1);
            for number in 0..6 {
                publisher.publish(&publish(&name, number.to_string()).qos1(number + 1));
            }
            let mut ids: Vec<u16> = (0..6)
                .map(|number| client.expect_unacked(&publish(&name, number.to_string()).qos1(0)))
                .collect();
            let left = ids.remove(usize::from(missing));
            for id in ids.iter().rev() {
                client.send(&puback(*id));
            }
            client.expect_silence();
            client.leave();
            let mut client = resume_as(broker, &name, true);
            client.expect(&publish(&name, missing.to_string()).qos1(left).again().bytes());
            client.expect_silence();
        }
    });
}

/// After a takeover, messages in flight on the old connection are sent again on the new one.
#[test]
pub(crate) fn takeover_resends() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for name in ["iris", "juniper", "kale", "lilac"] {
            let mut old = resume_as(broker, name, false);
            old.subscribe(name, 1);
            publisher.publish(&publish(name, "x").qos1(1));
            let id = old.expect_unacked(&publish(name, "x").qos1(0));
            let mut new = resume_as(broker, name, true);
            new.expect(&publish(name, "x").qos1(id).again().bytes());
            old.expect_closed();
            new.send(&puback(id));
            new.leave();
            resume_as(broker, name, true).expect_silence();
        }
    });
}

/// Messages of one publisher on one topic arrive in the order they were sent, per QoS, on every
/// topic, for many subscribers.
#[test]
pub(crate) fn order_is_kept() {
    const MESSAGES: u16 = 500;
    on_shards(&[1, 2, 4], |broker| {
        let mut subscribers: Vec<_> = (0..4)
            .map(|number| {
                let mut client = Client::connect(broker, &format!("subscriber-{number}"));
                client.subscribe("order/#", 1);
                client
            })
            .collect();
        let mut publishers: Vec<_> =
            (0..3).map(|number| Client::connect(broker, &format!("publisher-{number}"))).collect();
        for number in 0..MESSAGES {
            for (who, publisher) in publishers.iter_mut().enumerate() {
                let topic = format!("order/{}/{who}", number % 2);
                let message = publish(topic, format!("{number}"));
                // Two topics, on each of them both QoS.
                let is_qos1 = number / 2 % 2 == 0;
                let message = if is_qos1 { message.qos1(number + 1) } else { message };
                publisher.send(&message.bytes());
            }
        }
        for subscriber in &mut subscribers {
            let mut last: HashMap<(Vec<u8>, u8), u16> = HashMap::new();
            for _ in 0..3 * usize::from(MESSAGES) {
                let came = subscriber.read_publish();
                if came.qos == 1 {
                    subscriber.send(&puback(came.id));
                }
                let number: u16 =
                    String::from_utf8(came.payload).expect("digits").parse().expect("digits");
                let key = (came.topic.clone(), came.qos);
                let previous = last.insert(key, number);
                assert!(previous < Some(number), "{number} on {:?} after {previous:?}", came.topic);
            }
            subscriber.expect_silence();
        }
    });
}

/// Messages of one publisher on a topic at every QoS arrive in order among QoS 1 and 2, and among
/// QoS 0, which may overtake. A subscriber with QoS 0 gets all of them in order.
#[test]
pub(crate) fn order_holds_across_qos() {
    const MESSAGES: u16 = 300;
    on_shards(&[1, 2, 4], |broker| {
        let mut subscribers = Vec::new();
        for granted in 0..3 {
            for number in 0..3 {
                let mut clean = Client::connect(broker, &format!("clean-{granted}-{number}"));
                clean.subscribe("order", granted);
                let mut kept = resume_as(broker, &format!("kept-{granted}-{number}"), false);
                kept.subscribe("order", granted);
                subscribers.extend([(granted, clean), (granted, kept)]);
            }
        }
        let mut publisher = resume_as(broker, "publisher", false);
        let qos_of = |number: u16| [2, 0, 1, 1, 2, 0, 0, 2, 1][usize::from(number % 9)];
        for number in 1..=MESSAGES {
            let mut message = publish("order", number.to_string());
            message.qos = qos_of(number);
            message.id = if message.qos == 0 { 0 } else { number };
            publisher.send(&message.bytes());
        }
        for (granted, subscriber) in &mut subscribers {
            // By whether it was delivered at QoS 0.
            let mut last = HashMap::new();
            let mut missing = MESSAGES;
            while missing > 0 {
                let packet = subscriber.read_packet();
                if packet[0] == 0x62 {
                    subscriber.send(&pubcomp(u16::from_be_bytes([packet[2], packet[3]])));
                    continue;
                }
                let came = Publish::parse(&packet);
                let text = String::from_utf8(came.payload).expect("digits");
                let number: u16 = text.parse().expect("digits");
                assert_eq!(came.qos, qos_of(number).min(*granted));
                match came.qos {
                    0 => {}
                    1 => subscriber.send(&puback(came.id)),
                    _ => subscriber.send(&pubrec(came.id)),
                }
                let before = last.insert(came.qos == 0, number);
                assert!(before < Some(number), "{number} at QoS {} after {before:?}", came.qos);
                missing -= 1;
            }
        }
    });
}

/// Messages for an absent session are delivered in the order in which they were published.
#[test]
pub(crate) fn kept_messages_keep_their_order() {
    on_shards(&[1, 2], |broker| {
        let mut absent = resume_as(broker, "absent", false);
        absent.subscribe("kept/+", 1);
        absent.leave();
        let mut publisher = Client::connect(broker, "publisher");
        let message = |number: u16| publish(format!("kept/{}", number % 5), number.to_string());
        let all: Vec<u8> =
            (0..2_000).flat_map(|number| message(number).qos1(number + 1).bytes()).collect();
        publisher.send(&all);
        for number in 0..2_000 {
            publisher.expect(&puback(number + 1));
        }
        let mut absent = resume_as(broker, "absent", true);
        for number in 0..2_000 {
            absent.expect_publish(&message(number).qos1(0));
        }
        absent.expect_silence();
    });
}

/// A PUBACK for a message that was never sent, or a second one, is ignored.
#[test]
pub(crate) fn unknown_puback_is_ignored() {
    let broker = Broker::start(1);
    let mut client = resume_as(&broker, "client", false);
    for id in [1, 2, 1_000, 65_535] {
        client.send(&puback(id));
    }
    client.expect_silence();
    client.subscribe("a", 1);
    let mut publisher = Client::connect(&broker, "publisher");
    for payload in ["x", "y", "z"] {
        publisher.publish(&publish("a", payload).qos1(1));
        let id = client.expect_unacked(&publish("a", payload).qos1(0));
        client.send(&puback(id).repeat(2));
        client.expect_silence();
    }
    client.leave();
    resume_as(&broker, "client", true).expect_silence();
}

/// A client may acknowledge earlier messages right after its CONNECT, whether they are sent again
/// or not.
#[test]
pub(crate) fn puback_right_after_connect_counts() {
    let broker = Broker::start(1);
    let mut client = resume_as(&broker, "client", false);
    client.subscribe("a", 1);
    let mut publisher = Client::connect(&broker, "publisher");
    publisher.publish(&publish("a", "x").qos1(1));
    let id = client.expect_unacked(&publish("a", "x").qos1(0));
    client.leave();
    let mut client = Client::open(&broker);
    client.send(&[connect("client").persistent().bytes(), puback(id)].concat());
    client.expect(&connack(true, 0));
    client.expect_at_most(&[&publish("a", "x").qos1(id).again().bytes()]);
    client.leave();
    resume_as(&broker, "client", true).expect_silence();
}
