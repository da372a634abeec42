//! Properties: which packet may have which, how often, with which values, and which are forwarded.

use super::super::{
    Carrier, DecodeError, Packet, PacketKind, PropertyId, PublishProperties, ReasonCode, Sender,
    SubscriptionId, TopicAlias, Version, WillProperties, decode_from_client, expiry,
    forwarded_list, peek_frame, set_expiry,
};
use super::malformed::packet;
use super::{BYTES_MAX, Random, decode_whole};
use DecodeError as E;
use PropertyId as Id;
use Version::V5;

/// The allowed places, from the standard's table 2-4 and the sections of the packets.
const ALLOWED: [(Carrier, &[u8]); 14] = [
    (Carrier::Packet(PacketKind::Connect), &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]),
    (Carrier::Will, &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]),
    (
        Carrier::Packet(PacketKind::Connack),
        &[
            0x11, 0x12, 0x13, 0x15, 0x16, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27,
            0x28, 0x29, 0x2a,
        ],
    ),
    (Carrier::Packet(PacketKind::Publish), &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23, 0x26]),
    (Carrier::Packet(PacketKind::Puback), &[0x1f, 0x26]),
    (Carrier::Packet(PacketKind::Pubrec), &[0x1f, 0x26]),
    (Carrier::Packet(PacketKind::Pubrel), &[0x1f, 0x26]),
    (Carrier::Packet(PacketKind::Pubcomp), &[0x1f, 0x26]),
    (Carrier::Packet(PacketKind::Subscribe), &[0x0b, 0x26]),
    (Carrier::Packet(PacketKind::Suback), &[0x1f, 0x26]),
    (Carrier::Packet(PacketKind::Unsubscribe), &[0x26]),
    (Carrier::Packet(PacketKind::Unsuback), &[0x1f, 0x26]),
    (Carrier::Packet(PacketKind::Disconnect), &[0x11, 0x1c, 0x1f, 0x26]),
    (Carrier::Packet(PacketKind::Auth), &[0x15, 0x16, 0x1f, 0x26]),
];

/// A value that is valid for the property, by the standard's types.
fn value(id: u8) -> &'static [u8] {
    match id {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => &[1],
        0x13 | 0x21 | 0x22 | 0x23 => &[0, 1],
        0x02 | 0x11 | 0x18 | 0x27 => &[0, 0, 0, 1],
        0x0b => &[1],
        0x26 => b"\x00\x01k\x00\x01v",
        // A string, binary data, or an unknown type.
        _ => b"\x00\x01x",
    }
}

fn property(id: u8) -> Vec<u8> {
    [&[id], value(id)].concat()
}

/// A valid packet with these properties.
fn carry(carrier: Carrier, list: &[u8]) -> Vec<u8> {
    // An AUTH has a method, as authentication data require.
    let method = |list: &[u8]| {
        let has_method = list.first() == Some(&0x15);
        [if has_method { &[][..] } else { b"\x15\x00\x01M" }, list].concat()
    };
    let with = |list: &[u8]| {
        assert!(list.len() < 128);
        [&[u8::try_from(list.len()).unwrap()], list].concat()
    };
    let connect = b"\x00\x04MQTT\x05";
    let kind = match carrier {
        Carrier::Will => {
            let will = [b"\x00\x00\x00", &with(list)[..], b"\x00\x01w\x00\x00"].concat();
            return packet(0x10, &[&connect[..], &[6, 0, 0], &will].concat());
        }
        Carrier::Packet(kind) => kind,
    };
    let body = match kind {
        PacketKind::Connect => {
            let list = if list.first() == Some(&0x16) { method(list) } else { list.to_vec() };
            [&connect[..], &[2, 0, 0], &with(&list), &[0, 0]].concat()
        }
        PacketKind::Connack => {
            let list = if list.first() == Some(&0x16) { method(list) } else { list.to_vec() };
            [&[0, 0], &with(&list)[..]].concat()
        }
        PacketKind::Publish => [b"\x00\x01t", &with(list)[..]].concat(),
        PacketKind::Subscribe => [&[0, 1], &with(list)[..], b"\x00\x01f\x00"].concat(),
        PacketKind::Unsubscribe => [&[0, 1], &with(list)[..], b"\x00\x01f"].concat(),
        PacketKind::Suback | PacketKind::Unsuback => [&[0, 1], &with(list)[..], &[0]].concat(),
        PacketKind::Disconnect => [&[0], &with(list)[..]].concat(),
        PacketKind::Auth => [&[0x18], &with(&method(list))[..]].concat(),
        _ => [&[0, 1, 0], &with(list)[..]].concat(),
    };
    packet(kind.first_byte(), &body)
}

