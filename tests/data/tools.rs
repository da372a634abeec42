//! The programs for data directories, and their output.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The output of a program.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The lines, which are JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).expect("a line of JSON");
        self.out.lines().map(parse).collect()
    }
}

fn run(program: &str, words: &[&str]) -> Said {
    let output = Command::new(program).args(words).output().expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs `ringmq data`.
pub(crate) fn data(words: &[&str]) -> Said {
    run(env!("CARGO_BIN_EXE_ringmq"), &[&["data"], words].concat())
}

/// Runs `ringmq-store`.
pub(crate) fn store(words: &[&str]) -> Said {
    run(env!("CARGO_BIN_EXE_ringmq-store"), words)
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("it is made of text")
}

/// Copies a directory to one with another number of shards, successfully.
#[track_caller]
pub(crate) fn reshard(from: &Path, shards: usize, to: &Path) -> String {
    let said = data(&["reshard", text(from), "--shards", &shards.to_string(), "--to", text(to)]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.out
}

/// A directory in which nothing may be damaged.
#[track_caller]
pub(crate) fn assert_sound(dir: &Path) {
    let said = store(&["check", text(dir)]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
}

/// Sessions with their messages, and retained messages, by their identity: everything except the
/// shard.
#[track_caller]
pub(crate) fn contents(dir: &Path) -> BTreeMap<String, Vec<Value>> {
    let said = store(&["dump", text(dir)]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mut contents: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for mut line in said.lines() {
        let fields = line.as_object_mut().expect("a line is an object");
        fields.remove("shard");
        let key = ["session", "message_of", "retained"]
            .into_iter()
            .find_map(|name| Some((name, fields.get(name)?.as_str()?)))
            .map(|(name, of)| format!("{} {of}", &name[..1]).replace("m ", "s "))
            .expect("it is a line of one of these");
        contents.entry(key).or_default().push(line);
    }
    contents
}

/// The files of a directory with their bytes.
pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is there") {
            let path = entry.expect("it is there").path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let bytes = fs::read(&path).expect("it is readable");
                    found.insert(path, bytes);
                }
            }
        }
    }
    found
}
