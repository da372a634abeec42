//! The rules. Each is a function from the tree to its faults; [`RULES`] names them all.

use super::circles::circles;
use super::imports::imports;
use super::lexer::{Comment, Kind};
use super::rooms::rooms;
use super::source::{Fault, Source, Tree};

/// The most lines of code in a file. Comments, blank lines and test modules are not counted, since
/// they do not make a file hard to understand.
pub(crate) const FILE_LINES_MAX: usize = 520;

/// The most lines in a function, from `fn` to its closing brace, all counted.
pub(crate) const FUNCTION_LINES_MAX: usize = 75;

/// Tables that are read line by line; their length does not matter.
const TABLE_FILES: &[&str] = &["tests/conformance/table.rs", "tests/conformance/v5/table.rs"];

/// Columns of a line.
pub(crate) const COLUMNS_MAX: usize = 100;

/// The only files with `unsafe`.
pub(crate) const UNSAFE_FILES: &[&str] = &[
    "src/disk/mapping.rs",
    "src/disk/sigbus.rs",
    "src/mesh/spsc.rs",
    "src/ring/buffers.rs",
    "src/ring/epoll/descriptor.rs",
    "src/ring/pool.rs",
    "src/ring/queue.rs",
    "src/ring/sends.rs",
    "src/ring/uring.rs",
    "src/server/heap.rs",
];

/// Crates that only one file may use.
const ONE_FILE_CRATES: &[&str] = &["memmap2"];

/// The only files with atomics outside of `mesh`. The kernel reads the tail of a buffer ring, which
/// needs a release store. A signal handler reads what its own thread has stored, which needs a
/// compiler fence. The log has a switch and a count that any thread may touch; no other data
/// depends on them.
const ATOMICS_FILES: &[&str] =
    &["src/disk/sigbus.rs", "src/logging/mod.rs", "src/logging/queue.rs", "src/ring/buffers.rs"];

/// Parts that are pure: no clock, no randomness, no thread, no shared state.
const PURE: &[&str] = &["broker", "mqtt", "store", "transport"];

const IMPURE_WORDS: &[&str] = &[
    "Condvar",
    "Mutex",
    "RandomState",
    "Rc",
    "RefCell",
    "RwLock",
    "async",
    "await",
    "getrandom",
    "thread_local",
];

const IMPURE_PATHS: &[[&str; 3]] = &[
    ["Instant", "::", "now"],
    ["SystemTime", "::", "now"],
    ["std", "::", "thread"],
    ["elapsed", "(", ")"],
];

/// A process that has changed its user (`--user`) may not read these paths. The files below do so
/// before the change, or in programs that do not change the user.
const SELF_TEXTS: &[&str] = &["/proc/self", "/proc/thread-self"];
const SELF_FILES: &[&str] = &["src/admin/process.rs", "src/cpus.rs"];

/// Looks at the whole tree.
pub(crate) type Rule = fn(&Tree<'_>) -> Vec<Fault>;

/// Every rule by its name.
pub(crate) const RULES: &[(&str, Rule)] = &[
    ("imports", imports),
    ("rooms", rooms),
    ("circles", circles),
    ("one file per crate", one_file_crates),
    ("unsafe", unsafe_files),
    ("stale unsafe", stale_unsafe_files),
    ("atomics", atomics),
    ("pure", pure),
    ("asked in time", asked_in_time),
    ("file size", file_size),
    ("function size", function_size),
    ("columns", columns),
    ("opening", opening),
    ("attributes", attributes),
    ("marks", marks),
    ("dependencies", dependencies),
];

fn one_file_crates(tree: &Tree<'_>) -> Vec<Fault> {
    let uses = |name: &'static str| {
        let first_use = move |source: &'_ &Source<'_>| source.positions(name).next().is_some();
        tree.sources.iter().filter(first_use).skip(1).map(move |source| {
            let line = source.positions(name).next().map_or(1, |at| source.tokens[at].line);
            source.fault(line, format!("`{name}` belongs into one file, and one has it"))
        })
    };
    ONE_FILE_CRATES.iter().flat_map(|name| uses(name)).collect()
}

