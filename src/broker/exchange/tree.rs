//! Topic filters and their holders.
//!
//! Filters without wildcards are in a map, filters with wildcards in a trie by level. A look-up
//! costs one hash and a walk over the topic's levels, whatever the number of filters. It allocates
//! only if the walk branches. Invariant: every trie node but the root has an entry at or below it.

use crate::mqtt::{TopicFilter, TopicName};
use crate::slots::{Slots, make_room};
use crate::store::{Hashing, Map};

const ROOT: u32 = 0;

/// The reason why a node exists.
const THERE: &str = "a node goes with what leads to it";

/// The least capacity to which a map shrinks.
const MAP_KEPT: usize = 64;

/// Holders in order, for binary search.
type Entries<K, V> = Vec<(K, V)>;

#[derive(Debug)]
struct Node<K, V> {
    /// Children by literal level.
    levels: Map<Box<str>, u32>,
    /// The child behind `+`.
    plus: Option<u32>,
    /// Holders of the filter that ends here.
    here: Entries<K, V>,
    /// Holders of the filter that goes on with `#` and ends.
    hash: Entries<K, V>,
}

impl<K, V> Node<K, V> {
    fn new(hashing: &Hashing) -> Self {
        let levels = Map::with_hasher(hashing.clone());
        Self { levels, plus: None, here: Vec::new(), hash: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        let holders = self.here.len() + self.hash.len();
        holders == 0 && self.levels.is_empty() && self.plus.is_none()
    }
}

/// Filters, each with its holders: at most one value for a filter and holder.
#[derive(Debug)]
pub(super) struct FilterTree<K, V> {
    exact: Map<Box<str>, Entries<K, V>>,
    nodes: Slots<Node<K, V>>,
    /// Holders of all filters; a holder of several filters counts for each.
    holders: usize,
    hashing: Hashing,
}

impl<K: Copy + Ord, V: Copy> FilterTree<K, V> {
    pub(super) fn new(hashing: &Hashing) -> Self {
        let mut nodes = Slots::default();
        nodes.insert(Node::new(hashing));
        Self {
            exact: Map::with_hasher(hashing.clone()),
            nodes,
            holders: 0,
            hashing: hashing.clone(),
        }
    }

    /// Holders of all filters; a holder of several filters counts for each.
    pub(super) fn holders(&self) -> usize {
        self.holders
    }

    /// Sets a holder's value for a filter; returns whether the filter had no holder before.
    pub(super) fn insert(&mut self, filter: TopicFilter<'_>, holder: K, value: V) -> bool {
        let entries = self.entries_or_create(filter);
        let first = entries.is_empty();
        match entries.binary_search_by_key(&holder, |(known, _)| *known) {
            Ok(at) => entries[at].1 = value,
            Err(at) => {
                make_room(entries);
                entries.insert(at, (holder, value));
                self.holders += 1;
            }
        }
        first
    }

    /// Removes a holder from a filter; returns whether it was the filter's last.
    pub(super) fn remove(&mut self, filter: TopicFilter<'_>, holder: K) -> bool {
        if filter.is_wildcard() {
            return self.remove_wildcard(filter, holder);
        }
        let Some(entries) = self.exact.get_mut(filter.as_str()) else {
            return false;
        };
        let was_held = take_holder(entries, holder);
        let last = was_held && entries.is_empty();
        self.holders -= usize::from(was_held);
        if last {
            self.exact.remove(filter.as_str());
            shrink(&mut self.exact);
        }
        last
    }

    /// Calls `found` for every holder of a filter that matches; a holder of several such filters is
    /// found several times.
    pub(super) fn matching(&self, topic: TopicName<'_>, mut found: impl FnMut(K, V)) {
        if let Some(entries) = self.exact.get(topic.as_str()) {
            entries.iter().for_each(|(holder, value)| found(*holder, *value));
        }
        let root = self.node(ROOT);
        if topic.is_dollar() {
            // [MQTT-4.7.2-1] A filter that begins with a wildcard does not match `$` topics.
            let (level, rest) = split_level(topic.as_str());
            if let Some(child) = root.levels.get(level) {
                self.walk(*child, rest, &mut found);
            }
        } else {
            self.walk(ROOT, Some(topic.as_str()), &mut found);
        }
    }

    /// Returns memory of removed nodes, in a time bounded by `nodes_max`; returns whether there is
    /// more to do. Maps shrink when filters are removed.
    pub(super) fn reclaim(&mut self, nodes_max: usize) -> bool {
        self.nodes.reclaim(nodes_max)
    }

