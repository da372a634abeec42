//! Consumer groups: begin, change of members and end of this shard's part of a group (see
//! [`super::super::group`]).

use log::{info, warn};

use crate::limits::GROUP_DELIVERIES_TOLD;
use crate::mqtt::{SharedFilter, TopicFilter};
use crate::store::{SessionKey, lane_of_name};

use super::super::names::{Context, ShardId, VhostId};
use super::super::peer::MemberName;
use super::Shard;

/// How a member leaves a group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    Unsubscribed,
    /// Its session has ended.
    Ended,
    /// The rules do not let it read all topics of the filter any more.
    Suspended,
}

/// The filter of an existing group.
fn parsed(share: &str) -> SharedFilter<'_> {
    let filter = TopicFilter::parse(share).ok().and_then(SharedFilter::parse);
    filter.and_then(Result::ok).expect("it was checked when the group was made")
}

impl Shard {
    /// A session of any shard joins a group.
    pub(super) fn handle_join(
        &mut self,
        who: (ShardId, SessionKey, u64),
        (vhost, share): (VhostId, &str),
        membership: u32,
        durable: bool,
        context: &mut Context<'_>,
    ) {
        let group = self.group_or_new(vhost, share);
        if durable {
            self.make_durable(group, context);
        }
        if !self.groups.partition.has_members(group) {
            self.end_absence(group);
        }
        self.groups.partition.join(group, who, membership);
        if let Some(at) = self.groups.partition.peer_of(who.0, who.1) {
            self.serve(at, context);
        }
        self.send_wishes(context);
    }

    pub(super) fn group_or_new(&mut self, vhost: VhostId, share: &str) -> u32 {
        self.groups.partition.find(vhost, share).unwrap_or_else(|| {
            let group = self.groups.partition.create(vhost, share, self.options.group_order);
            self.exchanges.set_group(vhost, parsed(share).filter(), group, true);
            group
        })
    }

    /// Makes a group keep its messages on disk from now on. Lanes in memory are emptied first, each
    /// before the lane on disk that takes its place.
    pub(super) fn make_durable(&mut self, group: u32, context: &mut Context<'_>) {
        match self.groups.partition.group_mut(group) {
            Some(found) if !found.durable => found.durable = true,
            _ => return,
        }
        let before = self.groups.partition.lanes_of(group);
        for slot in &before {
            let number = self.groups.partition.lane(*slot).map_or(0, |lane| lane.number);
            self.open_lane(group, number, context);
        }
        if self.groups.partition.lane_at(group, 0).is_none() {
            self.open_lane(group, 0, context);
        }
        for slot in before {
            let key = self.groups.partition.lane(slot).map(|lane| lane.key);
            if key.is_some_and(|key| self.catalog.session(key).queue.is_empty()) {
                self.end_lane(slot, context);
            }
        }
    }

    /// Notes that a group has a member again.
    pub(super) fn end_absence(&mut self, group: u32) {
        let Some(head) = self.head_of(group) else { return };
        self.expiry.clear_deadline(head);
        if self.catalog.session(head).left_ms > 0 {
            self.catalog.set_memberless(head, None, &mut self.logs);
        }
    }

    /// The session that records how long a durable group has had no members: its lane 0.
    pub(super) fn head_of(&self, group: u32) -> Option<SessionKey> {
        let slot = self.groups.partition.lane_at(group, 0)?;
        let key = self.groups.partition.lane(slot)?.key;
        (!self.catalog.session(key).clean).then_some(key)
    }

    /// A session of any shard leaves a group. If the last member leaves by UNSUBSCRIBE, the group
    /// and its messages end (4.8.2). If the last member's session ends, a group in memory ends, and
    /// the expiry of a group on disk begins.
    pub(super) fn handle_leave(
        &mut self,
        shard: ShardId,
        session: SessionKey,
        (vhost, share): (VhostId, &str),
        how: Leave,
        context: &mut Context<'_>,
    ) {
        let Some(group) = self.groups.partition.find(vhost, share) else { return };
        if let Some(at) = self.groups.partition.peer_of(shard, session) {
            self.groups.partition.leave(group, at);
            self.go_on_without(at, context);
        }
        if self.groups.partition.has_members(group) || how == Leave::Suspended {
            return;
        }
        let Some(found) = self.groups.partition.group(group) else { return };
        let ends = how == Leave::Unsubscribed || !found.durable;
        if ends && found.declared.is_none() {
            return self.end_group(group, context);
        }
        if let Some(head) = self.head_of(group) {
            let time_ms = self.time_ms(context.now_ms);
            self.catalog.set_memberless(head, Some(time_ms), &mut self.logs);
            self.expect_end_of_group(head, 0, context);
        }
    }

