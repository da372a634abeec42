//! Listeners: bound once for every shard, and removed at the end.
//!
//! An internet address is bound once for each shard, and the kernel distributes connections over
//! these sockets. A Unix socket is one listener from which all shards accept: the kernel wakes one
//! of them for each connection, the same one as long as it keeps up. It matters little which shard
//! accepts, because a link moves to its home shard after its CONNECT.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use log::warn;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};

use crate::config::{Accepts, Endpoint, Listen, Options};
use crate::limits::LISTEN_BACKLOG;
use crate::reactor::{Listener, ListenerKind, Proxied};
use crate::ring::ListenSocket;

use super::error::{SocketError, StartError};
use super::places::{ListenAddress, ListenError};
use super::{privileges, websocket};

/// Attempts to bind an address that is in use, and the time between two of them.
const BIND_TRIES: u32 = 10;
const BIND_PAUSE: Duration = Duration::from_millis(100);

/// An open listener, with the port that the kernel chose.
pub(super) struct OpenListener {
    pub(super) listen: Listen,
    pub(super) tls: bool,
}

impl fmt::Display for OpenListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls { " with TLS" } else { "" };
        let proxy = if self.listen.proxy { ", behind a proxy" } else { "" };
        let alone = match self.listen.accepts {
            Accepts::Both => "",
            Accepts::Mqtt => ", MQTT alone",
            Accepts::WebSocket => ", WebSocket alone",
        };
        write!(f, "{}{tls}{proxy}{alone}", self.listen.at)
    }
}

/// The listeners of all shards.
pub(super) struct Listeners {
    /// By shard.
    pub(super) shards: Vec<Vec<Listener<ListenSocket>>>,
    /// Each listener once.
    pub(super) opened: Vec<OpenListener>,
    /// Removes the sockets' files when it is dropped.
    pub(super) files: Vec<SocketFile>,
}

impl Listeners {
    /// Opens every listener for this number of shards.
    pub(super) fn open(
        options: &Options,
        sites: &[ListenAddress],
        shards: usize,
    ) -> Result<Self, StartError> {
        let mut listeners = Self { shards: Vec::new(), opened: Vec::new(), files: Vec::new() };
        listeners.shards.resize_with(shards, Vec::new);
        for site in sites {
            let ListenAddress { mut listen, tls, .. } = site.clone();
            let kind = ListenerKind {
                local: listen.is_local(),
                tls,
                accepts: websocket::accepts(listen.accepts),
                proxied: proxied(&listen),
                number: u16::try_from(listeners.opened.len()).unwrap_or(u16::MAX),
            };
            match &mut listen.at {
                Endpoint::Tcp(address) => {
                    let refused =
                        |error| StartError::Listen(ListenError::Refused(site.clone(), error));
                    let bound = bind_internet(*address, site.v6_only, shards);
                    let sockets = bound.map_err(refused)?;
                    if let Some(first) = sockets.first() {
                        *address = first.address().map_err(refused)?;
                    }
                    for (shard, socket) in listeners.shards.iter_mut().zip(sockets) {
                        shard.push(Listener { socket, kind });
                    }
                }
                Endpoint::Unix(path) => {
                    let (socket, file) = bind_unix(path, options)?;
                    listeners.files.push(file);
                    for shard in &mut listeners.shards {
                        let again = socket.try_clone();
                        let socket = again.map_err(|error| failed(path, "share it", error))?;
                        shard.push(Listener { socket, kind });
                    }
                }
            }
            listeners.opened.push(OpenListener { listen, tls });
        }
        Ok(listeners)
    }
}

fn proxied(listen: &Listen) -> Proxied {
    match (listen.proxy, &listen.at) {
        (false, _) => Proxied::No,
        (true, Endpoint::Tcp(_)) => Proxied::ByTrusted,
        (true, Endpoint::Unix(_)) => Proxied::ByAnyone,
    }
}

