//! Segment files that become unreadable while the broker runs: here they are truncated, which looks
//! like a failing disk to a process that has mapped them.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::common::{Broker, Client, End, Publish, publish, resume_as, until};
use crate::long::{payload, publish_all};
use crate::setup::receive_all;

/// Messages for the session: some four segments.
const MESSAGES: usize = 4000;

/// The segment files of the only shard, by number.
pub(crate) fn files(broker: &Broker) -> Vec<PathBuf> {
    let entries = fs::read_dir(broker.data_dir().join("shard-0")).expect("the broker has made it");
    let paths = entries.map(|entry| entry.expect("it is there").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|suffix| suffix == "segment")).collect();
    paths.sort();
    paths
}

fn cut(path: &PathBuf, bytes: u64) {
    let file = File::options().write(true).open(path).expect("it is there");
    file.set_len(bytes).expect("the place is ours");
}

/// Numbers of the received messages, each checked against the published one.
pub(crate) fn numbers(came: &[Publish]) -> Vec<usize> {
    let number = |came: &Publish| {
        let digits = came.payload.iter().take_while(|byte| byte.is_ascii_digit());
        let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
        assert!(came.payload == payload(number), "{:.20}", came.payload.escape_ascii());
        number
    };
    came.iter().map(number).collect()
}

/// Unreadable messages are lost, and reported; no others are, and no client is disconnected. The
/// file is set aside after the rest of it was moved.
#[test]
fn old_file() {
    let mut broker = Broker::start(1);
    resume_as(&broker, "absent", false).subscribe("long", 1);
    let mut other = Client::connect(&broker, "other");
    other.subscribe("else", 0);
    publish_all(&broker, 0..MESSAGES);
    let bad = files(&broker)[1].clone();
    cut(&bad, 512 * 1024);

    let mut absent = resume_as(&broker, "absent", true);
    let came = numbers(&receive_all(&mut absent));
    let lost: Vec<usize> = (0..MESSAGES).filter(|number| !came.contains(number)).collect();
    assert!(came.is_sorted() && came.len() + lost.len() == MESSAGES, "each once, in order");
    assert!((400..600).contains(&lost.len()), "half a segment is lost: {}", lost.len());
    assert_eq!(lost[lost.len() - 1] - lost[0], lost.len() - 1, "in one piece: {lost:?}");
    broker.expect_said(&format!("{} cannot be read at byte 52", bad.display()));

    let name = format!("{}.damaged", bad.display());
    until("the file is set aside", || {
        publish_all(&broker, 0..500);
        assert_eq!(numbers(&receive_all(&mut absent)), (0..500).collect::<Vec<_>>());
        fs::exists(&name).expect("the place is ours")
    });
    Client::connect(&broker, "publisher").publish(&publish("else", "x"));
    other.expect_publish(&publish("else", "x"));
    publish_all(&broker, 0..10);
    broker.restart(End::Killed);
    let mut absent = resume_as(&broker, "absent", true);
    assert!(numbers(&receive_all(&mut absent)).ends_with(&(0..10).collect::<Vec<_>>()));
}

/// The newest file is not written any more when a part of it is found damaged: later messages are
/// kept, also over a restart.
#[test]
fn newest_file() {
    let mut broker = Broker::start(1);
    resume_as(&broker, "absent", false).subscribe("long", 1);
    publish_all(&broker, 0..100);
    cut(&files(&broker)[0], 64 * 1024);
    let mut absent = resume_as(&broker, "absent", true);
    let came = numbers(&receive_all(&mut absent));
    assert_eq!(came, (0..came.len()).collect::<Vec<_>>());
    assert!((50..70).contains(&came.len()), "64 KiB are left: {}", came.len());
    absent.leave();

    publish_all(&broker, 100..300);
    broker.expect_said("the log goes on in another file");
    broker.restart(End::Killed);
    let mut absent = resume_as(&broker, "absent", true);
    let expected: Vec<usize> = (100..300).collect();
    assert!(numbers(&receive_all(&mut absent)).ends_with(&expected));
}
