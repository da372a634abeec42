//! Tells a service manager that the broker is ready, reloads, or stops.
//!
//! The protocol is `sd_notify(3)`: lines in a datagram to the socket that `NOTIFY_SOCKET` names.
//! Without that variable nobody asks, and nothing is sent.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use log::warn;

/// The way to the service manager, if there is one.
pub(super) struct Notifier(Option<OsString>);

impl Notifier {
    pub(super) fn from_environment() -> Self {
        Self(std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()))
    }

    /// Clients are served.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The broker reads its configuration and files again; [`Notifier::reloaded`] follows.
    pub(super) fn reloading(&self, monotonic_us: u64) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={monotonic_us}"));
    }

    /// It has done so, well or not: clients are served either way, and `status` says which.
    pub(super) fn reloaded(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", status.replace('\n', " ")));
    }

    /// The broker is about to end.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some(name) = &self.0
            && let Err(error) = send(name.as_bytes(), state)
        {
            warn!("cannot tell NOTIFY_SOCKET {} {state}: {error}", name.display());
        }
    }
}

/// A name that begins with `@` is one of the abstract kind, which is no file.
fn send(name: &[u8], state: &str) -> io::Result<()> {
    let address = match name.strip_prefix(b"@") {
        Some(rest) => SocketAddr::from_abstract_name(rest)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}
