//! Messages on their way to persistent sessions: queued, sent, released, acknowledged.

use crate::common::{Broker, Client, Publish, puback, pubcomp, publish, pubrec, pubrel, resume_as};
use crate::setup::{NAMES, on_setups, receive_all, settle};

/// The message number `number`: every third has QoS 2.
fn message(number: u16) -> Publish {
    publish(format!("out/{}", number % 3), format!("number {number}"))
        .at(1 + u8::from(number % 3 == 2))
}

/// Publishes messages and waits for their acknowledgements.
#[track_caller]
fn publish_all(broker: &Broker, numbers: impl Iterator<Item = u16>) {
    let mut publisher = Client::connect(broker, "publisher");
    for number in numbers {
        publisher.publish(&Publish { id: 1, ..message(number) });
    }
    publisher.leave();
}

/// A session of this name that wants all messages.
#[track_caller]
fn subscriber(broker: &Broker, name: &str) -> Client {
    let mut client = resume_as(broker, name, false);
    client.subscribe("out/#", 2);
    client
}

/// These messages are delivered now, in this order; returns their identifiers. `again`: with DUP.
#[track_caller]
fn receive(client: &mut Client, numbers: impl Iterator<Item = u16>, again: bool) -> Vec<u16> {
    let due = numbers.map(|number| Publish { dup: again, ..message(number) });
    due.map(|due| client.expect_unacked(&due)).collect()
}

/// Messages queued for an absent client are delivered in order and without DUP; unacknowledged,
/// they are delivered again after the next restart, with DUP and the same identifiers
/// [MQTT-4.4.0-1].
#[test]
fn queued_messages_outlive_the_broker() {
    on_setups(&[], |broker, end| {
        for name in NAMES {
            subscriber(broker, name).leave();
        }
        publish_all(broker, 0..20);
        broker.restart(end);
        publish_all(broker, 20..40);
        broker.restart(end);
        let ids = NAMES.map(|name| {
            let mut client = resume_as(broker, name, true);
            let ids = receive(&mut client, 0..40, false);
            client.expect_silence();
            ids
        });
        for _ in 0..2 {
            broker.restart(end);
            for (name, ids) in NAMES.into_iter().zip(&ids) {
                let mut client = resume_as(broker, name, true);
                assert_eq!(receive(&mut client, 0..40, true), *ids);
                client.expect_silence();
            }
        }
    });
}

/// Messages that were sent are redelivered with DUP and their identifiers, others without DUP.
#[test]
fn dup_tells_what_was_sent() {
    on_setups(&[], |broker, end| {
        let ids = NAMES.map(|name| {
            let mut client = subscriber(broker, name);
            publish_all(broker, 0..4);
            let ids = receive(&mut client, 0..4, false);
            client.leave();
            ids
        });
        publish_all(broker, 4..8);
        broker.restart(end);
        for (name, before) in NAMES.into_iter().zip(ids) {
            let mut client = resume_as(broker, name, true);
            // The second session was made when the first messages were through.
            assert_eq!(receive(&mut client, 0..4, true), before);
            let first = if name == NAMES[0] { 0 } else { 4 };
            receive(&mut client, first..8, false);
            client.expect_silence();
        }
    });
}

/// Messages sent to a connected client before the broker ended are redelivered with DUP.
#[test]
fn in_flight_messages_outlive_the_broker() {
    on_setups(&[], |broker, end| {
        let mut clients = NAMES.map(|name| subscriber(broker, name));
        publish_all(broker, 0..9);
        let ids = clients.each_mut().map(|client| receive(client, 0..9, false));
        broker.restart(end);
        for (name, ids) in NAMES.into_iter().zip(ids) {
            let mut client = resume_as(broker, name, true);
            assert_eq!(receive(&mut client, 0..9, true), ids);
            client.expect_silence();
        }
    });
}

