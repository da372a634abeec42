//! Clients and sessions as JSON, and the operations on them.

use std::rc::Rc;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::broker::SessionName;
use crate::broker::inspect::{
    Histogram, Kick, Kicked, Measure, Pace, Page, Question, Reply, Row, Sampling, Top, home_of,
};
use crate::limits::{RATE_MS_MIN, TOP_ROWS_MAX};

use super::actor::Actor;
use super::answer::{Answer, Fault, json_of};
use super::catalogue::metrics;
use super::exposition;
use super::item::{address_of, time_of};
use super::metric::{LabelledRow, Metric, ShardFigures, Source, Whole, figures_of, float};
use super::query::Query;
use super::shards::Kept;
use super::state::Admin;

/// Rows of a top list if the request names no number.
const TOP_USUAL: usize = 10;

pub(super) const PACES: [(&str, Pace); 3] =
    [("ok", Pace::Free), ("full", Pace::Full), ("slow", Pace::Slow)];

/// All figures, by the names of their metrics.
pub(super) async fn overview(admin: &Admin) -> Answer {
    let kept = admin.asker.figures().await;
    Ok(json_of(StatusCode::OK, &overview_of(&kept, &admin.whole())))
}

/// The same from given figures.
pub(super) fn overview_of(kept: &[Option<Rc<Kept>>], whole: &Whole) -> Value {
    let figures = figures_of(kept);
    let metrics: Map<String, Value> = metrics()
        .map(|metric| (metric.name.to_owned(), value_of(metric, &figures, whole)))
        .collect();
    let silent: Vec<usize> =
        kept.iter().enumerate().filter(|(_, kept)| kept.is_none()).map(|(at, _)| at).collect();
    let uptime_ms = figures.iter().map(|figures| figures.snapshot.now_ms).max().unwrap_or(0);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": whole.condition.is_ready,
        "draining": whole.condition.draining,
        "uptime_seconds": uptime_ms / 1000,
        "shards": kept.len(),
        "shards_without_figures": silent,
        "metrics": metrics,
    })
}

/// Count, sum and percentiles of a histogram.
pub(super) fn percentiles(times: &Histogram, per_unit: u32) -> Value {
    let unit = f64::from(per_unit);
    let quantile = |fraction| float(times.quantile_us(fraction)) / unit;
    json!({
        "count": times.count(),
        "sum": float(times.sum_us()) / unit,
        "p50": quantile(0.5),
        "p99": quantile(0.99),
        "p999": quantile(0.999),
    })
}

