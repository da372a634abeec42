//! Packets that MQTT 5 forbids, except for properties, with the code that a DISCONNECT would carry.

use super::super::{
    Ack, AckKind, Auth, AuthProperties, Connack, DecodeError, Disconnect, Frame, InvalidTopic,
    Packet, PacketKind, Properties, QoS, ReasonCode, RetainHandling, Suback, Subscribe,
    SubscribeEntry, TopicFilter, Unsuback, Version, connect_version, decode, decode_from_client,
    peek_frame,
};
use super::golden_v5::for_each;
use super::malformed::packet;
use super::{BYTES_MAX, decode_whole, encode, id};
use DecodeError as E;
use Version::{V5, V31, V311};

fn assert_rows(rows: &[(Vec<u8>, DecodeError, u8)]) {
    for (bytes, error, reason) in rows {
        assert_eq!(decode_whole(V5, bytes), Err(*error), "{bytes:x?}");
        assert_eq!(error.reason() as u8, *reason, "{error}");
    }
}

/// A CONNECT with these flags, and these bytes after the keep alive.
fn connect(flags: u8, rest: &[u8]) -> Vec<u8> {
    packet(0x10, &[b"\x00\x04MQTT\x05", &[flags, 0, 10][..], rest].concat())
}

// CONNECT: flags, and a payload with exactly the fields that they announce (v5 3.1).
#[test]
fn connects() {
    let id = b"\x00\x00\x01c";
    let with = |flags, rest: &[u8]| connect(flags, &[id, rest].concat());
    assert_rows(&[
        (with(0x03, b""), E::ReservedConnectFlag, 0x81),
        (with(0x0a, b""), E::WillFlagsWithoutWill, 0x81),
        (with(0x22, b""), E::WillFlagsWithoutWill, 0x81),
        (with(0x1e, b"\x00\x00\x01t\x00\x00"), E::InvalidQoS, 0x81),
        (with(0x06, b"\x00\x00\x00\x00\x00"), E::Topic(InvalidTopic::Empty), 0x81),
        (with(0x06, b"\x00\x00\x01+\x00\x00"), E::Topic(InvalidTopic::Wildcard), 0x81),
        (with(0x06, b""), E::UnexpectedEnd, 0x81),
        (with(0x06, b"\x00\x00\x01t"), E::UnexpectedEnd, 0x81),
        (with(0x42, b""), E::UnexpectedEnd, 0x81),
        (with(0x82, b""), E::UnexpectedEnd, 0x81),
        (with(0x02, b"\x00"), E::TrailingBytes, 0x81),
        (connect(0x02, b""), E::UnexpectedEnd, 0x81),
        (connect(0x02, b"\x00"), E::UnexpectedEnd, 0x81),
        (connect(0x02, b"\x00\x00\x03\xed\xa0\x80"), E::InvalidUtf8, 0x81),
        (connect(0x02, b"\x00\x00\x01\x00"), E::NulInString, 0x81),
        (connect(0x02, b"\x80\x00\x00\x01c"), E::PaddedInteger, 0x81),
        (connect(0x02, b"\x05\x00\x01c"), E::UnexpectedEnd, 0x81),
    ]);
}

// A variable byte integer with more bytes than needed is malformed, also in the fixed header of a
// CONNECT, whose version is known only later. 3.x does not forbid it.
#[test]
fn padded_lengths() {
    for_each(|_, packet, bytes| {
        let frame = peek_frame(V5, bytes, BYTES_MAX).unwrap().unwrap();
        let mut padded = bytes.to_vec();
        padded[frame.header_bytes - 1] |= 0x80;
        padded.insert(frame.header_bytes, 0);
        assert_eq!(decode_whole(V5, &padded), Err(E::PaddedInteger), "{padded:x?}");
        if packet.kind() == PacketKind::Connect {
            assert_eq!(decode_whole(V311, &padded), Err(E::PaddedInteger));
        }
    });
    assert!(decode_whole(V311, &[0xc0, 0x80, 0]).is_ok());
    assert_eq!(E::PaddedInteger.reason(), ReasonCode::MalformedPacket);
    // The length of properties.
    assert_rows(&[
        (packet(0x30, b"\x00\x01t\x80\x00"), E::PaddedInteger, 0x81),
        (packet(0x30, b"\x00\x01t\x82\x80\x00\x01\x00"), E::PaddedInteger, 0x81),
        (packet(0x30, b"\x00\x01t\xff\xff\xff\xff\x01"), E::LengthTooLong, 0x81),
        (packet(0x30, b"\x00\x01t\xff\xff"), E::UnexpectedEnd, 0x81),
    ]);
}

