//! From options to running shards and back: limits, listeners, threads, signals, the orderly end.

mod access;
mod auth;
mod doors;
mod heap;
mod notify;
mod privileges;
mod storage;
mod summary;
pub mod tls;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process;
use std::sync::mpsc;
use std::sync::{Arc, mpsc::Receiver as Mailbox};
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, error, info, warn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::rand::GetRandomFlags;
use rustix::thread::{CpuSet, sched_setaffinity};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::access::{LoadError, Policy};
use crate::broker::{self, Shard, ShardId, Stats, VhostReport};
use crate::config::{Listen, Options};
use crate::cpus;
use crate::disk::{DirectoryError, FileMedium};
use crate::limits::{MESH_RING_BYTES, VHOSTS_MAX};
use crate::mesh::{self, AddressBook, AddressLimits, Bell, Census, Sender};
use crate::reactor::{self, Clock, Door, Gate, Inbox, Outbox, Parcel, Reactor, Subnet};
use crate::ring::{self, Features, Listener, RingRefused, Socket, Uring, Wake, Waker};
use crate::store::{Found, OpenError};
use crate::transport::TlsSetup;

use access::Access;
use auth::Desk;
use doors::{Doors, Open};
use notify::Notifier;
use privileges::Account;
use storage::Storage;
use tls::TlsError;

pub use doors::SocketError;
pub use privileges::PrivilegeError;

/// The time between two tries to send to a shard that is busy.
const CONTROL_PAUSE: Duration = Duration::from_millis(1);

/// Why the broker could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// A Unix socket cannot.
    Socket(PathBuf, SocketError),
    /// It cannot run as it was asked to.
    Privileges(PrivilegeError),
    /// An address that other hosts reach is to be listened on, and nothing says who may come in.
    Unguarded(Listen),
    /// io_uring cannot be used.
    Ring(RingRefused),
    /// The data directory cannot be used.
    Data(DirectoryError),
    /// The user of `--user` may not use it.
    DataOf(String, DirectoryError),
    /// A file of TLS cannot be used.
    Tls(TlsError),
    /// What is in this shard's part of it cannot.
    Store(u16, OpenError),
    /// A file that says who may come in, or what they may do, is faulty.
    Access(LoadError),
    /// The system refused something else: what, and why.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {address}: the address is in use; stop what listens there or \
                 choose another with --listen"
            ),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Socket(path, error) => {
                write!(f, "cannot listen on unix:{}: {error}", path.display())
            }
            Self::Privileges(error) => error.fmt(f),
            Self::Unguarded(listen) => write!(
                f,
                "cannot listen on {}: other hosts reach it{}, and everybody could connect; name \
                 the users with --passwords or --vhosts, or say --allow-anonymous",
                listen.at,
                if listen.proxy { " through its proxy" } else { "" }
            ),
            Self::Ring(refused) => refused.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Data(error @ DirectoryError::System { .. }) => write!(f, "--data-dir: {error}"),
            Self::Data(error) => error.fmt(f),
            Self::DataOf(user, error) => write!(
                f,
                "--data-dir: {error}; ringmq runs as {user}, who must be able to enter the \
                 directories above, and own it and all that is in it: as root, mkdir -p DIR and \
                 chown -R {user} DIR"
            ),
            Self::Access(error) => error.fmt(f),
            Self::Store(shard, error) => write!(f, "--data-dir, shard-{shard}: {error}"),
            Self::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Runs the broker until SIGTERM or SIGINT, and then until it has said what it had to say.
///
/// # Errors
/// If it cannot start.
pub fn run(options: &Options) -> Result<(), StartError> {
    heap::settle();
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| StartError::System("watch for signals", error))?;
    raise_open_files();
    let cpus = cpus::available();
    let notifier = Notifier::from_environment();
    privileges::forbid_new();
    let (mut storage, doors) = open(options, cpus.default_shards())?;
    let shards = usize::from(storage.shards());
    let pins = (options.pin && cpus.should_pin(shards)).then(|| cpus.ids.clone());
    let tls = tls::load(&options.tls).map_err(StartError::Tls)?;
    let vhosts = storage.vhosts()?;
    let helpers = (cpus.ids.len() / 2).max(1);
    let failures_max = options.access.auth_failures_max;
    let sources = options.access.sources(tls::names_clients(&options.tls));
    let mut access = Access::open(sources, vhosts, helpers, failures_max)?;
    refuse_open_doors(options, access.policy())?;
    let doors = doors.map_or_else(|| Doors::open(options, shards), Ok)?;
    let Doors { shards: doors, opened, files } = doors;
    let (threads, mut controls, features) =
        start(options, doors, tls.as_ref(), pins.as_deref(), &mut storage, &access)?;
    let kernel = rustix::system::uname();
    info!(
        "ringmq {} on Linux {}, {features}",
        env!("CARGO_PKG_VERSION"),
        kernel.release().to_string_lossy()
    );
    let pinned = if pins.is_some() { "pinned" } else { "not pinned" };
    info!("{shards} shard{}, {pinned}", if shards == 1 { "" } else { "s" });
    announce(&opened, options);
    notifier.ready();
    for signal in signals.forever() {
        if signal != SIGHUP {
            break;
        }
        reload(options, &mut access, &mut controls);
    }
    info!("stopping");
    notifier.stopping();
    thread::spawn(move || {
        if signals.forever().any(|signal| signal != SIGHUP) {
            warn!("stopped at once by a second signal");
            process::exit(1);
        }
    });
    for mut control in controls {
        control.send(Parcel::Drain);
    }
    let finished = threads.into_iter().map(|thread| thread.join().unwrap_or_default());
    let (stats, reports): (Vec<Stats>, Vec<_>) = finished.unzip();
    summary::log_stats(&stats);
    summary::log_vhosts(reports.into_iter().flatten());
    storage.finish();
    drop(files);
    info!("stopped");
    Ok(())
}

