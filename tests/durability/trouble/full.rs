//! A disk that the broker itself has filled: consuming makes room again.

use std::sync::mpsc;
use std::thread;

use super::{Filler, expect_nothing_yet, expect_others_go_on, on_tmpfs};
use crate::common::{
    Broker, Client, End, Publish, connack, connect, puback, publish, resume_as, until,
};
use crate::setup::{FENCES, NAMES};

const DISK: &str = "24m";

/// Leaves room for the data directory, and for no segment file in it.
const FILLER_BYTES: usize = (24 << 20) - (512 << 10);

const MESSAGES: u32 = 6000;
const PAYLOAD_BYTES: usize = 8000;

/// Turns of the broker that a checkpoint and its helper's files take, with a margin.
const VISITS: usize = 200;

/// The most unacknowledged messages of a publisher.
const WINDOW: u32 = 1000;

fn payload(number: u32) -> Vec<u8> {
    let mut payload = vec![b'x'; PAYLOAD_BYTES];
    payload[..4].copy_from_slice(&number.to_be_bytes());
    payload
}

fn number_of(message: &Publish) -> u32 {
    u32::from_be_bytes(message.payload[..4].try_into().expect("it has as many"))
}

fn id_of(number: u32) -> u16 {
    u16::try_from(number % 60_000 + 1).expect("small")
}

/// Publishes from `first` on, with a window, and reports each acknowledged number; ends when all
/// are acknowledged, or the broker is gone.
fn publish_from(mut client: Client, first: u32, acknowledged: &mpsc::Sender<u32>) {
    let mut next = first;
    for awaited in first..MESSAGES {
        while next < MESSAGES && next < awaited + WINDOW {
            client.send_to_closing(&publish("full", payload(next)).qos1(id_of(next)).bytes());
            next += 1;
        }
        match client.try_read_packet() {
            Some(packet) => assert_eq!(packet, puback(id_of(awaited))),
            None => return,
        }
        acknowledged.send(awaited).expect("the test goes on");
    }
    client.leave();
}

/// Waits until the disk is full; returns the least number of acknowledged messages.
fn expect_full(broker: &Broker, acknowledged: &mpsc::Receiver<u32>) -> u32 {
    broker.wait_for_line("publishers that need the disk wait");
    acknowledged.try_iter().last().map_or(0, |last| last + 1)
}

/// Takes messages and acknowledges them until it has had the last one; their numbers, in order.
fn drain(client: &mut Client) -> Vec<u32> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(MESSAGES - 1)) {
        let came = client.read_publish();
        client.send(&puback(came.id));
        numbers.push(number_of(&came));
    }
    numbers
}

/// All numbers are present; redelivered ones may be out of order.
#[track_caller]
fn assert_whole(mut numbers: Vec<u32>) {
    numbers.sort_unstable();
    numbers.dedup();
    assert!(numbers.iter().copied().eq(0..MESSAGES), "{} of {MESSAGES} came", numbers.len());
}

/// Acknowledged messages are delivered when the subscriber connects, and so are the rest: the
/// publisher continues as the disk is emptied.
fn fill_and_drain(shards: usize, low: &str, ends: &[End]) {
    fill_and_drain_with(shards, &["--disk-low", low], ends);
}

fn fill_and_drain_with(shards: usize, flags: &[&str], ends: &[End]) {
    let mut broker = Broker::start_with(shards, flags);
    let name = NAMES[shards - 1];
    resume_as(&broker, name, false).subscribe("full", 1);
    let (sender, acknowledged) = mpsc::channel();
    thread::scope(|scope| {
        let client = Client::connect(&broker, "publisher");
        let sender_before = sender.clone();
        let mut publisher = scope.spawn(move || publish_from(client, 0, &sender_before));
        let mut kept = expect_full(&broker, &acknowledged);
        for (round, end) in ends.iter().enumerate() {
            broker.restart(*end);
            // Each shard makes a promise in every round, so each start begins a file; after this
            // many rounds the files of earlier starts are free again.
            for id in FENCES {
                let mut visitor = resume_as(&broker, id, round > 0);
                (0..VISITS).for_each(|_| visitor.subscribe("visit", 1));
                visitor.leave();
            }
            publisher.join().expect("it saw the broker go");
            kept += u32::try_from(acknowledged.try_iter().count()).expect("few");
            let client = Client::connect(&broker, "publisher");
            let sender = sender.clone();
            publisher = scope.spawn(move || publish_from(client, kept, &sender));
        }
        let mut subscriber = resume_as(&broker, name, true);
        assert_whole(drain(&mut subscriber));
        publisher.join().expect("it is acknowledged");
        // And again, with the freed space.
        let mut publisher = Client::connect(&broker, "another");
        for number in 0..WINDOW {
            publisher.publish(&publish("full", payload(number)).qos1(1));
            subscriber.expect_publish(&publish("full", payload(number)).at(1));
        }
    });
    broker.end(End::Stopped);
}

