//! Recently closed connections of all shards.

use std::cmp::Reverse;

use serde_json::{Value, json};

use crate::broker::inspect::{ClosedListing, ClosedPlace, ClosedRow, Question, Reply, Sheet};
use crate::limits::CLOSED_MAX;

use super::answer::Fault;
use super::item::{address_of, named_or_none, seconds};
use super::query::Query;
use super::rows::Rows;
use super::state::Admin;

/// Rows of a page if the request names no limit.
const ROWS_USUAL: usize = 100;

/// A page, newest first.
pub(super) async fn closed(
    admin: &Admin,
    query: &Query<'_>,
    mut rows: Rows,
) -> Result<Rows, Fault> {
    let limit = query.number("limit", (1, ROWS_USUAL, CLOSED_MAX))?;
    let before = query.get("cursor").map(|text| {
        let wrong = || Fault::of_field("cursor", "cursor is the `next` of another page");
        parse(text).ok_or_else(wrong)
    });
    let listing = ClosedListing {
        before: before.transpose()?,
        limit,
        vhost: query.get("vhost").map(|name| admin.vhost(name)).transpose()?,
        id: query.get("id").map(Into::into),
        id_prefix: query.get("id_prefix").unwrap_or_default().into(),
        reason: query.get("reason").map(Into::into),
        ..ClosedListing::default()
    };
    let (mut sheets, mut found, mut has_more) = (Vec::new(), Vec::new(), false);
    for shard in 0..admin.asker.shards() {
        let question = Question::Closed(Box::new(ClosedListing { shard, ..listing.clone() }));
        let Reply::Closed(sheet) = admin.asker.ask(shard, question).await? else {
            unreachable!("a question for connections is answered with connections")
        };
        has_more |= sheet.next.is_some();
        found.extend(sheet.rows.iter().map(|row| (row.place, sheets.len(), *row)));
        sheets.push(sheet);
    }
    // Shards were asked one after the other. Ages are made relative to one moment, which keeps the
    // rows in order.
    let now_ms = found.iter().map(|(place, _, row)| place.at_ms + row.ago_ms).max().unwrap_or(0);
    found.sort_by_key(|(place, ..)| Reverse(*place));
    has_more |= found.len() > limit;
    found.truncate(limit);
    for (place, sheet, row) in &mut found {
        row.ago_ms = now_ms - place.at_ms;
        rows.push(item(admin, &sheets[*sheet], row));
    }
    rows.next = found.last().filter(|_| has_more).map(|(place, ..)| text(*place));
    Ok(rows)
}

fn text(place: ClosedPlace) -> String {
    format!("e{:x}.{}.{:x}", place.at_ms, place.shard, place.number)
}

fn parse(text: &str) -> Option<ClosedPlace> {
    let mut parts = text.strip_prefix('e')?.split('.');
    let place = ClosedPlace {
        at_ms: u64::from_str_radix(parts.next()?, 16).ok()?,
        shard: parts.next()?.parse().ok()?,
        number: u64::from_str_radix(parts.next()?, 16).ok()?,
    };
    parts.next().is_none().then_some(place)
}

fn item(admin: &Admin, sheet: &Sheet<ClosedRow, ClosedPlace>, row: &ClosedRow) -> Value {
    let vhost = row.vhost.and_then(|number| admin.vhost_name(number));
    json!({
        "id": named_or_none(sheet.text(row.id)),
        "vhost": vhost,
        "user": named_or_none(sheet.text(row.user)),
        "address": address_of(row.address, row.port),
        "reason": row.reason,
        "says": sheet.text(row.says),
        "ago_seconds": seconds(row.ago_ms),
        "connected_seconds": row.connected_ms.map(seconds),
        "received": { "bytes": row.received_bytes },
        "sent": { "bytes": row.sent_bytes },
        "shard": row.place.shard,
        "names_cut": row.is_cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // A cursor is read as it was written, and any other text is refused.
    #[test]
    fn cursors() {
        for place in [
            ClosedPlace { at_ms: 0, shard: 0, number: 0 },
            ClosedPlace { at_ms: u64::MAX, shard: 63, number: u64::MAX },
        ] {
            assert_eq!(parse(&text(place)), Some(place));
        }
        for wrong in ["", "e", "e1.2", "e1.2.3.4", "c1.2.3", "e1.-2.3", "ex.2.3", "e1.2.x"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
