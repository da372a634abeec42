//! Consumer groups: messages published here go to lanes, and from there to members (see
//! [`super::super::group`]).

use crate::mqtt::{QoS, TopicName};
use crate::store::{Lifetime, QueueEntry, QueueNext, QueueTerms, StoredMessage, Target, lane_name};

use super::super::group::{Copied, Done, Pick, Wish};
use super::super::names::{Context, DEFAULT_VHOST, RouteHandle, ShardId, ShardSet, VhostId};
use super::super::output::{Message, Source, put_properties};
use super::super::peer::{GroupMessage, MemberName, PeerMessage, Work};
use super::super::publish::InboundMessage;
use super::Shard;

/// Stands for a lane if the group is full and does not take the message.
const REFUSED: u32 = u32::MAX;

impl Shard {
    /// Whether one of these groups keeps its messages on disk.
    pub(super) fn has_durable_group(&self, groups: &[u32]) -> bool {
        let mut found = groups.iter().filter_map(|group| self.groups.partition.group(*group));
        found.any(|group| group.durable)
    }

    /// Chooses the lanes for a message published here; returns whether one of them is on disk.
    pub(super) fn choose_lanes(
        &mut self,
        vhost: VhostId,
        route: RouteHandle,
        qos: QoS,
        context: &Context<'_>,
    ) -> bool {
        let mut lanes = std::mem::take(&mut self.groups.working);
        lanes.clear();
        let mut is_durable = false;
        let count =
            if qos == QoS::AtMostOnce { 0 } else { self.exchanges.get(vhost, route).groups.len() };
        for at in 0..count {
            let route = self.exchanges.get(vhost, route);
            let (group, by_topic) = (route.groups[at], route.lane);
            if self.refuses(group) {
                lanes.push(REFUSED);
                continue;
            }
            let number = self.groups.partition.number_for(group, by_topic);
            let lane = self.groups.partition.lane_at(group, number);
            let lane = lane.unwrap_or_else(|| self.open_lane(group, number, context));
            is_durable |= self.is_lane_durable(lane);
            lanes.push(lane);
        }
        self.groups.working = lanes;
        is_durable
    }

    pub(super) fn is_lane_durable(&self, lane: u32) -> bool {
        let lane = self.groups.partition.lane(lane);
        lane.is_some_and(|lane| !self.catalog.session(lane.key).clean)
    }

    /// Opens a lane of a group.
    pub(super) fn open_lane(&mut self, group: u32, number: u16, context: &Context<'_>) -> u32 {
        let found = self.groups.partition.group(group).expect("a route names groups there are");
        let name = lane_name(found.durable, number, &found.share);
        let (vhost, durable) = (found.vhost.0, found.durable);
        let time_ms = self.time_ms(context.now_ms);
        let key = self.catalog.open_session(vhost, &name, !durable, time_ms, &mut self.logs);
        self.groups.partition.add_lane(group, number, key, durable)
    }

    /// Adds the lanes on disk to the sessions for which the message is stored.
    pub(super) fn add_lanes(&mut self, retain: bool) {
        for at in 0..self.groups.working.len() {
            let slot = self.groups.working[at];
            if let Some(lane) = self.groups.partition.lane(slot)
                && !self.catalog.session(lane.key).clean
            {
                let target = Target { session: lane.key, retain, exactly_once: false };
                self.publishing.working().add_target(target);
            }
        }
    }

