//! The data directory between two runs of the broker: the findings of `ringmq-store`, and garbage
//! behind the end of each log, as a torn write leaves it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::Random;
use crate::ledger::Ledger;

/// Most bytes that a commit group has.
const GROUP_BYTES_MAX: usize = 1 << 20;

/// The faults of the directory.
pub(crate) fn faults(data: &Path, ledger: &Ledger) -> Vec<String> {
    let (checked, text) = tool(&["check"], data);
    if checked != Some(0) {
        return vec![format!("ringmq-store check: {checked:?}\n{text}")];
    }
    retained_faults(data, ledger)
}

/// A retained message must be the last acknowledged one, or one that was sent later.
fn retained_faults(data: &Path, ledger: &Ledger) -> Vec<String> {
    let (dumped, text) = tool(&["dump", "--retained", "#"], data);
    if dumped != Some(0) {
        return vec![format!("ringmq-store dump: {dumped:?}\n{text}")];
    }
    let mut found = BTreeMap::new();
    for line in text.lines().map(parse) {
        let topic = line["retained"].as_str().expect("a topic").as_bytes();
        let topic = ledger.find(topic).expect("a topic that was published to");
        let hex = line["payload_hex"].as_str().map(from_hex);
        let payload = hex.or_else(|| Some(line["payload"].as_str()?.as_bytes().to_vec()));
        let payload = payload.expect("a payload");
        let number = ledger.number(topic, &payload).expect("a message that was published");
        assert_eq!(found.insert(topic, number), None, "one message a topic");
    }
    let fault = |topic: usize| {
        let (is, may) = (found.get(&topic).copied(), ledger.retainable(topic));
        let name = &ledger.topics[topic].name;
        let (first, count) = (may.first(), may.len());
        let text = || format!("{name}: {is:?} is retained, and not {first:?} or one of {count}");
        (!may.contains(&is)).then(text)
    };
    (0..ledger.topics.len()).filter_map(fault).collect()
}

/// The output of `ringmq-store check`.
pub(crate) fn describe(data: &Path) -> String {
    tool(&["check"], data).1
}

/// Writes random bytes behind the end of each log.
pub(crate) fn scribble(data: &Path, random: &mut Random) {
    let (_, text) = tool(&["check", "--json"], data);
    for shard in parse(&text)["shards"].as_array().expect("shards") {
        let end = &shard["end"];
        let (Some(path), Some(offset)) = (end["file"].as_str(), end["offset"].as_u64()) else {
            continue;
        };
        let file = File::options().write(true).open(path).expect("it is there");
        let room = file.metadata().expect("it is open").len() - offset;
        let room = usize::try_from(room).expect("files are small");
        let most = random.pick(&[1, 8, 9, 500, GROUP_BYTES_MAX]).min(room);
        let garbage: Vec<u8> = (0..random.below(most + 1)).map(|_| random.byte()).collect();
        file.write_all_at(&garbage, offset).expect("it is writable");
    }
}

/// Runs the tool; its exit code, and all it says.
fn tool(words: &[&str], data: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq-store"))
        .args(words)
        .arg(data)
        .output()
        .expect("the tool's binary starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("it is text"))
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).expect("a line of JSON")
}

fn from_hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}
