//! A shard in figures.

use super::super::inspect::VhostReport;
use super::super::names::{Stats, VhostId};
use super::super::quota::Counts;
use super::Shard;

impl Shard {
    /// The counters of this shard.
    pub fn stats(&self) -> Stats {
        let mut sum = self.stats;
        let rooms = [
            self.admission.stats(),
            self.delivery.stats(),
            self.full_sessions.stats(),
            self.expiry.stats(),
        ];
        rooms.into_iter().chain(self.storage.stats()).for_each(|stats| sum += stats);
        self.outputs.add_stats(&mut sum);
        sum.disk_read_failures += self.logs.disk.read_failures();
        let kept = self.storage.housekeeping_stats();
        sum.queued_expired += kept.expired;
        sum.retained_expired += kept.retained_expired;
        sum
    }

    /// The number of sessions, including those whose clients are away.
    #[inline]
    pub fn sessions(&self) -> usize {
        self.catalog.sessions().len()
    }

    /// The hub's own counters, for events before a link is a connection.
    pub fn stats_mut(&mut self) -> &mut Stats {
        &mut self.stats
    }

    /// The present figures with their names, for diagnosis.
    pub fn figures(&self) -> Vec<(&'static str, u64)> {
        let vhosts = self.exchanges.vhosts().map(|(vhost, _)| vhost.0);
        let (mut queued_bytes, mut topics, mut bytes) = (0, 0, 0);
        for vhost in vhosts {
            queued_bytes += self.catalog.totals(vhost).queued_bytes;
            if let Some(kept) = self.catalog.retained(vhost) {
                topics += kept.len() as u64;
                bytes += kept.bytes();
            }
        }
        let log = &self.logs.disk;
        let mut figures = vec![
            ("clients", self.connections.clients() as u64),
            ("sessions", self.catalog.sessions().len() as u64),
            ("queued_bytes", queued_bytes),
            ("retained", topics),
            ("retained_bytes", bytes),
            ("memory_bytes_of_clean_sessions", self.logs.memory.memory_bytes() as u64),
            ("full_sessions_waited_for", self.full_sessions.sessions().len() as u64),
            ("passwords_asked", self.admission.password_checks() as u64),
            ("replays", self.retained.continuing() as u64),
            ("log_files", log.segments().len() as u64),
            ("log_begins", log.segments().next().map_or(0, |segment| segment.start)),
            ("log_checkpoint", log.checkpoint()),
            ("log_committed", log.committed()),
            ("log_appended", log.appended()),
            ("log_staged_bytes", log.staged_bytes()),
            ("disk_short", u64::from(self.storage.shortage().is_any())),
        ];
        figures.extend(self.gates.figures());
        figures
    }

    /// One vhost in figures.
    pub(super) fn vhost_report(&self, vhost: VhostId) -> VhostReport {
        let counted = self.quotas.counts(vhost);
        let Counts { clients, clients_accepted, publishes_in, .. } = counted;
        let Counts { publishes_denied, subscriptions_denied, .. } = counted;
        let totals = self.catalog.totals(vhost.0);
        let retained = self.catalog.retained(vhost.0);
        let (topics, bytes) = retained.map_or((0, 0), |kept| (kept.len() as u64, kept.bytes()));
        let figures = [
            ("clients", clients),
            ("clients_accepted", clients_accepted),
            ("publishes_in", publishes_in),
            ("publishes_denied", publishes_denied),
            ("subscriptions_denied", subscriptions_denied),
            ("sessions", totals.sessions),
            ("queued_bytes", totals.queued_bytes),
            ("retained", topics),
            ("retained_bytes", bytes),
        ];
        VhostReport { vhost: self.exchanges.name(vhost).into(), figures }
    }

    /// The figures of each vhost that has any.
    pub fn vhost_reports(&self) -> Vec<VhostReport> {
        let reports = self.exchanges.vhosts().map(|(vhost, _)| self.vhost_report(vhost));
        let is_empty = |report: &VhostReport| report.figures.iter().all(|(_, count)| *count == 0);
        reports.filter(|report| !is_empty(report)).collect()
    }
}
