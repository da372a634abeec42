//! Durable names of files.

use std::fs::File;
use std::io::{self, ErrorKind};

/// Makes the names in a directory durable.
pub(super) fn sync_directory(directory: &File) -> io::Result<()> {
    match directory.sync_all() {
        // A file system that cannot sync a directory reports this error; there is no better way.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}
