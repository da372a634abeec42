//! Pages of sessions in the order of their slots, and the sessions with the highest value of a
//! measure. The order of slots ensures that a session that exists all the time is listed once,
//! whichever others begin and end meanwhile.

use crate::limits::TOP_ROWS_MAX;
use crate::store::SessionKey;

use super::filter::Filter;

/// A question for a page.
#[derive(Clone, Default, Debug)]
pub struct Listing {
    /// The start of the page: [`super::Page::next`] of the page before.
    pub from: SessionKey,
    /// The most rows.
    pub limit: usize,
    /// The conditions on sessions.
    pub filter: Filter,
    /// Steps taken: a listing whose filter finds little ends before it has checked all sessions.
    pub steps: u32,
}

/// A measure by which sessions are ranked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Bytes of messages that wait or are not acknowledged.
    BacklogBytes,
    /// Messages that wait.
    BacklogMessages,
    /// Messages that were dropped because the session was full.
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

/// A question for the sessions with the highest value of a measure.
#[derive(Clone, Debug)]
pub struct Top {
    /// The measure.
    pub by: Measure,
    /// The number of wanted sessions.
    pub count: usize,
    /// The start of the next step.
    pub(crate) from: SessionKey,
    /// The highest so far, in descending order.
    pub(crate) best: Vec<(u64, SessionKey)>,
    /// The number of rows in the answer; set when all sessions were checked.
    pub(crate) told: Option<usize>,
}

impl Top {
    /// The `count` sessions with the highest values; sessions with the value 0 are left out.
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
