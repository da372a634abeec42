//! Disconnects all clients that match a filter, some each second: a fleet that leaves at once comes
//! back at once.
//!
//! Invariant: a client that connects while this runs is left alone.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::broker::SessionName;
use crate::broker::inspect::{Filter, Kick, Kicked, Listing, Question, Reply};
use crate::limits::{
    BULK_KICK_MS_MAX, BULK_KICK_PER_SECOND, BULK_KICK_PER_SECOND_MAX, BULK_KICKS_MAX,
};

use super::actor::Actor;
use super::answer::{Answer, Fault, json_of};
use super::api::{PACES, page_of};
use super::body::Fields;
use super::item::address_range;
use super::metric::figures_of;
use super::session_lists::listener_of;
use super::shards::NoAnswer;
use super::state::Admin;

/// Rows of clients that are looked at together.
const PAGE_ROWS: usize = 100;

/// What is asked for.
struct Asked {
    filter: Filter,
    vhost: Option<String>,
    per_second: u64,
    deletes_session: bool,
    discards_will: bool,
    dry_run: bool,
    /// The filter, in words.
    says: String,
}

/// What became of it.
#[derive(Default)]
struct Done {
    matched: u64,
    disconnected: u64,
    /// There may be more that match.
    is_cut: bool,
}

impl Asked {
    fn read(admin: &Admin, mut fields: Fields) -> Result<Self, Fault> {
        let mut says = Vec::new();
        let mut text = |name: &'static str| -> Result<Option<String>, Fault> {
            let found = fields.text(name)?;
            says.extend(found.iter().map(|value| format!("{name} {value:.100?}")));
            Ok(found)
        };
        let (vhost, user, id_prefix) = (text("vhost")?, text("user")?, text("id_prefix")?);
        let (address, listener, state) = (text("address")?, text("listener")?, text("state")?);
        let pace = state.map(|state| {
            let found = PACES.iter().find(|(name, _)| *name == state);
            let names = PACES.map(|(name, _)| name).join(", ");
            let wrong = || Fault::of_field("state", format!("state is one of {names}"));
            found.map(|(_, pace)| *pace).ok_or_else(wrong)
        });
        let filter = Filter {
            vhost: vhost.as_deref().map(|name| admin.vhost(name)).transpose()?,
            user: user.map(Into::into),
            id_prefix: id_prefix.unwrap_or_default().into(),
            address: address.as_deref().map(address_range).transpose()?,
            pace: pace.transpose()?,
            connected: Some(true),
            listener: listener.map(|at| listener_of(admin, &at)).transpose()?,
            ..Filter::default()
        };
        let says = says.join(", ");
        if says.is_empty() {
            let message = "say whom: vhost, user, id_prefix, address, listener or state";
            let fault = Fault::of_field("body", message);
            return Err(fault.hint("POST /api/v1/drain disconnects all clients"));
        }
        let per_second = fields.number("per_second", (1, BULK_KICK_PER_SECOND_MAX))?;
        let mut word = |name: &'static str, usual: &str, other: &str| match fields.text(name)? {
            Some(word) if word == other => Ok(true),
            Some(word) if word != usual => {
                Err(Fault::of_field(name, format!("{name} is {usual} or {other}")))
            }
            _ => Ok(false),
        };
        let deletes_session = word("session", "keep", "delete")?;
        let discards_will = word("will", "publish", "discard")?;
        let dry_run = fields.flag("dry_run")?;
        fields.end()?;
        let per_second = per_second.unwrap_or(BULK_KICK_PER_SECOND);
        Ok(Self { filter, vhost, per_second, deletes_session, discards_will, dry_run, says })
    }
}

/// Ends the connections of clients that match.
pub(super) async fn kick_matching(admin: &Admin, fields: Fields, by: &Actor) -> Answer {
    let asked = Asked::read(admin, fields)?;
    // A token for one vhost must name it.
    by.check_vhost(asked.vhost.as_deref().unwrap_or_default())?;
    let mut done = Done::default();
    let result = run(admin, &asked, &mut done).await;
    if !asked.dry_run {
        let result = format!("{} disconnected", done.disconnected);
        by.audit_of("disconnect clients of", &asked.says, &result);
    }
    match result {
        Err(fault) if done.disconnected == 0 => return Err(fault.into()),
        Err(_) => done.is_cut = true,
        Ok(()) => {}
    }
    let answer = json!({
        "matched": done.matched,
        "disconnected": done.disconnected,
        "more": done.is_cut,
    });
    Ok(json_of(StatusCode::OK, &answer))
}

async fn run(admin: &Admin, asked: &Asked, done: &mut Done) -> Result<(), NoAnswer> {
    let begun = Instant::now();
    let until_ms = uptime_ms(admin).await;
    for shard in 0..admin.asker.shards() {
        let mut from = 0;
        loop {
            let (filter, limit) = (asked.filter.clone(), PAGE_ROWS);
            let listing = Listing { from, limit, filter, ..Listing::default() };
            let page = page_of(admin.asker.ask(shard, Question::Listing(listing)).await?);
            for row in &page.rows {
                if row.client.is_none_or(|client| client.since_ms > until_ms) {
                    continue;
                }
                done.matched += 1;
                if asked.dry_run {
                    continue;
                }
                let due_ms = done.disconnected.saturating_mul(1000) / asked.per_second;
                if done.disconnected >= BULK_KICKS_MAX || due_ms >= BULK_KICK_MS_MAX {
                    done.is_cut = true;
                    return Ok(());
                }
                sleep_until(begun + Duration::from_millis(due_ms)).await;
                let Ok(vhost) = admin.vhost(page.text(row.vhost)) else { continue };
                let kick = Kick {
                    name: SessionName { vhost, client_id: page.text(row.id).to_owned() },
                    deletes_session: asked.deletes_session,
                    discards_will: asked.discards_will,
                };
                let answer = admin.asker.ask(shard, Question::Kick(kick)).await?;
                let Reply::Kicked(Kicked { closed, .. }) = answer else {
                    unreachable!("a kick is answered with what became of it")
                };
                done.disconnected += u64::from(closed);
            }
            match page.next {
                Some(slot) => from = slot,
                None => break,
            }
        }
    }
    Ok(())
}

/// What the shards' clock shows now.
async fn uptime_ms(admin: &Admin) -> u64 {
    let kept = admin.asker.figures().await;
    let now_ms = figures_of(&kept).into_iter().map(|figures| {
        let age_ms = u64::try_from(figures.age.as_millis()).unwrap_or(u64::MAX);
        figures.snapshot.now_ms.saturating_add(age_ms)
    });
    now_ms.max().unwrap_or(u64::MAX)
}
