//! QoS 2 from clients: PUBLISH, PUBREC, PUBREL, PUBCOMP (3.5 to 3.7, 4.3.3).

use std::collections::HashSet;

use crate::common::{
    Broker, Client, ENDS, Publish, connect, frame, on_shards, puback, pubcomp, publish, pubrec,
    pubrel, reconnect_as, resume_as,
};

/// The client ids a test repeats itself with, so that several shards are met.
const IDS: [&str; 4] = ["acorn", "beet", "cress", "dock"];

/// Receives at least this many messages of QoS 2 as a correct client does; returns their payloads.
fn receive(client: &mut Client, count: usize) -> Vec<String> {
    let (mut open, mut payloads, mut completed) = (HashSet::new(), Vec::new(), 0);
    while completed < count || !open.is_empty() {
        let packet = client.read_packet();
        if packet[0] == 0x62 {
            let id = u16::from_be_bytes([packet[2], packet[3]]);
            assert!(open.remove(&id), "PUBREL of {id}, which was not received");
            client.send(&pubcomp(id));
            completed += 1;
            continue;
        }
        let message = Publish::parse(&packet);
        assert_eq!((message.qos, message.dup), (2, false), "{message:?}");
        assert!(open.insert(message.id), "{} is in use", message.id);
        payloads.push(String::from_utf8(message.payload).expect("tests send text"));
        client.send(&pubrec(message.id));
    }
    payloads
}

/// PUBREC and PUBCOMP carry the identifier they answer, from 1 to 65,535.
#[test]
pub(crate) fn answers_carry_the_identifier() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "answers");
    for id in [1, 2, 0xff, 0x100, 0x7fff, 0xfffe, 0xffff_u16] {
        let [high, low] = id.to_be_bytes();
        client.send(&publish("nobody", "x").qos2(id).bytes());
        client.expect(&[0x50, 2, high, low]);
        client.expect_silence();
        client.send(&[0x62, 2, high, low]);
        client.expect(&[0x70, 2, high, low]);
        client.expect_silence();
    }
}

/// Until its PUBREL an identifier stands for one message: the same PUBLISH again, DUP or not, is
/// answered and not delivered.
#[test]
pub(crate) fn repeated_publish_is_delivered_once() {
    on_shards(&[1, 2, 4], |broker| {
        let mut subscriber = Client::connect(broker, "subscriber");
        subscriber.subscribe("once", 2);
        for name in IDS {
            let mut publisher = Client::connect(broker, name);
            let message = publish("once", name).qos2(7);
            for packet in [&message, &message, &message.clone().again(), &message] {
                publisher.send(&packet.bytes());
                publisher.expect(&pubrec(7));
            }
            for _ in 0..3 {
                publisher.send(&pubrel(7));
                publisher.expect(&pubcomp(7));
            }
            subscriber.expect_publish(&publish("once", name).at(2));
            subscriber.expect_silence();
            // The same in one write.
            let again = message.clone().again().bytes();
            publisher.send(&[message.bytes(), again.clone(), again, pubrel(7), pubrel(7)].concat());
            for answer in [pubrec(7), pubrec(7), pubrec(7), pubcomp(7), pubcomp(7)] {
                publisher.expect(&answer);
            }
            subscriber.expect_publish(&publish("once", name).at(2));
            subscriber.expect_silence();
        }
    });
}

/// After its PUBREL an identifier is free: the same again is a new message, DUP or not.
#[test]
pub(crate) fn identifier_is_free_after_pubrel() {
    on_shards(&[1, 2, 4], |broker| {
        let mut subscriber = Client::connect(broker, "subscriber");
        subscriber.subscribe("again", 2);
        let mut publisher = Client::connect(broker, "publisher");
        for message in [publish("again", "x").qos2(1), publish("again", "x").qos2(1).again()] {
            for _ in 0..3 {
                publisher.publish(&message);
                subscriber.expect_publish(&publish("again", "x").at(2));
            }
        }
        subscriber.expect_silence();
        let numbered = |number: usize| publish("again", number.to_string()).qos2(1).bytes();
        let all: Vec<_> = (0..100).map(|number| [numbered(number), pubrel(1)].concat()).collect();
        publisher.send(&all.concat());
        for _ in 0..100 {
            publisher.expect(&pubrec(1));
            publisher.expect(&pubcomp(1));
        }
        let due: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        assert_eq!(receive(&mut subscriber, 100), due);
        subscriber.expect_silence();
    });
}