/// Binds an address once for each shard. Port 0 becomes the same port for all.
fn bind_internet(
    mut address: SocketAddr,
    v6_only: bool,
    shards: usize,
) -> io::Result<Vec<ListenSocket>> {
    if address.port() != 0 {
        // Sockets that share a port would also let a second broker bind it unnoticed. So a first
        // socket that does not share shows whether the port is free.
        drop(bind_alone(address, v6_only)?);
    }
    let mut listeners = Vec::new();
    for _ in 0..shards {
        let listener = if v6_only {
            ListenSocket::bind_v6_only(address, LISTEN_BACKLOG)?
        } else {
            ListenSocket::bind(address, LISTEN_BACKLOG)?
        };
        address = listener.address()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Binds an address exclusively. The kernel takes a moment to release the sockets of a killed
/// broker, so an address in use is retried for a second.
fn bind_alone(address: SocketAddr, v6_only: bool) -> io::Result<OwnedFd> {
    for _ in 0..BIND_TRIES {
        match bind_unshared(address, v6_only) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => thread::sleep(BIND_PAUSE),
            bound => return bound,
        }
    }
    bind_unshared(address, v6_only)
}

fn bind_unshared(address: SocketAddr, v6_only: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = SocketType::STREAM;
    let fd = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    if v6_only {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    rustix::net::bind(&fd, &address)?;
    rustix::net::listen(&fd, 1)?;
    Ok(fd)
}

/// Binds a Unix socket. Clients cannot connect before its owner and mode are set.
fn bind_unix(path: &Path, options: &Options) -> Result<(ListenSocket, SocketFile), StartError> {
    let owner = options.listeners.unix_owner.as_ref().map(privileges::resolve).transpose();
    let owner = owner.map_err(StartError::Privileges)?;
    clear(path)?;
    let settle = || {
        let unseen = |error| failed(path, "look at it", error);
        let mut file = SocketFile::of(path).map_err(unseen)?;
        if let Some((uid, gid)) = owner {
            rustix::fs::chown(path, uid, gid)
                .map_err(|error| failed(path, "give it to --unix-owner", error.into()))?;
        }
        fs::set_permissions(path, Permissions::from_mode(options.listeners.unix_mode))
            .map_err(|error| failed(path, "give it --unix-mode", error))?;
        file.identity = SocketFile::identify(path).map_err(unseen)?;
        Ok(file)
    };
    let unbound = ListenSocket::bind_unix(path);
    let bound = unbound.map_err(|error| failed(path, "bind it", error))?;
    let file = settle()?;
    let listener = bound.listen(LISTEN_BACKLOG);
    Ok((listener.map_err(|error| failed(path, "listen on it", error))?, file))
}

/// Checks whether a Unix socket could be created at a path. Nothing is changed, so another process
/// may be listening there.
pub(super) fn check_unix(path: &Path) -> Result<(), StartError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            Err(StartError::Socket(path.to_owned(), SocketError::NotASocket))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            match fs::metadata(above.unwrap_or(Path::new("."))) {
                Ok(_) => Ok(()),
                Err(error) => Err(failed(path, "enter its directory", error)),
            }
        }
        Err(error) => Err(failed(path, "look at it", error)),
    }
}

/// Removes a socket that a dead broker has left.
fn clear(path: &Path) -> Result<(), StartError> {
    let refuse = |error| Err(StartError::Socket(path.to_owned(), error));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return refuse(SocketError::System("look at it", error)),
        Ok(found) if !found.file_type().is_socket() => return refuse(SocketError::NotASocket),
        Ok(_) => {}
    }
    match connect(path) {
        Ok(_answers) => refuse(SocketError::InUse),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|error| failed(path, "remove what a dead process has left", error)),
        Err(error) => refuse(SocketError::System("find out whether somebody answers there", error)),
    }
}

/// Connects to the listener of a socket. The kernel takes a moment to release the sockets of a
/// killed broker, so a listener counts as alive only if it answers for a second.
fn connect(path: &Path) -> io::Result<UnixStream> {
    for _ in 0..BIND_TRIES {
        UnixStream::connect(path)?;
        thread::sleep(BIND_PAUSE);
    }
    UnixStream::connect(path)
}

fn failed(path: &Path, what: &'static str, error: io::Error) -> StartError {
    StartError::Socket(path.to_owned(), SocketError::System(what, error))
}

/// A socket's file, which is removed with its owner. A file that another process has put in its
/// place is kept.
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Identifies a file: device, inode, and the time of the last change, because inode numbers are
/// reused at once.
type Identity = (u64, u64, (i64, i64));

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: Self::identify(path)? })
    }

    fn identify(path: &Path) -> io::Result<Identity> {
        let found = fs::symlink_metadata(path)?;
        Ok((found.dev(), found.ino(), (found.ctime(), found.ctime_nsec())))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if Self::identify(&self.path).ok() != Some(self.identity) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            let path = self.path.display();
            warn!("cannot remove unix:{path}: {error}; the next start does, as whom it may");
        }
    }
}
