//! The broker under test: the shards of one process, connected as in `server`, in one thread.
//!
//! ```text
//!          sleep_time                 ready, woken or due: turn
//!  Awake ─────────────► Asleep ─────────────────────────────────► Awake … ──► Stopped
//! ```
//! Other actors run between the two steps: a lost wake-up leaves a shard asleep for good.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use log::info;
use ringmq::broker::inspect::{Ask, Question, Reply};
use ringmq::broker::{self, Overflow, ShardId, Stats};
use ringmq::limits::{PACKET_BYTES_DEFAULT, SESSION_BYTES_MAX, TOPIC_ALIASES_DEFAULT};
use ringmq::mesh::{self, Bell, Receiver, Record, Sender, SharedCounts};
use ringmq::reactor::{
    AcceptFilter, AnswerWay, Clock, ControlMessage, Inbox, InlineVerifier, Listener, ListenerKind,
    Options, Outbox, Reactor, ShardMessage,
};
use ringmq::ring::{Ring, Wake};
use ringmq::store::{CatalogLimits, LogOptions, Losses, Store, StoreOptions};

use crate::disk::SimMedium;
use crate::kernel::{Shared, lock};
use crate::plan::Plan;
use crate::proof;
use crate::ring::{GATHER_MAX, SimListener, SimRing, SimSocket, SimWaker};

/// The virtual time, milliseconds; moved by the scheduler.
#[derive(Clone, Default)]
pub(crate) struct SimClock(Rc<Cell<u64>>);

impl SimClock {
    pub(crate) fn set(&self, now_ms: u64) {
        self.0.set(now_ms);
    }
}

impl Clock for SimClock {
    fn now_ms(&self) -> u64 {
        self.0.get()
    }
}

enum Phase {
    Awake,
    /// Until this time at most; none: until it is woken.
    Asleep(Option<u64>),
    Stopped,
}

struct Member {
    reactor: Option<Reactor<SimRing, SimClock, SimMedium>>,
    phase: Phase,
    /// The result of `Reactor::sleep_time`.
    timeout: Option<Duration>,
    stats: Stats,
    control: Sender<ShardMessage<SimSocket>>,
    asks: Sender<ShardMessage<SimSocket>>,
    answers: Receiver<Box<Ask>>,
    /// Asks that are not answered yet.
    asked: usize,
    bell: Arc<Bell>,
    waker: SimWaker,
}

/// See the module.
pub(crate) struct Cluster {
    members: Vec<Member>,
    kernel: Shared,
    clock: SimClock,
}

