//! Limits TLS handshakes to a few steps each turn: a key exchange costs as much as a thousand
//! messages, and many clients that connect at once must not delay connected ones.
//!
//! Invariant: a link that waits here receives nothing meanwhile, so its received bytes are bounded.

use std::collections::VecDeque;

use crate::limits::HANDSHAKE_STEPS_MAX;
use crate::ring::Key;

/// See the file.
#[derive(Default, Debug)]
pub(super) struct Handshakes {
    /// The steps that this turn may still take.
    left: usize,
    /// Links with a postponed step, in order.
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

    /// The next link with a postponed step, while this turn may do more.
    pub(super) fn next_waiting(&mut self) -> Option<Key> {
        if self.left > 0 { self.waiting.pop_front() } else { None }
    }

    /// The number of links with a postponed step.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}
