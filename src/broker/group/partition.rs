//! A shard's part of the groups: the messages published on it, in lanes, and the choice of
//! receivers.
//!
//! ```text
//!            picked, sent                        answered, none out
//!   Idle ─────────────────► Owned(member) ─────────────────────────► Idle
//!                              │ its client leaves: taken back
//!                              ▼
//!                           Kept(member) ── it is back: sent again ──► Owned(member)
//!                              │ it is not, in time: Idle
//! ```
//! Invariant: `out` of a lane counts the messages that its owner has not answered. Messages taken
//! from its queue and not completed are all with the owner, so a lane's messages are with one
//! member at a time, in order.
//!
//! Members take turns. A member without credit leaves the turn and joins its end when it has credit
//! again, so a pick looks at few members.

use std::collections::{BTreeMap, VecDeque};

use crate::limits::GROUP_LANES;
use crate::slots::Slots;
use crate::store::SessionKey;

use super::super::names::{GroupCounts, GroupOrder, ShardId, VhostId};
use super::lane::LaneId;
use super::parts::{Group, Lane, Peer, Seat, Wish};

/// See the file.
#[cfg_attr(test, derive(Clone))]
#[derive(Default, Debug)]
pub(crate) struct Partition {
    pub(super) groups: Slots<Group>,
    pub(super) by_text: BTreeMap<(VhostId, Box<str>), u32>,
    pub(super) lanes: Slots<Lane>,
    generation: u32,
    /// Bytes that wait in lanes on disk.
    stored_bytes: u64,
    pub(super) peers: Slots<Peer>,
    pub(super) by_session: BTreeMap<(ShardId, SessionKey), u32>,
    /// Peers to be asked for credit.
    pub(crate) wishes: Vec<Wish>,
}

/// The reason why a lane's group exists.
pub(super) const THERE: &str = "a lane goes with its group";

impl Partition {
    pub(crate) fn find(&self, vhost: VhostId, share: &str) -> Option<u32> {
        // Only requests of operators and clients look up groups by name.
        self.by_text.get(&(vhost, Box::from(share))).copied()
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = u32> {
        self.groups.keys_from(0)
    }

    /// Bytes that wait in all groups.
    pub(crate) fn bytes(&self) -> u64 {
        let all = self.groups.keys_from(0).filter_map(|group| self.groups.get(group));
        all.map(|group| group.bytes).sum()
    }

    /// Those of them that are on disk.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    pub(crate) fn groups_of(&self, vhost: VhostId) -> usize {
        let range = (vhost, Box::from(""))..(VhostId(vhost.0.saturating_add(1)), Box::from(""));
        self.by_text.range(range).count()
    }

    pub(crate) fn create(&mut self, vhost: VhostId, share: &str, order: GroupOrder) -> u32 {
        let group = self.groups.insert(Group {
            vhost,
            share: share.into(),
            durable: false,
            order,
            bytes: 0,
            lanes: Box::new([None; GROUP_LANES]),
            members: Vec::new(),
            turn: VecDeque::new(),
            waiting: VecDeque::new(),
            next_lane: 0,
            next_member: 0,
            is_asked: false,
            counts: GroupCounts::default(),
            declared: None,
        });
        self.by_text.insert((vhost, share.into()), group);
        group
    }

    /// Removes a group whose lanes are removed already.
    pub(crate) fn remove(&mut self, group: u32) {
        if let Some(gone) = self.groups.remove(group) {
            self.by_text.remove(&(gone.vhost, gone.share));
            gone.members.into_iter().for_each(|peer| self.drop_from_peer(peer, group));
        }
    }

    #[inline]
    pub(crate) fn group(&self, group: u32) -> Option<&Group> {
        self.groups.get(group)
    }

    #[inline]
    pub(crate) fn group_mut(&mut self, group: u32) -> Option<&mut Group> {
        self.groups.get_mut(group)
    }

    /// The lane of a group that takes new messages of this number.
    #[inline]
    pub(crate) fn lane_at(&self, group: u32, number: u16) -> Option<u32> {
        self.groups.get(group)?.lanes[usize::from(number)]
    }

    /// The lane number for a group's next message; `by_topic` is the one that the topic demands.
    #[inline]
    pub(crate) fn number_for(&mut self, group: u32, by_topic: u16) -> u16 {
        match self.groups.get_mut(group) {
            Some(group) if group.order == GroupOrder::None => {
                group.next_lane = (group.next_lane + 1) % GROUP_LANES;
                u16::try_from(group.next_lane).expect("few")
            }
            _ => by_topic,
        }
    }

    /// Every lane of a group.
    pub(crate) fn lanes_of(&self, group: u32) -> Vec<u32> {
        let is_its = |lane: &u32| self.lanes.get(*lane).is_some_and(|lane| lane.group == group);
        self.lanes.keys_from(0).filter(is_its).collect()
    }

