//! What real clients do although the standard does not foresee it, and faults that other brokers
//! had.

use super::{IDS, expired};
use crate::common::v5::{Packet, Publish, connect, id, option, publish};
use crate::common::{BROKER_ENDS, Broker, Client, on_shards, pubcomp, pubrel};

/// Paho for Python and gmqtt send PUBREL after each PUBREC, also after a refusal. It is completed,
/// and the identifier stands for another message then.
#[test]
fn pubrel_after_a_refusal_is_completed() {
    on_shards(&[1, 2], |broker| {
        let mut witness = Client::connect_v5(broker, "witness");
        witness.subscribe_v5("a", 2);
        for name in IDS {
            let mut client = Client::resume_v5(broker, &connect(name).durable(100), false);
            for _ in 0..2 {
                assert_eq!(client.publish_v5(&publish("$SYS/own", "x").qos2(7)), 0x87);
                client.send(&pubrel(7));
                // The code of a success: rumqttc does not expect another one.
                client.expect(&pubcomp(7));
                assert_eq!(client.publish_v5(&publish("a", name).qos2(7)), 0);
                witness.expect_publish_v5(&publish("a", name).at(2));
            }
            client.leave_v5();
        }
    });
}

/// Own messages that come in one piece are kept from filters with No Local, all of them.
#[test]
fn no_local_holds_in_batches() {
    on_shards(&[1, 2, 4], |broker| {
        let mut other = Client::connect_v5(broker, "other");
        other.subscribe_v5("#", 2);
        for name in IDS {
            let mut client = Client::connect_v5(broker, name);
            client.subscribe_v5("#", 2 | option::NO_LOCAL);
            let message = |number: u16| publish(name, number.to_string()).qos1(number);
            let batch: Vec<u8> = (1..=50).flat_map(|number| message(number).bytes()).collect();
            client.send(&batch);
            for packet in client.read_to_fence_v5() {
                assert!(matches!(packet, Packet::Answer(_)), "its own message: {packet:?}");
            }
            for number in 1..=50 {
                other.expect_publish_v5(&message(number).at(1));
            }
            client.leave_v5();
        }
    });
}

/// The largest intervals are kept: of messages that wait or are retained, of wills and sessions,
/// also over a restart.
#[test]
fn largest_intervals_are_kept() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        let mut publisher = Client::connect_v5(&broker, "publisher");
        let long =
            |message: Publish| message.with(|props| props.four(id::MESSAGE_EXPIRY, u32::MAX));
        for name in IDS {
            let will = long(publish("will", name)).with(|p| p.four(id::WILL_DELAY, u32::MAX));
            let packet = connect(name).durable(u32::MAX).will(&will);
            let mut client = Client::resume_v5(&broker, &packet, false);
            client.subscribe_v5(name, 2);
            drop(client);
            publisher.publish_v5(&long(publish(name, "waits").qos1(1)));
            publisher.publish_v5(&long(publish(name, "waits").qos2(2).retained()));
        }
        broker.restart(end);
        for name in IDS {
            let mut late = Client::connect_v5(&broker, "late");
            late.subscribe_v5("will", 1);
            late.subscribe_v5(name, 1);
            let mut client = Client::resume_v5(&broker, &connect(name).durable(u32::MAX), true);
            let mut came = vec![late.read_publish_v5()];
            came.extend([(); 2].map(|()| client.read_publish_v5()));
            for came in came {
                let left = came.props.number(id::MESSAGE_EXPIRY).expect("it is told");
                assert!(left > u32::MAX - 1000, "{left} s are left");
                assert_eq!(came.payload, b"waits");
            }
            late.leave_v5();
        }
    }
}

/// A retained message that has expired is gone after a restart, and those of other topics have
/// their own content.
#[test]
fn expired_retained_messages_leave_nothing() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        let mut publisher = Client::connect_v5(&broker, "publisher");
        for (at, name) in IDS.iter().enumerate() {
            let short = publish(name, format!("{name} is short")).qos1(1).retained();
            let stays = publish(format!("{name}/stays"), format!("{name} stays")).qos1(2);
            let short = short.with(|props| props.four(id::MESSAGE_EXPIRY, 1).user("of", name));
            // Both orders in the log.
            let mut both = [short, stays.retained()];
            both.rotate_left(at % 2);
            for message in &both {
                publisher.publish_v5(message);
            }
        }
        expired(&broker, connect("other").durable(2), drop);
        broker.restart(end);
        let mut late = Client::connect_v5(&broker, "late");
        late.subscribe_v5("#", 1);
        let mut came = IDS.map(|_| late.read_publish_v5());
        came.sort_by(|a, b| a.topic.cmp(&b.topic));
        for (name, came) in IDS.iter().zip(came) {
            let stays = publish(format!("{name}/stays"), format!("{name} stays"));
            assert_eq!(came, Publish { id: came.id, ..stays.at(1).retained() });
        }
        for packet in late.read_to_fence_v5() {
            assert!(matches!(packet, Packet::Answer(_)), "{packet:?}");
        }
    }
}
