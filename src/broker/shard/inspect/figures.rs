//! All figures of a shard.

use super::super::super::inspect::{Gauges, Reply, Step, WaitingConnections};
use super::super::super::names::Context;
use super::super::super::read_gate::Pause;
use super::super::Shard;

impl Shard {
    pub(super) fn answer_figures(&mut self, reply: &mut Reply, context: &Context<'_>) -> Step {
        self.rates.drop_old(context.now_ms);
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
        let clean = vhosts().map(|vhost| self.catalog.totals(vhost).clean);
        let log = &self.logs.disk;
        let (live_bytes, damaged) = log.segments().fold((0, 0), |(bytes, damaged), segment| {
            (bytes + segment.live_bytes_estimate(), damaged + u64::from(segment.damaged))
        });
        let begin = log.segments().next().map_or(log.appended(), |segment| segment.start);
        let done = self.storage.housekeeping_stats();
        let [disk_free, disk_size, disk_limit] = self.storage.shortage().space();
        Gauges {
            clients: self.connections.clients() as u64,
            sessions: self.catalog.sessions().len() as u64,
            clean_sessions: clean.sum(),
            subscriptions: self.exchanges.subscriptions(),
            // Lanes of groups are told as groups.
            queued_bytes: queued.sum::<u64>().saturating_sub(self.groups.partition.stored_bytes()),
            groups: self.groups.partition.group_count() as u64,
            group_members: self.groups.memberships(),
            group_bytes: self.groups.partition.bytes(),
            memory_bytes: self.logs.memory.memory_bytes() as u64,
            retained,
            retained_bytes,
            full_sessions: self.full_sessions.sessions().len() as u64,
            password_checks: self.admission.password_checks() as u64,
            replays: self.retained.continuing() as u64,
            slow_clients: self.outputs.slow_clients(),
            waiting: WaitingConnections {
                slow_client: self.gates.held(Pause::FullOutput),
                full_session: self.gates.held(Pause::FullSession),
                disk: self.gates.held(Pause::Disk),
                session: self.gates.held(Pause::Connack),
                own_output: self.gates.held(Pause::OwnOutput),
                password: self.gates.held(Pause::Password),
                rate: self.gates.held(Pause::Rate),
            },
            log_segments: log.segments().len() as u64,
            log_damaged_segments: damaged,
            log_spare_files: log.spare_files(),
            log_live_bytes: live_bytes,
            log_bytes: log.appended() - begin,
            log_appended: log.appended(),
            log_committed: log.committed(),
            log_staged_bytes: log.staged_bytes(),
            log_since_checkpoint: log.appended() - log.checkpoint(),
            log_cleaned: done.cleaned,
            log_cleaned_bytes: done.moved_bytes,
            log_checkpoints: done.checkpoints,
            log_checkpoint_ms: self.storage.checkpoint_ms(),
            disk_free,
            disk_size,
            disk_limit,
            disk_short: u64::from(self.storage.shortage().is_any()),
        }
    }
}
