//! The admin thread: its listeners, its channels to the shards, and its inputs.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::{debug, info, warn};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustls::ServerConfig;

use crate::admin::{
    self, Condition, Facts, Handle, Process, Tokens, Watchdog, WatchedSessions, Ways,
};
use crate::broker::inspect::Ask;
use crate::config::{HttpListen, Options};
use crate::limits::{FILES_OF_ADMIN, HTTP_PORT_DEFAULT};
use crate::mesh::{self, Receiver, Sender};
use crate::reactor::{AnswerWay, ShardMessage};
use crate::ring::Socket;

use super::StartError;
use super::access::Access;
use super::control::Control;
use super::events::EventSender;
use super::notify::Notifier;
use super::tls;

/// Bytes of the rings between the admin thread and a shard: room for many times the requests that
/// can be on their way at once.
const RING_BYTES: usize = 4096;

/// The socket in the data directory, and its mode.
const SOCKET_FILE: &str = "admin.sock";
const SOCKET_MODE: u32 = 0o660;

/// The listener for HTTP, bound while the process may still bind any port.
pub(super) struct HttpListener {
    tcp: Option<TcpListener>,
    process: Process,
    /// `None` with `--http-listen none`: then the thread only publishes the $SYS topics and reports
    /// to a service manager.
    answers: bool,
}

impl HttpListener {
    /// Binds the listener; `None`: there is no HTTP interface. An address of a flag must be free.
    /// The default address may be in use, because a second broker on a host is legitimate.
    pub(super) fn open(options: &Options) -> Result<Option<Self>, StartError> {
        let process = Process::open();
        let tcp = match options.admin.http_listen {
            Some(HttpListen::None) if !is_needed(options) => return Ok(None),
            Some(HttpListen::None) => None,
            Some(HttpListen::Unix) => None,
            Some(HttpListen::Address(address)) => {
                let bound = TcpListener::bind(address);
                Some(bound.map_err(|error| StartError::Http(address, error))?)
            }
            None => {
                let address = SocketAddr::from(([127, 0, 0, 1], HTTP_PORT_DEFAULT));
                let bound = TcpListener::bind(address);
                let refused = |error: &io::Error| match error.kind() {
                    ErrorKind::AddrInUse => warn!(
                        "operators are not answered on http://{address}: the address is in use, \
                         by another ringmq perhaps; choose another with --http-listen, or say \
                         --http-listen unix or none"
                    ),
                    _ => warn!(
                        "operators are not answered on http://{address}: {error}; choose another \
                         address with --http-listen, or say --http-listen unix or none"
                    ),
                };
                bound.inspect_err(refused).ok()
            }
        };
        Ok(Some(Self { tcp, process, answers: answers_http(options) }))
    }
}

/// The inputs of the thread that exist before the shards.
pub(super) struct AdminSetup {
    door: HttpListener,
    rings: AskRings,
    credentials: Credentials,
}

/// The tokens, and the broker's certificate.
pub(super) struct Credentials {
    tokens: Tokens,
    tls: Option<Arc<ServerConfig>>,
    hosts: Arc<[String]>,
}

impl AdminSetup {
    /// The data directory is open; files created in it belong to the user that the broker runs as.
    pub(super) fn new(door: HttpListener, options: &Options) -> Result<Self, StartError> {
        Ok(Self { door, rings: AskRings::new()?, credentials: load_credentials(options)? })
    }

    pub(super) fn rings(&mut self) -> &mut AskRings {
        &mut self.rings
    }
}

/// Files that the thread may have open.
pub(super) fn files(options: &Options) -> u64 {
    if is_needed(options) { FILES_OF_ADMIN } else { 0 }
}

/// Whether the thread has anything to do.
fn is_needed(options: &Options) -> bool {
    let has_topics = options.admin.system_interval_ms() > 0;
    answers_http(options) || has_topics || Notifier::watchdog().is_some()
}

/// The channels of requests and of their answers.
type Way = (Sender<ShardMessage<Socket>>, Receiver<Box<Ask>>);

