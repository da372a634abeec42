//! Starts the shards: threads, rings, and the ways between all of them.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use crate::broker::ShardId;
use crate::config::Options;
use crate::cpus;
use crate::disk::Clocks;
use crate::limits::{MESH_RING_BYTES, VHOSTS_MAX};
use crate::mesh::{self, AddressBook, AddressLimits, Bell, Census, Sender};
use crate::reactor::{Door, Gate, Parcel, Subnet};
use crate::ring::{Listener, Socket, Wake, Waker};
use crate::transport::TlsSetup;

use super::StartError;
use super::access::Access;
use super::control::Control;
use super::rings::Election;
use super::shard::{Arrangement, Ready, Seat, Told, run_shard};
use super::storage::Storage;

/// The control thread's ways to the shards.
type Controls = Vec<Sender<Parcel<Socket>>>;

/// With the name of the ring that all shards use.
pub(super) type Started = (Vec<thread::JoinHandle<Told>>, Vec<Control>, &'static str);

/// Starts the threads; each makes its own ring, then all learn how to wake each other.
pub(super) fn start(
    options: &Options,
    doors: Vec<Vec<Door<Listener>>>,
    tls: Option<&Arc<TlsSetup>>,
    pins: Option<&[usize]>,
    storage: &mut Storage,
    access: &Access,
) -> Result<Started, StartError> {
    let shards = doors.len();
    let (seats, control_senders) = seats(options, doors, tls, pins, storage)?;
    let bells = seats[0].bells.clone();
    let (ready_sender, ready) = mpsc::channel::<Ready>();
    let (mut threads, mut mailboxes) = (Vec::new(), Vec::new());
    for seat in seats {
        let (wakers_sender, wakers) = mpsc::channel();
        mailboxes.push(wakers_sender);
        let (options, ready_sender) = (options.clone(), ready_sender.clone());
        let thread = thread::Builder::new()
            .name(format!("shard-{}", seat.shard.0))
            .spawn(move || run_shard(seat, &options, &ready_sender, &wakers))
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
    for (shard, mailbox) in mailboxes.into_iter().enumerate() {
        let waker = wakers[shard].clone();
        let arrangement = Arrangement {
            wakers: wakers.clone(),
            medium: storage.medium(shard, waker.clone()),
            desk: access.desk(move || waker.wake()),
            policy: access.policy().clone(),
            vhosts: access.vhosts(),
        };
        // A thread that is gone has panicked, and said so.
        let _gone = mailbox.send(arrangement);
    }
    let controls = control_senders.into_iter().zip(bells).zip(wakers);
    let controls =
        controls.map(|((sender, bell), waker)| Control { sender, bell, waker }).collect();
    Ok((threads, controls, found.expect("every shard answered")))
}

/// Connects every shard with every other, and the control thread with all.
fn seats(
    options: &Options,
    doors: Vec<Vec<Door<Listener>>>,
    tls: Option<&Arc<TlsSetup>>,
    pins: Option<&[usize]>,
    storage: &mut Storage,
) -> Result<(Vec<Seat>, Controls), StartError> {
    let session_bytes_max = storage.session_bytes_max(options);
    let shards = u16::try_from(doors.len()).expect("at most SHARDS_MAX");
    let bells: Vec<Arc<Bell>> = (0..shards).map(|_| Arc::new(Bell::new())).collect();
    let census = Arc::new(Census::new(VHOSTS_MAX));
    let gate = gates(options);
    let election = Arc::new(Election::new(options.ring, shards.into()));
    let (started, clocks) = (Instant::now(), Clocks::new());
    clocks.warn_if_implausible();
    let mut controls = Vec::new();
    let seats: Result<Vec<Seat>, StartError> = (0..shards)
        .zip(doors)
        .map(|(shard, doors)| {
            let (sender, receiver) = mesh::channel(4096);
            controls.push(sender);
            let cpu = pins.map(|cpus| cpus[usize::from(shard)]);
            let worker_cpus = pins.zip(cpu).map(|(cpus, cpu)| cpus::apart_from(cpus, cpu));
            Ok(Seat {
                shard: ShardId(shard),
                shards,
                cpu,
                worker_cpus: worker_cpus.unwrap_or_default(),
                doors,
                senders: (0..shards).map(|_| None).collect(),
                inboxes: vec![(None, receiver)],
                bells: bells.clone(),
                census: census.clone(),
                gate: gate(),
                tls: tls.cloned(),
                election: election.clone(),
                found: Some(storage.take_found(shard)?),
                session_bytes_max,
                started,
                clocks: clocks.last(),
            })
        })
        .collect();
    let mut seats = seats?;
    for from in 0..usize::from(shards) {
        for to in (0..usize::from(shards)).filter(|to| *to != from) {
            let (sender, receiver) = mesh::channel(MESH_RING_BYTES);
            let from_shard = seats[from].shard;
            seats[from].senders[to] = Some(sender);
            seats[to].inboxes.push((Some(from_shard), receiver));
        }
    }
    Ok((seats, controls))
}

/// Makes gates that count in one book.
fn gates(options: &Options) -> impl Fn() -> Gate {
    let book = Arc::new(AddressBook::new(address_limits(options)));
    let trusted = trusted(options);
    move || Gate::new(book.clone(), trusted.clone())
}

pub(super) fn address_limits(options: &Options) -> AddressLimits {
    AddressLimits {
        connections_max: options.abuse.address_connections_max,
        connects_per_s: options.abuse.address_connects_per_s,
    }
}

/// Proxies whose word is taken for who their clients are.
pub(super) fn trusted(options: &Options) -> Vec<Subnet> {
    let ranges = options.doors.proxy_trust.iter();
    ranges.map(|range| Subnet::new(range.address, range.bits)).collect()
}
