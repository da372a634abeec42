//! Asks of the admin thread: one step of each a turn, then the box goes back.
//!
//! Nobody asks, and nothing is done: what a turn pays is a look at an empty list. While an ask is
//! open the shard does not sleep.

use crate::broker::inspect::{Ask, Reply, Snapshot, Step};
use crate::limits::ASKS_OPEN_MAX;
use crate::mesh::Sender;
use crate::ring::Ring;
use crate::store::Medium;

use super::turn::{Clock, Reactor};

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
    /// None: nobody asks.
    way: Option<AnswerWay>,
    /// Some went back in this turn.
    answered: bool,
}

impl Asks {
    pub(super) fn new(way: Option<AnswerWay>) -> Self {
        Self { open: Vec::new(), way, answered: false }
    }

    /// Whether there is a step to take in the next turn.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn give_back(&mut self, ask: Box<Ask>) {
        if let Some(way) = &mut self.way {
            // Who asks has no more boxes on their way than its ring has room for. One that breaks
            // this loses them.
            self.answered |= way.sender.push_object(ask).is_ok();
        }
    }
}

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// An ask came. One too many goes back without an answer.
    pub(super) fn take_ask(&mut self, mut ask: Box<Ask>) {
        if self.asks.open.len() < ASKS_OPEN_MAX {
            self.asks.open.push(ask);
        } else {
            ask.reply = Reply::None;
            self.asks.give_back(ask);
        }
    }

    /// Takes a step of each ask that is open.
    pub(super) fn advance_asks(&mut self) {
        if self.asks.open.is_empty() && !self.asks.answered {
            return;
        }
        for mut ask in std::mem::take(&mut self.asks.open) {
            match self.with_broker(|broker, context| broker.answer(&mut ask, context)) {
                Step::More => self.asks.open.push(ask),
                Step::Done => {
                    if let Reply::Figures(snapshot) = &mut ask.reply {
                        self.add_own_figures(snapshot);
                    }
                    self.asks.give_back(ask);
                }
            }
        }
        if std::mem::take(&mut self.asks.answered)
            && let Some(way) = &mut self.asks.way
        {
            way.sender.publish();
            (way.wake)();
        }
    }

    fn add_own_figures(&self, snapshot: &mut Snapshot) {
        snapshot.load.links = self.links.len() as u64;
        snapshot.load.handshakes_waiting = self.handshakes.waiting() as u64;
    }
}
