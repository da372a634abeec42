//! What a shard does: the functions of `broker::shard` about groups, without packets and logs.

use super::super::{Answered, Done, Issued, LaneId, LeaseOf, Parked, Pick, Wish};
use super::lane_queue::Record;
use super::plan::Flaw;
use super::world::{SHARDS, Wire, World, session, shard_id};
use crate::mqtt::{PacketId, QoS};

impl World {
    fn peer_at(&self, at: usize, client: usize) -> Option<u32> {
        let home = shard_id(self.plan.homes[client]);
        self.shards[at].partition.peer_of(home, session(client))
    }

    /// `Shard::peer_named`.
    fn peer_named(&self, at: usize, client: usize, incarnation: u32) -> Option<u32> {
        let peer = self.peer_at(at, client)?;
        let found = self.shards[at].partition.peer(peer)?;
        (found.incarnation == incarnation && found.is_live).then_some(peer)
    }

    /// `Shard::handle_group`.
    pub(super) fn arrive(&mut self, from: usize, wire: Wire) {
        let at = 1 - from;
        match wire {
            Wire::Join { client } => self.handle_join(at, client),
            Wire::Leave { client } => self.handle_leave(at, client),
            Wire::Begin { client, incarnation, credit } => {
                self.handle_begin(at, client, incarnation, credit);
            }
            Wire::Away { client } => self.handle_away(at, client),
            Wire::Gone { client, ended } => self.handle_gone(at, client, ended),
            Wire::Credit { client, incarnation, count } => {
                if let Some(peer) = self.peer_named(at, client, incarnation) {
                    self.shards[at].partition.add_credit(peer, count);
                    self.serve(at, peer);
                }
            }
            Wire::Want { client, incarnation } => {
                self.handle_want(at, shard_id(from).0, client, incarnation);
            }
            Wire::Recall { client, incarnation } => {
                let peer = self.peer_named(at, client, incarnation);
                let count = peer.map_or(0, |peer| self.shards[at].partition.take_credit(peer));
                if !self.plan.has(Flaw::NoReturn) {
                    self.send(at, Wire::Return { client, incarnation, count });
                }
            }
            Wire::Return { client, incarnation, count } => {
                self.handle_return(at, from, client, (incarnation, count));
            }
            Wire::Work { client, incarnation, lane, number } => {
                self.take_work(at, from, client, incarnation, (lane, number));
            }
            Wire::Done { client, incarnation, lane, number, late } => {
                let (session, lane) = (session(client), LaneId(lane));
                let done = Done { session, incarnation, lane, number, late, refused: false };
                self.end_answer(at, done);
            }
            Wire::Forget { client, lane, number } => {
                self.forget(at, from, client, (lane, number));
            }
        }
        self.send_wishes(at);
    }

    /// `Shard::dispatch`.
    pub(super) fn dispatch(&mut self, at: usize, lane: usize) {
        let slot = u32::try_from(lane).expect("few");
        loop {
            let flawed = self.plan.has(Flaw::MoveInFlight);
            let shard = &mut self.shards[at];
            let queue = &mut shard.queues[lane];
            if queue.waiting() == 0 {
                return;
            }
            if flawed {
                shard.partition.free(slot);
            }
            let first = queue.first() as u64;
            let Pick::Peer(peer) = shard.partition.pick(slot, first) else { return };
            let Some(number) = queue.take_next() else { return };
            shard.partition.note_sent(slot, peer);
            let found = shard.partition.peer(peer).expect("it was picked");
            let (client, incarnation) = (found.session as usize, found.incarnation);
            let (id, home) = (shard.partition.id_of(slot), self.plan.homes[client]);
            let of = (id.0, u32::try_from(number).expect("few"));
            if self.plan.has(Flaw::EndWhenSent) {
                self.end_number(at, lane, number);
            }
            if home == at {
                self.take_work(at, at, client, incarnation, of);
            } else {
                let (lane, number) = of;
                self.send(at, Wire::Work { client, incarnation, lane, number });
            }
        }
    }

