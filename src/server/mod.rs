//! From options to running shards and back: limits, listeners, threads, signals, the orderly end.

mod access;
mod announcement;
mod auth;
mod deletions;
mod doors;
mod heap;
mod notify;
mod pem;
mod places;
mod privileges;
mod report;
mod rings;
mod signals;
mod storage;
mod summary;
pub mod tls;

use std::fmt;
use std::io;
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
use signal_hook::iterator::Signals;

use crate::access::{LoadError, Policy};
use crate::advice;
use crate::broker::{self, Shard, ShardId, Stats, VhostReport};
use crate::config::{self, LogFormat, Options};
use crate::cpus;
use crate::disk::{Clocks, DirectoryError, FileMedium};
use crate::limits::{MESH_RING_BYTES, VHOSTS_MAX};
use crate::logging;
use crate::mesh::{self, AddressBook, AddressLimits, Bell, Census, Sender};
use crate::reactor::{self, Clock, Door, Gate, Inbox, Outbox, Parcel, Reactor, Subnet};
use crate::ring::{self, Listener, RingRefused, Socket, Wake, Waker};
use crate::store::{ClockReading, Found, OpenError};
use crate::transport::TlsSetup;

use access::Access;
use announcement::Announcement;
use auth::Desk;
use doors::Doors;
use notify::Notifier;
use places::Site;
use privileges::Account;
use rings::{Election, ShardRing, SystemRing};
use signals::Asked;
use storage::Storage;
use tls::TlsError;

pub use doors::SocketError;
pub use places::ListenError;
pub use privileges::PrivilegeError;
pub use signals::watch_signals;

/// The time between two tries to send to a shard that is busy.
const CONTROL_PAUSE: Duration = Duration::from_millis(1);

/// Why the broker could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Listen(ListenError),
    /// A Unix socket cannot.
    Socket(PathBuf, SocketError),
    /// It cannot run as it was asked to.
    Privileges(PrivilegeError),
    /// io_uring cannot be used, and nothing else may.
    Ring(RingRefused),
    /// A ring on epoll cannot be had.
    Epoll(io::Error),
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
    /// This user may not read a file.
    Unreadable(String, Box<StartError>),
    /// So many files may be open, and this many are needed before there is a client.
    Files(u64, u64),
    /// The thread that writes the log cannot be started: this error cannot be logged.
    Log(io::Error),
    /// The system refused something else: what, and why.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            Self::Socket(path, error) => {
                write!(f, "cannot listen on unix:{}: {error}", path.display())
            }
            Self::Privileges(error) => error.fmt(f),
            Self::Ring(refused) => refused.fmt(f),
            Self::Epoll(error) => {
                write!(f, "epoll cannot be set up: {error}{}", advice::of(error))
            }
            Self::Tls(error) => error.fmt(f),
            Self::Data(text @ DirectoryError::System { error, .. }) => {
                write!(f, "--data-dir: {text}{}", advice::of(error))
            }
            Self::Data(error) => error.fmt(f),
            Self::DataOf(user, error) => write!(
                f,
                "--data-dir: {error}; ringmq runs as {user}, who must be able to enter the \
                 directories above, and own it and all that is in it: as root, mkdir -p DIR and \
                 chown -R {user} DIR"
            ),
            Self::Access(error) => error.fmt(f),
            Self::Unreadable(user, error) => write!(
                f,
                "{error}; ringmq runs as {user}, who must be able to read it, and to enter the \
                 directories above it"
            ),
            Self::Store(shard, error) => write!(f, "--data-dir, shard-{shard}: {error}"),
            Self::Files(limit, needed) => write!(
                f,
                "the broker itself needs some {needed} open files; {}",
                advice::raise_files(Some(*limit))
            ),
            Self::Log(error) => write!(f, "cannot start the thread that logs: {error}"),
            Self::System(what, error) => {
                write!(f, "cannot {what}: {error}{}", advice::of(error))
            }
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    /// The same with the user, where it is about a file that the user may not read.
    fn with_user(self) -> Self {
        let is_denied = match &self {
            Self::Tls(error) => error.is_denied(),
            Self::Access(error) => error.is_denied,
            _ => false,
        };
        if is_denied { Self::Unreadable(privileges::own_name(), Box::new(self)) } else { self }
    }
}

