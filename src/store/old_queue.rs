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
//! Invariant: `first <= next <= sent <= end`, `sent - first <= 65,535`, and `first` is never
//! acknowledged (or the queue is empty). A message's number in its queue fixes its packet
//! identifier, so the same message has the same identifier after a reconnect [MQTT-4.4.0-1], and
//! nothing is stored for it.

use std::collections::VecDeque;

use super::position::Position;

/// Packet identifiers there are: 1 to 65,535 [MQTT-2.3.1-1].
const IDENTIFIERS: u64 = 65_535;

/// Entries whose memory an empty queue keeps.
const ENTRIES_KEPT_MAX: usize = 64;

/// How a message is to be delivered, beside where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct EntryTerms {
    /// It goes out with RETAIN set.
    pub retain: bool,
    /// It goes out at QoS 2; else at QoS 1.
    pub exactly_once: bool,
}

/// A message in a queue: where it is stored, if it is, and how it is to be delivered.
///
/// | bits | what |
/// |---|---|
/// | 0–55 | offset in the log; all ones: not stored |
/// | 56 | RETAIN |
/// | 57 | QoS 2 |
/// | 58 | released: the client has it and owes PUBCOMP |
/// | all | ones: gone |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry(u64);

impl Entry {
    const OFFSET_MASK: u64 = (1 << 56) - 1;
    const NOT_STORED: u64 = Self::OFFSET_MASK;
    const RETAIN: u64 = 1 << 56;
    const EXACTLY_ONCE: u64 = 1 << 57;
    const RELEASED: u64 = 1 << 58;
    const GONE: Self = Self(u64::MAX);

    /// A message that stands in the log.
    pub fn stored(position: Position, terms: EntryTerms) -> Self {
        debug_assert!(position.bits() < Self::NOT_STORED, "the log stays below 2^56 bytes");
        Self(position.bits() | Self::bits(terms))
    }

    /// A message of which nothing is kept: it was sent and will not be sent again.
    pub fn passing(terms: EntryTerms) -> Self {
        Self(Self::NOT_STORED | Self::bits(terms))
    }

    /// Where the message stands.
    pub fn position(self) -> Option<Position> {
        let offset = self.0 & Self::OFFSET_MASK;
        (offset != Self::NOT_STORED).then(|| Position::from_bits(offset))
    }

    /// How it is to be delivered.
    pub fn terms(self) -> EntryTerms {
        EntryTerms {
            retain: self.0 & Self::RETAIN != 0,
            exactly_once: self.0 & Self::EXACTLY_ONCE != 0,
        }
    }

    fn bits(terms: EntryTerms) -> u64 {
        let bit = |set, bit| if set { bit } else { 0 };
        bit(terms.retain, Self::RETAIN) | bit(terms.exactly_once, Self::EXACTLY_ONCE)
    }

    fn is_released(self) -> bool {
        self != Self::GONE && self.0 & Self::RELEASED != 0
    }
}

/// The next packet to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// PUBLISH.
    Publish {
        /// The message.
        entry: Entry,
        /// Its packet identifier, 1 to 65,535.
        packet_id: u16,
        /// Whether it was sent before (DUP, [MQTT-3.3.1-1]).
        again: bool,
    },
    /// PUBREL of a message that was released before its client went away [MQTT-4.4.0-1].
    Release {
        /// The message's packet identifier.
        packet_id: u16,
    },
}

