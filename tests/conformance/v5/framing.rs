//! Packets that are malformed or break the rules (v5 1.5, 2, 4.13), and the DISCONNECT for each;
//! topics and filters (4.7), AUTH (4.12).

use super::IDS;
use crate::common::v5::{Props, auth, connack, connect, disconnect, id, props, publish};
use crate::common::v5::{suback, subscribe, unsubscribe};
use crate::common::{
    Broker, Client, End, PINGREQ, PINGRESP, connect as connect_v3, frame, on_shards, string,
};

/// Each of these packets from a connected client gets DISCONNECT with this code, then the end; its
/// will is published.
#[track_caller]
fn assert_all_closed(packets: &[Vec<u8>], code: u8) {
    let broker = Broker::start(2);
    let mut witness = Client::connect_v5(&broker, "witness");
    witness.subscribe_v5("will", 0);
    for (at, packet) in packets.iter().enumerate() {
        let will = publish("will", at.to_string());
        let (mut client, _) = Client::connect_v5_with(&broker, &connect("c").will(&will));
        // Packets behind it are not handled.
        client.send_to_closing(&[packet, &publish("will", "behind").bytes()[..]].concat());
        let answer = client.expect_answer(0xe0);
        assert_eq!(answer.codes, [code], "{packet:02x?}: {answer:02x?}");
        assert!(answer.props.has(id::REASON_STRING) && !answer.props.has(id::SESSION_EXPIRY));
        client.expect_closed();
        witness.expect_publish_v5(&will);
    }
    witness.expect_silence_v5();
}

fn with_id(first: u8, rest: &[u8]) -> Vec<u8> {
    frame(first, &[&[0, 1][..], rest].concat())
}

fn all(props: Props) -> [Vec<u8>; 2] {
    [
        publish("t", "x").with(|_| props.clone()).bytes(),
        publish("t", "x").qos1(1).with(|_| props).bytes(),
    ]
}

/// Invalid encodings are malformed.
#[test]
pub(crate) fn malformed_packets_close() {
    let bad_strings = [&b"\xed\xa0\x80"[..], b"\xc0\x80", b"\xff", b"a\0b", b"\xf4\x90\x80\x80"];
    let mut packets = Vec::new();
    for bad in bad_strings {
        packets.push(publish(bad, "x").bytes());
        packets.push(with_id(0x82, &[&[0][..], &string(bad), &[0]].concat()));
        packets.push(with_id(0xa2, &[&[0][..], &string(bad)].concat()));
        for list in [
            [&[0x26][..], &string(bad), &string("v")].concat(),
            [&[0x26][..], &string("k"), &string(bad)].concat(),
            [&[0x03][..], &string(bad)].concat(),
            [&[0x08][..], &string(bad)].concat(),
        ] {
            let length = u8::try_from(list.len()).expect("short");
            packets.push(frame(0x30, &[&string("t")[..], &[length], &list, b"x"].concat()));
        }
    }
    // Reserved flags of each type that a client sends.
    for first in [0x41, 0x51, 0x60, 0x66, 0x71, 0x80, 0x83, 0xa0, 0xc1, 0xe1, 0xf1] {
        packets.push(with_id(first, &[]));
    }
    packets.extend([
        // QoS 3, DUP with QoS 0, packet id 0, reserved options.
        with_id(0x36, &[]),
        frame(0x38, &[&string("t")[..], &[0]].concat()),
        publish("t", "x").at(1).bytes(),
        publish("t", "x").at(2).bytes(),
        subscribe(0, &props(), &[("t", 0)]),
        unsubscribe(0, &props(), &["t"]),
        subscribe(1, &props(), &[("t", 0x40)]),
        subscribe(1, &props(), &[("t", 0x80)]),
        // Padded integers: of the properties, of the packet.
        frame(0x30, &[&string("t")[..], &[0x80, 0]].concat()),
        vec![0x30, 0x84, 0, 0, 1, b't', 0],
        // A field runs over the end, bytes are left over.
        frame(0x30, &[0, 9, b't']),
        with_id(0x82, &[0, 0, 1]),
        frame(0xc0, &[0]),
        with_id(0x40, &[0, 0, 0]),
        // Types 0.
        vec![0, 0],
        // Wildcards and emptiness.
        publish("a/#", "x").bytes(),
        publish("+", "x").bytes(),
        subscribe(1, &props(), &[("", 0)]),
        subscribe(1, &props(), &[("a/#/b", 0)]),
        subscribe(1, &props(), &[("a#", 0)]),
        subscribe(1, &props(), &[("a+/b", 0)]),
        unsubscribe(1, &props(), &["a+"]),
        // Properties that are unknown, or of another packet.
        with_id(0x82, &[&[2, 0x01, 1][..], &string("t"), &[0]].concat()),
        with_id(0xa2, &[&[2, 0x0b, 1][..], &string("t")].concat()),
        disconnect(0, &props().two(id::RECEIVE_MAXIMUM, 1)),
    ]);
    packets.extend(all(props().four(id::SESSION_EXPIRY, 1)));
    packets.extend(all(props().four(id::WILL_DELAY, 1)));
    packets.extend(all(props().byte(0x7f, 1)));
    packets.extend(all(props().byte(id::PAYLOAD_FORMAT, 2)));
    packets.extend(all(props().text(id::RESPONSE_TOPIC, "a/+")));
    assert_all_closed(&packets, 0x81);
}

