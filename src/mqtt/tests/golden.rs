//! Packets and their bytes, written by hand from the standard.

use super::super::{
    Ack, AckKind, Connack, Connect, ConnectReturn, Disconnect, Packet, PacketId, Properties,
    Publish, PublishProperties, QoS, ReasonCode, Suback, Subscribe, SubscribeEntry, TopicFilter,
    Unsuback, Unsubscribe, Version, Will, WillProperties, decode, peek_frame,
};
use super::{decode_whole, encode, id, topic};
use Version::{V31, V311};

const EMPTY: Properties<'static> = Properties::EMPTY;

const CONNECT: Connect<'static> = Connect {
    version: V311,
    clean_session: true,
    keep_alive_s: 60,
    client_id: "dev",
    will: None,
    username: None,
    password: None,
    properties: EMPTY,
};

fn publish(qos: QoS, packet_id: Option<PacketId>, payload: &[u8]) -> Publish<'_> {
    let (topic, properties) = (Some(topic("a/b")), PublishProperties::EMPTY);
    Publish { dup: false, qos, retain: false, topic, packet_id, properties, payload }
}

/// Calls `check` with every packet of the table and its bytes.
pub(super) fn for_each(mut check: impl FnMut(Version, Packet<'_>, &[u8])) {
    connects(&mut check);
    publishes(&mut check);
    acks(&mut check);
    lists(&mut check);
    let mut check = |packet, bytes: &[u8]| {
        check(V31, packet, bytes);
        check(V311, packet, bytes);
    };
    check(Packet::Pingreq, &[0xc0, 0]);
    check(Packet::Pingresp, &[0xd0, 0]);
    check(Packet::Disconnect(Disconnect::default()), &[0xe0, 0]);
}

fn connects(check: &mut impl FnMut(Version, Packet<'_>, &[u8])) {
    check(V311, Packet::Connect(CONNECT), b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03dev");
    check(
        V31,
        Packet::Connect(Connect { version: V31, ..CONNECT }),
        b"\x10\x11\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x03dev",
    );
    // An empty client id decodes with any clean session flag; the broker decides.
    for (clean_session, flags) in [(true, 2), (false, 0)] {
        check(
            V311,
            Packet::Connect(Connect { client_id: "", clean_session, ..CONNECT }),
            &[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 60, 0, 0],
        );
        check(
            V31,
            Packet::Connect(Connect { version: V31, client_id: "", clean_session, ..CONNECT }),
            &[0x10, 14, 0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, flags, 0, 60, 0, 0],
        );
    }
    let will = Will {
        topic: topic("w/t"),
        payload: b"\x00gone",
        qos: QoS::ExactlyOnce,
        retain: true,
        properties: WillProperties::EMPTY,
    };
    check(
        V311,
        Packet::Connect(Connect {
            clean_session: false,
            keep_alive_s: 0xffff,
            will: Some(will),
            username: Some("us\u{e9}r"),
            password: Some(b"\x00\xff"),
            ..CONNECT
        }),
        b"\x10\x26\x00\x04MQTT\x04\xf4\xff\xff\x00\x03dev\x00\x03w/t\x00\x05\x00gone\
          \x00\x05us\xc3\xa9r\x00\x02\x00\xff",
    );
    let will = Will { qos: QoS::AtLeastOnce, retain: false, payload: b"", ..will };
    check(
        V31,
        Packet::Connect(Connect { version: V31, will: Some(will), username: Some(""), ..CONNECT }),
        b"\x10\x1a\x00\x06MQIsdp\x03\x8e\x00\x3c\x00\x03dev\x00\x03w/t\x00\x00\x00\x00",
    );
}

fn publishes(check: &mut impl FnMut(Version, Packet<'_>, &[u8])) {
    let long = [0x55; 200];
    let mut long_bytes = b"\x30\xcd\x01\x00\x03a/b".to_vec();
    long_bytes.extend_from_slice(&long);
    let at_least = publish(QoS::AtLeastOnce, Some(id(10)), b"hi");
    let table = [
        (publish(QoS::AtMostOnce, None, b"hi"), &b"\x30\x07\x00\x03a/bhi"[..]),
        (publish(QoS::AtMostOnce, None, b""), b"\x30\x05\x00\x03a/b"),
        (publish(QoS::AtMostOnce, None, &long), &long_bytes),
        (at_least, b"\x32\x09\x00\x03a/b\x00\x0ahi"),
        (Publish { dup: true, retain: true, ..at_least }, b"\x3b\x09\x00\x03a/b\x00\x0ahi"),
        (publish(QoS::ExactlyOnce, Some(id(0xffff)), b""), b"\x34\x07\x00\x03a/b\xff\xff"),
        (
            Publish {
                retain: true,
                topic: Some(topic("\u{feff}度")),
                ..publish(QoS::AtMostOnce, None, b"")
            },
            b"\x31\x08\x00\x06\xef\xbb\xbf\xe5\xba\xa6",
        ),
    ];
    for (publish, bytes) in table {
        check(V31, Packet::Publish(publish), bytes);
        check(V311, Packet::Publish(publish), bytes);
    }
}

fn acks(check: &mut impl FnMut(Version, Packet<'_>, &[u8])) {
    let ack = Ack { packet_id: id(0x1234), reason: ReasonCode::Success, properties: EMPTY };
    let unsuback = Unsuback { packet_id: id(0x1234), properties: EMPTY, codes: &[] };
    for version in [V31, V311] {
        check(version, Packet::Puback(ack), &[0x40, 2, 0x12, 0x34]);
        check(version, Packet::Pubrec(ack), &[0x50, 2, 0x12, 0x34]);
        check(version, Packet::Pubrel(ack), &[0x62, 2, 0x12, 0x34]);
        check(version, Packet::Pubcomp(ack), &[0x70, 2, 0x12, 0x34]);
        check(version, Packet::Unsuback(unsuback), &[0xb0, 2, 0x12, 0x34]);
        for reason in 0..=5 {
            let connack = Connack { session_present: false, reason, properties: EMPTY };
            check(version, Packet::Connack(connack), &[0x20, 2, 0, reason]);
        }
    }
    let connack = Connack { session_present: true, reason: 0, properties: EMPTY };
    check(V311, Packet::Connack(connack), &[0x20, 2, 1, 0]);
}

fn lists(check: &mut impl FnMut(Version, Packet<'_>, &[u8])) {
    let mut scratch = Vec::new();
    for version in [V31, V311] {
        let entries = [("a/b", QoS::AtLeastOnce), ("#", QoS::ExactlyOnce), ("/", QoS::AtMostOnce)];
        check(
            version,
            Packet::Subscribe(Subscribe::new(id(10), &entries, &mut scratch)),
            b"\x82\x10\x00\x0a\x00\x03a/b\x01\x00\x01#\x02\x00\x01/\x00",
        );
        check(
            version,
            Packet::Unsubscribe(Unsubscribe::new(id(10), &["a/b", "+"], &mut scratch)),
            b"\xa2\x0a\x00\x0a\x00\x03a/b\x00\x01+",
        );
        let codes = &[0, 1, 2, Suback::FAILURE];
        check(
            version,
            Packet::Suback(Suback { packet_id: id(10), properties: EMPTY, codes }),
            b"\x90\x06\x00\x0a\x00\x01\x02\x80",
        );
    }
}

// Each packet encodes to its golden bytes and decodes from them.
#[test]
fn golden_bytes() {
    let mut kinds = 0u32;
    for_each(|version, packet, bytes| {
        assert_eq!(encode(version, &packet), bytes, "{packet:?}");
        assert_eq!(decode_whole(version, bytes), Ok(packet), "{bytes:x?}");
        assert_eq!(peek_frame(version, bytes, 1000).unwrap().unwrap().kind(), Ok(packet.kind()));
        kinds |= 1 << packet.kind() as u8;
    });
    assert_eq!(kinds, 0x7ffe, "every packet type of 3.x is in the table");
}

// Bytes after the packet in the buffer are not read, and CONNECT ignores the given version.
#[test]
fn decode_takes_one_packet() {
    for_each(|version, packet, bytes| {
        let mut longer = bytes.to_vec();
        longer.extend_from_slice(&[0xff; 5]);
        let frame = peek_frame(version, &longer, bytes.len()).unwrap().unwrap();
        assert_eq!(decode(version, frame, &longer), Ok(packet));
        if matches!(packet, Packet::Connect(_)) {
            for other in [V31, V311, Version::V5] {
                assert_eq!(decode(other, frame, &longer), Ok(packet));
            }
        }
    });
}

// The constant encodings equal the general ones.
#[test]
fn constants() {
    let ack = Ack::new(id(0x1234));
    let table = [
        (AckKind::Puback, Packet::Puback(ack)),
        (AckKind::Pubrec, Packet::Pubrec(ack)),
        (AckKind::Pubrel, Packet::Pubrel(ack)),
        (AckKind::Pubcomp, Packet::Pubcomp(ack)),
    ];
    for (kind, packet) in table {
        assert_eq!(Ack::bytes_v3(kind, id(0x1234))[..], encode(V311, &packet));
    }
    assert_eq!(Packet::PINGREQ[..], encode(V311, &Packet::Pingreq));
    assert_eq!(Packet::PINGRESP[..], encode(V311, &Packet::Pingresp));
    assert_eq!(Unsuback::bytes_v3(id(0x1234)), [0xb0, 2, 0x12, 0x34]);
    let accepted = ConnectReturn::Accepted;
    assert_eq!(Connack::bytes_v3(V311, true, accepted), [0x20, 2, 1, 0]);
    // [MQTT-3.2.2-4], and 3.1 has no session present flag.
    assert_eq!(Connack::bytes_v3(V311, true, ConnectReturn::NotAuthorized), [0x20, 2, 0, 5]);
    assert_eq!(Connack::bytes_v3(V31, true, accepted), [0x20, 2, 0, 0]);
}

// The filters of a list are decoded unchanged, in their order.
#[test]
fn lists_keep_their_filters() {
    let mut scratch = Vec::new();
    let texts = ["a/#", "+", "/", "b", "a/#"];
    let filters = texts.map(|text| TopicFilter::parse(text).unwrap());
    let entries = texts.map(|text| (text, QoS::AtLeastOnce));
    let packet = Packet::Subscribe(Subscribe::new(id(1), &entries, &mut scratch));
    let bytes = encode(V311, &packet);
    let Ok(Packet::Subscribe(subscribe)) = decode_whole(V311, &bytes) else {
        panic!("a SUBSCRIBE");
    };
    let entry = |filter| SubscribeEntry::new(filter, QoS::AtLeastOnce);
    assert!(subscribe.entries().eq(filters.map(entry)));

    let packet = Packet::Unsubscribe(Unsubscribe::new(id(1), &texts, &mut scratch));
    let bytes = encode(V311, &packet);
    let Ok(Packet::Unsubscribe(unsubscribe)) = decode_whole(V311, &bytes) else {
        panic!("an UNSUBSCRIBE");
    };
    assert!(unsubscribe.filters().eq(filters));
}

// A log line with a CONNECT does not contain its password.
#[test]
fn debug_hides_the_password() {
    let connect = Connect { username: Some("u"), password: Some(b"\xab\xcd"), ..CONNECT };
    let text = format!("{:?}", Packet::Connect(connect));
    assert!(text.contains("hidden") && !text.contains("171"), "{text}");
}
