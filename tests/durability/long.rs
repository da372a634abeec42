//! Queues over many segments, and the space that they give back.

use std::fs;

use crate::common::{Broker, Client, End, Publish, puback, publish, resume_as, until};
use crate::setup::NAMES;

const PAYLOAD_BYTES: usize = 1000;

/// Messages for one session: some six segments.
const MESSAGES: usize = 6000;

/// The payload of message `number`.
pub(crate) fn payload(number: usize) -> Vec<u8> {
    let mut payload = number.to_string().into_bytes();
    payload.resize(PAYLOAD_BYTES, b'.');
    payload
}

/// Publishes messages by these numbers, a hundred at a time.
pub(crate) fn publish_all(broker: &Broker, numbers: std::ops::Range<usize>) {
    let mut publisher = Client::connect(broker, "publisher");
    let numbers: Vec<usize> = numbers.collect();
    for some in numbers.chunks(100) {
        let bytes = some.iter().flat_map(|n| publish("long", payload(*n)).qos1(1).bytes());
        publisher.send(&bytes.collect::<Vec<_>>());
        some.iter().for_each(|_| publisher.expect(&puback(1)));
    }
}

/// Receives messages by these numbers, and acknowledges them.
#[track_caller]
fn receive(client: &mut Client, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let came = client.read_publish();
        let due = Publish { id: came.id, dup: came.dup, ..publish("long", payload(number)).at(1) };
        assert!(came == due, "{number} is due, this came: {:.20}", came.payload.escape_ascii());
        client.send(&puback(came.id));
    }
}

/// Segment files of all shards that are not free.
fn segments(broker: &Broker) -> usize {
    let shards = fs::read_dir(broker.data_dir()).expect("the broker has made it");
    let shards = shards.filter_map(|entry| fs::read_dir(entry.ok()?.path()).ok());
    let names = shards.flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.ends_with(".segment")).count()
}

/// A queue over many segments survives the broker at any point, and removed messages stay removed.
#[test]
fn long_queues_outlive_the_broker() {
    for shards in [1, 2] {
        let mut broker = Broker::start(shards);
        for name in NAMES {
            resume_as(&broker, name, false).subscribe_and_leave("long", 1);
        }
        for part in 0..3 {
            publish_all(&broker, part * MESSAGES / 3..(part + 1) * MESSAGES / 3);
            broker.restart(End::Killed);
        }
        for name in NAMES {
            let mut client = resume_as(&broker, name, true);
            receive(&mut client, 0..MESSAGES / 2);
            // The SUBACK promises everything before it.
            client.send(&crate::common::subscribe(9, &[("other", 1)]));
            loop {
                let packet = client.read_packet();
                if packet == crate::common::suback(9, &[1]) {
                    break;
                }
                Publish::parse(&packet);
            }
        }
        broker.restart(End::Killed);
        for name in NAMES {
            let mut client = resume_as(&broker, name, true);
            receive(&mut client, MESSAGES / 2..MESSAGES);
            client.expect_silence();
        }
    }
}

/// Consumed messages free their space; the data directory does not grow with the traffic, nor with
/// one message that stays unconsumed.
#[test]
fn space_comes_back() {
    for shards in [1, 2] {
        let mut broker = Broker::start(shards);
        resume_as(&broker, "absent", false).subscribe_and_leave("rare", 1);
        let mut clients = NAMES.map(|name| {
            let mut client = resume_as(&broker, name, false);
            client.subscribe("long", 1);
            client
        });
        Client::connect(&broker, "publisher").publish(&publish("rare", "x").qos1(1));
        let mut most = 0;
        for round in 0..12 {
            publish_all(&broker, 0..MESSAGES / 6);
            for client in &mut clients {
                receive(client, 0..MESSAGES / 6);
                client.expect_silence();
            }
            if round == 3 {
                most = segments(&broker);
            }
        }
        let spare = 6 * shards;
        until("space comes back", || {
            clients[0].expect_silence();
            segments(&broker) <= most.max(spare)
        });
        broker.restart(End::Killed);
        resume_as(&broker, "absent", true).expect_publish(&publish("rare", "x").at(1));
    }
}
