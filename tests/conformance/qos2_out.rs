//! QoS 2 to clients: PUBLISH, PUBREC, PUBREL, PUBCOMP, and the packets that are due after a
//! reconnect (3.5 to 3.7, 4.3.3, 4.4, 4.6).

use crate::common::{
    Broker, Client, ENDS, PINGREQ, PINGRESP, Publish, connack, connect, on_shards, puback, pubcomp,
    publish, pubrec, pubrel, reconnect_as, resume_as,
};

/// The client ids a test repeats itself with, so that several shards are met.
const IDS: [&str; 4] = ["acorn", "beet", "cress", "dock"];

/// A new session `name`, and the identifier under which a message of QoS 2 was sent to it.
fn with_one_in_flight(broker: &Broker, name: &str) -> (Client, u16) {
    let mut client = resume_as(broker, name, false);
    client.subscribe(name, 2);
    Client::connect(broker, "publisher").publish(&publish(name, "x").qos2(1));
    let id = client.expect_unacked(&publish(name, "x").at(2));
    (client, id)
}

/// PUBLISH with an identifier and DUP 0; to PUBREC a PUBREL; after PUBCOMP nothing is owed.
#[test]
pub(crate) fn delivery_has_four_steps() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            let (mut client, id) = with_one_in_flight(broker, name);
            client.expect_silence();
            let [high, low] = id.to_be_bytes();
            client.send(&[0x50, 2, high, low]);
            client.expect(&[0x62, 2, high, low]);
            client.expect_silence();
            client.send(&[0x70, 2, high, low]);
            client.expect_silence();
            for end in ENDS {
                client = reconnect_as(broker, name, client, end);
                client.expect_silence();
            }
        }
    });
}

/// Until PUBREC the message is sent again on each reconnect; from then until PUBCOMP its PUBREL is.
#[test]
pub(crate) fn what_is_owed_comes_again() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            let (mut client, id) = with_one_in_flight(broker, name);
            for end in ENDS {
                client = reconnect_as(broker, name, client, end);
                client.expect(&publish(name, "x").qos2(id).again().bytes());
                client.expect_silence();
            }
            client.send(&pubrec(id));
            client.expect(&pubrel(id));
            for end in ENDS {
                client = reconnect_as(broker, name, client, end);
                client.expect(&pubrel(id));
                client.expect_silence();
            }
            // The client may have forgotten that it sent PUBREC.
            client.send(&pubrec(id));
            client.expect(&pubrel(id));
            client.send(&pubcomp(id));
            client.expect_silence();
            reconnect_as(broker, name, client, "leave").expect_silence();
        }
    });
}

/// A PUBREL that was not read is due again: the broker's state decides, not what arrived.
#[test]
pub(crate) fn pubrec_counts_although_its_answer_is_lost() {
    on_shards(&[1, 2], |broker| {
        for name in IDS {
            let (mut client, id) = with_one_in_flight(broker, name);
            // The PINGRESP shows that PUBREC was received; the PUBREL is not checked.
            client.send(&[pubrec(id), PINGREQ.to_vec()].concat());
            while client.read_packet() != PINGRESP {}
            let mut client = reconnect_as(broker, name, client, "reset");
            client.expect(&pubrel(id));
            client.send(&pubcomp(id));
            client.expect_silence();
            reconnect_as(broker, name, client, "reset").expect_silence();
        }
    });
}

/// After a reconnect open exchanges continue with their identifiers, in order, before new messages.
#[test]
pub(crate) fn resumed_in_order_and_first() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for name in IDS {
            let mut client = resume_as(broker, name, false);
            client.subscribe(&format!("{name}/+"), 2);
            let message = |number: u16| {
                publish(format!("{name}/{}", number % 2), number.to_string())
                    .at(if number % 4 == 3 { 1 } else { 2 })
            };
            let mut send = |numbers: std::ops::Range<u16>| {
                for number in numbers {
                    publisher.publish(&Publish { id: number + 1, ..message(number) });
                }
            };
            send(0..12);
            let mut ids: Vec<u16> =
                (0..12).map(|number| client.expect_unacked(&message(number))).collect();
            let (released, completed, acknowledged) = ([0, 2, 5, 9, 10], [2, 9], 7);
            for number in released {
                client.send(&pubrec(ids[number]));
                client.expect(&pubrel(ids[number]));
            }
            completed.iter().for_each(|number| client.send(&pubcomp(ids[*number])));
            client.send(&puback(ids[acknowledged]));
            client.expect_silence();
            client.leave();
            send(12..16);
            let mut sent = 12;
            for end in ENDS {
                client = resume_as(broker, name, true);
                let (mut publishes, mut pubrels) = (Vec::new(), Vec::new());
                for _ in 0..9 {
                    let packet = client.read_packet();
                    if packet[0] == 0x62 { &mut pubrels } else { &mut publishes }.push(packet);
                }
                assert_eq!(pubrels, [0, 5, 10].map(|number| pubrel(ids[number])));
                let due = [1, 3, 4, 6, 8, 11].map(|number: u16| {
                    Publish { id: ids[usize::from(number)], ..message(number) }.again().bytes()
                });
                assert_eq!(publishes, due);
                for number in 12..16 {
                    let id = client.expect_unacked(&if sent > number {
                        message(number).again()
                    } else {
                        message(number)
                    });
                    ids.truncate(usize::from(number));
                    assert!(!ids.contains(&id), "{id} is in use");
                    ids.push(id);
                }
                sent = 16;
                client.expect_silence();
                client = reconnect_as(broker, name, client, end);
            }
        }
    });
}

