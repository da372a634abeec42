//! What shards tell at their end, added up and logged.

use std::collections::BTreeMap;

use log::info;

use crate::broker::{Stats, VhostReport};

/// Names what happened, and how often.
pub(super) fn log_stats(shards: &[Stats]) {
    let Some(first) = shards.first() else { return };
    let names = first.each().map(|(name, _)| name);
    let counts = names.enumerate().filter_map(|(at, name)| {
        let values = shards.iter().filter_map(|stats| stats.each().nth(at));
        let sum: u64 = values.map(|(_, count)| count).sum();
        (sum > 0).then(|| format!("{name} {sum}"))
    });
    info!("counted: {}", counts.collect::<Vec<_>>().join(", "));
}

/// Names what happened in each vhost, if there are several.
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
        let counts = figures.iter().filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts.map(|(name, count)| format!("{name} {count}")).collect();
        info!("counted in vhost {vhost:?}: {}", counts.join(", "));
    }
}