/// Both ends of the rings between the admin thread and the shards, before they are handed out.
pub(super) struct AskRings {
    /// Both ends of the pipe that shards write to when they have answered.
    bell: OwnedFd,
    ringer: Arc<OwnedFd>,
    /// By shard.
    ways: Vec<Way>,
}

impl AskRings {
    pub(super) fn new() -> Result<Self, StartError> {
        let made = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK);
        let made = made.map_err(|error| StartError::System("make a pipe", error.into()));
        let (bell, ringer) = made?;
        Ok(Self { bell, ringer: Arc::new(ringer), ways: Vec::new() })
    }

    /// The ends of the next shard: for incoming requests, and for answers.
    pub(super) fn add_shard(&mut self) -> (Receiver<ShardMessage<Socket>>, AnswerWay) {
        let (asks, inbox) = mesh::channel(RING_BYTES);
        let (sender, answers) = mesh::channel(RING_BYTES);
        self.ways.push((asks, answers));
        let ringer = self.ringer.clone();
        let wake = move || {
            // Full: the thread is about to wake. Closed: the admin thread has ended.
            let _rung = rustix::io::write(&*ringer, &[1]);
        };
        (inbox, AnswerWay { sender, wake: Box::new(wake) })
    }
}

/// The channels of the admin thread.
struct ShardWays(Vec<(Control, Receiver<Box<Ask>>)>);

impl Ways for ShardWays {
    fn shards(&self) -> u16 {
        u16::try_from(self.0.len()).expect("at most SHARDS_MAX")
    }

    fn send(&mut self, shard: u16, ask: Box<Ask>) -> Result<(), Box<Ask>> {
        let (control, _) = &mut self.0[usize::from(shard)];
        match control.try_send(ShardMessage::Ask(ask)) {
            Ok(()) => Ok(()),
            Err(ShardMessage::Ask(ask)) => Err(ask),
            Err(_) => unreachable!("what is refused is what was sent"),
        }
    }

    fn next_answer(&mut self, shard: u16) -> Option<Box<Ask>> {
        let (_, answers) = &mut self.0[usize::from(shard)];
        let ask = match answers.next() {
            Some(mesh::Record::Object(ask)) => Some(ask),
            Some(mesh::Record::Bytes(_)) => unreachable!("shards answer with boxes"),
            None => None,
        };
        answers.set_handled();
        ask
    }
}

/// The thread and its resources.
pub(super) struct Admin {
    handle: Handle,
    _socket: Option<AdminSocket>,
}

impl Admin {
    /// Starts the thread. `controls`: channels to the shards, with the same bells and wakers as
    /// this thread's own channels.
    pub(super) fn start(
        setup: AdminSetup,
        controls: &[Control],
        options: &Options,
        access: &Access,
        (shared_cpus, control, facts): (Vec<usize>, EventSender, Arc<Facts>),
        notifier: &Notifier,
    ) -> Result<Self, StartError> {
        let AdminSetup { door, rings, credentials } = setup;
        let Credentials { tokens, tls, hosts } = credentials;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let ways = rings.ways.into_iter().zip(controls).map(|((sender, answers), like)| {
            let (bell, waker) = (like.bell.clone(), like.waker.clone());
            (Control { sender, bell, waker }, answers)
        });
        let path = options.data_dir.join(SOCKET_FILE);
        let bound = if door.answers { AdminSocket::bind(path) } else { None };
        let (unix, socket) = bound.unzip();
        let address = door.tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
        let system = |what| move |error| StartError::System(what, error);
        let handle = admin::start(admin::Options {
            tcp: door.tcp,
            unix,
            ways: Box::new(ShardWays(ways.collect())),
            bell: rings.bell,
            process: door.process,
            system_interval: interval(options),
            watchdog: Notifier::watchdog().map(|patience| {
                let notifier = notifier.clone();
                Watchdog { patience, ping: Box::new(move || notifier.well()) }
            }),
            data_dir: options.data_dir.clone(),
            control: Box::new(control),
            condition: Condition {
                is_ready: true,
                draining: false,
                facts,
                reloaded: true,
                reloaded_at_s: now_s(),
                vhosts: access.vhosts().into(),
                tokens: Arc::new(tokens),
                watched: watched(options),
                tls,
                hosts,
                is_over: false,
            },
            settle: Box::new(move || keep_to(&shared_cpus)),
        });
        let handle = handle.map_err(system("start the thread that answers operators"))?;
        let socket_path = socket.as_ref().map(|socket| socket.0.display().to_string());
        match (address, socket_path) {
            (Some(address), Some(path)) => {
                info!("answering operators on {scheme}://{address} and unix:{path}");
            }
            (Some(address), None) => info!("answering operators on {scheme}://{address}"),
            (None, Some(path)) => info!("answering operators on unix:{path}"),
            (None, None) if !door.answers => {}
            (None, None) => warn!("operators are answered nowhere"),
        }
        Ok(Self { handle, _socket: socket })
    }