// Only the flags of table 2-2 are accepted.
#[test]
fn fixed_header_flags() {
    for_each(|_, packet, bytes| {
        if packet.kind() == PacketKind::Publish {
            return;
        }
        for flags in 0..16 {
            let mut bytes = bytes.to_vec();
            bytes[0] = bytes[0] & 0xf0 | flags;
            let is_good = bytes[0] == packet.kind().first_byte();
            let expected = if is_good { Ok(packet) } else { Err(E::ReservedFlags(packet.kind())) };
            assert_eq!(decode_whole(V5, &bytes), expected, "{bytes:x?}");
        }
    });
}

// AUTH is reserved in 3.x, at its first byte and in the decoder.
#[test]
fn auth_is_of_v5() {
    let bytes = [0xf0, 0x06, 0x18, 4, 0x15, 0, 1, b'M'];
    assert!(decode_whole(V5, &bytes).is_ok());
    let frame = Frame { first: 0xf0, header_bytes: 2, total_bytes: bytes.len() };
    for version in [V31, V311] {
        assert_eq!(peek_frame(version, &bytes, BYTES_MAX), Err(E::ReservedType(15)));
        assert_eq!(decode(version, frame, &bytes), Err(E::ReservedType(15)));
    }
    for version in [V31, V311, V5] {
        assert_eq!(peek_frame(version, &[0x00, 0], BYTES_MAX), Err(E::ReservedType(0)));
    }
    assert_eq!(E::ReservedType(0).reason(), ReasonCode::MalformedPacket);
}

// PUBLISH: a topic or an alias, QoS, DUP, packet id (v5 3.3).
#[test]
fn publishes() {
    assert_rows(&[
        (packet(0x36, b"\x00\x01t\x00\x01\x00"), E::InvalidQoS, 0x81),
        (packet(0x38, b"\x00\x01t\x00"), E::DupWithoutQoS, 0x81),
        (packet(0x32, b"\x00\x01t\x00\x00\x00"), E::ZeroPacketId, 0x81),
        (packet(0x30, b"\x00\x00\x00"), E::NoTopic, 0x82),
        (packet(0x32, b"\x00\x00\x00\x01\x00"), E::NoTopic, 0x82),
        (packet(0x30, b"\x00\x00\x02\x01\x00"), E::NoTopic, 0x82),
        (packet(0x30, b"\x00\x01#\x00"), E::Topic(InvalidTopic::Wildcard), 0x81),
        (packet(0x30, b"\x00\x02a+\x03\x23\x00\x01"), E::Topic(InvalidTopic::Wildcard), 0x81),
        (packet(0x30, b"\x00\x01\x00\x00"), E::NulInString, 0x81),
        (packet(0x30, b"\x00\x03\xed\xa0\x80\x00"), E::InvalidUtf8, 0x81),
        (packet(0x30, b"\x00\x01t"), E::UnexpectedEnd, 0x81),
        (packet(0x32, b"\x00\x01t\x00\x01"), E::UnexpectedEnd, 0x81),
        (packet(0x30, b"\x00\x01t\x02\x01"), E::UnexpectedEnd, 0x81),
    ]);
    // In 3.x an empty topic is invalid, and no alias can replace it.
    let bytes = packet(0x30, b"\x00\x00\x03\x23\x00\x01");
    assert_eq!(decode_whole(V311, &bytes), Err(E::Topic(InvalidTopic::Empty)));
}

