//! `ringmq reload`: makes a running broker read its configuration again, and waits for the result.
//!
//! The broker is the process that holds the lock of the data directory. It receives SIGHUP and
//! writes the result into the directory. So the caller, for instance systemd's `ExecReload=`,
//! learns whether the reload succeeded: the protocol of `sd_notify(3)` cannot report a failed one.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::disk::{DirectoryError, ReloadAsker, UserError, user_of};
use crate::limits::RELOAD_ANSWER_S_MAX;

/// Why nothing was reloaded, and what to do.
#[derive(Debug)]
pub enum ReloadError {
    /// No broker was found that uses the directory.
    NoBroker(UserError),
    /// The directory cannot be used.
    Directory(DirectoryError),
    /// The signal cannot be sent to the broker.
    Signal(Pid, io::Error),
    /// The broker has refused the configuration: each fault.
    Refused(Vec<String>),
    /// The broker has ended.
    Ended,
    /// The broker has not answered.
    Silent,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBroker(error) => error.fmt(f),
            Self::Directory(error) => error.fmt(f),
            Self::Signal(pid, error) => write!(
                f,
                "cannot send SIGHUP to process {}: {error}; run as root or as the broker's user",
                pid.as_raw_nonzero()
            ),
            Self::Refused(faults) => {
                f.write_str("not reloaded, everything stays as it was:")?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
            Self::Ended => f.write_str("the broker has ended meanwhile; its log says why"),
            Self::Silent => write!(
                f,
                "the broker has not answered within {RELOAD_ANSWER_S_MAX} s; its log says whether \
                 it has reloaded"
            ),
        }
    }
}

impl std::error::Error for ReloadError {}

impl From<DirectoryError> for ReloadError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

/// Asks the broker that uses a data directory, and waits for the result.
///
/// # Errors
/// If it has not reloaded.
pub fn run(data_dir: &Path) -> Result<String, ReloadError> {
    let broker = user_of(data_dir).map_err(ReloadError::NoBroker)?;
    let asker = ReloadAsker::new(data_dir)?;
    kill_process(broker, Signal::HUP).map_err(|error| ReloadError::Signal(broker, error.into()))?;
    let is_there = || user_of(data_dir).is_ok_and(|user| user == broker);
    match asker.wait(Duration::from_secs(RELOAD_ANSWER_S_MAX), is_there)? {
        Some(note) if note.faults.is_empty() => Ok("reloaded".to_owned()),
        Some(note) => Err(ReloadError::Refused(note.faults)),
        None if is_there() => Err(ReloadError::Silent),
        None => Err(ReloadError::Ended),
    }
}
