//! Packets of MQTT 5 and their bytes, written by hand from the standard.

use super::super::{
    Ack, Auth, AuthProperties, Carrier, Connack, ConnackProperties, Connect, ConnectProperties,
    Disconnect, DisconnectProperties, Packet, PacketKind, Properties, Property, PropertyId,
    Publish, PublishProperties, QoS, ReasonCode, RetainHandling, SESSION_NEVER_EXPIRES, Suback,
    Subscribe, SubscribeEntry, SubscriptionId, TopicAlias, TopicFilter, Unsuback, Unsubscribe,
    Value, Version, Will, WillProperties, decode, peek_frame,
};
use super::{decode_whole, encode, id, topic};
use PropertyId as Id;
use Version::V5;

/// Calls `check` with every packet of the table and its bytes.
pub(super) fn for_each(mut check: impl FnMut(Version, Packet<'_>, &[u8])) {
    let mut check = |packet: Packet<'_>, bytes: &[u8]| check(V5, packet, bytes);
    connects(&mut check);
    connacks(&mut check);
    publishes(&mut check);
    acks(&mut check);
    lists(&mut check);
    ends(&mut check);
}

fn laid_out(kind: PacketKind, properties: &[Property<'_>]) -> Vec<u8> {
    let mut scratch = b"from before".to_vec();
    Properties::lay_out(Carrier::Packet(kind), properties.iter().copied(), &mut scratch);
    scratch
}

/// Bytes as properties, which only the decoder can make.
fn properties(kind: PacketKind, bytes: &[u8]) -> Properties<'_> {
    super::super::properties::check(Carrier::Packet(kind), None, bytes, |_, _, _| {})
        .expect("properties of this packet");
    Properties::checked_before(bytes)
}

fn connects(check: &mut impl FnMut(Packet<'_>, &[u8])) {
    let bare = Connect {
        version: V5,
        clean_session: true,
        keep_alive_s: 60,
        client_id: "dev",
        will: None,
        username: None,
        password: None,
        properties: Properties::EMPTY,
    };
    check(Packet::Connect(bare), b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03dev");
    // A password without a user name is permitted.
    check(
        Packet::Connect(Connect { client_id: "", password: Some(b"\x00"), ..bare }),
        b"\x10\x10\x00\x04MQTT\x05\x42\x00\x3c\x00\x00\x00\x00\x01\x00",
    );
    let mut scratch = Vec::new();
    let wanted = ConnectProperties {
        session_expiry_s: SESSION_NEVER_EXPIRES,
        receive_max: 0x0102,
        packet_bytes_max: 0x0003_0405,
        topic_alias_max: 7,
        request_response_information: true,
        request_problem_information: false,
        authentication_method: Some("M"),
        authentication_data: Some(b"\x00\xff"),
    };
    let list = wanted.lay_out(&[("k", ""), ("", "v")], &mut scratch);
    assert_eq!(ConnectProperties::of(list), wanted);
    assert!(list.user_properties().eq([("k", ""), ("", "v")]));
    let will_bytes = b"\x18\x00\x00\x00\x05\x01\x01\x02\x00\x00\x00\x09\x03\x00\x01c\x08\x00\x01r\
                       \x09\x00\x00\x26\x00\x01a\x00\x01b\x26\x00\x01a\x00\x01b";
    let will = Will {
        topic: topic("w"),
        payload: b"p",
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: WillProperties::from_wire(will_bytes).unwrap(),
    };
    let full = Connect {
        clean_session: false,
        will: Some(will),
        username: Some("u"),
        password: Some(b""),
        properties: list,
        ..bare
    };
    let head = b"\x10\x6a\x00\x04MQTT\x05\xec\x00\x3c\
                 \x29\x11\xff\xff\xff\xff\x21\x01\x02\x27\x00\x03\x04\x05\x22\x00\x07\
                 \x19\x01\x17\x00\x15\x00\x01M\x16\x00\x02\x00\xff\
                 \x26\x00\x01k\x00\x00\x26\x00\x00\x00\x01v\x00\x03dev\x25";
    let tail = b"\x00\x01w\x00\x01p\x00\x01u\x00\x00";
    check(Packet::Connect(full), &[&head[..], will_bytes, tail].concat());
}

fn connacks(check: &mut impl FnMut(Packet<'_>, &[u8])) {
    let connack = |session_present, reason: ReasonCode, properties| {
        Packet::Connack(Connack { session_present, reason: reason as u8, properties })
    };
    check(connack(false, ReasonCode::Success, Properties::EMPTY), &[0x20, 3, 0, 0, 0]);
    check(connack(true, ReasonCode::Success, Properties::EMPTY), &[0x20, 3, 1, 0, 0]);
    let refused = connack(false, ReasonCode::UnsupportedProtocolVersion, Properties::EMPTY);
    check(refused, &[0x20, 3, 0, 0x84, 0]);
    assert_eq!(
        Connack::refusal_v5(ReasonCode::UnsupportedProtocolVersion)[..],
        [0x20, 3, 0, 0x84, 0]
    );
    let mut scratch = Vec::new();
    assert!(ConnackProperties::default().lay_out(&[], &mut scratch).is_empty());
    let told = ConnackProperties {
        session_expiry_s: Some(0),
        receive_max: 1,
        qos_max: QoS::AtMostOnce,
        retain_available: false,
        packet_bytes_max: 0x0100_0000,
        assigned_client_id: Some("id"),
        topic_alias_max: 64,
        reason_string: Some("why"),
        wildcard_available: false,
        subscription_id_available: false,
        shared_available: false,
        keep_alive_s: Some(0),
        response_information: Some("r"),
        server_reference: Some("s"),
        authentication_method: Some("M"),
        authentication_data: Some(b"d"),
    };
    let list = told.lay_out(&[("k", "v")], &mut scratch);
    assert_eq!(ConnackProperties::of(list), told);
    check(
        connack(false, ReasonCode::Success, list),
        b"\x20\x42\x00\x00\x3f\x11\x00\x00\x00\x00\x21\x00\x01\x24\x00\x25\x00\x27\x01\x00\x00\x00\
          \x12\x00\x02id\x22\x00\x40\x28\x00\x29\x00\x2a\x00\x13\x00\x00\x1a\x00\x01r\x1c\x00\x01s\
          \x15\x00\x01M\x16\x00\x01d\x1f\x00\x03why\x26\x00\x01k\x00\x01v",
    );
}

fn publishes(check: &mut impl FnMut(Packet<'_>, &[u8])) {
    let bare = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: Some(topic("a/b")),
        packet_id: None,
        properties: PublishProperties::EMPTY,
        payload: b"hi",
    };
    check(Packet::Publish(bare), b"\x30\x08\x00\x03a/b\x00hi");
    let at_least = Publish { qos: QoS::AtLeastOnce, packet_id: Some(id(10)), ..bare };
    check(Packet::Publish(at_least), b"\x32\x0a\x00\x03a/b\x00\x0a\x00hi");
    let once = Publish { qos: QoS::ExactlyOnce, dup: true, retain: true, ..at_least };
    check(Packet::Publish(once), b"\x3d\x0a\x00\x03a/b\x00\x0a\x00hi");
    let with = |list: &[u8], check: &mut dyn FnMut(Packet<'_>, &[u8])| {
        let properties = PublishProperties::from_wire(None, list).unwrap();
        let length = u8::try_from(list.len()).unwrap();
        let body = [b"\x00\x03a/b", &[length][..], list, b"hi"].concat();
        let bytes = [&[0x30, u8::try_from(body.len()).unwrap()][..], &body].concat();
        check(Packet::Publish(Publish { properties, ..bare }), &bytes);
    };
    for list in [
        &b"\x01\x00"[..],
        b"\x02\x00\x00\x00\x00",
        b"\x03\x00\x00",
        b"\x08\x00\x01/",
        b"\x09\x00\x02\x00\xff",
        b"\x0b\x01",
        b"\x0b\xff\xff\xff\x7f\x0b\x80\x01",
        b"\x23\xff\xff",
        b"\x26\x00\x00\x00\x00",
        b"\x26\x00\x01a\x00\x01b\x23\x00\x01\x02\x00\x00\x00\x09\x26\x00\x01a\x00\x01b\x01\x01",
    ] {
        with(list, check);
    }
    // An alias without a topic.
    let properties = PublishProperties::from_wire(None, b"\x23\x01\x02").unwrap();
    assert_eq!(properties.alias(), TopicAlias::new(0x102));
    let aliased = Publish { topic: None, properties, payload: b"", ..bare };
    check(Packet::Publish(aliased), b"\x30\x06\x00\x00\x03\x23\x01\x02");
    // A property length of two bytes.
    let long = [&b"\x26\x00\x01k\x00\xff"[..], &[b'v'; 255]].concat();
    let properties = PublishProperties::from_wire(None, &long).unwrap();
    let bytes = [b"\x30\x8e\x02\x00\x03a/b\x85\x02", &long[..], b"hi"].concat();
    check(Packet::Publish(Publish { properties, ..bare }), &bytes);
}

fn acks(check: &mut impl FnMut(Packet<'_>, &[u8])) {
    type Make = fn(Ack<'_>) -> Packet<'_>;
    let kinds: [(u8, PacketKind, Make); 4] = [
        (0x40, PacketKind::Puback, |ack| Packet::Puback(ack)),
        (0x50, PacketKind::Pubrec, |ack| Packet::Pubrec(ack)),
        (0x62, PacketKind::Pubrel, |ack| Packet::Pubrel(ack)),
        (0x70, PacketKind::Pubcomp, |ack| Packet::Pubcomp(ack)),
    ];
    for (first, kind, packet) in kinds {
        let is_released = matches!(kind, PacketKind::Pubrel | PacketKind::Pubcomp);
        let reason =
            if is_released { ReasonCode::PacketIdNotFound } else { ReasonCode::QuotaExceeded };
        let success = Ack::new(id(0x1234));
        check(packet(success), &[first, 2, 0x12, 0x34]);
        let failure = Ack { reason, ..success };
        check(packet(failure), &[first, 3, 0x12, 0x34, reason as u8]);
        let bytes = b"\x1f\x00\x01r\x26\x00\x01k\x00\x01v\x26\x00\x00\x00\x00";
        let properties = properties(kind, bytes);
        check(
            packet(Ack { properties, ..failure }),
            &[&[first, 20, 0x12, 0x34, reason as u8, 16][..], bytes].concat(),
        );
        check(
            packet(Ack { properties, ..success }),
            &[&[first, 20, 0x12, 0x34, 0, 16][..], bytes].concat(),
        );
    }
}

fn lists(check: &mut impl FnMut(Packet<'_>, &[u8])) {
    let mut scratch = Vec::new();
    let filter = |text| TopicFilter::parse(text).unwrap();
    let plain = SubscribeEntry::new(filter("a/b"), QoS::AtLeastOnce);
    let entries = [
        plain,
        SubscribeEntry { no_local: true, ..plain },
        SubscribeEntry { filter: filter("$share/g/#"), retain_as_published: true, ..plain },
        SubscribeEntry { retain_handling: RetainHandling::IfNew, ..plain },
        SubscribeEntry {
            filter: filter("+"),
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::Never,
        },
    ];
    let subscribe = Subscribe::lay_out(id(10), Properties::EMPTY, entries, &mut scratch);
    assert!(subscribe.entries().eq(entries));
    assert_eq!(subscribe.subscription_id(), None);
    check(
        Packet::Subscribe(subscribe),
        b"\x82\x26\x00\x0a\x00\x00\x03a/b\x01\x00\x03a/b\x05\x00\x0a$share/g/#\x09\x00\x03a/b\x11\
          \x00\x01+\x2e",
    );
    let list = laid_out(
        PacketKind::Subscribe,
        &[
            Property { id: Id::SubscriptionId, value: Value::VariableByteInteger(128) },
            Property { id: Id::UserProperty, value: Value::StringPair("k", "v") },
        ],
    );
    let list = properties(PacketKind::Subscribe, &list);
    let subscribe = Subscribe::lay_out(id(1), list, [plain], &mut scratch);
    assert_eq!(subscribe.subscription_id(), SubscriptionId::new(128));
    check(
        Packet::Subscribe(subscribe),
        b"\x82\x13\x00\x01\x0a\x0b\x80\x01\x26\x00\x01k\x00\x01v\x00\x03a/b\x01",
    );

    let user = b"\x26\x00\x01k\x00\x01v";
    let unsubscribe = Unsubscribe::new(id(10), &["a/b", "$share/g/+"], &mut scratch);
    check(Packet::Unsubscribe(unsubscribe), b"\xa2\x14\x00\x0a\x00\x00\x03a/b\x00\x0a$share/g/+");
    let list = properties(PacketKind::Unsubscribe, user);
    let filters = [filter("a/b"), filter("$share/g/+")];
    check(
        Packet::Unsubscribe(Unsubscribe::lay_out(id(10), list, filters, &mut scratch)),
        b"\xa2\x1b\x00\x0a\x07\x26\x00\x01k\x00\x01v\x00\x03a/b\x00\x0a$share/g/+",
    );

    let reason = b"\x1f\x00\x00\x26\x00\x01k\x00\x01v";
    let codes = [0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
    let suback = Suback { packet_id: id(10), properties: Properties::EMPTY, codes: &codes };
    check(
        Packet::Suback(suback),
        b"\x90\x0f\x00\x0a\x00\x00\x01\x02\x80\x83\x87\x8f\x91\x97\x9e\xa1\xa2",
    );
    let list = properties(PacketKind::Suback, reason);
    check(
        Packet::Suback(Suback { properties: list, codes: &[0], ..suback }),
        b"\x90\x0e\x00\x0a\x0a\x1f\x00\x00\x26\x00\x01k\x00\x01v\x00",
    );
    let codes = [0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91];
    let unsuback = Unsuback { packet_id: id(10), properties: Properties::EMPTY, codes: &codes };
    check(Packet::Unsuback(unsuback), b"\xb0\x0a\x00\x0a\x00\x00\x11\x80\x83\x87\x8f\x91");
    let list = properties(PacketKind::Unsuback, reason);
    check(
        Packet::Unsuback(Unsuback { properties: list, codes: &[0], ..unsuback }),
        b"\xb0\x0e\x00\x0a\x0a\x1f\x00\x00\x26\x00\x01k\x00\x01v\x00",
    );
}

fn disconnect(reason: ReasonCode, properties: Properties<'_>) -> Packet<'_> {
    Packet::Disconnect(Disconnect { reason, properties })
}

fn ends(check: &mut impl FnMut(Packet<'_>, &[u8])) {
    check(Packet::Pingreq, &[0xc0, 0]);
    check(Packet::Pingresp, &[0xd0, 0]);
    check(Packet::Disconnect(Disconnect::default()), &[0xe0, 0]);
    check(disconnect(ReasonCode::DisconnectWithWill, Properties::EMPTY), &[0xe0, 1, 4]);
    check(disconnect(ReasonCode::SessionTakenOver, Properties::EMPTY), &[0xe0, 1, 0x8e]);
    let mut scratch = Vec::new();
    let leaves = DisconnectProperties {
        session_expiry_s: Some(60),
        server_reference: None,
        reason_string: Some("bye"),
    };
    let list = leaves.lay_out(&[("k", "v")], &mut scratch);
    assert_eq!(DisconnectProperties::of(list), leaves);
    check(
        disconnect(ReasonCode::Success, list),
        b"\xe0\x14\x00\x12\x11\x00\x00\x00\x3c\x1f\x00\x03bye\x26\x00\x01k\x00\x01v",
    );
    let moved = DisconnectProperties { server_reference: Some("s"), ..Default::default() };
    let list = moved.lay_out(&[], &mut scratch);
    assert_eq!(DisconnectProperties::of(list), moved);
    check(disconnect(ReasonCode::ServerMoved, list), b"\xe0\x06\x9d\x04\x1c\x00\x01s");

    let step = AuthProperties { method: "M", data: Some(b"\x00"), reason_string: Some("r") };
    let list = step.lay_out(&[("k", "v")], &mut scratch);
    assert_eq!(AuthProperties::of(list), step);
    check(
        Packet::Auth(Auth { reason: ReasonCode::ContinueAuthentication, properties: list }),
        b"\xf0\x15\x18\x13\x15\x00\x01M\x16\x00\x01\x00\x1f\x00\x01r\x26\x00\x01k\x00\x01v",
    );
    let done = AuthProperties { method: "", ..Default::default() };
    let list = done.lay_out(&[], &mut scratch);
    check(
        Packet::Auth(Auth { reason: ReasonCode::Success, properties: list }),
        b"\xf0\x05\x00\x03\x15\x00\x00",
    );
}

// Each packet encodes to its golden bytes and decodes from them.
#[test]
fn golden_bytes() {
    let mut kinds = 0u32;
    for_each(|version, packet, bytes| {
        assert_eq!(encode(version, &packet), bytes, "{packet:?}");
        assert_eq!(decode_whole(version, bytes), Ok(packet), "{bytes:x?}");
        let frame = peek_frame(version, bytes, 1000).unwrap().unwrap();
        assert_eq!(frame.kind(), Ok(packet.kind()));
        // Bytes after the packet are not read.
        let longer = [bytes, &[0xff; 5]].concat();
        assert_eq!(decode(version, frame, &longer), Ok(packet));
        kinds |= 1 << packet.kind() as u8;
    });
    assert_eq!(kinds, 0xfffe, "every packet type is in the table");
}

// Encodings that are longer than needed are read, and written in the short form.
#[test]
fn longer_forms() {
    for (bytes, short) in [
        (&[0x40, 3, 0, 1, 0][..], &[0x40, 2, 0, 1][..]),
        (&[0x40, 4, 0, 1, 0, 0], &[0x40, 2, 0, 1]),
        (&[0x62, 4, 0, 1, 0x92, 0], &[0x62, 3, 0, 1, 0x92]),
        (&[0xe0, 1, 0], &[0xe0, 0]),
        (&[0xe0, 2, 0, 0], &[0xe0, 0]),
        (&[0xe0, 2, 0x8e, 0], &[0xe0, 1, 0x8e]),
    ] {
        let packet = decode_whole(V5, bytes).unwrap();
        assert_eq!(encode(V5, &packet), short, "{packet:?}");
    }
}

// A log line with a packet does not contain the client's secrets.
#[test]
fn debug_hides_authentication_data() {
    let step = AuthProperties { method: "M", data: Some(b"\xab\xcd"), reason_string: None };
    let mut scratch = Vec::new();
    let properties = step.lay_out(&[], &mut scratch);
    let text = format!("{:?}", Auth { reason: ReasonCode::ContinueAuthentication, properties });
    assert!(text.contains("hidden") && !text.contains("171"), "{text}");
}
