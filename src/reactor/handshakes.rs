//! TLS handshakes, a few each turn: keys and signatures cost what a thousand messages do, and a
//! storm of clients that connect is not to hold up those that are served.
//!
//! Invariant: a link that waits here receives nothing meanwhile, so what it has kept is bounded.

use std::collections::VecDeque;

use crate::limits::HANDSHAKE_STEPS_MAX;
use crate::ring::{Key, Ring};
use crate::store::Medium;

use super::links::{Closing, Waiting};
use super::turn::{Clock, Reactor};

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Handshakes {
    /// Steps this turn still takes on.
    left: usize,
    /// Links whose next step is put off, in order.
    waiting: VecDeque<Key>,
}

impl Handshakes {
    pub(super) fn begin_turn(&mut self) {
        self.left = HANDSHAKE_STEPS_MAX;
    }

    /// Whether a step may be taken now, which is then counted.
    pub(super) fn take_step(&mut self) -> bool {
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }

    pub(super) fn put_off(&mut self, key: Key) {
        self.waiting.push_back(key);
    }

    /// Links whose next step is put off.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// Takes the steps that were put off, as many as this turn takes on.
    pub(super) fn go_on_with_handshakes(&mut self) {
        while self.handshakes.left > 0
            && let Some(key) = self.handshakes.waiting.pop_front()
        {
            if let Some(link) = self.links.get_mut(key)
                && link.waiting == Waiting::Turn
            {
                link.waiting = Waiting::No;
                if link.closing == Closing::No {
                    self.on_data(key, None, 0);
                }
            }
        }
    }
}
