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
    /// Whether a proxy stands before the callers.
    pub proxied: Proxied,
}

impl DoorKind {
    /// Whether a caller is on this host for sure.
    pub(super) fn is_local(self) -> bool {
        self.local && self.proxied == Proxied::No
    }
}

/// Whether links begin with a PROXY header, and who may send one. What comes through a proxy is
/// from anywhere: such a door is not local.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Proxied {
    /// They do not.
    #[default]
    No,
    /// They do, and come from a trusted address.
    ByTrusted,
    /// They do; who may connect was settled elsewhere, as by the mode of a Unix socket.
    ByAnyone,
}
