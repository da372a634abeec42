//! Clients of which something was appended to the log that may not be committed yet. Two that have
//! the same hash are taken for one: that has a client wait for the disk without need, no more.
//!
//! Those of up to some place in the log are forgotten together, so there are at most as many as
//! were noted while that, and what follows it, was written. While the disk does not go on no
//! session begins, and so they are bounded by the sessions that there were.

use std::collections::HashSet;

use crate::store::Log;

/// See the module.
#[derive(Default)]
pub(super) struct Uncommitted {
    earlier: (u64, HashSet<u64>),
    later: (u64, HashSet<u64>),
}

impl Uncommitted {
    /// Something of this client was just appended.
    pub(super) fn note(&mut self, name: u64, log: &Log) {
        if self.earlier.0 <= log.committed() {
            self.earlier = std::mem::take(&mut self.later);
        }
        self.later.0 = log.appended();
        self.later.1.insert(name);
    }

    /// Whether that is so of this client.
    pub(super) fn has(&self, name: u64, log: &Log) -> bool {
        let of = |(until, names): &(u64, HashSet<u64>)| {
            *until > log.committed() && names.contains(&name)
        };
        of(&self.earlier) || of(&self.later)
    }
}
