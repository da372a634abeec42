//! One run: the shards, the kernel, the clients, and the scheduler that lets one of them take a
//! step at a time.
//!
//! When no actor can take a step, time advances to the next awaited moment. If a client waits for
//! the broker longer than the broker could have a reason, a wake-up was lost.

use ringmq::broker::SessionName;
use ringmq::broker::inspect::{
    ClosedListing, Filter, Listing, Measure, Peek, Question, RetainedListing, RetainedMessage,
    SubscriptionListing, Top, TraceOrder, TraceSpec, TracedId, Wanted,
};
use ringmq::limits::{STOP_MS_MAX, TRACES_MAX};

use crate::client::{Client, Mode, Scene};
use crate::cluster::{Cluster, SimClock, open_store};
use crate::disk::{Failures, Fault};
use crate::intruder::Intruder;
use crate::kernel::{Kernel, Operation, Shared, lock};
use crate::ledger::Ledger;
use crate::plan::{Ending, Plan};
use crate::random::Random;

/// Longest a client that reads waits for an answer: accepting pauses 100 ms after a failure, and
/// publishers are held back for some patiences.
const WAIT_MS_MAX: u64 = 1_500;

/// Time for which all clients rest now and then: longer than the broker may keep one waiting, so
/// that nothing new covers up a wake-up that was lost.
const REST_MS: u64 = 3_000;

/// Longest the settling takes: a closing link may flush for 5 s.
const SETTLE_MS_MAX: u64 = 10_000;

/// Time in which nothing may happen any more once all is settled.
const QUIET_MS: u64 = 300;

/// The time of a stop above its limit: a tick of the wheel, and turns.
const STOP_SLACK_MS: u64 = 200;

/// In one of this many steps an operator sends an ask.
const ASK_ONE_IN: usize = 40;

/// One of this many asks is about traces.
const TRACE_ONE_IN: usize = 4;

/// In one of this many steps an intruder appears, in runs with users.
const INTRUDER_ONE_IN: usize = 200;

/// Steps after which a run counts as endless.
const STEPS_MAX: u64 = 2_000_000;

#[derive(Clone, Copy, Debug)]
enum Actor {
    Shard(usize),
    Kernel(usize, Operation),
    Client(usize),
    Intruder(usize),
}

struct World {
    plan: Plan,
    random: Random,
    /// The random asks of operators, separate so that the rest of a seed's story does not change.
    curiosity: Random,
    kernel: Shared,
    clock: SimClock,
    now_ms: u64,
    cluster: Cluster,
    clients: Vec<Client>,
    intruders: Vec<Intruder>,
    ledger: Ledger,
    mode: Mode,
    steps: u64,
    /// A broker that died has dropped QoS 0.
    was_lossy: bool,
    /// A shard that is suspended until this step, while other actors can continue.
    frozen: Option<(usize, u64)>,
    actors: Vec<Actor>,
    operations: Vec<(usize, Operation)>,
}

/// Runs one seed; panics at the first fault. Returns the number of steps.
pub(crate) fn run(seed: u64, tells: bool) -> u64 {
    let mut plan = Plan::new(seed);
    // Drawn apart, so that the rest of the plan is that of a run without users.
    plan.proofs_one_in = Random::new(seed ^ 0x7072_6f6f_6600_0000).pick(&[0, 0, 0, 1, 2]);
    if tells {
        println!("{plan:#?}");
    }
    let mut world = World::new(plan, tells);
    world.live();
    match world.plan.ending {
        Ending::Abrupt => {}
        Ending::Connected => world.settle_twice(),
        Ending::Empty => {
            world.settle_twice();
            world.leave();
        }
    }
    world.stop();
    if world.plan.ending == Ending::Empty && world.plan.session_expiry_ms > 0 {
        world.expect_no_sessions();
    }
    world.steps
}

impl World {
    fn new(plan: Plan, tells: bool) -> Self {
        let mut random = Random::new(plan.seed ^ 0x776f_726c_6400_0000);
        let kernel: Shared = std::sync::Arc::new(std::sync::Mutex::new(Kernel::new(&plan)));
        let clock = SimClock::default();
        let cluster = Cluster::new(&plan, 0, &kernel, &clock);
        let ledger = Ledger::new(plan.session_bytes_max > 0, tells);
        let clients = (0..plan.clients).map(|at| Client::new(at, plan.acts, &mut random)).collect();
        Self {
            curiosity: Random::new(plan.seed ^ 0x6f70_6572_6174_6f72),
            plan,
            random,
            kernel,
            clock,
            now_ms: 0,
            cluster,
            clients,
            intruders: Vec::new(),
            ledger,
            mode: Mode::Live,
            steps: 0,
            was_lossy: false,
            frozen: None,
            actors: Vec::new(),
            operations: Vec::new(),
        }
    }

