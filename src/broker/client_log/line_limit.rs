//! Limits the log lines of one kind.
//!
//! ```text
//!  named ──no line left──► counted ──a second later: the count is told──► named
//! ```
//! Invariant: every event is logged by name or in a count that is logged.

use crate::limits::{LOG_LINE_MS, LOG_LINES_MAX};

/// Time after which a count is logged, in milliseconds.
const TELL_MS: u64 = 1_000;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct LineLimit {
    /// Number of lines that may follow at once; at most [`LOG_LINES_MAX`].
    left: u32,
    /// The time up to which `left` was raised.
    raised_ms: u64,
    /// The number of events since the count began, and the time to log it.
    counted: u64,
    tell_ms: u64,
}

impl Default for LineLimit {
    fn default() -> Self {
        Self { left: LOG_LINES_MAX, raised_ms: 0, counted: 0, tell_ms: 0 }
    }
}

impl LineLimit {
    /// Whether an event is logged by name. If not, it is counted.
    pub fn names(&mut self, now_ms: u64) -> bool {
        let more = now_ms.saturating_sub(self.raised_ms) / LOG_LINE_MS;
        if more > 0 {
            self.raised_ms += more * LOG_LINE_MS;
            let left = u64::from(self.left).saturating_add(more).min(LOG_LINES_MAX.into());
            self.left = u32::try_from(left).expect("at most LOG_LINES_MAX");
        }
        // The count is logged before further events are named, so that lines keep their order.
        if self.counted == 0 && self.left > 0 {
            self.left -= 1;
            return true;
        }
        if self.counted == 0 {
            self.tell_ms = now_ms + TELL_MS;
        }
        self.counted += 1;
        false
    }

    /// The time to log the count, if there is one.
    pub fn due_ms(&self) -> Option<u64> {
        (self.counted > 0).then_some(self.tell_ms)
    }

    /// Takes the count if it is due; a new one begins.
    pub fn take_due(&mut self, now_ms: u64) -> Option<u64> {
        if self.tell_ms <= now_ms { self.take() } else { None }
    }

    /// Takes the count, if there is one; a new one begins.
    pub fn take(&mut self) -> Option<u64> {
        (self.counted > 0).then(|| std::mem::take(&mut self.counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A burst is named up to the bound and then counted; the count is logged a second later. Then
    // as many events are named as the elapsed time allows.
    #[test]
    fn burst_is_bounded() {
        let mut limit = LineLimit::default();
        let burst =
            |limit: &mut LineLimit, now_ms| (0..2_000).filter(|_| limit.names(now_ms)).count();
        assert_eq!(burst(&mut limit, 5), LOG_LINES_MAX as usize);
        assert_eq!((limit.due_ms(), limit.take_due(1_004)), (Some(1_005), None));
        assert!(!limit.names(1_004), "the count goes first");
        assert_eq!(limit.take_due(1_005), Some(2_001 - u64::from(LOG_LINES_MAX)));
        assert_eq!((limit.due_ms(), limit.take_due(9_999)), (None, None));
        assert_eq!(burst(&mut limit, 1_005), 20, "as many as a second has");
        assert_eq!(limit.take_due(2_005), Some(1_980));
        assert_eq!(burst(&mut limit, 1 << 40), LOG_LINES_MAX as usize, "no more than the bound");
    }
}