    #[inline]
    fn node(&self, at: u32) -> &Node<K, V> {
        self.nodes.get(at).expect(THERE)
    }

    fn node_mut(&mut self, at: u32) -> &mut Node<K, V> {
        self.nodes.get_mut(at).expect(THERE)
    }

    /// Visits each node below `at` at most once.
    fn walk(&self, at: u32, rest: Option<&str>, found: &mut impl FnMut(K, V)) {
        // A client chooses the depth, so the nodes to visit are in this list and not on the
        // thread's stack. Most walks do not branch.
        let mut branches = Vec::new();
        let mut next = Some((at, rest));
        while let Some((at, rest)) = next {
            let node = self.node(at);
            // `a/#` also matches `a`: the parent level counts (4.7.1.2).
            node.hash.iter().for_each(|(holder, value)| found(*holder, *value));
            let Some(rest) = rest else {
                node.here.iter().for_each(|(holder, value)| found(*holder, *value));
                next = branches.pop();
                continue;
            };
            let (level, rest) = split_level(rest);
            let plus = node.plus.map(|child| (child, rest));
            next = match node.levels.get(level) {
                Some(child) => {
                    branches.extend(plus);
                    Some((*child, rest))
                }
                None => plus.or_else(|| branches.pop()),
            };
        }
    }

    fn entries_or_create(&mut self, filter: TopicFilter<'_>) -> &mut Entries<K, V> {
        if !filter.is_wildcard() {
            return self.exact.entry(filter.as_str().into()).or_default();
        }
        let mut at = ROOT;
        for level in filter.levels() {
            if level == "#" {
                return &mut self.node_mut(at).hash;
            }
            at = self.child(at, level).unwrap_or_else(|| self.add_child(at, level));
        }
        &mut self.node_mut(at).here
    }

    fn child(&self, at: u32, level: &str) -> Option<u32> {
        match level {
            "+" => self.node(at).plus,
            _ => self.node(at).levels.get(level).copied(),
        }
    }

    fn add_child(&mut self, at: u32, level: &str) -> u32 {
        let child = self.nodes.insert(Node::new(&self.hashing));
        match level {
            "+" => self.node_mut(at).plus = Some(child),
            _ => {
                self.node_mut(at).levels.insert(level.into(), child);
            }
        }
        child
    }

    fn remove_wildcard(&mut self, filter: TopicFilter<'_>, holder: K) -> bool {
        let mut path = vec![ROOT];
        let mut entries_are_hash = false;
        for level in filter.levels() {
            if level == "#" {
                entries_are_hash = true;
                break;
            }
            let Some(child) = self.child(path[path.len() - 1], level) else {
                return false;
            };
            path.push(child);
        }
        let node = self.node_mut(path[path.len() - 1]);
        let entries = if entries_are_hash { &mut node.hash } else { &mut node.here };
        let was_held = take_holder(entries, holder);
        let last = was_held && entries.is_empty();
        self.holders -= usize::from(was_held);
        self.prune(&path, filter);
        last
    }