    /// Runs random actions of all clients.
    fn live(&mut self) {
        while self.clients.iter().any(|client| client.acts > 0) {
            if self.random.one_in(self.plan.rest_one_in) {
                let until_ms = self.now_ms + REST_MS;
                self.clients.iter_mut().for_each(|client| client.rest_until(until_ms));
            }
            if self.random.one_in(self.plan.crash_one_in) {
                self.crash();
            }
            if self.plan.proofs_one_in > 0 && self.random.one_in(INTRUDER_ONE_IN) {
                self.intrude();
            }
            self.step_or_wait();
        }
    }

    /// Somebody connects as one of the clients without being its user.
    fn intrude(&mut self) {
        {
            let kernel = lock(&self.kernel);
            self.intruders.retain(|intruder| !intruder.is_gone(&kernel));
        }
        let (plan, random) = (&self.plan, &mut self.random);
        self.intruders.push(Intruder::new(plan, &self.kernel, random, self.now_ms));
    }

    /// The broker dies, with the power or without, and is started again.
    fn crash(&mut self) {
        let power = self.plan.sync && self.random.one_in(2);
        let ledger = &mut self.ledger;
        ledger.tell(|| format!("a crash; the power goes: {power}"));
        self.was_lossy = self.is_lossy();
        lock(&self.kernel).begin_crash();
        self.cluster.kill();
        let conns = {
            let mut kernel = lock(&self.kernel);
            kernel.end_crash(power);
            kernel.conns.len()
        };
        self.ledger.on_crash(conns, power);
        for at in 0..self.clients.len() {
            self.with_client(at, Client::on_crash);
        }
        let down_ms = self.random.pick(&[0, 0, 3, 600, 20_000, 800_000]);
        {
            let clocks = &mut lock(&self.kernel).disk.clocks;
            clocks.pass(down_ms, power);
            if power && self.random.one_in(2) {
                clocks.set(&mut self.random);
            }
        }
        self.ledger.down_ms += down_ms;
        self.ledger.tell(|| format!("down for {down_ms} ms"));
        let start = self.ledger.crashes.len() as u64;
        self.cluster = Cluster::new(&self.plan, start, &self.kernel, &self.clock);
        self.frozen = None;
    }

    /// Settles; where the broker dies at all, it dies once more, and all is still there.
    fn settle_twice(&mut self) {
        self.settle();
        if self.plan.crash_one_in > 0 {
            self.crash();
            self.settle();
        }
    }

    /// Waits until all clients have everything due, checks, and looks at the retained messages.
    fn settle(&mut self) {
        self.begin(Mode::Settle);
        lock(&self.kernel).heal();
        for at in 0..self.clients.len() {
            self.with_client(at, |client, scene| client.bury_zombies(scene));
        }
        self.wait_for_quiet();
        self.end_traces();
        self.wait_for_quiet();
        assert_eq!(self.cluster.unanswered(), 0, "asks are answered");
        self.expect_failures_counted();
        let lossy = self.is_lossy();
        self.ledger.check(lossy);
        let probe = self.clients.len();
        self.clients.push(Client::probe(probe, &mut self.random));
        self.with_client(probe, Client::connect);
        self.wait_for_quiet();
        self.with_client(probe, Client::subscribe_to_all);
        self.wait_for_quiet();
        if let Some(session) = self.clients[probe].session {
            self.ledger.judge_probe(session, self.is_lossy());
        }
    }

    /// The shards have counted what their disks have failed.
    fn expect_failures_counted(&self) {
        let counted = Failures {
            writes: self.cluster.count(|stats| stats.disk_write_failures),
            syncs: self.cluster.count(|stats| stats.disk_sync_failures),
        };
        assert_eq!(counted, lock(&self.kernel).disk.failures(), "failures of the disk");
    }

    /// Disconnects all clients; no state may be left.
    fn leave(&mut self) {
        self.begin(Mode::Leave);
        self.wait_for_quiet();
        // A check for expired sessions may have begun just before.
        self.wait_ms(self.plan.session_expiry_ms * 5 / 4 + QUIET_MS);
        for at in 0..self.cluster.len() {
            let unrest = lock(&self.kernel).unrest(at);
            assert_eq!(unrest, None, "everybody has left");
        }
        self.expect_all_closed();
    }

