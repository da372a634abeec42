//! A directory that was damaged while no broker used it: only the damaged data is lost, and
//! `ringmq-store check` and the next start report it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{BROKER_ENDS, Broker, resume_as};
use crate::long::{payload, publish_all};
use crate::setup::receive_all;
use crate::unreadable::{files, numbers};

/// The output of `ringmq-store check`, and its exit code.
fn check(data: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-store"));
    let output = command.arg("check").arg(data).output().expect("the tool's binary starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("it is text"))
}

/// The place of this message's payload.
fn find(broker: &Broker, number: usize) -> (PathBuf, usize) {
    let sought = [b"long", &payload(number)[..]].concat();
    let found = files(broker).into_iter().find_map(|path| {
        let bytes = fs::read(&path).expect("it is there");
        let at = bytes.windows(sought.len()).position(|window| window == sought)?;
        Some((path, at + 4))
    });
    found.expect("it is stored")
}

fn is_used(path: &Path) -> bool {
    fs::read(path).expect("it is there").iter().take(64).any(|byte| *byte != 0)
}

/// A copy of the data directory, which is removed when it is dropped.
struct Replica(PathBuf);

impl Replica {
    fn of(broker: &Broker) -> Self {
        let path = broker.data_dir().with_extension("copy");
        fs::create_dir_all(path.join("shard-0")).expect("the place is ours");
        for folder in ["", "shard-0"] {
            for entry in fs::read_dir(broker.data_dir().join(folder)).expect("it is there") {
                let from = entry.expect("it can be read").path();
                let name = from.file_name().expect("it has one");
                if from.is_file() {
                    fs::copy(&from, path.join(folder).join(name)).expect("there is room");
                }
            }
        }
        Self(path)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _leftover = fs::remove_dir_all(&self.0);
    }
}

/// The tenth of a thousand messages is damaged: the others survive, however the broker ended.
#[test]
fn one_byte_costs_one_message() {
    const MESSAGES: usize = 1000;
    for end in BROKER_ENDS {
        for number in [0, 9, 500] {
            let mut broker = Broker::start(1);
            resume_as(&broker, "absent", false).subscribe("long", 1);
            publish_all(&broker, 0..MESSAGES);
            broker.end(end);
            let (code, said) = check(broker.data_dir());
            assert_eq!(code, Some(0), "{said}");

            let (path, at) = find(&broker, number);
            let file = File::options().write(true).open(&path).expect("it is there");
            file.write_all_at(b"x", at as u64 + 20).expect("it is writable");
            let (code, said) = check(broker.data_dir());
            assert_eq!(code, Some(1), "{said}");
            let place = format!("{} at byte ", path.display());
            assert!(said.contains(&format!("DAMAGE: {place}")), "{said}");
            broker.start_again();
            let came = numbers(&receive_all(&mut resume_as(&broker, "absent", true)));
            let expected: Vec<usize> = (0..MESSAGES).filter(|it| *it != number).collect();
            assert_eq!(came, expected, "{end:?}: {}", broker.said());
            let said = broker.said();
            let warned = said.lines().any(|line| {
                line.contains("WARN")
                    && line.contains(&place)
                    && line.contains("a record is damaged")
                    && line.contains("1 records at least")
            });
            assert!(warned && said.contains("damage has cost 1 queued messages"), "{said}");
        }
    }
}

/// Each file in turn is gone, or has lost its end.
#[test]
fn files_are_missed() {
    const MESSAGES: usize = 4500;
    for end in BROKER_ENDS {
        let mut broker = Broker::start(1);
        resume_as(&broker, "absent", false).subscribe("long", 1);
        publish_all(&broker, 0..MESSAGES);
        broker.end(end);
        let used: Vec<PathBuf> = files(&broker).into_iter().filter(|path| is_used(path)).collect();
        assert!(used.len() >= 4, "{used:?}");
        for path in &used {
            let name = path.file_name().expect("it has one");
            for cut in [None, Some(0), Some(64), Some(100_000)] {
                let copy = Replica::of(&broker);
                let path = copy.0.join("shard-0").join(name);
                match cut {
                    None => fs::remove_file(&path).expect("it is there"),
                    Some(bytes) => {
                        let file = File::options().write(true).open(&path).expect("it is there");
                        file.set_len(bytes).expect("it is writable");
                    }
                }
                let (code, said) = check(&copy.0);
                assert_eq!(code, Some(1), "{end:?} {path:?} {cut:?}: {said}");
                let words = ["missing", "header is damaged", "shorter than it was made"];
                assert!(words.iter().any(|word| said.contains(word)), "{cut:?}: {said}");
            }
        }
        for name in ["shard-0/EXTENT", "shard-0"] {
            let copy = Replica::of(&broker);
            let path = copy.0.join(name);
            let gone = if path.is_dir() { fs::remove_dir_all } else { fs::remove_file };
            gone(path).expect("it is there");
            let (code, said) = check(&copy.0);
            assert!(code == Some(1) && said.contains("missing"), "{name}: {said}");
        }

        let path = used[used.len() / 2].clone();
        fs::remove_file(&path).expect("it is there");
        broker.start_again();
        let said = broker.said();
        let warned = said.lines().any(|line| line.contains("WARN") && line.contains("missing"));
        assert!(warned, "{said}");
        let came = numbers(&receive_all(&mut resume_as(&broker, "absent", true)));
        // Messages of the damaged block of the queue are lost too, and counted.
        let lost = format!("damage has cost {} queued messages", MESSAGES - came.len());
        assert!(came.is_sorted() && broker.said().contains(&lost), "{lost}: {}", broker.said());
    }
}
