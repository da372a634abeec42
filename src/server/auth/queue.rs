//! What waits to be verified, in two lanes: the usual one goes first.
//!
//! Invariant: each lane is in order, and within its bound.

use std::collections::VecDeque;

use crate::limits::{AUTH_SUSPECTS_MAX, AUTH_WAITING_MAX};

/// Where somebody stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    /// From an address without wrong passwords lately.
    Usual,
    /// From one that had some.
    Suspects,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue<T> {
    usual: VecDeque<T>,
    suspects: VecDeque<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { usual: VecDeque::new(), suspects: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    /// Whether there was room.
    pub(super) fn push(&mut self, lane: Lane, item: T) -> bool {
        let (list, max) = match lane {
            Lane::Usual => (&mut self.usual, AUTH_WAITING_MAX),
            Lane::Suspects => (&mut self.suspects, AUTH_SUSPECTS_MAX),
        };
        let has_room = list.len() < max;
        if has_room {
            list.push_back(item);
        }
        has_room
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.usual.pop_front().or_else(|| self.suspects.pop_front())
    }
}
