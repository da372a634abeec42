//! Circles: files of one directory that import each other, directly or through other files.
//!
//! A directory's nodes are its files, its directories (each as a whole) and its `mod.rs`. An
//! import counts towards the file that defines the item: `super::Item` leads through the re-exports
//! of `mod.rs`, so a `mod.rs` that only declares and re-exports has no part in a circle. Paths are
//! read from the code: methods and fields are not followed. Tests may import what they like.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::lexer::Kind;
use super::source::{Fault, Source, Tree};

/// Directories that may still have circles. A listed directory without one is a fault.
pub(crate) const EXCEPTIONS: &[&str] =
    &["src/store", "src/store/log", "src/store/queue", "src/store/record"];

/// Re-exports of re-exports that are followed.
const REEXPORTS_MAX: usize = 8;

/// Names of modules from the crate's root, and then perhaps the name of an item.
type Path = Vec<String>;

/// The imports within one directory: from, to, and the file and line of the first.
type Edges<'a> = BTreeMap<(String, String), (&'a str, usize)>;

/// Holds every directory of `src` to imports without circles.
pub(crate) fn circles(tree: &Tree<'_>) -> Vec<Fault> {
    let modules = Modules::of(tree);
    let mut faults = Vec::new();
    for (directory, edges) in modules.directories() {
        let circles = components(&edges);
        let is_exempt = EXCEPTIONS.contains(&directory.as_str());
        if is_exempt && circles.is_empty() && edges.len() > 1 {
            let says = "has no circle: take it off the list".to_owned();
            faults.push(Fault { path: directory, line: 1, says });
        } else if !is_exempt {
            faults.extend(circles.iter().map(|circle| fault(circle, &edges)));
        }
    }
    faults
}

/// A path as it is written in a file.
struct Import {
    line: usize,
    path: Path,
    /// The name that the file has for it, if it is part of a `use`.
    name: Option<String>,
    /// A `use` that others see.
    is_reexport: bool,
}

/// One file outside of tests.
struct Module<'a> {
    file: &'a str,
    imports: Vec<Import>,
}

/// The library's modules, and those of its programs below `bin`.
struct Modules<'a> {
    by_path: HashMap<Path, Module<'a>>,
}

impl<'a> Modules<'a> {
    fn of(tree: &'a Tree<'_>) -> Self {
        let is_code = |source: &&Source<'_>| source.path.starts_with("src/") && !source.is_tests();
        let sources: Vec<&Source<'_>> = tree.sources.iter().filter(is_code).collect();
        let tests: BTreeSet<Path> = sources.iter().flat_map(|source| test_files(source)).collect();
        let sources = sources.into_iter().map(|source| (module_path(source.path), source));
        let sources: Vec<_> = sources.filter(|(path, _)| !tests.contains(path)).collect();
        let paths: BTreeSet<Path> = sources.iter().map(|(path, _)| path.clone()).collect();
        let read = |(path, source): (Path, &'a Source<'_>)| {
            let imports = imports(source, &path, &paths);
            (path, Module { file: source.path, imports })
        };
        Self { by_path: sources.into_iter().map(read).collect() }
    }

    /// Imports of each directory, by its path.
    fn directories(&self) -> BTreeMap<String, Edges<'a>> {
        let mut directories: BTreeMap<String, Edges<'a>> = BTreeMap::new();
        for (from, module) in &self.by_path {
            for import in module.imports.iter().filter(|import| !import.is_reexport) {
                let Some(to) = self.definer(&import.path, 0).filter(|to| to != from) else {
                    continue;
                };
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                let names = ["src"].into_iter().chain(from[..shared].iter().map(String::as_str));
                let directory = names.collect::<Vec<_>>().join("/");
                let node = |path: &Path| path.get(shared).map_or("mod", String::as_str).to_owned();
                let edges = directories.entry(directory).or_default();
                let here = (module.file, import.line);
                let first = edges.entry((node(from), node(&to))).or_insert(here);
                *first = (*first).min(here);
            }
        }
        directories
    }

    /// The module that defines what `path` names; none if it belongs to another crate.
    fn definer(&self, path: &[String], depth: usize) -> Option<Path> {
        let is_module = |len: &usize| self.by_path.contains_key(&path[..*len]);
        let len = (0..=path.len()).rev().find(is_module)?;
        let module = &self.by_path[&path[..len]];
        let Some(item) = path.get(len).filter(|_| depth < REEXPORTS_MAX) else {
            return Some(path[..len].to_vec());
        };
        let is_it = |import: &&Import| import.name.as_ref() == Some(item) && import.path != path;
        match module.imports.iter().find(is_it) {
            Some(import) => self.definer(&import.path, depth + 1),
            None => Some(path[..len].to_vec()),
        }
    }
}

/// Names of the modules down to the file; those of a program begin with `bin` and its name.
fn module_path(file: &str) -> Path {
    let below = file.trim_start_matches("src/").trim_end_matches(".rs");
    let names = below.split('/').filter(|name| !["mod", "lib"].contains(name));
    let mut path: Path = names.map(str::to_owned).collect();
    if path.len() == 3 && path[0] == "bin" && path[2] == "main" {
        path.pop();
    }
    path
}

/// Modules with files of their own that are compiled for tests alone.
fn test_files(source: &Source<'_>) -> Vec<Path> {
    let path = module_path(source.path);
    let named = |name: &str| path.iter().cloned().chain([name.to_owned()]).collect();
    let is_file = |at: &usize| source.at(at + 2) == ";";
    let declared = source.test_modules().into_iter().map(|(_, at, _)| at).filter(is_file);
    declared.map(|at| named(source.at(at + 1))).collect()
}

