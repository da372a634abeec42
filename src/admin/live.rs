//! Figures each second, for all viewers of the page, and the last lines of the log.
//!
//! One task asks the shards and makes one line of JSON for all viewers. It starts with the first
//! viewer and ends with the last, so without viewers no shard is asked.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::task::spawn_local;
use tokio::time::{self, MissedTickBehavior};

use crate::broker::inspect::{Histogram, Snapshot};
use crate::limits::{LIVE_MS, LIVE_VIEWERS_MAX, LOG_RECENT_LINES_MAX};
use crate::logging;

use super::answer::{Body, Fault, json_of, stream};
use super::api;
use super::catalogue::metrics;
use super::metric::figures_of;
use super::metric::{MICROS, Metric, ShardFigures, Source};
use super::query::Query;
use super::state::Admin;

/// A stream of one line each second, until the viewer disconnects or tokens are reloaded.
pub(super) fn watch(admin: &Rc<Admin>, query: &Query<'_>) -> Result<Response<Body>, Fault> {
    let left = query.number("count", (0, 0, u64::MAX))?;
    let Some(lines) = admin.viewers.add((left > 0).then_some(left)) else {
        let message = format!("{LIVE_VIEWERS_MAX} others look at live figures");
        let fault = Fault::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
        return Err(fault.retry_after(10).hint("close a page that nobody needs"));
    };
    if admin.viewers.begin() {
        spawn_local(run(admin.clone()));
    }
    Ok(stream("application/x-ndjson", lines.boxed_unsync()))
}

async fn run(admin: Rc<Admin>) {
    let mut ticks = time::interval(Duration::from_millis(LIVE_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let tokens = admin.condition().tokens;
    let mut before = None;
    loop {
        ticks.tick().await;
        // The tokens of the streams may have been revoked. A viewer with a valid one can connect
        // again.
        if !Arc::ptr_eq(&tokens, &admin.condition().tokens) {
            admin.viewers.end_all();
        }
        if admin.viewers.end_if_none() {
            return;
        }
        let line = line(&admin, &mut before).await;
        admin.viewers.send(&line);
    }
}

/// All figures, and the durations since the line before.
async fn line(admin: &Admin, before: &mut Option<Vec<Histogram>>) -> Bytes {
    let kept = admin.asker.new_figures().await;
    let figures = figures_of(&kept);
    let mut value = api::overview_of(&kept, &admin.whole());
    let now: Vec<Histogram> = times().map(|(_, of)| sum(&figures, of)).collect();
    let latency: Map<String, Value> = match before.as_ref() {
        Some(before) => times()
            .zip(now.iter().zip(before))
            .map(|((metric, _), (now, before))| {
                let since = now.since(before);
                (metric.name.to_owned(), api::percentiles(&since, metric.per_unit))
            })
            .collect(),
        None => Map::new(),
    };
    *before = Some(now);
    let uptime_ms = figures.iter().map(|figures| figures.snapshot.now_ms).max();
    value["uptime_ms"] = uptime_ms.unwrap_or(0).into();
    value["latency"] = latency.into();
    format!("{value}\n").into()
}

/// The last lines of the log.
pub(super) fn log(query: &Query<'_>) -> Result<Response<Body>, Fault> {
    let from = query.number("from", (0, 0, u64::MAX))?;
    let (first, items) = logging::recent_lines(from, LOG_RECENT_LINES_MAX);
    Ok(json_of(StatusCode::OK, &json!({ "first": first, "items": items })))
}

type OfTimes = fn(&Snapshot) -> &Histogram;

/// The metrics that are durations.
fn times() -> impl Iterator<Item = (&'static Metric, OfTimes)> {
    metrics().filter_map(|metric| match metric.source {
        Source::Times(of) if metric.per_unit == MICROS => Some((metric, of)),
        _ => None,
    })
}

fn sum(figures: &[ShardFigures<'_>], of: OfTimes) -> Histogram {
    let mut sum = Histogram::default();
    figures.iter().for_each(|figures| sum.add(of(figures.snapshot)));
    sum
}
