//! What happened in one vhost on one shard, and what it has there.

use super::shard::Shard;

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
    /// Each vhost in figures, but for those in which nothing ever was.
    pub fn vhost_reports(&self) -> Vec<VhostReport> {
        let reports = self.vhosts.iter().map(|(vhost, place)| {
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
        });
        let is_empty = |report: &VhostReport| report.figures.iter().all(|(_, count)| *count == 0);
        reports.filter(|report| !is_empty(report)).collect()
    }
}
