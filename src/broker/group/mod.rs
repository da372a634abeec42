//! Consumer groups: shared subscriptions (MQTT 5, 4.8.2), `$share/NAME/FILTER`, of all versions.
//!
//! ```text
//!  publisher ─► its shard: log + lane ──Work──► member's shard: lease, output ─► member
//!     ▲            │  ▲                             │   ▲                          │
//!   PUBACK ◄── settled└─────────────Done────────────┘   └──────────PUBACK──────────┘
//! ```
//! A group has its own backlog. Each shard has a *partition* of it with the messages of its own
//! publishers, divided by topic into *lanes*. A lane is a session of the store without a client, so
//! its messages are logged, counted, moved and recovered as those of any session, and a PUBACK
//! promises for a group what it promises for a session. One member owns a lane at a time, which
//! keeps the order by publisher and topic. A lane changes its owner when no message of it is in
//! flight, or when the owner is lost and the lane is taken back. Partitions decide alone: none asks
//! another before it dispatches.
//!
//! Members, on any shard, give *credit* to partitions, as far as their window and output allow. A
//! member that does not answer runs out of credit, and only lanes with messages in flight to it
//! wait.
//!
//! # Design decisions
//!
//! - A lane is an ordinary durable session with a name that no client can have, and no record kind
//!   of its own, so replay, checkpoints, cleaning and blocks need no change. A group lives as long
//!   as its lane 0, whose "client" is connected while the group has members, and which expires as a
//!   session does.
//! - There is no central registry. Joins and leaves go to all shards. If two of them cross, each
//!   order is one that a client may have seen, since SUBACK and UNSUBACK wait for all shards.
//! - A group has 64 lanes on each shard, whatever the number of shards. So a topic keeps its lane
//!   when that number changes, and the acknowledgements of a turn need few records.
//! - `--group-order none` uses the lanes in turn instead of by topic. So all orders share the rule
//!   of one owner for each lane, and the same rewind.
//! - A member's shard sends no message back to a partition. It ignores a message for a connection
//!   that has ended, since the partition takes the lane back when it learns of the end.
//! - QoS 2 is granted as QoS 1 in a group (3.8.4 lets a server do so). The rules for QoS 2 in 4.8.2
//!   hold, as there is none, and no message is written twice.
//! - QoS 0 needs no credit. A member whose output is full reports that to all shards, which skip
//!   it.
//!
//! Verbs: [`Partition`] for a shard's part, [`Member`] for a session's. `groups` and `members` of
//! the hub send the results.
//!
//! May use `names`.

mod aside;
mod done;
mod lane;
mod leases;
mod member;
#[cfg(test)]
mod model;
mod pace;
mod partition;
mod parts;
mod told;
mod turn;

use std::collections::{BTreeMap, BTreeSet};

use crate::store::{Hashing, Map, SessionKey};

use super::names::{ConnId, ShardId, ShardSet};

pub(crate) use aside::{Aside, SetAside, Why};
pub(crate) use done::{DONE_BYTES, Done};
pub(crate) use lane::LaneId;
pub(crate) use leases::{Answered, Issued, LeaseOf, Leases};
pub(crate) use member::{Member, Membership, Parked};
pub(crate) use pace::Paces;
pub(crate) use partition::Partition;
pub(crate) use parts::{Declared, Pick, Wish};

/// Memory for reading one message.
#[derive(Default, Debug)]
pub(crate) struct Copied {
    pub(crate) topic: String,
    pub(crate) properties: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// See the room.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) partition: Partition,
    members: Map<SessionKey, Box<Member>>,
    /// Members whose clients are away, by the time at which the wait for them ends.
    graces: BTreeSet<(u64, SessionKey)>,
    grace_of: BTreeMap<SessionKey, u64>,
    /// By shard: encoded answers of members here to its lanes.
    done: Vec<Vec<u8>>,
    /// Members with credit that is to be sent to other shards.
    renewed: Vec<(ShardId, SessionKey)>,
    /// Members whose lanes wait because a ring is full.
    held_up: Vec<u32>,
    /// The number of connections that members here have had.
    incarnations: u32,
    /// Members whose reservation of lease numbers is not committed yet.
    pub(crate) reserving: Vec<SessionKey>,
    /// Publishers that wait for room in groups, by group.
    pub(crate) blocked: BTreeMap<u32, BTreeSet<ConnId>>,
    /// Publishers that are held because a group in memory is behind.
    pub(crate) paces: Paces,
    /// Messages that are published to dead-letter topics.
    pub(crate) aside: SetAside,
    /// Memory for the lanes of the message that is being published.
    pub(crate) working: Vec<u32>,
    pub(crate) copied: Copied,
}