// All 256 options of a subscription (v5 3.8.3.1).
#[test]
fn subscription_options() {
    for options in 0..=255u8 {
        for (filter, is_shared) in [("f", false), ("$share/g/f", true)] {
            let length = u8::try_from(filter.len()).unwrap();
            let body = [b"\x00\x01\x00\x00", &[length][..], filter.as_bytes(), &[options]].concat();
            let expected = if options & 0xc0 != 0 {
                Err((E::ReservedOptions, 0x81))
            } else if options & 3 == 3 {
                Err((E::SubscriptionQoS, 0x82))
            } else if options >> 4 & 3 == 3 {
                Err((E::RetainHandling, 0x82))
            } else if is_shared && options & 4 != 0 {
                Err((E::SharedNoLocal, 0x82))
            } else {
                Ok(SubscribeEntry {
                    filter: TopicFilter::parse(filter).unwrap(),
                    qos: QoS::try_from(options & 3).unwrap(),
                    no_local: options & 4 != 0,
                    retain_as_published: options & 8 != 0,
                    retain_handling: RetainHandling::try_from(options >> 4).unwrap(),
                })
            };
            let bytes = packet(0x82, &body);
            let found = decode_whole(V5, &bytes).map(|packet| match packet {
                Packet::Subscribe(subscribe) => subscribe.entries().next().unwrap(),
                other => panic!("{other:?}"),
            });
            let found = found.map_err(|error| (error, error.reason() as u8));
            assert_eq!(found, expected, "{filter} {options:#04x}");
        }
    }
}

// SUBSCRIBE, UNSUBSCRIBE and their answers: the lists and the fields before them.
#[test]
fn lists() {
    use super::super::InvalidFilterReason as F;
    assert_rows(&[
        (packet(0x82, b"\x00\x01\x00"), E::EmptyList, 0x82),
        (packet(0x82, b"\x00\x00\x00\x00\x01t\x00"), E::ZeroPacketId, 0x81),
        (packet(0x82, b"\x00\x01"), E::UnexpectedEnd, 0x81),
        (packet(0x82, b"\x00\x01\x00\x00\x01t"), E::UnexpectedEnd, 0x81),
        (packet(0x82, b"\x00\x01\x00\x00\x00\x00"), E::Filter(F::Empty), 0x81),
        (packet(0x82, b"\x00\x01\x00\x00\x02a#\x00"), E::Filter(F::HashPosition), 0x81),
        (packet(0x82, b"\x00\x01\x00\x00\x01\xff\x00"), E::InvalidUtf8, 0x81),
        (packet(0xa2, b"\x00\x01\x00"), E::EmptyList, 0x82),
        (packet(0xa2, b"\x00\x01\x00\x00\x02a+"), E::Filter(F::PlusPosition), 0x81),
        (packet(0xa2, b"\x00\x00\x00\x00\x01t"), E::ZeroPacketId, 0x81),
        (packet(0x90, b"\x00\x01\x00"), E::EmptyList, 0x82),
        (packet(0xb0, b"\x00\x01\x00"), E::EmptyList, 0x82),
        (packet(0xb0, b"\x00\x01"), E::UnexpectedEnd, 0x81),
        (packet(0xc0, &[0]), E::TrailingBytes, 0x81),
        (packet(0xd0, &[0]), E::TrailingBytes, 0x81),
        (packet(0xe0, &[0, 0, 0]), E::TrailingBytes, 0x81),
        (packet(0x40, &[0, 1, 0, 0, 0]), E::TrailingBytes, 0x81),
        (packet(0x40, &[0, 0]), E::ZeroPacketId, 0x81),
        (packet(0x40, &[0, 1, 0, 1]), E::UnexpectedEnd, 0x81),
        (packet(0x20, &[2, 0, 0]), E::ConnackFlags, 0x81),
        (packet(0x20, &[1, 0x87, 0]), E::ConnackFlags, 0x81),
        (packet(0x20, &[0, 0]), E::UnexpectedEnd, 0x81),
    ]);
}