fn value_of(metric: &Metric, shards: &[ShardFigures<'_>], whole: &Whole) -> Value {
    let scaled = |value: u64| match metric.per_unit {
        1 => Value::from(value),
        per_unit => Value::from(float(value) / f64::from(per_unit)),
    };
    let snapshots = || shards.iter().map(|figures| figures.snapshot);
    let by_shard = |value: &dyn Fn(&ShardFigures<'_>) -> Value| {
        let values = shards.iter().map(|figures| (figures.shard.to_string(), value(figures)));
        Value::Object(values.collect())
    };
    match metric.source {
        Source::Sum(of) => scaled(snapshots().map(of).sum()),
        Source::Highest(of) => scaled(snapshots().map(of).max().unwrap_or(0)),
        Source::Sums(_, series) => {
            let sums = series
                .iter()
                .map(|(name, of)| ((*name).to_owned(), scaled(snapshots().map(of).sum())));
            Value::Object(sums.collect())
        }
        Source::Each(of) => by_shard(&|figures| scaled(of(figures.snapshot))),
        Source::Age => by_shard(&|figures| figures.age.as_secs_f64().into()),
        Source::Times(of) => percentiles(&exposition::total(shards, of), metric.per_unit),
        Source::TimesBy(_, series) => {
            let times = series.iter().map(|(name, of)| {
                let sum = exposition::total(shards, *of);
                ((*name).to_owned(), percentiles(&sum, metric.per_unit))
            });
            Value::Object(times.collect())
        }
        Source::Broker(of) => of(whole).into(),
        Source::Named(_, of) => {
            let named = of(whole).into_iter().map(|(name, figure)| (name, figure.into()));
            Value::Object(named.collect())
        }
        Source::Pairs(_, series) => {
            let mut nested = Map::new();
            for ([outer, inner], of) in series {
                let inners = nested.entry(*outer).or_insert_with(|| json!({}));
                inners[*inner] = scaled(snapshots().map(of).sum());
            }
            Value::Object(nested)
        }
        Source::Rows(_, of) => nested(of(shards, whole)),
    }
}

/// Objects in objects: one level for each label.
fn nested(rows: Vec<LabelledRow>) -> Value {
    let mut all = json!({});
    for (values, figure) in rows {
        let place = values.into_iter().fold(&mut all, |place, value| &mut place[value]);
        *place = figure.into();
    }
    all
}

/// One client.
pub(super) async fn client(admin: &Admin, query: &Query<'_>) -> Answer {
    let (vhost, name) = named(admin, query)?;
    let (shard, page) = find(admin, &name).await?;
    match page.rows.iter().find(|row| row.client.is_some()) {
        Some(row) => Ok(json_of(StatusCode::OK, &item(admin, &page, row, shard))),
        None if page.rows.is_empty() => Err(no_session("client", vhost, &name)),
        None => Err(no_session("client", vhost, &name).hint(
            "it has a session, and is not connected: /api/v1/session tells what waits for it",
        )),
    }
}

/// One session.
pub(super) async fn session(admin: &Admin, query: &Query<'_>) -> Answer {
    let (vhost, name) = named(admin, query)?;
    let (shard, page) = find(admin, &name).await?;
    let row = page.rows.first().ok_or_else(|| no_session("session", vhost, &name))?;
    Ok(json_of(StatusCode::OK, &item(admin, &page, row, shard)))
}

/// Ends a client's connection.
pub(super) async fn kick(admin: &Admin, query: &Query<'_>, by: &Actor) -> Answer {
    let (vhost, name) = named(admin, query)?;
    let deletes = query.word("session", &[("keep", false), ("delete", true)])?;
    let discards = query.word("will", &[("publish", false), ("discard", true)])?;
    let (_, page) = find(admin, &name).await?;
    if page.rows.iter().all(|row| row.client.is_none()) {
        return Err(no_session("client", vhost, &name));
    }
    let kick = Kick {
        name,
        deletes_session: deletes.unwrap_or(false),
        discards_will: discards.unwrap_or(false),
    };
    end(admin, vhost, kick, "disconnect", by).await
}

/// Ends a session, and the connection of its client.
pub(super) async fn delete_session(admin: &Admin, query: &Query<'_>, by: &Actor) -> Answer {
    let (vhost, name) = named(admin, query)?;
    let kick = Kick { name, deletes_session: true, discards_will: false };
    end(admin, vhost, kick, "delete session", by).await
}

async fn end(admin: &Admin, vhost: &str, kick: Kick, action: &str, by: &Actor) -> Answer {
    let name = kick.name.clone();
    let shard = home_of(vhost, &name.client_id, admin.asker.shards()).0;
    let Reply::Kicked(kicked) = admin.asker.ask(shard, Question::Kick(kick)).await? else {
        unreachable!("a kick is answered with what became of it")
    };
    let Kicked { found, closed, ended } = kicked;
    let result = match (found, closed, ended) {
        (false, ..) => "not found",
        (_, true, true) => "disconnected, session ended",
        (_, true, false) => "disconnected",
        (_, false, _) => "session ended",
    };
    by.audit(action, vhost, &name.client_id, result);
    if !found {
        return Err(no_session("session", vhost, &name));
    }
    let answer = json!({ "disconnected": closed, "session_ended": ended });
    Ok(json_of(StatusCode::OK, &answer))
}

/// The sessions with the highest value of a measure, over all shards.
pub(super) async fn top(admin: &Admin, query: &Query<'_>) -> Answer {
    let measures = [
        ("backlog_bytes", Measure::BacklogBytes),
        ("backlog_messages", Measure::BacklogMessages),
        ("dropped", Measure::Dropped),
        ("inflight", Measure::Inflight),
        ("outgoing", Measure::Outgoing),
        ("lag", Measure::Lag),
        ("rate", Measure::Rate),
    ];
    let by = query.word("by", &measures)?.unwrap_or(Measure::BacklogBytes);
    let count = query.number("n", (1, TOP_USUAL, TOP_ROWS_MAX))?;
    if by == Measure::Rate {
        sample_rates(admin).await?;
    }
    let mut found = Vec::new();
    for shard in 0..admin.asker.shards() {
        let question = Question::Top(Top::new(by, count));
        let page = page_of(admin.asker.ask(shard, question).await?);
        found.extend(
            page.rows.iter().map(|row| (measured(by, row), item(admin, &page, row, shard))),
        );
    }
    found.sort_by_key(|(value, _)| std::cmp::Reverse(*value));
    let items: Vec<Value> = found.into_iter().take(count).map(|(_, item)| item).collect();
    Ok(json_of(StatusCode::OK, &json!({ "items": items })))
}

fn measured(by: Measure, row: &Row) -> u64 {
    match by {
        Measure::BacklogBytes => row.backlog_bytes,
        Measure::BacklogMessages => row.backlog_messages,
        Measure::Dropped => row.dropped,
        Measure::Inflight => row.inflight,
        Measure::Outgoing => row.client.map_or(0, |client| client.outgoing_bytes),
        Measure::Lag => row.lag_ms.unwrap_or(0),
        Measure::Rate => row.bytes_per_second.unwrap_or(0),
    }
}

/// Has the shards look at what clients have sent and received, and waits until that is long enough
/// ago to tell rates.
async fn sample_rates(admin: &Admin) -> Result<(), Fault> {
    let mut youngest_ms = u64::MAX;
    for shard in 0..admin.asker.shards() {
        let question = Question::Sample(Sampling::default());
        let Reply::Sampled(age_ms) = admin.asker.ask(shard, question).await? else {
            unreachable!("a look is answered with its age")
        };
        youngest_ms = youngest_ms.min(age_ms);
    }
    sleep(Duration::from_millis(RATE_MS_MIN.saturating_sub(youngest_ms))).await;
    Ok(())
}

/// The vhost and the client that parameters name.
pub(super) fn named<'q>(
    admin: &Admin,
    query: &'q Query<'_>,
) -> Result<(&'q str, SessionName), Fault> {
    let vhost = query.get("vhost").unwrap_or("/");
    let client_id = query.need("id")?.to_owned();
    Ok((vhost, SessionName { vhost: admin.vhost(vhost)?, client_id }))
}

