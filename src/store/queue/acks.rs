//! Changes of a queue that are not in the log yet.
//!
//! Invariant: consumption in order notes nothing, because the queue's first number implies it.

use std::ops::Range;

/// Messages that were completed since the last such record.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Acks {
    /// Every message with a lower number is complete.
    pub first: u64,
    /// Messages from there on that are complete as well.
    pub gone: Vec<u64>,
    /// QoS 2 messages from there on that the client has received, but not completed.
    pub released: Vec<u64>,
}

/// See the file.
#[derive(Default, Debug)]
pub(super) struct Notes {
    /// The queue's first number when the notes were last taken.
    first: u64,
    /// Runs of neighbours in the order of completion: a full queue drops neighbours.
    gone: Vec<Range<u64>>,
    released: Vec<u64>,
    /// Whether nothing is noted, because the queue is not in the log.
    off: bool,
}

impl Notes {
    pub(super) fn new(first: u64, off: bool) -> Self {
        Self { first, off, ..Self::default() }
    }

    pub(super) fn gone(&mut self, number: u64) {
        if self.off {
            return;
        }
        match self.gone.last_mut() {
            Some(run) if run.end == number => run.end += 1,
            _ => self.gone.push(number..number + 1),
        }
    }

    pub(super) fn released(&mut self, number: u64) {
        if !self.off {
            self.released.push(number);
        }
    }

    pub(super) fn is_empty(&self, first: u64) -> bool {
        self.off || self.first == first && self.gone.is_empty() && self.released.is_empty()
    }

    /// Takes the notes, without those that are implied by now.
    pub(super) fn take(&mut self, first: u64, released: impl Fn(u64) -> bool) -> Option<Acks> {
        if self.is_empty(first) {
            return None;
        }
        self.first = first;
        let gone = std::mem::take(&mut self.gone).into_iter();
        let mut noted = std::mem::take(&mut self.released);
        noted.retain(|number| released(*number));
        Some(Acks {
            first,
            gone: gone.flat_map(|run| run.start.max(first)..run.end).collect(),
            released: noted,
        })
    }
}
