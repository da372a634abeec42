//! The topics of `$SYS`: the page has exactly those that the broker publishes.

use std::collections::BTreeSet;

use ringmq::admin::system_topics;

use super::page;

/// The topics of a row's first cell, below `prefix`: `…/x` has another last level than the topic
/// before it, and `/x` stands behind each.
fn topics(prefix: &str, cell: &str) -> Vec<String> {
    let spans: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    let (mut found, mut endings) = (Vec::<String>::new(), Vec::new());
    for span in spans {
        if span.starts_with('/') {
            endings.push(span);
        } else if let Some(level) = span.strip_prefix("…/") {
            let before = found.last().and_then(|topic| topic.rsplit_once('/'));
            found.push(format!("{}/{level}", before.expect("a topic is before it").0));
        } else {
            found.push(format!("{prefix}{span}"));
        }
    }
    if endings.is_empty() {
        return found;
    }
    let with = |topic: String| endings.iter().map(move |ending| format!("{topic}{ending}"));
    found.into_iter().flat_map(with).collect()
}

fn documented(text: &str) -> BTreeSet<String> {
    let (mut prefix, mut found) = (None, BTreeSet::new());
    for line in text.lines() {
        let cell = line.strip_prefix("| ").and_then(|rest| rest.split(" |").next());
        let Some(cell) = cell else {
            if !line.starts_with('|') {
                prefix = None;
            }
            continue;
        };
        match cell.strip_prefix("topic below `") {
            Some(below) => prefix = Some(below.trim_end_matches('`').to_owned()),
            None => found.extend(prefix.iter().flat_map(|prefix| topics(prefix, cell))),
        }
    }
    found
}

// Each topic is documented, and no other.
#[test]
fn topics_are_documented() {
    let published: BTreeSet<String> = system_topics().into_iter().collect();
    let documented: BTreeSet<String> = documented(&page("docs/operating.md").text)
        .into_iter()
        .map(|topic| topic.replace("/N/", "/0/"))
        .collect();
    let missing: Vec<&String> = published.difference(&documented).collect();
    let stale: Vec<&String> = documented.difference(&published).collect();
    assert!(missing.is_empty() && stale.is_empty(), "no row: {missing:?}; no topic: {stale:?}");
    let cell = "`a/b`, `…/c`, `d`, each with `/1min`, `/5min`";
    let found = ["$/a/b/1min", "$/a/b/5min", "$/a/c/1min", "$/a/c/5min", "$/d/1min", "$/d/5min"];
    assert_eq!(topics("$/", cell), found);
}