    /// The configuration was reloaded.
    pub(super) fn note_reload(
        &self,
        access: &Access,
        credentials: Credentials,
        facts: Arc<Facts>,
        options: &Options,
    ) {
        let Credentials { tokens, tls, hosts } = credentials;
        let (vhosts, tokens) = (access.vhosts().into(), Arc::new(tokens));
        let watched = watched(options);
        self.handle.update(|condition| {
            (condition.vhosts, condition.tokens, condition.facts) = (vhosts, tokens, facts);
            (condition.tls, condition.hosts, condition.watched) = (tls, hosts, watched);
            (condition.reloaded, condition.reloaded_at_s) = (true, now_s());
        });
    }

    /// A reload was refused.
    pub(super) fn note_reload_failed(&self) {
        self.handle.update(|condition| condition.reloaded = false);
    }

    /// New clients are refused for now, or accepted again.
    pub(super) fn note_draining(&self, draining: bool) {
        self.handle.update(|condition| condition.draining = draining);
    }

    /// New clients are refused from now on.
    pub(super) fn note_stopping(&self) {
        self.handle.update(|condition| condition.is_ready = false);
    }
}

fn answers_http(options: &Options) -> bool {
    options.admin.http_listen != Some(HttpListen::None)
}

fn watched(options: &Options) -> Arc<[WatchedSessions]> {
    let each = options.admin.watch_sessions.iter().cloned();
    each.map(|it| WatchedSessions { vhost: it.vhost, id: it.id, is_prefix: it.is_prefix }).collect()
}

fn interval(options: &Options) -> Option<Duration> {
    let ms = options.admin.system_interval_ms();
    (ms > 0).then(|| Duration::from_millis(ms))
}

/// Tokens and certificate from the files; empty if there is no HTTP interface.
pub(super) fn load_credentials(options: &Options) -> Result<Credentials, StartError> {
    let hosts = options.admin.http_hosts.as_slice().into();
    if !answers_http(options) {
        return Ok(Credentials { tokens: Tokens::default(), tls: None, hosts });
    }
    let file = options.admin.http_tokens.as_deref();
    let tokens = Tokens::load(&options.data_dir, file).map_err(StartError::Tokens)?;
    let tls = tls::load_http(options).map_err(StartError::Tls)?;
    Ok(Credentials { tokens, tls, hosts })
}

/// The socket's file, which is removed with the thread.
struct AdminSocket(PathBuf);

impl AdminSocket {
    /// Binds it. The directory is locked, so an existing socket was left by a broker that is gone.
    fn bind(path: PathBuf) -> Option<(UnixListener, Self)> {
        let bound = clear(&path).and_then(|()| {
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(SOCKET_MODE))?;
            Ok(listener)
        });
        match bound {
            Ok(listener) => Some((listener, Self(path))),
            Err(error) => {
                // Its path may be too long, or the file system may not support sockets.
                warn!("operators are not answered on unix:{}: {error}", path.display());
                None
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            debug!("cannot remove {}: {error}", self.0.display());
        }
    }
}

fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::other("there is a file that is no socket; remove it")),
    }
}

/// Moves this thread to CPUs without a pinned shard, if there are any.
fn keep_to(cpus: &[usize]) {
    if cpus.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    if let Err(error) = sched_setaffinity(None, &set) {
        debug!("cannot keep the admin thread off the CPUs of shards: {error}");
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
