//! Sessions here as members of consumer groups: they subscribe, connect, disconnect and may lose
//! the right (see [`super::super::group`]).

use crate::limits::{GROUP_MEMBERS_MAX, GROUP_WINDOW, GROUPS_MAX};
use crate::mqtt::{
    InvalidShare, QoS, ReasonCode, SharedFilter, SubscribeEntry, SubscriptionId, TopicFilter,
};
use crate::store::{SessionKey, SubscriptionOptions, lane_of_name};

use super::super::group::{Leases, Member, Membership};
use super::super::names::{ConnId, Context, DEFAULT_VHOST, VhostId, placement};
use super::super::peer::{GroupMessage, MemberName, PeerMessage};
use super::Shard;
use super::group_life::Leave;

/// The least time from a start to the end of a group without members: other shards have still to
/// report their members.
const RESTORED_MS_MIN: u64 = 10_000;

impl Shard {
    /// Subscribes a session as a member of a group. QoS 2 is granted as QoS 1: a message sent at
    /// QoS 2 could not go to another member later.
    pub(super) fn subscribe_shared(
        &mut self,
        (vhost, key): (VhostId, SessionKey),
        shared: Result<SharedFilter<'_>, InvalidShare>,
        entry: &SubscribeEntry<'_>,
        identifier: Option<SubscriptionId>,
        context: &mut Context<'_>,
    ) -> Result<QoS, ReasonCode> {
        let filter = entry.filter;
        let shared = match shared {
            Ok(shared) if !shared.filter().is_system() => shared,
            Ok(_) => {
                let why = "topics of the system are for no group";
                self.refuse_subscription(key, filter, why);
                return Err(ReasonCode::TopicFilterInvalid);
            }
            Err(why) => {
                self.refuse_subscription(key, filter, &why.to_string());
                return Err(ReasonCode::TopicFilterInvalid);
            }
        };
        let session = self.catalog.session(key);
        if !self.admission.may_subscribe(session, filter) {
            let why = "the access rules deny it: a member of a group must be allowed every topic";
            self.client_log.denied_subscription((key, &session.client_id), filter, why);
            self.stats.subscriptions_denied += 1;
            self.quotas.counts_mut(vhost).subscriptions_denied += 1;
            return Err(ReasonCode::NotAuthorized);
        }
        let (share, granted) = (shared.as_str(), entry.qos.min(QoS::AtLeastOnce));
        if !self.has_room_in_groups(vhost, share) {
            self.refuse_subscription(key, filter, "there are as many groups or members as may be");
            return Err(ReasonCode::QuotaExceeded);
        }
        let options = SubscriptionOptions {
            qos: granted as u8,
            no_local: false,
            retain_as_published: entry.retain_as_published,
            identifier: identifier.map_or(0, SubscriptionId::get),
        };
        if !self.has_room_for(key, share)
            || self.catalog.subscribe(key, share, options, &mut self.logs).is_none()
        {
            self.refuse_subscription(key, filter, "the session has as many as it may");
            return Err(ReasonCode::QuotaExceeded);
        }
        let membership = Membership {
            vhost,
            share: share.into(),
            granted,
            identifier,
            retain_as_published: entry.retain_as_published,
            suspended: false,
        };
        self.add_membership(key, membership);
        self.join(key, vhost, share, context);
        Ok(granted)
    }

    /// Whether the bounds allow another group, or another member of this one.
    fn has_room_in_groups(&self, vhost: VhostId, share: &str) -> bool {
        let partition = &self.groups.partition;
        match partition.find(vhost, share) {
            Some(group) => partition.members(group).0 < GROUP_MEMBERS_MAX,
            None => partition.groups_of(vhost) < GROUPS_MAX,
        }
    }

    fn add_membership(&mut self, key: SessionKey, membership: Membership) {
        let session = self.catalog.session(key);
        let (clean, shards, below) = (session.clean, self.options.shards, session.leases_below());
        let member = self.groups.member_or(key, || {
            let leases = if clean { Leases::volatile() } else { Leases::starting_at(below) };
            Member::new(leases, shards)
        });
        match member.membership(membership.vhost, &membership.share) {
            Some(at) => {
                if let Some(known) = member.memberships.get_mut(at) {
                    *known = membership;
                }
            }
            None => {
                member.memberships.insert(membership);
            }
        }
    }

    fn weight_of(&self, key: SessionKey) -> u64 {
        let session = self.catalog.session(key);
        placement::weight_of(self.exchanges.name(VhostId(session.vhost)), &session.client_id)
    }

