//! Packets that the standard forbids, row by row, and packets truncated at every byte.

use super::super::wire::put_varint;
use super::super::{
    DecodeError, Frame, InvalidFilterReason, InvalidTopic, PacketKind, QoS, Version, decode,
    peek_frame,
};
use super::golden::for_each;
use super::{BYTES_MAX, decode_whole};
use DecodeError as E;
use InvalidFilterReason as F;
use Version::{V5, V31, V311};

/// A packet with this first byte and body.
pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    put_varint(body.len(), &mut bytes);
    bytes.extend_from_slice(body);
    bytes
}

/// A 3.1.1 CONNECT with these flags and payload.
fn connect(flags: u8, payload: &[u8]) -> Vec<u8> {
    packet(0x10, &[b"\x00\x04MQTT\x04", &[flags, 0, 10][..], payload].concat())
}

/// A 3.1 CONNECT with these flags and payload.
fn connect_v31(flags: u8, payload: &[u8]) -> Vec<u8> {
    packet(0x10, &[b"\x00\x06MQIsdp\x03", &[flags, 0, 10][..], payload].concat())
}

fn assert_rows(version: Version, rows: &[(Vec<u8>, DecodeError)]) {
    for (bytes, expected) in rows {
        assert_eq!(decode_whole(version, bytes), Err(*expected), "{bytes:x?}");
    }
}

// Only the flags of table 2.2 are accepted; 3.1 also resends with DUP.
#[test]
fn fixed_header_flags() {
    for_each(|version, packet, bytes| {
        if packet.kind() == PacketKind::Publish {
            return;
        }
        for flags in 0..16 {
            let mut bytes = bytes.to_vec();
            bytes[0] = bytes[0] & 0xf0 | flags;
            let is_resend = version == V31 && bytes[0] & 0x0f == 0b1010;
            let is_resent_kind = matches!(
                packet.kind(),
                PacketKind::Pubrel | PacketKind::Subscribe | PacketKind::Unsubscribe
            );
            let is_good = bytes[0] == packet.kind().first_byte() || is_resend && is_resent_kind;
            let expected = if is_good { Ok(packet) } else { Err(E::ReservedFlags(packet.kind())) };
            assert_eq!(decode_whole(version, &bytes), expected, "{version:?} {bytes:x?}");
        }
    });
}

// The connect flags are consistent, and the payload has exactly the fields that they announce
// (3.1).
#[test]
fn connects() {
    let id = b"\x00\x01c";
    let with = |flags, rest: &[u8]| connect(flags, &[id, rest].concat());
    let rows = [
        (with(0x01, b""), E::ReservedConnectFlag),
        (with(0x08, b""), E::WillFlagsWithoutWill),
        (with(0x10, b""), E::WillFlagsWithoutWill),
        (with(0x20, b""), E::WillFlagsWithoutWill),
        (with(0x1c, b"\x00\x01t\x00\x00"), E::InvalidQoS),
        (with(0x40, b"\x00\x01p"), E::PasswordWithoutUsername),
        (with(0x04, b"\x00\x00\x00\x00"), E::Topic(InvalidTopic::Empty)),
        (with(0x04, b"\x00\x01#\x00\x00"), E::Topic(InvalidTopic::Wildcard)),
        (with(0x04, b"\x00\x01\x00\x00\x00"), E::NulInString),
        (with(0x04, b"\x00\x01t"), E::UnexpectedEnd),
        (with(0x80, b""), E::UnexpectedEnd),
        (with(0xc0, b"\x00\x01u"), E::UnexpectedEnd),
        (with(0x80, b"\x00\x01\xff"), E::InvalidUtf8),
        (with(0x80, b"\x00\x01\x00"), E::NulInString),
        (with(0x02, b"\x00"), E::TrailingBytes),
        (with(0x00, b"\x00\x01u"), E::TrailingBytes),
        (connect(0x02, b"\x00\x01\x00"), E::NulInString),
        // A surrogate, and an overlong slash [MQTT-1.5.3-1].
        (connect(0x02, b"\x00\x03\xed\xa0\x80"), E::InvalidUtf8),
        (connect(0x02, b"\x00\x02\xc0\xaf"), E::InvalidUtf8),
    ];
    assert_rows(V311, &rows);
}

