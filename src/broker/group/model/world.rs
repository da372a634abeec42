//! The state, and the steps that it can take.
//!
//! Lanes, credit and leases are those of the broker: [`Partition`], [`Member`] and [`Leases`]. What
//! joins them is `Shard` in the broker and this file here; each step names the functions of `Shard`
//! that it stands for.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use super::super::super::names::{ConnId, ShardId, VhostId};
use super::super::{Done, Leases, Member, Partition};
use super::lane_queue::{LaneQueue, Log, Message, Record};
use super::oracle::Oracle;
use super::plan::{Flaw, Plan};

pub(super) const SHARDS: usize = 2;
const MEMBERS: usize = 2;
pub(super) const VHOST: VhostId = VhostId(0);
const SHARE: &str = "$share/g/t";
const CONN: ConnId = ConnId { slot: 0, generation: 0 };

/// A message from one shard to the other: `peer::GroupMessage`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Wire {
    Join { client: usize },
    Leave { client: usize },
    Begin { client: usize, incarnation: u32, credit: u32 },
    Away { client: usize },
    Gone { client: usize, ended: bool },
    Credit { client: usize, incarnation: u32, count: u32 },
    Want { client: usize, incarnation: u32 },
    Recall { client: usize, incarnation: u32 },
    Return { client: usize, incarnation: u32, count: u32 },
    Work { client: usize, incarnation: u32, lane: u64, number: u32 },
    Done { client: usize, incarnation: u32, lane: u64, number: u32, late: bool },
    Forget { client: usize, lane: u64, number: u32 },
}

/// One thing that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Publish,
    /// The write of a shard's log ends.
    Commit(usize),
    /// The next message from a shard to the other arrives.
    Arrive(usize),
    Connect(usize),
    Break(usize),
    /// The same in one turn with the answer to its first message.
    AnswerAndBreak(usize),
    /// The broker does not wait for a lost member any longer.
    GraceEnds(usize),
    /// A client answers one of the messages that it has.
    Answer(usize, usize),
    /// The same for a message of an earlier connection.
    AnswerLate(usize, usize),
    /// The broker is killed; whether the write in progress of each shard was made.
    Crash([bool; 2]),
}

#[derive(Clone, Debug)]
pub(super) struct Shard {
    pub(super) partition: Partition,
    pub(super) group: u32,
    pub(super) queues: Vec<LaneQueue>,
    pub(super) members: [Option<Member>; MEMBERS],
    incarnations: u32,
    pub(super) log: Log,
    /// Answers and credit for the other shard, until the turn ends.
    pub(super) done: Vec<Done>,
    pub(super) renewed: Vec<usize>,
}

/// See the file.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) shards: [Shard; SHARDS],
    /// By sender.
    pub(super) wires: [VecDeque<Wire>; SHARDS],
    pub(super) oracle: Oracle,
    published: usize,
    losses: u8,
    crashes: u8,
    late: u8,
    pub(super) fault: Option<String>,
}

pub(super) fn session(client: usize) -> u32 {
    u32::try_from(client).expect("two")
}

pub(super) fn shard_id(shard: usize) -> ShardId {
    ShardId(u16::try_from(shard).expect("two"))
}

impl Shard {
    /// A shard as it starts with a log: `Shard::restore_groups`.
    fn start(log: Log, plan: &Plan) -> Self {
        let mut partition = Partition::default();
        let group = partition.create(VHOST, SHARE, plan.order);
        let queues = log.replayed();
        for lane in 0..queues.len() {
            let number = u16::try_from(lane).expect("few");
            let slot = partition.add_lane(group, number, 100 + u32::from(number), true);
            assert_eq!(slot as usize, lane, "lanes have the slots of their numbers here");
        }
        let members = [None, None];
        let (done, renewed) = (Vec::new(), Vec::new());
        Self { partition, group, queues, members, incarnations: 0, log, done, renewed }
    }

