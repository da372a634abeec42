//! PUBLISH: its fields, its answer, DUP (3.3, 4.3).

use std::collections::HashSet;
use std::fs;

use crate::common::{
    Broker, Client, DISCONNECT, connack, connect, frame, on_shards, puback, pubcomp, publish,
    pubrec, pubrel, resume_as, string, suback, subscribe, unsuback, unsubscribe,
};

/// A PUBLISH that its client may not send is acknowledged at its QoS, and delivered to no client.
#[test]
pub(crate) fn unauthorised_is_acknowledged() {
    let name = format!("ringmq-conformance-acl-{}", std::process::id());
    let rules = std::env::temp_dir().join(name);
    fs::write(&rules, "topic read #\ntopic write allowed\n").expect("it is writable");
    let broker = Broker::start_with(2, &[&format!("--acl={}", rules.display())]);
    let mut reader = Client::connect(&broker, "reader");
    reader.subscribe("#", 0);
    let mut writer = Client::connect(&broker, "writer");
    writer.send(&publish("denied", "0").bytes());
    writer.send(&publish("denied", "1").qos1(1).bytes());
    writer.expect(&puback(1));
    writer.send(&publish("denied", "2").qos2(2).bytes());
    writer.expect(&pubrec(2));
    writer.send(&publish("allowed", "x").bytes());
    reader.expect_publish(&publish("allowed", "x"));
    fs::remove_file(rules).expect("it is there");
}

/// Packets before a DISCONNECT, or before the end of the client's direction, in the same segment
/// are answered, each kind in order, before the connection is closed; also those that wait for the
/// disk or another shard. A client without an answer would send them again.
#[test]
pub(crate) fn leaving_clients_are_answered() {
    on_shards(&[1, 2, 4], |broker| {
        let mut subscribers: Vec<_> = (0..4)
            .map(|number| {
                let mut client = resume_as(broker, &format!("subscriber-{number}"), false);
                client.subscribe("last/#", 2);
                client
            })
            .collect();
        // One subscriber is absent, so that messages are stored.
        subscribers.pop().expect("there are four").leave();
        for (name, persistent) in [("fir", false), ("gum", true), ("hop", true), ("ivy", false)] {
            for half_closes in [false, true] {
                let packet = connect(name);
                let packet = if persistent { packet.persistent() } else { packet };
                let mut client = Client::open(broker);
                client.send(&packet.bytes());
                client.expect(&connack(half_closes && persistent, 0));
                let mut bytes = Vec::new();
                for id in 1..=20 {
                    bytes.extend(publish("last/1", id.to_string()).qos1(id).retained().bytes());
                    bytes.extend(publish("last/2", id.to_string()).qos2(100 + id).bytes());
                    bytes.extend(publish("nobody/gets/it", "").qos1(200 + id).bytes());
                }
                bytes.extend(subscribe(300, &[("other", 1)]));
                bytes.extend(pubrel(101));
                bytes.extend(unsubscribe(301, &["other"]));
                bytes.extend(if half_closes { &[][..] } else { DISCONNECT });
                client.send(&bytes);
                if half_closes {
                    client.finish_sending();
                }
                let came: Vec<_> = std::iter::from_fn(|| client.try_read_packet()).collect();
                let of = |kind: u8| came.iter().filter(move |packet| packet[0] == kind);
                assert!(of(0x40).eq(
                    &(1..=20).flat_map(|id| [puback(id), puback(200 + id)]).collect::<Vec<_>>()
                ));
                assert!(of(0x50).eq(&(101..=120).map(pubrec).collect::<Vec<_>>()));
                assert!(of(0x70).eq([&pubcomp(101)]));
                assert!(of(0x90).eq([&suback(300, &[1])]));
                assert!(of(0xb0).eq([&unsuback(301)]));
                assert_eq!(came.len(), 63, "{came:?}");
                for subscriber in &mut subscribers {
                    let numbers = (1..=20).map(|id: u16| id.to_string());
                    let due = numbers.flat_map(|text| {
                        [publish("last/1", &text).qos1(0), publish("last/2", text).qos2(0)]
                    });
                    let due: Vec<_> = due.collect();
                    let ids: Vec<_> =
                        due.iter().map(|due| subscriber.expect_unacked(due)).collect();
                    due.iter().zip(ids).for_each(|(due, id)| subscriber.acknowledge(due.qos, id));
                }
                if persistent {
                    // Answered messages are known, and are not delivered a second time.
                    let mut client = resume_as(broker, name, true);
                    client.publish(&publish("last/2", "20").qos2(120).again());
                    (102..120).for_each(|id| client.send(&pubrel(id)));
                    (102..120).for_each(|id| client.expect(&pubcomp(id)));
                    subscribers.iter_mut().for_each(Client::expect_silence);
                    client.leave();
                }
            }
        }
    });
}

