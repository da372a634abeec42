//! The lock of a data directory: only one process uses the directory.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use log::debug;
use rustix::fs::{FlockOperation, fcntl_lock, flock};
use rustix::io::Errno;

use super::error::DirectoryError;

pub(super) const LOCK_FILE: &str = "LOCK";

const NAMING: FlockOperation = FlockOperation::NonBlockingLockExclusive;

/// The permitted use of a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Write,
    Read,
    /// As `Read`, while another process holds the lock and writes (see `live`).
    Live,
}

/// The held lock of a directory.
pub(super) struct Guard {
    _locked: Option<File>,
}

impl Guard {
    /// A guard without a lock, for a directory that is in use by another process.
    pub(super) fn none() -> Self {
        Self { _locked: None }
    }

    /// Locks a directory.
    ///
    /// # Errors
    /// If another process holds the lock.
    pub(super) fn take(directory: &Path, access: Access) -> Result<Self, DirectoryError> {
        let path = directory.join(LOCK_FILE);
        let write = access == Access::Write;
        let mut options = File::options();
        let file = match options.read(true).write(write).create(write).mode(0o600).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !write => {
                return Ok(Self { _locked: None });
            }
            opened => opened.map_err(DirectoryError::system("open", &path))?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // A record lock tells other processes the id of its holder. It has no other
                // purpose, and network file systems may not grant both locks.
                if write && let Err(error) = fcntl_lock(&file, NAMING) {
                    debug!("{}: no lock that names this process: {error}", path.display());
                }
                Ok(Self { _locked: Some(file) })
            }
            Err(Errno::WOULDBLOCK) => Err(DirectoryError::InUse(directory.to_owned())),
            Err(error) => Err(DirectoryError::system("lock", &path)(error.into())),
        }
    }
}