/// PUBRELs are sent in the order of the PUBRECs.
#[test]
pub(crate) fn pubrels_come_in_order() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect(broker, "client");
        client.subscribe("order", 2);
        let mut publisher = Client::connect(broker, "publisher");
        for _ in 0..50 {
            publisher.publish(&publish("order", "x").qos2(1));
        }
        let due = publish("order", "x").at(2);
        let ids: Vec<_> = (0..50).map(|_| client.expect_unacked(&due)).collect();
        let shuffled = || (0..50).map(|index| ids[index * 7 % 50]);
        client.send(&shuffled().flat_map(pubrec).collect::<Vec<_>>());
        for id in shuffled() {
            client.expect(&pubrel(id));
        }
        client.send(&shuffled().flat_map(pubcomp).collect::<Vec<_>>());
        client.expect_silence();
    });
}

/// Each PUBREC gets a PUBREL: a repeated one, one after PUBCOMP, one for an unknown message; the
/// latter leave nothing due.
#[test]
pub(crate) fn every_pubrec_is_answered() {
    on_shards(&[1, 2], |broker| {
        let (mut client, id) = with_one_in_flight(broker, "client");
        client.send(&pubrec(id).repeat(3));
        for _ in 0..3 {
            client.expect(&pubrel(id));
        }
        client.send(&pubcomp(id));
        for unknown in [id, 1_000, 65_535] {
            client.send(&pubrec(unknown));
            client.expect(&pubrel(unknown));
        }
        client.expect_silence();
        client = reconnect_as(broker, "client", client, "leave");
        client.expect_silence();
        Client::connect(broker, "publisher").publish(&publish("client", "y").qos2(1));
        client.expect_publish(&publish("client", "y").at(2));
    });
}

/// A PUBCOMP for a message of QoS 1, or for an unreleased one of QoS 2, closes, and the message
/// stays due; one for an unknown identifier is ignored.
#[test]
pub(crate) fn early_pubcomp_closes() {
    on_shards(&[1, 2], |broker| {
        let (mut client, two) = with_one_in_flight(broker, "client");
        Client::connect(broker, "publisher").publish(&publish("client", "y").qos1(1));
        let one = client.expect_unacked(&publish("client", "y").at(1));
        for id in [1_000, 65_535] {
            client.send(&pubcomp(id));
        }
        client.expect_silence();
        for id in [two, one] {
            client.send(&pubcomp(id));
            client.expect_closed();
            client = resume_as(broker, "client", true);
            client.expect(&publish("client", "x").qos2(two).again().bytes());
            client.expect(&publish("client", "y").qos1(one).again().bytes());
        }
        client.send(&[pubrec(two), pubcomp(two), pubcomp(two), puback(one)].concat());
        client.expect(&pubrel(two));
        client.expect_silence();
        reconnect_as(broker, "client", client, "leave").expect_silence();
    });
}

/// PUBACK for a message of QoS 2 or PUBREC for one of QoS 1 closes, and the message is owed as
/// before.
#[test]
pub(crate) fn answer_of_another_qos_closes() {
    on_shards(&[1, 2], |broker| {
        let (mut client, id) = with_one_in_flight(broker, "two");
        client.send(&puback(id));
        client.expect_closed();
        let mut client = resume_as(broker, "two", true);
        client.expect(&publish("two", "x").qos2(id).again().bytes());
        client.send(&pubrec(id));
        client.expect(&pubrel(id));
        client.send(&puback(id));
        client.expect_closed();
        let mut client = resume_as(broker, "two", true);
        client.expect(&pubrel(id));
        client.send(&pubcomp(id));
        // Now it is an acknowledgement of nothing.
        client.send(&puback(id));
        client.expect_silence();

        let mut client = resume_as(broker, "one", false);
        client.subscribe("one", 1);
        Client::connect(broker, "publisher").publish(&publish("one", "x").qos2(1));
        let id = client.expect_unacked(&publish("one", "x").at(1));
        client.send(&pubrec(id));
        client.expect_closed();
        let mut client = resume_as(broker, "one", true);
        client.expect(&publish("one", "x").qos1(id).again().bytes());
        client.send(&puback(id));
        client.leave();
        resume_as(broker, "one", true).expect_silence();
    });
}