/// Opens the data directory as the user that the broker is to run as. To become another user it
/// opens the doors first, while it may.
fn open(options: &Options, default_shards: usize) -> Result<(Storage, Option<Doors>), StartError> {
    let Some(user) = &options.doors.user else {
        return Ok((Storage::open(options, default_shards)?, None));
    };
    // Root binds, and what is stored belongs to the user.
    let account = Account::find(user).map_err(StartError::Privileges)?;
    let shards = Storage::shards_to_be(options, default_shards)?;
    let doors = Doors::open(options, shards)?;
    account.assume().map_err(StartError::Privileges)?;
    info!("running as {}", account.name);
    let storage = Storage::open(options, shards).map_err(|error| match error {
        StartError::Data(error) if error.is_permission() => {
            StartError::DataOf(account.name.clone(), error)
        }
        error => error,
    })?;
    let found = usize::from(storage.shards());
    assert_eq!(found, shards, "nobody exchanges the directory meanwhile");
    Ok((storage, Some(doors)))
}

/// Reads the files again that say who may come in and what they may do, for all shards: all of them
/// or, if one is faulty, none.
fn reload(options: &Options, access: &mut Access, controls: &mut [Control]) {
    let reloaded = tls::load(&options.tls).map_err(StartError::Tls);
    let reloaded = reloaded.and_then(|tls| {
        access.reload().map_err(StartError::Access)?;
        Ok(tls)
    });
    match reloaded {
        Ok(tls) => {
            for control in controls {
                control.send(Parcel::Policy(access.policy().clone()));
                tls.iter().for_each(|tls| control.send(Parcel::Tls(tls.clone())));
            }
            info!("reloaded");
        }
        Err(error) => error!("not reloaded, everything stays as it was: {error}"),
    }
}

/// The control thread's way to one shard.
struct Control {
    sender: Sender<Parcel<Socket>>,
    bell: Arc<Bell>,
    waker: Waker,
}

impl Control {
    fn send(&mut self, parcel: Parcel<Socket>) {
        let mut parcel = parcel;
        // A shard that does not come to take what it was sent before is busy, and will.
        while let Err(refused) = self.sender.push_object(parcel) {
            parcel = refused;
            thread::sleep(CONTROL_PAUSE);
        }
        self.sender.publish();
        if self.bell.must_ring() {
            self.waker.wake();
        }
    }
}

/// What one shard's thread begins with.
struct Seat {
    shard: ShardId,
    shards: u16,
    cpu: Option<usize>,
    /// Where the kernel writes to files for this shard; empty: anywhere.
    worker_cpus: Vec<usize>,
    doors: Vec<Door<Listener>>,
    senders: Vec<Option<Sender<Parcel<Socket>>>>,
    inboxes: Vec<Inbox<Socket>>,
    bells: Vec<Arc<Bell>>,
    census: Arc<Census>,
    gate: Gate,
    tls: Option<Arc<TlsSetup>>,
    /// What its log finds.
    found: Vec<Found>,
    session_bytes_max: u64,
    started: Instant,
    /// When it was started, milliseconds since 1970.
    epoch_ms: u64,
}

/// What a shard must know before it begins, when all have their rings.
struct Arrangement {
    wakers: Vec<Waker>,
    medium: FileMedium,
    desk: Desk,
    policy: Arc<Policy>,
    vhosts: Vec<(u16, String)>,
}

type Ready = (usize, Result<(Waker, Features), StartError>);
/// The control thread's ways to the shards.
type Controls = Vec<Sender<Parcel<Socket>>>;
/// What a shard tells at its end.
type Told = (Stats, Vec<VhostReport>);
type Started = (Vec<thread::JoinHandle<Told>>, Vec<Control>, Features);

/// Starts the threads; each makes its own ring, then all learn how to wake each other.
fn start(
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
        let (waker, features) = ring?;
        wakers[shard] = Some(waker);
        found = Some(features);
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
    let features = found.expect("every shard answered");
    Ok((threads, controls, features))
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
    let (started, epoch_ms) = (Instant::now(), storage::unix_ms()?);
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
                found: storage.take_found(shard)?,
                session_bytes_max,
                started,
                epoch_ms,
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
    let limits = AddressLimits {
        connections_max: options.abuse.address_connections_max,
        connects_per_s: options.abuse.address_connects_per_s,
    };
    let book = Arc::new(AddressBook::new(limits));
    let ranges = options.doors.proxy_trust.iter();
    let trusted: Vec<_> = ranges.map(|range| Subnet::new(range.address, range.bits)).collect();
    move || Gate::new(book.clone(), trusted.clone())
}

