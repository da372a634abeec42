//! A session that is a member of groups, on its own shard: how many messages its client may be
//! sent, and how many of these each shard may send.
//!
//! Credit is the right to send a QoS 1 message. Shards get credit, send the messages published on
//! them, and lose it again when the client answers.
//!
//! Invariant: `granted <= window`, where `granted` counts the messages that shards may send and
//! those that are sent and not answered.

use std::collections::VecDeque;

use crate::mqtt::{QoS, SubscriptionId};
use crate::slots::Slots;

use super::super::names::{ConnId, ShardId, ShardSet, VhostId};
use super::leases::{LeaseOf, Leases};

/// A member's subscription to a group.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) vhost: VhostId,
    /// The complete filter, with `$share/`.
    pub(crate) share: Box<str>,
    pub(crate) granted: QoS,
    pub(crate) identifier: Option<SubscriptionId>,
    pub(crate) retain_as_published: bool,
    /// Whether the rules forbid its client any topic of the filter.
    pub(crate) suspended: bool,
}

/// A message that waits for a packet identifier.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) of: LeaseOf,
    pub(crate) membership: u32,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) topic: Box<str>,
    pub(crate) properties: Box<[u8]>,
    pub(crate) payload: Box<[u8]>,
}

/// The credit of a shard.
#[derive(Clone, Copy, Default, Debug)]
struct Grant {
    /// Messages that it may send, or has sent without an answer.
    granted: u32,
    /// Those of them that the client has.
    in_flight: u32,
    /// Credit to add with the next message to it.
    renewed: u32,
    /// Whether it was asked to return unused credit.
    recalled: bool,
    /// Whether it got more since it was asked.
    is_behind: bool,
}

/// See the file.
#[cfg_attr(test, derive(Clone))]
#[derive(Debug)]
pub(crate) struct Member {
    /// Names its connection, uniquely on the shard. Messages for earlier connections are ignored.
    pub(crate) incarnation: u32,
    pub(crate) conn: Option<ConnId>,
    pub(crate) leases: Leases,
    pub(crate) memberships: Slots<Membership>,
    /// Whether its output is full. Then no shard sends it anything.
    pub(crate) is_full: bool,
    /// Messages for which no identifier was free.
    pub(crate) parked: VecDeque<Parked>,
    /// Whether the client has set a Receive Maximum. It also bounds the session's own messages.
    pub(crate) is_limited: bool,
    pub(crate) receive_max: u32,
    window: u32,
    granted: u32,
    shards: Vec<Grant>,
    /// Shards that want credit.
    wants: ShardSet,
    /// The last one that got some when there was not enough for all.
    last: ShardId,
}

impl Member {
    pub(crate) fn new(leases: Leases, shards: u16) -> Self {
        Self {
            incarnation: 0,
            conn: None,
            leases,
            memberships: Slots::default(),
            is_full: false,
            parked: VecDeque::new(),
            is_limited: false,
            receive_max: u32::MAX,
            window: 0,
            granted: 0,
            shards: vec![Grant::default(); usize::from(shards)],
            wants: ShardSet::default(),
            last: ShardId(u16::MAX),
        }
    }

    /// Its membership in a group.
    pub(crate) fn membership(&self, vhost: VhostId, share: &str) -> Option<u32> {
        self.memberships.keys_from(0).find(|at| {
            let known = self.memberships.get(*at);
            known.is_some_and(|known| known.vhost == vhost && *known.share == *share)
        })
    }

    /// Begins a connection whose client takes `window` messages at once, or none until
    /// [`Member::set_window`]; `own` messages of the session itself are in flight. Returns the
    /// credit of each shard. Half of the window is kept for shards that want more.
    pub(crate) fn begin(&mut self, conn: ConnId, window: u32, own: u32) -> u32 {
        self.conn = Some(conn);
        (self.window, self.wants) = (window, ShardSet::default());
        (self.is_full, self.granted) = (false, 0);
        let shards = u32::try_from(self.shards.len()).expect("at most 64");
        let each = match shards {
            _ if !self.leases.has_room(window) => 0,
            1 => self.room(own),
            _ => self.room(own) / (2 * shards),
        };
        self.shards.fill(Grant { granted: each, ..Grant::default() });
        self.granted = each * shards;
        if each == 0 {
            // The shards get credit without asking for it.
            (0..).map(ShardId).zip(&self.shards).for_each(|(shard, _)| self.wants.insert(shard));
        }
        each
    }

    /// The client takes so many messages at once from now on. It had a window of 0, so shards want
    /// credit.
    pub(crate) fn set_window(&mut self, window: u32) {
        self.window = window;
    }

