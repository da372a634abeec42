//! Consumer groups: a list of them, one, and its members. Every shard has a part of each group, and
//! tells its parts in the same order; here the parts are put together.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use serde_json::{Map, Value, json};

use crate::broker::inspect::{
    GroupCounts, GroupListing, GroupName, GroupRow, GroupsWanted, MemberListing, MemberPlace,
    MemberRow, OwnMember, Question, Reply, Sheet,
};
use crate::limits::{CURSOR_TOPIC_BYTES_MAX, PAGE_ROWS_MAX};
use crate::mqtt::{SharedFilter, TopicFilter};

use super::answer::{Answer, Fault, json_of};
use super::item::{named_or_none, seconds};
use super::query::Query;
use super::rows::Rows;
use super::state::Admin;

/// Rows of a page, if nothing else is asked for.
const ROWS_USUAL: usize = 100;

/// A group, all its parts together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) vhost: String,
    /// Each shard knows of all members.
    members: u64,
    connected: u64,
    order: &'static str,
    durable: bool,
    pub(super) waiting: u64,
    pub(super) inflight: u64,
    pub(super) bytes: u64,
    pub(super) lag_ms: Option<u64>,
    pub(super) counts: GroupCounts,
}

impl Group {
    fn of(row: &GroupRow, vhost: &str) -> Self {
        Self {
            vhost: vhost.to_owned(),
            members: row.members,
            connected: row.connected,
            order: row.order,
            durable: row.durable,
            waiting: row.waiting,
            inflight: row.inflight,
            bytes: row.bytes,
            lag_ms: row.lag_ms,
            counts: row.counts,
        }
    }

    fn add(&mut self, row: &GroupRow) {
        self.members = self.members.max(row.members);
        self.connected = self.connected.max(row.connected);
        self.durable |= row.durable;
        self.waiting += row.waiting;
        self.inflight += row.inflight;
        self.bytes += row.bytes;
        self.lag_ms = self.lag_ms.max(row.lag_ms);
        self.counts += &row.counts;
    }

    /// Members whose clients are connected.
    pub(super) fn connected(&self) -> u64 {
        self.connected
    }

    fn item(&self, share: &str) -> Value {
        let filter = TopicFilter::parse(share).ok().and_then(SharedFilter::parse);
        let filter = filter.and_then(Result::ok);
        let name = filter.map(|filter| filter.name());
        let filter = filter.map(|filter| filter.filter().as_str());
        let counts = &self.counts;
        let dropped: Map<String, Value> = counts
            .dropped()
            .map(|(why, count)| (why.to_owned(), count.into()))
            .into_iter()
            .collect();
        let mut item = json!({
            "group": share,
            "vhost": self.vhost,
            "name": name,
            "filter": filter,
            "order": self.order,
            "durable": self.durable,
            "members": self.members,
            "connected": self.connected,
            "inflight": self.inflight,
            "backlog": { "messages": self.waiting, "bytes": self.bytes },
            "delivered": counts.delivered,
            "acknowledged": counts.acknowledged,
            "redelivered": counts.redelivered,
            "refused": counts.refused,
            "dropped": dropped,
        });
        if let Some(lag_ms) = self.lag_ms {
            item["backlog"]["lag_seconds"] = seconds(lag_ms).into();
        }
        item
    }
}

/// Rows of all shards, each put together from its parts; none of which a part may be missing.
struct Merged<K, V> {
    rows: BTreeMap<K, V>,
    /// A shard has looked no further than here.
    until: Option<K>,
}

impl<K: Ord + Clone, V> Merged<K, V> {
    fn new() -> Self {
        Self { rows: BTreeMap::new(), until: None }
    }

    /// A shard has more rows, behind this one.
    fn bound(&mut self, next: Option<K>) {
        if let Some(next) = next
            && self.until.as_ref().is_none_or(|until| next < *until)
        {
            self.until = Some(next);
        }
    }

    /// The rows that are whole, `limit` at most, and behind which there are more, if there are.
    fn into_page(self, limit: usize) -> (Vec<(K, V)>, Option<K>) {
        let Self { rows, mut until } = self;
        let is_whole = |key: &K| until.as_ref().is_none_or(|until| key <= until);
        let mut page: Vec<(K, V)> = rows.into_iter().take_while(|(key, _)| is_whole(key)).collect();
        if page.len() > limit {
            page.truncate(limit);
            until = page.last().map(|(key, _)| key.clone());
        }
        (page, until)
    }
}

