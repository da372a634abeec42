//! Metrics of sessions: the totals of all durable ones, and those of sessions that the operator
//! named.
//!
//! A session's lag corresponds to a consumer's lag in Kafka: the messages stored for it that its
//! client has not acknowledged, whether or not they were sent.

use std::sync::Arc;

use hyper::{Request, Response, StatusCode};

use crate::broker::inspect::{
    Backlog, GroupName, GroupsWanted, Page, Question, Reply, SessionPattern, Waiting, Watch,
    Watched,
};
use crate::limits::WATCHED_SESSIONS_MAX;

use super::answer::{Body, Fault, whole};
use super::exposition::{Format, Text};

use super::group_metrics::{GROUP_BEGIN, GROUPS_LEFT_OUT, WATCHED_GROUPS};
use super::groups::{Group, page_of_groups};
use super::metric::float;
use super::query::Query;
use super::session_metrics::{LEFT_OUT, TOTALS, WATCHED};
use super::state::Admin;

/// Answers with the metrics of sessions.
pub(super) async fn session_metrics(
    admin: &Admin,
    request: &Request<()>,
) -> Result<Response<Body>, Fault> {
    Query::read(request.uri().query(), &[])?;
    let (of_groups, patterns) = patterns(admin);
    let (mut waiting, mut pages, mut left_out) = (Waiting::default(), Vec::new(), 0);
    for shard in 0..admin.asker.shards() {
        // A sum without the part of one shard would look as if a backlog had shrunk.
        let question = Question::Backlog(Backlog::default());
        let Reply::Backlog(found) = admin.asker.ask(shard, question).await? else {
            unreachable!("a question for what waits is answered with that")
        };
        waiting.add(&found);
        if patterns.is_empty() {
            continue;
        }
        let question = Question::Watch(Box::new(Watch::new(patterns.clone())));
        let Reply::Watched(Watched { page, left_out: more }) =
            admin.asker.ask(shard, question).await?
        else {
            unreachable!("a question for sessions is answered with these")
        };
        left_out += more;
        pages.push(page);
    }
    let groups = watched_groups(admin, of_groups).await?;
    let format = Format::of(request);
    let text = of_sessions(Text::new(format), &waiting, (&pages, left_out), &groups);
    Ok(whole(StatusCode::OK, format.content_type(), text))
}

/// The groups that are watched, as many as are told, and how many are left out.
async fn watched_groups(
    admin: &Admin,
    patterns: Arc<[SessionPattern]>,
) -> Result<(Vec<(GroupName, Group)>, u64), Fault> {
    if patterns.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let wanted = GroupsWanted::Named(patterns);
    let limit = WATCHED_SESSIONS_MAX;
    let (told, mut next) = page_of_groups(admin, (&wanted, true), None, limit).await?;
    let mut left_out = 0;
    while next.is_some() {
        let (more, after) = page_of_groups(admin, (&wanted, false), next, limit).await?;
        left_out += more.len() as u64;
        next = after;
    }
    Ok((told, left_out))
}

/// What is watched, each once: groups, and sessions. Of a vhost that is not there nothing is.
fn patterns(admin: &Admin) -> (Arc<[SessionPattern]>, Arc<[SessionPattern]>) {
    let condition = admin.condition();
    let numbered = condition.watched.iter().filter_map(|watched| {
        let (vhost, _) = condition.vhosts.iter().find(|(_, name)| *name == watched.vhost)?;
        let (id, is_prefix) = (watched.id.as_str().into(), watched.is_prefix);
        Some(SessionPattern { vhost: *vhost, id, is_prefix })
    });
    let mut patterns: Vec<SessionPattern> = numbered.collect();
    patterns.sort();
    patterns.dedup();
    let is_of_groups = |pattern: &SessionPattern| pattern.id.starts_with(GROUP_BEGIN);
    let (groups, sessions): (Vec<_>, Vec<_>) = patterns.into_iter().partition(is_of_groups);
    (groups.into(), sessions.into())
}

fn of_sessions(
    mut text: Text,
    waiting: &Waiting,
    (pages, left_out): (&[Page], u64),
    (groups, groups_left_out): &(Vec<(GroupName, Group)>, u64),
) -> String {
    for metric in TOTALS {
        let name = text.family(metric);
        text.line(&name, &[], (metric.source)(waiting));
    }
    let rows = || pages.iter().flat_map(|page| page.rows.iter().map(move |row| (page, row)));
    for metric in WATCHED {
        let name = text.family(metric);
        for (page, row) in rows().take(WATCHED_SESSIONS_MAX) {
            let labels = [("vhost", page.text(row.vhost)), ("client", page.text(row.id))];
            text.line(&name, &labels, (metric.source)(row));
        }
    }
    for metric in WATCHED_GROUPS {
        let name = text.family(metric);
        for (group, told) in groups {
            let labels = [("vhost", &*told.vhost), ("group", &*group.share)];
            text.line(&name, &labels, (metric.source)(told));
        }
    }
    let name = text.family(&LEFT_OUT);
    let more = rows().count().saturating_sub(WATCHED_SESSIONS_MAX) as u64;
    text.line(&name, &[], float(left_out + more));
    let name = text.family(&GROUPS_LEFT_OUT);
    text.line(&name, &[], float(*groups_left_out));
    text.end()
}