    /// `Shard::take_work` and `Shard::write_work`.
    fn take_work(
        &mut self,
        at: usize,
        from: usize,
        client: usize,
        incarnation: u32,
        (lane, number): (u64, u32),
    ) {
        let flawed = self.plan.has(Flaw::AnyConnection);
        let Some(member) = self.shards[at].members[client].as_mut() else { return };
        if member.conn.is_none() || member.incarnation != incarnation && !flawed {
            return;
        }
        let of = LeaseOf { shard: shard_id(from), lane: LaneId(lane), number };
        member.note_sent(of.shard);
        if member.parked.is_empty() && self.write(at, client, of) {
            return;
        }
        let parked = Parked {
            of,
            membership: 0,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: Box::default(),
            properties: Box::default(),
            payload: Box::default(),
        };
        let member = self.shards[at].members[client].as_mut().expect("it was there");
        member.parked.push_back(parked);
    }

    /// Sends a message to a client; returns whether it need not wait for an identifier.
    fn write(&mut self, at: usize, client: usize, of: LeaseOf) -> bool {
        let plan = self.plan;
        let Some(member) = self.shards[at].members[client].as_mut() else { return true };
        match member.leases.issue(of, |_| false) {
            Issued::Settled => self.finish(at, client, of),
            Issued::None => return false,
            Issued::Send { packet_id, again } => {
                let slot = usize::try_from(of.lane.0 & u64::from(u32::MAX)).expect("few");
                let message = self.message(of.shard.0.into(), slot, of.number);
                let how = (packet_id.get(), again);
                if let Err(why) = self.oracle.receive(client, how, message, &plan) {
                    self.fault.get_or_insert(why);
                }
                if plan.has(Flaw::CreditBeforeAnswer) {
                    self.renew(at, client, of);
                }
            }
        }
        true
    }

    /// `Shard::finish`.
    fn finish(&mut self, at: usize, client: usize, of: LeaseOf) {
        let Some(member) = self.shards[at].members[client].as_mut() else { return };
        member.note_answered(of.shard);
        self.renew(at, client, of);
        self.tell_done(at, client, of, false);
        if usize::from(of.shard.0) == at
            && let Some(peer) = self.peer_at(at, client)
        {
            self.serve(at, peer);
        }
        self.unpark(at, client);
        self.give_credit(at, client);
        self.reserve_leases(at, client);
    }

    /// The part of `Shard::finish` that renews credit.
    fn renew(&mut self, at: usize, client: usize, of: LeaseOf) {
        let flawed = self.plan.has(Flaw::CreditBeforeAnswer);
        let peer = self.peer_at(at, client);
        let shard = &mut self.shards[at];
        let Some(member) = shard.members[client].as_mut() else { return };
        // The flaw makes credit that the member does not know of.
        let renewed = if flawed { 1 } else { member.renew(of.shard, 1, 0) };
        if usize::from(of.shard.0) == at {
            if let Some(peer) = peer {
                shard.partition.add_credit(peer, renewed);
            }
        } else if member.add_renewed(of.shard, renewed) {
            shard.renewed.push(client);
        }
    }

    /// `Shard::tell_done`.
    fn tell_done(&mut self, at: usize, client: usize, of: LeaseOf, late: bool) {
        let Some(member) = self.shards[at].members[client].as_ref() else { return };
        let (session, incarnation) = (session(client), member.incarnation);
        let done =
            Done { session, incarnation, lane: of.lane, number: of.number, late, refused: false };
        if usize::from(of.shard.0) == at {
            self.end_answer(at, done);
        } else {
            self.shards[at].done.push(done);
        }
    }

