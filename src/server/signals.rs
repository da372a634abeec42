//! What signals ask of a running broker.
//!
//! | signal | asks for |
//! |---|---|
//! | SIGTERM, SIGINT | the orderly end; again, later: the end at once |
//! | SIGHUP | to read the files again |
//! | SIGUSR1 | the counters and the state of each shard, in the log |
//! | SIGUSR2 | debug lines, or no more of them |

use std::io;

use log::info;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::logging;

/// Has signals that would kill and ask for nothing of the kind wait for the broker.
///
/// # Errors
/// If the system refuses to.
pub fn watch_signals() -> io::Result<Signals> {
    Signals::new([SIGUSR1, SIGUSR2])
}

/// Has the others wait for it as well: from here on it will look.
pub(super) fn watch_all(signals: io::Result<Signals>) -> io::Result<Signals> {
    let signals = signals?;
    [SIGTERM, SIGINT, SIGHUP].iter().try_for_each(|signal| signals.add_signal(*signal))?;
    Ok(signals)
}

/// What one signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SignalAction {
    Stop,
    Reload,
    Report,
    ToggleDebug,
}

impl SignalAction {
    pub(super) fn by(signal: i32) -> Self {
        match signal {
            SIGHUP => Self::Reload,
            SIGUSR1 => Self::Report,
            SIGUSR2 => Self::ToggleDebug,
            _ => Self::Stop,
        }
    }
}

pub(super) fn toggle_debug() {
    let on = logging::toggle_debug();
    info!("debug lines are {} (SIGUSR2)", if on { "on" } else { "off again" });
}