fn unsafe_files(tree: &Tree<'_>) -> Vec<Fault> {
    tree.each(|source| {
        if UNSAFE_FILES.contains(&source.path) {
            return Vec::new();
        }
        let fault = |at: usize| source.fault(source.tokens[at].line, "not a file for `unsafe`");
        source.positions("unsafe").map(fault).collect()
    })
}

/// A listed file must exist and contain `unsafe`. It may be missing if all listed files of its
/// directory are: then that part is not written yet.
fn stale_unsafe_files(tree: &Tree<'_>) -> Vec<Fault> {
    let find = |path: &str| tree.sources.iter().find(|source| source.path == path);
    let directory = |path: &'static str| path.rsplit_once('/').map_or("", |(before, _)| before);
    let is_begun = |entry: &'static str| {
        let listed = UNSAFE_FILES.iter();
        listed.filter(|path| directory(path) == directory(entry)).any(|path| find(path).is_some())
    };
    let is_stale = |entry: &'static str| match find(entry) {
        Some(source) => source.positions("unsafe").next().is_none(),
        None => is_begun(entry),
    };
    let fault = |path: &&'static str| Fault {
        path: (*path).to_owned(),
        line: 1,
        says: "listed as a file for `unsafe`, but has none: take it off the list".to_owned(),
    };
    UNSAFE_FILES.iter().filter(|entry| is_stale(entry)).map(fault).collect()
}

fn atomics(tree: &Tree<'_>) -> Vec<Fault> {
    let is_atomic = |source: &Source<'_>, at: usize| {
        let text = source.at(at);
        let is_type = text
            .strip_prefix("Atomic")
            .is_some_and(|rest| rest.chars().next().is_some_and(char::is_uppercase));
        let is_module =
            text == "atomic" && [source.before(at, 1), source.at(at + 1)].contains(&"::");
        source.tokens[at].kind == Kind::Word && (is_type || is_module)
    };
    tree.each(|source| {
        let exempt = |part: &str| {
            let is_listed = ATOMICS_FILES.contains(&source.path);
            part == "mesh" || part == "bin" || is_listed || source.is_tests()
        };
        if source.part().is_none_or(exempt) {
            return Vec::new();
        }
        let fault = |at: usize| source.fault(source.tokens[at].line, "atomics belong into `mesh`");
        (0..source.tokens.len()).filter(|&at| is_atomic(source, at)).map(fault).collect()
    })
}

fn pure(tree: &Tree<'_>) -> Vec<Fault> {
    tree.each(|source| {
        let Some(part) = source.part().filter(|part| PURE.contains(part)) else {
            return Vec::new();
        };
        let fault = |at: usize| {
            let token = source.tokens[at];
            source.fault(token.line, format!("`{part}` is pure: no `{}`", token.text))
        };
        let words = IMPURE_WORDS.iter().flat_map(|word| source.positions(word));
        let paths = IMPURE_PATHS.iter().flat_map(|path| {
            let follows = |at: &usize| (1..3).all(|next| source.at(at + next) == path[next]);
            source.positions(path[0]).filter(follows)
        });
        words.chain(paths).map(fault).collect()
    })
}

/// Code that runs after the change of user must not need `/proc/self`. The page size comes from the
/// C library, since rustix reads it there.
fn asked_in_time(tree: &Tree<'_>) -> Vec<Fault> {
    tree.each(|source| {
        let exempt =
            |part: &str| part == "bin" || SELF_FILES.contains(&source.path) || source.is_tests();
        if source.part().is_none_or(exempt) {
            return Vec::new();
        }
        let names_self = |at: &usize| {
            let token = source.tokens[*at];
            token.kind == Kind::Literal && SELF_TEXTS.iter().any(|text| token.text.contains(text))
        };
        let asks_rustix = |at: &usize| {
            source.at(*at) == "rustix"
                && source.at(at + 1) == "::"
                && ["param", "time"].contains(&source.at(at + 2))
        };
        let late = |at: usize| {
            source.fault(source.tokens[at].line, "not to be read any more after --user")
        };
        (0..source.tokens.len()).filter(|at| names_self(at) || asks_rustix(at)).map(late).collect()
    })
}

