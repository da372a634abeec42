//! What a partition is made of: groups, their lanes, and members as a shard sees them.

use std::collections::VecDeque;

use crate::limits::GROUP_LANES;
use crate::store::SessionKey;

use super::super::names::{GroupOrder, ShardId, VhostId};
use super::lane::LaneId;

/// A member as a shard sees it, on whichever shard it is.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) shard: ShardId,
    pub(crate) session: SessionKey,
    pub(crate) incarnation: u32,
    /// Its client is there.
    pub(crate) is_live: bool,
    /// It is gone, and not waited for: its lanes are for others, if there are any.
    pub(crate) is_expired: bool,
    /// Its output is full.
    pub(crate) is_full: bool,
    /// Messages it may be sent.
    pub(crate) credit: u32,
    /// Messages it was sent and has not answered.
    pub(crate) out: u32,
    /// It was asked for credit.
    pub(crate) is_asked: bool,
    /// What its place among the owners of lanes depends on, where that must stay.
    pub(crate) weight: u64,
    /// Its places, by group.
    pub(crate) seats: Vec<Seat>,
    /// Groups that it has left while it had messages, or was away.
    pub(crate) left: Vec<u32>,
    /// Lanes of its that wait for credit.
    pub(crate) starved: VecDeque<u32>,
}

impl Peer {
    pub(super) fn may_take(&self) -> bool {
        self.is_live && !self.is_full && self.credit > 0
    }

    pub(super) fn seat(&self, group: u32) -> Option<&Seat> {
        let at = self.seats.binary_search_by_key(&group, |seat| seat.group).ok()?;
        self.seats.get(at)
    }

    pub(super) fn seat_mut(&mut self, group: u32) -> Option<&mut Seat> {
        let at = self.seats.binary_search_by_key(&group, |seat| seat.group).ok()?;
        self.seats.get_mut(at)
    }
}

/// A member's place in a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    pub(crate) group: u32,
    /// The number of its subscription, as its shard has it.
    pub(crate) membership: u32,
    pub(crate) in_turn: bool,
}

/// A group's part on this shard.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) vhost: VhostId,
    pub(crate) share: Box<str>,
    /// What waits in it is on disk.
    pub(crate) durable: bool,
    pub(crate) order: GroupOrder,
    /// Bytes that wait in its lanes.
    pub(crate) bytes: u64,
    pub(crate) lanes: Box<[Option<u32>; GROUP_LANES]>,
    pub(crate) members: Vec<u32>,
    /// Members in turn, by peer; some may have left, or have no credit any more.
    pub(crate) turn: VecDeque<u32>,
    /// Lanes that wait for a member.
    pub(crate) waiting: VecDeque<u32>,
    /// The lane that gets the next message, if the topic does not say.
    pub(crate) next_lane: usize,
    /// The member in turn for QoS 0.
    pub(crate) next_member: usize,
    /// Members were asked for credit since one had any.
    pub(crate) is_asked: bool,
}

/// A part of what waits in a group: see [`super::Partition`].
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) generation: u32,
    /// The session whose queue it is.
    pub(crate) key: SessionKey,
    pub(crate) group: u32,
    pub(crate) number: u16,
    pub(crate) owner: Option<u32>,
    pub(crate) out: u32,
    /// Messages below this number are for the owner alone, which has had them.
    pub(crate) kept_below: u64,
    /// It stands among those that wait.
    pub(crate) is_listed: bool,
    /// It gets nothing new: another took its place, when it is empty.
    pub(crate) retired: bool,
    /// The lane in whose place it is, until that is empty.
    pub(crate) behind: Option<LaneId>,
    /// Bytes that are counted with those of its group.
    pub(crate) bytes: u64,
    /// Owners that were lost one after the other with the same message at its head.
    pub(crate) losses: u8,
    pub(crate) lost_first: u64,
}

/// What is next for a lane with messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pick {
    /// This peer gets the next.
    Peer(u32),
    /// Nobody can take it now; it goes on when somebody can.
    Nobody,
}

/// A peer to be asked for credit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    pub(crate) shard: ShardId,
    pub(crate) session: SessionKey,
    pub(crate) incarnation: u32,
}