    /// Hands a message published here to the groups of its route.
    pub(super) fn share(
        &mut self,
        vhost: VhostId,
        route: RouteHandle,
        inbound: &InboundMessage<'_>,
        context: &mut Context<'_>,
    ) {
        let message = &inbound.message;
        if message.qos == QoS::AtMostOnce {
            for at in 0..self.exchanges.get(vhost, route).groups.len() {
                let route = self.exchanges.get(vhost, route);
                let (group, lane) = (route.groups[at], route.lane);
                self.share_qos0(group, lane, message, inbound.source, context);
            }
            return;
        }
        let lanes = std::mem::take(&mut self.groups.working);
        let mut in_memory = None;
        for slot in &lanes {
            let Some(lane) = self.groups.partition.lane(*slot) else { continue };
            let (key, group) = (lane.key, lane.group);
            if self.catalog.session(key).clean {
                let terms = QueueTerms { retain: message.retain, exactly_once: false };
                let (position, bytes) = *in_memory.get_or_insert_with(|| {
                    let memory = &mut self.logs.memory;
                    let position = memory.append(StoredMessage {
                        topic: message.topic.as_str(),
                        payload: message.payload,
                        qos: message.qos as u8,
                        properties: message.properties,
                        time_ms: self.time_base.time_ms
                            + context.now_ms.saturating_sub(self.time_base.now_ms),
                        own: None,
                    });
                    let bytes = memory.record_bytes(position);
                    (position, u32::try_from(bytes).expect("packets are below 4 GiB"))
                });
                let entry = QueueEntry::stored(position, bytes, terms);
                self.catalog.session_mut(key).push(entry, &mut self.logs);
            }
            let bytes = self.catalog.session(key).queue.stored_bytes();
            self.groups.partition.account(*slot, bytes);
            self.bound_group(group, *slot, inbound.source, context);
            self.dispatch(*slot, Some(message), context);
        }
        self.groups.working = lanes;
        self.send_wishes(context);
    }

    /// Sends the waiting messages of a lane as far as members take them. `live` is the message at
    /// its end, if it was just added.
    pub(super) fn dispatch(
        &mut self,
        slot: u32,
        live: Option<&Message<'_>>,
        context: &mut Context<'_>,
    ) {
        loop {
            let Some(lane) = self.groups.partition.lane(slot) else { return };
            let key = lane.key;
            let queue = &self.catalog.session(key).queue;
            if queue.waiting() == 0 {
                return;
            }
            let (first, end) = (queue.first(), queue.end());
            let Pick::Peer(at) = self.groups.partition.pick(slot, first) else { return };
            if self.is_held_up(slot, at, context) {
                continue;
            }
            let mut session = self.catalog.session_mut(key);
            let next = session.take_next(u16::MAX, &mut self.logs);
            let lost = session.take_lost();
            drop(session);
            if lost > 0 {
                self.stats.stored_lost += lost;
                self.groups.partition.count_of_lane(slot, |counts| counts.lost += lost);
                self.account_lane(slot);
            }
            let Some(QueueNext::Publish { entry, number, again, .. }) = next else { return };
            let terms = entry.terms();
            if again {
                self.stats.group_redelivered += 1;
                self.groups.partition.count_of_lane(slot, |counts| counts.redelivered += 1);
            }
            let work = LaneMessage { slot, at, number, retain: terms.retain };
            if let Some(message) = live.filter(|_| number + 1 == end) {
                self.send_work(work, message, context);
                continue;
            }
            let mut copied = std::mem::take(&mut self.groups.copied);
            if self.copy_message(work, entry, again, &mut copied, context) {
                let topic = TopicName::parse(&copied.topic).expect("it was checked when it came");
                let (properties, payload) = (&copied.properties[..], &copied.payload[..]);
                let qos = QoS::AtLeastOnce;
                let message = Message { topic, properties, payload, qos, retain: terms.retain };
                self.send_work(work, &message, context);
            }
            self.groups.copied = copied;
        }
    }

    /// Whether a message for a peer has to wait for room in its output or in the ring to its shard.
    /// Then the peer is not picked until it has room.
    fn is_held_up(&mut self, slot: u32, at: u32, context: &mut Context<'_>) -> bool {
        let Some(peer) = self.groups.partition.peer(at) else { return true };
        let session = peer.session;
        if peer.shard != self.options.shard {
            let is_congested = context.peers.is_congested();
            if is_congested {
                self.groups.partition.set_full(at, true);
                self.groups.hold_up(at);
                self.groups.partition.postpone(slot, at);
            }
            return is_congested;
        }
        let conn = self.groups.member(session).and_then(|member| member.conn);
        let is_full = conn.is_none_or(|conn| !self.outputs.is_low(conn));
        if is_full {
            self.set_member_full(session, true, context);
        }
        is_full
    }