    /// Ends a connection.
    pub(crate) fn end(&mut self) {
        self.conn = None;
        self.window = 0;
        self.granted = 0;
        self.shards.fill(Grant::default());
        self.wants = ShardSet::default();
        self.parked.clear();
        self.leases.end_connection();
    }

    /// Messages that its client has or that shards may send it.
    #[inline]
    pub(crate) fn granted(&self) -> u32 {
        self.granted
    }

    /// The most messages that it may have at once.
    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    /// Messages that its client has.
    pub(crate) fn in_flight(&self) -> u32 {
        self.shards.iter().map(|grant| grant.in_flight).sum()
    }

    /// Counts a message of a shard that is sent to the client.
    #[inline]
    pub(crate) fn note_sent(&mut self, shard: ShardId) {
        self.shards[usize::from(shard.0)].in_flight += 1;
    }

    /// Counts a message of a shard that the client has answered.
    #[inline]
    pub(crate) fn note_answered(&mut self, shard: ShardId) {
        self.shards[usize::from(shard.0)].in_flight -= 1;
        self.take_credit(shard, 1);
    }

    /// Reduces a shard's credit, because it was used or returned.
    #[inline]
    pub(crate) fn take_credit(&mut self, shard: ShardId, count: u32) {
        let grant = &mut self.shards[usize::from(shard.0)];
        grant.granted -= count;
        self.granted -= count;
    }

    /// The credit that may be added while `own` messages of the session itself are in flight.
    fn room(&self, own: u32) -> u32 {
        let window = if self.is_limited {
            self.window.min(self.receive_max.saturating_sub(own))
        } else {
            self.window
        };
        window.saturating_sub(self.granted)
    }

    /// Renews credit that a shard has used, unless others want it or nothing may be sent now;
    /// returns the amount. `own` messages of the session itself are in flight.
    #[inline]
    pub(crate) fn renew(&mut self, shard: ShardId, count: u32, own: u32) -> u32 {
        let room = self.room(own);
        if !self.may_grant() || !self.wants.is_empty() || room < count {
            self.wants.insert(shard);
            return 0;
        }
        self.grant(shard, count);
        count
    }

    /// Notes that a shard wants credit.
    pub(crate) fn want(&mut self, shard: ShardId) {
        self.wants.insert(shard);
    }

    fn may_grant(&self) -> bool {
        !self.is_full
            && self.conn.is_some()
            && self.parked.is_empty()
            && self.leases.has_room(self.window)
    }

    fn grant(&mut self, shard: ShardId, count: u32) {
        let grant = &mut self.shards[usize::from(shard.0)];
        grant.granted += count;
        grant.is_behind |= grant.recalled;
        self.granted += count;
        debug_assert!(self.granted <= self.window, "no more than the window");
    }

    /// Distributes the available credit equally among the shards that want some; calls `tell` with
    /// each amount. `own` is as in [`Member::renew`].
    pub(crate) fn distribute(&mut self, own: u32, mut tell: impl FnMut(ShardId, u32)) {
        if self.wants.is_empty() || !self.may_grant() {
            return;
        }
        let wanting = self.wants;
        let mut left = u32::try_from(wanting.iter().count()).expect("at most 64");
        // Those after the last one come first: else the lowest would get it all.
        let last = self.last;
        let after = wanting.iter().filter(|shard| *shard > last);
        for shard in after.chain(wanting.iter().filter(|shard| *shard <= last)) {
            let room = self.room(own);
            if room == 0 {
                return;
            }
            let count = (room / left).max(1);
            self.grant(shard, count);
            self.wants.take(shard);
            self.last = shard;
            left -= 1;
            tell(shard, count);
        }
    }

    /// Chooses the shard with the most unused credit to return it, because others or the session's
    /// own messages (`own`) want credit and there is none. Each shard is asked once.
    pub(crate) fn recall(&mut self, own: bool) -> Option<ShardId> {
        let is_wanted = !self.wants.is_empty() && self.granted >= self.window;
        if !own && !is_wanted {
            return None;
        }
        let wants = self.wants;
        let idle = |grant: &Grant| grant.granted - grant.in_flight;
        let shards = (0..).map(ShardId).zip(&mut self.shards);
        let mut able = shards.filter(|(shard, grant)| {
            idle(grant) > 0 && !grant.recalled && (own || !wants.contains(*shard))
        });
        let (shard, grant) = able.by_ref().max_by_key(|(_, grant)| idle(grant))?;
        grant.recalled = true;
        Some(shard)
    }

    /// Notes that a shard has returned its unused credit; returns whether some may be distributed
    /// or recalled now. If it had none when it was asked, it may have got some since, which nobody
    /// else would recall.
    pub(crate) fn note_returned(&mut self, shard: ShardId, count: u32) -> bool {
        let grant = &mut self.shards[usize::from(shard.0)];
        grant.recalled = false;
        let is_behind = std::mem::take(&mut grant.is_behind);
        self.take_credit(shard, count);
        count > 0 || is_behind
    }

