//! The end of consumer groups, and of what waits in them.

use hyper::StatusCode;
use serde_json::json;

use crate::broker::inspect::{GroupEnd, GroupEnded, GroupName, GroupPurge, Question, Reply};

use super::actor::Actor;
use super::answer::{Answer, Fault, json_of};
use super::groups::{find, named};
use super::query::Query;
use super::state::Admin;

/// Ends a group with what waits in it.
pub(super) async fn delete(admin: &Admin, query: &Query<'_>, by: &Actor) -> Answer {
    let (vhost, name) = named(admin, query)?;
    let unsubscribes = query.word("members", &[("unsubscribe", true)])?.unwrap_or(false);
    let (_, group) = find(admin, vhost, &name).await?;
    if group.is_declared() {
        let message = format!("group {:.200?} is declared in a file", name.share);
        let hint = "take its line out of the file `groups` of its vhost and reload first";
        return Err(Fault::new(StatusCode::CONFLICT, "declared", message).hint(hint));
    }
    if group.members() > 0 && !unsubscribes {
        return Err(has_members(&name, group.members()));
    }
    let ended = end(admin, &name, unsubscribes).await;
    let result = match &ended {
        Ok(GroupEnded { has_members: true, .. }) => "it has members again",
        Ok(_) => "ended",
        Err(_) => "not known yet",
    };
    by.audit_in("delete group", vhost, &name.share, result);
    let GroupEnded { left, has_members: is_kept } = ended?;
    if is_kept {
        return Err(has_members(&name, 1));
    }
    let messages = group.waiting + group.inflight;
    Ok(json_of(StatusCode::OK, &json!({ "messages": messages, "members": left })))
}

/// Has all shards end their parts, and before, if asked for, what members they have.
async fn end(admin: &Admin, name: &GroupName, unsubscribes: bool) -> Result<GroupEnded, Fault> {
    let mut sum = GroupEnded::default();
    // No part ends before all members have left: one that is there would make it anew.
    let orders = [GroupEnd::of_members(name.clone()), GroupEnd::of_part(name.clone())];
    for order in orders.iter().filter(|order| unsubscribes || !order.is_of_members) {
        for shard in 0..admin.asker.shards() {
            let question = Question::GroupEnd(Box::new(order.clone()));
            let Reply::GroupEnded(ended) = admin.asker.ask(shard, question).await? else {
                unreachable!("the end of a group is answered with what became of it")
            };
            sum.left += ended.left;
            sum.has_members |= ended.has_members;
        }
    }
    Ok(sum)
}

fn has_members(name: &GroupName, count: u64) -> Fault {
    let message = format!("group {:.200?} has members: {count} at least", name.share);
    let hint = "they unsubscribe, or you say members=unsubscribe: they get nothing of it any more";
    Fault::new(StatusCode::CONFLICT, "has_members", message).hint(hint)
}

/// Drops what waits in a group.
pub(super) async fn purge(admin: &Admin, query: &Query<'_>, by: &Actor) -> Answer {
    let (vhost, name) = named(admin, query)?;
    find(admin, vhost, &name).await?;
    let mut sum = 0;
    for shard in 0..admin.asker.shards() {
        let question = Question::GroupPurge(Box::new(GroupPurge::new(name.clone())));
        let answer = admin.asker.ask(shard, question).await;
        let Reply::Purged(purged) = answer.inspect_err(|_| {
            let result = format!("stopped after {sum} messages");
            by.audit_in("purge group", vhost, &name.share, &result);
        })?
        else {
            unreachable!("an order to purge is answered with what was purged")
        };
        sum += purged.unwrap_or(0);
    }
    let result = format!("{sum} messages dropped");
    by.audit_in("purge group", vhost, &name.share, &result);
    Ok(json_of(StatusCode::OK, &json!({ "purged": sum })))
}
