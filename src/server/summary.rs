//! The sums of the shards' counters, logged as text, and as fields where lines are JSON.

use std::collections::BTreeMap;

use log::kv::{ToValue, Value};
use log::{Level, Record, info};

use crate::broker::{Stats, VhostReport};

/// Lists the counters that are not 0.
pub(super) fn log_stats(shards: &[Stats]) {
    let mut sums = sums(shards);
    sums.retain(|(_, count)| *count > 0);
    if sums.is_empty() {
        return info!("counted: nothing");
    }
    say("counted", None, &sums, "counted");
}

/// Lists all counters, also those that are 0.
pub(super) fn log_all_stats(shards: &[Stats]) {
    say("counted", None, &sums(shards), "counted so far");
}

fn sums(shards: &[Stats]) -> Vec<(&'static str, u64)> {
    let Some(first) = shards.first() else { return Vec::new() };
    let names = first.each().map(|(name, _)| name).enumerate();
    let sum = |(at, name)| {
        let values = shards.iter().filter_map(|stats| stats.each().nth(at));
        (name, values.map(|(_, count)| count).sum())
    };
    names.map(sum).collect()
}

/// Lists the counters of each vhost, if there are several.
pub(super) fn log_vhosts(reports: impl Iterator<Item = VhostReport>) {
    let mut vhosts: BTreeMap<Box<str>, VhostReport> = BTreeMap::new();
    for report in reports {
        match vhosts.get_mut(&report.vhost) {
            Some(sum) => sum.add(&report),
            None => drop(vhosts.insert(report.vhost.clone(), report)),
        }
    }
    if vhosts.keys().all(|name| &**name == "/") {
        return;
    }
    for VhostReport { vhost, figures } in vhosts.values() {
        let counts: Vec<_> = figures.iter().copied().filter(|(_, count)| *count > 0).collect();
        let of = ("vhost", vhost.to_value());
        say("counted", Some(of), &counts, &format!("counted in vhost {vhost:?}"));
    }
}

/// Logs figures with their names after `words`, which say what they count. `of`: the field with the
/// same information in JSON lines.
pub(super) fn say(
    event: &str,
    of: Option<(&'static str, Value<'_>)>,
    figures: &[(&'static str, u64)],
    words: &str,
) {
    let figures_in_words: Vec<String> =
        figures.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let mut fields = vec![("event", event.to_value())];
    fields.extend(of);
    fields.extend(figures.iter().map(|(name, count)| (*name, count.to_value())));
    let figures = figures_in_words.join(", ");
    let mut record = Record::builder();
    record.level(Level::Info).target(module_path!()).key_values(&fields);
    log::logger().log(&record.args(format_args!("{words}: {figures}")).build());
}