    /// Sets when a group without members ends, in `least_ms` at the earliest.
    pub(super) fn expect_end_of_group(
        &mut self,
        head: SessionKey,
        least_ms: u64,
        context: &Context<'_>,
    ) {
        let Some(expiry_ms) = self.group_expiry_ms(head) else {
            return self.expiry.clear_deadline(head);
        };
        let (left_ms, time_ms) = (self.catalog.session(head).left_ms, self.time_ms(context.now_ms));
        let away_ms = self.catalog.timeline.age_ms(left_ms, time_ms, expiry_ms / 2);
        let due_ms = context.now_ms + expiry_ms.saturating_sub(away_ms).max(least_ms);
        self.expiry.set_deadline(head, due_ms);
    }

    /// Ends a group that has had no members for too long, unless the limit has been raised
    /// meanwhile.
    pub(super) fn expire_group(&mut self, head: SessionKey, context: &mut Context<'_>) {
        let Some((_, share)) = lane_of_name(&self.catalog.session(head).client_id) else { return };
        let vhost = VhostId(self.catalog.session(head).vhost);
        let Some(group) = self.groups.partition.find(vhost, share) else { return };
        if self.groups.partition.has_members(group) {
            return;
        }
        let Some(expiry_ms) = self.group_expiry_ms(head) else { return };
        let (left_ms, time_ms) = (self.catalog.session(head).left_ms, self.time_ms(context.now_ms));
        if self.catalog.timeline.age_ms(left_ms, time_ms, expiry_ms / 2) < expiry_ms {
            return self.expect_end_of_group(head, 1, context);
        }
        let name = self.exchanges.name(vhost);
        let is_declared =
            self.groups.partition.group(group).is_some_and(|group| group.declared.is_some());
        let what = if is_declared { "expiry in its file of groups" } else { "--group-expiry" };
        info!("group {share:.80?} of vhost {name} had no members for too long ({what})");
        self.end_group(group, context);
        if is_declared {
            // It goes on without what waited in it.
            self.declare_groups(context);
        }
    }

    /// Lanes that waited for this member choose another.
    fn go_on_without(&mut self, at: u32, context: &mut Context<'_>) {
        for slot in self.groups.partition.take_starved(at) {
            self.dispatch(slot, None, context);
        }
    }

    /// Ends a group and its messages.
    pub(super) fn end_group(&mut self, group: u32, context: &mut Context<'_>) {
        let Some(found) = self.groups.partition.group(group) else { return };
        let (vhost, share) = (found.vhost, found.share.clone());
        self.exchanges.set_group(vhost, parsed(&share).filter(), group, false);
        for slot in self.groups.partition.lanes_of(group) {
            if let Some(lane) = self.groups.partition.remove_lane(slot) {
                self.expiry.clear_deadline(lane.key);
                self.catalog.end_session(lane.key, &mut self.logs);
            }
        }
        self.groups.partition.remove(group);
        self.end_pace(group, context);
        for conn in self.groups.blocked.remove(&group).unwrap_or_default() {
            self.resume_for_full_session(conn, context);
        }
        self.relieve_vhost(vhost, context);
    }

    /// Ends an empty, retired lane; the lane behind it goes on.
    pub(super) fn end_lane(&mut self, slot: u32, context: &mut Context<'_>) {
        let id = self.groups.partition.id_of(slot);
        let Some(lane) = self.groups.partition.remove_lane(slot) else { return };
        self.catalog.end_session(lane.key, &mut self.logs);
        let behind = self.groups.partition.take_next_behind(lane.group, lane.number, id);
        if let Some(behind) = behind {
            self.dispatch(behind, None, context);
        }
    }

