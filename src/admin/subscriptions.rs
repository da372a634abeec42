//! Subscriptions: a list of them, the receivers of a topic with reasons, and the rights of a
//! client.
//!
//! The rules are those of the shards, which lend them. They are evaluated here, so that this takes
//! no time of a shard.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::access::{Basis, Client, Decision, Place, Policy};
use crate::broker::SessionName;
use crate::broker::inspect::{
    Pace, Question, Reply, RetainedMessage, Sheet, SubscriptionListing, SubscriptionPlace,
    SubscriptionRow, Wanted, home_of, keeper_of,
};
use crate::limits::{LISTING_MS_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::mqtt::{TopicFilter, TopicName};

use super::answer::{Answer, Fault, json_of};
use super::item::named_or_none;
use super::query::Query;
use super::rows::Rows;
use super::state::Admin;

type Found = Sheet<SubscriptionRow, SubscriptionPlace>;

/// Rows of a page if the request names no limit.
const ROWS_USUAL: usize = 100;

/// A page of subscriptions.
pub(super) async fn subscriptions(
    admin: &Admin,
    query: &Query<'_>,
    rows: Rows,
) -> Result<Rows, Fault> {
    let wanted = match query.get("filter") {
        None => Wanted::All,
        Some(text) => Wanted::Filter(filter_of("filter", text)?.as_str().into()),
    };
    let policy = policy_of(admin).await?;
    let listing = SubscriptionListing {
        vhost: query.get("vhost").map(|name| admin.vhost(name)).transpose()?,
        wanted,
        ..SubscriptionListing::default()
    };
    page(admin, query, (listing, rows), |found, row, shard| {
        let filter = found.text(row.filter);
        let client = client_of(found, row);
        let denies = |filter| !policy.may_subscribe(&client, filter);
        json!({
            "id": found.text(row.id),
            "vhost": found.text(row.vhost),
            "user": named_or_none(found.text(row.user)),
            "filter": filter,
            "qos": row.qos,
            "clean": row.clean,
            "connected": row.pace.is_some(),
            "suspended": TopicFilter::parse(filter).is_ok_and(denies),
            "shard": shard,
        })
    })
    .await
}

/// A page of the subscriptions that match a topic.
pub(super) async fn matching(admin: &Admin, query: &Query<'_>, rows: Rows) -> Result<Rows, Fault> {
    let topic = topic_of(query.need("topic")?)?;
    let qos = query.number("qos", (0, 0, 2))?;
    let vhost_name = query.get("vhost").unwrap_or("/");
    let vhost = admin.vhost(vhost_name)?;
    let policy = policy_of(admin).await?;
    let listing = SubscriptionListing {
        vhost: Some(vhost),
        wanted: Wanted::Topic(topic.as_str().into()),
        ..SubscriptionListing::default()
    };
    let page = page(admin, query, (listing, rows), |found, row, shard| {
        let decision = policy.explain_receive(&client_of(found, row), topic);
        let (gets, why) = outcome(row, qos, decision.is_allowed);
        json!({
            "id": found.text(row.id),
            "vhost": found.text(row.vhost),
            "user": named_or_none(found.text(row.user)),
            "filter": found.text(row.filter),
            "granted": row.qos,
            "qos": row.qos.min(qos),
            "connected": row.pace.is_some(),
            "gets": gets,
            "why": why,
            "shard": shard,
            "rule": told(&decision),
        })
    });
    let mut rows = page.await?;
    let keeper = keeper_of(vhost_name, topic.as_str(), admin.asker.shards()).0;
    let wanted = RetainedMessage { vhost, topic: topic.as_str().into(), ..Default::default() };
    let question = Question::RetainedMessage(Box::new(wanted));
    let kept = admin.asker.ask(keeper, question).await?;
    rows.more.push(("retained", matches!(kept, Reply::Message(Some(_))).into()));
    if query.get("user").is_some() || query.get("client_id").is_some() {
        let (user, client_id) = who(query);
        let client = Client { vhost, user, client_id };
        rows.more.push(("publish", told(&may_publish(&policy, &client, topic))));
    }
    Ok(rows)
}

/// Whether a client may do something, and why.
pub(super) async fn can(admin: &Admin, query: &Query<'_>) -> Answer {
    let publishes = query.word("action", &[("publish", true), ("subscribe", false)])?;
    let publishes = match publishes {
        Some(publishes) => publishes,
        None => query.need("action").map(|_| false)?,
    };
    let vhost = admin.vhost(query.get("vhost").unwrap_or("/"))?;
    let (user, client_id) = who(query);
    let client = Client { vhost, user, client_id };
    let text = query.need("topic")?;
    let policy = || policy_of(admin);
    let decision = if publishes {
        let topic = topic_of(text)?;
        may_publish(&*policy().await?, &client, topic)
    } else {
        let filter = filter_of("topic", text)?;
        policy().await?.explain_subscribe(&client, filter)
    };
    Ok(json_of(StatusCode::OK, &told(&decision)))
}

fn who<'q>(query: &'q Query<'_>) -> (Option<&'q str>, &'q str) {
    (query.get("user").and_then(named_or_none), query.get("client_id").unwrap_or_default())
}