/// Asks the home shard of a session for it.
pub(super) async fn find(admin: &Admin, name: &SessionName) -> Result<(u16, Page), Fault> {
    let condition = admin.condition();
    let vhost = condition.vhosts.iter().find(|(number, _)| *number == name.vhost);
    let vhost = vhost.map_or("", |(_, name)| name);
    let shard = home_of(vhost, &name.client_id, admin.asker.shards()).0;
    let answer = admin.asker.ask(shard, Question::Session(name.clone())).await?;
    Ok((shard, page_of(answer)))
}

pub(super) fn page_of(reply: Reply) -> Page {
    match reply {
        Reply::Page(page) => page,
        other => unreachable!("a question for rows is answered with a page, not {other:?}"),
    }
}

pub(super) fn no_session(what: &str, vhost: &str, name: &SessionName) -> Fault {
    let message = format!("no {what} {:.200?} in vhost {vhost:?}", name.client_id);
    Fault::new(StatusCode::NOT_FOUND, "not_found", message).hint("ids are case sensitive")
}

pub(super) fn item(admin: &Admin, page: &Page, row: &Row, shard: u16) -> Value {
    let user = Some(page.text(row.user)).filter(|user| !user.is_empty());
    let mut item = json!({
        "vhost": page.text(row.vhost),
        "id": page.text(row.id),
        "user": user,
        "shard": shard,
        "clean": row.clean,
        "connected": row.client.is_some(),
        "subscriptions": row.subscriptions,
        "inflight": row.inflight,
        "backlog": { "messages": row.backlog_messages, "bytes": row.backlog_bytes },
        "dropped": row.dropped,
        "withheld": row.withheld,
    });
    if let Some(lag_ms) = row.lag_ms {
        item["backlog"]["lag_seconds"] = (float(lag_ms) / 1000.0).into();
    }
    if let Some(rate) = row.bytes_per_second {
        item["bytes_per_second"] = rate.into();
    }
    let Some(client) = row.client else {
        item["absent_seconds"] = (row.absent_ms / 1000).into();
        return item;
    };
    let state = PACES.iter().find(|(_, pace)| *pace == client.pace).map(|(name, _)| *name);
    let waits: Vec<&str> = client.waits().collect();
    let epoch_ms = admin.epoch_ms(client.since_ms + client.connected_ms);
    let facts = admin.condition().facts;
    let listener = facts.listeners.get(usize::from(client.listener)).map(|it| &*it.at);
    let more = json!({
        "listener": listener,
        "connected_at": time_of(epoch_ms, client.since_ms),
        "received": { "bytes": client.received_bytes },
        "sent": { "bytes": client.sent_bytes },
        "address": address_of(client.address, client.port),
        "protocol": client.version,
        "transport": client.transport,
        "keep_alive": client.keep_alive_s,
        "will": client.will,
        "certified": client.certified,
        "state": state,
        "waits_for": waits,
        "outgoing_bytes": client.outgoing_bytes,
        "connected_seconds": client.connected_ms / 1000,
        "silent_seconds": float(client.silent_ms) / 1000.0,
    });
    if let (Value::Object(item), Value::Object(more)) = (&mut item, more) {
        item.extend(more);
    }
    item
}
