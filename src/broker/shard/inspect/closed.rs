//! Connections that have ended recently.

use crate::limits::ASK_BYTES_MAX;

use super::super::super::client_log::ClosedConnection;
use super::super::super::inspect::{ClosedListing, ClosedPlace, ClosedRow, Reply, Sheet, Step};
use super::super::super::names::Context;
use super::super::Shard;

impl Shard {
    pub(super) fn answer_closed(
        &self,
        listing: &mut ClosedListing,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        if !matches!(reply, Reply::Closed(_)) {
            *reply = Reply::Closed(Sheet::default());
        }
        let Reply::Closed(sheet) = reply else { unreachable!("it was just made") };
        let before = sheet.bytes();
        sheet.next = None;
        for (number, closed) in self.closed.newest_first(listing.at) {
            let place = ClosedPlace { at_ms: closed.at_ms, shard: listing.shard, number };
            if sheet.is_full(listing.limit) {
                sheet.next = Some(place);
                return Step::Done;
            }
            if sheet.bytes() - before >= ASK_BYTES_MAX {
                return Step::More;
            }
            listing.at = Some(number);
            let is_before = listing.before.is_none_or(|before| place < before);
            if is_before && is_wanted(listing, closed) {
                let row = row_of(sheet, place, closed, context.now_ms);
                sheet.rows.push(row);
            }
        }
        Step::Done
    }
}

fn is_wanted(listing: &ClosedListing, closed: &ClosedConnection) -> bool {
    let vhost = closed.client.map(|client| client.vhost);
    let (id, reason) = (listing.id.as_deref(), listing.reason.as_deref());
    listing.vhost.is_none_or(|wanted| vhost == Some(wanted))
        && id.is_none_or(|id| *closed.id == *id)
        && closed.id.starts_with(&*listing.id_prefix)
        && reason.is_none_or(|reason| closed.reason.word() == reason)
}

fn row_of(
    sheet: &mut Sheet<ClosedRow, ClosedPlace>,
    place: ClosedPlace,
    closed: &ClosedConnection,
    now_ms: u64,
) -> ClosedRow {
    let says = match closed.refusal {
        Some(why) => why.to_string(),
        None => closed.reason.to_string(),
    };
    ClosedRow {
        place,
        ago_ms: now_ms.saturating_sub(closed.at_ms),
        id: sheet.write(closed.id.as_bytes()),
        user: sheet.write(closed.user.as_bytes()),
        is_cut: closed.is_cut,
        vhost: closed.client.map(|client| client.vhost),
        address: closed.address.address,
        port: closed.address.port,
        reason: closed.reason.word(),
        says: sheet.write(says.as_bytes()),
        connected_ms: closed.client.map(|client| client.connected_ms),
        received_bytes: closed.received_bytes,
        sent_bytes: closed.sent_bytes,
    }
}