    /// A member of any shard has a connection.
    pub(super) fn handle_begin(
        &mut self,
        (shard, name): (ShardId, MemberName),
        credit: u32,
        weight: u64,
        context: &mut Context<'_>,
    ) {
        let MemberName { session, incarnation } = name;
        let partition = &mut self.groups.partition;
        let at = partition.begin((shard, session, weight), incarnation, credit);
        // Messages that it has not answered are sent again before new ones.
        for slot in self.groups.partition.owned(at) {
            self.take_lane_back(slot);
            self.dispatch(slot, None, context);
        }
        self.serve(at, context);
        self.send_wishes(context);
    }

    /// Makes the unanswered messages of a lane's owner the next to be sent; returns the oldest, if
    /// there is one.
    fn take_lane_back(&mut self, slot: u32) -> Option<u64> {
        let key = self.groups.partition.lane(slot)?.key;
        let mut session = self.catalog.session_mut(key);
        let had_any = session.queue.unacked() > 0;
        session.rewind();
        let (first, sent) = (session.queue.first(), session.queue.sent());
        drop(session);
        self.groups.partition.keep(slot, sent);
        had_any.then_some(first)
    }

    pub(super) fn handle_away(
        &mut self,
        shard: ShardId,
        session: SessionKey,
        context: &mut Context<'_>,
    ) {
        let Some(at) = self.groups.partition.peer_of(shard, session) else { return };
        self.groups.partition.pause(at);
        let mut heads = Vec::new();
        for slot in self.groups.partition.owned(at) {
            if let Some(first) = self.take_lane_back(slot) {
                heads.extend(self.note_loss(slot, first));
            }
        }
        heads.into_iter().for_each(|(slot, first)| self.set_head_aside(slot, first, context));
        self.go_on_without(at, context);
        self.send_wishes(context);
    }

    /// Counts that a member was lost while it had the oldest message of a lane. Returns both if the
    /// message is not to be sent again.
    fn note_loss(&mut self, slot: u32, first: u64) -> Option<(u32, u64)> {
        let losses = self.groups.partition.note_loss(slot, first);
        self.tell_losses(slot, losses);
        let lane = self.groups.partition.lane(slot)?;
        let group = self.groups.partition.group(lane.group)?;
        let deliveries_max = group.declared.as_ref()?.deliveries_max?;
        self.catalog.note_losses(lane.key, first, losses, &mut self.logs);
        (losses >= deliveries_max).then_some((slot, first))
    }

    /// The time to wait for a member is over. `ended`: its session has ended, so it never returns.
    pub(super) fn handle_gone(
        &mut self,
        shard: ShardId,
        session: SessionKey,
        ended: bool,
        context: &mut Context<'_>,
    ) {
        let Some(at) = self.groups.partition.peer_of(shard, session) else { return };
        self.groups.partition.pause(at);
        self.groups.partition.expire(at);
        let owned = self.groups.partition.owned(at);
        let mut heads = Vec::new();
        for slot in &owned {
            if let Some(first) = self.take_lane_back(*slot) {
                heads.extend(self.note_loss(*slot, first));
            }
            if ended {
                self.groups.partition.free(*slot);
            }
        }
        self.go_on_without(at, context);
        if ended {
            self.groups.partition.forget(at);
        }
        heads.into_iter().for_each(|(slot, first)| self.set_head_aside(slot, first, context));
        owned.into_iter().for_each(|slot| self.dispatch(slot, None, context));
        self.send_wishes(context);
    }

    /// Logs that several members in a row were lost with the same message.
    fn tell_losses(&mut self, slot: u32, losses: u8) {
        let Some(lane) = self.groups.partition.lane(slot) else { return };
        let Some(group) = self.groups.partition.group(lane.group) else { return };
        if losses != GROUP_DELIVERIES_TOLD {
            return;
        }
        let share = &group.share;
        warn!(
            "group {share:.80?}: {losses} members in a row were lost with the same message; it \
             goes to the next one alone"
        );
    }
}
