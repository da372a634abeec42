//! CONNECT and CONNACK (v5 3.1, 3.2).

use super::IDS;
use crate::common::v5::{Props, ack, auth, connack, connect, disconnect, id, props, publish};
use crate::common::v5::{subscribe, unsubscribe};
use crate::common::{Broker, Client, PINGREQ, PINGRESP, frame, on_shards, string};

/// A CONNECT with these flags and this behind the keep alive.
fn raw(flags: u8, rest: &[u8]) -> Vec<u8> {
    frame(0x10, &[&string("MQTT")[..], &[5, flags, 0, 0], rest].concat())
}

/// A client that sends these bytes first is refused with this code, in the shortest form.
#[track_caller]
fn assert_refused(broker: &Broker, bytes: &[u8], code: u8) {
    let mut client = Client::open(broker);
    client.send_to_closing(bytes);
    client.expect(&connack(false, code, &props()));
    client.expect_closed();
}

/// CONNECT is the first packet; another is not answered, not even by DISCONNECT.
#[test]
pub(crate) fn first_packet_must_be_connect() {
    let broker = Broker::start(1);
    for first in [
        publish("t", "x").bytes(),
        subscribe(1, &props(), &[("t", 0)]),
        unsubscribe(1, &props(), &["t"]),
        PINGREQ.to_vec(),
        disconnect(0, &props()),
        disconnect(4, &props()),
        auth(0x19, &props().text(id::AUTH_METHOD, "m")),
        ack(0x40, 1, 0, &props()),
        ack(0x62, 1, 0, &props()),
        connack(false, 0, &props()),
    ] {
        let mut client = Client::open(&broker);
        client.send_to_closing(&first);
        client.expect_closed();
    }
}

/// A second CONNECT is a protocol error.
#[test]
pub(crate) fn second_connect_is_a_protocol_error() {
    let broker = Broker::start(1);
    for packet in [connect("twice").bytes(), crate::common::connect("twice").bytes()] {
        let mut client = Client::connect_v5(&broker, "twice");
        client.send(&packet);
        let code = client.expect_answer(0xe0).codes;
        // A level of 3.1.1 is malformed by the rules of this connection.
        assert!(code == [0x82] || code == [0x81] && packet[8] == 4, "{code:02x?}");
        client.expect_closed();
    }
}

/// Another protocol name, or an unsupported version, is refused in a form that its client
/// understands.
#[test]
pub(crate) fn other_protocols_are_refused() {
    let broker = Broker::start(1);
    for level in [6, 7, 0x7f, 0x85, 0xff] {
        let packet = crate::common::connect("c").protocol("MQTT", level).bytes();
        let mut client = Client::open(&broker);
        client.send_to_closing(&packet);
        client.expect(&[0x20, 3, 0, 0x84, 0]);
        client.expect_closed();
    }
    for (name, level) in [("MQTT", 3), ("MQTT", 0), ("MQIsdp", 5), ("MQTT", 0x84)] {
        let packet = crate::common::connect("c").protocol(name, level).bytes();
        let mut client = Client::open(&broker);
        client.send_to_closing(&packet);
        client.expect(&[0x20, 2, 0, 1]);
        client.expect_closed();
    }
    for name in ["MQTX", "mqtt", "MQT"] {
        let mut client = Client::open(&broker);
        client.send_to_closing(&crate::common::connect("c").protocol(name, 5).bytes());
        client.expect_closed();
    }
}

