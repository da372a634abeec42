//! One run: shards, kernel, publishers and members, and the scheduler that lets one of them take a
//! step at a time. When nobody can, the time moves to the next that somebody waits for.

use ringmq::limits::STOP_MS_MAX;
use ringmq::mqtt::QoS;

use super::book::Book;
use super::feeder::Feeder;
use super::member::Member;
use crate::cluster::{Cluster, SimClock, open_store};
use crate::disk::Fault;
use crate::kernel::{Kernel, Operation, Shared, lock};
use crate::plan::{Ending, Plan};
use crate::random::Random;

/// The filter of all members.
pub(super) const SHARE: &str = "$share/g/t/#";

/// Longest until all that was published is with members: a lost member is waited for 5 s.
const SETTLE_MS_MAX: u64 = 30_000;

/// Time in which nothing may come any more once all is answered.
const QUIET_MS: u64 = 300;

/// What a stop may take beyond its limit.
const STOP_SLACK_MS: u64 = 200;

/// Steps after which a run counts as going round in circles.
const STEPS_MAX: u64 = 2_000_000;

/// What everybody is up to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Whatever comes to mind.
    Live,
    /// Nothing is published; members answer at once.
    Settle,
    /// All members unsubscribe.
    End,
    /// The broker stops.
    Drain,
}

/// What a step works with.
pub(super) struct Scene<'a> {
    pub(super) kernel: &'a Shared,
    pub(super) book: &'a mut Book,
    pub(super) random: &'a mut Random,
    pub(super) plan: &'a Plan,
    pub(super) mode: Mode,
    pub(super) now_ms: u64,
}

#[derive(Clone, Copy, Debug)]
enum Actor {
    Shard(usize),
    Kernel(usize, Operation),
    Feeder(usize),
    Member(usize),
}

struct Stage {
    plan: Plan,
    random: Random,
    kernel: Shared,
    clock: SimClock,
    now_ms: u64,
    cluster: Cluster,
    feeders: Vec<Feeder>,
    members: Vec<Member>,
    book: Book,
    /// The group is on disk: its first member, which never leaves it, has a session that stays.
    durable: bool,
    mode: Mode,
    steps: u64,
    crashes: u64,
    power_cuts: u64,
    /// A shard that gets no turn until this step, as long as others have something to do.
    frozen: Option<(usize, u64)>,
}

fn plan(seed: u64) -> Plan {
    let mut random = Random::new(seed ^ 0x6772_6f75_7073_0000);
    Plan {
        shards: random.pick(&[1, 2, 2, 4]),
        // The largest record, of answers, must fit a quarter of it.
        mesh_bytes: random.pick(&[16 * 1024, 64 * 1024]),
        session_expiry_ms: random.pick(&[0, 0, 900_000]),
        publishes_per_s: 0,
        publish_bytes_per_s: 0,
        ..Plan::new(seed)
    }
}

/// Runs one seed; panics at the first thing that is wrong. Says how many steps it took.
pub(super) fn run(seed: u64, tells: bool) -> u64 {
    run_plan(plan(seed), tells).0
}

/// The same where the broker waits for the disk before it promises anything, and dies often, half
/// of the times with the power. Says how often that was cut, too.
pub(super) fn run_with_cuts(seed: u64, tells: bool) -> (u64, u64) {
    let plan = plan(seed);
    let ending = if plan.ending == Ending::Abrupt { Ending::Empty } else { plan.ending };
    run_plan(Plan { sync: true, crash_one_in: 300, ending, ..plan }, tells)
}

fn run_plan(plan: Plan, tells: bool) -> (u64, u64) {
    if tells {
        println!("{plan:#?}");
    }
    let mut stage = Stage::new(plan, tells);
    stage.live();
    if stage.plan.ending != Ending::Abrupt {
        stage.settle();
        if stage.plan.crash_one_in > 0 {
            stage.crash();
            stage.settle();
        }
    }
    if stage.plan.ending == Ending::Empty {
        stage.mode = Mode::End;
        stage.wait_until_all_rest("members do not leave");
    }
    stage.stop();
    stage.judge_store();
    (stage.steps, stage.power_cuts)
}