    /// Tells all shards that a session here is a member.
    fn join(&mut self, key: SessionKey, vhost: VhostId, share: &str, context: &mut Context<'_>) {
        let member = self.groups.member(key);
        let Some(membership) = member.and_then(|member| member.membership(vhost, share)) else {
            return;
        };
        let durable = !self.catalog.session(key).clean;
        let weight = self.weight_of(key);
        let join = GroupMessage::Join { session: key, membership, durable, weight, share };
        self.send_to_all(vhost, &PeerMessage::Group(join), context);
        let here = self.options.shard;
        self.handle_join((here, key, weight), (vhost, share), membership, durable, context);
    }

    /// Handles UNSUBSCRIBE of a group; returns whether other shards were told.
    pub(super) fn unsubscribe_shared(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        share: &str,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(member) = self.groups.member_mut(key) else { return false };
        if let Some(at) = member.membership(vhost, share) {
            member.memberships.remove(at);
        }
        self.leave(key, (vhost, share), Leave::Unsubscribed, context)
    }

    /// Tells all shards that a session here is not a member any more.
    fn leave(
        &mut self,
        key: SessionKey,
        (vhost, share): (VhostId, &str),
        how: Leave,
        context: &mut Context<'_>,
    ) -> bool {
        let leave = GroupMessage::Leave {
            session: key,
            unsubscribed: how == Leave::Unsubscribed,
            suspended: how == Leave::Suspended,
            share,
        };
        let is_told = self.send_to_all(vhost, &PeerMessage::Group(leave), context);
        self.handle_leave(self.options.shard, key, (vhost, share), how, context);
        is_told
    }

    /// A client has subscribed: if it is a new member, it gets messages from now on. If its SUBACK
    /// waits, other shards know it before, so that no QoS 0 message published after the SUBACK
    /// misses it; messages that wait for anybody come after the SUBACK (see
    /// [`Shard::open_member`]).
    pub(super) fn begin_if_new(&mut self, conn: ConnId, waits: bool, context: &mut Context<'_>) {
        let Some(key) = self.connections.session(conn) else { return };
        if self.groups.member(key).is_some_and(|member| member.conn.is_none()) {
            self.begin_with_window(key, if waits { 0 } else { GROUP_WINDOW }, context);
        }
    }

    /// A client's SUBACK was sent: a new member gets credit.
    pub(super) fn open_member(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(key) = self.connections.session(conn) else { return };
        let window = self.delivery.receive_max(conn).min(GROUP_WINDOW);
        let member = self.groups.member_mut(key).filter(|member| member.conn == Some(conn));
        if let Some(member) = member.filter(|member| member.window() == 0) {
            member.set_window(window.into());
            self.give_credit(key, context);
            self.send_wishes(context);
        }
    }

    /// A member's client is connected: tells all shards how much it takes.
    pub(super) fn begin_member(&mut self, key: SessionKey, context: &mut Context<'_>) {
        self.begin_with_window(key, GROUP_WINDOW, context);
    }

    fn begin_with_window(&mut self, key: SessionKey, window_max: u16, context: &mut Context<'_>) {
        if !self.groups.has_members() || self.groups.member(key).is_none() {
            return;
        }
        let Some(conn) = self.catalog.session(key).holder.map(ConnId::of) else { return };
        self.groups.end_grace(key);
        self.reserve_leases(key);
        let own = self.catalog.session(key).queue.unacked();
        let receive_max = self.delivery.receive_max(conn);
        let weight = self.weight_of(key);
        let incarnation = self.groups.next_incarnation();
        let Some(member) = self.groups.member_mut(key) else { return };
        member.incarnation = incarnation;
        member.is_limited = receive_max < u16::MAX;
        member.receive_max = receive_max.into();
        let credit = member.begin(conn, receive_max.min(window_max).into(), own);
        let name = MemberName { session: key, incarnation: member.incarnation };
        self.update_leased(key);
        let begin = GroupMessage::Begin { member: name, credit, weight };
        self.send_to_all(DEFAULT_VHOST, &PeerMessage::Group(begin), context);
        self.handle_begin((self.options.shard, name), credit, weight, context);
    }

    /// The client of a durable session is disconnected: its lanes wait for it for a while.
    pub(super) fn pause_member(&mut self, key: SessionKey, context: &mut Context<'_>) {
        let Some(member) = self.groups.member_mut(key) else { return };
        if member.conn.is_none() {
            return;
        }
        member.end();
        // Its answers precede its leave.
        self.flush_groups(context);
        self.groups.begin_grace(key, context.now_ms + self.options.group_grace_ms);
        let away = PeerMessage::Group(GroupMessage::Away { session: key });
        self.send_to_all(DEFAULT_VHOST, &away, context);
        self.handle_away(self.options.shard, key, context);
    }

