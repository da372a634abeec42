//! One shard's thread: its inputs and its parts.

use std::process;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use log::{debug, error, warn};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::access::Policy;
use crate::broker::{self, Shard, ShardId, Stats, VhostReport};
use crate::config::{self, Options};
use crate::disk::FileMedium;
use crate::logging;
use crate::mesh::{Bell, Sender, SharedCounts};
use crate::reactor::{
    self, AcceptFilter, AnswerWay, Clock, Inbox, Listener, Outbox, Reactor, ShardMessage,
};
use crate::ring::{self, ListenSocket, Socket, Waker};
use crate::store::ClockReading;
use crate::transport::TlsSetup;

use super::StartError;
use super::auth::PasswordVerifier;
use super::open_files::clients_max;
use super::random::{secret_key, seed};
use super::rings::{RingChoice, ShardRing, SystemRing};
use super::storage::{self, FoundShard};
use super::{access, heap, websocket};

/// The inputs of one shard's thread.
pub(super) struct ShardSetup {
    pub(super) shard: ShardId,
    pub(super) shards: u16,
    pub(super) cpu: Option<usize>,
    /// The CPUs on which the kernel writes to files for this shard; empty: any CPU.
    pub(super) worker_cpus: Vec<usize>,
    pub(super) listeners: Vec<Listener<ListenSocket>>,
    pub(super) senders: Vec<Option<Sender<ShardMessage<Socket>>>>,
    pub(super) inboxes: Vec<Inbox<Socket>>,
    /// The channel to the admin thread, if there is one.
    pub(super) answers: Option<AnswerWay>,
    pub(super) bells: Vec<Arc<Bell>>,
    pub(super) client_counts: Arc<SharedCounts>,
    pub(super) accept_filter: AcceptFilter,
    pub(super) tls: Option<Arc<TlsSetup>>,
    pub(super) ring_choice: Arc<RingChoice>,
    /// The result of opening its log.
    pub(super) found: Option<FoundShard>,
    pub(super) session_bytes_max: u64,
    pub(super) session_limits: Vec<broker::SessionLimit>,
    pub(super) started: Instant,
    /// The clock readings at that time.
    pub(super) clocks: ClockReading,
}

/// The inputs of a shard that exist only when all shards have their rings.
pub(super) struct ShardStart {
    pub(super) wakers: Vec<Waker>,
    pub(super) medium: FileMedium,
    pub(super) verifier: PasswordVerifier,
    pub(super) policy: Arc<Policy>,
    pub(super) vhosts: Vec<(u16, String)>,
}