fn run_shard(
    mut seat: Seat,
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
    let (ring, features) = match Uring::new(&ring_options) {
        Ok(ring) => {
            let features = ring.features().clone();
            (ring, features)
        }
        Err(refused) => {
            // The starter gone means it has failed already.
            let _gone = ready.send((at, Err(StartError::Ring(refused))));
            return Told::default();
        }
    };
    let seed = seed();
    let found = std::mem::take(&mut seat.found);
    let store_options =
        storage::store_options(options, seat.shard.0, seat.shards, seed, seat.epoch_ms);
    let store = match storage::open_store(&store_options, found) {
        Ok(store) => store,
        Err(error) => {
            let _gone = ready.send((at, Err(error)));
            return Told::default();
        }
    };
    let waker = ring::Ring::waker(&ring);
    if ready.send((at, Ok((waker, features)))).is_err() {
        return Told::default();
    }
    let Ok(Arrangement { wakers, medium, desk, policy, vhosts }) = arrangement.recv() else {
        return Told::default();
    };
    let clock = SinceStart(seat.started);
    let vhosts = vhosts.iter().map(|(number, name)| (*number, name.as_str()));
    let broker =
        Shard::new(broker_options(&seat, options, seed), store).with_policy(policy, vhosts);
    let options = reactor_options(seat, options, broker, &wakers, medium, desk);
    let reactor = Reactor::new(ring, clock, options);
    match reactor.run() {
        Ok(told) => told,
        Err(error) => {
            // A broker with a dead core is worse than a restart.
            error!("shard {at}: io_uring failed: {error}");
            process::exit(1);
        }
    }
}

fn broker_options(seat: &Seat, options: &Options, seed: u64) -> broker::Options {
    broker::Options {
        shard: seat.shard,
        shards: seat.shards,
        outgoing_bytes_max: options.outgoing_bytes_max,
        qos0_patience_ms: options.qos0_patience_ms,
        inflight_max: options.inflight_max,
        publish_rate: broker::PublishRate {
            messages: options.abuse.client_publishes_per_s,
            bytes: options.abuse.client_publish_bytes_per_s,
        },
        subscriptions_max: options.abuse.subscriptions_max,
        topic_levels_max: options.abuse.topic_levels_max,
        session_bytes_max: seat.session_bytes_max,
        session_overflow: storage::overflow(options),
        session_expiry_ms: storage::expiry_ms(options),
        on_denied: access::on_denied(options),
        takeover: access::takeover(options),
        disk_low: storage::disk_low(options),
        epoch_ms: seat.epoch_ms,
        seed,
    }
}

fn reactor_options(
    seat: Seat,
    options: &Options,
    broker: Shard,
    wakers: &[Waker],
    medium: FileMedium,
    desk: Desk,
) -> reactor::Options<Uring, FileMedium> {
    let own_bell = seat.bells[usize::from(seat.shard.0)].clone();
    let outboxes = seat.senders.into_iter().zip(&seat.bells).zip(wakers);
    let outboxes = outboxes.map(|((sender, bell), waker)| {
        Some(Outbox { sender: sender?, bell: bell.clone(), waker: waker.clone() })
    });
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
        clients_max: options.connections_max,
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
fn seed() -> u64 {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty());
    assert_eq!(filled, Ok(bytes.len()), "the kernel gives 8 random bytes at once");
    u64::from_ne_bytes(bytes)
}

/// Anonymous clients come in by local doors alone, unless they are said to be welcome.
fn refuse_open_doors(options: &Options, policy: &Policy) -> Result<(), StartError> {
    let asks_certificates = tls::requires_certificates(&options.tls);
    let certified = options.tls.listen.iter().filter(|_| !asks_certificates);
    let mut listens = options.listen.iter().chain(certified);
    match listens.find(|listen| !listen.is_local()) {
        Some(listen) if !policy.guards_open_doors() => Err(StartError::Unguarded(listen.clone())),
        _ => Ok(()),
    }
}

/// Says where clients may come in.
fn announce(opened: &[Open], options: &Options) {
    let open = opened.iter().filter(|open| !open.listen.is_local());
    for Open { listen, .. } in open.filter(|_| options.access.allow_anonymous) {
        let at = &listen.at;
        warn!("{at} is reachable from other hosts, and --allow-anonymous lets all in");
    }
    for open in opened {
        info!("listening on {open}");
    }
}

/// Raises the number of files this process may open as far as it may.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        debug!("open files: {current:?} raised to {maximum:?}: {raised:?}");
    }
}

fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    if let Err(error) = sched_setaffinity(None, &set) {
        warn!("cannot pin a shard to CPU {cpu}: {error}");
    }
}