/// A PUBREL with an unknown identifier is answered: the PUBCOMP may have been lost.
#[test]
pub(crate) fn unknown_pubrel_is_answered() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "client");
    for id in [1, 2, 1_000, 65_535] {
        client.send(&pubrel(id));
        client.expect(&pubcomp(id));
    }
    // It releases no other than its own.
    let mut subscriber = Client::connect(&broker, "subscriber");
    subscriber.subscribe("a", 2);
    client.send(&publish("a", "x").qos2(2).bytes());
    client.expect(&pubrec(2));
    client.send(&[pubrel(1), pubrel(3), publish("a", "x").qos2(2).again().bytes()].concat());
    for answer in [pubcomp(1), pubcomp(3), pubrec(2)] {
        client.expect(&answer);
    }
    client.send(&pubrel(2));
    client.expect(&pubcomp(2));
    subscriber.expect_publish(&publish("a", "x").at(2));
    subscriber.expect_silence();
}

/// Received, unreleased messages are known after a reconnect: they are not delivered again.
#[test]
pub(crate) fn received_identifiers_outlive_the_connection() {
    on_shards(&[1, 2, 4], |broker| {
        let mut subscriber = Client::connect(broker, "subscriber");
        subscriber.subscribe("kept", 2);
        for name in IDS {
            let mut client = resume_as(broker, name, false);
            for end in ENDS {
                for id in [9, 65_535] {
                    client.send(&publish("kept", end).qos2(id).bytes());
                    client.expect(&pubrec(id));
                }
                for _ in 0..2 {
                    client = reconnect_as(broker, name, client, end);
                    client.send(&publish("kept", end).qos2(9).again().bytes());
                    client.expect(&pubrec(9));
                }
                client = reconnect_as(broker, name, client, end);
                for id in [9, 65_535] {
                    client.send(&pubrel(id));
                    client.expect(&pubcomp(id));
                }
                assert_eq!(receive(&mut subscriber, 2), [end, end]);
                subscriber.expect_silence();
                // The PUBCOMP may be lost, too.
                client = reconnect_as(broker, name, client, end);
                client.send(&pubrel(9));
                client.expect(&pubcomp(9));
                client.publish(&publish("kept", "new").qos2(9));
                subscriber.expect_publish(&publish("kept", "new").at(2));
            }
        }
    });
}

/// A clean session does not know earlier received messages, and leaves nothing behind.
#[test]
pub(crate) fn clean_session_forgets_what_was_received() {
    on_shards(&[1, 2, 4], |broker| {
        let mut subscriber = Client::connect(broker, "subscriber");
        subscriber.subscribe("clean", 2);
        for name in IDS {
            let clean = connect(name);
            let persistent = connect(name).persistent();
            for (first, second) in [(&persistent, &clean), (&clean, &clean), (&clean, &persistent)]
            {
                let mut client = Client::connect_with(broker, first);
                client.send(&publish("clean", "old").qos2(5).bytes());
                client.expect(&pubrec(5));
                client.leave();
                let mut client = Client::connect_with(broker, second);
                client.publish(&publish("clean", "new").qos2(5).again());
                client.leave();
                // Whether a message is passed on at its PUBLISH or at its PUBREL is free.
                let mut came = receive(&mut subscriber, 1);
                if came == ["old"] {
                    came.extend(receive(&mut subscriber, 1));
                }
                assert!(came == ["new"] || came == ["old", "new"], "{came:?}");
                subscriber.expect_silence();
                Client::connect(broker, name).leave();
            }
        }
    });
}