/// A readable but forbidden packet is a protocol error.
#[test]
pub(crate) fn protocol_errors_close() {
    let twice = |props: Props| Props([props.0.clone(), props.0].concat());
    let mut packets = vec![
        connect("c").bytes(),
        with_id(0x82, &[0]),
        with_id(0xa2, &[0]),
        subscribe(1, &props(), &[("t", 3)]),
        subscribe(1, &props(), &[("t", 0x30)]),
        subscribe(1, &props().varint(id::SUBSCRIPTION_ID, 0), &[("t", 0)]),
        subscribe(1, &twice(props().varint(id::SUBSCRIPTION_ID, 1)), &[("t", 0)]),
        subscribe(1, &props(), &[("$share/g/t", 0x04)]),
        publish("", "x").bytes(),
        disconnect(0, &twice(props().text(id::REASON_STRING, "x"))),
        // Only a server sends these.
        connack(false, 0, &props()),
        suback(1, &[0]),
        vec![0xd0, 0],
        // There is no authentication method.
        auth(0x18, &props().text(id::AUTH_METHOD, "m")),
        auth(0x19, &props().text(id::AUTH_METHOD, "m")),
        vec![0xf0, 0],
    ];
    packets.extend(all(props().varint(id::SUBSCRIPTION_ID, 1)));
    packets.extend(all(twice(props().four(id::MESSAGE_EXPIRY, 1))));
    packets.extend(all(twice(props().byte(id::PAYLOAD_FORMAT, 1))));
    packets.extend(all(twice(props().text(id::CONTENT_TYPE, "x"))));
    assert_all_closed(&packets, 0x82);
}

/// Unusual but well-formed strings are accepted: U+FEFF stays in place.
#[test]
pub(crate) fn unusual_strings_are_kept() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect_v5(broker, "\u{feff}client");
        for topic in ["\u{feff}t", "t\u{fffe}", "温度/🙂", " ", "/"] {
            client.subscribe_v5(topic, 0);
            client.subscribe_v5("t", 0);
            let message = publish(topic, "x").with(|props| props.user("\u{feff}", "\u{feff}v"));
            client.publish_v5(&message);
            client.expect_publish_v5(&message);
            client.expect_silence_v5();
        }
    });
}

/// PINGREQ is answered, without properties.
#[test]
pub(crate) fn pingreq_is_answered() {
    let broker = Broker::start(1);
    let mut client = Client::connect_v5(&broker, "c");
    for _ in 0..3 {
        client.send(PINGREQ);
        client.expect(PINGRESP);
    }
}

/// A violation ends its own connection, and no other.
#[test]
pub(crate) fn violation_closes_one_connection() {
    let broker = Broker::start(1);
    let mut other = Client::connect_v5(&broker, "other");
    let mut client = Client::connect_v5(&broker, "c");
    client.send(&[0xe1, 0]);
    client.expect_disconnect(0x81);
    other.expect_silence_v5();
}

/// A stopping broker disconnects its clients, those of MQTT 5 with a reason.
#[test]
pub(crate) fn shutdown_is_told() {
    let mut broker = Broker::start(2);
    let mut clients = IDS.map(|name| Client::connect_v5(&broker, name));
    let mut old = Client::connect_with(&broker, &connect_v3("old"));
    broker.end(End::Stopped);
    for client in &mut clients {
        client.expect_disconnect(0x8b);
    }
    old.expect_closed();
}

/// An unknown authentication method is refused, also with data.
#[test]
pub(crate) fn unknown_method_is_refused() {
    on_shards(&[1, 2], |broker| {
        for name in IDS {
            for props in [
                props().text(id::AUTH_METHOD, "unknown"),
                props().text(id::AUTH_METHOD, "unknown").binary(id::AUTH_DATA, "data"),
                props().text(id::AUTH_METHOD, ""),
            ] {
                let mut client = Client::open(broker);
                client.send(&connect(name).with(|_| props).bytes());
                client.expect_connack(0x8c);
                client.expect_closed();
            }
        }
    });
}

/// Filters match by the rules, and topics are taken as they are.
#[test]
pub(crate) fn filters_match_by_the_rules() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for (filter, matching, other) in [
            ("a/#", &["a", "a/b", "a/b/c", "a/"][..], &["ab", "/a", "b"][..]),
            ("#", &["a", "/", "a//b"], &["$own", "$own/a"]),
            ("+", &["a", " "], &["/", "a/b", "$own"]),
            ("+/+", &["/", "a/b", "/b"], &["a", "a/b/c", "$own/a"]),
            ("a/+/c", &["a/b/c", "a//c"], &["a/c", "a/b/c/d"]),
            ("a//b", &["a//b"], &["a/b", "a/b/", "A//b"]),
            ("$own/#", &["$own/a", "$own"], &["own/a"]),
        ] {
            let mut client = Client::connect_v5(broker, "c");
            client.subscribe_v5(filter, 1);
            for topic in other.iter().chain(matching) {
                publisher.publish_v5(&publish(topic, filter).qos1(1));
            }
            for topic in matching {
                client.expect_publish_v5(&publish(topic, filter).at(1));
            }
            client.expect_silence_v5();
            client.leave_v5();
        }
        let longest = "x".repeat(65_535);
        let mut client = Client::connect_v5(broker, "c");
        client.subscribe_v5(&longest, 0);
        client.publish_v5(&publish(&longest, "x"));
        client.expect_publish_v5(&publish(&longest, "x"));
    });
}