/// The next groups behind one, and behind which there are more, if there are.
pub(super) async fn page_of_groups(
    admin: &Admin,
    (wanted, with_lag): (&GroupsWanted, bool),
    after: Option<GroupName>,
    limit: usize,
) -> Result<(Vec<(GroupName, Group)>, Option<GroupName>), Fault> {
    let mut merged: Merged<GroupName, Group> = Merged::new();
    for shard in 0..admin.asker.shards() {
        let listing = GroupListing {
            wanted: wanted.clone(),
            with_lag,
            after: after.clone(),
            limit,
            ..GroupListing::default()
        };
        let question = Question::Groups(Box::new(listing));
        let Reply::Groups(sheet) = admin.asker.ask(shard, question).await? else {
            unreachable!("a question for groups is answered with groups")
        };
        for row in &sheet.rows {
            let name = GroupName { vhost: row.vhost_number, share: sheet.text(row.share).into() };
            match merged.rows.get_mut(&name) {
                Some(group) => group.add(row),
                None => drop(merged.rows.insert(name, Group::of(row, sheet.text(row.vhost)))),
            }
        }
        merged.bound(sheet.next);
    }
    Ok(merged.into_page(limit))
}

/// A page of groups.
pub(super) async fn groups(
    admin: &Admin,
    query: &Query<'_>,
    mut rows: Rows,
) -> Result<Rows, Fault> {
    let limit = query.number("limit", (1, ROWS_USUAL, PAGE_ROWS_MAX))?;
    let wanted = match query.get("vhost") {
        Some(name) => GroupsWanted::Vhost(admin.vhost(name)?),
        None => GroupsWanted::All,
    };
    let after = cursor_in(query, group_of)?;
    let (page, next) = page_of_groups(admin, (&wanted, false), after, limit).await?;
    page.iter().for_each(|(name, group)| rows.push(group.item(&name.share)));
    rows.next = next.map(|next| cursor_of(&next));
    Ok(rows)
}

fn cursor_in<T>(query: &Query<'_>, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Fault> {
    let wrong = || Fault::of_field("cursor", "cursor is the `next` of another page");
    query.get("cursor").map(|text| parse(text).ok_or_else(wrong)).transpose()
}

/// Where a list goes on. Of a very long filter no more is kept than the beginning, and the list
/// goes on behind all that begin so.
fn cursor_of(name: &GroupName) -> String {
    let kept = &name.share[..name.share.floor_char_boundary(CURSOR_TOPIC_BYTES_MAX)];
    let end = if kept.len() < name.share.len() { "\u{10ffff}" } else { "" };
    format!("g{}.{}", name.vhost, URL_SAFE_NO_PAD.encode(format!("{kept}{end}")))
}

fn group_of(cursor: &str) -> Option<GroupName> {
    let (vhost, share) = cursor.strip_prefix('g')?.split_once('.')?;
    let share = String::from_utf8(URL_SAFE_NO_PAD.decode(share).ok()?).ok()?;
    Some(GroupName { vhost: vhost.parse().ok()?, share: share.into() })
}

/// One group.
pub(super) async fn group(admin: &Admin, query: &Query<'_>) -> Answer {
    let (vhost, name) = named(admin, query)?;
    let (_, group) = find(admin, vhost, &name).await?;
    Ok(json_of(StatusCode::OK, &group.item(&name.share)))
}

/// The vhost and the group that parameters name.
pub(super) fn named<'q>(
    admin: &Admin,
    query: &'q Query<'_>,
) -> Result<(&'q str, GroupName), Fault> {
    let vhost = query.get("vhost").unwrap_or("/");
    let share = query.need("group")?;
    let filter = TopicFilter::parse(share).ok().and_then(SharedFilter::parse);
    if filter.is_none_or(|filter| filter.is_err()) {
        let says = "group is the whole filter of a shared subscription, as in $share/NAME/a/b/#";
        return Err(Fault::of_field("group", says));
    }
    Ok((vhost, GroupName { vhost: admin.vhost(vhost)?, share: share.into() }))
}

/// The group of this name.
pub(super) async fn find(
    admin: &Admin,
    vhost: &str,
    name: &GroupName,
) -> Result<(GroupName, Group), Fault> {
    let wanted = GroupsWanted::One(name.clone());
    let (mut found, _) = page_of_groups(admin, (&wanted, true), None, 1).await?;
    found.pop().ok_or_else(|| no_group(vhost, name))
}

pub(super) fn no_group(vhost: &str, name: &GroupName) -> Fault {
    let message = format!("no group {:.200?} in vhost {vhost:?}", name.share);
    Fault::new(StatusCode::NOT_FOUND, "not_found", message)
        .hint("/api/v1/groups lists them; the filter is a part of the name")
}

/// A member, of all shards together.
#[derive(Clone, Default, Debug)]
struct Member {
    lanes: u64,
    inflight: u64,
    connected: bool,
    has_left: bool,
    /// Client id, user, and what its own shard knows besides.
    own: Option<(String, String, OwnMember)>,
}

impl Member {
    fn add(&mut self, row: &MemberRow, sheet: &Sheet<MemberRow, MemberPlace>) {
        self.lanes += row.lanes;
        self.inflight += row.inflight;
        if let Some(own) = row.own {
            (self.connected, self.has_left) = (row.connected, row.has_left);
            let (id, user) = (sheet.text(own.id).to_owned(), sheet.text(own.user).to_owned());
            self.own = Some((id, user, own));
        }
    }