    /// Stops the broker, which must be done in time, with everything closed and every will out.
    fn stop(&mut self) {
        self.begin(Mode::Drain);
        let tick = self.ledger.tick();
        let settled = self.plan.ending == Ending::Connected;
        for client in self.clients.iter().filter(|_| settled) {
            let links = client.link.as_ref().filter(|link| link.accepted);
            // A delayed will waits for the next start, with its session.
            let stays = links.is_some_and(|link| Client::leaves_session(link, &self.plan));
            let wills = links.and_then(|link| link.will);
            let is_due = |will: &usize| !stays || self.ledger.messages[*will].delay_ms == 0;
            if let Some(will) = wills.filter(is_due) {
                self.ledger.messages[will].sure_from.get_or_insert(tick);
            }
        }
        for link in self.clients.iter().filter_map(|client| client.link.as_ref()) {
            if let Some(will) = link.will {
                self.ledger.messages[will].not_before_ms = Some(0);
            }
        }
        // Links first, then uncommitted records.
        let deadline_ms = self.now_ms + 2 * STOP_MS_MAX + STOP_SLACK_MS;
        let mut told = 0;
        while !self.cluster.is_stopped() {
            if told < self.cluster.len() && (told == 0 || self.random.one_in(20)) {
                self.cluster.drain(told);
                told += 1;
            }
            self.step_or_wait();
            assert!(self.now_ms <= deadline_ms, "the broker does not stop");
        }
        self.expect_all_closed();
        // The rest in the pipes.
        while self.step() {}
        if settled {
            // PUBACKs are not read any more: only as many messages as fit the window are sent.
            let wills = self.clients.len() <= usize::from(self.plan.inflight_max);
            let lossy = self.is_lossy();
            if wills {
                self.ledger.judge_wills(tick, self.clients.len(), lossy);
            }
        }
    }

    /// Lets all actors run for a time.
    fn wait_ms(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while self.now_ms < until_ms {
            if !self.step() {
                let next_ms = self.next_ms().unwrap_or(until_ms);
                self.wait_until(next_ms.min(until_ms));
            }
        }
    }

    /// Clients that left this long ago have no sessions any more.
    fn expect_no_sessions(&self) {
        for shard in 0..self.plan.shards {
            let store = open_store(&self.plan, u64::MAX, &self.kernel, shard);
            assert_eq!(store.catalog.sessions().len(), 0, "sessions live too long");
        }
    }

    fn begin(&mut self, mode: Mode) {
        self.mode = mode;
        self.ledger.tell(|| format!("{mode:?}"));
    }

    fn expect_all_closed(&self) {
        let kernel = lock(&self.kernel);
        let open = kernel.conns.iter().position(|conn| !conn.closed);
        assert_eq!(open, None, "a connection is left");
    }

    fn is_lossy(&self) -> bool {
        self.was_lossy || self.cluster.count(|stats| stats.qos0_dropped_slow) > 0
    }

    fn wait_for_quiet(&mut self) {
        let deadline_ms = self.now_ms + SETTLE_MS_MAX;
        let mut quiet_from_ms = self.now_ms;
        let well_ms = lock(&self.kernel).disk.well_ms();
        loop {
            if self.step() {
                quiet_from_ms = self.now_ms;
                continue;
            }
            let settled = {
                let kernel = lock(&self.kernel);
                self.clients.iter().all(|client| client.is_settled(&kernel, self.mode))
                    && self.intruders.iter().all(|intruder| intruder.is_gone(&kernel))
            };
            if !settled {
                quiet_from_ms = self.now_ms;
                let stories: Vec<String> = self.clients.iter().map(Client::describe).collect();
                let late = self.now_ms > deadline_ms;
                assert!(!late, "it does not settle:\n{}", stories.join("\n"));
            } else if self.now_ms >= quiet_from_ms.max(well_ms) + QUIET_MS {
                return;
            }
            let next_ms = self.next_ms().filter(|ms| *ms < self.now_ms + QUIET_MS);
            self.wait_until(next_ms.unwrap_or(self.now_ms + QUIET_MS));
        }
    }

    fn step_or_wait(&mut self) {
        if !self.step() {
            // Later than any timer of the broker: an actor that still waits then waits for ever.
            let next_ms = self.next_ms().unwrap_or(self.now_ms + 1_000_000);
            self.wait_until(next_ms);
        }
    }