/// A malformed CONNECT of MQTT 5 gets a CONNACK with the reason, at any number of shards.
#[test]
pub(crate) fn malformed_connect_is_answered() {
    let will = [&[0][..], &string("w"), &string("payload")].concat();
    on_shards(&[1, 4], |broker| {
        let id = string("c");
        let after_id = |rest: &[u8]| [&[0][..], &id, rest].concat();
        let with_will = |will: &[u8]| after_id(will);
        for bytes in [
            // Reserved: bit 0 of the flags, bits of the fixed header.
            raw(0x03, &after_id(&[])),
            [&[0x11][..], &raw(0x02, &after_id(&[]))[1..]].concat(),
            // No will: no will QoS, no retain. Will QoS 3.
            raw(0x0a, &after_id(&[])),
            raw(0x22, &after_id(&[])),
            raw(0x1e, &with_will(&will)),
            // A will without all its parts.
            raw(0x06, &after_id(&[])),
            raw(0x06, &with_will(&will[..1])),
            raw(0x06, &with_will(&will[..4])),
            raw(0x06, &with_will(&will[..will.len() - 1])),
            // Its topic: not UTF-8, NUL, a wildcard, empty.
            raw(0x06, &with_will(&[&[0][..], &string(b"\xed\xa0\x80"), &string("p")].concat())),
            raw(0x06, &with_will(&[&[0][..], &string("a\0"), &string("p")].concat())),
            raw(0x06, &with_will(&[&[0][..], &string("a/#"), &string("p")].concat())),
            raw(0x06, &with_will(&[&[0][..], &string(""), &string("p")].concat())),
            // User name and password: announced and missing, there and not announced.
            raw(0x82, &after_id(&[])),
            raw(0x42, &after_id(&[])),
            raw(0xc2, &after_id(&string("u"))),
            raw(0x02, &after_id(&string("u"))),
            raw(0x82, &after_id(&[string("u"), string("p")].concat())),
            raw(0x82, &after_id(&string(b"\xff"))),
            // The client id: missing, cut, not UTF-8, NUL.
            raw(0x02, &[0]),
            raw(0x02, &[0, 0, 2, b'c']),
            raw(0x02, &[&[0][..], &string(b"\xc0\x80")].concat()),
            raw(0x02, &[&[0][..], &string("a\0b")].concat()),
            // Properties: a padded length, an unknown one, one of another packet, a truncated one.
            raw(0x02, &[&[0x80, 0][..], &id].concat()),
            raw(0x02, &[&[2, 0x7f, 0][..], &id].concat()),
            raw(0x02, &[&[3, 0x23, 0, 1][..], &id].concat()),
            raw(0x02, &[&[2, 0x11, 0][..], &id].concat()),
            raw(
                0x06,
                &with_will(
                    &[&props().four(id::SESSION_EXPIRY, 1).bytes()[..], &will[1..]].concat(),
                ),
            ),
        ] {
            assert_refused(broker, &bytes, 0x81);
        }
    });
}

/// A CONNECT with a forbidden value is refused as a protocol error.
#[test]
pub(crate) fn connect_that_breaks_the_rules_is_answered() {
    on_shards(&[1, 4], |broker| {
        let twice = |props: Props| Props([props.0.clone(), props.0].concat());
        for props in [
            props().two(id::RECEIVE_MAXIMUM, 0),
            props().four(id::MAXIMUM_PACKET_SIZE, 0),
            props().byte(id::REQUEST_PROBLEM_INFORMATION, 2),
            props().byte(id::REQUEST_RESPONSE_INFORMATION, 2),
            props().binary(id::AUTH_DATA, "x"),
            twice(props().four(id::SESSION_EXPIRY, 1)),
            twice(props().two(id::RECEIVE_MAXIMUM, 1)),
            twice(props().two(id::TOPIC_ALIAS_MAXIMUM, 1)),
            twice(props().four(id::MAXIMUM_PACKET_SIZE, 100)),
            twice(props().text(id::AUTH_METHOD, "m")),
        ] {
            assert_refused(broker, &connect("c").with(|_| props).bytes(), 0x82);
        }
        let will = publish("w", "x").with(|props| props.four(id::WILL_DELAY, 1));
        let will = will.with(|props| props.four(id::WILL_DELAY, 2));
        assert_refused(broker, &connect("c").will(&will).bytes(), 0x82);
    });
}

/// A CONNECT that is too large is refused with its code, once its version was received.
#[test]
pub(crate) fn large_connect_is_answered() {
    let broker = Broker::start_with(1, &["--max-packet-size=100"]);
    assert_refused(&broker, &connect("c".repeat(100)).bytes(), 0x95);
    let broker = Broker::start(1);
    let will = publish("w", vec![b'x'; 65_000]);
    let large = connect("c").will(&will).username("u".repeat(1000));
    assert_refused(&broker, &large.bytes(), 0x95);
}