/// A clean session has nothing due from the session before it.
#[test]
pub(crate) fn clean_session_owes_nothing() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            for is_released in [false, true] {
                let (mut client, id) = with_one_in_flight(broker, name);
                if is_released {
                    client.send(&pubrec(id));
                    client.expect(&pubrel(id));
                }
                client.leave();
                let mut clean = Client::connect(broker, name);
                clean.expect_silence();
                clean.subscribe(name, 2);
                Client::connect(broker, "publisher").publish(&publish(name, "y").qos2(1));
                let id = clean.expect_unacked(&publish(name, "y").at(2));
                clean.send(&pubrec(id));
                clean.expect(&pubrel(id));
                clean.leave();
                resume_as(broker, name, false).expect_silence();
                Client::connect(broker, name).leave();
            }
        }
    });
}

/// Messages of QoS 2 are kept for an absent session, in their order, at the granted QoS.
#[test]
pub(crate) fn kept_for_the_absent() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect(broker, "publisher");
        for name in IDS {
            for granted in [1, 2] {
                let topic = format!("{name}/{granted}");
                let mut absent = resume_as(broker, name, false);
                absent.subscribe(&topic, granted);
                absent.leave();
                let messages: Vec<_> =
                    (0..60_u8).map(|number| publish(&topic, number.to_string())).collect();
                for (number, message) in messages.iter().enumerate() {
                    match number % 3 {
                        0 => publisher.publish(&message.clone().qos1(3)),
                        _ => publisher.publish(&message.clone().qos2(4)),
                    }
                }
                let mut present = resume_as(broker, name, true);
                let ids: Vec<_> = (0..60)
                    .map(|number| {
                        let qos = if number % 3 == 0 { 1 } else { granted };
                        (qos, present.expect_unacked(&messages[number].clone().at(qos)))
                    })
                    .collect();
                ids.into_iter().for_each(|(qos, id)| present.acknowledge(qos, id));
                present.expect_silence();
                Client::connect(broker, name).leave();
            }
        }
    });
}

/// An identifier is taken from PUBLISH to PUBCOMP: no other message gets it meanwhile.
#[test]
pub(crate) fn identifiers_are_taken_until_pubcomp() {
    const BATCH: usize = 500;
    let broker = Broker::start(1);
    let (mut client, released) = with_one_in_flight(&broker, "client");
    client.send(&pubrec(released));
    client.expect(&pubrel(released));
    let mut publisher = Client::connect(&broker, "publisher");
    let batch = publish("client", "y").qos1(1).bytes().repeat(BATCH);
    // One identifier less than there are.
    let mut left = 65_534;
    while left > 0 {
        let count = BATCH.min(left);
        publisher.send(&batch[..batch.len() / BATCH * count]);
        let due = publish("client", "y").at(1);
        let ids: Vec<_> = (0..count).map(|_| client.expect_unacked(&due)).collect();
        assert!(!ids.contains(&released), "{released} is taken");
        client.send(&ids.into_iter().flat_map(puback).collect::<Vec<_>>());
        (0..count).for_each(|_| publisher.expect(&puback(1)));
        left -= count;
    }
    publisher.publish(&publish("client", "z").qos2(1));
    client.send(&pubcomp(released));
    client.expect_publish(&publish("client", "z").at(2));
    client.expect_silence();
}

/// An acknowledgement in one write with CONNECT counts: a client need not wait for redelivery.
#[test]
pub(crate) fn pubrec_right_after_connect_counts() {
    on_shards(&[1, 2], |broker| {
        let (client, id) = with_one_in_flight(broker, "client");
        client.leave();
        let mut client = Client::open(broker);
        client.send(&[connect("client").persistent().bytes(), pubrec(id)].concat());
        client.expect(&connack(true, 0));
        let first = client.read_packet();
        if first != pubrel(id) {
            assert_eq!(Publish::parse(&first), publish("client", "x").qos2(id).again());
            client.expect(&pubrel(id));
        }
        client.expect_silence();
        client.leave();
        let mut client = Client::open(broker);
        client.send(&[connect("client").persistent().bytes(), pubcomp(id)].concat());
        client.expect(&connack(true, 0));
        client.expect_at_most(&[&pubrel(id)]);
        client.leave();
        resume_as(broker, "client", true).expect_silence();
    });
}
