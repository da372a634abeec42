//! The tables of `$SYS`, made from the broker's catalogue.
//!
//! On a page they are between two lines: `<!-- topics -->` and `<!-- end of topics -->`.

use ringmq::admin::{TopicDescription, TopicMetric, system_topics};

const BEGIN: &str = "<!-- topics -->\n";
const END: &str = "<!-- end of topics -->";

/// The beginnings of the topics of each table, without those of the tables before.
const TABLES: [&str; 3] = ["$SYS/broker/load/", "$SYS/broker/", "$SYS/ringmq/"];

/// The page with its tables made anew.
///
/// # Errors
/// If the page has no place for them.
pub(crate) fn renew(page: &str) -> Result<String, String> {
    let (before, rest) = page.split_once(BEGIN).ok_or("no table begins with <!-- topics -->")?;
    let (_, after) = rest.split_once(END).ok_or("the tables do not end with their mark")?;
    Ok(format!("{before}{BEGIN}{}\n{END}{after}", tables()))
}

fn tables() -> String {
    let mut rows = [(); 3].map(|()| String::new());
    for topic in system_topics() {
        let table = TABLES.iter().position(|begin| topic.names[0].starts_with(begin));
        let table = table.expect("a table is for each topic");
        rows[table] += &row(&topic, TABLES[table]);
    }
    let mut text = String::new();
    for at in [1, 0, 2] {
        let spans = if at == 0 { ", each with `/1min`, `/5min`, `/15min`" } else { "" };
        text += &format!("\n| topic below `{}`{spans} | metric | meaning |\n", TABLES[at]);
        text += "|---|---|---|\n";
        text += &rows[at];
    }
    text
}

fn row(topic: &TopicDescription, begin: &str) -> String {
    let short = |name: &String| match name.strip_prefix(begin) {
        Some(short) => format!("`{short}`"),
        None => format!("`{name}`"),
    };
    let names: Vec<String> = topic.names.iter().map(short).collect();
    let metrics: Vec<String> = topic.metrics.iter().map(metric).collect();
    format!("| {} | {} | {} |\n", names.join(", "), metrics.join(", "), topic.help)
}

fn metric(metric: &TopicMetric) -> String {
    let Some((label, values)) = metric.only else { return format!("`{}`", metric.name) };
    let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    format!("`{}` with `{label}` {}", metric.name, values.join(", "))
}

// The tables stand between their marks, have a row for each value, and stay when they are made
// again.
#[test]
fn tables_are_made_anew() {
    let page = "# A\n<!-- topics -->\nx y z\n<!-- end of topics -->\nb\n";
    let new = renew(page).expect("it has its marks");
    assert!(!new.contains("x y z") && new.ends_with("\nb\n"), "{new}");
    assert_eq!(new.matches("\n| `").count(), system_topics().len());
    assert_eq!(renew(&new).as_deref(), Ok(&*new));
    for page in ["# A\n", "<!-- topics -->\n"] {
        assert!(renew(page).is_err(), "{page}");
    }
    let sent = "\n| `bytes/sent` | `ringmq_sent_bytes_total` | Bytes sent to clients |\n";
    assert_eq!(new.matches(sent).count(), 2, "the number and its load: {new}");
}

// Each value has a meaning, and no topic appears twice.
#[test]
fn topics_are_distinct() {
    let topics = system_topics();
    let mut names: Vec<&String> = topics.iter().flat_map(|topic| &topic.names).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for topic in &topics {
        assert!(!topic.help.is_empty() && !topic.metrics.is_empty(), "{topic:?}");
        assert_eq!(topic.spans.is_empty(), !topic.names[0].contains("/load/"), "{topic:?}");
    }
}
