//! Figures each second, for all viewers of the page, and the last lines of the log.
//!
//! One task asks the shards and makes one line of JSON for all viewers. It starts with the first
//! viewer and ends with the last, so without viewers no shard is asked.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde_json::{Map, json};
use tokio::task::spawn_local;
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::broker::inspect::{Backlog, Histogram, Question, Reply, Snapshot, Waiting};
use crate::limits::{LIVE_LAG_MS, LIVE_MS, LIVE_VIEWERS_MAX, LOG_RECENT_LINES_MAX};
use crate::logging;

use super::answer::{Body, Fault, json_of, stream};
use super::api;
use super::catalogue::metrics;
use super::metric::figures_of;
use super::metric::{MICROS, Metric, ShardFigures, Source, float};
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

/// How far sessions are behind, which takes a look at every session to know.
#[derive(Default)]
struct Lag {
    /// The age of the oldest message in a durable session, as last found.
    ms: Cell<Option<u64>>,
    is_sought: Cell<bool>,
}

impl Lag {
    async fn seek(self: Rc<Self>, admin: Rc<Admin>) {
        let (mut all, mut is_whole) = (Waiting::default(), true);
        for shard in 0..admin.asker.shards() {
            match admin.asker.ask(shard, Question::Backlog(Backlog::default())).await {
                Ok(Reply::Backlog(waiting)) => all.add(&waiting),
                // The next look is soon enough.
                _ => is_whole = false,
            }
        }
        if is_whole {
            self.ms.set(Some(all.lag_ms_max));
        }
        self.is_sought.set(false);
    }
}

async fn run(admin: Rc<Admin>) {
    let mut ticks = time::interval(Duration::from_millis(LIVE_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let tokens = admin.condition().tokens;
    let (mut before, lag, mut due) = (None, Rc::new(Lag::default()), Instant::now());
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
        if Instant::now() >= due && !lag.is_sought.replace(true) {
            due = Instant::now() + Duration::from_millis(LIVE_LAG_MS);
            spawn_local(lag.clone().seek(admin.clone()));
        }
        let line = line(&admin, &mut before, lag.ms.get()).await;
        admin.viewers.send(&line);
    }
}

/// All figures, and the durations since the line before.
async fn line(admin: &Admin, before: &mut Option<Vec<Histogram>>, lag_ms: Option<u64>) -> Bytes {
    let kept = admin.asker.new_figures().await;
    let figures = figures_of(&kept);
    let mut value = api::overview_of(&kept, &admin.whole());
    let now: Vec<Histogram> = times().map(|(.., of)| sum(&figures, of)).collect();
    let mut latency = Map::new();
    for ((metric, label, _), (now, before)) in times().zip(now.iter().zip(before.iter().flatten()))
    {
        let since = api::percentiles(&now.since(before), metric.per_unit);
        match label {
            Some(label) => latency.entry(metric.name).or_insert_with(|| json!({}))[label] = since,
            None => drop(latency.insert(metric.name.to_owned(), since)),
        }
    }
    *before = Some(now);
    if let Some(lag_ms) = lag_ms {
        value["metrics"]["session_lag_seconds_max"] = (float(lag_ms) / 1000.0).into();
    }
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

/// The metrics that are durations, each with the value of its label.
fn times() -> impl Iterator<Item = (&'static Metric, Option<&'static str>, OfTimes)> {
    metrics().filter(|metric| metric.per_unit == MICROS).flat_map(|metric| {
        let found = match metric.source {
            Source::Times(of) => vec![(metric, None, of)],
            Source::TimesBy(_, all) => {
                all.iter().map(|(label, of)| (metric, Some(*label), *of)).collect()
            }
            _ => Vec::new(),
        };
        found.into_iter()
    })
}

fn sum(figures: &[ShardFigures<'_>], of: OfTimes) -> Histogram {
    let mut sum = Histogram::default();
    figures.iter().for_each(|figures| sum.add(of(figures.snapshot)));
    sum
}
