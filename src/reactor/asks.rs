//! Asks of the admin thread: some steps of each a turn, then the box goes back.
//!
//! Invariant: once the steps of a turn have taken [`ASK_TURN_US_MAX`], no ask that only looks takes
//! another, and all others take one.
//!
//! Without an ask, a turn costs only a check of an empty list. While an ask is open the shard does
//! not sleep.

use std::mem::discriminant;

use crate::broker::inspect::{Ask, Reply};
use crate::limits::{ASK_TURN_STEPS_MAX, ASK_TURN_US_MAX, ASKS_OPEN_MAX, PUBLISHES_OPEN_MAX};
use crate::mesh::Sender;

/// The sender of answers to the asker.
pub struct AnswerWay {
    /// The ring that boxes go back in.
    pub sender: Sender<Box<Ask>>,
    /// Wakes the asker.
    pub wake: Box<dyn Fn() + Send>,
}

/// See the module.
pub(super) struct Asks {
    /// Each goes back in the box it came in.
    #[allow(clippy::vec_box, reason = "a box is given back as it came")]
    open: Vec<Box<Ask>>,
    /// They have no answer yet, and cost a look each turn.
    #[allow(clippy::vec_box, reason = "a box is given back as it came")]
    waiting: Vec<Box<Ask>>,
    /// None: there is no asker.
    way: Option<AnswerWay>,
    /// Some went back in this turn.
    answered: bool,
}

impl Asks {
    pub(super) fn new(way: Option<AnswerWay>) -> Self {
        Self { open: Vec::new(), waiting: Vec::new(), way, answered: false }
    }

    /// Whether there is a step to take in the next turn.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The asks that have no answer yet.
    #[allow(clippy::vec_box, reason = "a box is given back as it came")]
    pub(super) fn waiting(&self) -> &[Box<Ask>] {
        &self.waiting
    }

    /// Those of them that have one now are to take a step.
    pub(super) fn open_waiting(&mut self, mut is_answered: impl FnMut(&Ask) -> bool) {
        self.open.extend(self.waiting.extract_if(.., |ask| is_answered(ask)));
    }

    /// An ask has no answer yet. Of those of which one of a kind waits, one that waited before goes
    /// back without.
    pub(super) fn wait(&mut self, ask: Box<Ask>) {
        let is_like = |other: &Ask| {
            ask.question.may_wait() && discriminant(&other.question) == discriminant(&ask.question)
        };
        let before = self.waiting.iter().position(|other| is_like(other));
        if let Some(mut before) = before.map(|at| self.waiting.swap_remove(at)) {
            before.reply = Reply::None;
            self.give_back(before);
        }
        self.waiting.push(ask);
    }

    /// An ask came. One too many goes back without an answer.
    pub(super) fn take(&mut self, mut ask: Box<Ask>) {
        if ask.question.may_wait() {
            self.wait(ask);
        } else if self.open.len() + self.waiting.len() < ASKS_OPEN_MAX + PUBLISHES_OPEN_MAX {
            self.open.push(ask);
        } else {
            ask.reply = Reply::None;
            self.give_back(ask);
        }
    }

    /// Those that are open, to take a step of each.
    #[allow(clippy::vec_box, reason = "a box is given back as it came")]
    pub(super) fn take_open(&mut self) -> Vec<Box<Ask>> {
        std::mem::take(&mut self.open)
    }

    /// One of them has another step to take in the next turn, behind those that were kept before.
    pub(super) fn keep(&mut self, ask: Box<Ask>) {
        self.open.push(ask);
    }

    /// Ends a turn: the asker is woken if there are answers for it.
    pub(super) fn end_turn(&mut self) {
        if std::mem::take(&mut self.answered)
            && let Some(way) = &mut self.way
        {
            way.sender.publish();
            (way.wake)();
        }
    }

    pub(super) fn give_back(&mut self, ask: Box<Ask>) {
        if let Some(way) = &mut self.way {
            // The asker has at most as many boxes in flight as its ring has room for. An asker that
            // breaks this rule loses them.
            self.answered |= way.sender.push_object(ask).is_ok();
        }
    }
}

/// What asks may take of one turn.
pub(super) struct Allowance {
    begun_us: u64,
    /// When the last step ended.
    at_us: u64,
    steps: u32,
}

impl Allowance {
    /// The whole of it.
    pub(super) fn new(now_us: u64) -> Self {
        Self { begun_us: now_us, at_us: now_us, steps: 0 }
    }

    /// A step has ended; how long it took.
    pub(super) fn note_step(&mut self, now_us: u64) -> u64 {
        let took_us = now_us.saturating_sub(self.at_us);
        (self.at_us, self.steps) = (now_us, self.steps + 1);
        took_us
    }

    /// Whether nothing is left of it.
    pub(super) fn is_spent(&self) -> bool {
        let took_us = self.at_us.saturating_sub(self.begun_us);
        took_us >= ASK_TURN_US_MAX || self.steps >= ASK_TURN_STEPS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // It is spent by time, or by steps if the clock stands still, and each step is measured.
    #[test]
    fn allowances_are_spent() {
        let mut by_time = Allowance::new(1_000);
        assert_eq!(
            (by_time.note_step(1_000 + ASK_TURN_US_MAX - 1), by_time.is_spent()),
            (49, false)
        );
        assert_eq!((by_time.note_step(1_000 + ASK_TURN_US_MAX), by_time.is_spent()), (1, true));
        let mut by_steps = Allowance::new(7);
        for _ in 0..ASK_TURN_STEPS_MAX {
            assert!(!by_steps.is_spent());
            assert_eq!(by_steps.note_step(7), 0);
        }
        assert!(by_steps.is_spent());
        // A clock that goes back measures nothing.
        assert_eq!(Allowance::new(9).note_step(3), 0);
    }
}
