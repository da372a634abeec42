//! Metrics of the log and its disk.

use super::metric::{
    COUNT, Kind, LabelledRow, MICROS, Metric, ShardFigures, Source, Whole, counter, float, gauge,
    row, times,
};

/// See the module.
pub(super) const LOG_METRICS: &[Metric] = &[
    counter(
        "log_appended_bytes_total",
        "Bytes appended to the log",
        Source::Sum(|s| s.gauges.log_appended),
    ),
    counter(
        "log_commits_total",
        "Commit groups that were written, and synced with --durability disk",
        Source::Sum(|s| s.latency.sync.count()),
    ),
    counter(
        "log_checkpoints_total",
        "Checkpoints that were completed",
        Source::Sum(|s| s.gauges.log_checkpoints),
    ),
    gauge(
        "log_checkpoint_timestamp_seconds",
        "When the shard has completed a checkpoint the last time; missing before the first one",
        Source::Rows(&["shard"], checkpoints),
    ),
    counter(
        "log_segments_cleaned_total",
        "Segments whose living messages were moved to the end of the log",
        Source::Sum(|s| s.gauges.log_cleaned),
    ),
    counter(
        "log_cleaned_bytes_total",
        "Bytes that were moved to the end of the log from segments that were cleaned",
        Source::Sum(|s| s.gauges.log_cleaned_bytes),
    ),
    gauge(
        "log_segments",
        "Segment files: in use, in use and damaged (set aside when nothing refers to them any \
         more), and ready for use",
        Source::Sums(
            "state",
            &[
                ("used", |s| s.gauges.log_segments.saturating_sub(s.gauges.log_damaged_segments)),
                ("damaged", |s| s.gauges.log_damaged_segments),
                ("spare", |s| s.gauges.log_spare_files),
            ],
        ),
    ),
    gauge(
        "log_bytes",
        "Bytes from the begin of the log to its end",
        Source::Sum(|s| s.gauges.log_bytes),
    ),
    gauge(
        "log_live_bytes",
        "Bytes of the log that something refers to, as an estimate: the rest is cleaned away",
        Source::Sum(|s| s.gauges.log_live_bytes),
    ),
    gauge(
        "log_uncommitted_bytes",
        "Bytes appended and not committed",
        Source::Sum(|s| s.gauges.log_appended.saturating_sub(s.gauges.log_committed)),
    ),
    gauge(
        "log_staged_bytes",
        "Bytes appended and not written",
        Source::Sum(|s| s.gauges.log_staged_bytes),
    ),
    gauge(
        "log_since_checkpoint_bytes",
        "Bytes appended since the last checkpoint: what a start has to read",
        Source::Sum(|s| s.gauges.log_since_checkpoint),
    ),
    times("log_sync_duration_seconds", "One commit group: written and synced", |s| &s.latency.sync),
    row(
        ("log_group_bytes", Kind::Histogram, COUNT),
        "Bytes of one commit group, with zeros that are written behind it",
        Source::Times(|s| &s.latency.group_bytes),
    ),
    counter(
        "disk_failures_total",
        "Operations that the disk has failed",
        Source::Sums(
            "operation",
            &[
                ("write", |s| {
                    s.stats.disk_write_failures.saturating_sub(s.stats.disk_sync_failures)
                }),
                ("sync", |s| s.stats.disk_sync_failures),
                ("supply", |s| s.stats.disk_supply_failures),
                ("read", |s| s.stats.disk_read_failures),
            ],
        ),
    ),
    row(
        ("recovery_duration_seconds", Kind::Gauge, MICROS),
        "How long reading the log took at the start, of the shard that took longest",
        Source::Highest(|s| s.load.recovery_us),
    ),
    gauge(
        "recovery_lost_bytes",
        "Bytes of the log that were found damaged at the start",
        Source::Sum(|s| s.load.recovery_lost_bytes),
    ),
];

/// When each shard has completed a checkpoint.
fn checkpoints(shards: &[ShardFigures<'_>], whole: &Whole) -> Vec<LabelledRow> {
    let known = shards.iter().filter(|figures| figures.snapshot.gauges.log_checkpoint_ms > 0);
    let rows = known.map(|ShardFigures { shard, snapshot, age }| {
        let since_ms = snapshot.now_ms.saturating_sub(snapshot.gauges.log_checkpoint_ms);
        let at_s = whole.now_s - age.as_secs_f64() - float(since_ms) / 1000.0;
        (vec![shard.to_string()], at_s.round())
    });
    rows.collect()
}