/// Decodes a packet from a client.
fn from_client(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let frame = peek_frame(V5, bytes, BYTES_MAX)?.expect("a whole fixed header");
    decode_from_client(V5, frame, bytes)
}

// Each of the 256 identifiers in each packet is allowed or malformed; twice, it may be a protocol
// error.
#[test]
fn every_property_in_every_packet() {
    let mut good = 0;
    for (carrier, allowed) in ALLOWED {
        for id in 0..=255 {
            let once = carry(carrier, &property(id));
            if !allowed.contains(&id) {
                let error = E::PropertyNotAllowed { id, carrier };
                assert_eq!(decode_whole(V5, &once), Err(error), "{carrier} {id:#04x}");
                assert_eq!(error.reason(), ReasonCode::MalformedPacket);
                continue;
            }
            good += 1;
            let known = Id::try_from(id).unwrap();
            assert!(known.row().may_be_in(carrier), "{carrier} {known}");
            assert!(decode_whole(V5, &once).is_ok(), "{carrier} {known}: {once:x?}");
            let twice = decode_bytes(&carry(carrier, &property(id).repeat(2)));
            let repeats =
                id == 0x26 || id == 0x0b && carrier == Carrier::Packet(PacketKind::Publish);
            assert_eq!(known.row().may_repeat_in(carrier), repeats);
            let error = E::RepeatedProperty(known);
            assert_eq!(twice, if repeats { Ok(()) } else { Err(error) }, "{carrier} {known}");
            assert_eq!(error.reason(), ReasonCode::ProtocolError);
            every_cut(carrier, id);
        }
    }
    let rows = super::super::PROPERTIES.iter();
    let in_table = rows.flat_map(|row| Carrier::ALL.map(|carrier| row.may_be_in(carrier)));
    assert_eq!(in_table.filter(|may| *may).count(), good, "the table has no more than that");
}

fn decode_bytes(bytes: &[u8]) -> Result<(), DecodeError> {
    decode_whole(V5, bytes).map(drop)
}

/// A property that the length before the list truncates.
fn every_cut(carrier: Carrier, id: u8) {
    let whole = property(id);
    for end in 1..whole.len() {
        let result = decode_bytes(&carry(carrier, &whole[..end]));
        assert_eq!(result, Err(E::UnexpectedEnd), "{carrier} {id:#04x} {end}");
    }
}

// Three properties of packets that both sides send may come only from the server, or only from the
// client.
#[test]
fn properties_of_one_side() {
    let mut from_server = Vec::new();
    for (carrier, allowed) in ALLOWED {
        for &id in allowed {
            let known = Id::try_from(id).unwrap();
            let bytes = carry(carrier, &property(id));
            match known.row().only_from(carrier) {
                Some(Sender::Server) => {
                    let error = E::PropertyOfOtherSide(known);
                    assert_eq!(from_client(&bytes), Err(error));
                    assert_eq!(error.reason(), ReasonCode::ProtocolError);
                    from_server.push((carrier, known));
                }
                Some(Sender::Client) => {
                    assert_eq!((carrier.to_string().as_str(), id), ("DISCONNECT", 0x11));
                    assert!(from_client(&bytes).is_ok());
                }
                None => assert_eq!(from_client(&bytes), decode_whole(V5, &bytes)),
            }
        }
    }
    let expected = [
        (Carrier::Packet(PacketKind::Publish), Id::SubscriptionId),
        (Carrier::Packet(PacketKind::Disconnect), Id::ServerReference),
    ];
    assert_eq!(from_server, expected);
}

