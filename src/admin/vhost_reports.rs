//! The figures of each vhost, summed over the shards.

use std::collections::BTreeMap;

use crate::broker::VhostReport;
use crate::broker::inspect::{Question, Reply};

use super::shards::NoAnswer;
use super::state::Admin;

/// Asks all shards; a sum without the part of one of them would look as if counters had decreased.
pub(super) async fn vhost_reports(
    admin: &Admin,
) -> Result<BTreeMap<String, VhostReport>, NoAnswer> {
    let mut vhosts: BTreeMap<String, VhostReport> = BTreeMap::new();
    for shard in 0..admin.asker.shards() {
        let Reply::Vhosts(found) = admin.asker.ask(shard, Question::Vhosts(0)).await? else {
            unreachable!("a question for vhosts is answered with vhosts")
        };
        for report in found {
            match vhosts.get_mut(&*report.vhost) {
                Some(sum) => sum.add(&report),
                None => drop(vhosts.insert(report.vhost.to_string(), report)),
            }
        }
    }
    Ok(vhosts)
}
