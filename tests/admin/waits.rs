//! What is told of clients that read too slowly.

use crate::common::{Client, PINGREQ, PINGRESP, publish, until};
use crate::http::start;
use crate::metrics::value;

/// 32 MiB in all: more than the socket buffers of both sides hold.
const MESSAGES: usize = 4_000;
const PAYLOAD_BYTES: usize = 8 * 1024;

// A client that does not read is told as slow, with what it loses, until it reads again.
#[test]
fn slow_clients() {
    let flags = ["--max-outgoing-bytes", "256KiB", "--qos0-patience", "20ms"];
    let (broker, door) = start(1, &flags);
    let scrape = || door.ask("GET", "/metrics", &[]).body;
    let slow_now = |text: &str| value(text, "ringmq_clients_slow");
    let marked = |text: &str| value(text, "ringmq_clients_marked_slow_total");
    let dropped = |text: &str| value(text, "ringmq_messages_dropped_total{reason=\"slow\"}");
    let mut slow = Client::connect(&broker, "slow");
    slow.subscribe("stream", 0);
    let text = scrape();
    assert_eq!((slow_now(&text), marked(&text), dropped(&text)), (0.0, 0.0, 0.0));
    let mut publisher = Client::connect(&broker, "publisher");
    let message = publish("stream", vec![0; PAYLOAD_BYTES]).bytes();
    for _ in 0..MESSAGES {
        publisher.send(&message);
    }
    // Its PUBACK comes when the broker has handled all before it.
    publisher.publish(&publish("other", "end").qos1(1));
    until("the client is slow", || slow_now(&scrape()) == 1.0);
    let text = scrape();
    assert!(marked(&text) >= 1.0 && dropped(&text) >= 1.0, "{text}");
    assert!(value(&text, "ringmq_publisher_waits_total{reason=\"slow_client\"}") >= 1.0, "{text}");
    slow.send(PINGREQ);
    while slow.read_packet() != PINGRESP {}
    until("it is not any more", || slow_now(&scrape()) == 0.0);
    broker.stop();
}