    /// Adds credit to send with the next message to a shard; returns whether there was none before.
    #[inline]
    pub(crate) fn add_renewed(&mut self, shard: ShardId, count: u32) -> bool {
        let renewed = &mut self.shards[usize::from(shard.0)].renewed;
        let was_none = *renewed == 0;
        *renewed += count;
        was_none && count > 0
    }

    /// Takes the credit that is to be sent to a shard.
    pub(crate) fn take_renewed(&mut self, shard: ShardId) -> u32 {
        std::mem::take(&mut self.shards[usize::from(shard.0)].renewed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId { slot: 0, generation: 0 };

    /// However credit moves between shards, the sum never exceeds the window.
    #[test]
    fn credit_wanders() {
        for (window, shards) in [(1, 1), (7, 2), (12, 3), (1000, 64)] {
            let mut member = Member::new(Leases::volatile(), shards);
            let each = member.begin(CONN, window, 0);
            assert!(member.granted() <= window);
            let last = ShardId(shards - 1);
            member.want(last);
            let mut got = each;
            member.distribute(0, |shard, count| {
                assert_eq!(shard, last);
                got += count;
            });
            assert!(got > 0 || each * u32::from(shards) == window);
            for _ in 0..got {
                member.note_sent(last);
            }
            assert_eq!((member.granted() <= window, member.in_flight()), (true, got));
            for _ in 0..got {
                member.note_answered(last);
                let mut again = member.renew(last, 1, 0);
                member.distribute(0, |shard, count| {
                    assert_eq!(shard, last);
                    again += count;
                });
                assert_eq!(again, 1);
            }
            if shards > 1 {
                member.want(ShardId(0));
                let mut first = 0;
                member.distribute(0, |_, count| first += count);
                if first == 0 {
                    assert_eq!(member.recall(false), Some(last));
                    assert_ne!(member.recall(false), Some(last), "it is asked once");
                    member.note_returned(last, got);
                    member.distribute(0, |shard, count| {
                        assert_eq!(shard, ShardId(0));
                        first += count;
                    });
                }
                assert!(first > 0 && member.granted() <= window);
            }
        }
    }

    /// A window that is too small for all shards goes to one after the other, unasked.
    #[test]
    fn a_small_window_is_for_one() {
        let mut member = Member::new(Leases::volatile(), 3);
        assert_eq!(member.begin(CONN, 1, 0), 0);
        let mut got = Vec::new();
        member.distribute(0, |shard, count| got.push((shard, count)));
        assert_eq!(got, [(ShardId(0), 1)]);
        assert_eq!(member.granted(), 1);
        assert_eq!(member.recall(false), Some(ShardId(0)), "others want it");
        member.note_returned(ShardId(0), 1);
        got.clear();
        member.distribute(0, |shard, count| got.push((shard, count)));
        assert_eq!(got, [(ShardId(1), 1)]);
    }

    /// Credit that a shard got after it was asked for its credit is recalled when it has answered
    /// that it had none.
    #[test]
    fn credit_given_meanwhile_is_recalled() {
        let (first, second) = (ShardId(0), ShardId(1));
        let mut member = Member::new(Leases::volatile(), 2);
        assert_eq!(member.begin(CONN, 2, 0), 0);
        member.distribute(0, |_, count| assert_eq!(count, 1));
        member.note_sent(second);
        member.want(second);
        assert_eq!(member.recall(false), Some(first));
        // It uses its credit before it is asked.
        member.note_sent(first);
        member.note_answered(first);
        assert_eq!(member.renew(first, 1, 0), 0);
        member.distribute(0, |shard, count| assert_eq!((shard, count), (first, 1)));
        assert_eq!(member.recall(false), None, "it was asked");
        assert!(member.note_returned(first, 0), "it got some since");
        assert_eq!(member.recall(false), Some(first));
        assert!(!member.note_returned(first, 0), "it got none since");
    }

    /// While the output is full no shard gets credit; a shard that used some wants it.
    #[test]
    fn a_full_output_gives_none() {
        let mut member = Member::new(Leases::volatile(), 1);
        assert_eq!(member.begin(CONN, 2, 0), 2);
        member.note_sent(ShardId(0));
        member.is_full = true;
        member.note_answered(ShardId(0));
        assert_eq!(member.renew(ShardId(0), 1, 0), 0);
        member.distribute(0, |_, _| panic!("it is full"));
        member.is_full = false;
        let mut got = 0;
        member.distribute(0, |_, count| got += count);
        assert_eq!((got, member.granted()), (1, 2));
    }
}
