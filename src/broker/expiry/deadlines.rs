//! The deadlines of sessions whose clients are away: the end of their own expiry interval, or a
//! delayed will.
//!
//! Invariant: a session has one deadline at most, which stands in both tables.

use std::collections::{BTreeSet, HashMap};

use crate::store::SessionKey;

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Deadlines {
    by_time: BTreeSet<(u64, SessionKey)>,
    by_session: HashMap<SessionKey, u64>,
}

impl Deadlines {
    /// Sets the deadline of a session; it replaces an earlier one.
    pub(super) fn set(&mut self, key: SessionKey, due_ms: u64) {
        self.clear(key);
        self.by_time.insert((due_ms, key));
        self.by_session.insert(key, due_ms);
    }

    /// Removes the deadline of a session.
    pub(super) fn clear(&mut self, key: SessionKey) {
        if let Some(due_ms) = self.by_session.remove(&key) {
            self.by_time.remove(&(due_ms, key));
        }
    }

    /// The first deadline.
    pub(super) fn first_ms(&self) -> Option<u64> {
        self.by_time.first().map(|(due_ms, _)| *due_ms)
    }

    /// Takes a session whose deadline has passed.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<SessionKey> {
        let (due_ms, key) = *self.by_time.first()?;
        if due_ms > now_ms {
            return None;
        }
        self.clear(key);
        Some(key)
    }

    /// Frees memory of removed deadlines.
    pub(super) fn reclaim(&mut self) {
        self.by_session.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions come in the order of their last deadlines, each once, and not before.
    #[test]
    fn in_order_of_the_last_deadline() {
        let mut deadlines = Deadlines::default();
        for (key, due_ms) in [(1, 30), (2, 10), (3, 20), (1, 5), (4, 10)] {
            deadlines.set(key, due_ms);
        }
        deadlines.clear(3);
        deadlines.clear(9);
        assert_eq!((deadlines.first_ms(), deadlines.take_due(4)), (Some(5), None));
        let taken: Vec<_> = std::iter::from_fn(|| deadlines.take_due(10)).collect();
        assert_eq!((taken, deadlines.first_ms()), (vec![1, 2, 4], None));
    }
}