// An unknown level and an unknown name are distinguished, whatever bytes follow.
#[test]
fn protocol_names_and_levels() {
    let body = |name: &[u8], level: u8| {
        let length = u8::try_from(name.len()).unwrap();
        packet(0x10, &[&[0, length][..], name, &[level]].concat())
    };
    for level in 0..=255 {
        // Bit 7 is set by bridges.
        let answer = if level & 0x7f >= 5 { V5 } else { V311 };
        let of_mqtt = match level {
            4 | 5 => E::UnexpectedEnd,
            _ => E::UnacceptableVersion { level, answer },
        };
        let of_mqisdp = match level {
            3 => E::UnexpectedEnd,
            _ => E::UnacceptableVersion { level, answer: V311 },
        };
        let rows = [
            (body(b"MQTT", level), of_mqtt),
            (body(b"MQIsdp", level), of_mqisdp),
            (body(b"mqtt", level), E::UnknownProtocol),
            (body(b"MQTTT", level), E::UnknownProtocol),
            (body(b"", level), E::UnknownProtocol),
            (body(b"\xff", level), E::UnknownProtocol),
        ];
        assert_rows(V311, &rows);
    }
}

// Packets that 3.1 does not forbid are accepted: unused flags, and a missing user name that is
// announced.
#[test]
fn v31_is_wider() {
    let good = connect_v31(0x02, b"\x00\x01c");
    let expected = decode_whole(V31, &good).unwrap();
    for flags in [0x03, 0x0a, 0x12, 0x1a, 0x22, 0x3b, 0x82, 0xc2] {
        let bytes = connect_v31(flags, b"\x00\x01c");
        assert_eq!(decode_whole(V31, &bytes), Ok(expected), "{flags:#x}");
    }
    let rows = [
        (connect_v31(0x42, b"\x00\x01c"), E::PasswordWithoutUsername),
        (connect_v31(0x1e, b"\x00\x01c\x00\x01t\x00\x00"), E::InvalidQoS),
        (connect_v31(0x82, b"\x00\x01c\x00"), E::UnexpectedEnd),
        (connect_v31(0x82, b"\x00\x01c\x00\x01u\x00\x01p"), E::TrailingBytes),
    ];
    assert_rows(V31, &rows);
    // The acknowledge flags of CONNACK are unused too.
    let connack = decode_whole(V31, &[0x20, 2, 0, 0]);
    assert!(connack.is_ok());
    assert_eq!(decode_whole(V31, &[0x20, 2, 0xff, 0]), connack);
}

// PUBLISH: QoS, DUP, packet id and topic (3.3).
#[test]
fn publishes() {
    let rows = [
        (packet(0x36, b"\x00\x01t\x00\x01"), E::InvalidQoS),
        (packet(0x3e, b"\x00\x01t\x00\x01"), E::InvalidQoS),
        (packet(0x38, b"\x00\x01t"), E::DupWithoutQoS),
        (packet(0x32, b"\x00\x01t\x00\x00"), E::ZeroPacketId),
        (packet(0x34, b"\x00\x01t\x00\x00"), E::ZeroPacketId),
        (packet(0x32, b"\x00\x01t\x01"), E::UnexpectedEnd),
        (packet(0x30, b"\x00\x02t"), E::UnexpectedEnd),
        (packet(0x30, b"\x00\x00t"), E::Topic(InvalidTopic::Empty)),
        (packet(0x30, b"\x00\x01+"), E::Topic(InvalidTopic::Wildcard)),
        (packet(0x30, b"\x00\x03a/#"), E::Topic(InvalidTopic::Wildcard)),
        (packet(0x30, b"\x00\x02a\x00"), E::NulInString),
        (packet(0x30, b"\x00\x01\x80"), E::InvalidUtf8),
        (packet(0x30, b"\x00\x03\xed\xbf\xbf"), E::InvalidUtf8),
    ];
    assert_rows(V311, &rows);
    assert_rows(V31, &rows);
}

// Acknowledgements and the small packets: packet id and exact length.
#[test]
fn fixed_size_packets() {
    for first in [0x40, 0x50, 0x62, 0x70, 0xb0] {
        let rows = [
            (packet(first, &[0, 0]), E::ZeroPacketId),
            (packet(first, &[1]), E::UnexpectedEnd),
            (packet(first, &[0, 1, 0]), E::TrailingBytes),
        ];
        assert_rows(V311, &rows);
    }
    let rows = [
        (packet(0xc0, &[0]), E::TrailingBytes),
        (packet(0xd0, &[0]), E::TrailingBytes),
        (packet(0xe0, &[0]), E::TrailingBytes),
        (packet(0x20, &[0, 6]), E::ReservedReturnCode(6)),
        (packet(0x20, &[2, 0]), E::ConnackFlags),
        (packet(0x20, &[1, 5]), E::ConnackFlags),
        (packet(0x20, &[0, 0, 0]), E::TrailingBytes),
    ];
    assert_rows(V311, &rows);
}

