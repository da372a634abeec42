//! Which program a flag in code belongs to, and whether that program has it.
//!
//! ringmq's programs are asked with `--help`, scripts are read. Programs of others are not judged.

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use super::root;

/// A flag and its program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Use {
    /// `ringmq`, `ringmq passwd`, `scripts/demo`, or the name of a program of others.
    pub(crate) program: String,
    /// The flag with its dashes, without a value.
    pub(crate) flag: String,
}

/// The flags that one line of shell, or one span, gives to programs. A span that begins with a flag
/// speaks of the broker.
pub(crate) fn uses(code: &str) -> impl Iterator<Item = Use> {
    let code = code.split(" #").next().unwrap_or_default();
    let mut uses = Vec::new();
    let mut program = String::new();
    for word in code.split_whitespace() {
        let word = word.trim_matches(['\'', '"', ',', '(', ')', '[', ']']);
        if let Some(flags) = word.strip_prefix("RINGMQ_FLAGS=") {
            program = "ringmq".to_owned();
            uses.extend(flag_of(flags).map(|flag| Use { program: program.clone(), flag }));
        } else if ["|", "||", "&&", ";", "&"].contains(&word) {
            program.clear();
        } else if word == "--" && program.starts_with("cargo") {
            program = "ringmq".to_owned();
        } else if let Some(flag) = flag_of(word) {
            let program = if program.is_empty() { "ringmq" } else { &program }.to_owned();
            uses.push(Use { program, flag });
        } else if program.is_empty() && !word.contains('=') {
            let ours = word.strip_prefix("target/release/").unwrap_or(word);
            program = ours.to_owned();
        } else if [
            "ringmq",
            "ringmq config",
            "ringmq vhost",
            "ringmq session",
            "ringmq data",
            "ringmq ctl",
            "ringmq ctl clients",
            "ringmq ctl sessions",
            "ringmq ctl trace",
            "ringmq-store",
        ]
        .contains(&program.as_str())
        {
            let parts = [
                "passwd", "vhost", "session", "data", "list", "delete", "check", "stat", "dump",
                "config", "show", "reload", "reshard", "backup", "ctl", "status", "clients",
                "sessions", "top", "ls", "kick", "rm", "trace", "client", "topic", "address",
                "tail", "evict", "node", "shards", "events",
            ];
            if parts.contains(&word) {
                program = format!("{program} {word}");
            }
        }
    }
    uses.into_iter()
}

fn flag_of(word: &str) -> Option<String> {
    let name = word.strip_prefix("--").filter(|name| !name.is_empty())?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(name.len());
    Some(format!("--{}", &name[..end]))
}

/// The help texts of the programs.
#[derive(Default)]
pub(crate) struct Programs {
    helps: HashMap<String, String>,
}

impl Programs {
    /// Whether the program has the flag; programs of others have all.
    pub(crate) fn has(&mut self, given: &Use) -> bool {
        let Use { program, flag } = given;
        let help = self.helps.entry(program.clone()).or_insert_with(|| help(program));
        let is_whole =
            |after: &str| !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        let mut places = help.match_indices(flag.as_str());
        help.is_empty() || places.any(|(at, _)| is_whole(&help[at + flag.len()..]))
    }
}

/// The help of one of our programs, the text of one of our scripts, nothing of others.
fn help(program: &str) -> String {
    let mut words = program.split(' ');
    let path = match words.next() {
        Some("ringmq") => env!("CARGO_BIN_EXE_ringmq"),
        Some("ringmq-store") => env!("CARGO_BIN_EXE_ringmq-store"),
        Some("ringmq-bench") => env!("CARGO_BIN_EXE_ringmq-bench"),
        Some(script) if script.starts_with("scripts/") => {
            let read = |path: &str| fs::read_to_string(root().join(path)).unwrap_or_default();
            // The demo is written in Python.
            let text =
                if script == "scripts/demo" { read("scripts/lib/demo.py") } else { read(script) };
            return text + "--help";
        }
        _ => return String::new(),
    };
    let output = Command::new(path).args(words).arg("--help").output();
    let output = output.expect("it was built with the tests");
    assert!(output.status.success(), "{program} --help: {output:?}");
    String::from_utf8(output.stdout).expect("help is text")
}
