//! How messages go from the tail into blocks and from there to the front, and what is let go of
//! when they end.
//!
//! Invariant: the blocks and the tail continue the numbers of the front; messages of a gap in the
//! numbers are gone.

use crate::limits::QUEUE_HEAD_MAX;

use super::front::Front;
use super::packed::Packed;
use super::{Entry, Queue, QueueLog, SessionKey, blocks};

impl Queue {
    /// Whether it is not in the log: all of it is front.
    #[inline]
    pub(super) fn is_volatile(&self) -> bool {
        self.tail.is_none()
    }

    /// The packed end; of a volatile queue an empty one.
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

    /// Number of the first message in the tail.
    #[inline]
    pub(super) fn tail_first(&self) -> u64 {
        self.end - u64::from(self.tail().count())
    }

    /// Sees to it that there is a front.
    #[inline]
    pub(super) fn wake(&mut self) -> &mut Front {
        let (first, volatile) = (self.tail_first(), self.is_volatile());
        self.front.get_or_insert_with(|| Box::new(Front::new(first, volatile)))
    }

    /// Does without a front, if it says nothing and is not about to be used.
    pub(super) fn rest(&mut self) {
        if self.front.as_ref().is_some_and(|front| front.resting && front.is_idle()) {
            self.front = None;
        }
    }

    /// The front, if a message that comes now goes there.
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
        // A client that came back may answer what was sent before, ahead of its coming again.
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

    /// Takes the first message behind the flight off, to drop it, or for the flight.
    pub(super) fn next_ready(&mut self, log: &mut impl QueueLog) -> Option<(u64, Entry)> {
        let tail_first = self.tail_first();
        let front = self.front.as_deref_mut()?;
        if front.ready.is_empty() && front.middle.is_empty() {
            // The tail stays packed for it.
            let entry = self.tail.as_mut()?.pop_front()?;
            front.ready_first = tail_first + 1;
            return Some((tail_first, entry));
        }
        if front.ready.is_empty() && !self.refill(log) {
            return None;
        }
        self.front.as_deref_mut()?.pop_ready()
    }

    /// Fills `ready`, which is empty, from the first block, or from the tail; whether there was
    /// any.
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

    /// Makes the tail a block.
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

    /// Lets go of the blocks of which all messages are done with.
    pub(super) fn unload(&mut self, log: &mut impl QueueLog) {
        let Some(front) = self.front.as_deref_mut() else { return };
        while let Some(block) = front.loaded.pop_front_if(|block| block.end <= front.first) {
            log.release(block.position, 1);
        }
    }

    /// Lets go of what a message refers to.
    #[inline]
    pub(super) fn let_go(&mut self, entry: Entry, log: &mut impl QueueLog) {
        if let Some(position) = entry.position() {
            self.stored_bytes -= u64::from(entry.bytes());
            log.release(position, 1);
        }
    }

    /// Brings messages that were sent before a restart into flight, up to this one.
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