/// What a client's answer to a message in flight means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The step is done; what the entry refers to is needed no more.
    Done(Entry),
    /// No such message is in flight, or the step was done before.
    Known,
    /// The answer belongs to another QoS.
    Wrong,
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

    /// Takes the next packet to send while fewer than `window` messages are unacknowledged and the
    /// next packet identifier is free.
    pub fn take_next(&mut self, window: u16) -> Option<Next> {
        while self.next < self.end() && self.window_open(window) {
            let number = self.next;
            let entry = self.entries[self.index(number)];
            self.next += 1;
            let again = number < self.sent;
            self.sent = self.sent.max(self.next);
            if entry == Entry::GONE {
                self.trim();
                continue;
            }
            self.unacked += 1;
            let packet_id = packet_id(number);
            return Some(match entry.is_released() {
                true => Next::Release { packet_id },
                false => Next::Publish { entry, packet_id, again },
            });
        }
        None
    }

    /// Forgets where the message taken last is stored: it will not be sent again.
    pub fn forget_taken(&mut self) {
        let at = self.index(self.next - 1);
        self.entries[at] = Entry::passing(self.entries[at].terms());
    }

    /// PUBACK: ends the QoS 1 message with this packet identifier.
    pub fn acknowledge(&mut self, packet_id: u16) -> Answer {
        let Some(at) = self.in_flight(packet_id) else { return Answer::Known };
        let entry = self.entries[at];
        if entry.terms().exactly_once {
            return Answer::Wrong;
        }
        self.end_at(at);
        Answer::Done(entry)
    }

    /// PUBREC: the client has the QoS 2 message; its identifier stays taken until PUBCOMP.
    pub fn release(&mut self, packet_id: u16) -> Answer {
        let Some(at) = self.in_flight(packet_id) else { return Answer::Known };
        let entry = self.entries[at];
        if !entry.terms().exactly_once {
            return Answer::Wrong;
        }
        if entry.is_released() {
            return Answer::Known;
        }
        self.entries[at] = Entry(Entry::passing(entry.terms()).0 | Entry::RELEASED);
        Answer::Done(entry)
    }

    /// PUBCOMP: ends the QoS 2 message with this packet identifier, if it was released.
    pub fn complete(&mut self, packet_id: u16) -> Answer {
        let at = self.in_flight(packet_id);
        let Some(at) = at.filter(|at| self.entries[*at].is_released()) else {
            return Answer::Known;
        };
        let entry = self.entries[at];
        self.end_at(at);
        Answer::Done(entry)
    }

    /// Drops the oldest message that waits to be sent.
    pub fn drop_oldest_waiting(&mut self) -> Option<Entry> {
        while self.next < self.end() {
            let at = self.index(self.next);
            if self.next >= self.sent {
                // Never sent: its number, and so its identifier, goes to the message behind it.
                return self.entries.remove(at);
            }
            let entry = self.entries[at];
            self.next += 1;
            if entry.is_released() {
                // Nothing is stored for it; its PUBREL is owed when the client comes back.
                self.unacked += 1;
                continue;
            }
            self.entries[at] = Entry::GONE;
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
        self.sent = self.first;
        self.unacked = 0;
        std::mem::take(&mut self.entries).into_iter().filter(|entry| *entry != Entry::GONE)
    }

    /// Index of the unacknowledged message that was sent with this identifier.
    fn in_flight(&self, packet_id: u16) -> Option<usize> {
        let residue = u64::from(packet_id).checked_sub(1)?;
        let number = self.first + (residue + IDENTIFIERS - self.first % IDENTIFIERS) % IDENTIFIERS;
        // A client that came back may answer what was sent before, ahead of its coming again.
        if number >= self.sent {
            return None;
        }
        let at = self.index(number);
        (self.entries[at] != Entry::GONE).then_some(at)
    }

    fn end_at(&mut self, at: usize) {
        self.entries[at] = Entry::GONE;
        if at < self.index(self.next) {
            self.unacked -= 1;
        }
        self.trim();
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

    const QOS_2: EntryTerms = EntryTerms { retain: false, exactly_once: true };

    fn entry(offset: u64) -> Entry {
        Entry::stored(Position::durable(offset), EntryTerms::default())
    }

    fn offsets(queue: &mut SessionQueue, window: u16) -> Vec<(u64, u16, bool)> {
        let publish = |next| match next {
            Next::Publish { entry, packet_id, again } => {
                let position = entry.position().expect("tests push stored entries");
                (position.offset(), packet_id, again)
            }
            Next::Release { packet_id } => panic!("{packet_id} is released"),
        };
        std::iter::from_fn(|| queue.take_next(window)).map(publish).collect()
    }

    fn is_done(answer: Answer) -> bool {
        matches!(answer, Answer::Done(_))
    }

    /// Acknowledgements in any order; a rewind brings exactly the rest, same ids, in order, as DUP.
    #[test]
    fn rewind_brings_what_is_unacknowledged() {
        let mut queue = SessionQueue::default();
        (0..6).for_each(|offset| queue.push(entry(offset)));
        assert_eq!(offsets(&mut queue, 5).len(), 5);
        for id in [4, 1, 3] {
            assert!(is_done(queue.acknowledge(id)));
            assert_eq!(queue.acknowledge(id), Answer::Known, "a repeated one is nothing");
        }
        assert_eq!(queue.acknowledge(6), Answer::Known, "not sent yet");
        assert_eq!(queue.acknowledge(0), Answer::Known);
        queue.rewind();
        assert_eq!(offsets(&mut queue, 9), [(1, 2, true), (4, 5, true), (5, 6, false)]);
        for id in [2, 5, 6] {
            assert!(is_done(queue.acknowledge(id)));
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
            assert!(is_done(queue.acknowledge(id)));
        }
        assert!(queue.take_next(window).is_none(), "identifier 1 is still out");
        assert!(is_done(queue.acknowledge(1)));
        assert_eq!(offsets(&mut queue, window)[0].1, 1);
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
        assert_eq!(queue.acknowledge(1), Answer::Done(Entry::passing(EntryTerms::default())));
        assert_eq!(offsets(&mut queue, 9), [(3, 2, false), (4, 3, false)]);
        assert_eq!(queue.drain().count(), 2);
        assert!(queue.is_empty());
    }

    /// Drops behind an unacknowledged message leave nothing behind, and the window as it was.
    #[test]
    fn drops_leave_nothing() {
        let mut queue = SessionQueue::default();
        queue.push(entry(0));
        assert_eq!(offsets(&mut queue, 1).len(), 1);
        for offset in 1..100_000 {
            queue.push(entry(offset));
            assert_eq!(queue.drop_oldest_waiting(), Some(entry(offset)));
        }
        assert_eq!((queue.entries.len(), queue.waiting()), (1, 0));
        queue.push(entry(7));
        assert_eq!(offsets(&mut queue, 2), [(7, 2, false)]);
    }

    /// QoS 2: the message goes at PUBREC, its identifier at PUBCOMP; what is owed comes again.
    #[test]
    fn exactly_once_has_two_steps() {
        let mut queue = SessionQueue::default();
        for offset in 0..3 {
            queue.push(Entry::stored(Position::durable(offset), QOS_2));
        }
        queue.push(entry(3));
        assert_eq!(offsets(&mut queue, 4).len(), 4);
        assert_eq!(queue.acknowledge(2), Answer::Wrong);
        assert_eq!(queue.release(4), Answer::Wrong);
        assert_eq!(queue.complete(2), Answer::Known, "not released yet");
        assert!(is_done(queue.release(2)));
        assert_eq!(queue.release(2), Answer::Known);
        assert_eq!(queue.unacked(), 4, "its identifier is taken");
        queue.rewind();
        let next: Vec<_> = std::iter::from_fn(|| queue.take_next(4)).collect();
        assert!(matches!(next[0], Next::Publish { packet_id: 1, again: true, .. }));
        assert_eq!(next[1], Next::Release { packet_id: 2 });
        assert!(matches!(next[2], Next::Publish { packet_id: 3, again: true, .. }));
        assert!(is_done(queue.complete(2)) && is_done(queue.acknowledge(4)));
        queue.rewind();
        assert!(is_done(queue.release(3)), "answered before it came again");
        let next: Vec<_> = std::iter::from_fn(|| queue.take_next(4)).collect();
        assert!(matches!(next[0], Next::Publish { packet_id: 1, .. }));
        assert_eq!(next[1..], [Next::Release { packet_id: 3 }]);
        assert!(is_done(queue.complete(3)) && queue.unacked() == 1);
        assert!(is_done(queue.release(1)) && is_done(queue.complete(1)));
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
                    let got = next.map(|next| match next {
                        Next::Publish { entry, packet_id, .. } => {
                            (packet_id, entry.position().map(Position::offset))
                        }
                        Next::Release { .. } => panic!("nothing is released"),
                    });
                    assert_eq!(got.and_then(|(_, offset)| offset), expected);
                    flying.extend(got.map(|(id, _)| id).zip(expected));
                }
                7..9 if !flying.is_empty() => {
                    let bound = flying.len() as u64;
                    let at = usize::try_from(random(bound)).expect("small");
                    let (id, offset) = flying.remove(at);
                    assert_eq!(queue.acknowledge(id), Answer::Done(entry(offset)));
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
