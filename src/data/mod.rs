//! `ringmq data`: makes data directories of others: with another number of shards, or as a backup.
//!
//! ```text
//!  reshard: DIR, which no broker uses ─► source ─► merge ─► writer ─► NEW
//!  backup:  DIR, in use or not ─► its segment files, up to what is committed ─► TO
//! ```
//! Invariant: nothing in the directory that is read is changed; what is made is a data directory
//! only when it is whole (see [`crate::disk::Making`]), and is removed if it cannot be.
//!
//! Uses the store and the disk, and of the broker only where it looks for what.

mod backup;
mod error;
mod merge;
mod reshard;
mod snapshot;
mod writer;

use std::path::Path;

use crate::config::DataAct;

pub use error::DataError;
pub use snapshot::Snapshot;

/// Does what was asked for; gives what there is to say of it.
///
/// # Errors
/// If it cannot be done; then nothing is left of it.
pub fn run(act: &DataAct) -> Result<String, DataError> {
    match act {
        DataAct::Reshard { dir, shards, to, skip_damaged } => {
            require_apart(dir, to)?;
            reshard::run(dir, *shards, to, *skip_damaged)
        }
        DataAct::Backup { dir, to } => {
            require_apart(dir, to)?;
            backup::run(dir, to)
        }
    }
}

/// An error if `to` is, or would be, in `from`.
fn require_apart(from: &Path, to: &Path) -> Result<(), DataError> {
    let Ok(known) = from.canonicalize() else { return Ok(()) };
    let there = to.ancestors().find_map(|above| match above.as_os_str().is_empty() {
        true => Path::new(".").canonicalize().ok(),
        false => above.canonicalize().ok(),
    });
    match there.is_some_and(|there| there.starts_with(&known)) {
        true => Err(DataError::Inside { from: from.to_owned(), to: to.to_owned() }),
        false => Ok(()),
    }
}