    /// Adds a lane, on disk or in memory. If the group has a lane of this number, that one gets no
    /// new messages.
    pub(crate) fn add_lane(
        &mut self,
        group: u32,
        number: u16,
        key: SessionKey,
        is_stored: bool,
    ) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        let before = self.lane_at(group, number);
        let behind = before.map(|before| self.id_of(before));
        if let Some(before) = before.and_then(|before| self.lanes.get_mut(before)) {
            before.retired = true;
        }
        let lane = self.lanes.insert(Lane {
            generation: self.generation,
            key,
            group,
            number,
            owner: None,
            out: 0,
            kept_below: 0,
            is_listed: false,
            retired: false,
            behind,
            bytes: 0,
            is_stored,
            losses: 0,
            lost_first: 0,
            is_setting_aside: false,
        });
        let group = self.groups.get_mut(group).expect("lanes are made for groups");
        group.lanes[usize::from(number)] = Some(lane);
        lane
    }

    /// Removes a lane; the caller ends its session.
    pub(crate) fn remove_lane(&mut self, slot: u32) -> Option<Lane> {
        let lane = self.lanes.remove(slot)?;
        self.stored_bytes -= if lane.is_stored { lane.bytes } else { 0 };
        if let Some(peer) = lane.owner.and_then(|owner| self.peers.get_mut(owner)) {
            peer.out = peer.out.saturating_sub(lane.out);
        }
        if let Some(group) = self.groups.get_mut(lane.group) {
            group.bytes -= lane.bytes;
            let place = &mut group.lanes[usize::from(lane.number)];
            if *place == Some(slot) {
                *place = None;
            }
        }
        Some(lane)
    }

    pub(crate) fn id_of(&self, slot: u32) -> LaneId {
        let generation = self.lanes.get(slot).map_or(0, |lane| lane.generation);
        LaneId(u64::from(generation) << 32 | u64::from(slot))
    }

    /// The lane of this name, if it exists.
    #[inline]
    pub(crate) fn lane_with(&self, id: LaneId) -> Option<u32> {
        let slot = u32::try_from(id.0 & u64::from(u32::MAX)).expect("32 bits");
        let lane = self.lanes.get(slot)?;
        (u64::from(lane.generation) == id.0 >> 32).then_some(slot)
    }

    #[inline]
    pub(crate) fn lane(&self, slot: u32) -> Option<&Lane> {
        self.lanes.get(slot)
    }

    /// Sets the size of a lane, in bytes.
    #[inline]
    pub(crate) fn account(&mut self, slot: u32, bytes: u64) {
        let Some(lane) = self.lanes.get_mut(slot) else { return };
        let before = std::mem::replace(&mut lane.bytes, bytes);
        if lane.is_stored {
            self.stored_bytes = self.stored_bytes - before + bytes;
        }
        if let Some(group) = self.groups.get_mut(lane.group) {
            group.bytes = group.bytes - before + bytes;
        }
    }

    pub(crate) fn peer_of(&self, shard: ShardId, session: SessionKey) -> Option<u32> {
        self.by_session.get(&(shard, session)).copied()
    }

    #[inline]
    pub(crate) fn peer(&self, peer: u32) -> Option<&Peer> {
        self.peers.get(peer)
    }

    fn peer_or_new(&mut self, shard: ShardId, session: SessionKey, weight: u64) -> u32 {
        if let Some(peer) = self.peer_of(shard, session) {
            return peer;
        }
        let peer = self.peers.insert(Peer {
            shard,
            session,
            incarnation: 0,
            is_live: false,
            is_expired: true,
            is_full: false,
            credit: 0,
            out: 0,
            is_asked: false,
            weight,
            seats: Vec::new(),
            left: Vec::new(),
            starved: VecDeque::new(),
        });
        self.by_session.insert((shard, session), peer);
        peer
    }

    /// Adds a member to a group, or updates its membership.
    pub(crate) fn join(
        &mut self,
        group: u32,
        (shard, session, weight): (ShardId, SessionKey, u64),
        membership: u32,
    ) {
        let at = self.peer_or_new(shard, session, weight);
        let (peer, found) = (self.peers.get_mut(at), self.groups.get_mut(group));
        let Some((peer, found)) = peer.zip(found) else { return };
        match peer.seats.binary_search_by_key(&group, |seat| seat.group) {
            Ok(known) => peer.seats[known].membership = membership,
            Err(before) => {
                peer.seats.insert(before, Seat { group, membership, in_turn: false });
                peer.left.retain(|left| *left != group);
                found.members.push(at);
            }
        }
        self.enlist(at);
        self.ask_if_needed(at);
    }

    /// Removes a member from a group; returns whether it was one. It keeps lanes with messages in
    /// flight.
    pub(crate) fn leave(&mut self, group: u32, peer: u32) -> bool {
        let Some(found) = self.groups.get_mut(group) else { return false };
        let before = found.members.len();
        found.members.retain(|other| *other != peer);
        found.turn.retain(|other| *other != peer);
        let was = found.members.len() < before;
        if was {
            self.drop_from_peer(peer, group);
            // It has messages, or lanes are kept for it while it is away.
            if let Some(peer) =
                self.peers.get_mut(peer).filter(|peer| peer.out > 0 || !peer.is_live)
            {
                peer.left.push(group);
            }
        }
        was
    }

    fn drop_from_peer(&mut self, peer: u32, group: u32) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.seats.retain(|seat| seat.group != group);
        }
    }

    /// Whether a group has any member.
    pub(crate) fn has_members(&self, group: u32) -> bool {
        self.groups.get(group).is_some_and(|group| !group.members.is_empty())
    }

    /// The number of a group's members, and of those whose clients are connected.
    pub(crate) fn members(&self, group: u32) -> (usize, usize) {
        let Some(group) = self.groups.get(group) else { return (0, 0) };
        let is_live = |peer: &&u32| self.peers.get(**peer).is_some_and(|peer| peer.is_live);
        (group.members.len(), group.members.iter().filter(is_live).count())
    }

    /// Begins a new connection of a member; returns the number of its peer.
    pub(crate) fn begin(
        &mut self,
        (shard, session, weight): (ShardId, SessionKey, u64),
        incarnation: u32,
        credit: u32,
    ) -> u32 {
        let at = self.peer_or_new(shard, session, weight);
        let peer = self.peers.get_mut(at).expect("it was just made");
        (peer.incarnation, peer.credit) = (incarnation, credit);
        (peer.is_live, peer.is_full, peer.is_expired) = (true, false, false);
        // If this is none, the member gives credit later without being asked.
        peer.is_asked = credit == 0;
        for seat in &peer.seats {
            if let Some(group) = self.groups.get_mut(seat.group) {
                group.is_asked = false;
            }
        }
        self.enlist(at);
        at
    }

    /// Notes that a member's client is disconnected and may return.
    pub(crate) fn pause(&mut self, peer: u32) {
        if let Some(peer) = self.peers.get_mut(peer) {
            (peer.is_live, peer.credit, peer.out) = (false, 0, 0);
        }
    }

    /// Ends the wait for a member's client.
    pub(crate) fn expire(&mut self, peer: u32) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.is_expired = true;
        }
    }

    /// The lanes of which a member has messages, or had before its client left.
    pub(crate) fn owned(&self, peer: u32) -> Vec<u32> {
        let Some(found) = self.peers.get(peer) else { return Vec::new() };
        let mut owned = Vec::new();
        let groups = found.seats.iter().map(|seat| seat.group);
        for group in groups.chain(found.left.iter().copied()) {
            let Some(group) = self.groups.get(group) else { continue };
            for slot in group.lanes.iter().flatten() {
                let lane = self.lanes.get(*slot).expect(THERE);
                if lane.owner == Some(peer) {
                    owned.push(*slot);
                }
                let before = lane.behind.and_then(|behind| self.lane_with(behind));
                owned.extend(before.filter(|before| {
                    self.lanes.get(*before).is_some_and(|lane| lane.owner == Some(peer))
                }));
            }
        }
        owned
    }

    /// Takes a lane back from its owner, and keeps the messages below `sent` for that owner.
    pub(crate) fn keep(&mut self, slot: u32, sent: u64) {
        if let Some(lane) = self.lanes.get_mut(slot) {
            (lane.out, lane.kept_below) = (0, lane.kept_below.max(sent));
        }
    }

    /// Takes a lane from an owner that has ended, for any other.
    pub(crate) fn free(&mut self, slot: u32) {
        if let Some(lane) = self.lanes.get_mut(slot) {
            (lane.owner, lane.out, lane.kept_below) = (None, 0, 0);
        }
    }

    /// Counts that a lane's owner was lost while `first` was its oldest message; returns how many
    /// owners in a row were lost with that message.
    pub(crate) fn note_loss(&mut self, slot: u32, first: u64) -> u8 {
        let Some(lane) = self.lanes.get_mut(slot) else { return 0 };
        let is_same = lane.losses > 0 && lane.lost_first == first;
        lane.losses = if is_same { lane.losses.saturating_add(1) } else { 1 };
        lane.lost_first = first;
        lane.losses
    }

    /// So many members were lost with this message, the oldest of a lane, as was noted before.
    pub(crate) fn set_losses(&mut self, slot: u32, first: u64, losses: u8) {
        if let Some(lane) = self.lanes.get_mut(slot) {
            (lane.losses, lane.lost_first) = (losses, first);
        }
    }

    /// The oldest message of a lane is being published to a dead-letter topic, or that has ended.
    pub(crate) fn set_setting_aside(&mut self, slot: u32, is_so: bool) {
        if let Some(lane) = self.lanes.get_mut(slot) {
            lane.is_setting_aside = is_so;
        }
    }

    /// Forgets a member that is in no group and has no messages.
    pub(crate) fn forget(&mut self, peer: u32) {
        if let Some(found) = self.peers.get(peer)
            && found.seats.is_empty()
        {
            self.by_session.remove(&(found.shard, found.session));
            self.peers.remove(peer);
        }
    }

    /// The number of a peer's subscription to a group on the peer's shard.
    pub(crate) fn membership(&self, group: u32, peer: u32) -> u32 {
        let seat = self.peers.get(peer).and_then(|peer| peer.seat(group));
        seat.map_or(u32::MAX, |seat| seat.membership)
    }
}
