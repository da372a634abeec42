//! The front of a queue: the messages that are in memory one by one, and where the rest begins.
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

/// Packet identifiers there are: 1 to 65,535 [MQTT-2.3.1-1].
pub(super) const IDENTIFIERS: u64 = 65_535;

/// The capacity, in entries, that an empty front keeps.
const ENTRIES_KEPT_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Front {
    /// Number of the oldest message that is not done with.
    pub(super) first: u64,
    /// Messages that were taken, from `first` on.
    pub(super) flight: VecDeque<Entry>,
    /// Number of the next one to take; the flight's end stands for `ready_first`.
    pub(super) next: u64,
    /// Number of the first message in `ready`.
    pub(super) ready_first: u64,
    /// Messages that were not taken since they came, or were loaded.
    pub(super) ready: VecDeque<Entry>,
    /// One past the highest number ever sent.
    pub(super) sent: u64,
    /// Messages below `next` that are not done with.
    pub(super) unacked: u32,
    /// One past the last released message that was taken ahead of others since the last rewind.
    owed_from: u64,
    /// From there to the flight's end may be more that are released.
    owed_look: u64,
    /// No packet was taken since the last rewind.
    pub(super) resting: bool,
    /// No message below it waits and may be dropped.
    spare_from: u64,
    /// Messages that no longer can be read.
    pub(super) lost: u64,
    /// Blocks that the messages in `flight` and `ready` are from, or were.
    pub(super) loaded: VecDeque<Loaded>,
    /// Blocks behind `ready`.
    pub(super) middle: VecDeque<Block>,
    pub(super) notes: Notes,
    /// While the queue is being rebuilt.
    pub(super) replay: Option<Box<Replay>>,
}

impl Front {
    /// Of a queue whose first message has this number; changes of a volatile one are not noted.
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

    /// One past the number of the last message in flight.
    #[inline]
    pub(super) fn flight_end(&self) -> u64 {
        self.first + self.flight.len() as u64
    }

    /// One past the number of the last message in memory.
    #[inline]
    pub(super) fn ready_end(&self) -> u64 {
        self.ready_first + self.ready.len() as u64
    }

    /// Number of the message that is taken next.
    #[inline]
    pub(super) fn next_number(&self) -> u64 {
        if self.next < self.flight_end() { self.next } else { self.ready_first }
    }

    /// Messages in memory.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.flight.len() + self.ready.len()
    }

    /// Whether it has no information that its queue does not have without it.
    pub(super) fn is_idle(&self) -> bool {
        self.len() == 0
            && self.loaded.is_empty()
            && self.middle.is_empty()
            && self.sent <= self.first
            && self.lost == 0
            && self.notes.is_empty(self.first)
            && self.replay.is_none()
    }

    /// Index of a message in flight.
    #[inline]
    pub(super) fn at(&self, number: u64) -> usize {
        usize::try_from(number - self.first).expect("entries are in memory")
    }

    /// A message in memory; one that is gone, for any other number.
    pub(super) fn get(&self, number: u64) -> Entry {
        let entry = match number < self.flight_end() {
            true => number.checked_sub(self.first).map(|at| (&self.flight, at)),
            false => number.checked_sub(self.ready_first).map(|at| (&self.ready, at)),
        };
        let entry = entry.and_then(|(entries, at)| entries.get(usize::try_from(at).ok()?));
        entry.copied().unwrap_or(Entry::GONE)
    }

    /// Every message in memory.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.flight.iter().chain(&self.ready).copied()
    }

    /// The number in flight that this packet identifier stands for, or the next that it would.
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

    /// Takes the next released message, ahead of those before it that wait to be sent again. It
    /// counts as unacknowledged when these are taken.
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

    /// Passes what comes next and was taken ahead, or is gone.
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

    /// A message in flight is released: its PUBREL is owed.
    pub(super) fn release(&mut self, at: usize) {
        let number = self.first + at as u64;
        self.flight[at] = Entry::RELEASED;
        self.owed_look = self.owed_look.min(number);
        self.notes.released(number);
    }

    /// Whether the first of `ready` is a QoS 2 message.
    #[inline]
    pub(super) fn is_once_next(&self) -> bool {
        let first = self.ready.front();
        first.is_some_and(|entry| *entry != Entry::GONE && entry.terms().exactly_once)
    }

    /// Takes the first of `ready`; `None` if that is gone.
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

    /// Puts a message with the next number into flight; nothing waits.
    #[inline]
    pub(super) fn pass(&mut self, number: u64, entry: Entry) -> Next {
        debug_assert!(self.ready.is_empty() && self.ready_first == number, "nothing is before it");
        self.ready_first = number + 1;
        self.enter(number, entry);
        self.next = self.flight_end();
        self.taken(number, entry)
    }

    /// Takes the first of `ready` off.
    #[inline]
    pub(super) fn pop_ready(&mut self) -> Option<(u64, Entry)> {
        let entry = self.ready.pop_front()?;
        self.ready_first += 1;
        Some((self.ready_first - 1, entry))
    }

    /// Puts a message into flight, behind the others; messages between them are gone.
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

    /// Number of the oldest message in flight that waits to be sent again and may be dropped.
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

    /// Ends a message in flight; gives what it was.
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

    /// Ends the oldest message in flight, if it was sent at QoS 1 and is not to be sent again;
    /// gives what it was. [`Front::trim`] is to follow. There is nothing to note: it went in order.
    #[inline]
    pub(super) fn end_oldest(&mut self) -> Option<Entry> {
        if self.first >= self.next {
            return None;
        }
        // One that is gone or released counts as one at QoS 2 here.
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

    /// Forgets where the message taken last is stored; gives what it was.
    pub(super) fn forget_taken(&mut self) -> Option<Entry> {
        let at = self.next.checked_sub(self.first + 1).and_then(|at| usize::try_from(at).ok())?;
        let entry = self.flight.get_mut(at).filter(|entry| entry.position().is_some())?;
        let passing = Entry::passing(entry.terms());
        Some(std::mem::replace(entry, passing))
    }

    /// Passes what is gone at the front.
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

    /// Gives back what memory an empty `ready` does not need.
    #[inline]
    pub(super) fn shrink_ready(&mut self) {
        if self.ready.capacity() > ENTRIES_KEPT_MAX {
            self.ready.shrink_to(ENTRIES_KEPT_MAX);
        }
    }

    /// Everything that is not done with is next to send again.
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