fn file_size(tree: &Tree<'_>) -> Vec<Fault> {
    tree.each(|source| {
        let tests = source.test_modules();
        let counted = |at: &usize| !tests.iter().any(|(from, _, to)| (from..=to).contains(&at));
        let mut lines: Vec<usize> =
            (0..source.tokens.len()).filter(counted).map(|at| source.tokens[at].line).collect();
        lines.dedup();
        let says = format!("{} lines of code, {FILE_LINES_MAX} at most: split it", lines.len());
        let too_long = lines.len() > FILE_LINES_MAX;
        too_long.then(|| source.fault(1, says)).into_iter().collect()
    })
}

fn function_size(tree: &Tree<'_>) -> Vec<Fault> {
    tree.each(|source| {
        let is_named = |at: &usize| source.tokens.get(at + 1).is_some_and(|t| t.kind == Kind::Word);
        let fault = |at: usize| {
            let start = source.tokens[at];
            let end = source.tokens[function_end(source, at)].line;
            let lines = end - start.line + 1;
            let says = format!(
                "`fn {}` has {lines} lines, {FUNCTION_LINES_MAX} at most",
                source.at(at + 1)
            );
            (lines > FUNCTION_LINES_MAX).then(|| source.fault(start.line, says))
        };
        source.positions("fn").filter(is_named).filter_map(fault).collect()
    })
}

/// Position of the brace that ends the function at `at`, or of the `;` of one without a body.
fn function_end(source: &Source<'_>, at: usize) -> usize {
    let mut at = at;
    while at < source.tokens.len() - 1 {
        match source.at(at) {
            "{" => return source.closing(at),
            ";" => return at,
            "(" | "[" => at = source.closing(at) + 1,
            _ => at += 1,
        }
    }
    at
}

fn columns(tree: &Tree<'_>) -> Vec<Fault> {
    tree.each(|source| {
        if TABLE_FILES.contains(&source.path) {
            return Vec::new();
        }
        let lines = source.text.lines().map(|line| line.chars().count());
        let long = lines.enumerate().filter(|(_, columns)| *columns > COLUMNS_MAX);
        long.map(|(at, columns)| {
            source.fault(at + 1, format!("{columns} columns, {COLUMNS_MAX} at most"))
        })
        .collect()
    })
}

fn opening(tree: &Tree<'_>) -> Vec<Fault> {
    tree.each(|source| {
        let opens = source.text.starts_with("//! ");
        let fault = || source.fault(1, "open with `//!`: what it is, its invariant, its owner");
        (!opens).then(fault).into_iter().collect()
    })
}

fn attributes(tree: &Tree<'_>) -> Vec<Fault> {
    tree.each(|source| {
        let refused = |at: usize| {
            let open = if source.at(at + 1) == "!" { at + 2 } else { at + 1 };
            let is_attribute = source.at(at) == "#" && source.at(open) == "[";
            let inside = is_attribute.then(|| open..source.closing(open))?;
            let word = inside
                .map(|at| source.tokens[at])
                .find(|token| ["ignore", "should_panic"].contains(&token.text))?;
            Some(source.fault(word.line, format!("no `{}` on a test", word.text)))
        };
        (0..source.tokens.len()).filter_map(refused).collect()
    })
}

fn marks(tree: &Tree<'_>) -> Vec<Fault> {
    tree.each(|source| {
        let in_comment = |comment: &Comment<'_>| {
            let lines = comment.text.lines().enumerate();
            let bad = |line: &str| {
                let mut words = line.split(|c: char| !c.is_alphanumeric());
                let unfinished = words.any(|word| ["TODO", "FIXME"].contains(&word));
                unfinished || line.contains("```ignore") || line.contains("```should_panic")
            };
            let fault = |(at, _)| {
                source.fault(comment.line + at, "unfinished: do it, or file it and say why not")
            };
            lines.filter(|(_, line)| bad(line)).map(fault).collect::<Vec<_>>()
        };
        source.comments.iter().flat_map(in_comment).collect()
    })
}

/// Each dependency stands in docs/dependencies.md with its reason.
fn dependencies(tree: &Tree<'_>) -> Vec<Fault> {
    let is_missing = |name: &&str| !tree.reasons.contains(&format!("`{name}`"));
    let fault = |name: &str| Fault {
        path: "Cargo.toml".to_owned(),
        line: 1,
        says: format!("`{name}` is not named in docs/dependencies.md with its reason"),
    };
    tree.dependencies().filter(is_missing).map(fault).collect()
}