/// No client may publish to the broker's own topics, whatever the rules are.
fn may_publish(policy: &Policy, client: &Client<'_>, topic: TopicName<'_>) -> Decision {
    let decision = policy.explain_publish(client, topic);
    match topic.is_system() {
        true => Decision { is_allowed: false, basis: Basis::Nothing },
        false => decision,
    }
}

/// Whether a message reaches the session of a subscription, and why.
fn outcome(row: &SubscriptionRow, qos: u8, may_read: bool) -> (bool, &'static str) {
    let is_stored = row.qos.min(qos) > 0;
    match row.pace {
        _ if !may_read => (false, "denied"),
        _ if is_stored && row.is_full => (false, "full"),
        _ if is_stored && row.withheld => (true, "withheld"),
        None if is_stored => (true, "stored"),
        None => (false, "absent"),
        Some(Pace::Slow) if !is_stored => (false, "slow"),
        Some(_) => (true, "sent"),
    }
}

/// A decision as JSON.
fn told(decision: &Decision) -> Value {
    let (basis, place) = match &decision.basis {
        Basis::NoVhost => ("no_vhost", None),
        Basis::NoRules => ("no_rules", None),
        Basis::Rule(place) => ("rule", Some(place)),
        Basis::Permission(place) => ("permission", Some(place)),
        Basis::Nothing => ("nothing", None),
    };
    let at = |Place { file, line }: &Place| match line {
        Some(line) => format!("{}:{line}", file.display()),
        None => file.display().to_string(),
    };
    let verb = if decision.is_allowed { "allows" } else { "denies" };
    let says = match (&decision.basis, place) {
        (Basis::Rule(_), Some(place)) => format!("the rule at {} {verb} it", at(place)),
        (_, Some(place)) => format!("the permission in {} {verb} it", at(place)),
        (Basis::NoRules, None) => "the vhost has no rules: everything is allowed".to_owned(),
        (Basis::NoVhost, None) => "there is no such vhost".to_owned(),
        (_, None) => "no rule allows it".to_owned(),
    };
    let file = place.map(|place: &Place| Path::new(&place.file).display().to_string());
    json!({
        "allowed": decision.is_allowed,
        "basis": basis,
        "says": says,
        "file": file,
        "line": place.and_then(|place| place.line),
    })
}

fn client_of<'f>(found: &'f Found, row: &SubscriptionRow) -> Client<'f> {
    Client {
        vhost: row.vhost_number,
        user: named_or_none(found.text(row.user)),
        client_id: found.text(row.id),
    }
}

fn topic_of(text: &str) -> Result<TopicName<'_>, Fault> {
    TopicName::parse(text)
        .map_err(|_| Fault::of_field("topic", "topic is a topic name: not empty, without + and #"))
}