impl Stage {
    fn new(plan: Plan, tells: bool) -> Self {
        let mut random = Random::new(plan.seed ^ 0x7374_6167_6500_0000);
        let kernel: Shared = std::sync::Arc::new(std::sync::Mutex::new(Kernel::new(&plan)));
        let clock = SimClock::default();
        let cluster = Cluster::new(&plan, 0, &kernel, &clock);
        let count = 2 + random.below(4);
        let mut book = Book::new(count, tells);
        book.is_loose = random.one_in(5);
        let durable = !random.one_in(4);
        let topics = random.pick(&[1, 2, 10]);
        let feeders = (0..1 + random.below(3)).map(|at| {
            let topic = |number| format!("t/{number}");
            let streams = (0..topics).map(|number| book.add_stream(topic(number))).collect();
            Feeder::new(at, streams, plan.acts * 2)
        });
        let feeders = feeders.collect();
        let members = (0..count).map(|at| {
            let is_durable = durable && (at == 0 || random.one_in(2));
            let mut qos = random.pick(&[QoS::AtLeastOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
            if book.is_loose && at > 0 && random.one_in(2) {
                qos = QoS::AtMostOnce;
            }
            Member::new(at, is_durable, qos, plan.acts)
        });
        let members = members.collect();
        Self {
            plan,
            random,
            kernel,
            clock,
            now_ms: 0,
            cluster,
            feeders,
            members,
            book,
            durable,
            mode: Mode::Live,
            steps: 0,
            crashes: 0,
            power_cuts: 0,
            frozen: None,
        }
    }

    /// Lets everybody do what comes to mind.
    fn live(&mut self) {
        let is_busy = |stage: &Self| {
            let feeders = stage.feeders.iter().any(|feeder| feeder.acts > 0);
            feeders || stage.members.iter().any(|member| member.acts > 0)
        };
        while is_busy(self) {
            if self.random.one_in(self.plan.crash_one_in) {
                self.crash();
            }
            if self.random.one_in(self.plan.fault_one_in) {
                self.begin_fault();
            }
            self.step_or_wait();
        }
    }

    /// The broker dies, with the power or without, and is started again.
    fn crash(&mut self) {
        let power = self.plan.sync && self.random.one_in(2);
        self.book.tell(|| format!("a crash; the power goes: {power}"));
        lock(&self.kernel).begin_crash();
        self.cluster.kill();
        lock(&self.kernel).end_crash(power);
        let is_disk_well = self.plan.fault_one_in == 0;
        self.book.on_crash(self.durable, is_disk_well);
        self.book.group_lives &= self.durable;
        for at in 0..self.feeders.len() {
            self.with(|stage, scene| stage.feeders[at].lose(scene));
        }
        for at in 0..self.members.len() {
            self.with(|stage, scene| {
                stage.members[at].lose(scene);
            });
        }
        let down_ms = self.random.pick(&[0, 3, 600, 20_000]);
        lock(&self.kernel).disk.clocks.pass(down_ms, power);
        self.crashes += 1;
        self.power_cuts += u64::from(power);
        self.cluster = Cluster::new(&self.plan, self.crashes, &self.kernel, &self.clock);
        self.frozen = None;
    }

    /// Everything that was published is with members, and answered, and stays so.
    fn settle(&mut self) {
        self.mode = Mode::Settle;
        self.book.tell(|| "Settle".to_owned());
        lock(&self.kernel).heal();
        for at in 0..self.members.len() {
            self.with(|stage, scene| stage.members[at].hurry(scene));
        }
        let deadline_ms = self.now_ms + SETTLE_MS_MAX;
        while !self.book.missing().is_empty() {
            // Rules 1 and 8: neither lost nor stalled.
            if self.now_ms > deadline_ms {
                let missing = self.book.missing();
                let first = self.book.describe(missing[0]);
                panic!("{} messages do not come, the first is {first}", missing.len());
            }
            self.step_or_pass();
        }
        self.wait_until_all_rest("it does not settle");
        self.wait_ms(QUIET_MS);
    }

    fn wait_until_all_rest(&mut self, why: &str) {
        let deadline_ms = self.now_ms + SETTLE_MS_MAX;
        let is_at_rest = |stage: &Self| {
            let feeders = stage.feeders.iter().all(Feeder::is_settled);
            feeders && stage.members.iter().all(|member| member.is_settled(stage.mode))
        };
        while !is_at_rest(self) {
            assert!(self.now_ms <= deadline_ms, "{why}");
            self.step_or_pass();
        }
    }

    fn wait_ms(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while self.now_ms < until_ms {
            self.step_or_pass();
        }
    }

    fn stop(&mut self) {
        self.mode = Mode::Drain;
        let deadline_ms = self.now_ms + 2 * STOP_MS_MAX + STOP_SLACK_MS;
        (0..self.cluster.len()).for_each(|at| self.cluster.drain(at));
        while !self.cluster.is_stopped() {
            self.step_or_pass();
            assert!(self.now_ms <= deadline_ms, "the broker does not stop");
        }
    }

    /// Rules 9 and 10: what is answered is not on disk any more, and a group that has ended is not.
    fn judge_store(&self) {
        if self.plan.ending == Ending::Abrupt {
            return;
        }
        for shard in 0..self.plan.shards {
            let store = open_store(&self.plan, u64::MAX, &self.kernel, shard);
            let sessions = store.catalog.sessions();
            let lanes = sessions.keys_from(0).filter(|key| sessions.get(*key).is_lane()).count();
            let is_kept = self.durable && self.plan.ending != Ending::Empty;
            assert!(is_kept || lanes == 0, "{lanes} lanes are left on shard {shard}");
            let queued_bytes = store.catalog.totals(0).queued_bytes;
            // What had no PUBACK may wait for the members that do not come any more.
            assert!(is_kept || queued_bytes == 0, "{queued_bytes} bytes wait on shard {shard}");
        }
    }

    fn begin_fault(&mut self) {
        let fault = self.random.pick(&[Fault::Writes { one_in: 2 }, Fault::Supplies, Fault::Space]);
        let until_ms = self.now_ms + self.random.pick(&[5, 100, 2_500]);
        let shard = self.random.below(self.cluster.len());
        self.book.tell(|| format!("{fault:?} on shard {shard} until {until_ms} ms"));
        lock(&self.kernel).begin_fault(shard, fault, until_ms);
    }

    fn step_or_wait(&mut self) {
        if !self.step() {
            let next_ms = self.next_ms().unwrap_or(self.now_ms + 1_000_000);
            self.move_clock(next_ms);
        }
    }

    /// The same, for no longer than it is quiet.
    fn step_or_pass(&mut self) {
        if !self.step() {
            let most_ms = self.now_ms + QUIET_MS;
            self.move_clock(self.next_ms().unwrap_or(most_ms).min(most_ms));
        }
    }

    fn next_ms(&self) -> Option<u64> {
        let (mode, now_ms) = (self.mode, self.now_ms);
        let feeders = self.feeders.iter().filter_map(|feeder| feeder.next_ms(mode, now_ms));
        let members = self.members.iter().filter_map(|member| member.next_ms(mode, now_ms));
        let disk = lock(&self.kernel).disk.next_ms();
        feeders.chain(members).chain(self.cluster.next_ms()).chain(disk).min()
    }

    fn move_clock(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.clock.set(self.now_ms);
        lock(&self.kernel).set_time(self.now_ms);
        self.book.now_ms = self.now_ms;
    }

    /// Lets somebody take a step; false if nobody can.
    fn step(&mut self) -> bool {
        if self.random.one_in(self.plan.haste_one_in) {
            self.move_clock(self.now_ms + 1);
        }
        if self.random.one_in(self.plan.freeze_one_in) {
            let shard = self.random.below(self.cluster.len());
            let steps = self.random.pick(&[20, 100, 400, 1500]);
            self.frozen = Some((shard, self.steps + steps));
        }
        let frozen = self.frozen.filter(|(_, until)| *until > self.steps).map(|(shard, _)| shard);
        let next = self.pick_actor(frozen).or_else(|| self.pick_actor(None));
        match next {
            None => return false,
            Some(Actor::Shard(at)) => self.cluster.step(at),
            Some(Actor::Kernel(ring, operation)) => lock(&self.kernel).advance(ring, operation),
            Some(Actor::Feeder(at)) => self.with(|stage, scene| stage.feeders[at].step(scene)),
            Some(Actor::Member(at)) => self.with(|stage, scene| stage.members[at].step(scene)),
        }
        let fault = lock(&self.kernel).faults.pop();
        assert_eq!(fault, None, "a rule of the ring is broken");
        let lost = self.cluster.count(|stats| stats.stored_lost);
        assert_eq!(lost, 0, "messages in the log cannot be read");
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "it goes round in circles: {next:?}");
        true
    }

    /// Somebody who can take a step, but not the shard that is left out.
    fn pick_actor(&mut self, left_out: Option<usize>) -> Option<Actor> {
        let (mode, now_ms) = (self.mode, self.now_ms);
        let shards = (0..self.cluster.len()).filter(|at| Some(*at) != left_out);
        let shards = shards.filter(|at| self.cluster.is_runnable(*at));
        let mut actors: Vec<Actor> = shards.map(Actor::Shard).collect();
        let kernel = lock(&self.kernel);
        let mut operations = Vec::new();
        (0..self.cluster.len()).for_each(|ring| kernel.ready(ring, &mut operations));
        let operations = operations.drain(..);
        actors.extend(operations.map(|(ring, operation)| Actor::Kernel(ring, operation)));
        let feeders = self.feeders.iter().enumerate();
        let able = feeders.filter(|(_, feeder)| feeder.can_step(&kernel, mode, now_ms));
        actors.extend(able.map(|(at, _)| Actor::Feeder(at)));
        let members = self.members.iter().enumerate();
        let able = members.filter(|(_, member)| member.can_step(&kernel, mode, now_ms));
        actors.extend(able.map(|(at, _)| Actor::Member(at)));
        drop(kernel);
        if actors.is_empty() { None } else { Some(self.random.pick(&actors)) }
    }

    fn with(&mut self, work: impl FnOnce(&mut Actors<'_>, &mut Scene<'_>)) {
        let Self { kernel, book, random, plan, feeders, members, .. } = self;
        let (mode, now_ms) = (self.mode, self.now_ms);
        let mut scene = Scene { kernel, book, random, plan, mode, now_ms };
        work(&mut Actors { feeders, members }, &mut scene);
    }
}

/// Those whose step it is.
struct Actors<'a> {
    feeders: &'a mut [Feeder],
    members: &'a mut [Member],
}
