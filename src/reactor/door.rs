//! Doors: where links come in, and who comes in through them.

use std::net::IpAddr;

/// A listener, and how what it accepts is treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Door<L> {
    /// Where to accept.
    pub listener: L,
    /// What is accepted.
    pub kind: DoorKind,
}

/// How links of a door are treated.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DoorKind {
    /// Only this host can reach it: a loopback address or a Unix socket.
    pub local: bool,
    /// What is accepted speaks TLS.
    pub tls: bool,
}

/// Who is at the other end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Caller {
    /// Where it connected from, if that has an address.
    pub address: Option<IpAddr>,
    /// It came in through a door that only this host can reach.
    pub local: bool,
}
