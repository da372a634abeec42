//! The queue of one session: what its client must still acknowledge, and what still waits to be
//! sent.
//!
//! ```text
//!  first             next                       end
//!    │ sent, some acked │ waiting to be sent        │
//!    ▼                  ▼                           ▼
//!   [e][·][e][e][·][e] [e][e][e][e][e][e][e][e]
//! ```
//!
//! Invariant: `first <= next <= end`, `next - first <= 65,535`, and `first` is never acknowledged
//! (or the queue is empty). A message's number in its queue fixes its packet identifier, so the
//! same message has the same identifier after a reconnect [MQTT-4.4.0-1], and nothing is stored for
//! it.

use std::collections::VecDeque;

use super::messages::Position;

/// Packet identifiers there are: 1 to 65,535 [MQTT-2.3.1-1].
const IDENTIFIERS: u64 = 65_535;

/// Entries whose memory an empty queue keeps.
const ENTRIES_KEPT_MAX: usize = 64;

/// A message in a queue: where it is stored, if it is, and how it is to be delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry(u64);

impl Entry {
    const OFFSET_MASK: u64 = (1 << 56) - 1;
    const NOT_STORED: u64 = Self::OFFSET_MASK;
    const RETAIN: u64 = 1 << 56;
    const GONE: Self = Self(u64::MAX);

    /// A message that stands in the log.
    pub fn stored(position: Position, retain: bool) -> Self {
        debug_assert!(position.offset() < Self::NOT_STORED, "the log stays below 2^56 bytes");
        Self(position.offset() | if retain { Self::RETAIN } else { 0 })
    }

    /// A message of which nothing is kept: it was sent and will not be sent again.
    pub fn passing() -> Self {
        Self(Self::NOT_STORED)
    }

    /// Where the message stands.
    pub fn position(self) -> Option<Position> {
        let offset = self.0 & Self::OFFSET_MASK;
        (offset != Self::NOT_STORED).then(|| Position::from_offset(offset))
    }

    /// Whether it goes out with RETAIN set.
    pub fn retain(self) -> bool {
        self.0 & Self::RETAIN != 0
    }
}

/// The next message to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Next {
    /// The message.
    pub entry: Entry,
    /// Its packet identifier, 1 to 65,535.
    pub packet_id: u16,
    /// Whether it was sent before (DUP, [MQTT-3.3.1-1]).
    pub again: bool,
}

/// See the module.
#[derive(Default, Debug)]
pub struct SessionQueue {
    entries: VecDeque<Entry>,
    /// Number of the oldest entry.
    first: u64,
    /// Number of the next entry to send.
    next: u64,
    /// One past the highest number ever sent.
    sent: u64,
    /// Entries below `next` that are not acknowledged.
    unacked: u32,
}

impl SessionQueue {
    /// Appends a message.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Messages that wait to be sent (dropped ones may still be counted).
    pub fn waiting(&self) -> usize {
        usize::try_from(self.end() - self.next).expect("entries are in memory")
    }

    /// Messages sent and not acknowledged.
    pub fn unacked(&self) -> u32 {
        self.unacked
    }

    /// Whether nothing is queued or in flight.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether [`SessionQueue::take_next`] would give a pushed message with this window.
    pub fn window_open(&self, window: u16) -> bool {
        self.unacked < u32::from(window) && self.next - self.first < IDENTIFIERS
    }

    /// Takes the next message to send while fewer than `window` are unacknowledged and its packet
    /// identifier is free.
    pub fn take_next(&mut self, window: u16) -> Option<Next> {
        while self.next < self.end() && self.window_open(window) {
            let number = self.next;
            let entry = self.entries[self.index(number)];
            self.next += 1;
            let again = number < self.sent;
            self.sent = self.sent.max(self.next);
            if entry != Entry::GONE {
                self.unacked += 1;
                return Some(Next { entry, packet_id: packet_id(number), again });
            }
            self.trim();
        }
        None
    }

    /// Forgets where the message taken last is stored: it will not be sent again.
    pub fn forget_taken(&mut self) {
        let at = self.index(self.next - 1);
        self.entries[at] = Entry::passing();
    }

    /// Ends the message with this packet identifier; gives it if it was in flight.
    pub fn acknowledge(&mut self, packet_id: u16) -> Option<Entry> {
        let residue = u64::from(packet_id).checked_sub(1)?;
        let number = self.first + (residue + IDENTIFIERS - self.first % IDENTIFIERS) % IDENTIFIERS;
        if number >= self.next {
            return None;
        }
        let at = self.index(number);
        let entry = std::mem::replace(&mut self.entries[at], Entry::GONE);
        if entry == Entry::GONE {
            return None;
        }
        self.unacked -= 1;
        self.trim();
        Some(entry)
    }

    /// Drops the oldest message that waits to be sent.
    pub fn drop_oldest_waiting(&mut self) -> Option<Entry> {
        while self.next < self.end() {
            let at = self.index(self.next);
            let entry = std::mem::replace(&mut self.entries[at], Entry::GONE);
            self.next += 1;
            self.trim();
            if entry != Entry::GONE {
                return Some(entry);
            }
        }
        None
    }

    /// Makes everything unacknowledged the next to send, in its old order (a client came back).
    pub fn rewind(&mut self) {
        self.next = self.first;
        self.unacked = 0;
    }

