//! The import table: which part of the library may name which other parts and which crates.
//!
//! Paths are read from the code, not resolved: `crate::…`, `super::…` that reaches the crate's
//! root, and names of crates. A re-export at the root would be a way around, so nothing but a
//! module may be named there.

use super::lexer::Kind;
use super::source::{Fault, Source, Tree};

/// A directory or a file at the crate's root, and the modules and crates that it may use.
struct Row {
    name: &'static str,
    modules: &'static [&'static str],
    crates: &'static [&'static str],
}

/// Modules that all may use.
const LEAVES: &[&str] = &["advice", "chunk", "limits", "shown", "slots", "whole_file"];

/// What each part may use, besides itself and the leaves. `lib`, `main`, `server` and the programs
/// in `bin` may use everything and are not listed; each other part needs a row.
const TABLE: &[Row] = &[
    row("advice", &[], &["libc", "rustix"]),
    row("limits", &[], &[]),
    row("chunk", &[], &["bytes"]),
    row("slots", &[], &[]),
    row("shown", &[], &[]),
    row("whole_file", &[], &[]),
    row("logging", &[], &["env_filter", "jiff", "log", "rustix", "serde_json"]),
    row("mqtt", &[], &["bytes"]),
    row("access", &["mqtt"], ACCESS_CRATES),
    row("transport", &[], &["base64", "bytes", "httparse", "ring", "rustls", "x509_cert"]),
    row("store", &[], &["bytes", "compact_str", "crc32c", "foldhash", "hashbrown", "log"]),
    row("disk", &["store"], &["crc32c", "libc", "log", "memmap2", "nix", "rustix"]),
    row("mesh", &[], &["loom"]),
    row("ring", &[], &["bytes", "io_uring", "libc", "log", "rustix", "slab"]),
    row("broker", &["access", "mqtt", "store"], BROKER_CRATES),
    row("admin", &["access", "broker", "logging", "mqtt"], ADMIN_CRATES),
    row("reactor", INNER, &["bytes", "log"]),
    row("config", &["access"], &["clap", "log", "toml"]),
    row("passwd", &["access", "config"], &["rpassword", "rustix"]),
    row("vhosts", &["config", "disk"], &[]),
    row("check", &["config", "server"], &["serde_json"]),
    row("settings", &["config"], &["serde_json"]),
    row("reload", &["disk"], &["rustix"]),
    row("sessions", &["config", "disk"], &[]),
    row("data", &["broker", "config", "disk", "store"], &["log"]),
    row("ctl", &["config", "passwd"], CTL_CRATES),
    row("cpus", &[], &["rustix"]),
];

const BROKER_CRATES: &[&str] = &["bytes", "compact_str", "foldhash", "hashbrown", "log"];

/// Crates for HTTP and its runtime, for tokens, and for figures of the process.
const ADMIN_CRATES: &[&str] = &[
    "allocation_counter",
    "base64",
    "flate2",
    "http_body_util",
    "hyper",
    "hyper_util",
    "jiff",
    "log",
    "nix",
    "percent_encoding",
    "rustix",
    "serde_json",
    "sha2",
    "subtle",
    "tokio",
    "tokio_rustls",
];

/// HTTP as a client, and whose a file is.
const CTL_CRATES: &[&str] = &[
    "base64",
    "http_body_util",
    "hyper",
    "hyper_util",
    "nix",
    "percent_encoding",
    "rustix",
    "serde_json",
    "sha2",
    "tokio",
    "tokio_rustls",
    "unicode_width",
];

/// Crates for passwords, rules and their files.
const ACCESS_CRATES: &[&str] = &[
    "argon2",
    "base64",
    "bcrypt",
    "compact_str",
    "foldhash",
    "hmac",
    "log",
    "pbkdf2",
    "percent_encoding",
    "regex",
    "serde_json",
    "sha2",
    "stringprep",
    "subtle",
];

/// The parts that the reactor joins.
const INNER: &[&str] = &["access", "broker", "mesh", "mqtt", "ring", "store", "transport"];

const fn row(
    name: &'static str,
    modules: &'static [&'static str],
    crates: &'static [&'static str],
) -> Row {
    Row { name, modules, crates }
}

const UNLISTED: &[&str] = &["bin", "lib", "main", "server"];

