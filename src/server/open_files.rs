//! The limit on open files, and its division between the broker and its clients.

use log::debug;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::advice;
use crate::config::Options;
use crate::limits;

use super::{StartError, admin};

/// Raises the number of files this process may open as far as it may.
pub(super) fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        debug!("open files: {current:?} raised to {maximum:?}: {raised:?}");
    }
}

/// Refuses to start with fewer open files than the broker itself needs: it would fail later, in one
/// of many ways.
pub(super) fn check_open_files(
    options: &Options,
    shards: usize,
    listeners: usize,
) -> Result<(), StartError> {
    let Some(limit) = advice::files_max() else { return Ok(()) };
    let needed = own_files(options, shards, listeners);
    if limit > needed { Ok(()) } else { Err(StartError::Files(limit, needed)) }
}

/// How many clients there is room for beside the files that the broker itself needs: more would
/// take those of the log. `None`: any number.
pub(super) fn room_for_clients(
    options: &Options,
    shards: usize,
    listeners: usize,
) -> Option<usize> {
    let room = advice::files_max()?.saturating_sub(own_files(options, shards, listeners));
    Some(usize::try_from(room).unwrap_or(usize::MAX))
}

/// Clients that may be connected at once: as many as are asked for, if there is room for them.
pub(super) fn clients_max(options: &Options, shards: usize, listeners: usize) -> usize {
    let asked = options.connections_max;
    room_for_clients(options, shards, listeners).map_or(asked, |room| asked.min(room))
}

/// Files that the broker needs before there is a client.
fn own_files(options: &Options, shards: usize, listeners: usize) -> u64 {
    let of_shard = limits::FILES_OF_SHARD + listeners as u64;
    limits::FILES_OF_PROCESS + admin::files(options) + shards as u64 * of_shard
}
