//! The codec's hot path: nanoseconds per packet for decoding and fan-out of small PUBLISHes.
//!
//! Prints the best and the median of many short runs: the machine is shared, so the mean says
//! little. Run with `cargo bench --bench codec`.

use std::hint::black_box;
use std::time::Instant;

use ringmq::mqtt::{
    Ack, AckKind, Carrier, Delivery, Packet, PacketId, PacketKind, Properties, Property,
    PropertyId, Publish, PublishHead, PublishProperties, PublishTemplate, QoS, TopicAlias,
    TopicFilter, TopicName, Value, Version, decode, decode_from_client, forwarded_list, peek_frame,
};

const RUNS: usize = 200;
const CALLS: u32 = 20_000;

fn measure(name: &str, mut call: impl FnMut()) {
    let mut runs: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    println!("{name:44} {:7.1} ns best {:7.1} ns median", runs[0], runs[RUNS / 2]);
}

fn publish<'a>(topic: &'a str, qos: QoS, payload: &'a [u8]) -> Publish<'a> {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic: Some(TopicName::parse(topic).expect("a topic name")),
        packet_id: (qos > QoS::AtMostOnce).then(|| PacketId::new(77).expect("not 0")),
        properties: PublishProperties::EMPTY,
        payload,
    }
}

/// MQTT 5: no properties, five user properties of 20 bytes, an alias for the topic.
fn version_5(topic: &str, payload: &[u8]) {
    let user = b"\x26\x00\x04name\x00\x10a value of 16 B!".repeat(5);
    let lists = [("without properties", &b""[..]), ("5 user properties", &user)];
    let alias = ("an alias for the topic", &b"\x23\x00\x07"[..]);
    for (name, list) in lists.into_iter().chain([alias]) {
        let mut scratch = Vec::new();
        let list = list_of(list, &mut scratch);
        let properties = PublishProperties::new(list).expect("those of a PUBLISH");
        let whole = publish(topic, QoS::AtLeastOnce, payload);
        let topic = whole.topic.filter(|_| properties.alias().is_none());
        let mut bytes = Vec::new();
        Publish { topic, properties, ..whole }.encode(Version::V5, &mut bytes);
        measure(&format!("v5 peek + decode PUBLISH {name}"), || {
            let bytes = black_box(&bytes[..]);
            let frame = peek_frame(Version::V5, bytes, 1 << 20).expect("valid").expect("complete");
            let decoded = decode_from_client(Version::V5, frame, bytes);
            let Ok(Packet::Publish(publish)) = decoded else { unreachable!("a PUBLISH") };
            black_box(publish);
        });
        let mut scratch = Vec::new();
        let forwarded = properties.forwarded(&mut scratch);
        copies(name, &whole, forwarded);
    }
}

/// Properties as a list, from their bytes.
fn list_of<'a>(bytes: &[u8], scratch: &'a mut Vec<u8>) -> Properties<'a> {
    let carrier = Carrier::Packet(PacketKind::Publish);
    let list = match bytes.first() {
        Some(0x23) => vec![Property {
            id: PropertyId::TopicAlias,
            value: Value::TwoByteInteger(u16::from_be_bytes([bytes[1], bytes[2]])),
        }],
        _ => forwarded_list(bytes).expect("those of a message").iter().collect(),
    };
    Properties::lay_out(carrier, list, scratch)
}

/// A receiver's copy: whole from a template, and a head before the shared tail.
fn copies(name: &str, whole: &Publish<'_>, forwarded: &[u8]) {
    let mut out = Vec::with_capacity(1 << 20);
    let message = Publish { properties: PublishProperties::forwarding(forwarded), ..*whole };
    let mut scratch = Vec::new();
    let template = PublishTemplate::encode(Version::V5, &message, &mut scratch);
    let delivery = Delivery { packet_id: PacketId::new(99), dup: false, retain: false };
    measure(&format!("v5 template append {name}"), || {
        if out.len() > 16_000 {
            out.clear();
        }
        black_box(&template).append(black_box(delivery), &mut out);
    });
    let tail = [forwarded, message.payload].concat();
    let head = PublishHead {
        qos: message.qos,
        dup: false,
        retain: false,
        topic: None,
        packet_id: PacketId::new(99),
        alias: TopicAlias::new(7),
        subscription_ids: &[],
        forwarded_bytes: forwarded.len(),
        payload_bytes: message.payload.len(),
    };
    measure(&format!("v5 head with an alias + tail {name}"), || {
        if out.len() > 16_000 {
            out.clear();
        }
        black_box(&head).append(&mut out);
        out.extend_from_slice(black_box(&tail));
    });
}

fn main() {
    let payload = [0x41; 54];
    let ascii = "site/0042/device/017"; // 20 bytes
    let long = "building/north/floor/03/room/0317/sensor/temperature/celsius";
    let wide = "gebäude/süd/temperat";

    for (name, topic) in [("20 B ASCII", ascii), ("60 B ASCII", long), ("22 B UTF-8", wide)] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let mut bytes = Vec::new();
            publish(topic, qos, &payload).encode(Version::V311, &mut bytes);
            measure(&format!("peek + decode PUBLISH {name} {qos:?}"), || {
                let bytes = black_box(&bytes[..]);
                let frame =
                    peek_frame(Version::V311, bytes, 1 << 20).expect("valid").expect("complete");
                let Ok(Packet::Publish(publish)) = decode(Version::V311, frame, bytes) else {
                    unreachable!("a PUBLISH");
                };
                black_box(publish);
            });
        }
    }

    version_5(ascii, &payload);

    let mut out = Vec::with_capacity(1 << 20);
    let message = publish(ascii, QoS::AtLeastOnce, &payload);
    measure("encode PUBLISH 82 B", || {
        if out.len() > 16_000 {
            out.clear();
        }
        black_box(&message).encode(Version::V311, &mut out);
    });
    let mut scratch = Vec::new();
    let template = PublishTemplate::encode(Version::V311, &message, &mut scratch);
    let delivery = Delivery { packet_id: PacketId::new(99), dup: false, retain: false };
    measure(&format!("template append {} B", template.bytes.len()), || {
        if out.len() > 16_000 {
            out.clear();
        }
        black_box(&template).append(black_box(delivery), &mut out);
    });
    measure("PUBACK bytes + append", || {
        if out.len() > 16_000 {
            out.clear();
        }
        let packet_id = black_box(PacketId::new(99).expect("not 0"));
        out.extend_from_slice(&Ack::bytes_v3(AckKind::Puback, packet_id));
    });
    let topic = TopicName::parse(ascii).expect("a topic name");
    for text in ["site/0042/device/017", "site/+/device/+", "site/0042/#", "#"] {
        let filter = TopicFilter::parse(text).expect("a filter");
        measure(&format!("matches {text}"), || {
            black_box(black_box(filter).matches(black_box(topic)));
        });
    }
}
