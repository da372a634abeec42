//! The parts of a partition: groups, their lanes, and members as a shard sees them.

use std::collections::VecDeque;

use crate::limits::GROUP_LANES;
use crate::store::SessionKey;

use super::super::names::{GroupCounts, GroupOrder, ShardId, VhostId};
use super::lane::LaneId;

/// A member of any shard, as this shard sees it.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) shard: ShardId,
    pub(crate) session: SessionKey,
    pub(crate) incarnation: u32,
    /// Whether its client is connected.
    pub(crate) is_live: bool,
    /// Whether the wait for its disconnected client is over: others may get its lanes.
    pub(crate) is_expired: bool,
    /// Whether its output is full.
    pub(crate) is_full: bool,
    /// Messages it may be sent.
    pub(crate) credit: u32,
    /// Messages it was sent and has not answered.
    pub(crate) out: u32,
    /// Whether it was asked for credit.
    pub(crate) is_asked: bool,
    /// The weight that decides which lanes it owns under `sticky` order.
    pub(crate) weight: u64,
    /// Its memberships, sorted by group.
    pub(crate) seats: Vec<Seat>,
    /// Groups that it has left while it had messages of them.
    pub(crate) left: Vec<u32>,
    /// Its lanes that wait for credit.
    pub(crate) starved: VecDeque<u32>,
}

impl Peer {
    pub(super) fn may_take(&self) -> bool {
        self.is_live && !self.is_full && self.credit > 0
    }

    pub(crate) fn seat(&self, group: u32) -> Option<&Seat> {
        let at = self.seats.binary_search_by_key(&group, |seat| seat.group).ok()?;
        self.seats.get(at)
    }

    pub(super) fn seat_mut(&mut self, group: u32) -> Option<&mut Seat> {
        let at = self.seats.binary_search_by_key(&group, |seat| seat.group).ok()?;
        self.seats.get_mut(at)
    }
}

/// A peer's membership in a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    pub(crate) group: u32,
    /// The number of its subscription on its own shard.
    pub(crate) membership: u32,
    pub(crate) in_turn: bool,
}

/// A group's part on this shard.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) vhost: VhostId,
    pub(crate) share: Box<str>,
    /// Whether its waiting messages are on disk.
    pub(crate) durable: bool,
    pub(crate) order: GroupOrder,
    /// Bytes that wait in its lanes.
    pub(crate) bytes: u64,
    pub(crate) lanes: Box<[Option<u32>; GROUP_LANES]>,
    pub(crate) members: Vec<u32>,
    /// Members in turn; some may have left or lost their credit.
    pub(crate) turn: VecDeque<u32>,
    /// Lanes that wait for a member.
    pub(crate) waiting: VecDeque<u32>,
    /// The lane of the next message, if the topic does not decide.
    pub(crate) next_lane: usize,
    /// The member in turn for QoS 0.
    pub(crate) next_member: usize,
    /// Whether members were asked for credit since one had any.
    pub(crate) is_asked: bool,
    /// The counts of its messages.
    pub(crate) counts: GroupCounts,
    /// What a file declares it with, if one does.
    pub(crate) declared: Option<Box<Declared>>,
}

/// What a file declares a group with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Declared {
    /// Bytes that may wait in it, on all shards together; `None`: as in others.
    pub(crate) bytes_max: Option<u64>,
    /// How long what waits is kept while it has no members, milliseconds; `None`: without end.
    pub(crate) expiry_ms: Option<u64>,
    /// The topic that what no member takes is published to.
    pub(crate) dead_letter: Option<Box<str>>,
    /// How often a message is given out without an acknowledgement.
    pub(crate) deliveries_max: Option<u8>,
}

impl Declared {
    pub(crate) fn topic(&self) -> Option<&str> {
        self.dead_letter.as_deref()
    }
}

/// A part of a group's backlog: see [`super::Partition`].
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) generation: u32,
    /// The session whose queue it uses.
    pub(crate) key: SessionKey,
    pub(crate) group: u32,
    pub(crate) number: u16,
    pub(crate) owner: Option<u32>,
    pub(crate) out: u32,
    /// Messages below this number are for the owner alone, which was sent them before.
    pub(crate) kept_below: u64,
    /// Whether it is on a list of waiting lanes.
    pub(crate) is_listed: bool,
    /// Whether it gets no new messages, because another lane takes its place.
    pub(crate) retired: bool,
    /// The lane that must be empty before this one is sent.
    pub(crate) behind: Option<LaneId>,
    /// Its part of the bytes of its group.
    pub(crate) bytes: u64,
    /// Whether its messages are on disk.
    pub(crate) is_stored: bool,
    /// The number of owners in a row that were lost with the same oldest message.
    pub(crate) losses: u8,
    pub(crate) lost_first: u64,
    /// Its oldest message is being published to a dead-letter topic: nothing of it goes out.
    pub(crate) is_setting_aside: bool,
}

/// The choice of a receiver for a lane's next message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pick {
    /// This peer gets the next.
    Peer(u32),
    /// No member can take it now; it is sent when one can.
    Nobody,
}

/// A peer to be asked for credit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    pub(crate) shard: ShardId,
    pub(crate) session: SessionKey,
    pub(crate) incarnation: u32,
}
