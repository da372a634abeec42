//! Finds the process that uses a data directory.
//!
//! The process that holds the lock of a directory also holds a record lock on the same file. The
//! kernel tells other processes the holder of such a lock. So the process id is never stale, and in
//! a container it is the id in that container's namespace.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, Pid, fcntl_getlk};

use super::directory::Directory;
use super::error::DirectoryError;
use super::lock::LOCK_FILE;

/// The reason why the holder cannot be named.
#[derive(Debug)]
pub enum UserError {
    /// The directory cannot be examined.
    Directory(DirectoryError),
    /// No process uses the directory.
    Unused(PathBuf),
    /// A process without a number in this namespace uses the directory.
    Unknown(PathBuf),
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => error.fmt(f),
            Self::Unused(path) => {
                write!(f, "no ringmq uses {}; is it running, with this --data-dir?", path.display())
            }
            Self::Unknown(path) => write!(
                f,
                "{} is in use by a process that cannot be seen from here, a reader or a ringmq in \
                 another container: send that one SIGHUP",
                path.display()
            ),
        }
    }
}

impl std::error::Error for UserError {}

/// The process that uses a directory, as a target for signals. That process itself must not call
/// this: it would lose the record lock that names it.
///
/// # Errors
/// If no process uses the directory, or it has no number here, as in another container.
pub fn user_of(path: &Path) -> Result<Pid, UserError> {
    let made = Directory::check(path, None).map_err(UserError::Directory)?;
    made.ok_or_else(|| UserError::Directory(DirectoryError::no_data(path)))?;
    let lock = path.join(LOCK_FILE);
    let failed =
        |error: io::Error| UserError::Directory(DirectoryError::system("look at", &lock)(error));
    let file = File::open(&lock).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => {}
        Err(error) => return Err(failed(error.into())),
        Ok(()) => return Err(UserError::Unused(path.to_owned())),
    }
    let found = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock));
    let holder = found.map_err(|error| failed(error.into()))?.and_then(|lock| lock.pid);
    holder.ok_or_else(|| UserError::Unknown(path.to_owned()))
}