/// QoS 3 closes the connection.
#[test]
pub(crate) fn qos_3_closes() {
    let broker = Broker::start(1);
    for flags in [0b0110, 0b0111, 0b1110, 0b1111] {
        let mut client = Client::connect(&broker, "three");
        client.send(&frame(0x30 | flags, &[&string("a")[..], &[0, 1], b"x"].concat()));
        client.expect_closed();
    }
}

/// A message of QoS 0 is not answered, one of QoS 1 gets one PUBACK, one of QoS 2 one PUBREC, with
/// or without subscribers.
#[test]
pub(crate) fn answer_depends_on_the_qos() {
    on_shards(&[1, 2], |broker| {
        for subscribers in 0..3 {
            let _subscribers: Vec<_> = (0..subscribers)
                .map(|number| {
                    let mut client = Client::connect(broker, &format!("subscriber-{number}"));
                    client.subscribe("answer", subscribers);
                    client
                })
                .collect();
            let mut client = Client::connect(broker, "publisher");
            client.send(&publish("answer", "x").bytes());
            client.expect_silence();
            client.send(&publish("answer", "x").qos1(10).bytes());
            client.expect(&puback(10));
            client.expect_silence();
            client.send(&publish("answer", "x").qos2(11).bytes());
            client.expect(&pubrec(11));
            client.expect_silence();
        }
    });
}

/// PUBACKs are sent in the order of the messages, for many in one write.
#[test]
pub(crate) fn pubacks_come_in_order() {
    on_shards(&[1, 2, 4], |broker| {
        let mut subscriber = Client::connect(broker, "subscriber");
        subscriber.subscribe("order/0", 1);
        let mut client = Client::connect(broker, "publisher");
        let ids = || (1..=500_u16).rev();
        let message = |id: u16| publish(format!("order/{}", id % 3), "x").qos1(id).bytes();
        client.send(&ids().flat_map(message).collect::<Vec<_>>());
        for id in ids() {
            client.expect(&puback(id));
        }
    });
}

/// After its PUBACK an identifier is free: the same again is a new message, DUP or not.
#[test]
pub(crate) fn identifier_is_free_after_puback() {
    on_shards(&[1, 2], |broker| {
        let mut subscriber = Client::connect(broker, "subscriber");
        subscriber.subscribe("again", 1);
        let mut client = Client::connect(broker, "publisher");
        for message in [publish("again", "x").qos1(1), publish("again", "x").qos1(1).again()] {
            client.publish(&message);
            client.publish(&message);
            subscriber.expect_publish(&publish("again", "x").qos1(0));
            subscriber.expect_publish(&publish("again", "x").qos1(0));
        }
        subscriber.expect_silence();
    });
}

/// DUP of an incoming message is not passed on.
#[test]
pub(crate) fn dup_is_not_passed_on() {
    on_shards(&[1, 2], |broker| {
        let mut zero = Client::connect(broker, "zero");
        zero.subscribe("dup", 0);
        let mut one = Client::connect(broker, "one");
        one.subscribe("dup", 1);
        let mut two = Client::connect(broker, "two");
        two.subscribe("dup", 2);
        let mut client = Client::connect(broker, "publisher");
        client.publish(&publish("dup", "x").qos1(1).again());
        client.publish(&publish("dup", "y").qos2(2).again().retained());
        for (qos, payload) in [(1, "x"), (2, "y")] {
            zero.expect(&publish("dup", payload).bytes());
            one.expect_publish(&publish("dup", payload).at(1));
            two.expect_publish(&publish("dup", payload).at(qos));
        }
        // Nor is it retained.
        client.subscribe("dup", 2);
        client.expect_publish(&publish("dup", "y").at(2).retained());
    });
}

/// A message at QoS 0 has DUP 0 and no identifier, byte for byte.
#[test]
pub(crate) fn qos_0_has_no_dup_and_no_identifier() {
    let broker = Broker::start(1);
    let mut subscriber = Client::connect(&broker, "subscriber");
    subscriber.subscribe("a/b", 0);
    let mut client = Client::connect(&broker, "publisher");
    for message in [publish("a/b", "hello"), publish("a/b", "hello").qos1(3)] {
        client.publish(&message);
        subscriber.expect(&[0x30, 10, 0, 3, b'a', b'/', b'b', b'h', b'e', b'l', b'l', b'o']);
    }
}

