//! The disk space of a data directory: little while it is empty, and files that grow with the data.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::common::{BROKER_ENDS, Broker, Client, End, publish, resume_as, until};
use crate::setup::{FENCES, NAMES};

const MIB: u64 = 1 << 20;

/// The default.
const FLAGS: [&str; 4] = ["--segment-bytes", "64MiB", "--durability", "os"];

/// Lengths and allocated bytes of the segment files of a shard.
fn segments(data: &Path, shard: usize) -> Vec<(u64, u64)> {
    let folder = fs::read_dir(data.join(format!("shard-{shard}"))).expect("it is there");
    let paths = folder.map(|entry| entry.expect("it is there").path());
    let segments = paths.filter(|path| path.extension().is_some_and(|it| it == "segment"));
    // One may go meanwhile.
    let found = segments.filter_map(|path| fs::metadata(path).ok());
    found.map(|found| (found.len(), found.blocks() * 512)).collect()
}

/// A directory with only a session on each shard takes under 20 MiB a shard, including all files
/// allocated ahead; further starts take no more.
#[test]
fn an_empty_directory_takes_little() {
    for shards in [1, 2] {
        let mut broker = Broker::start_with(shards, &FLAGS);
        for round in 0..5 {
            for id in FENCES {
                resume_as(&broker, id, round > 0).subscribe_and_leave("a", 1);
            }
            let mut client = Client::connect(&broker, "other");
            for shard in 0..shards {
                // Three are ahead, and one is in use.
                let mut found = Vec::new();
                until("it has made them", || {
                    client.expect_silence();
                    found = segments(broker.data_dir(), shard);
                    found.len() > 3
                });
                let bytes: u64 = found.iter().map(|(_, bytes)| bytes).sum();
                assert!(bytes < 20 * MIB, "shard {shard} of {shards}, {round}: {found:?}");
            }
            broker.restart(if round % 2 == 0 { End::Killed } else { End::Stopped });
        }
    }
}

/// The tool finds nothing amiss in it.
#[track_caller]
fn check(data: &Path) {
    for word in ["check", "stat"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-store"));
        let output = command.arg(word).arg(data).output().expect("the tool's binary starts");
        assert!(output.status.success(), "{word}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Files grow from 1 to 64 MiB while messages are stored; directories of all file lengths are read
/// after each kind of end, by the broker and by the tool, with any `--segment-bytes`.
#[test]
fn files_grow_with_what_is_stored() {
    const MESSAGES: u16 = 1100;
    let payload = |number: u16| [&number.to_be_bytes()[..], &[7; 60_000]].concat();
    for end in BROKER_ENDS {
        let mut broker = Broker::start_with(1, &FLAGS);
        resume_as(&broker, "reader", false).subscribe_and_leave("queue", 1);
        let mut publisher = Client::connect(&broker, "publisher");
        for number in 0..MESSAGES {
            publisher.publish(&publish("queue", payload(number)).qos1(1));
        }
        let lengths: Vec<u64> = segments(broker.data_dir(), 0).iter().map(|(it, _)| *it).collect();
        for mib in [1, 4, 16, 64] {
            assert!(lengths.contains(&(mib * MIB)), "{mib} MiB: {lengths:?}");
        }
        for segment_bytes in ["64MiB", "2MiB", "1GiB"] {
            broker.restart_with(end, &["--segment-bytes", segment_bytes, "--durability", "os"]);
            publisher = Client::connect(&broker, "publisher");
            publisher.publish(&publish("queue", segment_bytes).qos1(1));
        }
        broker.end(end);
        check(broker.data_dir());
        broker.start_again();
        let mut reader = resume_as(&broker, "reader", true);
        for number in 0..MESSAGES {
            reader.expect_publish(&publish("queue", payload(number)).at(1));
        }
        for segment_bytes in ["64MiB", "2MiB", "1GiB"] {
            reader.expect_publish(&publish("queue", segment_bytes).at(1));
        }
        reader.expect_silence();
    }
}

/// Messages longer than all existing files are stored, as the first ones, between others or from
/// another shard, and survive a restart.
#[test]
fn long_messages_come_first() {
    for (shards, end) in [(1, End::Killed), (2, End::Killed), (2, End::Stopped)] {
        let mut broker = Broker::start_with(shards, &FLAGS);
        let name = NAMES[shards - 1];
        resume_as(&broker, name, false).subscribe_and_leave("long", 1);
        let mut messages = Vec::new();
        let mut publisher = Client::connect(&broker, "publisher");
        for (number, mib) in [15, 1, 0, 3, 15, 5].into_iter().enumerate() {
            let payload = vec![b'a' + u8::try_from(number).expect("few"); mib << 20];
            let message = publish("long", &payload);
            publisher.publish(&message.clone().qos1(1));
            messages.push(message.at(1));
        }
        for _ in 0..2 {
            broker.restart(end);
        }
        let mut reader = resume_as(&broker, name, true);
        for message in &messages {
            reader.expect_publish(message);
        }
        reader.expect_silence();
    }
}
