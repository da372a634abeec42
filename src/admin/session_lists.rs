//! Lists of clients and sessions.

use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::broker::SessionName;
use crate::broker::inspect::{Filter, Listing, Page, Question, Reply, Row};
use crate::limits::{LISTING_MS_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX};

use super::answer::Fault;
use super::api::{PACES, find, item, page_of};
use super::item::address_range;
use super::metric::figures_of;
use super::query::Query;
use super::rows::Rows;
use super::shards::Kept;
use super::state::Admin;

/// Rows of a page if the request names no limit.
const ROWS_USUAL: usize = 100;

/// A page of clients that are connected.
pub(super) async fn clients(admin: &Admin, query: &Query<'_>, rows: Rows) -> Result<Rows, Fault> {
    let filter = Filter { connected: Some(true), ..filter_of(admin, query).await? };
    listing(admin, query, filter, rows).await
}

/// A page of sessions.
pub(super) async fn sessions(admin: &Admin, query: &Query<'_>, rows: Rows) -> Result<Rows, Fault> {
    let words = [("true", true), ("false", false)];
    let filter =
        Filter { connected: query.word("connected", &words)?, ..filter_of(admin, query).await? };
    listing(admin, query, filter, rows).await
}

async fn filter_of(admin: &Admin, query: &Query<'_>) -> Result<Filter, Fault> {
    let since_ms_min = match query.get("connected_after") {
        Some(text) => Some(uptime_at(admin, time_of(text)?).await),
        None => None,
    };
    Ok(Filter {
        vhost: query.get("vhost").map(|name| admin.vhost(name)).transpose()?,
        user: query.get("user").map(Into::into),
        id_prefix: query.get("id_prefix").unwrap_or_default().into(),
        address: query.get("address").map(address_range).transpose()?,
        pace: query.word("state", &PACES)?,
        connected: None,
        listener: query.get("listener").map(|at| listener_of(admin, at)).transpose()?,
        since_ms_min,
        backlog_min: query.number("backlog_min", (0, 0, u64::MAX))?,
        dropped_min: query.number("dropped_min", (0, 0, u32::MAX))?,
    })
}

/// The number of the listener with an address of `/listeners`.
pub(super) fn listener_of(admin: &Admin, at: &str) -> Result<u16, Fault> {
    let facts = admin.condition().facts;
    let found = facts.listeners.iter().position(|listener| listener.at == at);
    found.and_then(|number| u16::try_from(number).ok()).ok_or_else(|| {
        let all: Vec<&str> = facts.listeners.iter().map(|listener| &*listener.at).collect();
        let message = format!("there is no listener at {at:.200?}");
        Fault::of_field("listener", message).hint(format!("there are {}", all.join(", ")))
    })
}

/// A time in milliseconds since 1970.
fn time_of(text: &str) -> Result<i64, Fault> {
    let time = text.parse::<Timestamp>().map(Timestamp::as_millisecond);
    time.map_err(|_| {
        let message = "connected_after is a time, as in 2026-11-29T21:40:00Z";
        Fault::of_field("connected_after", message)
    })
}

/// The value of the shards' clock at a time; 0 if the time is before its start.
async fn uptime_at(admin: &Admin, time_ms: i64) -> u64 {
    let kept = admin.asker.figures().await;
    let now_ms = figures_of(&kept).into_iter().map(|figures| {
        let age_ms = u64::try_from(figures.age.as_millis()).unwrap_or(u64::MAX);
        figures.snapshot.now_ms.saturating_add(age_ms)
    });
    let epoch_ms = admin.epoch_ms(now_ms.max().unwrap_or(0));
    u64::try_from(time_ms.saturating_sub(epoch_ms)).unwrap_or(0)
}

/// The position of a listing: a shard and a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cursor {
    shard: u16,
    slot: u32,
}

impl Cursor {
    fn parse(text: &str, shards: u16) -> Option<Self> {
        let (shard, slot) = text.strip_prefix('c')?.split_once('.')?;
        let (shard, slot) = (shard.parse().ok()?, u32::from_str_radix(slot, 16).ok()?);
        (shard < shards).then_some(Self { shard, slot })
    }

    fn text(self) -> String {
        format!("c{}.{:x}", self.shard, self.slot)
    }
}