/// PUBRECs are in the order of the PUBLISHes, PUBCOMPs in that of the PUBRELs, for many in one
/// write and with QoS 1 between them.
#[test]
pub(crate) fn answers_come_in_order() {
    on_shards(&[1, 2, 4], |broker| {
        let mut subscribers = IDS.map(|id| Client::connect(broker, id));
        for (number, subscriber) in subscribers.iter_mut().enumerate() {
            subscriber.subscribe(&format!("order/{number}"), 0);
        }
        let mut client = Client::connect(broker, "publisher");
        let is_qos_1 = |id: &u16| matches!(id % 3, 0);
        let message = |id: u16| {
            let message = publish(format!("order/{}", id % 5), "x");
            if is_qos_1(&id) { message.qos1(id) } else { message.qos2(id) }
        };
        let ids = || (1..=600_u16).rev();
        client.send(&ids().flat_map(|id| message(id).bytes()).collect::<Vec<_>>());
        let came: Vec<_> = ids().map(|_| client.read_packet()).collect();
        let (pubacks, pubrecs): (Vec<_>, Vec<_>) =
            came.into_iter().partition(|packet| packet[0] == 0x40);
        assert_eq!(pubacks, ids().filter(is_qos_1).map(puback).collect::<Vec<_>>());
        let ids = || ids().filter(|id| !is_qos_1(id));
        assert_eq!(pubrecs, ids().map(pubrec).collect::<Vec<_>>());
        client.send(&ids().flat_map(pubrel).collect::<Vec<_>>());
        for id in ids() {
            client.expect(&pubcomp(id));
        }
        client.expect_silence();
    });
}

/// A repeated message that clears a retained topic does not clear a later one.
#[test]
pub(crate) fn repeated_clear_clears_once() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            let topic = format!("clear/{name}");
            let set = publish(&topic, "set").retained();
            let clear = publish(&topic, "").retained().qos2(2);
            let mut publisher = resume_as(broker, name, false);
            publisher.publish(&set.clone().qos1(1));
            publisher.send(&clear.bytes());
            publisher.expect(&pubrec(2));
            publisher.send(&set.clone().qos2(3).bytes());
            publisher.expect(&pubrec(3));
            let mut publisher = reconnect_as(broker, name, publisher, "close");
            publisher.send(&clear.again().bytes());
            publisher.expect(&pubrec(2));
            publisher.subscribe(&topic, 0);
            publisher.expect_publish(&set);
        }
    });
}

/// Every identifier may be received and unreleased at a time.
#[test]
pub(crate) fn every_identifier_may_be_open() {
    const BATCH: usize = 1_000;
    let broker = Broker::start(1);
    let mut client = resume_as(&broker, "client", false);
    client.subscribe("open", 0);
    let ids: Vec<u16> = (1..=u16::MAX).collect();
    let exchange = |client: &mut Client, packet: fn(u16) -> Vec<u8>, answer: fn(u16) -> Vec<u8>| {
        for batch in ids.chunks(BATCH) {
            client.send(&batch.iter().flat_map(|id| packet(*id)).collect::<Vec<_>>());
            batch.iter().for_each(|id| client.expect(&answer(*id)));
        }
    };
    exchange(&mut client, |id| publish("nobody", "x").qos2(id).bytes(), pubrec);
    let mut client = reconnect_as(&broker, "client", client, "close");
    exchange(&mut client, |id| publish("open", "not delivered").qos2(id).again().bytes(), pubrec);
    exchange(&mut client, pubrel, pubcomp);
    client.expect_silence();
}

/// PUBREC, PUBREL and PUBCOMP have an identifier and nothing else.
#[test]
pub(crate) fn malformed_acknowledgements_close() {
    let broker = Broker::start(1);
    for first in [0x50, 0x62, 0x70] {
        for body in [&[][..], &[1], &[0, 1, 0], &[0, 1, 0, 0]] {
            println!("{first:02x} {body:02x?}");
            let mut client = Client::connect(&broker, "malformed");
            client.send(&frame(first, body));
            client.expect_closed();
        }
    }
}
