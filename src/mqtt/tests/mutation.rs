//! Random bytes: no input panics, and a decoded packet has an encoding that decodes to it.

use super::super::{
    AuthProperties, ConnackProperties, ConnectProperties, DecodeError, DisconnectProperties,
    Packet, PacketKind, PropertyId, Version, decode, decode_from_client, expiry, forwarded_list,
    peek_frame,
};
use super::{BYTES_MAX, Random, decode_whole, encode};
use super::{golden, golden_v5};

const ROUNDS: usize = 200_000;

/// Decodes, reads everything, and encodes again.
fn exercise(version: Version, bytes: &[u8]) -> Result<Option<PacketKind>, DecodeError> {
    let Some(frame) = peek_frame(version, bytes, BYTES_MAX)? else {
        return Ok(None);
    };
    let from_client = decode_from_client(version, frame, bytes);
    let packet = decode(version, frame, bytes)?;
    assert!(from_client.is_err() || from_client == Ok(packet), "{bytes:x?}");
    match packet {
        Packet::Subscribe(subscribe) => assert!(subscribe.entries().count() > 0),
        Packet::Unsubscribe(unsubscribe) => assert!(unsubscribe.filters().count() > 0),
        Packet::Connect(connect) => {
            ConnectProperties::of(connect.properties);
            connect
                .will
                .iter()
                .for_each(|will| assert_forwards(|s| will.properties.forwarded(s).to_vec()));
        }
        Packet::Connack(connack) => drop(ConnackProperties::of(connack.properties)),
        Packet::Publish(publish) => {
            publish.properties.subscription_ids().for_each(drop);
            assert_forwards(|scratch| publish.properties.forwarded(scratch).to_vec());
        }
        Packet::Disconnect(disconnect) => drop(DisconnectProperties::of(disconnect.properties)),
        Packet::Auth(auth) => drop(AuthProperties::of(auth.properties)),
        _ => {}
    }
    // The whole packet can be printed.
    assert!(!format!("{packet:?}").is_empty());
    let again = encode(version, &packet);
    assert_eq!(decode_whole(version, &again), Ok(packet), "{bytes:x?} and {again:x?}");
    Ok(Some(packet.kind()))
}

/// The forwarded part of a message is a list of properties with the expiry first.
fn assert_forwards(forwarded: impl Fn(&mut Vec<u8>) -> Vec<u8>) {
    let bytes = forwarded(&mut Vec::new());
    let list = forwarded_list(&bytes).expect("it was checked");
    let at = list.iter().position(|property| property.id == PropertyId::MessageExpiry);
    assert!(at.is_none_or(|at| at == 0), "{list:?}");
    assert_eq!(expiry(&bytes).is_some(), at.is_some(), "{list:?}");
}

/// Changes a packet in one to four places: a bit, a byte, an inserted or removed byte, a splice.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = [0, 1, 2, 3, 0x7f, 0x80, 0xff, b'+', b'#'][random.below(9)],
            3 => bytes.insert(at, random.byte()),
            4 if bytes.len() > 1 => drop(bytes.remove(at)),
            _ => {
                let end = random.below(other.len());
                bytes.truncate(at.max(1));
                bytes.extend_from_slice(&other[end..]);
            }
        }
    }
    // Half of the time the length is corrected, so that more than the length check is tested.
    if bytes.len() > 1 && bytes.len() < 128 && random.below(2) == 0 {
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
    }
}

// Mutated packets never panic, and those that can be decoded can be encoded and decoded again.
#[test]
fn mutated_packets() {
    let mut corpus = Vec::new();
    golden::for_each(|version, _, bytes| corpus.push((version, bytes.to_vec())));
    mutate_all(&corpus, Random::new(0x6d71_7474_0002), 14);
}

// The same for MQTT 5. Each packet is in its own box, so that a read past its end is detected.
#[test]
fn mutated_packets_of_v5() {
    let mut corpus = Vec::new();
    golden_v5::for_each(|version, _, bytes| corpus.push((version, bytes.to_vec())));
    for seed in [0x6d71_7474_0005, 0x6d71_7474_0006] {
        mutate_all(&corpus, Random::new(seed), 15);
    }
}

/// `kind_max`: the last packet type that some decoded packet must have.
fn mutate_all(corpus: &[(Version, Vec<u8>)], mut random: Random, kind_max: usize) {
    let mut decoded = [0; 16];
    let mut refused = 0;
    for _ in 0..ROUNDS {
        let (version, mut bytes) = corpus[random.below(corpus.len())].clone();
        let other = &corpus[random.below(corpus.len())].1;
        mutate(&mut random, &mut bytes, other);
        match exercise(version, &bytes.into_boxed_slice()) {
            Ok(Some(kind)) => decoded[kind as usize] += 1,
            Ok(None) => {}
            Err(_) => refused += 1,
        }
    }
    assert!(refused > ROUNDS / 10, "{random}: only {refused} were refused");
    for kind in 1..=kind_max {
        assert!(decoded[kind] > 100, "{random}: the test is too weak, {decoded:?}");
    }
}

// Random bytes never panic.
#[test]
fn random_bytes() {
    let mut random = Random::new(0x6d71_7474_0003);
    for _ in 0..ROUNDS {
        let length = random.below(24);
        let bytes: Vec<_> = (0..length).map(|_| random.byte()).collect();
        for version in [Version::V31, Version::V311, Version::V5] {
            // Most of them are refused.
            let _ = exercise(version, &bytes);
        }
    }
}
