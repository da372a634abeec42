//! SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK (3.8 to 3.11).

use crate::common::{
    Broker, Client, frame, on_shards, puback, publish, resume_as, string, suback, subscribe,
    unsuback, unsubscribe,
};

/// SUBSCRIBE is answered by a SUBACK with its identifier, before the messages that it causes.
#[test]
pub(crate) fn subscribe_is_answered() {
    on_shards(&[1, 2, 4], |broker| {
        let mut client = Client::connect(broker, "client");
        client.publish(&publish("a", "x").qos1(1).retained());
        client.send(&subscribe(0xabcd, &[("a", 0)]));
        client.expect(&[0x90, 3, 0xab, 0xcd, 0]);
        client.expect_publish(&publish("a", "x").retained());
        client.send(&subscribe(0xabcd, &[("b", 1)]));
        client.expect(&[0x90, 3, 0xab, 0xcd, 1]);
    });
}

/// Each QoS is granted as it is asked for.
#[test]
pub(crate) fn qos_is_granted_as_asked() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect(broker, "client");
        for qos in [0, 1, 2, 1, 0, 2] {
            client.send(&subscribe(1, &[("a", qos)]));
            client.expect(&suback(1, &[qos]));
        }
        client.send(&subscribe(2, &[("b", 2), ("c", 0), ("d", 1), ("e/#", 2)]));
        client.expect(&suback(2, &[2, 0, 1, 2]));
    });
}

/// From the SUBACK on messages of all publishers are delivered.
#[test]
pub(crate) fn subscription_holds_from_its_suback() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publishers: Vec<_> =
            (0..4).map(|number| Client::connect(broker, &format!("publisher-{number}"))).collect();
        for round in 0..100 {
            let topic = format!("round/{round}");
            let mut subscriber = Client::connect(broker, &format!("subscriber-{round}"));
            subscriber.subscribe(&topic, 0);
            let publisher = &mut publishers[round % 4];
            publisher.send(&publish(&topic, "x").bytes());
            subscriber.expect_publish(&publish(&topic, "x"));
        }
    });
}

/// No payload, QoS 3 and reserved bits close the connection.
#[test]
pub(crate) fn malformed_subscribe_closes() {
    let broker = Broker::start(1);
    let entry = |options: u8| [&[0, 1][..], &string("a"), &[options]].concat();
    let bodies = [
        ("nothing", vec![]),
        ("half an identifier", vec![0]),
        ("no filter", vec![0, 1]),
        ("no QoS", [&[0, 1][..], &string("a")].concat()),
        ("a filter that is cut", vec![0, 1, 0, 5, b'a', 0]),
        ("a second entry that is cut", [&entry(0)[..], &[0, 1, b'b']].concat()),
        ("QoS 3", entry(3)),
        ("bit 2", entry(4)),
        ("bit 7", entry(0x80)),
        ("bits of MQTT 5", entry(0x2c)),
    ];
    for (name, body) in bodies {
        println!("{name}");
        let mut client = Client::connect(&broker, "malformed");
        client.send(&frame(0x82, &body));
        client.expect_closed();
    }
    for options in 3..=255 {
        let mut client = Client::connect(&broker, "malformed");
        client.send(&frame(0x82, &entry(options)));
        client.expect_closed();
    }
}

/// An UNSUBSCRIBE without a filter closes the connection, as does a truncated one.
#[test]
pub(crate) fn malformed_unsubscribe_closes() {
    let broker = Broker::start(1);
    for body in [&[][..], &[0], &[0, 1], &[0, 1, 0], &[0, 1, 0, 2, b'a'], &[0, 1, 0, 1, b'a', 0]] {
        println!("{body:02x?}");
        let mut client = Client::connect(&broker, "malformed");
        client.send(&frame(0xa2, body));
        client.expect_closed();
    }
}

/// Several filters in one SUBSCRIBE make as many subscriptions, answered in order in one SUBACK; a
/// refused one does not affect the others.
#[test]
pub(crate) fn several_filters_are_answered_in_order() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect(broker, "several");
        let deep = "/".repeat(65_000);
        let entries = [("a", 0), (&*deep, 1), ("c/+", 2), ("$share/g", 0), ("d", 0), ("a", 1)];
        client.send(&subscribe(7, &entries));
        client.expect(&suback(7, &[0, 0x80, 2, 0x80, 0, 1]));
        client.expect_silence();
        let mut publisher = Client::connect(broker, "publisher");
        for (topic, qos) in [("a", 1), ("c/d", 2), ("d", 0)] {
            publisher.publish(&publish(topic, "x").qos2(1));
            client.expect_publish(&publish(topic, "x").at(qos));
        }
        client.expect_silence();
    });
}