    /// Reads a waiting message; returns false if it is not to be sent.
    fn copy_message(
        &mut self,
        work: LaneMessage,
        entry: QueueEntry,
        again: bool,
        copied: &mut Copied,
        context: &Context<'_>,
    ) -> bool {
        let time_ms = self.time_ms(context.now_ms);
        let Some(lane) = self.groups.partition.lane(work.slot) else { return false };
        let key = lane.key;
        let position = entry.position().expect("what waits is stored");
        let found = self.logs.message(position);
        let lifetime =
            found.as_ref().map(|stored| stored.lifetime(&self.catalog.timeline, time_ms));
        let is_over = !again && lifetime == Some(Lifetime::Over);
        let (Some(stored), false) = (found, is_over) else {
            let mut session = self.catalog.session_mut(key);
            if is_over {
                session.withdraw(work.number, &mut self.logs);
            } else {
                session.mark_gone(work.number, &mut self.logs);
            }
            drop(session);
            self.stats.queued_expired += u64::from(is_over);
            self.stats.stored_lost += u64::from(!is_over);
            self.groups.partition.count_of_lane(work.slot, |counts| {
                counts.expired += u64::from(is_over);
                counts.lost += u64::from(!is_over);
            });
            self.account_lane(work.slot);
            return false;
        };
        copied.topic.clear();
        copied.topic.push_str(stored.topic);
        put_properties(
            stored.properties,
            lifetime.unwrap_or(Lifetime::Unlimited),
            &mut copied.properties,
        );
        copied.payload.clear();
        copied.payload.extend_from_slice(stored.payload);
        true
    }

    /// Sends a message of a lane to a peer.
    fn send_work(&mut self, of: LaneMessage, message: &Message<'_>, context: &mut Context<'_>) {
        let lane = self.groups.partition.id_of(of.slot);
        let membership = self.groups.partition.note_sent(of.slot, of.at);
        self.stats.group_delivered += 1;
        self.groups.partition.count_of_lane(of.slot, |counts| counts.delivered += 1);
        let Some(peer) = self.groups.partition.peer(of.at) else { return };
        let (shard, session, incarnation) = (peer.shard, peer.session, peer.incarnation);
        let work = Work {
            to: MemberName { session, incarnation },
            membership,
            lane: lane.0,
            number: low_bits(of.number),
            retain: of.retain,
            qos: QoS::AtLeastOnce,
            topic: message.topic.as_str(),
            properties: message.properties,
            payload: message.payload,
        };
        self.send_to_member(shard, &work, context);
    }

