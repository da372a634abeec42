//! What happened in one vhost on one shard, and what it has there.

use super::shard::Shard;
use super::vhost::{Vhost, VhostId};

/// Counted since the shard started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Counts {
    pub(super) clients_accepted: u64,
    pub(super) publishes_in: u64,
    /// Wills included.
    pub(super) publishes_denied: u64,
    pub(super) subscriptions_denied: u64,
}

/// A vhost in figures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VhostReport {
    /// Its name.
    pub vhost: Box<str>,
    /// Figures with their names: counters, and what there is now.
    pub figures: [(&'static str, u64); 8],
}

impl VhostReport {
    /// Adds what another shard has of the same vhost.
    pub fn add(&mut self, other: &Self) {
        let pairs = self.figures.iter_mut().zip(&other.figures);
        pairs.for_each(|((_, sum), (_, more))| *sum += more);
    }
}

impl Shard {
    /// What there is now, with names: for who looks whether a shard is well.
    pub fn figures(&self) -> Vec<(&'static str, u64)> {
        let usage = self.vhosts.iter().map(|(_, place)| place.usage.queued_bytes);
        let kept = self.vhosts.iter().filter_map(|(vhost, _)| self.catalog.retained(vhost.0));
        let (topics, bytes) = kept.fold((0, 0), |(topics, bytes), kept| {
            (topics + kept.len() as u64, bytes + kept.bytes())
        });
        let log = &self.out.logs.disk;
        vec![
            ("clients", self.clients as u64),
            ("sessions", self.catalog.sessions.len() as u64),
            ("queued_bytes", usage.sum()),
            ("retained", topics),
            ("retained_bytes", bytes),
            ("memory_bytes_of_clean_sessions", self.out.logs.memory.memory_bytes() as u64),
            ("full_sessions_waited_for", self.blocked.len() as u64),
            ("passwords_asked", self.inquiries.len() as u64),
            ("replays", self.replaying.len() as u64),
            ("log_files", log.segments().len() as u64),
            ("log_begins", log.segments().next().map_or(0, |segment| segment.start)),
            ("log_checkpoint", log.checkpoint()),
            ("log_committed", log.committed()),
            ("log_appended", log.appended()),
            ("log_staged_bytes", log.staged_bytes()),
            ("disk_short", u64::from(self.shortage.is_any())),
        ]
    }

    /// One vhost in figures.
    pub(super) fn vhost_report(&self, vhost: VhostId, place: &Vhost) -> VhostReport {
        let Counts { clients_accepted, publishes_in, publishes_denied, subscriptions_denied } =
            place.counts;
        let retained = self.catalog.retained(vhost.0);
        let (topics, bytes) = retained.map_or((0, 0), |kept| (kept.len() as u64, kept.bytes()));
        let figures = [
            ("clients_accepted", clients_accepted),
            ("publishes_in", publishes_in),
            ("publishes_denied", publishes_denied),
            ("subscriptions_denied", subscriptions_denied),
            ("sessions", place.usage.sessions),
            ("queued_bytes", place.usage.queued_bytes),
            ("retained", topics),
            ("retained_bytes", bytes),
        ];
        VhostReport { vhost: place.name.clone(), figures }
    }

    /// Each vhost in figures, but for those in which nothing ever was.
    pub fn vhost_reports(&self) -> Vec<VhostReport> {
        let reports = self.vhosts.iter().map(|(vhost, place)| self.vhost_report(vhost, place));
        let is_empty = |report: &VhostReport| report.figures.iter().all(|(_, count)| *count == 0);
        reports.filter(|report| !is_empty(report)).collect()
    }
}