/// Fields stand in their order: id, will properties, topic and payload, user name, password.
#[test]
pub(crate) fn fields_are_read_in_order() {
    on_shards(&[1, 2], |broker| {
        let mut witness = Client::connect_v5(broker, "witness");
        witness.subscribe_v5("#", 0);
        for name in IDS {
            let will = publish("topic", "payload").with(|props| props.user("a", "b"));
            let packet = connect(name).will(&will).username("u").password("p");
            drop(Client::connect_v5_with(broker, &packet));
            witness.expect_publish_v5(&will);
            // A password needs no user name in this version.
            drop(Client::connect_v5_with(broker, &connect(name).will(&will).password("p")));
            witness.expect_publish_v5(&will);
        }
    });
}

/// Client ids of 1 to 23 letters and digits are accepted; longer ones as well, up to 1,024 bytes.
#[test]
pub(crate) fn client_ids_are_accepted() {
    let broker = Broker::start(2);
    for count in [1, 22, 23, 24, 1024] {
        let (client, connack) = Client::connect_v5_with(&broker, &connect("A".repeat(count)));
        assert!(!connack.props.has(id::ASSIGNED_CLIENT_ID));
        client.leave_v5();
    }
    Client::connect_v5(&broker, "0123456789abcdefghijklm");
    Client::connect_v5(&broker, "NOPQRSTUVWXYZnopqrstuvw");
    let mut client = Client::open(&broker);
    client.send(&connect("A".repeat(1025)).bytes());
    client.expect_connack(0x85);
    client.expect_closed();
}

/// CONNACK is sent first, once, with flags 0 or 1; packets behind CONNECT are handled after it, in
/// order.
#[test]
pub(crate) fn connack_is_the_first_packet() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            let mut client = Client::open(broker);
            let bytes = [
                connect(name).durable(100).bytes(),
                subscribe(1, &props(), &[("t", 0)]),
                publish("t", "x").bytes(),
                PINGREQ.to_vec(),
            ];
            client.send(&bytes.concat());
            let connack = client.read_packet();
            assert_eq!(connack[..4], [0x20, connack[1], 0, 0]);
            let came = client.read_to_fence_v5();
            assert_eq!(came.len(), 3, "SUBACK, PUBLISH, PINGRESP: {came:?}");
        }
    });
}

/// CONNACK contains only values that differ from the defaults.
#[test]
pub(crate) fn connack_tells_what_differs() {
    let told = |flags: &[&str]| {
        let broker = Broker::start_with(1, flags);
        Client::connect_v5_with(&broker, &connect("c").keep_alive(50)).1.props
    };
    let usual = told(&["--topic-alias-max=0"]);
    let size = id::MAXIMUM_PACKET_SIZE;
    assert_eq!(usual.without(size), props());
    assert_eq!(told(&["--topic-alias-max=7"]).number(id::TOPIC_ALIAS_MAXIMUM), Some(7));
    assert_eq!(told(&["--max-packet-size=1KiB"]).number(size), Some(1024));
    assert_eq!(told(&["--keep-alive-max=40"]).number(id::SERVER_KEEP_ALIVE), Some(40));
    assert_eq!(told(&["--keep-alive-max=50"]).number(id::SERVER_KEEP_ALIVE), None);
}

/// A keep alive that the server sets holds in the place of the client's, and one it leaves alone
/// is the client's.
#[test]
pub(crate) fn keep_alive_is_the_one_told() {
    let broker = Broker::start_with(1, &["--keep-alive-max=1"]);
    for asked in [0, 60_000] {
        let packet = connect("silent").keep_alive(asked);
        let (mut client, connack) = Client::connect_v5_with(&broker, &packet);
        assert_eq!(connack.props.number(id::SERVER_KEEP_ALIVE), Some(1));
        let why = client.expect_disconnect(0x8d);
        assert!(why.str(id::REASON_STRING).is_some_and(|why| why.contains("1 s")));
    }
    let broker = Broker::start(1);
    let (mut client, _) = Client::connect_v5_with(&broker, &connect("c").keep_alive(1));
    client.expect_disconnect(0x8d);
    let (mut client, _) = Client::connect_v5_with(&broker, &connect("c").keep_alive(0));
    client.hear_nothing_for(std::time::Duration::from_secs(2));
    client.send(PINGREQ);
    client.expect(PINGRESP);
}