    fn send_to_member(&mut self, shard: ShardId, work: &Work<'_>, context: &mut Context<'_>) {
        if shard == self.options.shard {
            self.take_work(shard, work, context);
        } else {
            let message = PeerMessage::Group(GroupMessage::Work(*work));
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
    }

    /// Hands a QoS 0 message to the next member in turn.
    fn share_qos0(
        &mut self,
        group: u32,
        lane: u16,
        message: &Message<'_>,
        source: Source,
        context: &mut Context<'_>,
    ) {
        let picked = self.groups.partition.pick_qos0(group, lane);
        let membership = picked.map(|at| self.groups.partition.membership(group, at));
        let peer = picked.and_then(|at| self.groups.partition.peer(at));
        let Some((peer, membership)) = peer.zip(membership) else {
            self.stats.qos0_dropped_absent += 1;
            self.groups.partition.count(group, |counts| counts.absent += 1);
            return;
        };
        let (shard, session, incarnation) = (peer.shard, peer.session, peer.incarnation);
        let publisher = match source {
            Source::Here(conn) => (u64::from(conn.slot) << 32) | u64::from(conn.generation),
            Source::There(..) | Source::Nobody => u64::MAX,
        };
        let work = Work {
            to: MemberName { session, incarnation },
            membership,
            lane: publisher,
            number: 0,
            retain: message.retain,
            qos: QoS::AtMostOnce,
            topic: message.topic.as_str(),
            properties: message.properties,
            payload: message.payload,
        };
        self.stats.group_delivered += 1;
        self.groups.partition.count(group, |counts| counts.delivered += 1);
        self.send_to_member(shard, &work, context);
    }

    /// Handles a member's answer to a message of a lane here.
    pub(super) fn lane_answered(&mut self, shard: ShardId, done: Done, context: &mut Context<'_>) {
        if !done.refused || !self.is_set_aside(shard, done, context) {
            self.end_answer(shard, done, context);
        }
    }

    /// A message that a member has answered leaves its lane.
    pub(super) fn end_answer(&mut self, shard: ShardId, done: Done, context: &mut Context<'_>) {
        let partition = &mut self.groups.partition;
        let Some(slot) = partition.lane_with(done.lane) else { return };
        let at = partition.peer_of(shard, done.session);
        let Some(lane) = partition.lane(slot) else { return };
        let (key, group) = (lane.key, lane.group);
        let mut session = self.catalog.session_mut(key);
        let number = widen(session.queue.first(), done.number);
        let ended = session.withdraw(number, &mut self.logs);
        let bytes = session.queue.stored_bytes();
        let (is_empty, waits) = (session.queue.is_empty(), session.queue.waiting() > 0);
        drop(session);
        let partition = &mut self.groups.partition;
        partition.account(slot, bytes);
        if ended {
            self.stats.group_acknowledged += u64::from(!done.refused);
            self.stats.group_refused += u64::from(done.refused);
            partition.count(group, |counts| {
                counts.acknowledged += u64::from(!done.refused);
                counts.refused += u64::from(done.refused);
            });
        }
        let of = at.and_then(|at| partition.peer(at)).map(|peer| peer.incarnation);
        if done.late {
            self.forget_lease(shard, done, context);
        } else if let Some(at) = at.filter(|_| of == Some(done.incarnation)) {
            partition.note_answered(slot, at);
        }
        if self.groups.blocked.contains_key(&group) {
            self.relieve_group(group, context);
        }
        self.note_taken(group, context);
        if is_empty && self.groups.partition.lane(slot).is_some_and(|lane| lane.retired) {
            return self.end_lane(slot, context);
        }
        if waits {
            self.dispatch(slot, None, context);
        }
    }

    /// Sends waiting messages to a peer while it has credit and room.
    pub(super) fn serve(&mut self, at: u32, context: &mut Context<'_>) {
        while let Some(slot) = self.groups.partition.next_for(at) {
            self.dispatch(slot, None, context);
        }
    }

    /// Asks members for the credit that lanes need.
    pub(super) fn send_wishes(&mut self, context: &mut Context<'_>) {
        while let Some(Wish { shard, session, incarnation }) = self.groups.partition.wishes.pop() {
            let member = MemberName { session, incarnation };
            if shard == self.options.shard {
                self.handle_want(shard, member, context);
            } else {
                let want = PeerMessage::Group(GroupMessage::Want { member });
                want.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
            }
        }
    }

    /// Updates the count of bytes in a lane.
    pub(super) fn account_lane(&mut self, slot: u32) {
        if let Some(lane) = self.groups.partition.lane(slot) {
            let bytes = self.catalog.session(lane.key).queue.stored_bytes();
            self.groups.partition.account(slot, bytes);
        }
    }

    /// Resumes members that waited for room in rings or for numbers of leases.
    pub(super) fn continue_groups(&mut self, context: &mut Context<'_>) {
        if self.groups.is_held_up() && !context.peers.is_congested() {
            for at in self.groups.take_held_up() {
                self.groups.partition.set_full(at, false);
                self.serve(at, context);
            }
            self.send_wishes(context);
        }
        if !self.groups.reserving.is_empty() {
            self.end_reserving(context);
        }
    }
}

/// A message of a lane for a peer.
#[derive(Clone, Copy)]
struct LaneMessage {
    slot: u32,
    at: u32,
    number: u64,
    retain: bool,
}

/// The low 32 bits of a message's number. Numbers in flight never differ in the high bits alone.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
fn low_bits(number: u64) -> u32 {
    number as u32
}

/// The number with these low bits that is not below the first of its queue.
pub(super) fn widen(first: u64, low: u32) -> u64 {
    let number = first & !u64::from(u32::MAX) | u64::from(low);
    if number < first { number + (1 << 32) } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number is found again from its low bits, also where these begin again.
    #[test]
    fn numbers_are_found_again() {
        for first in [0, 1, u64::from(u32::MAX), 1 << 32, (1 << 40) + u64::from(u32::MAX) - 5] {
            for ahead in [0, 1, 65_534] {
                assert_eq!(widen(first, low_bits(first + ahead)), first + ahead);
            }
        }
    }
}
