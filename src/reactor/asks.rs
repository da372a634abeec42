//! Asks of the admin thread: some steps of each in a turn, then the box returns to the thread.
//!
//! Invariant: once the steps of a turn have taken [`ASK_TURN_US_MAX`], an ask that only reads takes
//! no more steps, and each other ask takes one.
//!
//! Without an ask, a turn costs only a check of an empty list. While an ask is open the shard does
//! not sleep.

use std::mem::discriminant;

use crate::broker::inspect::{Ask, Reply};
use crate::limits::{ASK_TURN_STEPS_MAX, ASK_TURN_US_MAX, ASKS_OPEN_MAX, PUBLISHES_OPEN_MAX};
use crate::mesh::Sender;

/// The sender of answers to the asker.
pub struct AnswerWay {
    /// The ring in which boxes return.
    pub sender: Sender<Box<Ask>>,
    /// Wakes the asker.
    pub wake: Box<dyn Fn() + Send>,
}

/// See the file.
pub(super) struct Asks {
    /// Each ask returns in its own box.
    #[allow(clippy::vec_box, reason = "a box is given back as it came")]
    open: Vec<Box<Ask>>,
    /// Asks that have no answer yet, and are checked each turn.
    #[allow(clippy::vec_box, reason = "a box is given back as it came")]
    waiting: Vec<Box<Ask>>,
    /// `None` if there is no asker.
    way: Option<AnswerWay>,
    /// Whether any returned in this turn.
    answered: bool,
}

impl Asks {
    pub(super) fn new(way: Option<AnswerWay>) -> Self {
        Self { open: Vec::new(), waiting: Vec::new(), way, answered: false }
    }

    /// Whether the next turn must take a step.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The asks without an answer.
    #[allow(clippy::vec_box, reason = "a box is given back as it came")]
    pub(super) fn waiting(&self) -> &[Box<Ask>] {
        &self.waiting
    }

    /// Opens the waiting asks that can be answered now.
    pub(super) fn open_waiting(&mut self, mut is_answered: impl FnMut(&Ask) -> bool) {
        self.open.extend(self.waiting.extract_if(.., |ask| is_answered(ask)));
    }

    /// Lets an ask wait. If only one of its kind may wait, an earlier one returns without an
    /// answer.
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

    /// Takes a new ask. If there are too many, it returns without an answer.
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

    /// Takes the open asks, for a step of each.
    #[allow(clippy::vec_box, reason = "a box is given back as it came")]
    pub(super) fn take_open(&mut self) -> Vec<Box<Ask>> {
        std::mem::take(&mut self.open)
    }

    /// Keeps an ask for another step in the next turn, after those that were kept before.
    pub(super) fn keep(&mut self, ask: Box<Ask>) {
        self.open.push(ask);
    }

    /// Ends a turn: wakes the asker if there are answers.
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
            // The asker has no more boxes in flight than its ring has room for. Otherwise it loses
            // them.
            self.answered |= way.sender.push_object(ask).is_ok();
        }
    }
}

/// The part of a turn that asks may use.
pub(super) struct Allowance {
    begun_us: u64,
    /// The time at which the last step ended.
    at_us: u64,
    steps: u32,
}

impl Allowance {
    /// A complete allowance.
    pub(super) fn new(now_us: u64) -> Self {
        Self { begun_us: now_us, at_us: now_us, steps: 0 }
    }

    /// Notes that a step has ended; returns how long it took.
    pub(super) fn note_step(&mut self, now_us: u64) -> u64 {
        let took_us = now_us.saturating_sub(self.at_us);
        (self.at_us, self.steps) = (now_us, self.steps + 1);
        took_us
    }

    /// Whether it is used up.
    pub(super) fn is_spent(&self) -> bool {
        let took_us = self.at_us.saturating_sub(self.begun_us);
        took_us >= ASK_TURN_US_MAX || self.steps >= ASK_TURN_STEPS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // An allowance is used up by time, or by steps if the clock stands still. Each step is
    // measured.
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
        // A clock that goes back measures 0.
        assert_eq!(Allowance::new(9).note_step(3), 0);
    }
}
