//! `ringmq data`: creates data directories from others: with another number of shards, or as a
//! backup.
//!
//! ```text
//!  reshard: DIR, which no broker uses ─► source ─► merge ─► writer ─► NEW
//!  backup:  DIR, in use or not ─► its segment files, up to what is committed ─► TO
//! ```
//! Invariant: the directory that is read is not changed. The new one becomes a data directory only
//! when it is complete (see [`crate::disk::Making`]), and is removed on failure.
//!
//! It uses the store and the disk, and of the broker only the rule that gives the home shard.

mod backup;
mod doubts;
mod error;
mod merge;
mod reshard;
mod snapshot;
mod writer;

use std::path::Path;

use crate::config::DataAct;

pub use error::DataError;
pub use snapshot::Snapshot;

/// Executes the command; returns the text to print.
///
/// # Errors
/// If it fails; then the new directory is removed.
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

/// Returns an error if `to` is, or would be, inside `from`.
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
