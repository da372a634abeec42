//! Members come and go: the functions of `broker::shard::{membership, group_life}`.

use super::plan::Flaw;
use super::world::{Wire, World, session, shard_id};

impl World {
    /// A client connects. With a new session it subscribes: `Shard::subscribe_shared`.
    pub(super) fn connect(&mut self, client: usize) {
        let had = self.oracle.clients[client].has_session;
        self.oracle.begin(client);
        if !had {
            self.add_member(client);
            self.join(client);
        }
        self.begin_member(client);
    }

    /// `Shard::join`.
    pub(super) fn join(&mut self, client: usize) {
        let at = self.plan.homes[client];
        self.send(at, Wire::Join { client });
        self.handle_join(at, client);
    }

    /// A connection breaks: `Shard::pause_member`, or `Shard::end_member` of a clean session.
    pub(super) fn break_off(&mut self, client: usize) {
        let (at, durable) = (self.plan.homes[client], self.plan.durable[client]);
        self.oracle.end(client, durable);
        if self.plan.has(Flaw::AnswersLost) {
            self.shards[at].done.clear();
        }
        if let Some(member) = self.shards[at].members[client].as_mut() {
            member.end();
        }
        let flawed = self.plan.has(Flaw::AnswersAfterLeave);
        if !flawed {
            self.flush(at);
        }
        if durable {
            self.send(at, Wire::Away { client });
            return self.handle_away(at, client);
        }
        self.shards[at].members[client] = None;
        self.send(at, Wire::Leave { client });
        self.handle_leave(at, client);
        self.send(at, Wire::Gone { client, ended: true });
        self.handle_gone(at, client, true);
    }

    /// `Shard::end_graces`.
    pub(super) fn grace_ends(&mut self, client: usize) {
        let at = self.plan.homes[client];
        self.oracle.clients[client].awaited = false;
        self.send(at, Wire::Gone { client, ended: false });
        self.handle_gone(at, client, false);
    }

    fn peer(&self, at: usize, client: usize) -> Option<u32> {
        let home = shard_id(self.plan.homes[client]);
        self.shards[at].partition.peer_of(home, session(client))
    }

    /// `Shard::handle_join`.
    pub(super) fn handle_join(&mut self, at: usize, client: usize) {
        let home = shard_id(self.plan.homes[client]);
        // Only its order counts.
        let who = (home, session(client), client as u64);
        let shard = &mut self.shards[at];
        shard.partition.join(shard.group, who, 0);
        if let Some(peer) = self.peer(at, client) {
            self.serve_peer(at, peer);
        }
        self.send_wishes(at);
    }

    fn serve_peer(&mut self, at: usize, peer: u32) {
        while let Some(slot) = self.shards[at].partition.next_for(peer) {
            self.dispatch(at, slot as usize);
        }
    }

    /// `Shard::handle_leave`; another member remains.
    pub(super) fn handle_leave(&mut self, at: usize, client: usize) {
        if let Some(peer) = self.peer(at, client) {
            let shard = &mut self.shards[at];
            shard.partition.leave(shard.group, peer);
            self.go_on_without(at, peer);
        }
    }

    /// `Shard::go_on_without`.
    fn go_on_without(&mut self, at: usize, peer: u32) {
        for slot in self.shards[at].partition.take_starved(peer) {
            self.dispatch(at, slot as usize);
        }
    }

    /// `Shard::handle_begin`.
    pub(super) fn handle_begin(&mut self, at: usize, client: usize, incarnation: u32, credit: u32) {
        let home = shard_id(self.plan.homes[client]);
        let who = (home, session(client), client as u64);
        let peer = self.shards[at].partition.begin(who, incarnation, credit);
        for slot in self.shards[at].partition.owned(peer) {
            self.take_lane_back(at, slot);
            self.dispatch(at, slot as usize);
        }
        self.serve_peer(at, peer);
        self.send_wishes(at);
    }

    /// `Shard::take_lane_back`.
    fn take_lane_back(&mut self, at: usize, slot: u32) -> Option<u64> {
        let (flawed, skips) = (self.plan.has(Flaw::NoRewind), self.plan.has(Flaw::SkipSent));
        let shard = &mut self.shards[at];
        let queue = &mut shard.queues[slot as usize];
        let had_any = queue.unacked() > 0;
        if !flawed {
            queue.rewind();
        }
        if skips && had_any {
            queue.take_next();
        }
        let (first, sent) = (queue.first() as u64, queue.sent() as u64);
        shard.partition.keep(slot, sent);
        had_any.then_some(first)
    }

    fn take_lanes_back(&mut self, at: usize, slots: &[u32]) {
        for slot in slots {
            if let Some(first) = self.take_lane_back(at, *slot) {
                self.shards[at].partition.note_loss(*slot, first);
            }
        }
    }

    /// `Shard::handle_away`.
    pub(super) fn handle_away(&mut self, at: usize, client: usize) {
        let Some(peer) = self.peer(at, client) else { return };
        self.shards[at].partition.pause(peer);
        let owned = self.shards[at].partition.owned(peer);
        self.take_lanes_back(at, &owned);
        self.go_on_without(at, peer);
        self.send_wishes(at);
    }

    /// `Shard::handle_gone`.
    pub(super) fn handle_gone(&mut self, at: usize, client: usize, ended: bool) {
        let Some(peer) = self.peer(at, client) else { return };
        let partition = &mut self.shards[at].partition;
        partition.pause(peer);
        partition.expire(peer);
        let owned = partition.owned(peer);
        self.take_lanes_back(at, &owned);
        if ended {
            owned.iter().for_each(|slot| self.shards[at].partition.free(*slot));
        }
        self.go_on_without(at, peer);
        if ended {
            self.shards[at].partition.forget(peer);
        }
        if !self.plan.has(Flaw::LanesStay) {
            owned.into_iter().for_each(|slot| self.dispatch(at, slot as usize));
        }
        self.send_wishes(at);
    }
}
