//! Publishers that are not read from because a group in memory is behind.
//!
//! ```text
//!   Free ── behind ──► Holding ── patience over, no member took anything ──► Slow
//!    ▲                    │ less waits                                        │
//!    └────────────────────┴───────────────────────────────────────────────────┘
//! ```
//! As with a full output, a publisher is held for at most the patience at once; while members are
//! slow it is not held at all, and the group fills up to its bound. A group on disk holds nobody.
//!
//! Invariant: a publisher is once in the set of each group that it waits for, and its gate was
//! closed as often.

use std::collections::{BTreeMap, BTreeSet};

use super::super::names::ConnId;

/// A group that is behind.
#[derive(Debug)]
struct Pace {
    /// When the patience is over; `None` if its members are slow.
    deadline_ms: Option<u64>,
    /// Whether a member has answered a message since the patience began.
    took: bool,
    /// The group is not behind any more when no more than this waits.
    low_bytes: u64,
    publishers: BTreeSet<ConnId>,
}

/// See the file.
#[derive(Default, Debug)]
pub(crate) struct Paces(BTreeMap<u32, Pace>);

impl Paces {
    /// Notes that a group is behind until no more than `low_bytes` wait; returns whether this
    /// publisher is to be held.
    pub(crate) fn hold(
        &mut self,
        group: u32,
        publisher: ConnId,
        deadline_ms: u64,
        low_bytes: u64,
    ) -> bool {
        let new = || Pace {
            deadline_ms: Some(deadline_ms),
            took: false,
            low_bytes,
            publishers: BTreeSet::new(),
        };
        let pace = self.0.entry(group).or_insert_with(new);
        pace.low_bytes = low_bytes;
        pace.deadline_ms.is_some() && pace.publishers.insert(publisher)
    }

    /// Whether any group is behind.
    #[inline]
    pub(crate) fn is_any_behind(&self) -> bool {
        !self.0.is_empty()
    }

    /// Notes that a member of a group has answered a message, and that so many bytes still wait;
    /// returns whether the group was behind and is not any more.
    pub(crate) fn note_taken(&mut self, group: u32, bytes: u64) -> bool {
        self.0.get_mut(&group).is_some_and(|pace| {
            pace.took = true;
            bytes <= pace.low_bytes
        })
    }

    /// When the next patience is over.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.0.values().filter_map(|pace| pace.deadline_ms).min()
    }

    /// Ends the patience that is over; returns the publishers that were held.
    pub(crate) fn take_due(&mut self, now_ms: u64, patience_ms: u64) -> Vec<ConnId> {
        let mut held = Vec::new();
        for pace in self.0.values_mut() {
            if pace.deadline_ms.is_none_or(|deadline_ms| deadline_ms > now_ms) {
                continue;
            }
            held.extend(std::mem::take(&mut pace.publishers));
            let took = std::mem::take(&mut pace.took);
            pace.deadline_ms = took.then_some(now_ms + patience_ms);
        }
        held
    }

    /// A group is not behind any more, or has no members who could change that; returns the
    /// publishers that were held.
    pub(crate) fn end(&mut self, group: u32) -> BTreeSet<ConnId> {
        self.0.remove(&group).map(|pace| pace.publishers).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId { slot: 3, generation: 1 };

    /// A publisher is held once for a group; at the end of the patience it is free, and it is held
    /// again only if a member has taken something meanwhile.
    #[test]
    fn patience_ends() {
        let mut paces = Paces::default();
        assert!(!paces.note_taken(0, 0) && paces.due_ms().is_none());
        assert!(paces.hold(0, CONN, 20, 5));
        assert!(!paces.hold(0, CONN, 25, 5), "it is held already");
        assert_eq!((paces.due_ms(), paces.take_due(19, 20)), (Some(20), Vec::new()));
        assert!(!paces.note_taken(0, 6), "it is behind");
        assert!(paces.note_taken(0, 5) && !paces.note_taken(1, 5));
        assert_eq!(paces.take_due(20, 20), [CONN]);
        assert_eq!(paces.due_ms(), Some(40));
        assert!(paces.hold(0, CONN, 40, 5));
        assert_eq!(paces.take_due(40, 20), [CONN]);
        assert!(!paces.hold(0, CONN, 60, 5), "its members are slow");
        assert_eq!(paces.due_ms(), None);
        assert!(paces.end(0).is_empty());
        assert!(paces.hold(0, CONN, 80, 5) && paces.hold(1, CONN, 80, 5));
        assert_eq!(paces.end(0).into_iter().collect::<Vec<_>>(), [CONN]);
        assert_eq!(paces.due_ms(), Some(80));
    }
}