// Values for which the standard names a code or leaves it open.
#[test]
fn values() {
    let connect = Carrier::Packet(PacketKind::Connect);
    let connack = Carrier::Packet(PacketKind::Connack);
    let publish = Carrier::Packet(PacketKind::Publish);
    let subscribe = Carrier::Packet(PacketKind::Subscribe);
    let (malformed, protocol) = (ReasonCode::MalformedPacket, ReasonCode::ProtocolError);
    let rows: [(Carrier, &[u8], DecodeError, ReasonCode); 26] = [
        (connect, &[0x21, 0, 0], E::PropertyValue(Id::ReceiveMaximum), protocol),
        (connack, &[0x21, 0, 0], E::PropertyValue(Id::ReceiveMaximum), protocol),
        (connect, &[0x27, 0, 0, 0, 0], E::PropertyValue(Id::MaximumPacketSize), protocol),
        (connect, &[0x17, 2], E::PropertyValue(Id::RequestProblemInformation), protocol),
        (connect, &[0x19, 0xff], E::PropertyValue(Id::RequestResponseInformation), protocol),
        (connack, &[0x24, 2], E::PropertyValue(Id::MaximumQoS), protocol),
        (connack, &[0x25, 2], E::PropertyValue(Id::RetainAvailable), protocol),
        (connack, &[0x28, 2], E::PropertyValue(Id::WildcardSubscriptionAvailable), protocol),
        (connack, &[0x29, 2], E::PropertyValue(Id::SubscriptionIdAvailable), protocol),
        (connack, &[0x2a, 2], E::PropertyValue(Id::SharedSubscriptionAvailable), protocol),
        (subscribe, &[0x0b, 0], E::PropertyValue(Id::SubscriptionId), protocol),
        (publish, &[0x23, 0, 0], E::PropertyValue(Id::TopicAlias), ReasonCode::TopicAliasInvalid),
        (publish, &[0x01, 2], E::PropertyValue(Id::PayloadFormat), malformed),
        (Carrier::Will, &[0x01, 2], E::PropertyValue(Id::PayloadFormat), malformed),
        (publish, b"\x08\x00\x00", E::PropertyValue(Id::ResponseTopic), malformed),
        (publish, b"\x08\x00\x01#", E::PropertyValue(Id::ResponseTopic), malformed),
        (Carrier::Will, b"\x08\x00\x03a/+", E::PropertyValue(Id::ResponseTopic), malformed),
        (publish, b"\x03\x00\x01\xff", E::InvalidUtf8, malformed),
        (publish, b"\x03\x00\x01\x00", E::NulInString, malformed),
        (publish, b"\x26\x00\x01\xc0\x00\x00", E::InvalidUtf8, malformed),
        (publish, b"\x26\x00\x00\x00\x03\xed\xa0\x80", E::InvalidUtf8, malformed),
        (publish, b"\x26\x00\x01\x00\x00\x00", E::NulInString, malformed),
        (publish, b"\x26\x00\x00\x00\x01\x00", E::NulInString, malformed),
        (subscribe, &[0x0b, 0x81, 0], E::PaddedInteger, malformed),
        (subscribe, &[0x0b, 0xff, 0xff, 0xff, 0xff, 1], E::LengthTooLong, malformed),
        // An identifier with padding is invalid.
        (publish, &[0x81, 0, 1], E::PropertyNotAllowed { id: 0x81, carrier: publish }, malformed),
    ];
    for (carrier, list, error, reason) in rows {
        assert_eq!(decode_bytes(&carry(carrier, list)), Err(error), "{carrier} {list:x?}");
        assert_eq!(error.reason(), reason, "{error}");
    }
    // Both values of a flag, and both ends of other ranges.
    let good: [(Carrier, &[u8]); 9] = [
        (connect, &[0x17, 0]),
        (connack, &[0x24, 0]),
        (connect, &[0x21, 0xff, 0xff]),
        (connect, &[0x27, 0xff, 0xff, 0xff, 0xff]),
        (connect, &[0x22, 0, 0]),
        (subscribe, &[0x0b, 0xff, 0xff, 0xff, 0x7f]),
        (publish, &[0x02, 0, 0, 0, 0]),
        (publish, &[0x23, 0xff, 0xff]),
        (publish, b"\x09\x00\x02\x00\xff"),
    ];
    for (carrier, list) in good {
        assert_eq!(decode_bytes(&carry(carrier, list)), Ok(()), "{carrier} {list:x?}");
    }
}

