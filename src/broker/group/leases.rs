//! Group messages that were sent to one session's client, by packet identifier.
//!
//! They are not in the session's queue: its numbers are recovered by counting records of its own
//! shard's log, and a lease is in the log of the shard that received the message. So leases have
//! numbers of their own, 0, 1, 2, …, and identifiers that descend while those of queues ascend:
//! lease *n* has 65,535 − *n* mod 65,535.
//!
//! ```text
//!  base                                     base + len
//!   [Sent][Settled][ · ][Sent][Unsent][Sent]
//! ```
//! Invariant: a lease and the session's queue never use the same identifier. Each checks the other
//! before it takes one.

use std::collections::VecDeque;

use crate::limits::LEASE_STRIDE;
use crate::mqtt::PacketId;

use super::super::names::ShardId;
use super::lane::LaneId;

/// The number of packet identifiers.
const IDENTIFIERS: u64 = 65_535;

/// A message of a lane, as the lane's shard names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LeaseOf {
    /// The shard of the lane.
    pub(crate) shard: ShardId,
    pub(crate) lane: LaneId,
    /// The low bits of its number in the lane.
    pub(crate) number: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// It is complete, or was never used.
    Gone,
    /// It was sent on this connection and is not answered.
    Sent,
    /// It was sent on an earlier connection.
    Unsent,
    /// The client has answered it after it was sent on an earlier connection. Its lane's shard was
    /// told, but may have sent it again before.
    Settled,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    of: LeaseOf,
    state: State,
    /// Whether it was `Unsent` already at the start of the last connection before this one.
    is_old: bool,
}

/// The message to which a client's answer belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answered {
    /// A message that was sent on this connection.
    Sent(LeaseOf),
    /// A message of an earlier connection that was not sent again yet.
    Late(LeaseOf),
}

/// The way in which a message is sent to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Issued {
    /// With this identifier; `again`: it was sent with the same one before.
    Send { packet_id: PacketId, again: bool },
    /// It is not sent: the client has answered it meanwhile.
    Settled,
    /// It waits: no identifier is free.
    None,
}

/// See the file.
#[cfg_attr(test, derive(Clone))]
#[derive(Default, Debug)]
pub(crate) struct Leases {
    base: u64,
    list: VecDeque<Lease>,
    /// The number of leases that are neither `Gone` nor `Sent`.
    unsent: u32,
    /// Numbers below this may be used.
    reserved: u64,
    /// When the log is committed up to the first, numbers below the second may be used.
    reserving: Option<(u64, u64)>,
    /// Whether the session is clean, so that numbers need no reservation.
    volatile: bool,
}

fn packet_id(number: u64) -> PacketId {
    let id = u16::try_from(IDENTIFIERS - number % IDENTIFIERS).expect("1 to 65,535");
    PacketId::new(id).expect("1 to 65,535")
}

impl Leases {
    /// The leases of a clean session.
    pub(crate) fn volatile() -> Self {
        Self { volatile: true, ..Self::default() }
    }

    /// The leases of a session whose numbers below `number` may have been used before the start.
    pub(crate) fn starting_at(number: u64) -> Self {
        Self { base: number, reserved: number, ..Self::default() }
    }

    /// The end up to which numbers should be reserved in the log; `None` if that is not needed.
    pub(crate) fn wants_reserved(&self) -> Option<u64> {
        let is_low = self.end() + LEASE_STRIDE / 2 >= self.reserved;
        (!self.volatile && self.reserving.is_none() && is_low)
            .then_some(self.reserved + LEASE_STRIDE)
    }

    /// Notes that numbers below `below` are reserved once the log is committed up to `log`.
    pub(crate) fn note_reserving(&mut self, log: u64, below: u64) {
        self.reserving = Some((log, below));
    }

    /// Notes how far the log is committed.
    pub(crate) fn note_committed(&mut self, committed: u64) {
        if let Some((log, below)) = self.reserving
            && log <= committed
        {
            (self.reserved, self.reserving) = (below, None);
        }
    }

