//! Figures each second, for everybody who looks at the page.
//!
//! One task asks the shards and makes a line of JSON, which all viewers share. It begins with the
//! first of them and ends with the last: when nobody looks, no shard is asked.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::spawn_local;
use tokio::time::{self, MissedTickBehavior};

use crate::broker::inspect::Histogram;
use crate::limits::{LIVE_LINES_WAITING_MAX, LIVE_MS, LIVE_VIEWERS_MAX, LOG_RECENT_LINES_MAX};
use crate::logging;

use super::answer::{Body, Fault, json_of, stream};
use super::api;
use super::catalogue::METRICS;
use super::metric::{Metric, ShardFigures, Source};
use super::query::Query;
use super::routes::{Admin, figures_of};

/// Somebody who looks.
struct Viewer {
    lines: mpsc::Sender<Bytes>,
    /// Lines until the end, if not all are wanted.
    left: Option<u64>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Live {
    viewers: RefCell<Vec<Viewer>>,
    /// The task is there.
    runs: Cell<bool>,
}

/// The lines, as they come.
struct Lines(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

/// A stream of lines, one each second, until the viewer goes or tokens are read again.
pub(super) fn watch(admin: &Rc<Admin>, query: &Query<'_>) -> Result<Response<Body>, Fault> {
    let left = query.number("count", (0, 0, u64::MAX))?;
    let live = &admin.live;
    let mut viewers = live.viewers.borrow_mut();
    viewers.retain(|viewer| !viewer.lines.is_closed());
    if viewers.len() >= LIVE_VIEWERS_MAX {
        let message = format!("{LIVE_VIEWERS_MAX} others look at live figures");
        let fault = Fault::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
        return Err(fault.retry_after(10).hint("close a page that nobody needs"));
    }
    let (lines, receiver) = mpsc::channel(LIVE_LINES_WAITING_MAX);
    viewers.push(Viewer { lines, left: (left > 0).then_some(left) });
    drop(viewers);
    if !live.runs.replace(true) {
        spawn_local(run(admin.clone()));
    }
    Ok(stream("application/x-ndjson", Lines(receiver).boxed_unsync()))
}

async fn run(admin: Rc<Admin>) {
    let mut ticks = time::interval(Duration::from_millis(LIVE_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let tokens = admin.condition().tokens;
    let mut before = None;
    loop {
        ticks.tick().await;
        let mut viewers = admin.live.viewers.take();
        // The tokens that opened the streams may not be valid any more: who has one may come again.
        let is_stale = !Arc::ptr_eq(&tokens, &admin.condition().tokens);
        viewers.retain(|viewer| !is_stale && !viewer.lines.is_closed());
        if viewers.is_empty() {
            admin.live.runs.set(false);
            return;
        }
        admin.live.viewers.replace(viewers);
        let line = line(&admin, &mut before).await;
        admin.live.viewers.borrow_mut().retain_mut(|viewer| send(viewer, &line));
    }
}

/// Sends a line; whether the viewer is to get more. One that is behind misses it.
fn send(viewer: &mut Viewer, line: &Bytes) -> bool {
    if let Err(TrySendError::Closed(_)) = viewer.lines.try_send(line.clone()) {
        return false;
    }
    match &mut viewer.left {
        Some(left) => {
            *left -= 1;
            *left > 0
        }
        None => true,
    }
}

/// All figures, and how long things took since the line before.
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

type OfTimes = fn(&crate::broker::inspect::Snapshot) -> &Histogram;

/// The metrics that tell how long something took.
fn times() -> impl Iterator<Item = (&'static Metric, OfTimes)> {
    METRICS.iter().filter_map(|metric| match metric.source {
        Source::Times(of) => Some((metric, of)),
        _ => None,
    })
}

fn sum(figures: &[ShardFigures<'_>], of: OfTimes) -> Histogram {
    let mut sum = Histogram::default();
    figures.iter().for_each(|figures| sum.add(of(figures.snapshot)));
    sum
}