// Authentication data need a method, which may follow them.
#[test]
fn data_need_a_method() {
    let connect = |list: &[u8]| {
        let length = u8::try_from(list.len()).unwrap();
        packet(0x10, &[b"\x00\x04MQTT\x05\x02\x00\x00", &[length][..], list, b"\x00\x00"].concat())
    };
    let error = E::NoAuthenticationMethod;
    assert_eq!(error.reason(), ReasonCode::ProtocolError);
    assert_eq!(decode_bytes(&connect(b"\x16\x00\x00")), Err(error));
    assert_eq!(decode_bytes(&connect(b"\x16\x00\x00\x15\x00\x01M")), Ok(()));
    assert_eq!(decode_bytes(&connect(b"\x15\x00\x00")), Ok(()));
    for body in [&b""[..], b"\x18\x00", b"\x18\x03\x16\x00\x00", b"\x18\x03\x1f\x00\x00"] {
        assert_eq!(decode_bytes(&packet(0xf0, body)), Err(error), "{body:x?}");
    }
    assert_eq!(decode_bytes(&packet(0xf0, b"\x18")), Err(E::UnexpectedEnd));
}

// Forwarded properties are borrowed if they are contiguous with the expiry first; otherwise they
// are assembled.
#[test]
fn forwarded_properties() {
    let table: [(&[u8], &[u8], bool); 13] = [
        (b"", b"", true),
        (b"\x23\x00\x01", b"", true),
        (b"\x0b\x01\x0b\x02", b"", true),
        (b"\x01\x00", b"\x01\x00", true),
        (b"\x23\x00\x01\x01\x00\x03\x00\x00", b"\x01\x00\x03\x00\x00", true),
        (b"\x01\x00\x03\x00\x00\x23\x00\x01", b"\x01\x00\x03\x00\x00", true),
        (b"\x23\x00\x01\x01\x00\x0b\x05", b"\x01\x00", true),
        (b"\x01\x00\x23\x00\x01\x03\x00\x00", b"\x01\x00\x03\x00\x00", false),
        (b"\x02\x00\x00\x00\x09\x01\x00", b"\x02\x00\x00\x00\x09\x01\x00", true),
        (b"\x0b\x01\x02\x00\x00\x00\x09\x01\x00", b"\x02\x00\x00\x00\x09\x01\x00", true),
        (b"\x01\x00\x02\x00\x00\x00\x09", b"\x02\x00\x00\x00\x09\x01\x00", false),
        (b"\x0b\x01\x01\x00\x0b\x02\x02\x00\x00\x00\x09", b"\x02\x00\x00\x00\x09\x01\x00", false),
        (
            b"\x26\x00\x01b\x00\x00\x02\x00\x00\x00\x09\x26\x00\x01a\x00\x00",
            b"\x02\x00\x00\x00\x09\x26\x00\x01b\x00\x00\x26\x00\x01a\x00\x00",
            false,
        ),
    ];
    for (list, forwarded, is_borrowed) in table {
        let read = PublishProperties::from_wire(None, list).unwrap();
        let mut scratch = b"from before".to_vec();
        let found = read.forwarded(&mut scratch);
        assert_eq!(found, forwarded, "{list:x?}");
        let is_inside = found.is_empty() || list.as_ptr_range().contains(&found.as_ptr());
        assert_eq!(is_inside, is_borrowed, "{list:x?}");
        assert!(forwarded_list(found).is_ok());
        let again = PublishProperties::forwarding(found);
        assert_eq!(again.forwarded(&mut Vec::new()), forwarded);
        assert_eq!((again.alias(), again.list().as_bytes()), (None, forwarded));
        assert_eq!(Ok(again), PublishProperties::new(again.list()));
    }
    let read = PublishProperties::from_wire(None, b"\x0b\x01\x23\x00\x05\x0b\x80\x01").unwrap();
    assert_eq!(read.alias(), TopicAlias::new(5));
    let ids = [1, 128].map(|id| SubscriptionId::new(id).unwrap());
    assert!(read.subscription_ids().eq(ids));
    // A will's delay is not forwarded.
    let list = b"\x01\x00\x18\x00\x00\x00\x07\x02\x00\x00\x00\x09";
    let will = WillProperties::from_wire(list).unwrap();
    assert_eq!(will.delay_s(), 7);
    let mut scratch = Vec::new();
    assert_eq!(will.forwarded(&mut scratch), b"\x02\x00\x00\x00\x09\x01\x00");
    assert!(forwarded_list(list).is_ok() && forwarded_list(b"\x23\x00\x01").is_err());
    assert_eq!(forwarded_list(b"\x01"), Err(E::UnexpectedEnd));
}