/// Many filters in one SUBSCRIBE, with one answer.
#[test]
pub(crate) fn many_filters_are_answered() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "many");
    let filters: Vec<String> = (0..1_000).map(|number| format!("many/{number}")).collect();
    let entries: Vec<_> = filters.iter().map(|filter| (filter.as_str(), 1)).collect();
    client.send(&subscribe(1, &entries));
    client.expect(&suback(1, &[1; 1_000]));
    for topic in [&filters[0], &filters[499], &filters[999]] {
        client.send(&publish(topic, "x").bytes());
        client.expect_publish(&publish(topic, "x"));
    }
    let names: Vec<_> = filters.iter().map(String::as_str).collect();
    client.send(&unsubscribe(2, &names));
    client.expect(&unsuback(2));
    client.publish(&publish("many/0", "x").qos1(3));
    client.expect_silence();
}

/// The same filter again replaces the subscription: one copy, with the new QoS. Retained messages
/// are sent again, and no live message is lost.
#[test]
pub(crate) fn same_filter_replaces() {
    on_shards(&[1, 2], |broker| {
        let mut client = resume_as(broker, "client", false);
        client.publish(&publish("a", "r").qos2(1).retained());
        for qos in [0, 1, 2, 0, 1] {
            client.subscribe("+", qos);
            let mut retained = publish("a", "r").retained();
            retained.qos = qos;
            client.expect_publish(&retained);
            let mut publisher = Client::connect(broker, "publisher");
            publisher.publish(&publish("a", "x").qos2(2));
            let mut live = publish("a", "x");
            live.qos = qos;
            client.expect_publish(&live);
            client.expect_silence();
            client.leave();
            client = resume_as(broker, "client", true);
        }
    });
}

/// Subscribing again does not interrupt the flow.
#[test]
pub(crate) fn subscribing_again_loses_nothing() {
    on_shards(&[1, 2, 4], |broker| {
        let mut client = Client::connect(broker, "client");
        client.subscribe("flow", 1);
        let mut publisher = Client::connect(broker, "publisher");
        let messages: Vec<_> = (0..200_u16)
            .map(|number| publish("flow", number.to_string()).qos1(number + 1))
            .collect();
        publisher.send(&messages.iter().flat_map(|message| message.bytes()).collect::<Vec<_>>());
        client.send(&subscribe(1, &[("flow", 1)]).repeat(20));
        let (mut next, mut answers) = (0, 0);
        while next < messages.len() || answers < 20 {
            let packet = client.read_packet();
            if packet == suback(1, &[1]) {
                answers += 1;
                continue;
            }
            let message = crate::common::Publish::parse(&packet);
            assert_eq!(message.payload, messages[next].payload);
            client.send(&puback(message.id));
            next += 1;
        }
    });
}

/// The QoS of a delivery is the lower of the published and the granted one.
#[test]
pub(crate) fn delivery_qos_is_the_minimum() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for granted in 0..3 {
            let mut client = Client::connect(broker, &format!("granted-{granted}"));
            client.subscribe("min", granted);
            let message = publish("min", "x");
            for message in [message.clone(), message.clone().qos1(1), message.qos2(2)] {
                publisher.publish(&message);
                let due = message.qos.min(granted);
                client.expect_publish(&message.at(due));
            }
            client.expect_silence();
            client.leave();
        }
    });
}

/// Filters that overlap bring one copy, at the highest QoS among those that match.
#[test]
pub(crate) fn overlapping_filters_bring_one_copy() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        let sets: [&[(&str, u8)]; 7] = [
            &[("a/b", 0), ("a/+", 1)],
            &[("a/b", 1), ("a/#", 0), ("#", 0)],
            &[("#", 0), ("+/b", 0), ("a/b", 0), ("a/+", 1)],
            &[("a/b/#", 1), ("a/b", 0), ("a/c", 1)],
            &[("a/b", 2), ("a/+", 1), ("#", 0)],
            &[("a/b", 0), ("a/#", 1), ("+/b", 2)],
            &[("a/b", 1), ("#", 2), ("a/c", 2), ("+/+", 2)],
        ];
        for (number, entries) in sets.iter().enumerate() {
            let mut client = Client::connect(broker, &format!("overlap-{number}"));
            client.send(&subscribe(1, entries));
            client.expect(&suback(1, &entries.iter().map(|entry| entry.1).collect::<Vec<_>>()));
            publisher.publish(&publish("a/b", "x").qos1(1));
            client.expect_publish(&publish("a/b", "x").qos1(0));
            publisher.publish(&publish("a/b", "y"));
            client.expect_publish(&publish("a/b", "y"));
            publisher.publish(&publish("a/b", "z").qos2(2));
            let granted = entries.iter().filter(|entry| entry.0 != "a/c").map(|entry| entry.1);
            client.expect_publish(&publish("a/b", "z").at(granted.max().expect("there is one")));
            client.expect_silence();
        }
    });
}