/// A page, shard by shard, in the order of slots. A session that exists throughout is listed once.
async fn listing(
    admin: &Admin,
    query: &Query<'_>,
    filter: Filter,
    mut rows: Rows,
) -> Result<Rows, Fault> {
    let shards = admin.asker.shards();
    let limit = query.number("limit", (1, ROWS_USUAL, PAGE_ROWS_MAX))?;
    let begin = query.get("cursor").map(|text| {
        let wrong = || Fault::of_field("cursor", "cursor is the `next` of another page");
        Cursor::parse(text, shards).ok_or_else(wrong)
    });
    let mut at = begin.transpose()?.unwrap_or(Cursor { shard: 0, slot: 0 });
    let begun = Instant::now();
    let mut bytes = 0;
    if let Some(id) = query.get("id") {
        let name = SessionName {
            vhost: admin.vhost(query.get("vhost").unwrap_or("/"))?,
            client_id: id.to_owned(),
        };
        let (shard, page) = find(admin, &name).await?;
        let wanted = page.rows.iter().filter(|row| {
            filter.connected.is_none_or(|connected| connected == row.client.is_some())
        });
        wanted.for_each(|row| rows.push(item(admin, &page, row, shard)));
        at.shard = shards;
    }
    while at.shard < shards && rows.count() < limit {
        let wanted = Listing {
            from: at.slot,
            limit: limit - rows.count(),
            filter: filter.clone(),
            ..Listing::default()
        };
        // The shard fills memory that this thread allocated.
        let room = Reply::Page(Page::with_room(limit - rows.count()));
        let answer = admin.asker.ask_into(at.shard, Question::Listing(wanted), room).await?;
        let page = page_of(answer);
        for row in &page.rows {
            bytes += size_of::<Row>() + page.text(row.id).len() + page.text(row.user).len();
            rows.push(item(admin, &page, row, at.shard));
        }
        at = match page.next {
            Some(slot) => Cursor { slot, ..at },
            None => Cursor { shard: at.shard + 1, slot: 0 },
        };
        // A listing whose filter matches few rows returns early, with the rows found so far.
        let is_long = begun.elapsed() >= Duration::from_millis(LISTING_MS_MAX);
        if is_long || bytes >= PAGE_BYTES_MAX {
            break;
        }
    }
    let kept = admin.asker.figures().await;
    rows.more.push(("approximate_total", total(&kept, &filter).into()));
    rows.next = (at.shard < shards).then(|| at.text());
    Ok(rows)
}

/// The number of clients or sessions, by `filter.connected`; other filters are ignored.
fn total(kept: &[Option<Rc<Kept>>], filter: &Filter) -> u64 {
    let counts = figures_of(kept).into_iter().map(|figures| {
        let gauges = &figures.snapshot.gauges;
        match filter.connected {
            Some(true) => gauges.clients,
            Some(false) => gauges.sessions.saturating_sub(gauges.clients),
            None => gauges.sessions,
        }
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    // A cursor is read as it was written; another text, or one for more shards, is refused.
    #[test]
    fn cursors() {
        for cursor in [Cursor { shard: 0, slot: 0 }, Cursor { shard: 63, slot: u32::MAX }] {
            assert_eq!(Cursor::parse(&cursor.text(), 64), Some(cursor));
        }
        assert_eq!(Cursor::parse("c3.81f2", 4), Some(Cursor { shard: 3, slot: 0x81f2 }));
        for text in ["", "c", "3.1", "c3", "c3.", "c.1", "c4.1", "c3.x", "c-1.1", "c3.100000000"] {
            assert_eq!(Cursor::parse(text, 4), None, "{text}");
        }
    }

    // A time has a zone; other texts are refused.
    #[test]
    fn times_are_read() {
        for (text, ms) in [
            ("1970-01-01T00:00:01Z", 1_000),
            ("1970-01-01T00:00:00-01:00", 3_600_000),
            ("1969-12-31T23:59:59.5Z", -500),
        ] {
            assert_eq!(time_of(text), Ok(ms), "{text}");
        }
        for text in ["", "2020-01-01", "2020-01-01T00:00:00", "yesterday", "-1", "1700000000"] {
            assert!(time_of(text).is_err(), "{text}");
        }
    }
}