    fn next_ms(&self) -> Option<u64> {
        let clients = self.clients.iter();
        let clients = clients.filter_map(|client| client.next_ms(self.mode, self.now_ms));
        let disk = lock(&self.kernel).disk.next_ms();
        clients.chain(self.cluster.next_ms()).chain(disk).min()
    }

    fn wait_until(&mut self, next_ms: u64) {
        let well_ms = lock(&self.kernel).disk.well_ms();
        for client in self.clients.iter().filter(|_| self.mode != Mode::Drain) {
            let waited_ms = client.waited_ms(next_ms, well_ms).unwrap_or(0);
            assert!(waited_ms <= WAIT_MS_MAX, "stuck: {}", client.describe());
        }
        self.move_clock(next_ms.max(self.now_ms));
    }

    fn move_clock(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.clock.set(now_ms);
        lock(&self.kernel).set_time(now_ms);
        self.ledger.now_ms = now_ms;
    }

    /// Lets one actor take a step; false if none can.
    fn step(&mut self) -> bool {
        if self.random.one_in(self.plan.haste_one_in) {
            self.move_clock(self.now_ms + 1);
        }
        if self.random.one_in(self.plan.clock_set_one_in) {
            lock(&self.kernel).disk.clocks.set(&mut self.random);
        }
        if self.random.one_in(self.plan.freeze_one_in) {
            let shard = self.random.below(self.cluster.len());
            let steps = self.random.pick(&[20, 100, 400, 1500]);
            self.frozen = Some((shard, self.steps + steps));
        }
        if self.mode == Mode::Live && self.random.one_in(self.plan.fault_one_in) {
            self.begin_fault();
        }
        // An ask leaves nothing behind that a crash could undo.
        let asks = self.mode == Mode::Live && self.plan.crash_one_in == 0;
        if asks && self.curiosity.one_in(ASK_ONE_IN) {
            self.ask();
        }
        let frozen = self.frozen.filter(|(_, until)| *until > self.steps).map(|(shard, _)| shard);
        let next = self.pick_actor(frozen).or_else(|| self.pick_actor(None));
        match next {
            None => return false,
            Some(Actor::Shard(at)) => self.cluster.step(at),
            Some(Actor::Kernel(ring, operation)) => lock(&self.kernel).advance(ring, operation),
            Some(Actor::Client(at)) => self.with_client(at, Client::step),
            Some(Actor::Intruder(at)) => {
                self.intruders[at].step(&self.kernel, &mut self.random, self.now_ms);
            }
        }
        let fault = lock(&self.kernel).faults.pop();
        assert_eq!(fault, None, "a rule of the ring is broken");
        let lost = self.cluster.count(|stats| stats.stored_lost);
        assert_eq!(lost, 0, "messages in the log cannot be read");
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "it goes round in circles: {:?}", self.actors);
        true
    }

    /// An operator asks a shard something that changes nothing.
    fn ask(&mut self) {
        let random = &mut self.curiosity;
        let shard = random.below(self.cluster.len());
        let limit = random.pick(&[1, 3, 100]);
        let filter = Filter { connected: random.pick(&[None, Some(true)]), ..Filter::default() };
        let by = random.pick(&[Measure::BacklogBytes, Measure::Inflight, Measure::Outgoing]);
        let id = random.below(self.plan.clients + 1);
        let name = SessionName { vhost: 0, client_id: format!("c{id}") };
        if random.one_in(TRACE_ONE_IN) {
            self.trace();
            return;
        }
        let session = random.one_in(2).then(|| name.clone());
        let topic = random.pick(&["a", "a/b", "b"]);
        let wanted = match random.below(3) {
            0 => Wanted::All,
            1 => Wanted::Topic(topic.into()),
            _ => Wanted::Filter("#".into()),
        };
        let question = match random.below(11) {
            5 => Question::Policy,
            6 => Question::Closed(Box::new(ClosedListing { limit, ..Default::default() })),
            7 => {
                let listing = SubscriptionListing { limit, session, wanted, ..Default::default() };
                Question::Subscriptions(Box::new(listing))
            }
            8 => Question::Retained(Box::new(RetainedListing { limit, ..Default::default() })),
            9 => {
                let topic = topic.into();
                let wanted = RetainedMessage { topic, ..Default::default() };
                Question::RetainedMessage(Box::new(wanted))
            }
            10 => Question::Peek(Peek::new(name, limit)),
            0 => Question::Figures,
            1 => Question::Vhosts(0),
            2 => Question::Session(name),
            3 => Question::Listing(Listing { limit, filter, ..Listing::default() }),
            _ => Question::Top(Top::new(by, limit)),
        };
        // Answers make room.
        self.cluster.unanswered();
        self.cluster.ask(shard, question);
    }

    /// An operator has a trace begin or end, of clients, a topic, or all that there is.
    fn trace(&mut self) {
        let random = &mut self.curiosity;
        let (shard, number) = (random.below(self.cluster.len()), random.below(TRACES_MAX));
        let any = TraceSpec { payload_bytes: random.pick(&[0, 4]), ..TraceSpec::default() };
        let id = TracedId::Exactly(format!("c{}", random.below(self.plan.clients)).into());
        let spec = match random.below(4) {
            0 => TraceSpec { id: Some(id), ..any },
            1 => TraceSpec { id: Some(TracedId::Prefix("".into())), ..any },
            2 => TraceSpec { topic: Some("#".into()), ..any },
            _ => TraceSpec { user: Some("".into()), topic: Some("+".into()), ..any },
        };
        let ms = random.pick(&[1, 1_000, 1_000_000]);
        let order = match random.one_in(3) {
            true => TraceOrder::end(number, 1),
            false => TraceOrder::begin(number, 1, spec, ms),
        };
        self.cluster.unanswered();
        self.cluster.ask(shard, Question::Trace(order));
        self.cluster.ask(shard, Question::TraceEvents);
    }

    /// Ends all traces, and with them the asks that wait for their events.
    fn end_traces(&mut self) {
        if self.plan.crash_one_in > 0 {
            return;
        }
        for number in 0..TRACES_MAX {
            self.wait_for_quiet();
            self.cluster.unanswered();
            for shard in 0..self.cluster.len() {
                self.cluster.ask(shard, Question::Trace(TraceOrder::end(number, 1)));
            }
        }
    }

    /// Disks stop being well: one, or all.
    fn begin_fault(&mut self) {
        let random = &mut self.random;
        let fault = random.pick(&[
            Fault::Writes { one_in: 1 },
            Fault::Writes { one_in: 2 },
            Fault::Supplies,
            Fault::Space,
        ]);
        // Drawn like asks, so that the rest of a seed's story does not change.
        let fault = match fault {
            Fault::Writes { .. } if self.curiosity.one_in(3) => Fault::Syncs,
            fault => fault,
        };
        let until_ms = self.now_ms + random.pick(&[5, 100, 2_500, 9_000]);
        let only = random.below(self.cluster.len());
        let all = random.one_in(3);
        self.ledger.tell(|| format!("{fault:?} until {until_ms} ms: {only}, all: {all}"));
        for shard in (0..self.cluster.len()).filter(|shard| all || *shard == only) {
            lock(&self.kernel).begin_fault(shard, fault, until_ms);
        }
    }

    /// An actor that can take a step, except the excluded shard.
    fn pick_actor(&mut self, left_out: Option<usize>) -> Option<Actor> {
        let mut actors = std::mem::take(&mut self.actors);
        actors.clear();
        let shards = (0..self.cluster.len()).filter(|at| Some(*at) != left_out);
        let shards = shards.filter(|at| self.cluster.is_runnable(*at));
        actors.extend(shards.map(Actor::Shard));
        self.operations.clear();
        let kernel = lock(&self.kernel);
        for ring in 0..self.cluster.len() {
            kernel.ready(ring, &mut self.operations);
        }
        let operations = self.operations.drain(..);
        actors.extend(operations.map(|(ring, operation)| Actor::Kernel(ring, operation)));
        let clients = self.clients.iter().enumerate();
        let able = clients.filter(|(_, client)| client.can_step(&kernel, self.mode, self.now_ms));
        actors.extend(able.map(|(at, _)| Actor::Client(at)));
        let intruders = self.intruders.iter().enumerate();
        let able = intruders.filter(|(_, intruder)| intruder.can_step(&kernel));
        actors.extend(able.map(|(at, _)| Actor::Intruder(at)));
        drop(kernel);
        let picked = if actors.is_empty() { None } else { Some(self.random.pick(&actors)) };
        self.actors = actors;
        picked
    }

    fn with_client(&mut self, at: usize, work: impl FnOnce(&mut Client, &mut Scene<'_>)) {
        let mut scene = Scene {
            kernel: &self.kernel,
            ledger: &mut self.ledger,
            random: &mut self.random,
            plan: &self.plan,
            mode: self.mode,
            now_ms: self.now_ms,
        };
        work(&mut self.clients[at], &mut scene);
    }
}
