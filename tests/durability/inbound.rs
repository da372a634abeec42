//! Received messages: the promises of PUBREC and PUBCOMP.

use crate::common::{Client, Publish, pubcomp, publish, pubrec, pubrel, resume_as};
use crate::setup::{NAMES, on_setups, receive_all};

/// [MQTT-4.3.3-2] A message that is sent again after a restart is not passed on again; after its
/// release the identifier is free for another.
#[test]
fn received_messages_are_passed_on_once() {
    on_setups(&[], |broker, end| {
        for name in NAMES {
            let mut subscriber = resume_as(broker, name, false);
            subscriber.subscribe("in", 2);
        }
        let mut publisher = resume_as(broker, "publisher", false);
        for id in [7, 65_535] {
            publisher.send(&publish("in", "old").qos2(id).bytes());
            publisher.expect(&pubrec(id));
        }
        for _ in 0..2 {
            broker.restart(end);
            let mut publisher = resume_as(broker, "publisher", true);
            publisher.send(&publish("in", "old").qos2(7).again().bytes());
            publisher.expect(&pubrec(7));
        }
        broker.restart(end);
        let mut publisher = resume_as(broker, "publisher", true);
        for id in [7, 65_535] {
            publisher.send(&pubrel(id));
            publisher.expect(&pubcomp(id));
        }
        broker.restart(end);
        let mut publisher = resume_as(broker, "publisher", true);
        // The PUBCOMP may have been lost.
        publisher.send(&pubrel(7));
        publisher.expect(&pubcomp(7));
        publisher.publish(&publish("in", "new").qos2(7));
        publisher.publish(&publish("in", "last").qos2(65_535));
        for name in NAMES {
            let mut subscriber = resume_as(broker, name, true);
            let came = receive_all(&mut subscriber);
            let came: Vec<_> = came.iter().map(|came| (came.qos, &*came.payload)).collect();
            assert_eq!(came, [(2, &b"old"[..]), (2, b"old"), (2, b"new"), (2, b"last")]);
        }
    });
}

/// The same without subscribers, with connected ones only, or if it is retained.
#[test]
fn received_identifiers_outlive_the_broker() {
    on_setups(&[], |broker, end| {
        for (id, topic) in [(1, "nobody"), (2, "somebody"), (3, "retained")] {
            let mut somebody = NAMES.map(|name| Client::connect(broker, name));
            somebody.iter_mut().for_each(|client| client.subscribe("somebody", 2));
            let message = publish(topic, "old").qos2(id);
            let message = if topic == "retained" { message.retained() } else { message };
            let mut publisher = resume_as(broker, "publisher", id > 1);
            publisher.send(&message.bytes());
            publisher.expect(&pubrec(id));
            broker.restart(end);
            let mut somebody = NAMES.map(|name| Client::connect(broker, name));
            somebody.iter_mut().for_each(|client| client.subscribe(topic, 2));
            if topic == "retained" {
                for client in &mut somebody {
                    client.expect_publish(&publish(topic, "old").at(2).retained());
                }
            }
            let mut publisher = resume_as(broker, "publisher", true);
            publisher.send(&message.again().bytes());
            publisher.expect(&pubrec(id));
            publisher.send(&pubrel(id));
            publisher.expect(&pubcomp(id));
            somebody.iter_mut().for_each(Client::expect_silence);
            publisher.publish(&publish(topic, "new").qos2(id));
            for client in &mut somebody {
                client.expect_publish(&publish(topic, "new").at(2));
                client.expect_silence();
            }
        }
    });
}

/// QoS 2 identifiers of a clean session end with it: they are free.
#[test]
fn clean_sessions_are_forgotten() {
    on_setups(&[], |broker, end| {
        for name in NAMES {
            resume_as(broker, name, false).subscribe("in", 2);
        }
        let mut publisher = Client::connect(broker, "publisher");
        publisher.send(&publish("in", "old").qos2(7).bytes());
        publisher.expect(&pubrec(7));
        broker.restart(end);
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("in", "new").qos2(7));
        for name in NAMES {
            let mut subscriber = resume_as(broker, name, true);
            let came = receive_all(&mut subscriber);
            let came: Vec<_> = came.iter().map(|came| (came.qos, &*came.payload)).collect();
            assert_eq!(came, [(2, &b"old"[..]), (2, b"new")]);
        }
    });
}

/// A message that was acknowledged to its publisher is kept for every session at its QoS; QoS 0 is
/// not kept.
#[test]
fn acknowledged_messages_are_kept() {
    on_setups(&[], |broker, end| {
        for name in NAMES {
            let mut subscriber = resume_as(broker, name, false);
            for qos in 0..3 {
                subscriber.subscribe(&format!("granted/{qos}/+"), qos);
            }
            subscriber.leave();
        }
        let mut publisher = Client::connect(broker, "publisher");
        for granted in 0..3 {
            for qos in 0..3 {
                let message = publish(format!("granted/{granted}/{qos}"), "x").at(qos);
                publisher.publish(&Publish { id: qos.into(), ..message });
            }
        }
        publisher.expect_silence();
        broker.restart(end);
        for name in NAMES {
            let mut subscriber = resume_as(broker, name, true);
            let due = [(1, 1), (1, 2), (2, 1), (2, 2)].map(|(granted, qos)| {
                publish(format!("granted/{granted}/{qos}"), "x").at(granted.min(qos))
            });
            let came = receive_all(&mut subscriber).into_iter();
            assert_eq!(came.map(|came| Publish { id: 0, ..came }).collect::<Vec<_>>(), due);
        }
    });
}
