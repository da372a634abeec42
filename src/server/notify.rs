//! Tells a service manager that the broker is ready, reloads, or stops.
//!
//! The protocol is `sd_notify(3)`: lines in a datagram to the socket that `NOTIFY_SOCKET` names.
//! Without that variable nothing is sent.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use log::warn;

/// The socket of the service manager, if there is one.
#[derive(Clone)]
pub(super) struct Notifier(Option<OsString>);

impl Notifier {
    pub(super) fn from_environment() -> Self {
        Self(std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()))
    }

    /// The watchdog time of the manager, if it watches this process: it gives up a broker that does
    /// not report within it.
    pub(super) fn watchdog() -> Option<Duration> {
        let variable = |name| std::env::var(name).ok();
        patience(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref())
    }

    /// Reports that the broker is well.
    pub(super) fn well(&self) {
        self.tell("WATCHDOG=1");
    }

    /// Reports that clients are served.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// Reports that the broker reads its configuration and files again; [`Notifier::reloaded`]
    /// follows.
    pub(super) fn reloading(&self, monotonic_us: u64) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={monotonic_us}"));
    }

    /// Reports the end of a reload. Clients are served in any case; `status` says whether it
    /// succeeded.
    pub(super) fn reloaded(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", status.replace('\n', " ")));
    }

    /// Reports that the broker is about to end.
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

/// The values of the variables of `sd_watchdog_enabled(3)`: microseconds, and the process.
fn patience(us: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
    let us: u64 = us?.parse().ok().filter(|us| *us > 0)?;
    is_ours.then(|| Duration::from_micros(us))
}

/// A name that begins with `@` is an abstract address, not a file.
fn send(name: &[u8], state: &str) -> io::Result<()> {
    let address = match name.strip_prefix(b"@") {
        Some(rest) => SocketAddr::from_abstract_name(rest)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variables of another process, or without a value, are ignored.
    #[test]
    fn variables_of_the_watchdog() {
        let own = std::process::id().to_string();
        let time = Some(Duration::from_secs(30));
        for (us, pid, expected) in [
            (Some("30000000"), None, time),
            (Some("30000000"), Some(&*own), time),
            (Some("30000000"), Some("1"), None),
            (Some("30000000"), Some("x"), None),
            (Some("0"), None, None),
            (Some("-1"), None, None),
            (None, Some(&own), None),
        ] {
            assert_eq!(patience(us, pid), expected, "{us:?} {pid:?}");
        }
    }
}
