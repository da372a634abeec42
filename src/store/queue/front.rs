//! The front of a queue: the messages in memory, and the start of the others.
//!
//! ```text
//!  first      next    flight end    ready_first      ready end       middle
//!    │ in flight │ to send again │ dropped  │ to send     │ in the log …
//!    ▼           ▼               ▼          ▼             ▼
//!   [e][·][e][e] [e][·][e]        ·········· [e][e][e][e] [ block ][ block ]
//! ```
//!
//! Invariant: `first <= next <= flight end <= ready_first`, `flight end - first <= 65,535`, and
//! the messages from the flight's end to `ready_first` are gone. `first` is not gone, or the flight
//! is empty and `first == next == ready_first`.

use std::collections::VecDeque;

use super::acks::{Acks, Notes};
use super::blocks::{Block, Loaded};
use super::replay::Replay;
use super::{Entry, Next, Queue};

/// The number of packet identifiers: 1 to 65,535 [MQTT-2.3.1-1].
pub(super) const IDENTIFIERS: u64 = 65_535;

/// The capacity that an empty front keeps, in entries.
const ENTRIES_KEPT_MAX: usize = 64;

/// See the file.
#[derive(Debug)]
pub(super) struct Front {
    /// The number of the oldest message that is not complete.
    pub(super) first: u64,
    /// Messages that were taken, from `first` on.
    pub(super) flight: VecDeque<Entry>,
    /// The number of the next one to take; at the flight's end, `ready_first` is the next.
    pub(super) next: u64,
    /// The number of the first message in `ready`.
    pub(super) ready_first: u64,
    /// Messages that were not taken since they arrived or were loaded.
    pub(super) ready: VecDeque<Entry>,
    /// The number after the highest ever sent.
    pub(super) sent: u64,
    /// The count of incomplete messages below `next`.
    pub(super) unacked: u32,
    /// The number after the last released message that was taken before others since the last
    /// rewind.
    owed_from: u64,
    /// Only from there to the flight's end may be more released messages.
    owed_look: u64,
    /// Whether no packet was taken since the last rewind.
    pub(super) resting: bool,
    /// The number below which no waiting message may be dropped.
    spare_from: u64,
    /// The count of messages that cannot be read any more.
    pub(super) lost: u64,
    /// The blocks from which messages in `flight` and `ready` were loaded.
    pub(super) loaded: VecDeque<Loaded>,
    /// Blocks after `ready`.
    pub(super) middle: VecDeque<Block>,
    pub(super) notes: Notes,
    /// Set while the queue is being rebuilt.
    pub(super) replay: Option<Box<Replay>>,
}

impl Front {
    /// The front of a queue whose first message has this number; changes of a volatile one are not
    /// noted.
    pub(super) fn new(first: u64, volatile: bool) -> Self {
        Self {
            first,
            flight: VecDeque::new(),
            next: first,
            ready_first: first,
            ready: VecDeque::new(),
            sent: first,
            unacked: 0,
            owed_from: first,
            owed_look: first,
            resting: true,
            spare_from: first,
            lost: 0,
            loaded: VecDeque::new(),
            middle: VecDeque::new(),
            notes: Notes::new(first, volatile),
            replay: None,
        }
    }

    /// The number after the last message in flight.
    #[inline]
    pub(super) fn flight_end(&self) -> u64 {
        self.first + self.flight.len() as u64
    }

    /// The number after the last message in memory.
    #[inline]
    pub(super) fn ready_end(&self) -> u64 {
        self.ready_first + self.ready.len() as u64
    }

    /// The number of the message that is taken next.
    #[inline]
    pub(super) fn next_number(&self) -> u64 {
        if self.next < self.flight_end() { self.next } else { self.ready_first }
    }

