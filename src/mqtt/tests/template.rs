//! A template's copies, and heads with their tails, equal the encoded PUBLISH of each receiver.

use super::super::{
    Delivery, MessageParts, Packet, Property, PropertyId, Publish, PublishHead, PublishProperties,
    PublishTemplate, QoS, SubscriptionId, TopicAlias, Value, Version,
};
use super::{decode_whole, id, topic};
use Version::{V5, V311};

/// Forwarded properties, of a length that takes two bytes too.
fn forwarded(text_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 9];
    let text = "x".repeat(text_bytes);
    Property { id: PropertyId::UserProperty, value: Value::StringPair("k", &text) }
        .encode(&mut bytes);
    bytes
}

fn publish<'a>(qos: QoS, forwarded: &'a [u8], payload: &'a [u8]) -> Publish<'a> {
    let topic = Some(topic("site/7/温度"));
    // The publisher's values of these three must not appear in a copy.
    let packet_id = Some(id(0x5555));
    let properties = PublishProperties::forwarding(forwarded);
    Publish { dup: true, qos, retain: true, topic, packet_id, properties, payload }
}

/// The separately encoded packet for `delivery` of `publish`.
fn expected(version: Version, publish: Publish<'_>, delivery: Delivery) -> Vec<u8> {
    let Delivery { packet_id, dup, retain } = delivery;
    let mut out = Vec::new();
    let publish = Publish { dup, retain, packet_id, ..publish };
    publish.encode(version, &mut out);
    assert_eq!(out.len(), publish.encoded_bytes(version));
    out
}

/// Each packet identifier, DUP and RETAIN that a copy with this QoS may have.
fn deliveries(qos: QoS) -> Vec<Delivery> {
    let packet_ids = match qos {
        QoS::AtMostOnce => vec![None],
        _ => vec![Some(id(1)), Some(id(0x1234)), Some(id(0xffff))],
    };
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    let with = |packet_id: Option<_>| {
        flags.map(|(dup, retain)| Delivery { packet_id, dup: dup && packet_id.is_some(), retain })
    };
    packet_ids.into_iter().flat_map(with).collect()
}

const QOSES: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const PAYLOADS: [usize; 12] = [0, 1, 100, 108, 109, 110, 111, 112, 200, 16_361, 16_380, 70_000];

// Copies equal the packets encoded one by one, for each QoS, flag and length of the header.
#[test]
fn copies() {
    let mut scratch = b"from before".to_vec();
    let lists = [(V311, Vec::new()), (V5, Vec::new()), (V5, forwarded(1)), (V5, forwarded(200))];
    for (version, list) in lists {
        for payload_bytes in PAYLOADS {
            let payload = vec![0x33; payload_bytes];
            for qos in QOSES {
                let publish = publish(qos, &list, &payload);
                for delivery in deliveries(qos) {
                    let mut out = vec![0xee];
                    let template = PublishTemplate::encode(version, &publish, &mut scratch);
                    template.append(delivery, &mut out);
                    assert_eq!(out[0], 0xee);
                    assert_eq!(out[1..], expected(version, publish, delivery));

                    let mut out = Vec::new();
                    let header = PublishTemplate::encode_header(version, &publish, &mut scratch);
                    header.append(delivery, &mut out);
                    out.extend_from_slice(&payload);
                    assert_eq!(out, expected(version, publish, delivery));
                }
            }
        }
    }
}

// A message for one receiver, and its template for several, equal the packet that is encoded
// separately. The head has the announced length.
#[test]
fn copies_of_a_message() {
    let lists = [(V311, Vec::new()), (V5, Vec::new()), (V5, forwarded(1)), (V5, forwarded(200))];
    let mut scratch = b"from before".to_vec();
    for ((version, list), payload_bytes) in
        lists.iter().flat_map(|list| PAYLOADS.map(|bytes| (list, bytes)))
    {
        let payload = vec![0x33; payload_bytes];
        for (qos, delivery) in
            QOSES.iter().flat_map(|qos| deliveries(*qos).into_iter().map(|of| (*qos, of)))
        {
            let publish = publish(qos, list, &payload);
            let topic = publish.topic.expect("it has one");
            let message = MessageParts { topic, forwarded: list, payload: &payload };
            let expected = expected(*version, publish, delivery);
            let mut out = vec![0xee];
            message.append_head(*version, qos, delivery, &mut out);
            assert_eq!(out.len(), 1 + message.head_bytes(*version, qos));
            out.extend_from_slice(&payload);
            assert_eq!((out[0], &out[1..]), (0xee, &expected[..]));

            for with_payload in [true, false] {
                let mut out = Vec::new();
                let template =
                    PublishTemplate::of_message(*version, qos, message, with_payload, &mut scratch);
                template.append(delivery, &mut out);
                out.extend_from_slice(if with_payload { &[] } else { &payload });
                assert_eq!(out, expected);
            }
        }
    }
}

