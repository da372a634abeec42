//! One shard's thread: what it begins with, and what it is made of.

use std::process;
use std::sync::{Arc, mpsc, mpsc::Receiver as Mailbox};
use std::time::Instant;

use log::{debug, error, warn};
use rustix::rand::GetRandomFlags;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::access::Policy;
use crate::broker::{self, Shard, ShardId, Stats, VhostReport};
use crate::config::{self, Options};
use crate::disk::FileMedium;
use crate::logging;
use crate::mesh::{Bell, Census, Sender};
use crate::reactor::{self, Clock, Door, Gate, Inbox, Outbox, Parcel, Reactor};
use crate::ring::{self, Listener, Socket, Waker};
use crate::store::ClockReading;
use crate::transport::TlsSetup;

use super::StartError;
use super::auth::Desk;
use super::places::clients_max;
use super::rings::{Election, ShardRing, SystemRing};
use super::storage::{self, FoundShard};
use super::{access, heap};

/// What one shard's thread begins with.
pub(super) struct Seat {
    pub(super) shard: ShardId,
    pub(super) shards: u16,
    pub(super) cpu: Option<usize>,
    /// Where the kernel writes to files for this shard; empty: anywhere.
    pub(super) worker_cpus: Vec<usize>,
    pub(super) doors: Vec<Door<Listener>>,
    pub(super) senders: Vec<Option<Sender<Parcel<Socket>>>>,
    pub(super) inboxes: Vec<Inbox<Socket>>,
    pub(super) bells: Vec<Arc<Bell>>,
    pub(super) census: Arc<Census>,
    pub(super) gate: Gate,
    pub(super) tls: Option<Arc<TlsSetup>>,
    pub(super) election: Arc<Election>,
    /// What its log finds.
    pub(super) found: Option<FoundShard>,
    pub(super) session_bytes_max: u64,
    pub(super) started: Instant,
    /// What the clocks showed then.
    pub(super) clocks: ClockReading,
}

/// What a shard must know before it begins, when all have their rings.
pub(super) struct Arrangement {
    pub(super) wakers: Vec<Waker>,
    pub(super) medium: FileMedium,
    pub(super) desk: Desk,
    pub(super) policy: Arc<Policy>,
    pub(super) vhosts: Vec<(u16, String)>,
}

/// A shard's waker and what its ring is, in words.
pub(super) type Ready = (usize, Result<(Waker, &'static str), StartError>);

/// What a shard tells at its end.
pub(super) type Told = (Stats, Vec<VhostReport>);

/// Makes its ring and serves until the broker stops.
pub(super) fn run_shard(
    seat: Seat,
    options: &Options,
    ready: &mpsc::Sender<Ready>,
    arrangement: &Mailbox<Arrangement>,
) -> Told {
    let at = usize::from(seat.shard.0);
    if let Some(cpu) = seat.cpu {
        pin(cpu);
    }
    let worker_cpus = seat.worker_cpus.clone();
    let ring_options = ring::Options { worker_cpus, ..ring::Options::default() };
    match seat.election.ring(&ring_options) {
        Ok(ShardRing::Uring(ring)) => serve(ring, seat, options, ready, arrangement),
        Ok(ShardRing::Epoll(ring)) => serve(ring, seat, options, ready, arrangement),
        Err(error) => {
            // The starter gone means it has failed already.
            let _gone = ready.send((at, Err(error)));
            Told::default()
        }
    }
}

/// What a shard does when it has its ring.
fn serve<R: SystemRing>(
    ring: R,
    mut seat: Seat,
    options: &Options,
    ready: &mpsc::Sender<Ready>,
    arrangement: &Mailbox<Arrangement>,
) -> Told {
    let at = usize::from(seat.shard.0);
    let seed = seed();
    let found = seat.found.take().expect("it is opened once");
    let store_options =
        storage::store_options(options, seat.shard.0, seat.shards, seed, seat.clocks);
    let store = match storage::open_store(&store_options, found) {
        Ok(store) => store,
        Err(error) => {
            let _gone = ready.send((at, Err(error)));
            return Told::default();
        }
    };
    debug!("{}", ring.describe());
    if ready.send((at, Ok((ring.waker(), R::NAME)))).is_err() {
        return Told::default();
    }
    let Ok(Arrangement { wakers, medium, desk, policy, vhosts }) = arrangement.recv() else {
        return Told::default();
    };
    let clock = SinceStart(seat.started);
    let vhosts = vhosts.iter().map(|(number, name)| (*number, name.as_str()));
    let of_shard = broker::Options {
        seed,
        ..broker_options(options, seat.shard, seat.shards, seat.session_bytes_max)
    };
    let broker = Shard::new(of_shard, store).with_policy(policy, vhosts);
    let options = reactor_options(seat, options, broker, &wakers, medium, desk);
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

/// What the broker of one shard of so many is to do; without a secret seed.
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
        session_bytes_max,
        session_overflow: storage::overflow(options),
        session_expiry_ms: storage::expiry_ms(options),
        on_denied: access::on_denied(options),
        takeover: access::takeover(options),
        log_connections: options.logging.connections == config::Switch::On,
        disk_low: storage::disk_low(options),
        start_ms: 0,
        seed: 0,
    }
}

fn reactor_options<R: SystemRing>(
    seat: Seat,
    options: &Options,
    broker: Shard,
    wakers: &[Waker],
    medium: FileMedium,
    desk: Desk,
) -> reactor::Options<R, FileMedium> {
    let own_bell = seat.bells[usize::from(seat.shard.0)].clone();
    let outboxes = seat.senders.into_iter().zip(&seat.bells).zip(wakers);
    let outboxes = outboxes.map(|((sender, bell), waker)| {
        Some(Outbox { sender: sender?, bell: bell.clone(), waker: waker.clone() })
    });
    let clients_max = clients_max(options, seat.shards.into(), seat.doors.len());
    reactor::Options {
        broker,
        medium,
        verifier: Box::new(desk),
        shard: seat.shard,
        doors: seat.doors,
        gate: seat.gate,
        outboxes: outboxes.collect(),
        inboxes: seat.inboxes,
        bell: own_bell,
        census: seat.census,
        clients_max,
        packet_bytes_max: options.packet_bytes_max,
        tls: seat.tls,
        trim_heap: heap::trim,
    }
}

/// Milliseconds since the broker started, the same on every shard.
struct SinceStart(Instant);

impl Clock for SinceStart {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).expect("uptime fits 64 bits")
    }
}

/// A number that nobody outside can guess.
pub(super) fn seed() -> u64 {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty());
    assert_eq!(filled, Ok(bytes.len()), "the kernel gives 8 random bytes at once");
    u64::from_ne_bytes(bytes)
}

fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    if let Err(error) = sched_setaffinity(None, &set) {
        warn!("cannot pin a shard to CPU {cpu}: {error}");
    }
}