    /// Removes the nodes at the end of a path that have no holders at or below them.
    fn prune(&mut self, path: &[u32], filter: TopicFilter<'_>) {
        let levels: Vec<&str> = filter.levels().take(path.len() - 1).collect();
        for depth in (1..path.len()).rev() {
            if !self.node(path[depth]).is_empty() {
                return;
            }
            self.nodes.remove(path[depth]);
            let parent = self.node_mut(path[depth - 1]);
            match levels[depth - 1] {
                "+" => parent.plus = None,
                level => {
                    parent.levels.remove(level);
                    shrink(&mut parent.levels);
                }
            }
        }
    }
}

fn take_holder<K: Copy + Ord, V>(entries: &mut Entries<K, V>, holder: K) -> bool {
    let found = entries.binary_search_by_key(&holder, |(known, _)| *known);
    let Ok(at) = found else { return false };
    entries.remove(at);
    if entries.len() < entries.capacity() / 4 {
        entries.shrink_to(entries.capacity() / 2);
    }
    true
}

/// Halves a map that is nearly empty.
fn shrink<V>(map: &mut Map<Box<str>, V>) {
    if map.capacity() > MAP_KEPT && map.len() < map.capacity() / 4 {
        map.shrink_to(map.capacity() / 2);
    }
}

fn split_level(topic: &str) -> (&str, Option<&str>) {
    match topic.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (topic, None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::parse(text).expect("tests use good filters")
    }

    fn matching(tree: &FilterTree<u32, u8>, topic: &str) -> Vec<(u32, u8)> {
        let topic = TopicName::parse(topic).expect("tests use good topics");
        let mut found = Vec::new();
        tree.matching(topic, |holder, value| found.push((holder, value)));
        found.sort_unstable();
        found
    }

    /// The tree finds what `TopicFilter::matches` finds, under random inserts and removes, and is
    /// empty when all is removed.
    #[test]
    fn agrees_with_the_matcher() {
        let levels = ["a", "b", "", "$x", "é"];
        let mut seed = 42_u64;
        let mut random = move |bound: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed % bound as u64).expect("small")
        };
        let mut tree = FilterTree::new(&Hashing::default());
        let mut model = BTreeMap::<(String, u32), u8>::new();
        for round in 0..20_000 {
            let mut parts: Vec<&str> = (0..=random(3))
                .map(|_| if random(4) == 0 { "+" } else { levels[random(levels.len())] })
                .collect();
            if random(4) == 0 {
                parts.push("#");
            }
            let text = parts.join("/");
            if text.is_empty() {
                continue;
            }
            let holder = u32::try_from(random(4)).expect("small");
            let known = |model: &BTreeMap<(String, u32), u8>| model.keys().any(|(f, _)| *f == text);
            if random(2) == 0 {
                let first = tree.insert(filter(&text), holder, 1);
                assert_eq!(first, !known(&model));
                model.insert((text.clone(), holder), 1);
            } else {
                let had = model.remove(&(text.clone(), holder)).is_some();
                assert_eq!(tree.remove(filter(&text), holder), had && !known(&model));
            }
            if round % 7 == 0 {
                let topic = (0..=random(3)).map(|_| levels[random(levels.len())]);
                let topic = topic.collect::<Vec<_>>().join("/");
                let Ok(name) = TopicName::parse(&topic) else {
                    continue;
                };
                let mut expected: Vec<_> = model
                    .iter()
                    .filter(|((text, _), _)| filter(text).matches(name))
                    .map(|((_, holder), value)| (*holder, *value))
                    .collect();
                expected.sort_unstable();
                assert_eq!(matching(&tree, &topic), expected, "{topic}");
            }
        }
        assert_eq!(tree.holders(), model.len());
        for (text, holder) in model.keys() {
            tree.remove(filter(text), *holder);
        }
        assert!(tree.exact.is_empty() && tree.holders() == 0);
        assert!(tree.nodes.len() == 1 && tree.node(ROOT).is_empty());
    }

    /// A second insert of a holder changes its value and adds nothing.
    #[test]
    fn a_holder_has_one_value() {
        let mut tree = FilterTree::new(&Hashing::default());
        for text in ["a/b", "a/+", "#"] {
            assert!(tree.insert(filter(text), 9, 0));
            assert!(!tree.insert(filter(text), 9, 1));
        }
        assert_eq!(matching(&tree, "a/b"), [(9, 1), (9, 1), (9, 1)]);
    }

    /// Removing many filters frees almost all of their memory, and the tree works afterwards.
    #[test]
    fn memory_goes_with_the_filters() {
        const FILTERS: u32 = 20_000;
        let mut tree = FilterTree::new(&Hashing::default());
        let texts = |n: u32| [format!("plant/{n}"), format!("plant/{n}/+/x"), format!("{n}/#")];
        for text in (0..FILTERS).flat_map(texts) {
            assert!(tree.insert(filter(&text), 7, 0));
        }
        let levels = |tree: &FilterTree<u32, u8>| {
            let maps = tree.nodes.keys_from(0).map(|at| tree.node(at).levels.capacity());
            maps.sum::<usize>()
        };
        assert!(tree.nodes.len() > 60_000 && levels(&tree) > 40_000);
        assert!(tree.exact.capacity() >= 20_000);
        for text in (10..FILTERS).rev().flat_map(texts) {
            assert!(tree.remove(filter(&text), 7));
        }
        let mut steps = 0;
        while tree.reclaim(1000) {
            steps += 1;
        }
        assert!((50..200).contains(&steps), "{steps} bounded steps");
        let (exact, levels) = (tree.exact.capacity(), levels(&tree));
        assert!(exact <= 2 * MAP_KEPT && levels <= 6 * MAP_KEPT, "{exact} {levels}");
        assert!(tree.nodes.end() < 60, "{}", tree.nodes.end());
        assert!(tree.insert(filter("plant/+"), 7, 0));
        assert_eq!(matching(&tree, "plant/3"), [(7, 0), (7, 0)]);
    }
}
