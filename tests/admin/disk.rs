//! What is told of the disk: files that cannot be read, and when a checkpoint was taken.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::SystemTime;

use crate::common::{Broker, Client, connack, connect, publish, until};
use crate::http::start;
use crate::metrics::value;

/// Messages of more than two segments in all.
const MESSAGES: u16 = 40;
const PAYLOAD_BYTES: usize = 64 * 1024;

/// Stores the messages for a session whose client has left.
fn fill(broker: &Broker) {
    Client::connect_with(broker, &connect("absent").persistent()).subscribe_and_leave("a", 1);
    let mut publisher = Client::connect(broker, "publisher");
    for id in 1..=MESSAGES {
        publisher.publish(&publish("a", vec![b'x'; PAYLOAD_BYTES]).qos1(id));
    }
    publisher.leave();
}

/// The segments of the only shard, by number.
fn segments(broker: &Broker) -> Vec<PathBuf> {
    let entries = fs::read_dir(broker.data_dir().join("shard-0")).expect("it is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    paths.sort();
    paths
}

// A part of a file that cannot be read is a failed read; the messages there count as lost.
#[test]
fn failed_reads() {
    let (broker, door) = start(1, &[]);
    fill(&broker);
    let scrape = || door.ask("GET", "/metrics", &[]).body;
    let failed = |text: &str, kind: &str| {
        value(text, &format!("ringmq_disk_failures_total{{operation=\"{kind}\"}}"))
    };
    let lost = |text: &str| value(text, "ringmq_messages_dropped_total{reason=\"disk_lost\"}");
    let text = scrape();
    assert_eq!((failed(&text, "read"), lost(&text)), (0.0, 0.0), "{text}");
    let file = File::options().write(true).open(&segments(&broker)[1]).expect("it is there");
    file.set_len(512 * 1024).expect("the place is ours");
    let mut absent = Client::open(&broker);
    absent.send(&connect("absent").persistent().bytes());
    absent.expect(&connack(true, 0));
    Client::connect(&broker, "publisher").publish(&publish("a", "the last").qos1(1));
    let mut came = 0;
    while absent.read_publish().payload != b"the last" {
        came += 1;
    }
    assert!(came < MESSAGES, "half a segment is missing");
    until("they are counted", || lost(&scrape()) == f64::from(MESSAGES - came));
    let text = scrape();
    assert!(failed(&text, "read") > 0.0, "{text}");
    for other in ["write", "sync", "supply"] {
        assert_eq!(failed(&text, other), 0.0, "{other}");
    }
    broker.stop();
}

// A shard has no time of a checkpoint before its first one, and then that of the last one.
#[test]
fn times_of_checkpoints() {
    let (broker, door) = start(1, &[]);
    let name = "ringmq_log_checkpoint_timestamp_seconds{shard=\"0\"}";
    let scrape = || door.ask("GET", "/metrics", &[]).body;
    let text = scrape();
    assert!(!text.contains(name) && value(&text, "ringmq_log_checkpoints_total") == 0.0, "{text}");
    let now_s = || {
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is later than 1970");
        since.as_secs_f64()
    };
    let begun_s = now_s().floor();
    fill(&broker);
    let mut publisher = Client::connect(&broker, "publisher");
    until("a checkpoint is complete", || {
        publisher.publish(&publish("a", "more").qos1(1));
        scrape().contains(name)
    });
    let text = scrape();
    assert!(value(&text, "ringmq_log_checkpoints_total") > 0.0, "{text}");
    let at_s = value(&text, name);
    assert!(begun_s <= at_s && at_s <= now_s().ceil(), "{at_s} is not after {begun_s}");
    broker.stop();
}
