//! Two codecs of MQTT 5 that know nothing of each other agree: that of the tests, and the broker's.

use ringmq::mqtt::{Packet as Decoded, PacketKind, Version, decode, peek_frame};

use crate::common::v5::{self, Answer, Packet, Props, id, props};

/// Each property that there is, with an edge of its type.
fn every_property() -> Props {
    props()
        .byte(id::PAYLOAD_FORMAT, 1)
        .four(id::MESSAGE_EXPIRY, u32::MAX)
        .text(id::CONTENT_TYPE, "")
        .text(id::RESPONSE_TOPIC, "a/b")
        .binary(id::CORRELATION_DATA, [0, 0xff])
        .varint(id::SUBSCRIPTION_ID, 268_435_455)
        .four(id::SESSION_EXPIRY, 0)
        .text(id::ASSIGNED_CLIENT_ID, "温度")
        .two(id::SERVER_KEEP_ALIVE, 0)
        .text(id::AUTH_METHOD, "M")
        .binary(id::AUTH_DATA, "")
        .byte(id::REQUEST_PROBLEM_INFORMATION, 0)
        .four(id::WILL_DELAY, 1)
        .byte(id::REQUEST_RESPONSE_INFORMATION, 1)
        .text(id::RESPONSE_INFORMATION, "r")
        .text(id::SERVER_REFERENCE, "s")
        .text(id::REASON_STRING, &"x".repeat(200))
        .two(id::RECEIVE_MAXIMUM, 1)
        .two(id::TOPIC_ALIAS_MAXIMUM, u16::MAX)
        .two(id::TOPIC_ALIAS, u16::MAX)
        .byte(id::MAXIMUM_QOS, 0)
        .byte(id::RETAIN_AVAILABLE, 0)
        .user("", "")
        .four(id::MAXIMUM_PACKET_SIZE, 1)
        .byte(id::WILDCARD_AVAILABLE, 1)
        .byte(id::SUBSCRIPTION_ID_AVAILABLE, 0)
        .byte(id::SHARED_AVAILABLE, 0)
        .user("k", "v")
}

/// Those properties whose identifiers are in the list, in the order of the properties.
fn only(ids: &[u8]) -> Props {
    Props(every_property().0.into_iter().filter(|(id, _)| ids.contains(id)).collect())
}

const PUBLISH_IDS: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26];
const WILL_IDS: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26];
const CONNECT_IDS: &[u8] = &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27];
const CONNACK_IDS: &[u8] = &[
    0x11, 0x12, 0x13, 0x15, 0x16, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29,
    0x2a,
];

/// Packets as the tests write them.
fn written() -> Vec<Vec<u8>> {
    let message = v5::publish("a/b", "hi");
    let with = |message: &v5::Publish, ids| message.clone().with(|_| only(ids));
    let (connect, reasons) = (v5::connect("id"), only(&[0x1f, 0x26]));
    let will = with(&message, WILL_IDS).at(2).retained();
    let mut packets = vec![
        connect.bytes(),
        v5::connect("").resume().keep_alive(9).password("p").bytes(),
        connect.with(|_| only(CONNECT_IDS)).will(&will).username("u").password("p").bytes(),
        message.bytes(),
        with(&message, PUBLISH_IDS).bytes(),
        with(&message, PUBLISH_IDS).qos1(1).again().retained().bytes(),
        with(&v5::publish("", ""), &[0x23]).qos2(0xffff).bytes(),
        message
            .with(|_| props().varint(id::SUBSCRIPTION_ID, 1).varint(id::SUBSCRIPTION_ID, 128))
            .bytes(),
        v5::connack(true, 0, &props()),
        v5::connack(false, 0x87, &only(CONNACK_IDS)),
        v5::subscribe(1, &props(), &[("a", 0), ("$share/g/+", 0x2a), ("#", 0x15)]),
        v5::subscribe(1, &only(&[0x0b, 0x26]), &[("a", 2)]),
        v5::suback(1, &[0, 1, 2, 0x87]),
        v5::unsubscribe(1, &only(&[0x26]), &["a", "+/#"]),
        v5::unsuback(1, &[0, 0x11]),
        v5::disconnect(0, &props()),
        v5::disconnect(4, &props()),
        v5::disconnect(0, &only(&[0x11, 0x1f, 0x26])),
        v5::auth(0x18, &only(&[0x15, 0x16, 0x1f, 0x26])),
    ];
    for (first, code) in [(0x40, 0x10), (0x50, 0x97), (0x62, 0x92), (0x70, 0x92)] {
        for code in [0, code] {
            packets.push(v5::ack(first, 1, code, &props()));
            packets.push(v5::ack(first, 1, code, &reasons));
        }
    }
    packets
}

// The broker's codec reads what the tests write and writes the same bytes; the tests read those
// again.
#[test]
fn codecs_agree() {
    let mut kinds = 0u32;
    for bytes in written() {
        let frame = peek_frame(Version::V5, &bytes, bytes.len()).expect("MQTT").expect("whole");
        let packet =
            decode(Version::V5, frame, &bytes).unwrap_or_else(|e| panic!("{e}: {bytes:x?}"));
        let mut again = Vec::new();
        packet.encode(Version::V5, &mut again);
        assert_eq!(again, bytes, "{packet:?}");
        kinds |= 1 << packet.kind() as u8;
        let from_clients = [PacketKind::Connect, PacketKind::Subscribe, PacketKind::Unsubscribe];
        if from_clients.contains(&packet.kind()) {
            continue;
        }
        let read = match (Packet::parse(&bytes), packet) {
            (Packet::Publish(publish), Decoded::Publish(decoded)) => {
                assert_eq!(publish.payload, decoded.payload);
                assert_eq!(
                    publish.topic,
                    decoded.topic.map_or("", |topic| topic.as_str()).as_bytes()
                );
                let ids = decoded.properties.subscription_ids().map(|id| id.get());
                assert!(ids.eq(publish.props.subscription_ids()));
                publish.bytes()
            }
            (Packet::Answer(answer), _) => write(&answer),
            (other, packet) => panic!("{other:?} is {packet:?}"),
        };
        assert_eq!(read, bytes);
    }
    assert_eq!(kinds, 0xcffe, "all but the pings, which have no form of their own");
}

fn write(answer: &Answer) -> Vec<u8> {
    let Answer { first, flags, id, codes, props } = answer;
    match first {
        0x20 => v5::connack(*flags == 1, codes[0], props),
        0x90 => v5::suback(*id, codes),
        0xb0 => v5::unsuback(*id, codes),
        0xe0 => v5::disconnect(codes[0], props),
        0xf0 => v5::auth(codes[0], props),
        first => v5::ack(*first, *id, codes[0], props),
    }
}