    /// The count of messages in memory.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.flight.len() + self.ready.len()
    }

    /// Whether it has no information beyond that of its queue.
    pub(super) fn is_idle(&self) -> bool {
        self.len() == 0
            && self.loaded.is_empty()
            && self.middle.is_empty()
            && self.sent <= self.first
            && self.lost == 0
            && self.notes.is_empty(self.first)
            && self.replay.is_none()
    }

    /// The index of a message in flight.
    #[inline]
    pub(super) fn at(&self, number: u64) -> usize {
        usize::try_from(number - self.first).expect("entries are in memory")
    }

    /// A message in memory; `GONE` for any other number.
    pub(super) fn get(&self, number: u64) -> Entry {
        let entry = match number < self.flight_end() {
            true => number.checked_sub(self.first).map(|at| (&self.flight, at)),
            false => number.checked_sub(self.ready_first).map(|at| (&self.ready, at)),
        };
        let entry = entry.and_then(|(entries, at)| entries.get(usize::try_from(at).ok()?));
        entry.copied().unwrap_or(Entry::GONE)
    }

    /// All messages in memory.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.flight.iter().chain(&self.ready).copied()
    }

    /// The number in flight with this packet identifier, or the next that would get it.
    #[inline]
    pub(super) fn number_of(&self, packet_id: u16) -> Option<u64> {
        let residue = u64::from(packet_id).checked_sub(1)?;
        let of_first = self.first % IDENTIFIERS;
        let turn = if residue < of_first { IDENTIFIERS } else { 0 };
        Some(self.first - of_first + turn + residue)
    }

    /// Takes the next message that was taken before.
    #[inline]
    pub(super) fn take_again(&mut self) -> Option<Next> {
        while self.next < self.flight_end() {
            let number = self.next;
            let entry = self.flight[self.at(number)];
            self.next += 1;
            if entry != Entry::GONE {
                return Some(self.taken(number, entry));
            }
        }
        None
    }

    /// Takes the next released message, before those that wait to be sent again. It counts as
    /// unacknowledged when these are taken.
    pub(super) fn take_owed(&mut self) -> Option<Next> {
        let mut number = self.owed_look.max(self.owed_from).max(self.next);
        while number < self.flight_end() && self.flight[self.at(number)] != Entry::RELEASED {
            number += 1;
        }
        self.owed_look = number;
        (number < self.flight_end()).then(|| {
            self.owed_from = number + 1;
            Next::Release { packet_id: Queue::packet_id(number) }
        })
    }

    /// Skips the next messages that are gone or were taken before others.
    #[inline]
    pub(super) fn pass_owed(&mut self) {
        while self.next < self.flight_end() {
            match self.flight[self.at(self.next)] {
                Entry::GONE => {}
                Entry::RELEASED if self.next < self.owed_from => self.unacked += 1,
                _ => return,
            }
            self.next += 1;
        }
    }

    /// Releases a message in flight: its PUBREL must be sent.
    pub(super) fn release(&mut self, at: usize) {
        let number = self.first + at as u64;
        self.flight[at] = Entry::RELEASED;
        self.owed_look = self.owed_look.min(number);
        self.notes.released(number);
    }

    /// Whether the first message in `ready` has QoS 2.
    #[inline]
    pub(super) fn is_once_next(&self) -> bool {
        let first = self.ready.front();
        first.is_some_and(|entry| *entry != Entry::GONE && entry.terms().exactly_once)
    }

    /// Takes the first message in `ready`; `None` if it is gone.
    #[inline]
    pub(super) fn take_ready(&mut self) -> Option<Next> {
        let (number, entry) = self.pop_ready()?;
        if entry == Entry::GONE {
            self.trim();
            return None;
        }
        self.enter(number, entry);
        self.next = self.flight_end();
        Some(self.taken(number, entry))
    }

    /// Puts a message with the next number into flight; no message may wait.
    #[inline]
    pub(super) fn pass(&mut self, number: u64, entry: Entry) -> Next {
        debug_assert!(self.ready.is_empty() && self.ready_first == number, "nothing is before it");
        self.ready_first = number + 1;
        self.enter(number, entry);
        self.next = self.flight_end();
        self.taken(number, entry)
    }

    /// Removes the first message in `ready`.
    #[inline]
    pub(super) fn pop_ready(&mut self) -> Option<(u64, Entry)> {
        let entry = self.ready.pop_front()?;
        self.ready_first += 1;
        Some((self.ready_first - 1, entry))
    }

    /// Puts a message into flight after the others; messages between them are gone.
    #[inline]
    pub(super) fn enter(&mut self, number: u64, entry: Entry) {
        if self.flight.is_empty() {
            self.first = number;
            self.next = number;
        }
        while self.flight_end() < number {
            self.flight.push_back(Entry::GONE);
        }
        self.flight.push_back(entry);
    }

    /// The number of the oldest message in flight that waits to be sent again and may be dropped.
    pub(super) fn oldest_again(&mut self) -> Option<u64> {
        self.spare_from = self.spare_from.max(self.next);
        while self.spare_from < self.flight_end() {
            let entry = self.flight[self.at(self.spare_from)];
            // A released message has no record; its PUBREL must still be sent.
            if entry != Entry::GONE && entry != Entry::RELEASED {
                return Some(self.spare_from);
            }
            self.spare_from += 1;
        }
        None
    }

    /// Ends a message in flight; returns it.
    #[inline]
    pub(super) fn end_at(&mut self, at: usize) -> Entry {
        let number = self.first + at as u64;
        let entry = std::mem::replace(&mut self.flight[at], Entry::GONE);
        if number < self.next {
            self.unacked -= 1;
        }
        if at > 0 {
            self.notes.gone(number);
        }
        self.trim();
        entry
    }

    /// Ends the oldest message in flight, if it has QoS 1 and is not to be sent again; returns it.
    /// [`Front::trim`] must follow. Nothing is noted, because the message is the first.
    #[inline]
    pub(super) fn end_oldest(&mut self) -> Option<Entry> {
        if self.first >= self.next {
            return None;
        }
        // A message that is gone or released counts as one at QoS 2 here.
        let entry = self.flight.pop_front_if(|entry| !entry.terms().exactly_once)?;
        self.first += 1;
        self.unacked -= 1;
        Some(entry)
    }

    /// Ends a message in `ready`.
    pub(super) fn end_ready(&mut self, number: u64) {
        let at = usize::try_from(number - self.ready_first).expect("entries are in memory");
        self.ready[at] = Entry::GONE;
        self.notes.gone(number);
    }

    /// Forgets the position of the message taken last; returns its entry.
    pub(super) fn forget_taken(&mut self) -> Option<Entry> {
        let at = self.next.checked_sub(self.first + 1).and_then(|at| usize::try_from(at).ok())?;
        let entry = self.flight.get_mut(at).filter(|entry| entry.position().is_some())?;
        let passing = Entry::passing(entry.terms());
        Some(std::mem::replace(entry, passing))
    }

    /// Skips messages that are gone at the front.
    #[inline]
    pub(super) fn trim(&mut self) {
        while self.flight.front() == Some(&Entry::GONE) {
            self.flight.pop_front();
            self.first += 1;
        }
        if self.flight.is_empty() {
            self.first = self.ready_first;
            if self.flight.capacity() > ENTRIES_KEPT_MAX {
                self.flight.shrink_to(ENTRIES_KEPT_MAX);
            }
        }
        self.next = self.next.max(self.first);
    }

    /// Returns unneeded memory of an empty `ready`.
    #[inline]
    pub(super) fn shrink_ready(&mut self) {
        if self.ready.capacity() > ENTRIES_KEPT_MAX {
            self.ready.shrink_to(ENTRIES_KEPT_MAX);
        }
    }

    /// Makes all incomplete messages the next to send.
    pub(super) fn rewind(&mut self) {
        self.next = self.first;
        self.spare_from = self.first;
        self.owed_from = self.first;
        self.owed_look = self.first;
        self.unacked = 0;
        self.resting = true;
        self.flight.shrink_to_fit();
        self.ready.shrink_to_fit();
    }

    pub(super) fn take_acks(&mut self) -> Option<Acks> {
        let (first, flight) = (self.first, &self.flight);
        self.notes.take(first, |number| {
            let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
            at.and_then(|at| flight.get(at)) == Some(&Entry::RELEASED)
        })
    }

    #[inline]
    fn taken(&mut self, number: u64, entry: Entry) -> Next {
        self.unacked += 1;
        let again = number < self.sent;
        self.sent = self.sent.max(number + 1);
        let packet_id = u16::try_from(number % IDENTIFIERS + 1).expect("a remainder below 65,535");
        match entry == Entry::RELEASED {
            true => Next::Release { packet_id },
            false => Next::Publish { entry, packet_id, number, again },
        }
    }
}
