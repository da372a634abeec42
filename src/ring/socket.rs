//! Sockets for both rings: owned descriptors that close when dropped, and the waker.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt,
};

use super::Wake;

/// A connected stream socket.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl From<OwnedFd> for Socket {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl Socket {
    /// Shuts down both directions now; does nothing if they have ended.
    pub(super) fn shutdown(&self) {
        match rustix::net::shutdown(&self.0, Shutdown::Both) {
            Ok(()) | Err(Errno::NOTCONN) => {}
            Err(error) => log::warn!("shutdown of a connected socket: {error}"),
        }
    }

    /// The peer's address, if the kernel still knows it.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        rustix::net::getpeername(&self.0).ok()??.try_into().ok()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A bound and listening stream socket. Accepted sockets inherit its options.
#[derive(Debug)]
pub struct ListenSocket(OwnedFd);

impl ListenSocket {
    /// Listens on `address`, shared with other listeners that do the same (`SO_REUSEPORT`: the
    /// kernel distributes connections among them). Accepted sockets do not wait to fill segments
    /// (`TCP_NODELAY`): the layers above coalesce. `backlog` is limited by `net.core.somaxconn`.
    ///
    /// # Errors
    /// If the address is not available.
    pub fn bind(address: SocketAddr, backlog: i32) -> io::Result<Self> {
        Self::bind_shared(address, backlog, |_| Ok(()))
    }

    /// As [`ListenSocket::bind`] for an IPv6 address that must not accept IPv4, as `::` would.
    ///
    /// # Errors
    /// If the address is not available.
    pub fn bind_v6_only(address: SocketAddr, backlog: i32) -> io::Result<Self> {
        Self::bind_shared(address, backlog, |fd| sockopt::set_ipv6_v6only(fd, true))
    }

    fn bind_shared(
        address: SocketAddr,
        backlog: i32,
        prepare: impl Fn(&OwnedFd) -> rustix::io::Result<()>,
    ) -> io::Result<Self> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let protocol = Some(ipproto::TCP);
        let fd =
            rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, protocol)?;
        sockopt::set_socket_reuseaddr(&fd, true)?;
        sockopt::set_socket_reuseport(&fd, true)?;
        sockopt::set_tcp_nodelay(&fd, true)?;
        prepare(&fd)?;
        rustix::net::bind(&fd, &address)?;
        rustix::net::listen(&fd, backlog)?;
        Ok(Self(fd))
    }

    /// Binds a Unix socket to a path without a file. No client can connect before it listens.
    ///
    /// # Errors
    /// If the path is not available.
    pub fn bind_unix(path: &Path) -> io::Result<Bound> {
        let kind = SocketType::STREAM;
        let fd = rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        rustix::net::bind(&fd, &SocketAddrUnix::new(path)?)?;
        Ok(Bound(fd))
    }

    /// Clones the socket: several rings may accept from it, and the kernel wakes one of them for
    /// each connection.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Its address, with the port that the kernel chose.
    ///
    /// # Errors
    /// If it is not an internet socket.
    pub fn address(&self) -> io::Result<SocketAddr> {
        Ok(rustix::net::getsockname(&self.0)?.try_into()?)
    }
}

/// A Unix socket that has its path and does not listen yet.
#[derive(Debug)]
pub struct Bound(OwnedFd);

impl Bound {
    /// Lets clients connect.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn listen(self, backlog: i32) -> io::Result<ListenSocket> {
        rustix::net::listen(&self.0, backlog)?;
        Ok(ListenSocket(self.0))
    }
}

impl From<OwnedFd> for ListenSocket {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl AsFd for ListenSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Wakes a ring: an eventfd that the ring polls. It is written and never read: the poll is
/// edge-triggered, and the counter would need 2^64 wakes to fill.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(fd)))
    }
}

impl Wake for Waker {
    fn wake(&self) {
        let one = 1_u64.to_ne_bytes();
        rustix::io::write(&*self.0, &one).expect("an eventfd takes eight bytes");
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