impl Cluster {
    /// Starts the broker with the contents of the disk, for the `start`th time.
    pub(crate) fn new(plan: &Plan, start: u64, kernel: &Shared, clock: &SimClock) -> Self {
        let (shards, now_ms) = (usize::from(plan.shards), clock.now_ms());
        let bells: Vec<Arc<Bell>> = (0..shards).map(|_| Arc::default()).collect();
        let rings: Vec<SimRing> =
            (0..shards).map(|at| SimRing::new(kernel, at, plan.buffers)).collect();
        let wakers: Vec<SimWaker> = rings.iter().map(SimRing::waker).collect();
        let client_counts = Arc::new(SharedCounts::new(1));
        let mut inboxes: Vec<Vec<Inbox<SimSocket>>> = (0..shards).map(|_| Vec::new()).collect();
        let mut controls = Vec::new();
        for inbox in &mut inboxes {
            let (control, receiver) = mesh::channel(4096);
            inbox.push((None, receiver));
            let (asks, receiver) = mesh::channel(4096);
            inbox.push((None, receiver));
            controls.push((control, asks));
        }
        let mut members = Vec::new();
        let mut wirings: Vec<Vec<Option<Outbox<SimSocket, SimWaker>>>> = Vec::new();
        for (from, _) in (0..plan.shards).zip(&rings) {
            let outbox = |to: usize| {
                (to != usize::from(from)).then(|| {
                    let (sender, receiver) = mesh::channel(plan.mesh_bytes);
                    inboxes[to].push((Some(ShardId(from)), receiver));
                    Outbox { sender, bell: bells[to].clone(), waker: wakers[to].clone() }
                })
            };
            wirings.push((0..shards).map(outbox).collect());
        }
        let parts = (0..plan.shards).zip(rings).zip(inboxes).zip(wirings).zip(controls);
        for ((((shard, ring), inboxes), outboxes), (control, asks)) in parts {
            let (sender, answers) = mesh::channel(4096);
            let at = usize::from(shard);
            let store = open_store(plan, start, kernel, shard);
            let options = Options {
                broker: with_users(
                    plan,
                    broker::Shard::new(broker_options(plan, ShardId(shard), now_ms), store),
                ),
                medium: SimMedium::new(kernel, at),
                verifier: Box::new(InlineVerifier),
                shard: ShardId(shard),
                listeners: vec![Listener {
                    socket: SimListener,
                    kind: ListenerKind { local: true, ..ListenerKind::default() },
                }],
                accept_filter: AcceptFilter::default(),
                outboxes,
                inboxes,
                bell: bells[at].clone(),
                client_counts: client_counts.clone(),
                clients_max: 1000,
                packet_bytes_max: 1 << 20,
                gather_max: GATHER_MAX,
                tls: None,
                websocket: Arc::default(),
                answers: Some(AnswerWay { sender, wake: Box::new(|| {}) }),
                trim_heap: || {},
            };
            members.push(Member {
                reactor: Some(Reactor::new(ring, clock.clone(), options)),
                phase: Phase::Awake,
                timeout: None,
                stats: Stats::default(),
                control,
                asks,
                answers,
                asked: 0,
                bell: bells[at].clone(),
                waker: wakers[at].clone(),
            });
        }
        Self { members, kernel: kernel.clone(), clock: clock.clone() }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether a shard can take its next step.
    pub(crate) fn is_runnable(&self, at: usize) -> bool {
        match self.members[at].phase {
            Phase::Awake => true,
            Phase::Asleep(until_ms) => {
                until_ms.is_some_and(|ms| ms <= self.clock.now_ms())
                    || lock(&self.kernel).is_ready(at)
            }
            Phase::Stopped => false,
        }
    }

    /// When the next shard wakes up by itself.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let dues = self.members.iter().filter_map(|member| match member.phase {
            Phase::Asleep(until_ms) => until_ms,
            Phase::Awake | Phase::Stopped => None,
        });
        dues.min()
    }

    /// Lets a shard take its next step.
    pub(crate) fn step(&mut self, at: usize) {
        let member = &mut self.members[at];
        let Some(reactor) = &mut member.reactor else { return };
        member.phase = match member.phase {
            Phase::Awake if reactor.is_stopped() => {
                member.stats = reactor.stats();
                member.reactor = None;
                Phase::Stopped
            }
            Phase::Awake => {
                let timeout = reactor.sleep_time();
                lock(&self.kernel).submit(at);
                member.timeout = timeout;
                let until = timeout.map(|time| u64::try_from(time.as_millis()).expect("short"));
                Phase::Asleep(until.map(|ms| self.clock.now_ms().saturating_add(ms)))
            }
            Phase::Asleep(_) => {
                reactor.turn(member.timeout).expect("the simulated ring does not fail");
                Phase::Awake
            }
            Phase::Stopped => Phase::Stopped,
        };
    }

    /// All shards are gone at once, wherever they are.
    pub(crate) fn kill(&mut self) {
        self.members.clear();
    }

    /// Tells a shard to stop, as the control thread does.
    pub(crate) fn drain(&mut self, at: usize) {
        let member = &mut self.members[at];
        assert!(
            member.control.push_object(ShardMessage::Control(ControlMessage::Drain)).is_ok(),
            "nothing else was ever sent"
        );
        member.control.publish();
        if member.bell.must_ring() {
            member.waker.wake();
        }
    }

    /// Asks a shard something, as the admin thread does.
    pub(crate) fn ask(&mut self, at: usize, question: Question) {
        let member = &mut self.members[at];
        let ask = Box::new(Ask { id: 0, question, reply: Reply::None });
        if member.asks.push_object(ShardMessage::Ask(ask)).is_ok() {
            member.asked += 1;
        }
        member.asks.publish();
        if member.bell.must_ring() {
            member.waker.wake();
        }
    }

    /// Takes the present answers of a shard.
    pub(crate) fn answers(&mut self, at: usize) -> Vec<Reply> {
        let (member, mut answers) = (&mut self.members[at], Vec::new());
        while let Some(Record::Object(ask)) = member.answers.next() {
            member.asked -= 1;
            answers.push(ask.reply);
        }
        member.answers.set_handled();
        answers
    }

    /// Takes the present answers; returns how many are missing.
    pub(crate) fn unanswered(&mut self) -> usize {
        (0..self.len()).for_each(|at| drop(self.answers(at)));
        self.members.iter().map(|member| member.asked).sum()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.members.iter().all(|member| matches!(member.phase, Phase::Stopped))
    }

    /// A counter, summed over the shards.
    pub(crate) fn count(&self, counter: impl Fn(&Stats) -> u64) -> u64 {
        let stats = self.members.iter().map(|member| match &member.reactor {
            Some(reactor) => counter(&reactor.stats()),
            None => counter(&member.stats),
        });
        stats.sum()
    }
}

