//! A port for a program to listen on.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt,
};

/// A port without a listener, which the system assigns to no other process while this exists. A
/// server can listen on it, because servers set SO_REUSEADDR.
pub(crate) struct ReservedPort {
    port: u16,
    _sockets: Vec<OwnedFd>,
}

impl ReservedPort {
    /// One for all addresses of this host.
    pub(crate) fn new() -> Self {
        let v4 = reserve((Ipv4Addr::UNSPECIFIED, 0).into()).expect("a port is free");
        let own = getsockname(&v4).expect("it is bound");
        let port = SocketAddr::try_from(own).expect("it is an address").port();
        // `None` without IPv6.
        let v6 = reserve((Ipv6Addr::UNSPECIFIED, port).into());
        Self { port, _sockets: [Some(v4), v6].into_iter().flatten().collect() }
    }

    pub(crate) fn number(&self) -> u16 {
        self.port
    }
}

/// A bound socket that does not listen.
fn reserve(addr: SocketAddr) -> Option<OwnedFd> {
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).ok()?;
    sockopt::set_socket_reuseaddr(&socket, true).ok()?;
    if addr.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true).ok()?;
    }
    bind(&socket, &addr).ok()?;
    Some(socket)
}
