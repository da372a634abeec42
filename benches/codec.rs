//! The codec's hot path: nanoseconds per packet for decoding and fan-out of small PUBLISHes.
//!
//! Prints the best and the median of many short runs: the machine is shared, so the mean says
//! little. Run with `cargo bench --bench codec`.

use std::hint::black_box;
use std::time::Instant;

use ringmq::mqtt::{
    Ack, AckKind, Delivery, Packet, PacketId, Publish, PublishProperties, PublishTemplate, QoS,
    TopicFilter, TopicName, Version, decode, peek_frame,
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
