//! Files that are made from the definition of the command line, and from the catalogue of metrics,
//! and whether they are as those are.
//!
//! `RINGMQ_GENERATE=write cargo test --test docs generated` writes them.

use std::env;
use std::fs;

use clap_complete::Shell;
use ringmq::config::Command;

use super::manual::manual;
use super::settings::settings;
use super::{metrics, properties, root, system, tables};

/// Every file, by its path from the root, as the definition wants it.
fn files() -> Vec<(&'static str, String)> {
    let command = Command::definition();
    let flags = fs::read_to_string(root().join("docs/flags.md")).expect("it is there");
    let flags = tables::renew(&flags, &command).unwrap_or_else(|error| panic!("{error}"));
    let http = fs::read_to_string(root().join("docs/http.md")).expect("it is there");
    let http = metrics::renew(&http).unwrap_or_else(|error| panic!("{error}"));
    let operating = fs::read_to_string(root().join("docs/operating.md")).expect("it is there");
    let operating = system::renew(&operating).unwrap_or_else(|error| panic!("{error}"));
    let mqtt5 = fs::read_to_string(root().join("docs/mqtt5.md")).expect("it is there");
    let mqtt5 = properties::renew(&mqtt5).unwrap_or_else(|error| panic!("{error}"));
    let completions = |shell| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), "ringmq", &mut text);
        String::from_utf8(text).expect("completions are text")
    };
    vec![
        ("completions/ringmq.bash", completions(Shell::Bash)),
        ("completions/ringmq.fish", fish_with_values(&completions(Shell::Fish))),
        ("completions/ringmq.zsh", completions(Shell::Zsh)),
        ("docs/flags.md", flags),
        ("docs/http.md", http),
        ("docs/mqtt5.md", mqtt5),
        ("docs/openapi.json", openapi()),
        ("docs/operating.md", operating),
        ("docs/ringmq.1", manual(&command)),
        ("scripts/ringmq.toml", settings(&command)),
    ]
}

/// The document of the API, for people to read as well.
fn openapi() -> String {
    let text = serde_json::to_string_pretty(&ringmq::admin::document());
    text.expect("it is JSON") + "\n"
}

/// fish cannot parse a line whose last flag waits for its value, and `clap_complete` then has it
/// offer names of files instead of the flag's values.
fn fish_with_values(text: &str) -> String {
    let parse = "argparse -s (__fish_ringmq_global_optspecs) -- $cmd 2>/dev/null\n    or return";
    assert!(text.contains(parse), "clap_complete has changed: see whether this is still needed");
    text.replacen(parse, &format!("{parse} 0"), 1)
}

/// The first line of a file that differs.
fn difference(found: &str, wanted: &str) -> Option<String> {
    if found == wanted {
        return None;
    }
    let (mut found, mut wanted) = (found.lines(), wanted.lines());
    let mut number = 1;
    loop {
        let (found, wanted) = (found.next(), wanted.next());
        if found != wanted || found.is_none() {
            let shown = |line: Option<&str>| line.unwrap_or("the end").to_owned();
            return Some(format!("{number}: {}\n  wanted: {}", shown(found), shown(wanted)));
        }
        number += 1;
    }
}

// The tables of flags, the manual and the completions are those of the definition.
#[test]
fn files_are_as_the_definition() {
    let write = env::var_os("RINGMQ_GENERATE").is_some_and(|value| value == "write");
    let mut faults = Vec::new();
    for (path, wanted) in files() {
        let place = root().join(path);
        if write {
            fs::create_dir_all(place.parent().expect("it is below the root"))
                .and_then(|()| fs::write(&place, wanted))
                .unwrap_or_else(|error| panic!("{path}: {error}"));
            continue;
        }
        let found = fs::read_to_string(&place).unwrap_or_default();
        faults.extend(difference(&found, &wanted).map(|says| format!("{path}:{says}")));
    }
    assert!(
        faults.is_empty(),
        "not as the definition in src/config:\n{}\n`RINGMQ_GENERATE=write cargo test --test docs \
         generated` writes them anew. Prose belongs outside of the tables, or into the definition.",
        faults.join("\n")
    );
}

// A line that differs is named, also one that only one of the two has.
#[test]
fn differences_are_named() {
    for (found, wanted, says) in [
        ("a\nb\n", "a\nb\n", None),
        ("a\nb\n", "a\nc\n", Some("2: b\n  wanted: c")),
        ("a\n", "a\nc\n", Some("2: the end\n  wanted: c")),
        ("a\nb\n", "a\n", Some("2: b\n  wanted: the end")),
        ("a\n", "a", Some("2: the end\n  wanted: the end")),
        ("", "a\n", Some("1: the end\n  wanted: a")),
    ] {
        assert_eq!(difference(found, wanted).as_deref(), says, "{found:?} {wanted:?}");
    }
}

// zsh treats a colon in the name of a value as its end, and runs the rest.
#[test]
fn names_of_values_have_no_colon() {
    let command = Command::definition();
    let names = command.get_arguments().filter_map(|argument| argument.get_value_names()).flatten();
    let faults = names.filter(|name| name.contains(':')).map(|name| name.to_string());
    assert_eq!(faults.collect::<Vec<_>>(), Vec::<String>::new());
}
