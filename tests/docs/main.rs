//! The pages are true: the links, flags, counters, scripts and paths in them exist, and required
//! explanations are present. Pages generated from the command line's definition are up to date.

mod generated;
mod manual;
mod messages;
mod metrics;
mod monitoring;
mod page;
mod programs;
mod properties;
mod settings;
mod system;
mod tables;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use ringmq::broker::Stats;
use ringmq::config::Options;

use page::Page;
use programs::{Programs, Use};

/// The most lines of the front page.
const README_LINES_MAX: usize = 200;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page, by its path from the root.
fn pages() -> Vec<Page> {
    let read = |path: &Path| {
        let text = fs::read_to_string(path).expect("it was listed");
        let name = path.strip_prefix(root()).expect("it is below the root");
        Page::parse(name.to_str().expect("it is text"), &text)
    };
    let listed = [root().to_owned(), root().join("docs")].map(|directory| {
        let entries = fs::read_dir(&directory).expect("it is there");
        entries.map(|entry| entry.expect("it can be read").path()).collect::<Vec<_>>()
    });
    let mut pages: Vec<Page> = listed
        .concat()
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| read(path))
        .collect();
    pages.sort_by(|a, b| a.path.cmp(&b.path));
    pages
}

fn page(path: &str) -> Page {
    pages().into_iter().find(|page| page.path == path).expect("there is such a page")
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Dead links: to a missing file, or to a missing heading.
fn dead_links(pages: &[Page], is_file: impl Fn(&str) -> bool) -> Vec<String> {
    let is_dead = |page: &Page, target: &str| {
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if path.is_empty() { page.path.clone() } else { page.resolve(path) };
        match pages.iter().find(|page| page.path == path) {
            Some(page) => !anchor.is_empty() && !page.anchors.iter().any(|it| it == anchor),
            None => !anchor.is_empty() || !is_file(&path),
        }
    };
    let links = pages.iter().flat_map(|page| page.links.iter().map(move |link| (page, link)));
    let inside = links.filter(|(_, (_, target))| !target.starts_with("http"));
    let dead = inside.filter(|(page, (_, target))| is_dead(page, target));
    dead.map(|(page, (line, target))| format!("{}:{line}: {target}", page.path)).collect()
}

/// Flags in code that their program does not have.
fn unknown_flags(pages: &[Page], known: &mut dyn FnMut(&Use) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for page in pages {
        for (line, code) in &page.code {
            for flag in programs::uses(code).filter(|flag| !known(flag)) {
                let Use { program, flag } = flag;
                faults.push(format!("{}:{line}: {program} has no {flag}", page.path));
            }
        }
    }
    faults
}

/// Paths in code that begin with a directory of this repository, and are not there.
fn missing_paths(pages: &[Page], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let is_path_char = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
    let mut faults = Vec::new();
    for page in pages {
        for (line, code) in &page.code {
            let words = code.split(|c: char| !is_path_char(c)).map(|word| word.trim_matches('.'));
            let ours = words.filter(|word| {
                let directories =
                    ["benches/", "completions/", "docs/", "scripts/", "src/", "tests/"];
                directories.iter().any(|directory| word.starts_with(directory))
            });
            let missing = ours.filter(|path| !exists(path));
            faults.extend(missing.map(|path| format!("{}:{line}: no {path}", page.path)));
        }
    }
    faults
}

// Each relative link leads to a file, and each anchor to a heading.
#[test]
fn links_lead_somewhere() {
    assert_none(&dead_links(&pages(), |path| root().join(path).exists()));
}

// The front page is short, and every other page can be reached from it.
#[test]
fn the_front_page_is_short_and_complete() {
    let pages = pages();
    let front = page("README.md");
    assert!(front.lines <= README_LINES_MAX, "README.md has {} lines", front.lines);
    let linked: BTreeSet<&str> = front.links.iter().map(|(_, target)| target.as_str()).collect();
    let lost = pages.iter().map(|page| page.path.as_str()).filter(|path| !linked.contains(path));
    assert_eq!(lost.collect::<Vec<_>>(), ["README.md"], "pages without a link in README.md");
}

// Each flag that stands in code belongs to its program.
#[test]
fn flags_exist() {
    let mut programs = Programs::default();
    assert_none(&unknown_flags(&pages(), &mut |flag| programs.has(flag)));
}

// Each flag of the broker has a row in the page of flags.
#[test]
fn flags_are_explained() {
    let page = page("docs/flags.md");
    let rows: Vec<&str> = page.text.lines().filter(|line| line.starts_with("| `--")).collect();
    let command = Options::command();
    let flags = command.get_arguments().filter_map(|argument| argument.get_long());
    let lacking = flags.filter(|flag| !["help", "version"].contains(flag)).filter(|flag| {
        let begins = [format!("| `--{flag}`"), format!("| `--{flag} ")];
        !rows.iter().any(|row| begins.iter().any(|begin| row.starts_with(begin)))
    });
    let lacking: Vec<String> = lacking.map(|flag| format!("--{flag} has no row")).collect();
    assert_none(&lacking);
}

// Each counter has a row in the page of operation.
#[test]
fn counters_are_explained() {
    let page = page("docs/operating.md");
    let counters = Stats::default();
    let lacking = counters
        .each()
        .filter(|(name, _)| !page.text.contains(&format!("\n| `{name}` |")))
        .map(|(name, _)| format!("{name} has no row"));
    assert_none(&lacking.collect::<Vec<_>>());
}

// Each message of the page of troubles is one that the programs have.
#[test]
fn messages_are_the_programs() {
    let sources = messages::sources(&["src", "scripts"].map(|room| root().join(room)));
    assert_none(&messages::stale(&page("docs/troubleshooting.md"), &sources));
}

// Scripts, sources and tests that a page names exist.
#[test]
fn paths_exist() {
    assert_none(&missing_paths(&pages(), |path| root().join(path).exists()));
}

// Each rule finds the fault in a bad page, and none in a good one.
#[test]
fn rules_fail_on_bad_pages() {
    let other = Page::parse("docs/b.md", "# One\n\n## Two `words`, 2\n\n## One\n");
    for (text, faults) in [
        ("[a](docs/b.md) [b](docs/b.md#one-1) [c](#top) [d](http://a/b)\n# Top", 0),
        ("[a](docs/b.md#two-words-2)\n```\n[b](docs/c.md)\n```\n`[c](docs/d.md)`", 0),
        ("[a](docs/c.md) [b](docs/b.md#three) [c](#top) [d](docs/b.md#one-2)", 4),
    ] {
        let pages = [Page::parse("a.md", text), other.clone()];
        assert_eq!(dead_links(&pages, |_| false).len(), faults, "{text}");
    }
    for (text, faults) in [
        ("`--shards 1`\n```sh\nx --y | ringmq \\\n    --log info # --z\n```", vec![]),
        ("`ringmq --shardz 1` and `--sharks=2`", vec!["--shardz", "--sharks"]),
        (
            "```sh\nA=b target/release/ringmq \\\n    --c d && cargo run -- --e\n```",
            vec!["--c", "--e"],
        ),
        ("`ringmq passwd f u --shards`", vec!["--shards"]),
        ("`scripts/install --shards`", vec!["--shards"]),
    ] {
        let mut programs = Programs::default();
        let found = unknown_flags(&[Page::parse("a.md", text)], &mut |flag| programs.has(flag));
        let named: Vec<&str> =
            found.iter().filter_map(|fault| fault.split(' ').next_back()).collect();
        assert_eq!(named, faults, "{text}");
    }
    let text = "`scripts/a`, `src/b.rs`. src/c.rs\n```\ncd tests/d/\n```";
    assert_eq!(missing_paths(&[Page::parse("a.md", text)], |_| false).len(), 3);
    assert_eq!(missing_paths(&[Page::parse("a.md", text)], |_| true).len(), 0);
}