    /// Empties the queue; gives what it held.
    pub fn drain(&mut self) -> impl Iterator<Item = Entry> {
        self.first = self.end();
        self.next = self.first;
        self.unacked = 0;
        std::mem::take(&mut self.entries).into_iter().filter(|entry| *entry != Entry::GONE)
    }

    fn trim(&mut self) {
        while self.first < self.next && self.entries.front() == Some(&Entry::GONE) {
            self.entries.pop_front();
            self.first += 1;
        }
        if self.entries.is_empty() && self.entries.capacity() > ENTRIES_KEPT_MAX {
            self.entries.shrink_to(ENTRIES_KEPT_MAX);
        }
    }

    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number - self.first).expect("entries are in memory")
    }
}

fn packet_id(number: u64) -> u16 {
    u16::try_from(number % IDENTIFIERS + 1).expect("a remainder below 65,535")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(offset: u64) -> Entry {
        Entry::stored(Position::from_offset(offset), false)
    }

    fn offsets(queue: &mut SessionQueue, window: u16) -> Vec<(u64, u16, bool)> {
        std::iter::from_fn(|| queue.take_next(window))
            .map(|next| {
                let position = next.entry.position().expect("tests push stored entries");
                (position.offset(), next.packet_id, next.again)
            })
            .collect()
    }

    /// Acknowledgements in any order; a rewind brings exactly the rest, same ids, in order, as DUP.
    #[test]
    fn rewind_brings_what_is_unacknowledged() {
        let mut queue = SessionQueue::default();
        (0..6).for_each(|offset| queue.push(entry(offset)));
        assert_eq!(offsets(&mut queue, 5).len(), 5);
        for id in [4, 1, 3] {
            assert!(queue.acknowledge(id).is_some());
            assert!(queue.acknowledge(id).is_none(), "a repeated acknowledgement is nothing");
        }
        assert!(queue.acknowledge(6).is_none(), "not sent yet");
        assert!(queue.acknowledge(0).is_none());
        queue.rewind();
        assert_eq!(offsets(&mut queue, 9), [(1, 2, true), (4, 5, true), (5, 6, false)]);
        for id in [2, 5, 6] {
            assert!(queue.acknowledge(id).is_some());
        }
        assert!(queue.is_empty());
        assert_eq!(queue.unacked(), 0);
    }

    /// An identifier is not used again while its message is unacknowledged, and is never 0.
    #[test]
    fn identifiers_stall_before_they_wrap() {
        let mut queue = SessionQueue::default();
        let window = u16::MAX;
        (0..70_000).for_each(|offset| queue.push(entry(offset)));
        let taken = offsets(&mut queue, window);
        assert_eq!(taken.len(), 65_535);
        assert!(taken.iter().all(|(_, id, _)| *id != 0));
        for id in 2..=65_535 {
            assert!(queue.acknowledge(id).is_some());
        }
        assert!(queue.take_next(window).is_none(), "identifier 1 is still out");
        assert!(queue.acknowledge(1).is_some());
        assert_eq!(queue.take_next(window).map(|next| next.packet_id), Some(1));
    }

    /// What is passing keeps its identifier and no position; dropping takes the oldest waiting.
    #[test]
    fn passing_and_dropping() {
        let mut queue = SessionQueue::default();
        queue.push(entry(1));
        queue.take_next(9).expect("one waits");
        queue.forget_taken();
        (2..5).for_each(|offset| queue.push(entry(offset)));
        assert_eq!(queue.drop_oldest_waiting(), Some(entry(2)));
        assert_eq!(queue.acknowledge(1), Some(Entry::passing()));
        assert_eq!(offsets(&mut queue, 9), [(3, 3, false), (4, 4, false)]);
        assert_eq!(queue.drain().count(), 2);
        assert!(queue.is_empty());
    }

    /// The queue answers like a plain list of (id, state) under random operations.
    #[test]
    fn equals_a_plain_model() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |bound: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % bound
        };
        let (mut queue, mut offset) = (SessionQueue::default(), 0);
        let (mut waiting, mut flying) = (VecDeque::new(), Vec::<(u16, u64)>::new());
        for _ in 0..200_000 {
            match random(10) {
                0..4 => {
                    queue.push(entry(offset));
                    waiting.push_back(offset);
                    offset += 1;
                }
                4..7 => {
                    let next = queue.take_next(20);
                    let expected = if flying.len() < 20 { waiting.pop_front() } else { None };
                    let got = next.and_then(|next| next.entry.position()).map(Position::offset);
                    assert_eq!(got, expected);
                    flying.extend(next.map(|next| next.packet_id).zip(got));
                }
                7..9 if !flying.is_empty() => {
                    let bound = flying.len() as u64;
                    let at = usize::try_from(random(bound)).expect("small");
                    let (id, offset) = flying.remove(at);
                    assert_eq!(queue.acknowledge(id), Some(entry(offset)));
                }
                9 if random(50) == 0 => {
                    queue.rewind();
                    flying.sort_by_key(|(_, offset)| *offset);
                    for (_, offset) in flying.drain(..).rev() {
                        waiting.push_front(offset);
                    }
                }
                _ => {}
            }
            assert_eq!(queue.unacked() as usize, flying.len());
        }
    }
}