/// Runs the broker until SIGTERM or SIGINT, and then until it has said what it had to say.
/// `signals`: from [`watch_signals`].
///
/// # Errors
/// If it cannot start.
pub fn run(options: &Options, signals: io::Result<Signals>) -> Result<(), StartError> {
    heap::settle();
    // Threads begin with what the one has that starts them.
    let forbidden = privileges::forbid_new();
    logging::start(&options.logging.filter, log_format(options)).map_err(StartError::Log)?;
    let mut signals = signals::watch_all(signals)
        .map_err(|error| StartError::System("watch for signals", error))?;
    raise_open_files();
    let cpus = cpus::available();
    let notifier = Notifier::from_environment();
    if let Err(error) = forbidden {
        warn!("cannot forbid new privileges: {error}");
    }
    let sites = places::resolve(options).map_err(StartError::Listen)?;
    let shards = Storage::shards_to_be(options, cpus.default_shards())?;
    places::check_open_files(shards, &sites)?;
    let (mut storage, doors) = open(options, &sites, cpus.default_shards())?;
    let shards = usize::from(storage.shards());
    let pins = (options.pin && cpus.should_pin(shards)).then(|| cpus.ids.clone());
    let tls = tls::load(&options.tls).map_err(|error| StartError::Tls(error).with_user())?;
    let vhosts = storage.vhosts()?;
    let helpers = (cpus.ids.len() / 2).max(1);
    let failures_max = options.access.auth_failures_max;
    let sources = options.access.sources(tls::names_clients(&options.tls));
    let access = Access::open(sources, vhosts, helpers, failures_max);
    let mut access = access.map_err(StartError::with_user)?;
    let unguarded = places::refuse_unguarded(options, &sites, access.policy());
    unguarded.map_err(StartError::Listen)?;
    let doors = doors.map_or_else(|| Doors::open(options, &sites, shards), Ok)?;
    let Doors { shards: doors, opened, files } = doors;
    let (threads, mut controls, ring) =
        start(options, doors, tls.as_ref(), pins.as_deref(), &mut storage, &access)?;
    deletions::forward(&options.data_dir, &access, &mut controls);
    let pinned = pins.is_some();
    Announcement { options, shards, ring, pinned, cpus: &cpus, opened: &opened }.log();
    notifier.ready();
    for signal in signals.forever() {
        match Asked::by(signal) {
            Asked::Stop => break,
            Asked::Reload => {
                reload(options, &mut access, &mut controls);
                deletions::forward(&options.data_dir, &access, &mut controls);
            }
            Asked::Report => report::log_report(&mut controls),
            Asked::ToggleDebug => signals::toggle_debug(),
        }
    }
    info!("stopping");
    notifier.stopping();
    signals::watch_while_stopping(signals);
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

fn log_format(options: &Options) -> logging::Format {
    match options.logging.format {
        Some(LogFormat::Text) => logging::Format::Text,
        Some(LogFormat::Json) => logging::Format::Json,
        Some(LogFormat::Journald) => logging::Format::Journald,
        None if logging::is_journal() => logging::Format::Journald,
        None => logging::Format::Text,
    }
}

/// Opens the data directory as the user that the broker is to run as. To become another user it
/// opens the doors first, while it may.
fn open(
    options: &Options,
    sites: &[Site],
    default_shards: usize,
) -> Result<(Storage, Option<Doors>), StartError> {
    let Some(user) = &options.doors.user else {
        return Ok((Storage::open(options, default_shards)?, None));
    };
    // Root binds, and what is stored belongs to the user.
    let account = Account::find(user).map_err(StartError::Privileges)?;
    let shards = Storage::shards_to_be(options, default_shards)?;
    let doors = Doors::open(options, sites, shards)?;
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
    match reloaded.map_err(StartError::with_user) {
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
        self.wake();
    }

    /// The same, unless there is no room: whether it was sent.
    fn try_send(&mut self, parcel: Parcel<Socket>) -> bool {
        let sent = self.sender.push_object(parcel).is_ok();
        self.wake();
        sent
    }

    fn wake(&mut self) {
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
    election: Arc<Election>,
    /// What its log finds.
    found: Vec<Found>,
    started: Instant,
    /// What the clocks showed then.
    clocks: ClockReading,
}

/// What a shard must know before it begins, when all have their rings.
struct Arrangement {
    wakers: Vec<Waker>,
    medium: FileMedium,
    desk: Desk,
    policy: Arc<Policy>,
    vhosts: Vec<(u16, String)>,
}

/// A shard's waker and what its ring is, in words.
type Ready = (usize, Result<(Waker, &'static str), StartError>);
/// The control thread's ways to the shards.
type Controls = Vec<Sender<Parcel<Socket>>>;
/// What a shard tells at its end.
type Told = (Stats, Vec<VhostReport>);
/// With the name of the ring that all shards use.
type Started = (Vec<thread::JoinHandle<Told>>, Vec<Control>, &'static str);

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
                found: storage.take_found(shard)?,
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
    let found = std::mem::take(&mut seat.found);
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
    let broker =
        Shard::new(broker_options(&seat, options, seed), store).with_policy(policy, vhosts);
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
        session_bytes_max: options.session_bytes_max,
        session_overflow: storage::overflow(options),
        session_expiry_ms: storage::expiry_ms(options),
        on_denied: access::on_denied(options),
        takeover: access::takeover(options),
        log_connections: options.logging.connections == config::Switch::On,
        disk_low: storage::disk_low(options),
        start_ms: 0,
        seed,
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