// SUBSCRIBE, SUBACK and UNSUBSCRIBE: every element is checked before the first is returned.
#[test]
fn lists() {
    let rows = [
        (packet(0x82, &[0, 1]), E::EmptyList),
        (packet(0x82, b"\x00\x00\x00\x01t\x00"), E::ZeroPacketId),
        (packet(0x82, b"\x00\x01\x00\x01t"), E::UnexpectedEnd),
        (packet(0x82, b"\x00\x01\x00\x01t\x03"), E::InvalidQoS),
        (packet(0x82, b"\x00\x01\x00\x01t\x04"), E::InvalidQoS),
        (packet(0x82, b"\x00\x01\x00\x01t\x80"), E::InvalidQoS),
        (packet(0x82, b"\x00\x01\x00\x01t\x00\x00\x01\xff\x00"), E::InvalidUtf8),
        (packet(0x82, b"\x00\x01\x00\x01t\x00\x00\x01\x00\x00"), E::NulInString),
        (packet(0x82, b"\x00\x01\x00\x01t\x00\x00"), E::UnexpectedEnd),
        (packet(0x82, b"\x00\x01\x00\x01t\x00\x00\x00\x00"), E::Filter(F::Empty)),
        (packet(0x82, b"\x00\x01\x00\x02t#\x00\x00\x01t\x00"), E::Filter(F::HashPosition)),
        (packet(0x82, b"\x00\x01\x00\x02+t\x00"), E::Filter(F::PlusPosition)),
        (packet(0xa2, &[0, 1]), E::EmptyList),
        (packet(0xa2, b"\x00\x01\x00\x00"), E::Filter(F::Empty)),
        (packet(0xa2, b"\x00\x01\x00\x01t\x00\x03#/t"), E::Filter(F::HashPosition)),
        (packet(0xa2, b"\x00\x01\x00\x02t+\x00\x01t"), E::Filter(F::PlusPosition)),
        (packet(0xa2, b"\x00\x00\x00\x01t"), E::ZeroPacketId),
        (packet(0xa2, b"\x00\x01\x00\x01t\x00"), E::UnexpectedEnd),
        (packet(0xa2, b"\x00\x01\x00\x01t\x00\x01\xff"), E::InvalidUtf8),
        (packet(0xa2, b"\x00\x01\x00\x01t\x00\x01\x00"), E::NulInString),
        (packet(0x90, &[0, 1]), E::EmptyList),
        (packet(0x90, &[0, 0, 0]), E::ZeroPacketId),
        (packet(0x90, &[0, 1, 0, 3]), E::ReservedReturnCode(3)),
        (packet(0x90, &[0, 1, 0x81]), E::ReservedReturnCode(0x81)),
    ];
    assert_rows(V311, &rows);
    assert_rows(V31, &rows);
}

// A prefix of a packet needs more bytes or has a frame; decoded as a whole packet, it is refused.
#[test]
fn every_truncation() {
    for_each(|version, packet, bytes| {
        let whole = peek_frame(version, bytes, BYTES_MAX).unwrap().unwrap();
        for end in 0..bytes.len() {
            let cut = &bytes[..end];
            let expected = (end >= whole.header_bytes).then_some(whole);
            assert_eq!(peek_frame(version, cut, BYTES_MAX), Ok(expected), "{cut:x?}");
            assert_eq!(decode(version, whole, cut), Err(E::UnexpectedEnd), "{cut:x?}");
            if end >= whole.header_bytes {
                let shorter = Frame { total_bytes: end, ..whole };
                let result = decode(version, shorter, cut);
                // A list that is cut between two elements is a list, and a shorter payload a
                // payload.
                assert!(result.is_err() || may_end_early(version, packet.kind(), cut), "{cut:x?}");
            }
        }
    });
}

/// Whether a prefix of a valid packet may be valid too.
fn may_end_early(version: Version, kind: PacketKind, cut: &[u8]) -> bool {
    match kind {
        PacketKind::Publish => {
            let id_bytes = if cut[0] >> 1 & 3 == QoS::AtMostOnce as u8 { 0 } else { 2 };
            cut.len() >= 7 + id_bytes
        }
        PacketKind::Subscribe | PacketKind::Suback | PacketKind::Unsubscribe => cut.len() >= 5,
        // The user name may be missing.
        PacketKind::Connect => version == V31,
        _ => false,
    }
}