/// UNSUBSCRIBE is answered with its identifier, also if there was nothing to remove.
#[test]
pub(crate) fn unsubscribe_is_answered() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect(broker, "client");
        client.send(&unsubscribe(0x1234, &["never"]));
        client.expect(&[0xb0, 2, 0x12, 0x34]);
        client.subscribe("a", 0);
        client.send(&unsubscribe(0x1235, &["a"]));
        client.expect(&unsuback(0x1235));
        client.send(&unsubscribe(0x1236, &["a"]));
        client.expect(&unsuback(0x1236));
    });
}

/// A filter is removed if it is the same byte for byte, not if it would match.
#[test]
pub(crate) fn unsubscribe_compares_bytes() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect(broker, "client");
        let mut publisher = Client::connect(broker, "publisher");
        let filters = ["a/b", "A/b", "a/+", "a/#", "a/b/", "+/b", "#"];
        for removed in filters {
            let mut client = Client::connect(broker, "bytes");
            for filter in filters.iter().filter(|filter| **filter != removed) {
                client.subscribe(filter, 0);
            }
            client.unsubscribe(removed);
            publisher.publish(&publish("a/b", removed));
            client.expect_publish(&publish("a/b", removed));
        }
        client.subscribe("a/b", 0);
        for other in filters.iter().skip(1) {
            client.unsubscribe(other);
        }
        publisher.publish(&publish("a/b", "x"));
        client.expect_publish(&publish("a/b", "x"));
        client.unsubscribe("a/b");
        publisher.publish(&publish("a/b", "y").qos1(1));
        client.expect_silence();
    });
}

/// After the UNSUBACK nothing new is added for the client.
#[test]
pub(crate) fn nothing_new_after_unsuback() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for filter in ["a/b", "a/+", "a/#"] {
            let mut client = resume_as(broker, filter, false);
            client.subscribe(filter, 1);
            client.subscribe("marker", 1);
            client.unsubscribe(filter);
            publisher.publish(&publish("a/b", "x"));
            publisher.publish(&publish("a/b", "x").qos1(1));
            publisher.publish(&publish("marker", "x").qos1(2));
            client.expect_publish(&publish("marker", "x").qos1(0));
            client.leave();
            publisher.publish(&publish("a/b", "x").qos1(3));
            resume_as(broker, filter, true).expect_silence();
        }
    });
}

/// Messages sent before the UNSUBSCRIBE are delivered to the end: they are sent again until
/// acknowledged.
#[test]
pub(crate) fn unsubscribe_completes_deliveries() {
    on_shards(&[1, 2], |broker| {
        let mut client = resume_as(broker, "client", false);
        client.subscribe("a", 1);
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("a", "x").qos1(1));
        let id = client.expect_unacked(&publish("a", "x").qos1(0));
        client.unsubscribe("a");
        client.leave();
        let mut client = resume_as(broker, "client", true);
        client.expect(&publish("a", "x").qos1(id).again().bytes());
        client.send(&puback(id));
        client.leave();
        resume_as(broker, "client", true).expect_silence();
    });
}

/// Several filters in one UNSUBSCRIBE are removed, those there are, with one UNSUBACK.
#[test]
pub(crate) fn several_filters_are_unsubscribed() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "client");
    client.send(&subscribe(1, &[("a", 0), ("b", 0), ("c", 0)]));
    client.expect(&suback(1, &[0, 0, 0]));
    client.send(&unsubscribe(2, &["a", "never", "c"]));
    client.expect(&unsuback(2));
    for topic in ["a", "b", "c"] {
        client.publish(&publish(topic, "x"));
    }
    client.expect_publish(&publish("b", "x"));
    client.expect_silence();
}
