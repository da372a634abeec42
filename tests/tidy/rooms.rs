//! The rooms of the broker: which of its directories may use which others.
//!
//! A row may name only rooms above it, so that there is no circle. Paths are read from the code:
//! `crate::broker::…`, and `super::…` that reaches the broker's directory.

use super::imports::heads;
use super::source::{Fault, Source, Tree};

const BROKER: &str = "src/broker/";

/// Each room with those that it may use. All may use `names`, and the last one all.
const ROOMS: &[(&str, &[&str])] = &[
    ("names", &[]),
    ("peer", &[]),
    ("read_gate", &[]),
    ("meters", &[]),
    ("replies", &[]),
    ("connection", &[]),
    ("exchange", &[]),
    ("quota", &[]),
    ("expiry", &[]),
    ("trace", &[]),
    ("group", &[]),
    ("output", &["peer", "read_gate", "trace"]),
    ("storage", &["read_gate"]),
    ("client_log", &["connection"]),
    ("admission", &["connection"]),
    ("publish", &["output"]),
    ("retained", &["output", "peer"]),
    ("system", &[]),
    (
        "delivery",
        &["admission", "client_log", "exchange", "group", "meters", "output", "read_gate"],
    ),
    ("full_sessions", &["delivery", "client_log", "quota"]),
    ("inspect", &["meters", "read_gate", "system", "trace"]),
    ("shard", &[]),
];

/// Holds the imports of the broker's rooms to the table, and the table to its order.
pub(crate) fn rooms(tree: &Tree<'_>) -> Vec<Fault> {
    tree.each(|source| {
        let Some(rest) = source.path.strip_prefix(BROKER) else { return Vec::new() };
        let Some((room, _)) = rest.split_once('/') else { return Vec::new() };
        let Some(at) = ROOMS.iter().position(|(name, _)| *name == room) else {
            return vec![source.fault(1, format!("`{room}` has no row in the table of rooms"))];
        };
        let judge = |(line, named): (usize, &str)| {
            let known = ROOMS.iter().position(|(name, _)| *name == named);
            let Some(used) = known else {
                let says = format!("`{named}` is no room of the broker: name it by its room");
                return Some(source.fault(line, says));
            };
            let is_last = at + 1 == ROOMS.len();
            let is_listed = is_last || used == 0 || ROOMS[at].1.contains(&named);
            let is_allowed = used == at || is_listed && used < at;
            (!is_allowed).then(|| source.fault(line, format!("`{room}` may not use `{named}`")))
        };
        named_in(source).into_iter().filter_map(judge).collect()
    })
}

/// The parts of the broker's directory that a file names, with their lines.
fn named_in<'s>(source: &'s Source<'_>) -> Vec<(usize, &'s str)> {
    let mut found = Vec::new();
    for (at, token) in source.tokens.iter().enumerate() {
        let starts = !["::", "."].contains(&source.before(at, 1));
        let path = match token.text {
            "crate" if starts && source.at(at + 2) == "broker" => at + 3,
            "super" if starts => {
                let chain = (at..).step_by(2).take_while(|&at| source.at(at) == "super").count();
                if chain + 1 != source.depth() {
                    continue;
                }
                at + 2 * chain - 1
            }
            _ => continue,
        };
        // A test module takes in all of its own file.
        let heads = heads(source, path).into_iter().filter(|head| *head != "*");
        found.extend(heads.map(|head| (token.line, head)));
    }
    found
}
