//! Collects the shards' reports and logs them, at SIGUSR1.
//!
//! Each shard receives one message and answers with one, in a step of bounded time. A shard that
//! does not answer is named: it is stuck or far behind.

use std::sync::mpsc;
use std::time::Instant;

use log::kv::ToValue;
use log::warn;

use crate::reactor::{ControlMessage, Report, ShardMessage};

use super::control::ANSWER_LIMIT;
use super::{Control, summary};

/// Asks every shard, and logs the answers.
pub(super) fn log_report(controls: &mut [Control]) {
    let (sender, answers) = mpsc::channel();
    for control in controls.iter_mut() {
        // A shard that accepts no message does not answer either.
        let _taken =
            control.try_send(ShardMessage::Control(ControlMessage::Report(sender.clone())));
    }
    drop(sender);
    let deadline = Instant::now() + ANSWER_LIMIT;
    let mut reports: Vec<Report> = Vec::new();
    while reports.len() < controls.len()
        && let Ok(report) = answers.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        reports.push(report);
    }
    reports.sort_by_key(|report| report.shard.0);
    for (shard, _) in (0..).zip(controls.iter()) {
        match reports.iter().find(|report| report.shard.0 == shard) {
            Some(report) => {
                let of = ("shard", shard.to_value());
                let words = format!("state of shard {shard}");
                summary::say("state", Some(of), &report.figures, &words);
            }
            None => warn!("shard {shard} has not answered within {} s", ANSWER_LIMIT.as_secs()),
        }
    }
    let stats: Vec<_> = reports.iter().map(|report| report.stats).collect();
    summary::log_all_stats(&stats);
    summary::log_vhosts(reports.into_iter().flat_map(|report| report.vhosts));
}