impl Groups {
    pub(crate) fn new(hashing: &Hashing, shards: u16) -> Self {
        Self {
            partition: Partition::default(),
            members: Map::with_hasher(hashing.clone()),
            graces: BTreeSet::new(),
            grace_of: BTreeMap::new(),
            done: vec![Vec::new(); usize::from(shards)],
            renewed: Vec::new(),
            held_up: Vec::new(),
            incarnations: 0,
            reserving: Vec::new(),
            blocked: BTreeMap::new(),
            paces: Paces::default(),
            aside: SetAside::default(),
            working: Vec::new(),
            copied: Copied::default(),
        }
    }

    /// Whether any session here is a member.
    #[inline]
    pub(crate) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    #[inline]
    pub(crate) fn member(&self, key: SessionKey) -> Option<&Member> {
        self.members.get(&key).map(|member| &**member)
    }

    #[inline]
    pub(crate) fn member_mut(&mut self, key: SessionKey) -> Option<&mut Member> {
        self.members.get_mut(&key).map(|member| &mut **member)
    }

    /// The member of a session; `new` makes it if there is none.
    pub(crate) fn member_or(
        &mut self,
        key: SessionKey,
        new: impl FnOnce() -> Member,
    ) -> &mut Member {
        self.members.entry(key).or_insert_with(|| Box::new(new()))
    }

    /// Subscriptions of sessions here to groups.
    pub(crate) fn memberships(&self) -> u64 {
        self.members.values().map(|member| member.memberships.len() as u64).sum()
    }

    /// A new name for a member's connection. Session keys alone do not do, because they are used
    /// again.
    pub(crate) fn next_incarnation(&mut self) -> u32 {
        self.incarnations = self.incarnations.wrapping_add(1);
        self.incarnations
    }

    pub(crate) fn remove_member(&mut self, key: SessionKey) -> bool {
        self.end_grace(key);
        self.members.remove(&key).is_some()
    }

    /// Whether a session's own queue may use an identifier.
    #[inline]
    pub(crate) fn leaves_identifier(&mut self, key: SessionKey, packet_id: u16) -> bool {
        if self.members.is_empty() {
            return true;
        }
        self.members.get_mut(&key).is_none_or(|member| member.leases.give_up(packet_id))
    }

    /// Waits for a member's client until a time.
    pub(crate) fn begin_grace(&mut self, key: SessionKey, until_ms: u64) {
        self.end_grace(key);
        self.graces.insert((until_ms, key));
        self.grace_of.insert(key, until_ms);
    }

    pub(crate) fn end_grace(&mut self, key: SessionKey) {
        if let Some(until_ms) = self.grace_of.remove(&key) {
            self.graces.remove(&(until_ms, key));
        }
    }

    /// The time at which the next wait for a client ends.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.graces.first().map(|(until_ms, _)| *until_ms)
    }

    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<SessionKey> {
        let &(until_ms, key) = self.graces.first()?;
        if until_ms > now_ms {
            return None;
        }
        self.end_grace(key);
        Some(key)
    }

    /// Adds the answer of a member here to a message of another shard's lane.
    pub(crate) fn add_done(&mut self, shard: ShardId, done: Done) {
        done.put(&mut self.done[usize::from(shard.0)]);
    }

    /// Adds credit of a member here that is to be sent to another shard.
    pub(crate) fn add_renewed(&mut self, shard: ShardId, key: SessionKey, count: u32) {
        let Some(member) = self.members.get_mut(&key) else { return };
        if member.add_renewed(shard, count) {
            self.renewed.push((shard, key));
        }
    }

    /// Whether anything is to be sent to other shards.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        !self.renewed.is_empty() || self.done.iter().any(|done| !done.is_empty())
    }

    /// Takes the encoded answers to a shard's lanes.
    pub(crate) fn take_done(&mut self, shard: ShardId) -> Vec<u8> {
        std::mem::take(&mut self.done[usize::from(shard.0)])
    }

    /// Returns the memory of answers.
    pub(crate) fn recycle_done(&mut self, shard: ShardId, mut done: Vec<u8>) {
        done.clear();
        self.done[usize::from(shard.0)] = done;
    }

    pub(crate) fn next_renewed(&mut self) -> Option<(ShardId, SessionKey)> {
        self.renewed.pop()
    }

    /// The shards for which there are answers.
    pub(crate) fn shards_with_done(&self) -> ShardSet {
        let mut set = ShardSet::default();
        for (shard, done) in (0..).map(ShardId).zip(&self.done) {
            if !done.is_empty() {
                set.insert(shard);
            }
        }
        set
    }

    /// Lets a peer's lanes wait until the rings have room.
    pub(crate) fn hold_up(&mut self, peer: u32) {
        if !self.held_up.contains(&peer) {
            self.held_up.push(peer);
        }
    }

    pub(crate) fn take_held_up(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.held_up)
    }

    /// Whether lanes wait for room in rings.
    #[inline]
    pub(crate) fn is_held_up(&self) -> bool {
        !self.held_up.is_empty()
    }
}
