//! This shard's part of consumer groups, and its knowledge of their members. Each lane of a group
//! counts as a slot.

use std::ops::ControlFlow;

use crate::limits::{ASK_BYTES_MAX, ASK_SLOTS_MAX, ASK_STEPS_MAX, GROUP_LANES};
use crate::store::{QueueItem, Session};

use super::super::super::inspect::{
    GroupListing, GroupName, GroupRow, GroupsWanted, MemberListing, MemberPlace, MemberRow,
    OwnMember, Reply, Sheet, Step,
};
use super::super::super::names::{Context, ShardId, VhostId};
use super::super::Shard;

/// The slots for which a group with all its lanes counts.
const GROUP_SLOTS: usize = GROUP_LANES;

/// Slots that one step visits.
const SLOTS_MAX: usize = ASK_SLOTS_MAX as usize;

impl Shard {
    pub(super) fn answer_groups(
        &self,
        listing: &mut GroupListing,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        if !matches!(reply, Reply::Groups(_)) {
            *reply = Reply::Groups(Sheet::default());
        }
        let Reply::Groups(sheet) = reply else { unreachable!("it was just made") };
        let before = sheet.bytes();
        let mut slots = 0;
        listing.steps += 1;
        sheet.next = None;
        while let Some(group) = self.next_wanted(listing) {
            let is_last = sheet.is_full(listing.limit) || listing.steps >= ASK_STEPS_MAX;
            if is_last && listing.lanes_read == 0 {
                sheet.next.clone_from(&listing.after);
                return Step::Done;
            }
            if slots >= SLOTS_MAX || sheet.bytes() - before >= ASK_BYTES_MAX {
                return Step::More;
            }
            let name = self.group_name(group);
            slots += 1;
            if is_wanted(&listing.wanted, &name) {
                slots += GROUP_SLOTS;
                if listing.with_lag && self.read_oldest(group, listing, context) {
                    return Step::More;
                }
                let row = self.group_row(group, listing.lag_ms, sheet);
                sheet.rows.push(row);
            }
            (listing.lanes_read, listing.lag_ms) = (0, None);
            listing.after = Some(name);
        }
        Step::Done
    }

    /// The next group to visit.
    fn next_wanted(&self, listing: &GroupListing) -> Option<u32> {
        let after = listing.after.as_ref();
        match &listing.wanted {
            GroupsWanted::One(name) if after.is_none() => {
                self.groups.partition.find(VhostId(name.vhost), &name.share)
            }
            GroupsWanted::One(_) => None,
            GroupsWanted::All | GroupsWanted::Named(_) => {
                let after = after.map(|name| (VhostId(name.vhost), &*name.share));
                self.groups.partition.group_after(after)
            }
            GroupsWanted::Vhost(vhost) => {
                let after =
                    after.map_or((VhostId(*vhost), ""), |name| (VhostId(name.vhost), &*name.share));
                let found = self.groups.partition.group_after(Some(after))?;
                let is_its = |group: &u32| {
                    self.groups.partition.group(*group).is_some_and(|it| it.vhost.0 == *vhost)
                };
                Some(found).filter(is_its)
            }
        }
    }

    fn group_name(&self, group: u32) -> GroupName {
        let found = self.groups.partition.group(group).expect("it was just found");
        GroupName { vhost: found.vhost.0, share: found.share.clone() }
    }

    /// Reads the oldest message of the next of a group's lanes that has any; returns whether there
    /// was one. Each read may wait for the disk.
    fn read_oldest(&self, group: u32, listing: &mut GroupListing, context: &Context<'_>) -> bool {
        let time_ms = self.time_ms(context.now_ms);
        for lane in self.groups.partition.lanes_told(group).skip(listing.lanes_read) {
            listing.lanes_read += 1;
            let session = self.catalog.session(lane.key);
            if !session.queue.is_empty() {
                listing.lag_ms = listing.lag_ms.max(self.lane_lag_ms(session, time_ms));
                return true;
            }
        }
        false
    }

    /// The age of a lane's oldest message.
    pub(super) fn lane_lag_ms(&self, lane: &Session, time_ms: u64) -> Option<u64> {
        let mut oldest = None;
        let _ended = lane.queue.visit(&self.logs, &mut |item| match item {
            QueueItem::Block { .. } | QueueItem::Released { .. } => ControlFlow::Continue(()),
            QueueItem::Message { entry, .. } => {
                oldest = entry.position();
                ControlFlow::Break(())
            }
            QueueItem::Lost { .. } => ControlFlow::Break(()),
        });
        let since_ms = self.logs.message(oldest?)?.time_ms;
        Some(self.catalog.timeline.age_ms(since_ms, time_ms, u64::MAX))
    }