// All 256 codes in each packet: those of its table are accepted, in both directions.
#[test]
fn reason_codes() {
    let method = b"\x04\x15\x00\x01M";
    let packets: [(PacketKind, &[u8], &[u8]); 9] = [
        (PacketKind::Connack, &[0], &[0]),
        (PacketKind::Puback, &[0, 1], &[]),
        (PacketKind::Pubrec, &[0, 1], &[]),
        (PacketKind::Pubrel, &[0, 1], &[0]),
        (PacketKind::Pubcomp, &[0, 1], &[]),
        (PacketKind::Suback, &[0, 1, 0, 0], &[0]),
        (PacketKind::Unsuback, &[0, 1, 0, 0], &[0]),
        (PacketKind::Disconnect, &[], &[]),
        (PacketKind::Auth, &[], method),
    ];
    for (kind, before, behind) in packets {
        let mut good = 0;
        for code in 0..=255 {
            let bytes = packet(kind.first_byte(), &[before, &[code], behind].concat());
            let frame = peek_frame(V5, &bytes, BYTES_MAX).unwrap().unwrap();
            let known = ReasonCode::try_from(code).ok();
            let error = E::ReasonCode { kind, code };
            for (sender, found) in [
                (None, decode(V5, frame, &bytes)),
                (Some(super::super::Sender::Client), decode_from_client(V5, frame, &bytes)),
            ] {
                let may = known.is_some_and(|known| known.may_be_in(kind, sender));
                match found {
                    Ok(_) => assert!(may, "{kind} {code:#04x} {sender:?}"),
                    Err(found) => assert!(!may && found == error, "{kind} {code:#04x}: {found}"),
                }
                good += usize::from(may);
            }
        }
        assert!(good >= 4, "{kind}: {good}");
        assert_eq!(E::ReasonCode { kind, code: 5 }.reason(), ReasonCode::MalformedPacket);
    }
}

// A prefix of a packet needs more bytes or has a frame. Decoded as a whole packet, it is refused,
// or is a packet that may end there.
#[test]
fn every_truncation() {
    let mut ends = [0; 16];
    for_each(|_, packet, bytes| {
        let whole = peek_frame(V5, bytes, BYTES_MAX).unwrap().unwrap();
        for end in 0..bytes.len() {
            // A separate copy, so that a read past its end is detected.
            let cut = bytes[..end].to_vec().into_boxed_slice();
            let expected = (end >= whole.header_bytes).then_some(whole);
            assert_eq!(peek_frame(V5, &cut, BYTES_MAX), Ok(expected), "{cut:x?}");
            assert_eq!(decode(V5, whole, &cut), Err(E::UnexpectedEnd), "{cut:x?}");
            if end >= whole.header_bytes {
                let body = &bytes[whole.header_bytes..end];
                let shorter = super::malformed::packet(bytes[0], body);
                let result = decode_whole(V5, &shorter);
                assert!(result.is_err() || may_end(&packet, body.len()), "{cut:x?}");
                ends[packet.kind() as usize] += usize::from(result.is_ok());
            }
        }
    });
    // PUBLISH and acknowledgements, lists, DISCONNECT.
    let found: Vec<usize> = (0..16).filter(|kind| ends[*kind] > 0).collect();
    assert_eq!(found, [3, 4, 5, 6, 7, 8, 9, 10, 11, 14], "those that may end early do");
}

/// Whether the first bytes of a packet's body may be a valid body too.
fn may_end(packet: &Packet<'_>, body: usize) -> bool {
    match packet {
        Packet::Publish(publish) => {
            let whole = publish.encoded_bytes(V5);
            let header = peek_header(whole);
            body >= whole - header - publish.payload.len()
        }
        Packet::Subscribe(_) | Packet::Suback(_) | Packet::Unsubscribe(_) | Packet::Unsuback(_) => {
            body > 3
        }
        Packet::Puback(_) | Packet::Pubrec(_) | Packet::Pubrel(_) | Packet::Pubcomp(_) => {
            body == 2 || body == 3
        }
        Packet::Disconnect(_) => body <= 1,
        _ => false,
    }
}

/// Bytes of the fixed header of a packet with this many bytes.
fn peek_header(total: usize) -> usize {
    if total < 130 { 2 } else { 3 }
}

