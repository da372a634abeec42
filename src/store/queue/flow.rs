//! The way of messages from the tail into blocks and from there to the front, and the release of
//! their records.
//!
//! Invariant: the blocks and the tail continue the numbers of the front. Numbers in gaps belong to
//! messages that are gone.

use crate::limits::QUEUE_HEAD_MAX;

use super::front::Front;
use super::packed::Packed;
use super::{Entry, Queue, QueueLog, SessionKey, blocks};

impl Queue {
    /// Whether it is not in the log: then all of it is front.
    #[inline]
    pub(super) fn is_volatile(&self) -> bool {
        self.tail.is_none()
    }

    /// The packed end; it is empty in a volatile queue.
    #[inline]
    pub(super) fn tail(&self) -> &Packed {
        const NONE: &Packed = &Packed::NONE;
        self.tail.as_ref().unwrap_or(NONE)
    }

    /// # Panics
    /// If the queue is volatile.
    #[inline]
    pub(super) fn tail_mut(&mut self) -> &mut Packed {
        self.tail.as_mut().expect("all of a volatile queue is front")
    }

    /// The number of the first message in the tail.
    #[inline]
    pub(super) fn tail_first(&self) -> u64 {
        self.end - u64::from(self.tail().count())
    }

    /// Makes a front if there is none.
    #[inline]
    pub(super) fn wake(&mut self) -> &mut Front {
        let (first, volatile) = (self.tail_first(), self.is_volatile());
        self.front.get_or_insert_with(|| Box::new(Front::new(first, volatile)))
    }

    /// Removes a front that has no information and is not about to be used.
    pub(super) fn rest(&mut self) {
        if self.front.as_ref().is_some_and(|front| front.resting && front.is_idle()) {
            self.front = None;
        }
    }

    /// The front, if a new message goes there.
    #[inline]
    pub(super) fn open_front(&mut self, near: bool) -> Option<&mut Front> {
        let volatile = self.is_volatile();
        if !(volatile || near && self.tail().is_empty()) {
            return None;
        }
        let front = self.wake();
        (volatile || front.middle.is_empty() && front.len() < QUEUE_HEAD_MAX).then_some(front)
    }

    /// The unacknowledged message that was sent with this identifier.
    #[inline]
    pub(super) fn in_flight(
        &mut self,
        packet_id: u16,
        log: &mut impl QueueLog,
    ) -> Option<(&mut Front, usize)> {
        let front = self.front.as_deref_mut()?;
        let number = front.number_of(packet_id)?;
        // A client that returned may answer a message before it is sent again.
        if number >= front.sent {
            return None;
        }
        if number >= front.flight_end() {
            self.bring(number, log);
        }
        let front = self.front.as_deref_mut()?;
        let at = usize::try_from(number.checked_sub(front.first)?).ok()?;
        let entry = *front.flight.get(at)?;
        (entry != Entry::GONE).then_some((front, at))
    }

    /// Takes the first message after the flight, to drop it or to send it.
    pub(super) fn next_ready(&mut self, log: &mut impl QueueLog) -> Option<(u64, Entry)> {
        let tail_first = self.tail_first();
        let front = self.front.as_deref_mut()?;
        if front.ready.is_empty() && front.middle.is_empty() {
            // The tail stays packed.
            let entry = self.tail.as_mut()?.pop_front()?;
            front.ready_first = tail_first + 1;
            return Some((tail_first, entry));
        }
        if front.ready.is_empty() && !self.refill(log) {
            return None;
        }
        self.front.as_deref_mut()?.pop_ready()
    }

    /// Fills the empty `ready` from the first block or from the tail; returns whether it got any.
    pub(super) fn refill(&mut self, log: &mut impl QueueLog) -> bool {
        let tail_first = self.tail_first();
        let Some(front) = self.front.as_deref_mut() else { return false };
        while let Some(block) = front.middle.pop_front() {
            if block.load(&mut front.ready, log) {
                front.ready_first = block.first;
                front.loaded.push_back(block.loaded());
            } else {
                block.release(log);
                self.stored_bytes -= block.known().bytes;
                front.lost += block.known().stored();
                front.ready_first = block.end();
            }
            front.trim();
            if !front.ready.is_empty() {
                self.unload(log);
                return true;
            }
        }
        front.ready_first = tail_first;
        front.trim();
        match self.tail.as_mut().filter(|tail| !tail.is_empty()) {
            Some(tail) => {
                front.ready.extend(tail.iter());
                tail.clear();
            }
            None => front.shrink_ready(),
        }
        self.unload(log);
        self.front.as_ref().is_some_and(|front| !front.ready.is_empty())
    }

    /// Moves the tail into a block.
    #[cold]
    pub(super) fn spill(&mut self, session: SessionKey, log: &mut impl QueueLog) {
        let first = self.tail_first();
        let block = blocks::append(self.tail(), first, session, log);
        self.wake().middle.push_back(block);
        self.tail_mut().clear();
    }

    /// Ends a message in flight.
    #[inline]
    pub(super) fn end_at(&mut self, at: usize, log: &mut impl QueueLog) {
        let Some(front) = self.front.as_deref_mut() else { return };
        let entry = front.end_at(at);
        if !front.loaded.is_empty() {
            self.unload(log);
        }
        self.let_go(entry, log);
    }

    /// Releases the blocks whose messages are all complete.
    pub(super) fn unload(&mut self, log: &mut impl QueueLog) {
        let Some(front) = self.front.as_deref_mut() else { return };
        while let Some(block) = front.loaded.pop_front_if(|block| block.end <= front.first) {
            log.release(block.position, 1);
        }
    }

    /// Releases the record of a message.
    #[inline]
    pub(super) fn let_go(&mut self, entry: Entry, log: &mut impl QueueLog) {
        if let Some(position) = entry.position() {
            self.stored_bytes -= u64::from(entry.bytes());
            log.release(position, 1);
        }
    }

    /// Puts messages that were sent before a restart into flight, up to this one.
    fn bring(&mut self, number: u64, log: &mut impl QueueLog) {
        while self.wake().ready_first <= number {
            let Some((number, entry)) = self.next_ready(log) else { return };
            let front = self.wake();
            if entry == Entry::GONE {
                front.trim();
                self.unload(log);
            } else {
                front.enter(number, entry);
            }
        }
    }
}