    fn group_row(
        &self,
        group: u32,
        lag_ms: Option<u64>,
        sheet: &mut Sheet<GroupRow, GroupName>,
    ) -> GroupRow {
        let partition = &self.groups.partition;
        let found = partition.group(group).expect("it was just found");
        let (members, connected) = partition.members(group);
        let (mut waiting, mut inflight) = (0, 0);
        for lane in partition.lanes_told(group) {
            let queue = &self.catalog.session(lane.key).queue;
            waiting += queue.waiting();
            inflight += u64::from(queue.unacked());
        }
        GroupRow {
            share: sheet.write(found.share.as_bytes()),
            vhost: sheet.write(self.exchanges.name(found.vhost).as_bytes()),
            vhost_number: found.vhost.0,
            order: found.order.as_str(),
            durable: found.durable,
            members: members as u64,
            connected: connected as u64,
            waiting,
            inflight,
            bytes: found.bytes,
            lag_ms,
            counts: found.counts,
        }
    }

    pub(super) fn answer_members(&self, listing: &mut MemberListing, reply: &mut Reply) -> Step {
        if !matches!(reply, Reply::Members(_)) {
            *reply = Reply::Members(Sheet::default());
        }
        let Reply::Members(sheet) = reply else { unreachable!("it was just made") };
        let name = &listing.group;
        let Some(group) = self.groups.partition.find(VhostId(name.vhost), &name.share) else {
            return Step::Done;
        };
        let (mut looks, mut slots, before) = (ASK_SLOTS_MAX, 0, sheet.bytes());
        sheet.next = None;
        loop {
            let after = listing.after.map(|place| (ShardId(place.shard), place.session));
            let at = match self.groups.partition.member_after(group, after, &mut looks) {
                Ok(Some(at)) => at,
                Ok(None) => return Step::Done,
                Err((shard, session)) => {
                    listing.after = Some(MemberPlace { shard: shard.0, session });
                    return Step::More;
                }
            };
            if sheet.is_full(listing.limit) {
                sheet.next = listing.after;
                return Step::Done;
            }
            if slots >= SLOTS_MAX || sheet.bytes() - before >= ASK_BYTES_MAX {
                return Step::More;
            }
            slots += GROUP_SLOTS;
            let row = self.member_row(group, at, &listing.group.share, sheet);
            listing.after = Some(row.place);
            sheet.rows.push(row);
        }
    }

    fn member_row(
        &self,
        group: u32,
        at: u32,
        share: &str,
        sheet: &mut Sheet<MemberRow, MemberPlace>,
    ) -> MemberRow {
        let peer = self.groups.partition.peer(at).expect("it was just found");
        let held = self.groups.partition.held(group, at);
        let member = Some(peer.session).filter(|_| peer.shard == self.options.shard);
        let own = member.and_then(|key| {
            let member = self.groups.member(key)?;
            let session = self.catalog.sessions().try_get(key)?;
            let membership = member.membership(VhostId(session.vhost), share);
            let membership = membership.and_then(|at| member.memberships.get(at));
            Some(OwnMember {
                id: sheet.write(session.client_id.as_bytes()),
                user: sheet.write(session.owner().unwrap_or_default().as_bytes()),
                clean: session.clean,
                qos: membership.map_or(0, |membership| membership.granted as u8),
                suspended: membership.is_some_and(|membership| membership.suspended),
                is_full: member.is_full,
                inflight_all: member.in_flight().into(),
                window: member.window().into(),
            })
        });
        MemberRow {
            place: MemberPlace { shard: peer.shard.0, session: peer.session },
            connected: peer.is_live,
            has_left: peer.seat(group).is_none(),
            lanes: held.lanes,
            inflight: held.out,
            own,
        }
    }
}

fn is_wanted(wanted: &GroupsWanted, name: &GroupName) -> bool {
    match wanted {
        GroupsWanted::Named(patterns) => {
            patterns.iter().any(|pattern| pattern.has(name.vhost, &name.share))
        }
        GroupsWanted::All | GroupsWanted::Vhost(_) | GroupsWanted::One(_) => true,
    }
}
