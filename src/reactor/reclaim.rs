//! Returns memory to the system when many links have left or many sessions have expired.
//!
//! ```text
//!  Keeping ──as many went as are there───► Due ──its time──► a step, until there is no more
//!     ▲                                                              │
//!     └──────────────────────────────────────────────────────────────┘
//! ```
//! Memory that a turn needs is kept for the next turn while links come and go. Each step is
//! bounded.

use crate::limits::{RECLAIM_DELAY_MS, RECLAIM_HEAP_LINKS_MIN, RECLAIM_STEP_MS};

/// See the file.
#[derive(Default, Debug)]
pub(super) struct Reclaim {
    /// Links that have left, and sessions that have expired, since memory was last returned.
    left: usize,
    expired: usize,
    /// The time at which the next step is due.
    due_ms: Option<u64>,
}

impl Reclaim {
    /// Notes that a link has left; `there` is the number of remaining ones.
    pub(super) fn note_left(&mut self, there: usize, now_ms: u64) {
        self.left += 1;
        if self.left > there && self.due_ms.is_none() {
            self.due_ms = Some(now_ms + RECLAIM_DELAY_MS);
        }
    }

    /// Notes that sessions have expired; `there` is the number of remaining ones.
    pub(super) fn note_expired(&mut self, count: usize, there: usize, now_ms: u64) {
        self.expired += count;
        if count > 0 && self.expired > there && self.due_ms.is_none() {
            self.due_ms = Some(now_ms + RECLAIM_DELAY_MS);
        }
    }

    /// The time at which the next step is due.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// Notes the end of a step, and whether there is `more` to do; returns whether the heap should
    /// be trimmed now.
    pub(super) fn end_step(&mut self, more: bool, now_ms: u64) -> bool {
        if more {
            self.due_ms = Some(now_ms + RECLAIM_STEP_MS);
            return false;
        }
        let gone = std::mem::take(self);
        gone.left + gone.expired >= RECLAIM_HEAP_LINKS_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory is returned when more links have left, or more sessions have expired, than remain.
    #[test]
    fn due_when_most_have_gone() {
        for note in [Reclaim::note_left, |it: &mut Reclaim, there, now_ms| {
            it.note_expired(1, there, now_ms);
        }] {
            let mut reclaim = Reclaim::default();
            for there in (5..10).rev() {
                note(&mut reclaim, there, 7);
            }
            assert_eq!(reclaim.due_ms(), None);
            note(&mut reclaim, 4, 8);
            note(&mut reclaim, 3, 9);
            assert_eq!(reclaim.due_ms(), Some(8 + RECLAIM_DELAY_MS));
        }
        let mut reclaim = Reclaim::default();
        reclaim.note_expired(0, 0, 7);
        assert_eq!(reclaim.due_ms(), None, "nothing has gone");
    }
}
