//! `ringmq data backup` with a broker that writes: earlier acknowledged messages are in the copy.

use std::collections::BTreeSet;

use crate::common::{Broker, Client, DataDir, End, Publish, connect, puback, publish, resume_as};
use crate::load::{ABSENT, Load, is_absent};
use crate::tools::{assert_sound, contents, data, store, text};

/// Messages after which files have been used again several times on each shard.
const MUCH: u64 = 3_000;

/// Messages of the backlog that are read for each acknowledgement.
#[track_caller]
fn drain_absent(broker: &Broker) -> Vec<Publish> {
    let mut client = resume_as(broker, ABSENT, true);
    let mut messages = Vec::new();
    loop {
        let packets = client.read_to_fence();
        if packets.is_empty() {
            return messages;
        }
        for packet in packets {
            let message = Publish::parse(&packet);
            client.send(&puback(message.id));
            messages.push(message);
        }
    }
}

/// Each backup taken under load is sound, and a broker that is started on it has every message that
/// was acknowledged before, in order, and the retained ones.
#[test]
fn a_backup_under_load_is_restored() {
    for shards in [1, 2] {
        let broker = Broker::start(shards);
        let mut keeper = Client::connect_with(&broker, &connect("keeper").persistent());
        for number in 1..=30 {
            keeper.publish(&publish(format!("kept/{number}"), "it").qos1(number).retained());
        }
        let load = Load::start(&broker, 2);
        for _ in 0..3 {
            load.wait_for(MUCH);
            let acked = load.acked();
            let copy = DataDir::fresh();
            let said = data(&["backup", text(broker.data_dir()), text(copy.path())]);
            assert_eq!(said.code, Some(0), "{}", said.err);
            assert!(said.out.contains("which is in use"), "{}", said.out);
            assert_sound(copy.path());

            let restored = Broker::start_with(shards, &["--data-dir", text(copy.path())]);
            let messages = drain_absent(&restored);
            for (publisher, acked) in acked.iter().enumerate() {
                let topic = format!("absent/{publisher}").into_bytes();
                let of_it = messages.iter().filter(|message| message.topic == topic);
                let numbers: Vec<u64> = of_it.map(number).collect();
                let expected = (0..).filter(|number| is_absent(*number)).take(numbers.len());
                assert!(numbers.iter().copied().eq(expected), "{publisher}: {numbers:?}");
                let least = (0..*acked).filter(|number| is_absent(*number)).count();
                assert!(numbers.len() >= least, "{publisher}: {} of {least}", numbers.len());
            }
            let mut newcomer = Client::connect(&restored, "newcomer");
            newcomer.subscribe("kept/#", 0);
            let kept = (0..30).map(|_| newcomer.read_publish().topic);
            assert_eq!(kept.collect::<BTreeSet<_>>().len(), 30);
            restored.stop();
        }
        load.end(&broker);
        broker.stop();
    }
}

fn number(message: &Publish) -> u64 {
    let text = str::from_utf8(&message.payload).expect("it is text");
    text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// A backup of an idle directory has the same contents, however its broker ended.
#[test]
fn a_backup_of_an_idle_directory_is_the_same() {
    for end in [End::Killed, End::Stopped] {
        let mut broker = Broker::start(2);
        let load = Load::start(&broker, 2);
        load.wait_for(MUCH);
        load.end(&broker);
        broker.end(end);
        let copy = DataDir::fresh();
        let said = data(&["backup", text(broker.data_dir()), text(copy.path())]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert_sound(copy.path());
        assert!(contents(copy.path()) == contents(broker.data_dir()), "{end:?}");
        let again = data(&["backup", text(broker.data_dir()), text(copy.path())]);
        assert_eq!(again.code, Some(1));
        assert!(again.err.contains("is not empty"), "{}", again.err);
    }
}

/// A broker that has never stored anything, and one with a single message, are backed up as well.
#[test]
fn a_backup_of_little() {
    let broker = Broker::start(3);
    for messages in 0..2_u16 {
        let mut client = Client::connect(&broker, "writer");
        for number in 1..=messages {
            client.publish(&publish("kept", "it").qos1(number).retained());
        }
        let copy = DataDir::fresh();
        let said = data(&["backup", text(broker.data_dir()), text(copy.path())]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert_sound(copy.path());
        let said = store(&["dump", "--retained", "#", text(copy.path())]);
        assert_eq!(said.lines().len(), usize::from(messages));
        client.leave();
    }
}