/// DUP with QoS 0 is a violation: a message at QoS 0 is never sent again.
#[test]
pub(crate) fn dup_with_qos_0_closes() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "dup");
    client.send(&publish("a", "x").again().bytes());
    client.expect_closed();
}

/// The first delivery has DUP 0, a redelivery DUP 1.
#[test]
pub(crate) fn redelivery_has_dup() {
    on_shards(&[1, 2, 4], |broker| {
        let mut client = resume_as(broker, "subscriber", false);
        client.subscribe("dup", 1);
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("dup", "x").qos1(1));
        let id = client.expect_unacked(&publish("dup", "x").qos1(0));
        client.leave();
        let mut client = resume_as(broker, "subscriber", true);
        client.expect(&publish("dup", "x").qos1(id).again().bytes());
        client.send(&puback(id));
        publisher.publish(&publish("dup", "y").qos1(2));
        client.expect_publish(&publish("dup", "y").qos1(0));
        // Kept while the client was away, but never sent before.
        client.leave();
        publisher.publish(&publish("dup", "z").qos1(3));
        let mut client = resume_as(broker, "subscriber", true);
        client.expect_publish(&publish("dup", "z").qos1(0));
    });
}

/// Identifiers towards a client are never 0 and never unacknowledged ones; with more messages than
/// identifiers they are reused.
#[test]
pub(crate) fn identifiers_are_unused_ones() {
    const MESSAGES: usize = 66_000;
    const BATCH: usize = 500;
    let broker = Broker::start(1);
    let mut subscriber = Client::connect(&broker, "subscriber");
    subscriber.subscribe("ids", 1);
    let mut publisher = Client::connect(&broker, "publisher");
    let batch = publish("ids", "x").qos1(1).bytes().repeat(BATCH);
    for _ in 0..MESSAGES / BATCH {
        publisher.send(&batch);
        let mut unacked = HashSet::new();
        let mut acks = Vec::new();
        for _ in 0..BATCH {
            let id = subscriber.expect_unacked(&publish("ids", "x").qos1(0));
            assert!(unacked.insert(id), "{id} is unacknowledged");
            acks.extend(puback(id));
        }
        subscriber.send(&acks);
        for _ in 0..BATCH {
            publisher.expect(&puback(1));
        }
    }
}

/// A topic name holds no wildcard.
#[test]
pub(crate) fn wildcard_in_a_topic_name_closes() {
    let broker = Broker::start(1);
    for topic in ["#", "+", "a/#", "a/+", "+/a", "a#", "a+b", "a/b#/c"] {
        let message = publish(topic, "x");
        for message in [message.clone(), message.clone().qos1(1), message.qos2(1)] {
            println!("{message:?}");
            let mut client = Client::connect(&broker, "wild");
            client.send(&message.bytes());
            client.expect_closed();
        }
    }
}

/// The topic name is the first field, whole: a PUBLISH that ends inside it is malformed.
#[test]
pub(crate) fn topic_name_is_the_first_field() {
    let broker = Broker::start(1);
    for body in [&b""[..], &[0], &[0, 3], &[0, 3, b'a', b'/'], &[0xff, 0xff, b'a']] {
        println!("{body:02x?}");
        let mut client = Client::connect(&broker, "short");
        client.send(&frame(0x30, body));
        client.expect_closed();
    }
    // Above QoS 0 two bytes of identifier follow it.
    for (first, body) in [0x32, 0x34]
        .into_iter()
        .flat_map(|first| [(first, &[0, 1, b'a'][..]), (first, &[0, 1, b'a', 1])])
    {
        let mut client = Client::connect(&broker, "short");
        client.send(&frame(first, body));
        client.expect_closed();
    }
}

/// Payloads of any bytes, also empty ones, are delivered unchanged.
#[test]
pub(crate) fn payload_is_passed_on_unchanged() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect(broker, "payloads");
        client.subscribe("payload", 1);
        let every_byte: Vec<u8> = (0..=255).collect();
        // Around the lengths where the remaining length takes one byte more.
        let lengths =
            [0, 1, 117, 118, 119, 120, 16_372, 16_373, 16_374, 70_000, 2_097_142, 2_097_143];
        for length in lengths {
            let payload: Vec<u8> = every_byte.iter().copied().cycle().take(length).collect();
            client.send(&publish("payload", &payload).bytes());
            client.expect_publish(&publish("payload", &payload));
        }
    });
}