    /// Ends the wait for disconnected members: other members get their lanes.
    pub(super) fn end_graces(&mut self, context: &mut Context<'_>) {
        while let Some(key) = self.groups.take_due(context.now_ms) {
            let gone = PeerMessage::Group(GroupMessage::Gone { session: key, ended: false });
            self.send_to_all(DEFAULT_VHOST, &gone, context);
            self.handle_gone(self.options.shard, key, false, context);
        }
    }

    /// Ends the memberships of a session that ends.
    pub(super) fn end_member(&mut self, key: SessionKey, context: &mut Context<'_>) {
        if !self.groups.has_members() {
            return;
        }
        // Its answers precede its end.
        self.flush_groups(context);
        let Some(member) = self.groups.member_mut(key) else { return };
        member.end();
        let keys: Vec<u32> = member.memberships.keys_from(0).collect();
        let memberships: Vec<Membership> =
            keys.into_iter().filter_map(|at| member.memberships.remove(at)).collect();
        self.groups.remove_member(key);
        for Membership { vhost, share, .. } in memberships {
            self.leave(key, (vhost, &share), Leave::Ended, context);
        }
        let gone = PeerMessage::Group(GroupMessage::Gone { session: key, ended: true });
        self.send_to_all(DEFAULT_VHOST, &gone, context);
        self.handle_gone(self.options.shard, key, true, context);
    }

    /// Reviews a member after a change of the rules or of its session's user: while it may not read
    /// all topics of the filter, it gets nothing.
    pub(super) fn review_memberships(&mut self, key: SessionKey, context: &mut Context<'_>) {
        let Some(member) = self.groups.member(key) else { return };
        let session = self.catalog.session(key);
        let mut changed = Vec::new();
        for at in member.memberships.keys_from(0) {
            let Some(membership) = member.memberships.get(at) else { continue };
            let filter = TopicFilter::parse(&membership.share).expect("it was granted");
            let suspended = !self.admission.may_subscribe(session, filter);
            if suspended != membership.suspended {
                changed.push((at, membership.vhost, membership.share.clone(), suspended));
            }
        }
        for (at, vhost, share, suspended) in changed {
            let member = self.groups.member_mut(key);
            if let Some(membership) = member.and_then(|member| member.memberships.get_mut(at)) {
                membership.suspended = suspended;
            }
            if suspended {
                self.leave(key, (vhost, &share), Leave::Suspended, context);
            } else {
                self.join(key, vhost, &share, context);
            }
        }
    }

    /// Makes the groups that recovery found, from lanes and members' subscriptions, and tells the
    /// other shards about the members.
    pub(super) fn restore_groups(&mut self, keys: &[SessionKey], context: &mut Context<'_>) {
        for key in keys {
            let session = self.catalog.session(*key);
            let vhost = VhostId(session.vhost);
            let Some((number, share)) = lane_of_name(&session.client_id) else { continue };
            let (share, bytes) = (share.to_owned(), session.queue.stored_bytes());
            let group = self.group_or_new(vhost, &share);
            if let Some(found) = self.groups.partition.group_mut(group) {
                found.durable = true;
            }
            let slot = self.groups.partition.add_lane(group, number, *key, true);
            self.groups.partition.account(slot, bytes);
            // The lane now waits for members.
            self.dispatch(slot, None, context);
        }
        for key in keys {
            let session = self.catalog.session(*key);
            let vhost = VhostId(session.vhost);
            let shared: Vec<Membership> = session
                .subscriptions
                .iter()
                .filter_map(|(filter, options)| {
                    SharedFilter::parse(TopicFilter::parse(filter).ok()?)?.ok()?;
                    Some(Membership {
                        vhost,
                        share: filter.into(),
                        granted: QoS::try_from(options.qos).ok()?.min(QoS::AtLeastOnce),
                        identifier: SubscriptionId::new(options.identifier),
                        retain_as_published: options.retain_as_published,
                        suspended: false,
                    })
                })
                .collect();
            for membership in shared {
                let share = membership.share.clone();
                self.add_membership(*key, membership);
                self.join(*key, vhost, &share, context);
            }
        }
        self.declare_groups(context);
        let groups: Vec<u32> = self.groups.partition.groups().collect();
        for group in groups {
            if self.head_of(group).is_none() {
                self.open_lane(group, 0, context);
            }
            if let Some(head) = self.head_of(group)
                && !self.groups.partition.has_members(group)
            {
                self.expect_end_of_group(head, RESTORED_MS_MIN, context);
            }
        }
    }
}
