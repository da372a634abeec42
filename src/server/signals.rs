//! The meaning of signals to a running broker.
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

/// Blocks the signals that would kill the process but request something else, until the broker
/// handles them.
///
/// # Errors
/// If the system refuses it.
pub fn watch_signals() -> io::Result<Signals> {
    Signals::new([SIGUSR1, SIGUSR2])
}

/// Blocks the other signals as well; the broker reads them from now on.
pub(super) fn watch_all(signals: io::Result<Signals>) -> io::Result<Signals> {
    let signals = signals?;
    [SIGTERM, SIGINT, SIGHUP].iter().try_for_each(|signal| signals.add_signal(*signal))?;
    Ok(signals)
}

/// The meaning of one signal.
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
