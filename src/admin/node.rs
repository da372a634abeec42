//! What the broker runs on, and what each of its shards has.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::broker::inspect::Snapshot;

use super::answer::{Answer, json_of};
use super::item::{seconds, time_of};
use super::metric::{figures_of, float};
use super::state::Admin;

/// The process and its host.
pub(super) async fn node(admin: &Admin) -> Answer {
    let kept = admin.asker.figures().await;
    let figures = figures_of(&kept);
    let uptime_ms = figures.iter().map(|it| it.snapshot.now_ms).max().unwrap_or(0);
    let whole = admin.whole();
    let process = &whole.process;
    let node = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kernel": process.kernel,
        "cpus": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "pid": std::process::id(),
        "started_at": time_of(admin.epoch_ms(uptime_ms), 0),
        "uptime_seconds": uptime_ms / 1000,
        "shards": kept.len(),
        "cpu_seconds": process.cpu_s,
        "memory": {
            "resident_bytes": process.resident_bytes,
            "virtual_bytes": process.virtual_bytes,
        },
        "files": { "open": process.files, "max": process.files_max },
        "data_dir": admin.data_dir.to_string_lossy(),
        "disk": {
            "free_bytes": highest(&figures, |it| it.gauges.disk_free),
            "size_bytes": highest(&figures, |it| it.gauges.disk_size),
            "low_limit_bytes": highest(&figures, |it| it.gauges.disk_limit),
        },
    });
    Ok(json_of(StatusCode::OK, &node))
}

fn highest(figures: &[super::metric::ShardFigures<'_>], of: fn(&Snapshot) -> u64) -> u64 {
    figures.iter().map(|it| of(it.snapshot)).max().unwrap_or(0)
}

/// Each shard. One that has never answered has its number alone.
pub(super) async fn shards(admin: &Admin) -> Answer {
    let kept = admin.asker.figures().await;
    let mut items: Vec<Value> = (0..kept.len()).map(|shard| json!({ "shard": shard })).collect();
    for figures in figures_of(&kept) {
        let Snapshot { stats, gauges, latency, load, now_ms } = figures.snapshot;
        items[figures.shard] = json!({
            "shard": figures.shard,
            "age_seconds": figures.age.as_secs_f64(),
            "uptime_seconds": seconds(*now_ms),
            "busy_seconds": float(load.busy_us) / 1e6,
            "turns": latency.turn.count(),
            "sleeps": load.sleeps,
            "connections": load.links,
            "clients": gauges.clients,
            "slow_clients": gauges.slow_clients,
            "sessions": gauges.sessions,
            "subscriptions": gauges.subscriptions,
            "messages": { "received": stats.publishes_in, "sent": stats.publishes_out },
            "received": { "bytes": load.received_bytes },
            "sent": { "bytes": load.sent_bytes },
            "backlog": { "bytes": gauges.queued_bytes },
            "retained": { "messages": gauges.retained, "bytes": gauges.retained_bytes },
            "log": {
                "bytes": gauges.log_bytes,
                "live_bytes": gauges.log_live_bytes,
                "uncommitted_bytes": gauges.log_appended.saturating_sub(gauges.log_committed),
                "segments": gauges.log_segments,
            },
        });
    }
    Ok(json_of(StatusCode::OK, &json!({ "items": items })))
}