// 3.x receivers get a message without its properties.
#[test]
fn v3_has_no_properties() {
    let list = forwarded(3);
    let delivery = Delivery::default();
    let with = expected(V311, publish(QoS::AtMostOnce, &list, b"hi"), delivery);
    assert_eq!(with, expected(V311, publish(QoS::AtMostOnce, &[], b"hi"), delivery));
}

// A head and the shared tail form a packet with the head's values. Without an alias and identifiers
// it equals the template's.
#[test]
fn heads() {
    let ids = [1, 127, 128, SubscriptionId::MAX].map(|id| SubscriptionId::new(id).unwrap());
    for list in [Vec::new(), forwarded(1), forwarded(110), forwarded(200)] {
        for payload_bytes in PAYLOADS {
            let tail = [&list[..], &vec![0x33; payload_bytes]].concat();
            for qos in QOSES {
                let message = publish(qos, &list, &tail[list.len()..]);
                for delivery in deliveries(qos) {
                    for (has_topic, alias, count) in [
                        (true, 0, 0),
                        (true, 9, 0),
                        (false, 0xffff, 0),
                        (true, 0, 1),
                        (false, 1, 4),
                    ] {
                        let head = PublishHead {
                            qos,
                            dup: delivery.dup,
                            retain: delivery.retain,
                            topic: message.topic.filter(|_| has_topic),
                            packet_id: delivery.packet_id,
                            alias: TopicAlias::new(alias),
                            subscription_ids: &ids[..count],
                            forwarded_bytes: list.len(),
                            payload_bytes,
                        };
                        let whole = with_tail(&head, &tail);
                        if has_topic && alias == 0 && count == 0 {
                            assert_eq!(whole, expected(V5, message, delivery));
                        }
                        assert_says(&whole, &head, &message);
                    }
                }
            }
        }
    }
}

fn with_tail(head: &PublishHead<'_>, tail: &[u8]) -> Vec<u8> {
    let mut out = vec![0xee];
    head.append(&mut out);
    assert_eq!(out.len(), 1 + head.head_bytes());
    out.extend_from_slice(tail);
    assert_eq!(out.len(), 1 + head.packet_bytes());
    out.split_off(1)
}

#[track_caller]
fn assert_says(bytes: &[u8], head: &PublishHead<'_>, message: &Publish<'_>) {
    let Ok(Packet::Publish(found)) = decode_whole(V5, bytes) else { panic!("a PUBLISH") };
    let PublishHead { qos, dup, retain, topic, packet_id, alias, subscription_ids, .. } = *head;
    assert_eq!((found.qos, found.dup, found.retain), (qos, dup, retain));
    assert_eq!((found.topic, found.packet_id), (topic, packet_id));
    assert_eq!(found.properties.alias(), alias);
    assert!(found.properties.subscription_ids().eq(subscription_ids.iter().copied()));
    let mut scratch = Vec::new();
    let forwarded = found.properties.forwarded(&mut scratch);
    assert_eq!(forwarded, message.properties.list().as_bytes());
    assert_eq!(found.payload, message.payload);
}

// A header does not include space for a payload that is sent separately.
#[test]
fn header_does_not_hold_the_payload() {
    let payload = vec![0; 1 << 20];
    for version in [V311, V5] {
        let publish = publish(QoS::AtLeastOnce, &[], &payload);
        let mut scratch = Vec::new();
        PublishTemplate::encode_header(version, &publish, &mut scratch);
        assert!(scratch.capacity() < 1000);
        let mut out = Vec::new();
        publish.encode_header(version, &mut out);
        assert!(out.capacity() < 1000);
        out.extend_from_slice(&payload);
        assert_eq!(out.len(), publish.encoded_bytes(version));
    }
    let head = PublishHead {
        qos: QoS::AtMostOnce,
        dup: false,
        retain: false,
        topic: Some(topic("t")),
        packet_id: None,
        alias: None,
        subscription_ids: &[],
        forwarded_bytes: 0,
        payload_bytes: payload.len(),
    };
    let mut out = Vec::new();
    head.append(&mut out);
    assert!(out.capacity() < 1000);
}
