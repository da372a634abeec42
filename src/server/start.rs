//! Starts the shards: threads, rings, and the channels between them.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use crate::broker::ShardId;
use crate::config::Options;
use crate::cpus;
use crate::disk::Clocks;
use crate::limits::{MESH_RING_BYTES, VHOSTS_MAX};
use crate::mesh::{self, AddressLimits, AddressTable, Bell, Sender, SharedCounts};
use crate::reactor::{AcceptFilter, Listener, ShardMessage, Subnet};
use crate::ring::{ListenSocket, Socket, Wake, Waker};
use crate::transport::TlsSetup;

use super::StartError;
use super::access::Access;
use super::admin::AskRings;
use super::control::Control;
use super::rings::RingChoice;
use super::shard::{Ready, ShardResult, ShardSetup, ShardStart, run_shard};
use super::storage::Storage;

/// The control thread's channels to the shards.
type Controls = Vec<Sender<ShardMessage<Socket>>>;

/// The threads, their channels, and the name of the ring that all shards use.
pub(super) type Started = (Vec<thread::JoinHandle<ShardResult>>, Vec<Control>, &'static str);

/// Starts the threads. Each creates its ring; then all learn how to wake each other.
pub(super) fn start(
    options: &Options,
    listeners: Vec<Vec<Listener<ListenSocket>>>,
    tls: Option<&Arc<TlsSetup>>,
    pins: Option<&[usize]>,
    storage: &mut Storage,
    access: &Access,
    asks: Option<&mut AskRings>,
) -> Result<Started, StartError> {
    let shards = listeners.len();
    let (setups, control_senders) = setups(options, listeners, tls, pins, storage, asks)?;
    let bells = setups[0].bells.clone();
    let (ready_sender, ready) = mpsc::channel::<Ready>();
    let (mut threads, mut start_senders) = (Vec::new(), Vec::new());
    for setup in setups {
        let (start_sender, shard_start) = mpsc::channel();
        start_senders.push(start_sender);
        let (options, ready_sender) = (options.clone(), ready_sender.clone());
        let thread = thread::Builder::new()
            .name(format!("shard-{}", setup.shard.0))
            .spawn(move || run_shard(setup, &options, &ready_sender, &shard_start))
            .map_err(|error| StartError::System("start a thread for a shard", error))?;
        threads.push(thread);
    }
    drop(ready_sender);
    let mut wakers: Vec<Option<Waker>> = vec![None; shards];
    let mut found = None;
    for (shard, ring) in ready {
        let (waker, name) = ring?;
        wakers[shard] = Some(waker);
        found = Some(name);
        if wakers.iter().all(Option::is_some) {
            break;
        }
    }
    let wakers: Vec<Waker> = wakers.into_iter().flatten().collect();
    for (shard, start_sender) in start_senders.into_iter().enumerate() {
        let waker = wakers[shard].clone();
        let shard_start = ShardStart {
            wakers: wakers.clone(),
            medium: storage.medium(shard, waker.clone()),
            verifier: access.verifier(move || waker.wake()),
            policy: access.policy().clone(),
            vhosts: access.vhosts(),
        };
        // A thread that has ended has panicked, and logged that.
        let _gone = start_sender.send(shard_start);
    }
    let controls = control_senders.into_iter().zip(bells).zip(wakers);
    let controls =
        controls.map(|((sender, bell), waker)| Control { sender, bell, waker }).collect();
    Ok((threads, controls, found.expect("every shard answered")))
}

/// Connects every shard with every other, and the control thread and the admin thread with all.
fn setups(
    options: &Options,
    listeners: Vec<Vec<Listener<ListenSocket>>>,
    tls: Option<&Arc<TlsSetup>>,
    pins: Option<&[usize]>,
    storage: &mut Storage,
    mut asks: Option<&mut AskRings>,
) -> Result<(Vec<ShardSetup>, Controls), StartError> {
    let session_bytes_max = storage.session_bytes_max(options);
    let session_limits = storage.session_limits(options);
    let shards = u16::try_from(listeners.len()).expect("at most SHARDS_MAX");
    let bells: Vec<Arc<Bell>> = (0..shards).map(|_| Arc::new(Bell::new())).collect();
    let client_counts = Arc::new(SharedCounts::new(VHOSTS_MAX));
    let accept_filter = accept_filters(options);
    let ring_choice = Arc::new(RingChoice::new(options.ring, shards.into()));
    let (started, clocks) = (Instant::now(), Clocks::new());
    clocks.warn_if_implausible();
    let mut controls = Vec::new();
    let setups: Result<Vec<ShardSetup>, StartError> = (0..shards)
        .zip(listeners)
        .map(|(shard, listeners)| {
            let (sender, receiver) = mesh::channel(4096);
            controls.push(sender);
            let cpu = pins.map(|cpus| cpus[usize::from(shard)]);
            let asked = asks.as_mut().map(|rings| rings.add_shard());
            let (asks, answers) = asked.unzip();
            let worker_cpus = pins.zip(cpu).map(|(cpus, cpu)| cpus::apart_from(cpus, cpu));
            Ok(ShardSetup {
                shard: ShardId(shard),
                shards,
                cpu,
                worker_cpus: worker_cpus.unwrap_or_default(),
                listeners,
                senders: (0..shards).map(|_| None).collect(),
                inboxes: [receiver].into_iter().chain(asks).map(|inbox| (None, inbox)).collect(),
                answers,
                bells: bells.clone(),
                client_counts: client_counts.clone(),
                accept_filter: accept_filter(),
                tls: tls.cloned(),
                ring_choice: ring_choice.clone(),
                found: Some(storage.take_found(shard)?),
                session_bytes_max,
                session_limits: session_limits.clone(),
                started,
                clocks: clocks.last(),
            })
        })
        .collect();
    let mut setups = setups?;
    for from in 0..usize::from(shards) {
        for to in (0..usize::from(shards)).filter(|to| *to != from) {
            let (sender, receiver) = mesh::channel(MESH_RING_BYTES);
            let from_shard = setups[from].shard;
            setups[from].senders[to] = Some(sender);
            setups[to].inboxes.push((Some(from_shard), receiver));
        }
    }
    Ok((setups, controls))
}

/// Creates accept filters that count in one shared table.
fn accept_filters(options: &Options) -> impl Fn() -> AcceptFilter {
    let table = Arc::new(AddressTable::new(address_limits(options)));
    let trusted = trusted(options);
    move || AcceptFilter::new(table.clone(), trusted.clone())
}

pub(super) fn address_limits(options: &Options) -> AddressLimits {
    AddressLimits {
        connections_max: options.abuse.address_connections_max,
        connects_per_s: options.abuse.address_connects_per_s,
    }
}

/// Proxies that are trusted to name their clients' addresses.
pub(super) fn trusted(options: &Options) -> Vec<Subnet> {
    let ranges = options.listeners.proxy_trust.iter();
    ranges.map(|range| Subnet::new(range.address, range.bits)).collect()
}
