//! The choice of the member that gets a lane's next message.

use crate::limits::GROUP_DELIVERIES_TOLD;

use super::super::names::GroupOrder;
use super::lane::LaneId;
use super::partition::{Partition, THERE};
use super::parts::{Peer, Pick, Wish};

impl Partition {
    /// Chooses the receiver of a lane's next message; `first` is the lane's oldest message.
    pub(crate) fn pick(&mut self, slot: u32, first: u64) -> Pick {
        let Some(lane) = self.lanes.get_mut(slot) else { return Pick::Nobody };
        if lane.behind.is_some() || lane.is_setting_aside {
            return Pick::Nobody;
        }
        let (group, out) = (lane.group, lane.out);
        let is_kept = out > 0 || first < lane.kept_below;
        let Some(owner) = lane.owner.filter(|_| is_kept) else {
            lane.owner = None;
            return self.pick_any(slot);
        };
        // A message with which several owners were lost is sent alone.
        let is_suspect = lane.losses >= GROUP_DELIVERIES_TOLD && lane.lost_first == first;
        let is_member = |peer: &&mut Peer| peer.seat(group).is_some();
        match self.peers.get_mut(owner).filter(is_member) {
            // The owner has left the group, and still has messages to answer.
            None if out > 0 => return Pick::Nobody,
            None => return self.pick_any(slot),
            Some(peer) if !peer.is_live && peer.is_expired => return self.pick_any(slot),
            Some(peer) if !peer.is_live || is_suspect && out > 0 => return Pick::Nobody,
            Some(peer) if peer.may_take() => return Pick::Peer(owner),
            Some(_) => {}
        }
        self.starve(owner, slot);
        Pick::Nobody
    }

    /// Chooses the receiver for a lane of which no message is in flight.
    fn pick_any(&mut self, slot: u32) -> Pick {
        let group = self.lanes.get(slot).expect(THERE).group;
        let sticky = self.groups.get(group).expect(THERE).order == GroupOrder::Sticky;
        let picked = if sticky { self.pick_sticky(slot) } else { self.pick_in_turn(slot) };
        match picked {
            Some(peer) => Pick::Peer(peer),
            None => {
                if !sticky {
                    self.await_member(slot);
                }
                Pick::Nobody
            }
        }
    }

    /// Notes that a lane waits for its owner's credit.
    fn starve(&mut self, peer: u32, slot: u32) {
        let lane = self.lanes.get_mut(slot).expect(THERE);
        let peer = self.peers.get_mut(peer).expect("it owns a lane");
        if !std::mem::replace(&mut lane.is_listed, true) {
            peer.starved.push_back(slot);
        }
        if peer.credit == 0 && !std::mem::replace(&mut peer.is_asked, true) {
            let &mut Peer { shard, session, incarnation, .. } = peer;
            self.wishes.push(Wish { shard, session, incarnation });
        }
    }

    /// Chooses the next member in turn that may take a message, and moves it to the end.
    fn pick_in_turn(&mut self, slot: u32) -> Option<u32> {
        let of_group = self.lanes.get(slot).expect(THERE).group;
        let group = self.groups.get_mut(of_group).expect(THERE);
        while let Some(at) = group.turn.pop_front() {
            if self.peers.get(at).is_some_and(Peer::may_take) {
                group.turn.push_back(at);
                return Some(at);
            }
            let seat = self.peers.get_mut(at).and_then(|peer| peer.seat_mut(of_group));
            seat.into_iter().for_each(|seat| seat.in_turn = false);
        }
        None
    }

