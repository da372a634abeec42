//! Full sessions and MQTT 5 publishers: a refused message is answered with 0x97.

use crate::common::v5::{Answer, Packet, Publish, connect, publish};
use crate::common::{Broker, Client, resume_as};

const QUOTA_EXCEEDED: u8 = 0x97;

/// An absent session, with `filter` at QoS 2.
fn absent(broker: &Broker, name: &str, filter: &str) {
    let packet = connect(name).durable(3600);
    let mut client = Client::connect_v5_with(broker, &packet).0;
    client.subscribe_v5(filter, 2);
    client.leave_v5();
}

/// Fills the session until a message is refused; how many were taken.
#[track_caller]
fn fill(publisher: &mut Client, message: impl Fn(u16) -> Publish) -> u16 {
    for number in 1..=500 {
        match publisher.publish_v5(&message(number)) {
            0 => {}
            QUOTA_EXCEEDED => return number - 1,
            other => panic!("{other:#04x}"),
        }
    }
    panic!("500 messages have room")
}

/// As with one shard, so with several, wherever the session is.
#[test]
fn refusals_cross_shards() {
    let flags = ["--session-max-bytes", "65536", "--session-overflow", "drop-newest"];
    for shards in [2, 4] {
        let broker = Broker::start_with(shards, &flags);
        for name in crate::setup::NAMES {
            absent(&broker, name, name);
            let mut publisher = Client::connect_v5(&broker, "publisher");
            let message = |number: u16| publish(name, vec![b'x'; 1000]).qos1(number);
            let taken = fill(&mut publisher, message);
            assert!((50..=64).contains(&taken), "{taken}");
            let twice = Publish { id: 777, ..publish(name, "refused").at(2) };
            for _ in 0..2 {
                assert_eq!(publisher.publish_v5(&twice), QUOTA_EXCEEDED);
            }
            // All who have subscribed must be full.
            absent(&broker, "kale", name);
            absent(&broker, "nettle", name);
            assert_eq!(publisher.publish_v5(&publish(name, "one has room").qos1(9)), 0);
            let packet = connect(name).durable(3600).resume();
            let mut full = Client::resume_v5(&broker, &packet, true);
            for number in 1..=taken {
                full.expect_publish_v5(&message(number));
            }
            assert_eq!(publisher.publish_v5(&Publish { id: 777, ..publish(name, "new").at(2) }), 0);
            full.expect_publish_v5(&publish(name, "new").at(2));
            full.expect_silence_v5();
            for away in ["kale", "nettle"] {
                Client::connect_v5(&broker, away).leave_v5();
            }
        }
    }
}

/// drop-newest: PUBACK and PUBREC report that no session accepted the message. At QoS 2 its
/// identifier is free: the same message is a new one when there is room. If a session accepted it,
/// it is no error, and 3.1.1 has no such code.
#[test]
fn refused_messages_are_told() {
    let flags = ["--session-max-bytes", "65536", "--session-overflow", "drop-newest"];
    let broker = Broker::start_with(1, &flags);
    absent(&broker, "full", "t/#");
    let mut publisher = Client::connect_v5(&broker, "publisher");
    let message = |number: u16| publish("t/1", vec![b'x'; 1000]).qos1(number);
    let taken = fill(&mut publisher, message);
    assert!((50..=64).contains(&taken), "{taken}");
    for qos in [1, 2] {
        let refused = Publish { id: 777, ..publish("t/1", "refused").at(qos) };
        assert_eq!(publisher.publish_v5(&refused), QUOTA_EXCEEDED);
    }
    let mut old = resume_as(&broker, "old", false);
    old.publish(&crate::common::publish("t/1", "refused").qos1(1));
    let mut present = Client::connect_v5(&broker, "present");
    present.subscribe_v5("t/2", 1);
    assert_eq!(publisher.publish_v5(&Publish { id: 9, ..publish("t/2", "y").at(1) }), 0);
    present.expect_publish_v5(&publish("t/2", "y").at(1));

    let packet = connect("full").durable(3600).resume();
    let mut full = Client::resume_v5(&broker, &packet, true);
    for number in 1..=taken {
        full.expect_publish_v5(&message(number));
    }
    assert_eq!(publisher.publish_v5(&Publish { id: 777, ..publish("t/1", "new").at(2) }), 0);
    full.expect_publish_v5(&publish("t/1", "new").at(2));
    full.expect_silence_v5();
}

