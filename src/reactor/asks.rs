//! Asks of the admin thread: one step of each a turn, then the box goes back.
//!
//! Nobody asks, and nothing is done: what a turn pays is a look at an empty list. While an ask is
//! open the shard does not sleep.

use crate::broker::inspect::{Ask, Question, Reply};
use crate::limits::ASKS_OPEN_MAX;
use crate::mesh::Sender;

/// The way back to who asks.
pub struct AnswerWay {
    /// The ring that boxes go back in.
    pub sender: Sender<Box<Ask>>,
    /// Wakes who asks.
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
    /// None: nobody asks.
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

    /// An ask has no answer yet. Of those for topics of the system one that waited before goes back
    /// without.
    pub(super) fn wait(&mut self, ask: Box<Ask>) {
        let is_system = |ask: &Ask| matches!(ask.question, Question::WantsSystem(_));
        let before = self.waiting.iter().position(|it| is_system(it) && is_system(&ask));
        if let Some(mut before) = before.map(|at| self.waiting.swap_remove(at)) {
            before.reply = Reply::None;
            self.give_back(before);
        }
        self.waiting.push(ask);
    }

    /// An ask came. One too many goes back without an answer.
    pub(super) fn take(&mut self, mut ask: Box<Ask>) {
        if matches!(ask.question, Question::WantsSystem(_)) {
            self.wait(ask);
        } else if self.open.len() + self.waiting.len() <= ASKS_OPEN_MAX {
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

    /// One of them has another step to take in the next turn.
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
            // Who asks has no more boxes on their way than its ring has room for. One that breaks
            // this loses them.
            self.answered |= way.sender.push_object(ask).is_ok();
        }
    }
}
