//! Clients with a record in the log that may not be committed yet.
//!
//! Invariant: the clients up to a position in the log are forgotten together, so at most those are
//! kept that were noted while that part and the next were written. No session begins while the disk
//! is stuck, so the sessions that existed before bound them.

use std::collections::HashSet;

use crate::store::Log;

/// See the module. Two clients with the same hash count as one: then a client waits for the disk
/// without need, which does no harm.
#[derive(Debug, Default)]
pub(crate) struct Uncommitted {
    earlier: (u64, HashSet<u64>),
    later: (u64, HashSet<u64>),
}

impl Uncommitted {
    /// Notes that a record of this client was appended.
    pub(crate) fn note(&mut self, name: u64, log: &Log) {
        if self.earlier.0 <= log.committed() {
            self.earlier = std::mem::take(&mut self.later);
        }
        self.later.0 = log.appended();
        self.later.1.insert(name);
    }

    /// Whether a record of this client may not be committed yet.
    pub(crate) fn has(&self, name: u64, log: &Log) -> bool {
        let of = |(until, names): &(u64, HashSet<u64>)| {
            *until > log.committed() && names.contains(&name)
        };
        of(&self.earlier) || of(&self.later)
    }
}
