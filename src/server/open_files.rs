//! The limit on open files, and its division between the broker and its clients.

use log::debug;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::advice;
use crate::config::Options;
use crate::limits;

use super::{StartError, admin};

/// Raises this process's limit of open files as far as it is allowed to.
pub(super) fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        debug!("open files: {current:?} raised to {maximum:?}: {raised:?}");
    }
}

/// Refuses a start with fewer open files than the broker itself needs, because it would fail later
/// at an arbitrary place.
pub(super) fn check_open_files(
    options: &Options,
    shards: usize,
    listeners: usize,
) -> Result<(), StartError> {
    let Some(limit) = advice::files_max() else { return Ok(()) };
    let needed = own_files(options, shards, listeners);
    if limit > needed { Ok(()) } else { Err(StartError::Files(limit, needed)) }
}

/// The number of clients that fit beside the files of the broker itself. More clients would take
/// the files of the log. `None`: any number.
pub(super) fn room_for_clients(
    options: &Options,
    shards: usize,
    listeners: usize,
) -> Option<usize> {
    let room = advice::files_max()?.saturating_sub(own_files(options, shards, listeners));
    Some(usize::try_from(room).unwrap_or(usize::MAX))
}

/// The number of clients that may be connected at once: the requested number, if there is room.
pub(super) fn clients_max(options: &Options, shards: usize, listeners: usize) -> usize {
    let asked = options.connections_max;
    room_for_clients(options, shards, listeners).map_or(asked, |room| asked.min(room))
}

/// The files that the broker needs without any client.
fn own_files(options: &Options, shards: usize, listeners: usize) -> u64 {
    let of_shard = limits::FILES_OF_SHARD + listeners as u64;
    limits::FILES_OF_PROCESS + admin::files(options) + shards as u64 * of_shard
}
