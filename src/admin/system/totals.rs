//! The figures of all shards together, from which the values are computed.

use crate::broker::inspect::Snapshot;

/// One of these figures.
pub(super) type Of = fn(&Totals) -> u64;

/// The counters that have loads, and the names of their topics.
pub(super) const LOADS: [(&str, Of); 9] = [
    ("messages/received", |totals| totals.packets_in),
    ("messages/sent", |totals| totals.packets_out),
    ("publish/received", |totals| totals.publishes_in),
    ("publish/sent", |totals| totals.publishes_out),
    ("publish/dropped", |totals| totals.dropped),
    ("bytes/received", |totals| totals.bytes_in),
    ("bytes/sent", |totals| totals.bytes_out),
    ("sockets", |totals| totals.sockets),
    ("connections", |totals| totals.connects),
];

/// See the module.
#[derive(Clone, Default, Debug)]
pub(super) struct Totals {
    /// The uptime in milliseconds.
    pub(super) now_ms: u64,
    pub(super) clients: u64,
    pub(super) sessions: u64,
    /// The highest number of sessions at once.
    pub(super) sessions_max: u64,
    pub(super) expired: u64,
    pub(super) packets_in: u64,
    pub(super) packets_out: u64,
    pub(super) publishes_in: u64,
    pub(super) publishes_out: u64,
    pub(super) dropped: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) payload_in: u64,
    pub(super) payload_out: u64,
    pub(super) sockets: u64,
    pub(super) connects: u64,
    pub(super) subscriptions: u64,
    pub(super) shared_subscriptions: u64,
    pub(super) retained: u64,
    pub(super) retained_bytes: u64,
    pub(super) backlog_messages: u64,
    pub(super) backlog_bytes: u64,
    pub(super) group_messages: u64,
    pub(super) group_bytes: u64,
    /// The age of the oldest message in a durable session in milliseconds.
    pub(super) lag_ms_max: u64,
    pub(super) disk_free: u64,
    pub(super) disk_short: u64,
    /// By shard.
    pub(super) busy_us: Vec<u64>,
}

impl Totals {
    /// Adds the figures of the next shard.
    pub(super) fn add(&mut self, figures: &Snapshot) {
        let Snapshot { stats, gauges, load, now_ms, .. } = figures;
        self.now_ms = self.now_ms.max(*now_ms);
        self.clients += gauges.clients;
        self.sessions += gauges.sessions;
        self.sessions_max = self.sessions_max.max(load.sessions_max);
        self.expired += stats.sessions_expired;
        self.packets_in += stats.packets_in;
        self.packets_out += stats.publishes_out + stats.answers_out;
        self.publishes_in += stats.publishes_in;
        self.publishes_out += stats.publishes_out;
        self.dropped += stats.qos0_dropped_slow
            + stats.qos0_dropped_absent
            + stats.queued_dropped_oldest
            + stats.queued_dropped_newest;
        self.bytes_in += load.received_bytes;
        self.bytes_out += load.sent_bytes;
        self.payload_in += stats.payload_bytes_in;
        self.payload_out += stats.payload_bytes_out;
        self.sockets += load.accepted;
        self.connects += stats.clients_accepted + stats.clients_refused;
        self.subscriptions += gauges.subscriptions;
        self.shared_subscriptions += gauges.group_members;
        self.retained += gauges.retained;
        self.retained_bytes += gauges.retained_bytes;
        self.backlog_bytes += gauges.queued_bytes;
        self.group_bytes += gauges.group_bytes;
        self.disk_free = self.disk_free.max(gauges.disk_free);
        self.disk_short = self.disk_short.max(gauges.disk_short);
        self.busy_us.push(load.busy_us);
    }
}