/// A shard's waker, and a description of its ring.
pub(super) type Ready = (usize, Result<(Waker, &'static str), StartError>);

/// The result of a shard's run.
pub(super) type ShardResult = (Stats, Vec<VhostReport>);

/// Creates the ring and serves clients until the broker stops.
pub(super) fn run_shard(
    setup: ShardSetup,
    options: &Options,
    ready: &mpsc::Sender<Ready>,
    shard_start: &Receiver<ShardStart>,
) -> ShardResult {
    let at = usize::from(setup.shard.0);
    if let Some(cpu) = setup.cpu {
        pin(cpu);
    }
    let worker_cpus = setup.worker_cpus.clone();
    let ring_options = ring::Options { worker_cpus, ..ring::Options::default() };
    match setup.ring_choice.ring(&ring_options) {
        Ok(ShardRing::Uring(ring)) => serve(ring, setup, options, ready, shard_start),
        Ok(ShardRing::Epoll(ring)) => serve(ring, setup, options, ready, shard_start),
        Err(error) => {
            // If the receiver is gone, the start has already failed.
            let _gone = ready.send((at, Err(error)));
            ShardResult::default()
        }
    }
}

/// Runs a shard that has its ring.
fn serve<R: SystemRing>(
    ring: R,
    mut setup: ShardSetup,
    options: &Options,
    ready: &mpsc::Sender<Ready>,
    shard_start: &Receiver<ShardStart>,
) -> ShardResult {
    let at = usize::from(setup.shard.0);
    let seed = seed();
    let found = setup.found.take().expect("it is opened once");
    let store_options =
        storage::store_options(options, setup.shard.0, setup.shards, seed, setup.clocks);
    let opening = Instant::now();
    let (store, lost_bytes) = match storage::open_store(&store_options, found) {
        Ok(opened) => opened,
        Err(error) => {
            let _gone = ready.send((at, Err(error)));
            return ShardResult::default();
        }
    };
    let recovery_us = u64::try_from(opening.elapsed().as_micros()).expect("it fits 64 bits");
    debug!("{}", ring.describe());
    if ready.send((at, Ok((ring.waker(), R::NAME)))).is_err() {
        return ShardResult::default();
    }
    let Ok(ShardStart { wakers, medium, verifier, policy, vhosts }) = shard_start.recv() else {
        return ShardResult::default();
    };
    let clock = SinceStart(setup.started);
    let vhosts = vhosts.iter().map(|(number, name)| (*number, name.as_str()));
    let of_shard = broker::Options {
        seed,
        nonce_key: secret_key(),
        session_limits: setup.session_limits.clone(),
        ..broker_options(options, setup.shard, setup.shards, setup.session_bytes_max)
    };
    let mut broker = Shard::new(of_shard, store).with_policy(policy, vhosts);
    let load = &mut broker.meters_mut().load;
    (load.recovery_us, load.recovery_lost_bytes) = (recovery_us, lost_bytes);
    let options = reactor_options(setup, options, broker, &wakers, medium, verifier);
    let reactor = Reactor::new(ring, clock, options);
    match reactor.run() {
        Ok(told) => told,
        Err(error) => {
            // A broker with a dead core is worse than a restart.
            error!("{} failed: {error}", R::NAME);
            logging::flush();
            process::exit(1);
        }
    }
}

/// The options of one shard's broker; without a secret seed and limits of single sessions.
pub(super) fn broker_options(
    options: &Options,
    shard: ShardId,
    shards: u16,
    session_bytes_max: u64,
) -> broker::Options {
    broker::Options {
        shard,
        shards,
        outgoing_bytes_max: options.outgoing_bytes_max,
        qos0_patience_ms: options.qos0_patience_ms,
        inflight_max: options.inflight_max,
        publish_rate: broker::PublishRate {
            messages: options.abuse.client_publishes_per_s,
            bytes: options.abuse.client_publish_bytes_per_s,
        },
        subscriptions_max: options.abuse.subscriptions_max,
        topic_levels_max: options.abuse.topic_levels_max,
        packet_bytes_max: options.packet_bytes_max,
        topic_alias_max: options.v5.topic_alias_max,
        keep_alive_s_max: Some(options.v5.keep_alive_s_max).filter(|seconds| *seconds > 0),
        checks_payload_format: options.v5.check_payload_format == config::Switch::On,
        session_bytes_max,
        session_overflow: storage::overflow(options.session_overflow),
        session_limits: Vec::new(),
        session_expiry_ms: storage::expiry_ms(options),
        group_order: match options.groups.order {
            config::GroupOrder::Topic => broker::GroupOrder::Topic,
            config::GroupOrder::Sticky => broker::GroupOrder::Sticky,
            config::GroupOrder::None => broker::GroupOrder::None,
        },
        group_bytes_max: options.groups.bytes_max,
        group_expiry_ms: options.groups.expiry_ms,
        group_grace_ms: crate::limits::GROUP_GRACE_MS,
        on_denied: access::on_denied(options),
        takeover: access::takeover(options),
        system_topics: options.admin.system_interval_ms() > 0,
        log_connections: options.logging.connections == config::Switch::On,
        disk_low: storage::disk_low(options),
        start_ms: 0,
        seed: 0,
        nonce_key: [0; 32],
    }
}

fn reactor_options<R: SystemRing>(
    setup: ShardSetup,
    options: &Options,
    broker: Shard,
    wakers: &[Waker],
    medium: FileMedium,
    verifier: PasswordVerifier,
) -> reactor::Options<R, FileMedium> {
    let own_bell = setup.bells[usize::from(setup.shard.0)].clone();
    let outboxes = setup.senders.into_iter().zip(&setup.bells).zip(wakers);
    let outboxes = outboxes.map(|((sender, bell), waker)| {
        Some(Outbox { sender: sender?, bell: bell.clone(), waker: waker.clone() })
    });
    let clients_max = clients_max(options, setup.shards.into(), setup.listeners.len());
    reactor::Options {
        broker,
        medium,
        verifier: Box::new(verifier),
        shard: setup.shard,
        listeners: setup.listeners,
        accept_filter: setup.accept_filter,
        outboxes: outboxes.collect(),
        inboxes: setup.inboxes,
        bell: own_bell,
        client_counts: setup.client_counts,
        clients_max,
        packet_bytes_max: options.packet_bytes_max,
        gather_max: Duration::from_micros(options.gather_us_max),
        tls: setup.tls,
        websocket: websocket::setup(options),
        answers: setup.answers,
        trim_heap: heap::trim,
    }
}

/// Milliseconds since the broker started, the same on every shard.
struct SinceStart(Instant);

impl Clock for SinceStart {
    fn now_ms(&self) -> u64 {
        self.now_us() / 1000
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).expect("uptime fits 64 bits")
    }
}

fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    if let Err(error) = sched_setaffinity(None, &set) {
        warn!("cannot pin a shard to CPU {cpu}: {error}");
    }
}