/// Holds every file's imports to the table.
pub(crate) fn imports(tree: &Tree<'_>) -> Vec<Fault> {
    let crates = crate_names(tree);
    let parts = tree.sources.iter().filter_map(Source::part);
    let known: Vec<&str> = parts.chain(TABLE.iter().map(|row| row.name)).collect();
    tree.each(|source| {
        let Some(part) = source.part().filter(|part| !UNLISTED.contains(part)) else {
            return Vec::new();
        };
        let Some(row) = TABLE.iter().find(|row| row.name == part) else {
            return vec![source.fault(1, format!("`{part}` has no row in the import table"))];
        };
        let judge = |(line, named): (usize, Named<'_>)| {
            let (name, allowed) = match named {
                Named::Module(name) if !known.contains(&name) => {
                    let says = format!("`crate::{name}` is no module: name it by its module");
                    return Some(source.fault(line, says));
                }
                Named::Module(name) => {
                    let own = name == part || LEAVES.contains(&name);
                    (name, own || row.modules.contains(&name))
                }
                Named::Crate(name) => (name, row.crates.contains(&name) || source.is_tests()),
            };
            (!allowed).then(|| source.fault(line, format!("`{part}` may not use `{name}`")))
        };
        names(source, &crates, &known).into_iter().filter_map(judge).collect()
    })
}

/// A name of something outside of the file.
enum Named<'a> {
    /// `crate::NAME`, or the same by way of `super`.
    Module(&'a str),
    /// `NAME::`, a crate.
    Crate(&'a str),
}

/// Crates that the table or the manifest knows, as Rust spells them.
fn crate_names(tree: &Tree<'_>) -> Vec<String> {
    let listed = TABLE.iter().flat_map(|row| row.crates).map(|name| (*name).to_owned());
    listed.chain(tree.dependencies().map(|name| name.replace('-', "_"))).collect()
}

fn names<'s>(source: &'s Source<'_>, crates: &[String], parts: &[&str]) -> Vec<(usize, Named<'s>)> {
    let mut found = Vec::new();
    for (at, token) in source.tokens.iter().enumerate() {
        let starts = !["::", "."].contains(&source.before(at, 1));
        let absolute = source.before(at, 1) == "::" && !is_path_end(source, at, 2);
        match token.text {
            _ if token.kind != Kind::Word || !(starts || absolute) => {}
            "crate" => {
                let heads = heads(source, at + 1).into_iter();
                found.extend(heads.map(|head| (token.line, Named::Module(head))));
            }
            // Inside of a `mod tests {…}` a chain reaches one level less far. A submodule with the
            // name of a part would be mistaken for that part; there is none so far.
            "super" => {
                let chain = (at..).step_by(2).take_while(|&at| source.at(at) == "super").count();
                let heads = heads(source, at + 2 * chain - 1).into_iter();
                let reached = heads.filter(|head| chain >= source.depth() && parts.contains(head));
                found.extend(reached.map(|head| (token.line, Named::Module(head))));
            }
            name if crates.iter().any(|known| known == name) => {
                let whole = ["use", "crate"].contains(&source.before(at, 1))
                    && [";", "as"].contains(&source.at(at + 1));
                if whole || source.at(at + 1) == "::" {
                    found.push((token.line, Named::Crate(name)));
                }
            }
            _ => {}
        }
    }
    found
}

fn is_path_end(source: &Source<'_>, at: usize, back: usize) -> bool {
    let keyword = ["use", "as", "in", "return", "match", "if", "else", "impl", "dyn", "for"];
    let before = at.checked_sub(back).map(|at| source.tokens[at]);
    before.is_some_and(|token| {
        token.text == ">" || token.kind == Kind::Word && !keyword.contains(&token.text)
    })
}

/// First names of the path or the group of paths after the `::` at `at`.
pub(crate) fn heads<'s>(source: &'s Source<'_>, at: usize) -> Vec<&'s str> {
    if source.at(at) != "::" {
        return Vec::new();
    }
    if source.at(at + 1) != "{" {
        return vec![source.at(at + 1)];
    }
    let end = source.closing(at + 1);
    let mut heads = Vec::new();
    let mut at = at + 2;
    while at < end {
        heads.push(source.at(at));
        while at < end && source.at(at) != "," {
            at = if source.at(at) == "{" { source.closing(at) } else { at + 1 };
        }
        at += 1;
    }
    heads
}
