//! Doors: where links come in.

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