pub(super) fn filter_of<'t>(field: &'static str, text: &'t str) -> Result<TopicFilter<'t>, Fault> {
    TopicFilter::parse(text).map_err(|invalid| Fault::of_field(field, invalid.to_string()))
}

/// The rules that the shards use.
async fn policy_of(admin: &Admin) -> Result<Arc<Policy>, Fault> {
    match admin.asker.ask(0, Question::Policy).await? {
        Reply::Policy(policy) => Ok(policy),
        other => unreachable!("a question for the rules is answered with them, not {other:?}"),
    }
}

/// The position of a list.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Cursor {
    shard: u16,
    place: SubscriptionPlace,
}

impl Cursor {
    fn parse(text: &str, shards: u16) -> Option<Self> {
        let mut parts = text.strip_prefix('s')?.split('.');
        let shard = parts.next()?.parse().ok().filter(|shard| *shard < shards)?;
        let session = u32::from_str_radix(parts.next()?, 16).ok()?;
        let filters = u32::from_str_radix(parts.next()?, 16).ok()?;
        let cursor = Self { shard, place: SubscriptionPlace { session, filters } };
        parts.next().is_none().then_some(cursor)
    }

    fn text(self) -> String {
        format!("s{}.{:x}.{:x}", self.shard, self.place.session, self.place.filters)
    }
}

/// A page of a listing, shard by shard.
async fn page(
    admin: &Admin,
    query: &Query<'_>,
    (listing, mut rows): (SubscriptionListing, Rows),
    item: impl Fn(&Found, &SubscriptionRow, u16) -> Value,
) -> Result<Rows, Fault> {
    let mut shards = admin.asker.shards();
    let limit = query.number("limit", (1, ROWS_USUAL, PAGE_ROWS_MAX))?;
    let begin = query.get("cursor").map(|text| {
        let wrong = || Fault::of_field("cursor", "cursor is the `next` of another page");
        Cursor::parse(text, shards).ok_or_else(wrong)
    });
    let mut at = begin.transpose()?.unwrap_or_default();
    let mut session = None;
    if let Some(id) = query.get("client") {
        let vhost = query.get("vhost").unwrap_or("/");
        session = Some(SessionName { vhost: admin.vhost(vhost)?, client_id: id.to_owned() });
        let home = home_of(vhost, id, shards).0;
        at.shard = home;
        shards = home + 1;
    }
    let begun = Instant::now();
    let mut bytes = 0;
    while at.shard < shards && rows.count() < limit {
        let wanted = SubscriptionListing {
            from: at.place,
            limit: limit - rows.count(),
            session: session.clone(),
            ..listing.clone()
        };
        let question = Question::Subscriptions(Box::new(wanted));
        let Reply::Subscriptions(found) = admin.asker.ask(at.shard, question).await? else {
            unreachable!("a question for subscriptions is answered with them")
        };
        for row in &found.rows {
            bytes += found.text(row.filter).len() + found.text(row.id).len() + 200;
            rows.push(item(&found, row, at.shard));
        }
        at = match found.next {
            Some(place) => Cursor { place, ..at },
            None => Cursor { shard: at.shard + 1, ..Cursor::default() },
        };
        let is_long = begun.elapsed() >= Duration::from_millis(LISTING_MS_MAX);
        if is_long || bytes >= PAGE_BYTES_MAX {
            break;
        }
    }
    rows.next = (at.shard < shards).then(|| at.text());
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A cursor is read as it was written; another text, or one for more shards, is refused.
    #[test]
    fn cursors() {
        let place = |session, filters| SubscriptionPlace { session, filters };
        for (shard, place) in [(0, place(0, 0)), (3, place(u32::MAX, 65_535))] {
            let cursor = Cursor { shard, place };
            assert_eq!(Cursor::parse(&cursor.text(), 4), Some(cursor));
        }
        for text in ["", "s", "s1.2", "s4.1.1", "s1.x.1", "s1.1.1.1", "c1.1.1"] {
            assert_eq!(Cursor::parse(text, 4), None, "{text}");
        }
    }
}