    /// Whether `count` more messages can get identifiers, whichever identifiers the queue uses
    /// then.
    pub(crate) fn has_room(&self, count: u32) -> bool {
        let count = u64::from(count);
        (self.list.len() as u64) + count < IDENTIFIERS
            && (self.volatile || self.end() + count <= self.reserved)
    }

    /// Whether a reservation is not committed yet.
    pub(crate) fn is_reserving(&self) -> bool {
        self.reserving.is_some()
    }

    fn end(&self) -> u64 {
        self.base + self.list.len() as u64
    }

    /// Gives a message an identifier; `is_used` tells which ones the session's queue uses.
    pub(crate) fn issue(&mut self, of: LeaseOf, is_used: impl Fn(u16) -> bool) -> Issued {
        if self.unsent > 0
            && let Some(at) = self.list.iter().position(|lease| {
                lease.of == of && matches!(lease.state, State::Unsent | State::Settled)
            })
        {
            self.unsent -= 1;
            if self.list[at].state == State::Settled {
                self.list[at].state = State::Gone;
                self.trim();
                return Issued::Settled;
            }
            self.list[at].state = State::Sent;
            return Issued::Send { packet_id: packet_id(self.base + at as u64), again: true };
        }
        while (self.list.len() as u64) < IDENTIFIERS
            && (self.volatile || self.end() < self.reserved)
        {
            let id = packet_id(self.end());
            let is_free = !is_used(id.get());
            let state = if is_free { State::Sent } else { State::Gone };
            self.list.push_back(Lease { of, state, is_old: false });
            if is_free {
                return Issued::Send { packet_id: id, again: false };
            }
            self.trim();
        }
        Issued::None
    }

    /// Handles a client's answer; returns `None` if the identifier is not that of a lease.
    pub(crate) fn answer(&mut self, packet_id: PacketId) -> Option<Answered> {
        let at = self.find(packet_id.get())?;
        let lease = &mut self.list[at];
        let of = lease.of;
        match lease.state {
            State::Sent => {
                lease.state = State::Gone;
                self.trim();
                Some(Answered::Sent(of))
            }
            State::Unsent => {
                lease.state = State::Settled;
                Some(Answered::Late(of))
            }
            State::Gone | State::Settled => None,
        }
    }

    /// Forgets a late answer: the lane's shard has processed it and does not send the message
    /// again.
    pub(crate) fn forget(&mut self, of: LeaseOf) {
        let is_it = |lease: &Lease| lease.of == of && lease.state == State::Settled;
        if let Some(at) = self.list.iter().position(is_it) {
            self.list[at].state = State::Gone;
            self.unsent -= 1;
            self.trim();
        }
    }

    /// Whether the client may still answer this identifier.
    #[inline]
    pub(crate) fn uses(&self, packet_id: u16) -> bool {
        !self.list.is_empty()
            && self.find(packet_id).is_some_and(|at| self.list[at].state != State::Gone)
    }

    /// Whether the session's own queue may use an identifier. The lease of a message from an
    /// earlier connection that was not sent again is given up: its message has most likely gone to
    /// another member.
    pub(crate) fn give_up(&mut self, packet_id: u16) -> bool {
        let Some(at) = self.find(packet_id) else { return true };
        match self.list[at].state {
            State::Gone => true,
            State::Sent | State::Settled => false,
            State::Unsent => {
                self.list[at].state = State::Gone;
                self.unsent -= 1;
                self.trim();
                true
            }
        }
    }

    /// Ends a connection. If a message that was sent on it is sent to the client again, it gets the
    /// same identifier. Messages of earlier connections that were not sent again are forgotten,
    /// because they went to other members.
    pub(crate) fn end_connection(&mut self) {
        self.unsent = 0;
        for lease in &mut self.list {
            match lease.state {
                State::Sent => lease.state = State::Unsent,
                State::Unsent if !lease.is_old => lease.is_old = true,
                State::Unsent | State::Settled => lease.state = State::Gone,
                State::Gone => {}
            }
            self.unsent += u32::from(lease.state == State::Unsent);
        }
        self.trim();
    }

