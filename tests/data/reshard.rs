//! Another number of shards: all data is copied, and the old directory is unchanged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ringmq::broker::home_of;
use serde_json::Value;

use crate::common::{
    Broker, Client, DataDir, End, PINGREQ, PINGRESP, Publish, connect, puback, pubcomp, publish,
    pubrec, pubrel, resume_as,
};
use crate::tools::{assert_sound, contents, data, files, reshard, text};

const READERS: usize = 6;
const TOPICS: usize = 3;
const ROUNDS: usize = 200;

/// Starts a broker on a directory.
#[track_caller]
fn start_on(shards: usize, dir: &Path) -> Broker {
    Broker::start_with(shards, &["--data-dir", text(dir)])
}

fn payload(topic: usize, round: usize) -> String {
    format!("{topic} {round} {}", "x".repeat(100))
}

/// Has sessions with a backlog of QoS 1 and 2, some of it in flight in each way, a publisher that
/// has not released a message, and retained messages.
fn fill(broker: &Broker) {
    for reader in 0..READERS {
        let id = format!("reader-{reader}");
        let mut client = Client::connect_with(broker, &connect(id).persistent());
        client.subscribe("t/#", 1 + u8::from(reader % 2 == 0));
        client.subscribe(&format!("own/{reader}"), 1);
        client.leave();
    }
    let mut writer = Client::connect_with(broker, &connect("writer").persistent());
    for round in 0..ROUNDS {
        for topic in 0..TOPICS {
            let id = u16::try_from(round * TOPICS + topic + 1).expect("there are few");
            let message = publish(format!("t/{topic}"), payload(topic, round));
            let is_once = (round + topic) % 2 == 0;
            writer.publish(&if is_once { message.qos2(id) } else { message.qos1(id) });
        }
        if round == ROUNDS / 2 {
            flight(broker);
        }
    }
    for number in 0..20_u16 {
        let message = publish(format!("kept/{number}"), number.to_string());
        writer.publish(&message.qos1(60_000 + number).retained());
    }
    writer.send(&publish("own/3", "once").qos2(65_000).bytes());
    writer.expect(&pubrec(65_000));
    writer.leave();
}

/// Readers take some messages and answer some of these.
fn flight(broker: &Broker) {
    for reader in 0..READERS {
        let mut client = resume_as(broker, &format!("reader-{reader}"), true);
        let taken: Vec<Publish> = (0..8).map(|_| client.read_publish()).collect();
        // The first, and one in the middle: there are gaps.
        for message in [&taken[0], &taken[3], &taken[4]] {
            match message.qos {
                1 => client.send(&puback(message.id)),
                _ => {
                    client.send(&pubrec(message.id));
                    client.expect_among(&pubrel(message.id));
                    if message.id == taken[3].id {
                        client.send(&pubcomp(message.id));
                    }
                }
            }
        }
        // All of it is handled; more is on its way.
        client.send(PINGREQ);
        client.expect_among(PINGRESP);
    }
}

impl Client {
    /// Reads on to this packet.
    #[track_caller]
    fn expect_among(&mut self, packet: &[u8]) {
        while self.read_packet() != packet {}
    }
}

type Contents = BTreeMap<String, Vec<Value>>;

/// Times are kept, except for the difference between the shards' time lines, in milliseconds.
const APART_MS: u64 = 1_000;

#[track_caller]
fn assert_same(is: &Contents, was: &Contents) {
    let keys = |of: &Contents| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(is), keys(was));
    for (is, was) in is.values().flatten().zip(was.values().flatten()) {
        let (mut is, mut was) = (is.clone(), was.clone());
        for field in ["time_ms", "left_ms"] {
            let take = |line: &mut Value| line[field].take().as_u64().unwrap_or(0);
            let (is_ms, was_ms) = (take(&mut is), take(&mut was));
            // Clients that were there when the broker was killed left when it was resharded.
            assert!(is_ms.abs_diff(was_ms) < APART_MS || was_ms == 0, "{is} {is_ms} {was_ms}");
        }
        assert_eq!(is, was);
    }
}

/// 1 → 2 → 4 → 1 and others: sessions, subscriptions, queues with packet identifiers and states,
/// received identifiers and retained messages are the same; and clients get them.
#[test]
fn everything_arrives() {
    for (steps, end) in
        [(&[1, 2, 4, 1][..], End::Stopped), (&[3, 1], End::Killed), (&[2, 5], End::Killed)]
    {
        let mut broker = Broker::start(steps[0]);
        fill(&broker);
        broker.end(end);
        let before = contents(broker.data_dir());
        assert_eq!(before.len(), READERS + 1 + 20, "{:?}", before.keys());
        let dirs: Vec<DataDir> = steps[1..].iter().map(|_| DataDir::fresh()).collect();
        let mut from = broker.data_dir();
        for (shards, dir) in steps[1..].iter().zip(&dirs) {
            let untouched = files(from);
            let said = reshard(from, *shards, dir.path());
            assert!(said.contains("7 sessions") && said.contains("20 retained"), "{said}");
            assert!(files(from) == untouched, "{steps:?}: something in the old directory changed");
            assert_sound(dir.path());
            assert_same(&contents(dir.path()), &before);
            from = dir.path();
        }
        drain(*steps.last().expect("there are some"), from);
    }
}