    fn item(&self, shard: u16) -> Option<Value> {
        // One whose session has ended meanwhile.
        let (id, user, own) = self.own.as_ref()?;
        Some(json!({
            "id": id,
            "user": named_or_none(user),
            "shard": shard,
            "clean": own.clean,
            "connected": self.connected,
            "state": state_of(self, own),
            "qos": own.qos,
            "lanes": self.lanes,
            "inflight": self.inflight,
            "inflight_all": own.inflight_all,
            "window": own.window,
        }))
    }
}

/// Why a member gets messages, or none.
fn state_of(member: &Member, own: &OwnMember) -> &'static str {
    match (member.has_left, own.suspended, member.connected) {
        (true, ..) => "left",
        (_, true, _) => "suspended",
        (_, _, false) => "absent",
        _ if own.is_full => "full",
        _ if own.inflight_all >= own.window => "window_full",
        _ => "ok",
    }
}

/// A page of a group's members.
pub(super) async fn members(
    admin: &Admin,
    query: &Query<'_>,
    mut rows: Rows,
) -> Result<Rows, Fault> {
    let limit = query.number("limit", (1, ROWS_USUAL, PAGE_ROWS_MAX))?;
    let (vhost, name) = named(admin, query)?;
    let after = cursor_in(query, member_of)?;
    if after.is_none() {
        find(admin, vhost, &name).await?;
    }
    let mut merged: Merged<MemberPlace, Member> = Merged::new();
    for shard in 0..admin.asker.shards() {
        let listing = MemberListing { group: name.clone(), after, limit };
        let question = Question::Members(Box::new(listing));
        let Reply::Members(sheet) = admin.asker.ask(shard, question).await? else {
            unreachable!("a question for members is answered with members")
        };
        for row in &sheet.rows {
            merged.rows.entry(row.place).or_default().add(row, &sheet);
        }
        merged.bound(sheet.next);
    }
    let (page, next) = merged.into_page(limit);
    page.iter().filter_map(|(place, member)| member.item(place.shard)).for_each(|it| rows.push(it));
    rows.next = next.map(|MemberPlace { shard, session }| format!("m{shard}.{session:x}"));
    Ok(rows)
}

fn member_of(cursor: &str) -> Option<MemberPlace> {
    let (shard, session) = cursor.strip_prefix('m')?.split_once('.')?;
    let session = u32::from_str_radix(session, 16).ok()?;
    Some(MemberPlace { shard: shard.parse().ok()?, session })
}

#[cfg(test)]
mod tests {
    use super::*;

    // A cursor is read as it was written; one behind a very long filter is behind it in order.
    #[test]
    fn cursors() {
        for share in ["", "$share/a/b/#", "$share/ä/+"] {
            let name = GroupName { vhost: 7, share: share.into() };
            assert_eq!(group_of(&cursor_of(&name)), Some(name));
        }
        let long = format!("$share/a/{}", "ä".repeat(CURSOR_TOPIC_BYTES_MAX));
        let name = GroupName { vhost: 0, share: long.as_str().into() };
        let read = group_of(&cursor_of(&name)).expect("it is one");
        assert!(read > name && read.share.len() < CURSOR_TOPIC_BYTES_MAX + 9);
        for text in ["", "g", "g1", "g1.*", "gx.YQ", "m1.1", "g70000.YQ"] {
            assert_eq!(group_of(text), None, "{text}");
        }
        let place = MemberPlace { shard: 3, session: 0x81f2 };
        assert_eq!(member_of("m3.81f2"), Some(place));
        for text in ["", "m", "m3", "m3.x", "g3.1"] {
            assert_eq!(member_of(text), None, "{text}");
        }
    }

    // A page ends where a shard has not looked yet, or at its limit; the next begins behind it.
    #[test]
    fn pages_have_whole_rows() {
        let merged = |until| Merged { rows: (1..6).map(|n| (n, n)).collect(), until };
        let keys = |(page, next): (Vec<(i32, i32)>, _)| {
            (page.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), next)
        };
        assert_eq!(keys(merged(None).into_page(9)), (vec![1, 2, 3, 4, 5], None));
        assert_eq!(keys(merged(None).into_page(5)), (vec![1, 2, 3, 4, 5], None));
        assert_eq!(keys(merged(None).into_page(2)), (vec![1, 2], Some(2)));
        assert_eq!(keys(merged(Some(3)).into_page(9)), (vec![1, 2, 3], Some(3)));
        assert_eq!(keys(merged(Some(0)).into_page(9)), (vec![], Some(0)));
        let mut parts: Merged<i32, ()> = Merged::new();
        [None, Some(7), Some(4), None, Some(9)].into_iter().for_each(|next| parts.bound(next));
        assert_eq!(parts.until, Some(4));
    }
}
