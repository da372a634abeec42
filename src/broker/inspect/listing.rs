//! Pages of sessions, and those that have most of something: in the order of their slots, so that
//! who is there all the time is listed once, whoever comes and goes meanwhile.

use crate::limits::TOP_ROWS_MAX;
use crate::store::SessionKey;

use super::filter::Filter;

/// A question for a page.
#[derive(Clone, Default, Debug)]
pub struct Listing {
    /// Where the page begins: [`super::Page::next`] of the one before.
    pub from: SessionKey,
    /// Rows it has at most.
    pub limit: usize,
    /// Which sessions are wanted.
    pub filter: Filter,
    /// Steps taken: one whose filter finds little ends before it has looked at everything.
    pub steps: u32,
}

/// What sessions may have most of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Bytes of messages that wait or are not acknowledged.
    BacklogBytes,
    /// Messages that wait.
    BacklogMessages,
    /// Messages that were dropped because it was full.
    Dropped,
    /// Messages sent and not acknowledged.
    Inflight,
    /// Bytes of output that its client has not taken.
    Outgoing,
    /// Milliseconds that its oldest message has been there.
    Lag,
    /// Bytes each second that its client sends and receives, since they were looked at
    /// ([`Question::Sample`](super::Question::Sample)).
    Rate,
}

/// A question for those that have most.
#[derive(Clone, Debug)]
pub struct Top {
    /// Of what.
    pub by: Measure,
    /// How many are wanted.
    pub count: usize,
    /// Where the next step begins.
    pub(crate) from: SessionKey,
    /// The best so far, the first in front.
    pub(crate) best: Vec<(u64, SessionKey)>,
    /// All sessions were looked at; so many of the best are in the answer.
    pub(crate) told: Option<usize>,
}

impl Top {
    /// The `count` sessions that have most of something; those that have none are left out.
    pub fn new(by: Measure, count: usize) -> Self {
        let count = count.min(TOP_ROWS_MAX);
        Self { by, count, from: 0, best: Vec::with_capacity(count + 1), told: None }
    }

    pub(crate) fn note(&mut self, value: u64, key: SessionKey) {
        let is_full = self.best.len() >= self.count;
        if value == 0 || is_full && self.best.last().is_none_or(|(least, _)| value <= *least) {
            return;
        }
        let at = self.best.partition_point(|(other, _)| *other >= value);
        self.best.insert(at, (value, key));
        self.best.truncate(self.count);
    }
}