    /// A message leaves its lane. If no session needs it from the log, its publisher has the
    /// promise.
    fn end_number(&mut self, at: usize, lane: usize, number: usize) {
        let shard = &mut self.shards[at];
        if shard.queues[lane].withdraw(number) {
            shard.log.append(Record::Ended { lane, number });
            let message = shard.queues[lane].message(number);
            self.oracle.promise(message);
        }
    }

    /// `Shard::end_answer`.
    fn end_answer(&mut self, at: usize, done: Done) {
        let client = done.session as usize;
        let Some(slot) = self.shards[at].partition.lane_with(done.lane) else { return };
        let lane = slot as usize;
        self.end_number(at, lane, done.number as usize);
        let peer = self.peer_at(at, client);
        let partition = &mut self.shards[at].partition;
        let of = peer.and_then(|peer| partition.peer(peer)).map(|peer| peer.incarnation);
        if done.late {
            let home = self.plan.homes[client];
            if home == at {
                self.forget(at, at, client, (done.lane.0, done.number));
            } else {
                let (lane, number) = (done.lane.0, done.number);
                self.send(at, Wire::Forget { client, lane, number });
            }
        } else if let Some(peer) = peer.filter(|_| of == Some(done.incarnation)) {
            partition.note_answered(slot, peer);
        }
        if self.shards[at].queues[lane].waiting() > 0 {
            self.dispatch(at, lane);
        }
    }

    /// `Shard::handle_forget`.
    fn forget(&mut self, at: usize, from: usize, client: usize, (lane, number): (u64, u32)) {
        if let Some(member) = self.shards[at].members[client].as_mut() {
            let lane = LaneId(lane);
            member.leases.forget(LeaseOf { shard: shard_id(from), lane, number });
        }
    }

    /// `Shard::serve`.
    fn serve(&mut self, at: usize, peer: u32) {
        while let Some(slot) = self.shards[at].partition.next_for(peer) {
            self.dispatch(at, slot as usize);
        }
    }

    /// `Shard::send_wishes`.
    pub(super) fn send_wishes(&mut self, at: usize) {
        while let Some(wish) = self.shards[at].partition.wishes.pop() {
            let Wish { shard, session, incarnation } = wish;
            let client = session as usize;
            if usize::from(shard.0) == at {
                self.handle_want(at, shard.0, client, incarnation);
            } else {
                self.send(at, Wire::Want { client, incarnation });
            }
        }
    }

    /// `Shard::handle_want`.
    fn handle_want(&mut self, at: usize, from: u16, client: usize, incarnation: u32) {
        let Some(member) = self.shards[at].members[client].as_mut() else { return };
        if member.incarnation == incarnation && member.conn.is_some() {
            member.want(shard_id(from.into()));
            self.give_credit(at, client);
        }
    }

    /// `Shard::give_credit`.
    pub(super) fn give_credit(&mut self, at: usize, client: usize) {
        let Some(member) = self.shards[at].members[client].as_mut() else { return };
        let mut got = [0; SHARDS];
        member.distribute(0, |shard, count| got[usize::from(shard.0)] = count);
        if member.add_renewed(shard_id(1 - at), got[1 - at]) {
            self.shards[at].renewed.push(client);
        }
        if got[at] > 0
            && let Some(peer) = self.peer_at(at, client)
        {
            self.shards[at].partition.add_credit(peer, got[at]);
            self.serve(at, peer);
        }
        self.recall_credit(at, client);
    }

    /// `Shard::recall_credit`.
    fn recall_credit(&mut self, at: usize, client: usize) {
        let Some(member) = self.shards[at].members[client].as_mut() else { return };
        let incarnation = member.incarnation;
        let Some(shard) = member.recall(false) else { return };
        if usize::from(shard.0) != at {
            self.send_renewed(at, client);
            return self.send(at, Wire::Recall { client, incarnation });
        }
        let peer = self.peer_at(at, client);
        let count = peer.map_or(0, |peer| self.shards[at].partition.take_credit(peer));
        self.handle_return(at, at, client, (incarnation, count));
    }

