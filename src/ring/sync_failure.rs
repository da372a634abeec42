//! The error of a write whose bytes were written, but not synced.

use std::error::Error;
use std::{fmt, io};

/// See the file; with the system's error.
#[derive(Debug)]
struct SyncFailure(io::Error);

impl fmt::Display for SyncFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fdatasync: {}", self.0)
    }
}

impl Error for SyncFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Makes the error of a write that was not synced from the system's error. Every [`Ring`] reports
/// such writes with it.
///
/// [`Ring`]: super::Ring
pub fn sync_failure(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), SyncFailure(error))
}

/// Whether a write failed only because it was not synced.
pub fn is_sync_failure(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<SyncFailure>())
}

/// The number of the system's error, also within a sync failure.
#[cfg(test)]
pub(super) fn errno_of(error: &io::Error) -> Option<i32> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<SyncFailure>());
    inner.map_or(error, |SyncFailure(error)| error).raw_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    // It is distinguished from other errors, and keeps the kind and the text of the system's error.
    #[test]
    fn syncs_are_told_from_writes() {
        let of_system = || io::Error::from_raw_os_error(libc::EIO);
        let failure = sync_failure(of_system());
        assert_eq!((is_sync_failure(&failure), failure.kind()), (true, of_system().kind()));
        assert_eq!(errno_of(&failure), Some(libc::EIO));
        assert_eq!(failure.to_string(), format!("fdatasync: {}", of_system()));
        assert!(!is_sync_failure(&of_system()));
    }
}
