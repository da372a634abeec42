//! All figures of a shard.

use super::super::super::inspect::{Gauges, Reply, Step};
use super::super::super::names::Context;
use super::super::Shard;

impl Shard {
    pub(super) fn answer_figures(&mut self, reply: &mut Reply, context: &Context<'_>) -> Step {
        if !matches!(reply, Reply::Figures(_)) {
            *reply = Reply::Figures(Box::default());
        }
        let Reply::Figures(snapshot) = reply else { unreachable!("it was just made") };
        snapshot.stats = self.stats();
        snapshot.gauges = self.gauges();
        snapshot.latency.clone_from(&self.meters.latency);
        snapshot.load = self.meters.load;
        snapshot.now_ms = context.now_ms;
        Step::Done
    }

    fn gauges(&self) -> Gauges {
        let vhosts = || self.exchanges.vhosts().map(|(vhost, _)| vhost.0);
        let queued = vhosts().map(|vhost| self.catalog.totals(vhost).queued_bytes);
        let kept = vhosts().filter_map(|vhost| self.catalog.retained(vhost));
        let (retained, retained_bytes) = kept.fold((0, 0), |(topics, bytes), kept| {
            (topics + kept.len() as u64, bytes + kept.bytes())
        });
        let log = &self.logs.disk;
        let begin = log.segments().next().map_or(log.appended(), |segment| segment.start);
        let done = self.storage.housekeeping_stats();
        let [disk_free, disk_size, disk_limit] = self.storage.shortage().space();
        Gauges {
            clients: self.connections.clients() as u64,
            sessions: self.catalog.sessions().len() as u64,
            subscriptions: self.exchanges.subscriptions(),
            queued_bytes: queued.sum(),
            groups: self.groups.partition.group_count() as u64,
            group_members: self.groups.memberships(),
            group_bytes: self.groups.partition.bytes(),
            memory_bytes: self.logs.memory.memory_bytes() as u64,
            retained,
            retained_bytes,
            full_sessions: self.full_sessions.sessions().len() as u64,
            password_checks: self.admission.password_checks() as u64,
            replays: self.retained.continuing() as u64,
            log_segments: log.segments().len() as u64,
            log_bytes: log.appended() - begin,
            log_appended: log.appended(),
            log_committed: log.committed(),
            log_staged_bytes: log.staged_bytes(),
            log_since_checkpoint: log.appended() - log.checkpoint(),
            log_cleaned: done.cleaned,
            log_checkpoints: done.checkpoints,
            disk_free,
            disk_size,
            disk_limit,
            disk_short: u64::from(self.storage.shortage().is_any()),
        }
    }
}
