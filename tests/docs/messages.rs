//! Messages of our programs in the page of troubles: the first cells of its tables, as code, with
//! `…` for variable parts.

use std::fs;
use std::path::{Path, PathBuf};

use crate::page::Page;

/// Sections whose messages are those of other programs, and of the crate that reads flags.
const OF_OTHERS: [&str; 3] = ["The command line", "TLS on the client's side", "Building"];

/// The text of all files below these directories, with the strings of Rust that are broken over
/// lines made whole.
pub(crate) fn sources(directories: &[PathBuf]) -> String {
    directories.iter().map(|directory| below(directory)).collect()
}

fn below(directory: &Path) -> String {
    let entries = fs::read_dir(directory).expect("it is there");
    let texts = entries.map(|entry| {
        let path = entry.expect("it can be read").path();
        if path.is_dir() { below(&path) } else { joined(&fs::read_to_string(path).expect("text")) }
    });
    texts.collect()
}

/// Strings as printed: joined where they continue on the next line, and with quotes unescaped.
fn joined(source: &str) -> String {
    let mut parts = source.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    let whole = parts.fold(first, |text, part| text + part.trim_start());
    whole.replace("\\\"", "\"")
}

/// Messages whose words are not in the sources.
pub(crate) fn stale(page: &Page, sources: &str) -> Vec<String> {
    let mut section = "";
    let mut stale = Vec::new();
    for (number, line) in (1..).zip(page.text.lines()) {
        if line.starts_with('#') {
            section = line.trim_start_matches(['#', ' ']);
        }
        let cell = line.strip_prefix("| ").and_then(|line| line.split(" | ").next());
        let Some(cell) = cell.filter(|_| !OF_OTHERS.contains(&section)) else { continue };
        let words = spans(cell).into_iter().flat_map(|span| span.split('…'));
        let missing = words.map(str::trim).filter(|words| !sources.contains(words));
        stale.extend(missing.map(|words| format!("{}:{number}: {words:?}", page.path)));
    }
    stale
}

/// The code in a cell.
fn spans(cell: &str) -> Vec<&str> {
    // Between two backticks on each side there may be single ones.
    let fence = if cell.contains("``") { "``" } else { "`" };
    cell.split(fence).skip(1).step_by(2).collect()
}

// A message is found across line ends and around variable parts, and a stale one is reported.
#[test]
fn stale_messages_are_found() {
    let sources = joined("warn!(\"cannot read \\\n    {path}: a `b` c\");");
    for (row, stale_words) in [
        ("| `cannot read …` | x |", None),
        ("| `cannot read {path}`, `… a` | x |", None),
        ("| `` a `b` c `` | x |", None),
        ("| no code | `x` |", None),
        ("| `cannot write …` | x |", Some("\"cannot write\"")),
        ("| `cannot read …`, `… is gone` | x |", Some("\"is gone\"")),
    ] {
        let text = format!("# Troubles\n\n| message | what |\n|---|---|\n{row}\n");
        let found = stale(&Page::parse("docs/page.md", &text), &sources);
        assert_eq!(found.len(), usize::from(stale_words.is_some()), "{row}: {found:?}");
        assert!(found.iter().all(|fault| stale_words.is_some_and(|w| fault.ends_with(w))), "{row}");
        let exempt = text.replace("Troubles", "Building");
        assert!(stale(&Page::parse("docs/page.md", &exempt), &sources).is_empty(), "{row}");
    }
}
