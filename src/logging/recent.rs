//! The last lines of the log, for operators.
//!
//! Invariant: the lines are those that were written, in their order, and take at most
//! [`LOG_RECENT_BYTES_MAX`] bytes. Only the writing thread adds lines, so that a thread that logs
//! never waits for a reader.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::LOG_RECENT_BYTES_MAX;

/// The last lines of the log. Clones share the lines.
#[derive(Clone, Default, Debug)]
pub(super) struct Recent(Arc<Mutex<Lines>>);

#[derive(Default, Debug)]
struct Lines {
    lines: VecDeque<String>,
    bytes: usize,
    /// The number of the first line.
    first: u64,
}

impl Recent {
    /// Adds a line. The lock is not poisoned: no code panics while it holds it.
    pub(super) fn add(&self, line: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.bytes += line.len();
        known.lines.push_back(line.trim_end_matches('\n').to_owned());
        while known.bytes > LOG_RECENT_BYTES_MAX {
            let Some(oldest) = known.lines.pop_front() else { break };
            known.bytes -= oldest.len() + 1;
            known.first += 1;
        }
    }

    /// Up to `most` lines from `number` on, preferring the last ones, and the number of the first
    /// of them.
    pub(super) fn from(&self, number: u64, most: usize) -> (u64, Vec<String>) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = known.first + known.lines.len() as u64;
        // A number from before a restart of the broker matches none of these lines.
        let number = if number > end { 0 } else { number };
        let begin = number.max(known.first).max(end.saturating_sub(most as u64));
        let skip = usize::try_from(begin - known.first).expect("no more than there are");
        (begin, known.lines.iter().skip(skip).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Lines are numbered; the oldest are dropped above the bound of bytes; a bounded request gets
    // the last lines.
    #[test]
    fn last_lines() {
        let recent = Recent::default();
        assert_eq!(recent.from(0, 9), (0, Vec::new()));
        (0..5).for_each(|n| recent.add(&format!("{n}\n")));
        let lines = |from, most| recent.from(from, most);
        assert_eq!(lines(3, 9), (3, vec!["3".to_owned(), "4".to_owned()]));
        assert_eq!(lines(5, 9), (5, Vec::new()));
        assert_eq!(lines(0, 1), (4, vec!["4".to_owned()]));
        assert_eq!(lines(77, 9).0, 0);
        let long = format!("{}\n", "x".repeat(LOG_RECENT_BYTES_MAX / 4 - 1));
        (0..6).for_each(|_| recent.add(&long));
        assert_eq!((lines(0, 99).0, lines(0, 99).1.len()), (7, 4));
        recent.add(&format!("{}\n", "x".repeat(LOG_RECENT_BYTES_MAX)));
        assert_eq!(lines(0, 99), (12, Vec::new()));
    }
}
