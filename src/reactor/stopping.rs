//! The progress of stopping a shard.
//!
//! ```text
//!  No ──Drain──► Wills ──every shard's wills are in──► Closing ──links gone──► stopped
//! ```
//! All shards publish their wills before any connection is closed, so that the subscribers of
//! wills are still connected.

use crate::broker::{ShardId, ShardSet};
use crate::limits::STOP_MS_MAX;

/// See the file.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Stopping {
    phase: Phase,
}

#[derive(Clone, Copy, Default, Debug)]
enum Phase {
    #[default]
    No,
    /// It waits for the wills of these shards.
    Wills { missing: ShardSet, deadline_ms: u64 },
    /// It waits for the last output of links, and for the disk.
    Closing {
        /// The time at which links are cut off; `None`: that was done.
        deadline_ms: Option<u64>,
        /// The time at which the wait for the disk ends.
        commit_deadline_ms: u64,
    },
}

/// A step that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Close all connections.
    Close,
    /// Cut off the remaining links.
    CutOff,
}

impl Stopping {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::No)
    }

    /// Begins to stop; waits for the wills of the other shards.
    pub(super) fn begin(&mut self, others: ShardSet, now_ms: u64) {
        self.phase = Phase::Wills { missing: others, deadline_ms: now_ms + STOP_MS_MAX };
    }

    /// Notes that a shard will publish no more messages.
    pub(super) fn note_drained(&mut self, from: ShardId) {
        if let Phase::Wills { missing, .. } = &mut self.phase {
            missing.take(from);
        }
    }

    /// The next step, if due. `has_promises`: replies wait for other shards or the disk.
    pub(super) fn next_step(&mut self, has_promises: bool, now_ms: u64) -> Option<Step> {
        match self.phase {
            Phase::Wills { missing, deadline_ms } => {
                let ready = missing.is_empty() && !has_promises;
                if !ready && now_ms < deadline_ms {
                    return None;
                }
                let commit_deadline_ms = now_ms + STOP_MS_MAX;
                let deadline_ms = Some(deadline_ms);
                self.phase = Phase::Closing { deadline_ms, commit_deadline_ms };
                Some(Step::Close)
            }
            Phase::Closing { deadline_ms: Some(deadline_ms), commit_deadline_ms }
                if now_ms >= deadline_ms =>
            {
                self.phase = Phase::Closing { deadline_ms: None, commit_deadline_ms };
                Some(Step::CutOff)
            }
            Phase::No | Phase::Closing { .. } => None,
        }
    }

    /// Whether all work is done, apart from links.
    pub(super) fn is_over(&self, is_committed: bool, now_ms: u64) -> bool {
        match self.phase {
            Phase::No | Phase::Wills { .. } => false,
            Phase::Closing { commit_deadline_ms, .. } => {
                is_committed || now_ms >= commit_deadline_ms
            }
        }
    }

    /// The time at which the next step is due.
    pub(super) fn due_ms(&self) -> Option<u64> {
        match self.phase {
            Phase::No => None,
            Phase::Wills { deadline_ms, .. } => Some(deadline_ms),
            Phase::Closing { deadline_ms, commit_deadline_ms } => {
                deadline_ms.into_iter().chain([commit_deadline_ms]).min()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(numbers: &[u16]) -> ShardSet {
        let mut set = ShardSet::default();
        numbers.iter().for_each(|number| set.insert(ShardId(*number)));
        set
    }

    // Connections are closed once, when all wills and promises have arrived or the time is over.
    #[test]
    fn wills_come_first() {
        let mut stopping = Stopping::default();
        assert!(stopping.is_running());
        assert_eq!(stopping.next_step(false, u64::MAX), None);
        stopping.begin(shards(&[1, 2]), 10);
        assert!(!stopping.is_running());
        stopping.note_drained(ShardId(1));
        assert_eq!(stopping.next_step(false, 10), None);
        stopping.note_drained(ShardId(2));
        assert_eq!(stopping.next_step(true, 10), None);
        assert_eq!(stopping.next_step(false, 10), Some(Step::Close));
        assert_eq!(stopping.next_step(false, 10), None);

        let mut late = Stopping::default();
        late.begin(shards(&[1]), 10);
        assert_eq!(late.due_ms(), Some(10 + STOP_MS_MAX));
        assert_eq!(late.next_step(true, 9 + STOP_MS_MAX), None);
        assert_eq!(late.next_step(true, 10 + STOP_MS_MAX), Some(Step::Close));
        assert_eq!(late.next_step(true, 10 + STOP_MS_MAX), Some(Step::CutOff), "no time is left");
    }

    // Links are cut off once; the disk has its own time, which begins when connections are closed.
    #[test]
    fn ends_in_time() {
        let mut stopping = Stopping::default();
        stopping.begin(shards(&[]), 10);
        assert!(!stopping.is_over(true, 10), "connections are open");
        assert_eq!(stopping.next_step(false, 15), Some(Step::Close));
        assert!(stopping.is_over(true, 15));
        assert_eq!(stopping.next_step(false, 10 + STOP_MS_MAX), Some(Step::CutOff));
        assert_eq!(stopping.next_step(false, u64::MAX), None);
        assert_eq!(stopping.due_ms(), Some(15 + STOP_MS_MAX));
        assert!(!stopping.is_over(false, 14 + STOP_MS_MAX));
        assert!(stopping.is_over(false, 15 + STOP_MS_MAX));
    }
}