/// Full to the last file.
#[test]
fn a_full_disk_is_drained() {
    on_tmpfs("trouble::full::a_full_disk_is_drained", DISK, || fill_and_drain(1, "0", &[]));
}

/// As full as --disk-low permits.
#[test]
fn a_low_disk_is_drained() {
    on_tmpfs("trouble::full::a_low_disk_is_drained", DISK, || fill_and_drain(1, "12MiB", &[]));
}

/// A disk without room for one file: the broker starts, reports it, and serves clients that need
/// none; with space from elsewhere it continues.
#[test]
fn without_a_file() {
    on_tmpfs("trouble::full::without_a_file", DISK, || {
        for shards in [1, 2] {
            let filler = Filler::of(FILLER_BYTES);
            let broker = Broker::start_with(shards, &["--disk-low", "0"]);
            // It may have been logged before the broker listens, and have been read already.
            let mut other = Client::connect(&broker, "other");
            until("each shard says that it has no file", || {
                other.expect_silence();
                broker.said().matches("there is no segment file left").count() == shards
            });
            let mut client = Client::open(&broker);
            client.send(&connect(NAMES[shards - 1]).persistent().bytes());
            expect_others_go_on(&broker);
            expect_nothing_yet(&client);
            drop(filler);
            client.expect(&connack(false, 0));
            broker.wait_for_line("there is a segment file again");
            client.subscribe("full", 1);
            Client::connect(&broker, "publisher").publish(&publish("full", "x").qos1(1));
            client.expect_publish(&publish("full", "x").at(1));
            broker.stop();
        }
    });
}

/// Full, where there is no room for a single file of the full length: it is used to its end, with
/// the shorter files that find room.
#[test]
fn a_disk_smaller_than_a_file_is_drained() {
    let name = "trouble::full::a_disk_smaller_than_a_file_is_drained";
    on_tmpfs(name, DISK, || {
        for flags in [&["--segment-bytes", "64MiB"][..], &["--segment-bytes", "16MiB"]] {
            for (shards, ends) in [(1, &[][..]), (2, &[]), (1, &[End::Killed; 4])] {
                fill_and_drain_with(shards, &[flags, &["--disk-low", "0"]].concat(), ends);
            }
        }
    });
}

/// A session's bound may be a share of the disk, which is logged; messages above it are dropped.
#[test]
fn sessions_have_a_share_of_the_disk() {
    on_tmpfs("trouble::full::sessions_have_a_share_of_the_disk", DISK, || {
        for (flags, says) in [
            (&[][..], "session: 1 GiB (--session-max-bytes); the file system has 24 MiB"),
            (&["--session-max-bytes", "25%"], "session: 5.9 MiB (--session-max-bytes)"),
            (&["--session-max-bytes", "0"], "session: any number of bytes (--session-max-bytes)"),
        ] {
            let broker = Broker::start_with(1, flags);
            assert!(broker.said().contains(says), "{says}: {}", broker.said());
            resume_as(&broker, "reader", false).subscribe("full", 1);
            let mut publisher = Client::connect(&broker, "publisher");
            for number in 0..WINDOW {
                publisher.publish(&publish("full", payload(number)).qos1(1));
            }
            let mut reader = resume_as(&broker, "reader", true);
            let first = number_of(&reader.read_publish());
            let bytes = u64::from(WINDOW - first) * PAYLOAD_BYTES as u64;
            if flags.contains(&"25%") {
                assert!((5 << 20..=6 << 20).contains(&bytes), "{bytes}");
            } else {
                assert_eq!(first, 0, "{flags:?}");
            }
            broker.stop();
        }
    });
}

/// Full, with the publisher on one shard and the subscriber on the other.
#[test]
fn a_full_disk_of_two_shards_is_drained() {
    let name = "trouble::full::a_full_disk_of_two_shards_is_drained";
    on_tmpfs(name, DISK, || fill_and_drain(2, "0", &[]));
}

/// Full, and ended and started again and again.
#[test]
fn a_full_disk_is_drained_after_restarts() {
    let name = "trouble::full::a_full_disk_is_drained_after_restarts";
    on_tmpfs(name, DISK, || {
        let kills = [End::Killed; 8];
        for ends in [&kills[..1], &[End::Stopped], &kills] {
            fill_and_drain(1, "0", ends);
            fill_and_drain(2, "0", ends);
        }
    });
}