    /// `Shard::handle_return`.
    fn handle_return(
        &mut self,
        at: usize,
        from: usize,
        client: usize,
        (incarnation, count): (u32, u32),
    ) {
        let Some(member) = self.shards[at].members[client].as_mut() else { return };
        if member.incarnation != incarnation || member.conn.is_none() {
            return;
        }
        if member.note_returned(shard_id(from), count) {
            self.give_credit(at, client);
        }
    }

    /// `Shard::unpark`.
    fn unpark(&mut self, at: usize, client: usize) {
        while let Some(member) = self.shards[at].members[client].as_mut()
            && member.conn.is_some()
            && let Some(parked) = member.parked.pop_front()
        {
            if !self.write(at, client, parked.of) {
                let member = self.shards[at].members[client].as_mut().expect("it was there");
                return member.parked.push_front(parked);
            }
        }
    }

    /// `Shard::reserve_leases`.
    pub(super) fn reserve_leases(&mut self, at: usize, client: usize) {
        let shard = &mut self.shards[at];
        let Some(member) = shard.members[client].as_mut() else { return };
        if let Some(below) = member.leases.wants_reserved() {
            shard.log.append(Record::Reserved { client, below });
            member.leases.note_reserving(shard.log.appended(), below);
        }
    }

    /// `Shard::end_reserving`.
    pub(super) fn end_reserving(&mut self, at: usize) {
        for client in 0..2 {
            let shard = &mut self.shards[at];
            let Some(member) = shard.members[client].as_mut() else { continue };
            if !member.leases.is_reserving() {
                continue;
            }
            member.leases.note_committed(shard.log.committed());
            if !member.leases.is_reserving() {
                self.unpark(at, client);
                self.give_credit(at, client);
            }
        }
        self.send_wishes(at);
    }

    /// `Shard::flush_groups`.
    pub(super) fn flush(&mut self, at: usize) {
        for done in std::mem::take(&mut self.shards[at].done) {
            let Done { session, incarnation, lane: LaneId(lane), number, late, .. } = done;
            let client = session as usize;
            self.send(at, Wire::Done { client, incarnation, lane, number, late });
        }
        for client in std::mem::take(&mut self.shards[at].renewed) {
            self.send_renewed(at, client);
        }
    }

    /// `Shard::send_renewed`.
    fn send_renewed(&mut self, at: usize, client: usize) {
        let Some(member) = self.shards[at].members[client].as_mut() else { return };
        let (incarnation, count) = (member.incarnation, member.take_renewed(shard_id(1 - at)));
        if count > 0 {
            self.send(at, Wire::Credit { client, incarnation, count });
        }
    }

    /// `Shard::answer_lease`.
    pub(super) fn answer(&mut self, client: usize, nth: usize) {
        let at = self.plan.homes[client];
        let packet_id = self.oracle.answer(client, nth);
        self.answer_lease(at, client, packet_id);
    }

    /// The same for a message of an earlier connection.
    pub(super) fn answer_late(&mut self, client: usize, nth: usize) {
        let at = self.plan.homes[client];
        let (packet_id, message) = self.oracle.answer_late(client, nth);
        if self.answer_lease(at, client, packet_id) {
            self.oracle.note_known(client, message);
        }
    }

    /// Returns whether the broker knew the identifier.
    fn answer_lease(&mut self, at: usize, client: usize, packet_id: u16) -> bool {
        let flawed = self.plan.has(Flaw::LateForgotten);
        let Some(member) = self.shards[at].members[client].as_mut() else { return false };
        let packet_id = PacketId::new(packet_id).expect("it was issued");
        match member.leases.answer(packet_id) {
            Some(Answered::Sent(of)) => self.finish(at, client, of),
            Some(Answered::Late(of)) => {
                if flawed {
                    member.leases.forget(of);
                }
                self.tell_done(at, client, of, true);
            }
            None => return false,
        }
        self.send_wishes(at);
        true
    }
}