/// Of a refused client only the CONNECT is handled, and its session is not disclosed.
#[test]
pub(crate) fn refused_client_is_not_heard() {
    on_shards(&[1, 2, 4], |broker| {
        let mut witness = Client::connect_v5(broker, "witness");
        witness.subscribe_v5("t", 0);
        for name in IDS {
            Client::resume_v5(broker, &connect(name).durable(100), false).leave_v5();
            let refused = connect(name).durable(100).with(|p| p.text(id::AUTH_METHOD, "unknown"));
            let mut client = Client::open(broker);
            client.send_to_closing(&[refused.bytes(), publish("t", "x").bytes()].concat());
            // Session present is 0 though there is one: `expect_connack` looks.
            client.expect_connack(0x8c);
            client.expect_closed();
            Client::resume_v5(broker, &connect(name).resume(), true).leave_v5();
        }
        witness.expect_silence_v5();
    });
}

/// A client that takes over is accepted, and the old connection gets the reason.
#[test]
pub(crate) fn takeover_is_told() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            for (first, second) in [
                (connect(name), connect(name)),
                (connect(name).durable(100), connect(name).durable(100)),
                (connect(name).durable(100), connect(name)),
            ] {
                let (mut old, _) = Client::connect_v5_with(broker, &first);
                let (new, _) = Client::connect_v5_with(broker, &second);
                let why = old.expect_disconnect(0x8e);
                assert!(why.str(id::REASON_STRING).is_some_and(|why| why.contains("taken over")));
                assert!(!why.has(id::SESSION_EXPIRY), "a server may not set it");
                new.leave_v5();
            }
            let old = crate::common::resume_as(broker, name, false);
            let new = Client::resume_v5(broker, &connect(name), false);
            let mut old = old;
            old.expect_closed();
            drop(new);
        }
    });
}

/// Words that do not fit the client's packet size are left out of CONNACK.
#[test]
pub(crate) fn connack_fits_the_client() {
    let broker = Broker::start(1);
    let refused = |bytes_max| {
        let size = |props: Props| props.four(id::MAXIMUM_PACKET_SIZE, bytes_max);
        let mut client = Client::open(&broker);
        client.send(&connect("A".repeat(1025)).with(size).bytes());
        let packet = client.read_packet();
        client.expect_closed();
        packet
    };
    let whole = refused(u32::MAX);
    assert!(whole.len() > 10 && whole.len() < 64 && refused(64) == whole, "{whole:02x?}");
    // Acknowledgements would not fit.
    for bytes_max in [1, 20, 63] {
        let mut client = Client::open(&broker);
        let size = |props: Props| props.four(id::MAXIMUM_PACKET_SIZE, bytes_max);
        client.send(&connect("small").with(size).bytes());
        client.expect(&connack(false, 0x95, &props()));
        client.expect_closed();
    }
}

/// Response information is sent only on request, and so is an authentication method.
#[test]
pub(crate) fn connack_has_nothing_unasked() {
    let broker = Broker::start(1);
    for asked in [None, Some(0), Some(1)] {
        let packet = connect("c").with(|props| match asked {
            Some(value) => props.byte(id::REQUEST_RESPONSE_INFORMATION, value),
            None => props,
        });
        let (_, connack) = Client::connect_v5_with(&broker, &packet);
        for unasked in [id::AUTH_METHOD, id::AUTH_DATA, id::MAXIMUM_QOS, id::RETAIN_AVAILABLE] {
            assert!(!connack.props.has(unasked), "{connack:?}");
        }
        assert!(!connack.props.has(id::RESPONSE_INFORMATION), "{connack:?}");
    }
}
