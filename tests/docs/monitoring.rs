//! The alert rules and the dashboard: their metrics are in the catalogue, each rule has its tests,
//! and panels do not overlap.

use std::fs;

use ringmq::admin::{Description, descriptions};
use serde_json::Value;

use super::{assert_none, root};

const ALERTS: &str = "docs/monitoring/alerts.yml";
const TESTS: &str = "docs/monitoring/alerts-test.yml";
const DASHBOARD: &str = "docs/monitoring/dashboard.json";

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("it is there")
}

fn dashboard() -> Value {
    serde_json::from_str(&text(DASHBOARD)).expect("it is JSON")
}

/// Names of metrics in a text, each with the braces after it.
fn metrics(text: &str) -> Vec<(String, String)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    for beginning in ["ringmq_", "process_"] {
        for (at, _) in text.match_indices(beginning) {
            let (before, rest) = text.split_at(at);
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            if before.ends_with(is_part) {
                continue;
            }
            let selector = behind.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let selector = selector.map_or("", |(selector, _)| selector);
            // A string of JSON has its quotes escaped.
            found.push((name.to_owned(), selector.replace("\\\"", "\"")));
        }
    }
    found
}

/// The fault of a metric's use.
fn fault(name: &str, selector: &str, known: &[Description]) -> Option<String> {
    let is_it = |metric: &&Description| match metric.kind {
        "histogram" => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|part| name.strip_suffix(part) == Some(&metric.name)),
        _ => metric.name == name,
    };
    let Some(metric) = known.iter().find(is_it) else {
        return Some(format!("{name} is no metric"));
    };
    for matcher in selector.split(", ").flat_map(|it| it.split("\",")) {
        let Some((label, values)) = matcher.split_once('=') else { continue };
        if ["instance", "job", "le"].contains(&label) {
            continue;
        }
        let Some((_, all)) = metric.labels.iter().find(|(known, _)| *known == label) else {
            return Some(format!("{name} has no label {label}"));
        };
        let values = values.trim_start_matches('~').trim_matches('"');
        let wrong = values.split('|').find(|value| !all.is_empty() && !all.contains(value));
        if let Some(value) = wrong {
            return Some(format!("{name} is never {label}={value}"));
        }
    }
    None
}

// Every metric that rules, their tests and the dashboard name is in the catalogue, with the labels
// and values that they want of it.
#[test]
fn metrics_are_in_the_catalogue() {
    let known = descriptions();
    let mut faults = Vec::new();
    for path in [ALERTS, TESTS, DASHBOARD] {
        let found = metrics(&text(path));
        assert!(found.len() > 20, "{path}: {found:?}");
        let wrong = found.iter().filter_map(|(name, selector)| fault(name, selector, &known));
        faults.extend(wrong.map(|fault| format!("{path}: {fault}")));
    }
    assert_none(&faults);
    for (name, selector, says) in [
        ("ringmq_connection", "", "is no metric"),
        ("ringmq_turn_duration_seconds", "", "is no metric"),
        ("ringmq_connections", "reason=\"x\"", "has no label reason"),
        ("ringmq_disk_failures_total", "operation=~\"write|rite\"", "never operation=rite"),
    ] {
        let fault = fault(name, selector, &known).expect("it is wrong");
        assert!(fault.contains(says), "{fault}");
    }
}

// Each rule has a description and advice, is raised in one test and not in another, and the pages
// say what it means and what to do.
#[test]
fn rules_are_whole() {
    let (rules, tests) = (text(ALERTS), text(TESTS));
    let pages = [text("docs/monitoring.md"), text("docs/operating.md")];
    let mut count = 0;
    for rule in rules.split("- alert: ").skip(1) {
        count += 1;
        let name = rule.lines().next().expect("it has a name");
        for part in ["expr: ", "severity: ", "summary: ", "description: "] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
        assert!(tests.contains(&format!("- name: {name} is raised\n")), "{name} is not tested");
        let is_row = |line: &str| line.starts_with('|') && line.contains(&format!("`{name}`"));
        assert!(pages.iter().all(|page| page.lines().any(is_row)), "no page says {name}");
        let calm = format!("alertname: {name}, exp_alerts: [] }}");
        assert!(tests.contains(&calm), "{name} may be raised for a broker that is well");
    }
    assert!(count > 15, "{count}");
}

// Panels have names and distinct places, and each uses the selected data source.
#[test]
fn panels_have_their_places() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let mut ids = Vec::new();
    let mut places: Vec<[u64; 4]> = Vec::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("it has a title");
        ids.push(panel["id"].as_u64().expect("it has a number"));
        let at = ["x", "y", "w", "h"].map(|it| panel["gridPos"][it].as_u64().expect("a place"));
        let [x, y, w, h] = at;
        assert!(x + w <= 24 && w > 0 && h > 0, "{title}: {at:?}");
        let meets = |other: &&[u64; 4]| {
            let [ox, oy, ow, oh] = **other;
            x < ox + ow && ox < x + w && y < oy + oh && oy < y + h
        };
        assert_eq!(places.iter().find(meets), None, "{title}");
        places.push(at);
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().expect("it asks something");
        assert!(!targets.is_empty() && panel["description"].is_string(), "{title}");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let expression = target["expr"].as_str().expect("it is text");
            assert!(expression.contains("instance=~\"$instance\""), "{title}: {expression}");
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), panels.len(), "numbers are unique");
}
