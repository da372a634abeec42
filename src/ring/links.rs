//! The kernel's operations for each link: at most one receive and one send, each with the
//! generation that started it.
//!
//! Invariant: an entry is set exactly while its operation is in flight. A completion or a request
//! that does not fit is a bug of this ring or of its caller, and panics.

use super::Key;
use crate::slots::{make_room, shorten};

/// No operation in flight: not a generation, those have 24 bits.
const IDLE: u32 = u32::MAX;

/// The operations of one link. Idle links need this much memory, so it is small.
#[derive(Clone, Copy)]
struct Operations {
    /// Generation of the receive, or [`IDLE`].
    recv: u32,
    /// Generation of the send, or [`IDLE`].
    send: u32,
    /// The index of the send's memory; meaningful only while `send` is not [`IDLE`].
    send_slot: u32,
}

const _: () = assert!(size_of::<Operations>() <= 16);

const NOTHING: Operations = Operations { recv: IDLE, send: IDLE, send_slot: 0 };

/// The operations of all links, by the links' slots.
#[derive(Default)]
pub(super) struct Links {
    slots: Vec<Operations>,
}

impl Links {
    /// # Panics
    /// If a receive of any generation is in flight in this slot.
    pub(super) fn begin_recv(&mut self, key: Key) {
        let operations = self.operations(key);
        assert_eq!(operations.recv, IDLE, "one receive at a time in slot {}", key.slot);
        operations.recv = key.generation;
    }

    /// Whether the link with this generation has a receive in flight.
    pub(super) fn receives(&self, key: Key) -> bool {
        let operations = self.slots.get(key.slot as usize);
        operations.is_some_and(|operations| operations.recv == key.generation)
    }

    /// Notes a completion of a receive; with `more` it stays in flight.
    ///
    /// # Panics
    /// If this link has no receive in flight.
    pub(super) fn on_received(&mut self, key: Key, more: bool) {
        assert!(self.receives(key), "a receive of {key:?} completed that was not in flight");
        if !more {
            self.operations(key).recv = IDLE;
        }
    }

    /// # Panics
    /// If a send of any generation is in flight in this slot.
    pub(super) fn begin_send(&mut self, key: Key, send_slot: u32) {
        let operations = self.operations(key);
        assert_eq!(operations.send, IDLE, "one send at a time in slot {}", key.slot);
        operations.send = key.generation;
        operations.send_slot = send_slot;
    }

    /// Whether the link with this generation has a send in flight.
    pub(super) fn sends(&self, key: Key) -> bool {
        let operations = self.slots.get(key.slot as usize);
        operations.is_some_and(|operations| operations.send == key.generation)
    }

    /// The index of the memory of this link's send, if one is in flight.
    pub(super) fn send_slot(&self, key: Key) -> Option<u32> {
        let operations = self.slots.get(key.slot as usize)?;
        (operations.send == key.generation).then_some(operations.send_slot)
    }

    /// Ends the send; returns the index of its memory.
    ///
    /// # Panics
    /// If this link has no send in flight.
    pub(super) fn on_sent(&mut self, key: Key) -> u32 {
        assert!(self.sends(key), "a send of {key:?} completed that was not in flight");
        let operations = self.operations(key);
        operations.send = IDLE;
        operations.send_slot
    }

    /// Returns memory of slots whose links have left, of `slots_max` at most; returns whether there
    /// is more to do.
    pub(super) fn reclaim(&mut self, slots_max: usize) -> bool {
        shorten(&mut self.slots, slots_max, |slot| slot.recv == IDLE && slot.send == IDLE)
    }

    fn operations(&mut self, key: Key) -> &mut Operations {
        let at = key.slot as usize;
        while at >= self.slots.len() {
            make_room(&mut self.slots);
            self.slots.push(NOTHING);
        }
        &mut self.slots[at]
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    const FIRST: Key = Key { slot: 3, generation: 7 };
    const SECOND: Key = Key { slot: 3, generation: 8 };

    fn panics(action: impl FnOnce()) -> bool {
        catch_unwind(AssertUnwindSafe(action)).is_err()
    }

    /// A slot takes its next generation only after the last completion of the previous one.
    #[test]
    fn a_slot_is_joined_before_it_is_reused() {
        let mut links = Links::default();
        links.begin_recv(FIRST);
        links.begin_send(FIRST, 5);
        assert!(panics(|| links.begin_recv(SECOND)) && panics(|| links.begin_send(SECOND, 6)));
        assert!(panics(|| links.begin_recv(FIRST)) && panics(|| links.begin_send(FIRST, 6)));
        links.on_received(FIRST, true);
        assert!(links.receives(FIRST) && links.sends(FIRST));
        links.on_received(FIRST, false);
        assert_eq!(links.on_sent(FIRST), 5);
        links.begin_recv(SECOND);
        links.begin_send(SECOND, 6);
        assert_eq!(links.on_sent(SECOND), 6);
    }

    /// A completion of another generation, or without an operation, is a bug and panics.
    #[test]
    fn stale_completions_panic() {
        let mut links = Links::default();
        assert!(panics(|| links.on_received(FIRST, false)));
        links.begin_recv(SECOND);
        links.begin_send(SECOND, 0);
        assert!(panics(|| links.on_received(FIRST, true)));
        assert!(panics(|| assert_eq!(links.on_sent(FIRST), 0)));
        assert!(!links.receives(FIRST) && !links.sends(FIRST));
    }
}