/// Clients get their whole backlog, in the order of each topic, and the retained messages.
fn drain(shards: usize, dir: &Path) {
    let broker = start_on(shards, dir);
    let mut writer = resume_as(&broker, "writer", true);
    // It was passed on before.
    writer.send(&publish("own/3", "once").qos2(65_000).again().bytes());
    writer.expect(&pubrec(65_000));
    writer.send(&pubrel(65_000));
    writer.expect(&pubcomp(65_000));
    writer.leave();
    for reader in 0..READERS {
        let mut client = resume_as(&broker, &format!("reader-{reader}"), true);
        let mut rounds = [const { Vec::new() }; TOPICS];
        let mut once = 0;
        loop {
            let packets = client.read_to_fence();
            if packets.is_empty() {
                break;
            }
            for packet in packets {
                if packet[0] == 0x62 {
                    client.send(&pubcomp(u16::from_be_bytes([packet[2], packet[3]])));
                    continue;
                }
                let came = Publish::parse(&packet);
                client.send(&if came.qos == 1 { puback(came.id) } else { pubrec(came.id) });
                let text = String::from_utf8(came.payload).expect("it is text");
                if text == "once" {
                    once += 1;
                    continue;
                }
                let mut words = text.split(' ').map(str::parse::<usize>);
                let mut number = || words.next().expect("two numbers").expect("a number");
                let topic = number();
                rounds[topic].push(number());
            }
        }
        assert_eq!(once, usize::from(reader == 3));
        let got: usize = rounds.iter().map(Vec::len).sum();
        assert_eq!(got, ROUNDS * TOPICS - 3, "three were answered before");
        for rounds in rounds {
            assert!(rounds.is_sorted_by(|a, b| a < b), "in order, each once: {rounds:?}");
            assert_eq!(rounds.last(), Some(&(ROUNDS - 1)));
        }
        client.leave();
    }
    let mut newcomer = Client::connect(&broker, "newcomer");
    newcomer.subscribe("kept/+", 0);
    let mut kept: Vec<String> = (0..20)
        .map(|_| String::from_utf8(newcomer.read_publish().payload).expect("it is text"))
        .collect();
    kept.sort_by_key(|text| text.parse::<u16>().expect("a number"));
    assert_eq!(kept, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    newcomer.expect_silence();
    broker.stop();
}

/// A killed broker may leave a QoS 2 message on one shard without a record on the publisher's
/// shard. When the publisher sends it again, each session gets it once, also if sessions of both
/// shards are on one shard now. The next message with its identifier is another one.
#[test]
fn messages_in_doubt_come_once() {
    let mut broker = Broker::start(2);
    let readers = || (0..READERS).map(|reader| format!("reader-{reader}"));
    for id in readers() {
        let mut client = Client::connect_with(&broker, &connect(id).persistent());
        client.subscribe("t", 2);
        client.leave();
    }
    Client::connect_with(&broker, &connect("writer").persistent()).leave();
    broker.end(End::Stopped);
    let home = home_of("/", "writer", 2).0;
    let folder = broker.data_dir().join(format!("shard-{home}"));
    let before = files(&folder);
    broker.start_again();
    let once = publish("t", "once").qos2(7);
    let mut writer = resume_as(&broker, "writer", true);
    writer.send(&once.bytes());
    writer.expect(&pubrec(7));
    broker.end(End::Killed);
    // The writes of its shard are lost.
    fs::remove_dir_all(&folder).expect("it is there");
    fs::create_dir(&folder).expect("its place is free");
    for (path, bytes) in before {
        fs::write(path, bytes).expect("there is room");
    }
    for shards in [1, 3] {
        let dir = DataDir::fresh();
        let said = reshard(broker.data_dir(), shards, dir.path());
        assert!(!said.contains("twice"), "{said}");
        assert_sound(dir.path());
        let broker = start_on(shards, dir.path());
        let mut writer = resume_as(&broker, "writer", true);
        for message in [once.clone().again(), publish("t", "next").qos2(7)] {
            writer.send(&message.bytes());
            writer.expect(&pubrec(7));
            writer.send(&pubrel(7));
            writer.expect(&pubcomp(7));
        }
        for id in readers() {
            let mut client = resume_as(&broker, &id, true);
            let came = [client.read_publish(), client.read_publish()];
            let texts = came.each_ref().map(|message| &*message.payload);
            assert_eq!(texts, [&b"once"[..], b"next"], "{id} of {shards}");
            client.expect_silence();
            client.leave();
        }
        broker.stop();
    }
}

/// An impossible request is refused with advice, and nothing is created or changed.
#[test]
fn refusals() {
    let broker = Broker::start(2);
    let (dir, new) = (broker.data_dir().to_owned(), DataDir::fresh());
    let refuse = |words: &[&str], says: &str| {
        let said = data(words);
        assert_ne!(said.code, Some(0), "{words:?}");
        assert!(said.err.contains(says), "{words:?}: {}", said.err);
        assert!(!new.path().exists(), "{words:?}: something was made");
    };
    let (from, to) = (text(&dir).to_owned(), text(new.path()).to_owned());
    refuse(&["reshard", &from, "--shards", "1", "--to", &to], "in use by another ringmq");
    broker.stop();
    for shards in ["0", "65", "two"] {
        refuse(&["reshard", &from, "--shards", shards, "--to", &to], "--shards");
    }
    refuse(&["reshard", &from, "--shards", "1"], "--to");
}