/// The imports of a file, without those of its tests.
fn imports(source: &Source<'_>, own: &Path, paths: &BTreeSet<Path>) -> Vec<Import> {
    let tests = source.test_modules();
    let in_tests = |at: usize| tests.iter().any(|&(from, _, to)| (from..=to).contains(&at));
    let root = if own.first().is_some_and(|name| name == "bin") { 2 } else { 0 };
    let is_child = |name: &str| paths.contains(&[own.as_slice(), &[name.to_owned()]].concat());
    let is_own = |at: usize| !in_tests(at) && !["::", "type"].contains(&source.before(at, 1));
    let in_use = |at: usize| {
        let before = (0..at).rev().take_while(|&at| source.at(at) != ";");
        before.into_iter().any(|at| source.at(at) == "use")
    };
    let is_used = |name: &str| source.positions(name).any(|at| is_own(at) && !in_use(at));
    let mut found = Vec::new();
    for (at, token) in source.tokens.iter().enumerate() {
        // `in` is that of a visibility.
        let starts = !["::", ".", "!", "in"].contains(&source.before(at, 1));
        let starts = starts && source.at(at + 1) == "::";
        if token.kind != Kind::Word || !starts || in_tests(at) {
            continue;
        }
        // The path continues behind the last `super` of a chain.
        let chain = (at..).step_by(2).take_while(|&at| source.at(at) == "super").count();
        let base = match token.text {
            "crate" => own[..root].to_vec(),
            "self" => own.clone(),
            "super" => own[..own.len().saturating_sub(chain)].to_vec(),
            name if is_child(name) => [own.as_slice(), &[name.to_owned()]].concat(),
            _ => continue,
        };
        let is_use = source.before(at, 1) == "use";
        let is_visible = is_use && ["pub", ")"].contains(&source.before(at, 2));
        for (tail, name) in tails(source, at + 2 * chain.max(1)) {
            // A file that uses what it re-exports imports it. Its associated types may have the
            // same name.
            let is_reexport = is_visible && !is_used(&name);
            let path = base.iter().cloned().chain(tail).collect();
            let name = is_use.then_some(name);
            found.push(Import { line: token.line, path, name, is_reexport });
        }
    }
    found
}

/// The ends of the path or group of paths at `at`, each with the name under which it is imported.
fn tails(source: &Source<'_>, at: usize) -> Vec<(Path, String)> {
    if source.at(at) != "{" {
        let word = source.at(at).to_owned();
        let goes_on = source.at(at + 1) == "::"
            && (source.at(at + 2) == "{" || source.tokens[at + 2].kind == Kind::Word);
        if goes_on {
            let prefixed = |(mut tail, name): (Path, String)| {
                tail.insert(0, word.clone());
                let name = if name == "self" { word.clone() } else { name };
                (tail.into_iter().filter(|name| name != "self").collect(), name)
            };
            return tails(source, at + 2).into_iter().map(prefixed).collect();
        }
        let is_renamed = source.at(at + 1) == "as";
        let name = if is_renamed { source.at(at + 2).to_owned() } else { word.clone() };
        return vec![(vec![word], name)];
    }
    let end = source.closing(at);
    let mut found = Vec::new();
    let mut at = at + 1;
    while at < end {
        found.extend(tails(source, at));
        while at < end && source.at(at) != "," {
            at = if source.at(at) == "{" { source.closing(at) } else { at + 1 };
        }
        at += 1;
    }
    found
}

/// Sets of nodes that all lead to each other, of two and more.
fn components(edges: &Edges<'_>) -> Vec<BTreeSet<String>> {
    let nodes: BTreeSet<&String> = edges.keys().flat_map(|(from, to)| [from, to]).collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for node in nodes {
        let leads_back = |other: &&String| way(edges, other, node).is_some();
        let ahead = reached(edges, node);
        let circle: BTreeSet<String> = ahead.iter().filter(leads_back).cloned().collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

fn reached(edges: &Edges<'_>, from: &str) -> BTreeSet<String> {
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(node) = open.pop() {
        let next = edges.keys().filter(|(from, _)| *from == node).map(|(_, to)| to.clone());
        open.extend(next.filter(|to| reached.insert(to.clone())));
    }
    reached
}

/// A shortest way from one node to another, both named.
fn way(edges: &Edges<'_>, from: &str, to: &str) -> Option<Vec<String>> {
    let mut open = VecDeque::from([vec![from.to_owned()]]);
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while let Some(way) = open.pop_front() {
        let last = way.last().expect("a way has a beginning");
        for (_, next) in edges.keys().filter(|(from, _)| from == last) {
            let longer = [way.as_slice(), std::slice::from_ref(next)].concat();
            if next == to {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                open.push_back(longer);
            }
        }
    }
    None
}

fn fault(circle: &BTreeSet<String>, edges: &Edges<'_>) -> Fault {
    let first = circle.first().expect("a circle has nodes");
    let way = way(edges, first, first).expect("each node of a circle leads back to itself");
    let (path, line) = edges[&(way[0].clone(), way[1].clone())];
    let says = format!("{} files in a circle of imports: {}", circle.len(), way.join(" → "));
    Fault { path: path.to_owned(), line, says }
}