/// Acknowledged messages are not redelivered, in any order of acknowledgement.
#[test]
fn acknowledged_messages_are_gone() {
    on_setups(&[], |broker, end| {
        let mut clients = NAMES.map(|name| subscriber(broker, name));
        publish_all(broker, 0..12);
        let ids = clients.each_mut().map(|client| {
            let ids = receive(client, 0..12, false);
            for at in [7, 3, 1, 2, 11] {
                client.acknowledge(message(at).qos, ids[usize::from(at)]);
            }
            ids
        });
        let [first, second] = &mut clients;
        settle(broker, &mut [first, second]);
        broker.restart(end);
        for (name, ids) in NAMES.into_iter().zip(ids) {
            let mut client = resume_as(broker, name, true);
            let due = [0_u16, 4, 5, 6, 8, 9, 10]
                .map(|at| Publish { id: ids[usize::from(at)], ..message(at).again() });
            assert_eq!(receive_all(&mut client), due);
            settle(broker, &mut [&mut client]);
        }
        broker.restart(end);
        for name in NAMES {
            resume_as(broker, name, true).expect_silence();
        }
    });
}

/// A message that the client has, by its PUBREC, is not sent again: its PUBREL is, until PUBCOMP.
#[test]
fn released_messages_come_back_as_pubrel() {
    on_setups(&[], |broker, end| {
        for name in NAMES {
            let mut client = subscriber(broker, name);
            // 2, 5 and 8 have QoS 2, 3 has QoS 1.
            publish_all(broker, [2, 3, 5, 8].into_iter());
            let ids = receive(&mut client, [2, 3, 5, 8].into_iter(), false);
            for id in [ids[2], ids[0]] {
                client.send(&pubrec(id));
                client.expect(&pubrel(id));
            }
            broker.restart(end);
            let mut client = resume_as(broker, name, true);
            client.expect(&pubrel(ids[0]));
            assert_eq!(receive(&mut client, 3..4, true), ids[1..2]);
            client.expect(&pubrel(ids[2]));
            assert_eq!(receive(&mut client, 8..9, true), ids[3..]);
            client.expect_silence();
            client.send(&pubcomp(ids[0]));
            client.send(&puback(ids[1]));
            settle(broker, &mut [&mut client]);
            broker.restart(end);
            let mut client = resume_as(broker, name, true);
            client.expect(&pubrel(ids[2]));
            client.send(&pubcomp(ids[2]));
            assert_eq!(receive(&mut client, 8..9, true), ids[3..]);
            client.acknowledge(2, ids[3]);
            settle(broker, &mut [&mut client]);
            broker.restart(end);
            resume_as(broker, name, true).expect_silence();
            Client::connect(broker, name).leave();
        }
    });
}

/// Identifiers continue where they were: none is assigned twice while it is in use.
#[test]
fn identifiers_go_on() {
    on_setups(&[], |broker, end| {
        for name in NAMES {
            let mut client = subscriber(broker, name);
            publish_all(broker, 0..6);
            let mut taken = receive(&mut client, 0..6, false);
            for number in [1_u16, 4] {
                client.acknowledge(1, taken[usize::from(number)]);
            }
            settle(broker, &mut [&mut client]);
            broker.restart(end);
            let mut client = resume_as(broker, name, true);
            for number in [0, 2, 3, 5] {
                receive(&mut client, number..number + 1, true);
            }
            publish_all(broker, 6..12);
            taken.extend(receive(&mut client, 6..12, false));
            let mut distinct = taken.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), taken.len(), "{taken:?}");
            Client::connect(broker, name).leave();
        }
    });
}

/// A narrow window, with messages behind it in the queue, is as narrow after a restart.
#[test]
fn window_holds_after_a_restart() {
    on_setups(&["--max-inflight", "3"], |broker, end| {
        for name in NAMES {
            let mut client = subscriber(broker, name);
            publish_all(broker, 0..9);
            let ids = receive(&mut client, 0..3, false);
            client.expect_silence();
            broker.restart(end);
            let mut client = resume_as(broker, name, true);
            assert_eq!(receive(&mut client, 0..3, true), ids);
            client.expect_silence();
            for number in 0..9 {
                client.acknowledge(message(number).qos, ids[0] + number);
                if number < 6 {
                    // It is unknown whether it was sent before.
                    let came = client.read_publish();
                    assert_eq!(came, Publish { id: came.id, dup: came.dup, ..message(number + 3) });
                    assert_eq!(came.id, ids[0] + number + 3);
                }
            }
            client.expect_silence();
            Client::connect(broker, name).leave();
        }
    });
}