// The version of a CONNECT is known from its first bytes, however malformed or short the rest is.
#[test]
fn connect_versions() {
    for (bytes, expected) in [
        (&b""[..], None),
        (b"\x10\xff\x7f\x00\x04MQTT", None),
        (b"\x10\xff\x7f\x00\x04MQTT\x05", Some(V5)),
        (b"\x10\x80\x80\x00\x00\x04MQTT\x05\xff\xff", Some(V5)),
        (b"\x1f\x05\x00\x04MQTT\x04", Some(V311)),
        (b"\x10\x05\x00\x06MQIsdp\x03", Some(V31)),
        (b"\x10\x05\x00\x04MQTT\x06", None),
        (b"\x10\x05\x00\x04MQTX\x05", None),
        (b"\x30\x05\x00\x04MQTT\x05", None),
        (b"\x10\xff\xff\xff\xff\x00\x04MQTT\x05", None),
        (b"\x10", None),
        (b"\x10\x80", None),
    ] {
        assert_eq!(connect_version(bytes), expected, "{bytes:x?}");
    }
}

// If a packet would be too large, user properties are left out first, then the reason string.
#[test]
fn packets_fit_their_receiver() {
    let list = b"\x1f\x00\x03why\x26\x00\x01k\x00\x01v\x26\x00\x01k\x00\x01w";
    let properties = Properties::checked_before(list);
    let ack = Ack { packet_id: id(7), reason: ReasonCode::NotAuthorized, properties };
    let check = |packet: Packet<'_>, sizes: [usize; 3]| {
        let whole = encode(V5, &packet);
        let mut seen = Vec::new();
        for max in 0..=whole.len() + 1 {
            let mut out = vec![0xee];
            let fits = packet.encode_within(V5, max, &mut out);
            assert_eq!(fits, max >= sizes[2], "{packet:?} in {max}");
            assert!(out.len() <= 1 + max && fits == (out.len() > 1));
            if fits && seen.last() != Some(&out.len()) {
                seen.push(out.len());
                let again = decode_whole(V5, &out[1..]).unwrap();
                assert_eq!(again.kind(), packet.kind());
            }
        }
        let [all, with_reason, bare] = sizes.map(|size| 1 + size);
        assert_eq!((seen, whole.len()), (vec![bare, with_reason, all], sizes[0]), "{packet:?}");
    };
    check(Packet::Puback(ack), [26, 12, 5]);
    check(Packet::Pubcomp(Ack { reason: ReasonCode::Success, ..ack }), [26, 12, 4]);
    let connack = Connack { session_present: false, reason: 0x87, properties };
    check(Packet::Connack(connack), [25, 11, 5]);
    let suback = Suback { packet_id: id(7), properties, codes: &[0x87] };
    check(Packet::Suback(suback), [26, 12, 6]);
    let unsuback = Unsuback { packet_id: id(7), properties, codes: &[0x87] };
    check(Packet::Unsuback(unsuback), [26, 12, 6]);
    let disconnect = Disconnect { reason: ReasonCode::SessionTakenOver, properties };
    check(Packet::Disconnect(disconnect), [24, 10, 3]);
    let mut scratch = Vec::new();
    let auth = AuthProperties { method: "M", data: None, reason_string: Some("why") };
    let properties = auth.lay_out(&[("k", "v"), ("k", "w")], &mut scratch);
    let auth = Auth { reason: ReasonCode::Success, properties };
    check(Packet::Auth(auth), [28, 14, 8]);
    // Properties for other clients are not left out.
    for packet in [
        decode_whole(V5, b"\x30\x0b\x00\x01t\x07\x26\x00\x01k\x00\x01v").unwrap(),
        Packet::Pingresp,
        Packet::Subscribe(Subscribe::new(id(1), &[("f", QoS::AtMostOnce)], &mut Vec::new())),
    ] {
        let bytes = encode(V5, &packet);
        let mut out = Vec::new();
        assert!(!packet.encode_within(V5, bytes.len() - 1, &mut out) && out.is_empty());
        assert!(packet.encode_within(V5, bytes.len(), &mut out));
        assert_eq!(out, bytes);
    }
    // Packets of 3.x have nothing to leave out.
    let mut out = Vec::new();
    assert!(!Packet::Puback(ack).encode_within(V311, 3, &mut out));
    assert!(Packet::Puback(ack).encode_within(V311, 4, &mut out));
    assert_eq!(out, Ack::bytes_v3(AckKind::Puback, id(7)));
}
