//! A template's copies are what encoding each receiver's PUBLISH would give.

use super::super::{Delivery, Publish, PublishProperties, PublishTemplate, QoS, Version};
use super::{id, topic};

fn publish(qos: QoS, payload: &[u8]) -> Publish<'_> {
    let topic = Some(topic("site/7/温度"));
    // The message as its publisher sent it: none of these three may show in a copy.
    let packet_id = Some(id(0x5555));
    Publish {
        dup: true,
        qos,
        retain: true,
        topic,
        packet_id,
        properties: PublishProperties::EMPTY,
        payload,
    }
}

/// What `delivery` makes of `publish`, encoded on its own.
fn expected(publish: Publish<'_>, delivery: Delivery) -> Vec<u8> {
    let Delivery { packet_id, dup, retain } = delivery;
    let mut out = Vec::new();
    let publish = Publish { dup, retain, packet_id, ..publish };
    publish.encode(Version::V311, &mut out);
    assert_eq!(out.len(), publish.encoded_bytes(Version::V311));
    out
}

// Copies equal the packets encoded one by one, for each QoS, flag and length of the header.
#[test]
fn copies() {
    let mut scratch = b"from before".to_vec();
    for payload_bytes in [0, 1, 100, 108, 109, 110, 111, 112, 200, 16_361, 16_380, 70_000] {
        let payload = vec![0x33; payload_bytes];
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let publish = publish(qos, &payload);
            let packet_ids = match qos {
                QoS::AtMostOnce => vec![None],
                _ => vec![Some(id(1)), Some(id(0x1234)), Some(id(0xffff))],
            };
            for packet_id in packet_ids {
                for (dup, retain) in [(false, false), (false, true), (true, false), (true, true)] {
                    let dup = dup && packet_id.is_some();
                    let delivery = Delivery { packet_id, dup, retain };
                    let mut out = vec![0xee];
                    let template = PublishTemplate::encode(Version::V311, &publish, &mut scratch);
                    template.append(delivery, &mut out);
                    assert_eq!(out[0], 0xee);
                    assert_eq!(out[1..], expected(publish, delivery));

                    let mut out = Vec::new();
                    let header =
                        PublishTemplate::encode_header(Version::V311, &publish, &mut scratch);
                    header.append(delivery, &mut out);
                    out.extend_from_slice(&payload);
                    assert_eq!(out, expected(publish, delivery));
                }
            }
        }
    }
}

// A header is laid out without room for the payload that is sent from elsewhere.
#[test]
fn header_does_not_hold_the_payload() {
    let payload = vec![0; 1 << 20];
    let publish = publish(QoS::AtLeastOnce, &payload);
    let mut scratch = Vec::new();
    PublishTemplate::encode_header(Version::V311, &publish, &mut scratch);
    assert!(scratch.capacity() < 1000);
    let mut out = Vec::new();
    publish.encode_header(Version::V311, &mut out);
    assert!(out.capacity() < 1000);
    out.extend_from_slice(&payload);
    assert_eq!(out.len(), publish.encoded_bytes(Version::V311));
}