    /// Chooses the member that owns a lane by weight, if it may take a message. A join moves one
    /// lane in *n* when there are *n* members then.
    fn pick_sticky(&mut self, slot: u32) -> Option<u32> {
        let lane = self.lanes.get(slot).expect(THERE);
        let group = self.groups.get(lane.group).expect(THERE);
        let weight = |peer: u64| {
            let mut mixed = peer ^ (u64::from(lane.number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ mixed >> 31
        };
        let live = group.members.iter().filter_map(|at| {
            let peer = self.peers.get(*at).filter(|peer| peer.is_live)?;
            Some((weight(peer.weight), *at))
        });
        let Some((_, owner)) = live.max() else {
            self.await_member(slot);
            return None;
        };
        if self.peers.get(owner).is_some_and(Peer::may_take) {
            return Some(owner);
        }
        self.starve(owner, slot);
        None
    }

    /// Notes that a lane waits for any member, and asks the members for credit.
    fn await_member(&mut self, slot: u32) {
        let lane = self.lanes.get_mut(slot).expect(THERE);
        let group = self.groups.get_mut(lane.group).expect(THERE);
        if !std::mem::replace(&mut lane.is_listed, true) {
            group.waiting.push_back(slot);
        }
        if std::mem::replace(&mut group.is_asked, true) {
            return;
        }
        for at in &group.members {
            let Some(peer) = self.peers.get_mut(*at) else { continue };
            if peer.is_live && peer.credit == 0 && !std::mem::replace(&mut peer.is_asked, true) {
                let &mut Peer { shard, session, incarnation, .. } = peer;
                self.wishes.push(Wish { shard, session, incarnation });
            }
        }
    }

    /// Notes that a message of a lane was sent to a peer; returns the number of its subscription.
    #[inline]
    pub(crate) fn note_sent(&mut self, slot: u32, at: u32) -> u32 {
        let lane = self.lanes.get_mut(slot).expect(THERE);
        if lane.owner.replace(at) != Some(at) {
            lane.kept_below = 0;
        }
        lane.out += 1;
        let Some(peer) = self.peers.get_mut(at) else { return u32::MAX };
        peer.credit -= 1;
        peer.out += 1;
        peer.seat(lane.group).map_or(u32::MAX, |seat| seat.membership)
    }

    /// Notes an owner's answer to a message of a lane; returns whether it was the last one in
    /// flight.
    #[inline]
    pub(crate) fn note_answered(&mut self, slot: u32, at: u32) -> bool {
        if let Some(peer) = self.peers.get_mut(at) {
            peer.out = peer.out.saturating_sub(1);
        }
        let Some(lane) = self.lanes.get_mut(slot).filter(|lane| lane.owner == Some(at)) else {
            return false;
        };
        lane.out = lane.out.saturating_sub(1);
        lane.out == 0
    }

    /// Makes a lane wait with the others for a peer that cannot be sent a message now.
    pub(crate) fn postpone(&mut self, slot: u32, at: u32) {
        let (lane, peer) = (self.lanes.get_mut(slot), self.peers.get_mut(at));
        if let Some((lane, peer)) = lane.zip(peer)
            && !std::mem::replace(&mut lane.is_listed, true)
        {
            peer.starved.push_back(slot);
        }
    }

    /// Takes the lane that waits for this one to be empty, if any, and ends its wait.
    pub(crate) fn take_next_behind(&mut self, group: u32, number: u16, id: LaneId) -> Option<u32> {
        let slot = self.lane_at(group, number)?;
        let lane = self.lanes.get_mut(slot).filter(|lane| lane.behind == Some(id))?;
        lane.behind = None;
        Some(slot)
    }

    /// Notes whether a member's output is full.
    pub(crate) fn set_full(&mut self, at: u32, full: bool) {
        if let Some(peer) = self.peers.get_mut(at) {
            peer.is_full = full;
        }
        self.enlist(at);
        self.ask_if_needed(at);
    }

    /// Asks a member for credit that has none while lanes wait that it may take. Those were not
    /// waiting for it when they asked, or it has given its credit back since.
    pub(super) fn ask_if_needed(&mut self, at: u32) {
        let Self { groups, peers, wishes, .. } = self;
        let Some(peer) = peers.get_mut(at) else { return };
        if !peer.is_live || peer.is_full || peer.credit > 0 || peer.is_asked {
            return;
        }
        let mut of_it = peer.seats.iter().filter_map(|seat| groups.get(seat.group));
        if !peer.starved.is_empty() || of_it.any(|group| !group.waiting.is_empty()) {
            peer.is_asked = true;
            let &mut Peer { shard, session, incarnation, .. } = peer;
            wishes.push(Wish { shard, session, incarnation });
        }
    }

    /// Adds credit of a member.
    pub(crate) fn add_credit(&mut self, at: u32, credit: u32) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        peer.credit += credit;
        peer.is_asked &= credit == 0;
        if peer.may_take() {
            self.enlist(at);
        }
    }

    /// Takes the credit that a member does not use: half of it if lanes wait for the member.
    pub(crate) fn take_credit(&mut self, at: u32) -> u32 {
        let Some(peer) = self.peers.get_mut(at) else { return 0 };
        let is_needed = !peer.starved.is_empty();
        let taken = if is_needed { peer.credit / 2 } else { peer.credit };
        peer.credit -= taken;
        taken
    }

    /// Adds a member that may take a message to the turn of its groups.
    pub(super) fn enlist(&mut self, at: u32) {
        let Some(peer) = self.peers.get_mut(at).filter(|peer| peer.may_take()) else { return };
        for seat in &mut peer.seats {
            let Some(group) = self.groups.get_mut(seat.group) else { continue };
            group.is_asked = false;
            if !std::mem::replace(&mut seat.in_turn, true) {
                group.turn.push_back(at);
            }
        }
    }

    /// The next lane that waits for a member with credit; its own lanes come first.
    pub(crate) fn next_for(&mut self, at: u32) -> Option<u32> {
        let Self { groups, lanes, peers, .. } = self;
        let peer = peers.get_mut(at).filter(|peer| peer.may_take())?;
        let mut unlist = |slot: u32| -> Option<u32> {
            lanes.get_mut(slot)?.is_listed = false;
            Some(slot)
        };
        while let Some(slot) = peer.starved.pop_front() {
            if let Some(slot) = unlist(slot) {
                return Some(slot);
            }
        }
        for seat in &peer.seats {
            let Some(group) = groups.get_mut(seat.group) else { continue };
            while let Some(slot) = group.waiting.pop_front() {
                if let Some(slot) = unlist(slot) {
                    return Some(slot);
                }
            }
        }
        None
    }

    /// Takes the lanes that wait for a member that has left; they must be dispatched again.
    pub(crate) fn take_starved(&mut self, at: u32) -> Vec<u32> {
        let Some(peer) = self.peers.get_mut(at) else { return Vec::new() };
        let starved: Vec<u32> = std::mem::take(&mut peer.starved).into();
        for slot in &starved {
            if let Some(lane) = self.lanes.get_mut(*slot) {
                lane.is_listed = false;
            }
        }
        starved
    }

    /// Chooses the next member in turn for a QoS 0 message: one with room, else one that is
    /// connected.
    pub(crate) fn pick_qos0(&mut self, group: u32, topic_lane: u16) -> Option<u32> {
        let Self { groups, peers, .. } = self;
        let group = groups.get_mut(group)?;
        let count = group.members.len();
        if count == 0 {
            return None;
        }
        group.next_member = match group.order {
            GroupOrder::Sticky => usize::from(topic_lane),
            GroupOrder::Topic | GroupOrder::None => group.next_member.wrapping_add(1),
        };
        let from = group.next_member % count;
        let turn = || (0..count).map(|step| group.members[(from + step) % count]);
        let is = |at: &u32, free: bool| {
            let peer = peers.get(*at);
            peer.is_some_and(|peer| peer.is_live && (!free || !peer.is_full))
        };
        turn().find(|at| is(at, true)).or_else(|| turn().find(|at| is(at, false)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::names::{ShardId, VhostId};
    use super::*;

    /// A member without credit that joins while a lane waits is asked for some, once: it was not
    /// there when the lane asked.
    #[test]
    fn a_joining_member_is_asked() {
        let mut partition = Partition::default();
        let group = partition.create(VhostId(0), "$share/g/t", GroupOrder::Topic);
        let lane = partition.add_lane(group, 0, 7, true);
        let who = (ShardId(0), 1, 0);
        partition.join(group, who, 0);
        let at = partition.begin(who, 5, 1);
        assert_eq!(partition.take_credit(at), 1);
        partition.leave(group, at);
        assert_eq!(partition.pick(lane, 0), Pick::Nobody);
        assert_eq!(partition.wishes, []);
        partition.join(group, who, 0);
        partition.join(group, who, 0);
        assert_eq!(partition.wishes, [Wish { shard: ShardId(0), session: 1, incarnation: 5 }]);
        partition.add_credit(at, 1);
        assert_eq!(partition.next_for(at), Some(lane));
        assert_eq!(partition.pick(lane, 0), Pick::Peer(at));
    }
}