    /// `Groups::next_incarnation`.
    pub(super) fn next_incarnation(&mut self) -> u32 {
        self.incarnations += 1;
        self.incarnations
    }
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let lanes = plan.messages.iter().map(|(_, lane)| usize::from(*lane) + 1).max();
        let lanes = lanes.expect("there are messages");
        let mut world = Self {
            plan,
            shards: [(); SHARDS].map(|()| Shard::start(Log::new(lanes), &plan)),
            wires: [VecDeque::new(), VecDeque::new()],
            oracle: Oracle::default(),
            published: 0,
            losses: plan.losses,
            crashes: plan.crashes,
            late: plan.late,
            fault: None,
        };
        for client in 0..if plan.both { 2 } else { 1 } {
            world.connect(client);
            world.end_turns();
            while let Some(from) = (0..SHARDS).find(|from| !world.wires[*from].is_empty()) {
                world.take(Step::Arrive(from));
            }
        }
        // Nothing was published: what is in the log now is old.
        for shard in 0..SHARDS {
            world.commit(shard);
            world.end_turns();
        }
        while let Some(from) = (0..SHARDS).find(|from| !world.wires[*from].is_empty()) {
            world.take(Step::Arrive(from));
        }
        world
    }

    /// All that can happen next.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.published < self.plan.messages.len() {
            steps.push(Step::Publish);
        }
        for shard in 0..SHARDS {
            if self.shards[shard].log.has_pending() {
                steps.push(Step::Commit(shard));
            }
            if !self.wires[shard].is_empty() {
                steps.push(Step::Arrive(shard));
            }
        }
        for (at, client) in self.oracle.clients.iter().enumerate() {
            if !client.connected {
                steps.push(Step::Connect(at));
            } else if self.losses > 0 {
                steps.push(Step::Break(at));
                if !client.held.is_empty() {
                    steps.push(Step::AnswerAndBreak(at));
                }
            }
            if client.awaited {
                steps.push(Step::GraceEnds(at));
            }
            steps.extend((0..client.held.len()).map(|nth| Step::Answer(at, nth)));
            if client.connected && self.late > 0 {
                let count = client.before.len() + client.crashed.len();
                steps.extend((0..count).map(|nth| Step::AnswerLate(at, nth)));
            }
        }
        if self.crashes > 0 {
            let pending = self.shards.each_ref().map(|shard| shard.log.has_pending());
            for written in [[false, false], [true, false], [false, true], [true, true]] {
                // What is not pending needs no writing.
                if (0..SHARDS).all(|at| pending[at] || !written[at]) {
                    steps.push(Step::Crash(written));
                }
            }
        }
        steps
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Publish => self.publish(),
            Step::Commit(shard) => self.commit(shard),
            Step::Arrive(from) => {
                let wire = self.wires[from].pop_front().expect("it is offered if there is one");
                self.arrive(from, wire);
            }
            Step::Connect(client) => self.connect(client),
            Step::Break(client) => {
                self.losses -= 1;
                self.break_off(client);
            }
            Step::AnswerAndBreak(client) => {
                self.losses -= 1;
                self.answer(client, 0);
                self.break_off(client);
            }
            Step::GraceEnds(client) => self.grace_ends(client),
            Step::Answer(client, nth) => self.answer(client, nth),
            Step::AnswerLate(client, nth) => {
                self.late -= 1;
                self.answer_late(client, nth);
            }
            Step::Crash(written) => {
                self.crashes -= 1;
                self.crash(written);
            }
        }
        self.end_turns();
    }

    /// Turns end. What the log has and has not makes a difference only to a crash.
    fn end_turns(&mut self) {
        for shard in 0..SHARDS {
            self.flush(shard);
            if self.crashes == 0 && self.shards[shard].log.has_pending() {
                self.commit(shard);
                self.flush(shard);
            }
        }
    }

    /// `Shard::share`: a message goes to its lane and to the log.
    fn publish(&mut self) {
        let message = self.published;
        self.published += 1;
        let (at, lane) = self.plan.messages[message];
        let lane = usize::from(lane);
        let shard = &mut self.shards[at];
        shard.queues[lane].push(message);
        shard.log.append(Record::Stored { lane, message });
        if self.plan.has(Flaw::PromiseBeforeCommit) {
            self.oracle.promise(message);
        }
        self.dispatch(at, lane);
        self.send_wishes(at);
    }

    /// A PUBACK is sent when the log is committed. Then reserved numbers may be used:
    /// `Shard::end_reserving`.
    fn commit(&mut self, at: usize) {
        let log = &mut self.shards[at].log;
        let pending = usize::try_from(log.appended() - log.committed()).expect("few");
        let stored = log.commit(pending);
        stored.into_iter().for_each(|message| self.oracle.promise(message));
        self.end_reserving(at);
    }

    /// Both shards end and start with what their logs have.
    fn crash(&mut self, written: [bool; 2]) {
        self.oracle.crash(&self.plan);
        self.wires.iter_mut().for_each(VecDeque::clear);
        for (at, is_written) in written.into_iter().enumerate() {
            let mut log = self.shards[at].log.clone();
            log.crash(is_written);
            self.shards[at] = Shard::start(log, &self.plan);
            for lane in 0..self.shards[at].queues.len() {
                self.dispatch(at, lane);
            }
        }
        for client in 0..MEMBERS {
            if self.oracle.clients[client].has_session {
                self.add_member(client);
                self.join(client);
            }
        }
    }

    /// `Shard::add_membership`.
    pub(super) fn add_member(&mut self, client: usize) {
        let home = &mut self.shards[self.plan.homes[client]];
        let leases = if self.plan.durable[client] && !self.plan.has(Flaw::NoReservation) {
            Leases::starting_at(home.log.reserved[client])
        } else {
            Leases::volatile()
        };
        home.members[client] = Some(Member::new(leases, 2));
    }

    /// `Shard::begin_member`.
    pub(super) fn begin_member(&mut self, client: usize) {
        let at = self.plan.homes[client];
        self.reserve_leases(at, client);
        let incarnation = self.shards[at].next_incarnation();
        let window = self.plan.window;
        let Some(member) = self.shards[at].members[client].as_mut() else { return };
        (member.incarnation, member.is_limited, member.receive_max) = (incarnation, true, window);
        let credit = member.begin(CONN, window, 0);
        self.send(at, Wire::Begin { client, incarnation, credit });
        self.handle_begin(at, client, incarnation, credit);
        if !self.plan.has(Flaw::NotAsked) {
            // `Shard::resume_member`.
            self.give_credit(at, client);
        }
        self.send_wishes(at);
    }

    pub(super) fn send(&mut self, from: usize, wire: Wire) {
        self.wires[from].push_back(wire);
    }

    /// The message of a lane's number, if that is a lane of the shard.
    pub(super) fn message(&self, shard: usize, lane: usize, number: u32) -> Message {
        self.shards[shard].queues[lane].message(number as usize)
    }

    /// Whether everything has ended as it should, when nothing can happen any more.
    ///
    /// # Errors
    /// What has not.
    pub(super) fn judge_end(&self) -> Result<(), String> {
        if let Some(message) = self.oracle.missing(|_| false) {
            return Err(format!("{message} was promised and does not come"));
        }
        for (at, shard) in self.shards.iter().enumerate() {
            let left = shard.queues.iter().flat_map(LaneQueue::rest).chain(shard.log.rest());
            if let Some(message) = left.into_iter().next() {
                return Err(format!("{message} is left on shard {at}"));
            }
        }
        Ok(())
    }

    /// Whether the state is as it must always be.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn judge(&self) -> Result<(), String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let kept = |message| {
            let live = self.shards.iter().flat_map(|shard| &shard.queues);
            live.flat_map(LaneQueue::rest).any(|rest| rest == message)
        };
        if let Some(message) = self.oracle.missing(kept) {
            return Err(format!("{message} was promised and is lost"));
        }
        (0..MEMBERS).try_for_each(|client| self.judge_credit(client))
    }

    /// Credit is neither lost nor made: what a member has granted is with shards, on its way, or
    /// used by messages.
    fn judge_credit(&self, client: usize) -> Result<(), String> {
        let home = self.plan.homes[client];
        let Some(member) = &self.shards[home].members[client] else { return Ok(()) };
        if member.conn.is_none() {
            return Ok(());
        }
        let own = member.incarnation;
        let mut found = member.in_flight();
        for shard in &self.shards {
            let at = shard.partition.peer_of(shard_id(home), session(client));
            let peer = at.and_then(|at| shard.partition.peer(at));
            let peer = peer.filter(|peer| peer.is_live && peer.incarnation == own);
            found += peer.map_or(0, |peer| peer.credit);
        }
        for wire in self.wires.iter().flatten() {
            found += match *wire {
                Wire::Begin { client: of, incarnation, credit: count }
                | Wire::Credit { client: of, incarnation, count }
                | Wire::Return { client: of, incarnation, count }
                    if of == client && incarnation == own =>
                {
                    count
                }
                Wire::Work { client: of, incarnation, .. }
                    if of == client && incarnation == own =>
                {
                    1
                }
                _ => 0,
            };
        }
        let (granted, window) = (member.granted(), self.plan.window);
        if found != granted || granted > window {
            return Err(format!("{client} has granted {granted} of {window}; there are {found}"));
        }
        Ok(())
    }
}