/// The shard, with the user of the run if clients have one.
fn with_users(plan: &Plan, shard: broker::Shard) -> broker::Shard {
    if plan.proofs_one_in == 0 {
        return shard;
    }
    let policy = proof::policy();
    shard.with_policy(policy.clone(), policy.vhosts())
}

fn broker_options(plan: &Plan, shard: ShardId, start_ms: u64) -> broker::Options {
    broker::Options {
        packet_bytes_max: PACKET_BYTES_DEFAULT,
        topic_alias_max: TOPIC_ALIASES_DEFAULT,
        keep_alive_s_max: None,
        checks_payload_format: false,
        shard,
        shards: plan.shards,
        outgoing_bytes_max: plan.outgoing_bytes_max,
        qos0_patience_ms: plan.patience_ms,
        inflight_max: plan.inflight_max,
        publish_rate: broker::PublishRate {
            messages: plan.publishes_per_s,
            bytes: plan.publish_bytes_per_s,
        },
        subscriptions_max: usize::MAX,
        topic_levels_max: 128,
        session_bytes_max: match plan.session_bytes_max {
            0 => SESSION_BYTES_MAX,
            bytes_max => bytes_max,
        },
        session_overflow: match plan.session_bytes_max {
            0 => Overflow::DropOldest,
            _ => Overflow::DropNewest,
        },
        session_limits: Vec::new(),
        session_expiry_ms: plan.session_expiry_ms,
        group_order: broker::GroupOrder::Topic,
        group_bytes_max: SESSION_BYTES_MAX,
        group_expiry_ms: plan.session_expiry_ms,
        group_grace_ms: 5000,
        on_denied: broker::OnDenied::Drop,
        takeover: broker::Takeover::SameUser,
        system_topics: false,
        log_connections: true,
        disk_low: None,
        start_ms,
        seed: plan.seed,
        nonce_key: [7; 32],
    }
}

/// The store of a shard, opened from its disk.
pub(crate) fn open_store(plan: &Plan, start: u64, kernel: &Shared, shard: u16) -> Store {
    let disk = &mut lock(kernel).disk;
    let (clocks, (found, extent)) = (disk.clocks.read(), disk.found(usize::from(shard)));
    let options = StoreOptions {
        log: LogOptions {
            shard,
            segment_bytes: plan.segment_bytes,
            first_segment_bytes: plan.first_segment_bytes,
            sync: plan.sync,
            zeros_bytes: plan.zeros_bytes,
        },
        limits: CatalogLimits { retained_count_max: u64::MAX, retained_bytes_max: u64::MAX },
        seed: plan.seed << 8 | start,
        clocks: Some(clocks),
    };
    let (mut store, opened) =
        Store::open(&options, found, extent).expect("the files are this shard's");
    info!("shard {shard}: {opened}; {:?}", opened.report);
    assert_eq!(opened.losses, Losses::default(), "{opened}");
    store.logs.tail_bytes_max = plan.tail_bytes_max;
    store
}