    #[inline]
    fn find(&self, packet_id: u16) -> Option<usize> {
        let residue = IDENTIFIERS.checked_sub(u64::from(packet_id))?;
        let of_base = self.base % IDENTIFIERS;
        let turn = if residue < of_base { IDENTIFIERS } else { 0 };
        let at = usize::try_from(residue + turn - of_base).ok()?;
        (at < self.list.len()).then_some(at)
    }

    fn trim(&mut self) {
        while self.list.front().is_some_and(|lease| lease.state == State::Gone) {
            self.list.pop_front();
            self.base += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: u32) -> LeaseOf {
        LeaseOf { shard: ShardId(1), lane: LaneId(7), number }
    }

    fn sent(issued: Issued) -> (u16, bool) {
        match issued {
            Issued::Send { packet_id, again } => (packet_id.get(), again),
            other => panic!("{other:?}"),
        }
    }

    /// Identifiers descend from the highest, wrap around, and skip those in use.
    #[test]
    fn identifiers_go_down() {
        let mut leases = Leases::volatile();
        assert_eq!(sent(leases.issue(of(0), |_| false)), (65_535, false));
        assert_eq!(sent(leases.issue(of(1), |id| id > 65_530)), (65_530, false));
        assert!(leases.uses(65_535) && leases.uses(65_530) && !leases.uses(65_533));
        for number in 2..65_531 {
            let (id, _) = sent(leases.issue(of(number), |_| false));
            assert_eq!(leases.answer(PacketId::new(id).unwrap()), Some(Answered::Sent(of(number))));
        }
        // The first is still in flight, and all other identifiers were used since.
        assert_eq!(leases.issue(of(9), |_| false), Issued::None);
        let first = PacketId::new(65_535).unwrap();
        assert_eq!(leases.answer(first), Some(Answered::Sent(of(0))));
        assert_eq!(leases.answer(first), None);
        assert_eq!(sent(leases.issue(of(9), |_| false)).0, 65_535);
    }

    /// A message that is sent again on the next connection keeps its identifier. A late answer
    /// settles it. A message that was not sent again is forgotten at the end of the connection
    /// after that.
    #[test]
    fn connections_after() {
        let mut leases = Leases::volatile();
        let ids: Vec<u16> = (0..4).map(|n| sent(leases.issue(of(n), |_| false)).0).collect();
        let id = |n: usize| PacketId::new(ids[n]).unwrap();
        leases.end_connection();
        assert_eq!(sent(leases.issue(of(1), |_| false)), (ids[1], true));
        assert_eq!(leases.answer(id(0)), Some(Answered::Late(of(0))));
        assert_eq!(leases.answer(id(0)), None);
        assert_eq!(leases.issue(of(0), |_| false), Issued::Settled);
        assert_eq!(leases.answer(id(2)), Some(Answered::Late(of(2))));
        leases.forget(of(2));
        assert!(!leases.uses(ids[2]) && leases.uses(ids[3]));
        leases.end_connection();
        leases.end_connection();
        assert!(leases.uses(ids[1]) && !leases.uses(ids[3]));
    }

    /// Leases of a durable session use only reserved numbers.
    #[test]
    fn reserved_numbers() {
        let mut leases = Leases::starting_at(10);
        assert_eq!(leases.issue(of(0), |_| false), Issued::None);
        assert_eq!(leases.wants_reserved(), Some(10 + LEASE_STRIDE));
        leases.note_reserving(500, 10 + LEASE_STRIDE);
        assert_eq!(leases.wants_reserved(), None);
        leases.note_committed(499);
        assert_eq!(leases.issue(of(0), |_| false), Issued::None);
        leases.note_committed(500);
        assert_eq!(sent(leases.issue(of(0), |_| false)), (65_525, false));
    }
}