// The expiry of forwarded properties can be read and replaced before them.
#[test]
fn expiries() {
    for (forwarded, expected) in [
        (&b""[..], None),
        (b"\x01\x01", None),
        (b"\x02\x00\x00", None),
        (b"\x02\x00\x00\x00\x00", Some(0)),
        (b"\x02\xff\xff\xff\xff\x01\x00", Some(u32::MAX)),
    ] {
        assert_eq!(expiry(forwarded), expected);
        if expected.is_some() {
            let mut patched = forwarded.to_vec();
            set_expiry(&mut patched, 0x0102_0304);
            assert_eq!(patched, [&[2, 1, 2, 3, 4], &forwarded[5..]].concat());
        }
    }
}

// In random lists, the forwarded properties are the expiry and then the others in their order.
#[test]
fn forwarded_like_the_model() {
    let mut random = Random::new(0x6d71_7474_0004);
    let (mut borrowed, mut assembled) = (0, 0);
    for round in 0..50_000 {
        let list = random_list(&mut random);
        let bytes = list.concat();
        let is_own = |property: &&Vec<u8>| matches!(property[0], 0x23 | 0x0b);
        let is_expiry = |property: &&Vec<u8>| property[0] == 0x02;
        let first = list.iter().filter(is_expiry);
        let rest = list.iter().filter(|property| !is_own(property) && !is_expiry(property));
        let expected: Vec<u8> = first.chain(rest).flatten().copied().collect();
        let read = PublishProperties::from_wire(None, &bytes);
        let read = read.unwrap_or_else(|error| panic!("{random}, {round}: {error}: {bytes:x?}"));
        let mut scratch = Vec::new();
        assert_eq!(read.forwarded(&mut scratch), expected, "{random}, {round}: {bytes:x?}");
        let count = if scratch.is_empty() { &mut borrowed } else { &mut assembled };
        *count += 1;
    }
    assert!(borrowed > 5_000 && assembled > 5_000, "{random}: {borrowed}, {assembled}");
}

/// Properties of a PUBLISH in random order, each separate.
fn random_list(random: &mut Random) -> Vec<Vec<u8>> {
    let mut list: Vec<Vec<u8>> = Vec::new();
    for _ in 0..random.below(6) {
        let id = [0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23, 0x26, 0x26][random.below(9)];
        let is_there = list.iter().any(|property| property[0] == id);
        if is_there && !matches!(id, 0x0b | 0x26) {
            continue;
        }
        let mut made = property(id);
        if id == 0x26 {
            made = [b"\x26\x00\x01", &[b'a' + random.byte() % 26][..], b"\x00\x00"].concat();
        }
        list.push(made);
    }
    list
}