/// A message that cannot be retained and has no subscriber is refused; one with a subscriber, or
/// one that replaces another, is not.
#[test]
fn retained_messages_are_refused() {
    let broker = Broker::start_with(1, &["--retained-max-count", "1"]);
    let mut publisher = Client::connect_v5(&broker, "publisher");
    let mut live = Client::connect_v5(&broker, "live");
    live.subscribe_v5("c", 0);
    for (topic, code) in
        [("a", 0x10), ("b", QUOTA_EXCEEDED), ("a", 0x10), ("c", 0), ("b", QUOTA_EXCEEDED)]
    {
        for qos in [1, 2] {
            let message = publish(topic, "x").at(qos).retained();
            let code_came = publisher.publish_v5(&Publish { id: 5, ..message });
            assert_eq!(code_came, code, "{topic} at QoS {qos}");
            if topic == "c" {
                live.expect_publish_v5(&publish("c", "x"));
            }
        }
    }
}

/// block: a publisher that is read from because it has messages to acknowledge gets a refusal for
/// messages that would displace an older one: none is lost.
#[test]
fn blocked_publishers_are_refused() {
    for (shards, name) in [(1, "full"), (2, crate::setup::NAMES[0]), (2, crate::setup::NAMES[1])] {
        blocked_publisher_is_refused(shards, name);
    }
}

/// The same of a publisher on one of so many shards, and a session with this name.
fn blocked_publisher_is_refused(shards: usize, name: &str) {
    let flags = ["--session-max-bytes", "65536", "--session-overflow", "block"];
    let broker = Broker::start_with(shards, &flags);
    absent(&broker, name, "t");
    let mut publisher = Client::connect_v5_with(&broker, &connect("publisher").durable(60)).0;
    publisher.subscribe_v5("own", 1);
    Client::connect_v5(&broker, "other").publish_v5(&publish("own", "x").qos1(1));
    // It does not acknowledge this one, and so is read from on and on.
    publisher.expect_unacked_v5(&publish("own", "x").at(1));
    let message = |number: u16| {
        let mut payload = vec![b'x'; 100_000];
        payload[..2].copy_from_slice(&number.to_be_bytes());
        Publish { id: number, ..publish("t", payload).at(1) }
    };
    let mut sent = 0;
    let refused = 'refused: loop {
        for _ in 0..20 {
            sent += 1;
            publisher.send(&message(sent).bytes());
        }
        for packet in publisher.read_to_fence_v5() {
            let Packet::Answer(Answer { first: 0x40, id, codes, .. }) = packet else {
                panic!("{packet:?}")
            };
            if codes == [QUOTA_EXCEEDED] {
                break 'refused id;
            }
        }
        assert!(sent < 400, "16 MiB more than it may");
    };
    // All messages that were not refused are present.
    let mut full = Client::resume_v5(&broker, &connect(name).durable(60).resume(), true);
    for number in 1..refused {
        full.expect_publish_v5(&message(number));
    }
}

/// block: publishers continue when the messages of a full session expire, although its client is
/// absent.
#[test]
fn expired_messages_block_nobody() {
    let flags = ["--session-max-bytes", "65536", "--session-overflow", "block"];
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &flags);
        for name in crate::setup::NAMES {
            absent(&broker, name, "t");
        }
        let mut publisher = Client::connect_v5(&broker, "publisher");
        let message = |number: u16| {
            let expires = |props: crate::common::v5::Props| props.four(0x02, 1);
            publish("t", vec![b'x'; 1000]).qos1(number).with(expires)
        };
        let all: Vec<u8> = (1..=150).flat_map(|number| message(number).bytes()).collect();
        publisher.send(&all);
        for number in 1..=150 {
            publisher.expect_ack(0x40, number, 0);
        }
    }
}

/// A publisher over its rate is not refused: it waits, and each message is taken.
#[test]
fn rates_refuse_nothing() {
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &["--client-publish-rate", "40"]);
        for name in crate::setup::NAMES {
            absent(&broker, name, "t");
        }
        let mut publisher = Client::connect_v5(&broker, "publisher");
        let message = |number: u16| publish("t", "x").qos1(number);
        let all: Vec<u8> = (1..=100).flat_map(|number| message(number).bytes()).collect();
        publisher.send(&all);
        for number in 1..=100 {
            publisher.expect_ack(0x40, number, 0);
        }
        broker.terminate();
        broker.wait_for_line("publishers_throttled ");
    }
}