/// Everything that decides what can follow.
impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { shards, wires, oracle, published, losses, crashes, late, .. } = self;
        (wires, oracle, published, losses, crashes, late).hash(hasher);
        for Shard { partition, group, queues, members, incarnations, log, .. } in shards {
            (queues, incarnations, log).hash(hasher);
            for lane in 0..queues.len() {
                let lane = partition.lanes.get(u32::try_from(lane).expect("few"));
                let lane = lane.expect("lanes stay");
                (lane.owner, lane.out, lane.kept_below, lane.is_listed).hash(hasher);
                (lane.losses, lane.lost_first).hash(hasher);
            }
            let found = partition.group(*group).expect("the group stays");
            (&found.members, &found.turn, &found.waiting, found.is_asked).hash(hasher);
            for at in partition.peers.keys_from(0) {
                let peer = partition.peer(at).expect("it is listed");
                (at, peer.session, peer.incarnation, peer.credit, peer.out).hash(hasher);
                (peer.is_live, peer.is_expired, peer.is_full, peer.is_asked).hash(hasher);
                (&peer.left, &peer.starved, peer.seats.len()).hash(hasher);
                peer.seats.iter().for_each(|seat| seat.in_turn.hash(hasher));
            }
            let _ = write!(Hashed(hasher), "{members:?}");
        }
    }
}

/// Text that goes into a hash.
struct Hashed<'a, H>(&'a mut H);

impl<H: Hasher> std::fmt::Write for Hashed<'_, H> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
