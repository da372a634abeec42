//! Messages of a queue, packed into a few bytes each.
//!
//! A message is two numbers in LEB128, *what* and *bytes*:
//!
//! | bytes | what |
//! |---|---|
//! | size of its record | 4 × its distance from the message before, + 2 if RETAIN, + 1 if QoS 2 |
//! | 0 | no record: *what* is 0 if the message is gone, 1 if it is released |
//!
//! The distance is in bytes of the log; 0, −1, 1, −2, … are written as 0, 1, 2, 3, … (zigzag). The
//! first stored message's distance is from `base`.
//!
//! Invariant: `bytes[start..]` has exactly `count` messages. The last stored one is at `last`; if
//! there is none, `last` is `base`.

use super::super::cursor::{Cursor, put_bytes, put_varint, varint_bytes};
use super::super::position::Position;
use super::entry::{Entry, Terms};

/// The most bytes of one message: the first number has at most 58 bits, the second 32.
pub(super) const PACKED_ENTRY_MAX: usize = 9 + 5;

/// The C library's heap has a head before each allocation, and head and allocation together are a
/// multiple of the step. A capacity that fills the multiple costs nothing more.
const MALLOC_HEAD: usize = 8;
const MALLOC_STEP: usize = 16;

/// The least allocation, including the head: it has room for about ten messages. Growth in smaller
/// steps, in thousands of sessions at once, would fragment the heap.
const FIRST_BYTES: usize = 64;

/// See the file.
#[derive(Clone, Default, Debug)]
pub(super) struct Packed {
    base: u64,
    last: u64,
    bytes: Vec<u8>,
    start: u32,
    count: u32,
}

impl Packed {
    /// An empty value.
    pub(super) const NONE: Self = Self { base: 0, last: 0, bytes: Vec::new(), start: 0, count: 0 };

    /// The messages of a record; `None` if the bytes are not exactly `count` messages.
    pub(super) fn read(base: u64, count: u32, bytes: &[u8]) -> Option<Self> {
        let mut unpack = Unpack::new(base, count, bytes)?;
        unpack.by_ref().for_each(drop);
        let whole = unpack.left == 0 && unpack.cursor.is_empty();
        whole.then(|| Self { base, last: unpack.last, bytes: bytes.to_vec(), start: 0, count })
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The base of the first message's distance.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start as usize..]
    }

    /// Appends a message; a passing one, which is not kept, becomes one that is gone.
    ///
    /// # Panics
    /// If the message is stored, but not in the log on disk.
    pub(super) fn push(&mut self, entry: Entry) {
        let Some(position) = entry.position() else {
            return self.append(u64::from(entry == Entry::RELEASED), 0);
        };
        assert!(!position.is_volatile() && entry.bytes() > 0, "it is to be found again");
        let offset = position.offset();
        if self.count == 0 {
            self.base = offset;
            self.last = offset;
        }
        let terms = entry.terms();
        let bits = u64::from(terms.retain) << 1 | u64::from(terms.exactly_once);
        self.append(zigzag(offset.wrapping_sub(self.last)) << 2 | bits, entry.bytes());
        self.last = offset;
    }

    /// Removes all messages.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Removes the first message and returns it.
    pub(super) fn pop_front(&mut self) -> Option<Entry> {
        let mut unpack = self.iter();
        let entry = unpack.next()?;
        let (base, left) = (unpack.last, unpack.cursor.len());
        self.cut(base, self.bytes.len() - left, 1);
        Some(entry)
    }

    /// Removes the first `count` messages and returns them; all, if there are fewer.
    pub(super) fn split_front(&mut self, count: u32) -> Self {
        let count = count.min(self.count);
        let mut unpack = self.iter();
        unpack.by_ref().take(count as usize).for_each(drop);
        let (last, left) = (unpack.last, unpack.cursor.len());
        let end = self.bytes.len() - left;
        let bytes = self.bytes[self.start as usize..end].to_vec();
        let front = Self { base: self.base, last, bytes, start: 0, count };
        self.cut(last, end, count);
        front
    }

    /// All messages.
    pub(super) fn iter(&self) -> Unpack<'_> {
        Unpack { cursor: Cursor(self.bytes()), last: self.base, left: self.count }
    }

    /// Appends it to the state of a queue: count *v*, base *v*, *bytes*.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.count.into());
        put_varint(out, self.base);
        put_bytes(out, self.bytes());
    }

    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (count, base) = (cursor.narrow()?, cursor.varint()?);
        Self::read(base, count, cursor.bytes()?)
    }

    fn append(&mut self, what: u64, bytes: u32) {
        let needed = varint_bytes(what) + varint_bytes(bytes.into());
        let len = self.bytes.len();
        if self.bytes.capacity() - len < needed {
            // Not doubled: thousands of sessions have a few messages each and grow at the same
            // time.
            let wanted = (len + needed.max(len / 4) + MALLOC_HEAD).next_multiple_of(MALLOC_STEP);
            let capacity = wanted.max(FIRST_BYTES);
            self.bytes.reserve_exact(capacity - MALLOC_HEAD - len);
        }
        put_varint(&mut self.bytes, what);
        put_varint(&mut self.bytes, bytes.into());
        self.count += 1;
    }

    /// Removes the first `count` messages, which end at byte `start`.
    fn cut(&mut self, base: u64, start: usize, count: u32) {
        self.count -= count;
        self.base = base;
        if self.count == 0 {
            self.clear();
            return;
        }
        self.start = u32::try_from(start).expect("a queue's end stays below 4 GiB");
        // Each byte is moved at most once for each removed byte.
        if start > self.bytes.len() / 2 {
            self.bytes.drain(..start);
            self.bytes.shrink_to(self.bytes.len() * 2);
            self.start = 0;
        }
    }
}

impl FromIterator<Entry> for Packed {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut packed = Self::default();
        entries.into_iter().for_each(|entry| packed.push(entry));
        packed
    }
}

/// Reads messages; ends early at invalid bytes.
#[derive(Debug)]
pub(super) struct Unpack<'a> {
    cursor: Cursor<'a>,
    last: u64,
    left: u32,
}

impl<'a> Unpack<'a> {
    /// Reads `count` messages; `None` if the bytes are too few: each message has at least two.
    pub(super) fn new(base: u64, count: u32, bytes: &'a [u8]) -> Option<Self> {
        let may = base < Position::OFFSET_END && bytes.len() / 2 >= count as usize;
        may.then_some(Self { cursor: Cursor(bytes), last: base, left: count })
    }

    fn entry(&mut self) -> Option<Entry> {
        let (bits, bytes) = (self.cursor.varint()?, self.cursor.narrow()?);
        match (bits, bytes) {
            (0, 0) => return Some(Entry::GONE),
            (1, 0) => return Some(Entry::RELEASED),
            (_, 0) => return None,
            _ => {}
        }
        let offset = self.last.wrapping_add(unzigzag(bits >> 2));
        self.last = Some(offset).filter(|offset| *offset < Position::OFFSET_END)?;
        let terms = Terms { retain: bits & 2 != 0, exactly_once: bits & 1 != 0 };
        Some(Entry::stored(Position::durable(offset), bytes, terms))
    }
}

impl Iterator for Unpack<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let left = self.left.checked_sub(1)?;
        let entry = self.entry()?;
        self.left = left;
        Some(entry)
    }
}

fn zigzag(difference: u64) -> u64 {
    difference << 1 ^ 0u64.wrapping_sub(difference >> 63)
}

fn unzigzag(value: u64) -> u64 {
    value >> 1 ^ 0u64.wrapping_sub(value & 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: u64 = Position::OFFSET_END - 1;

    fn entries() -> Vec<Entry> {
        let offsets = [5, EDGE, 0, 0, 1, EDGE, EDGE - 1, 1 << 30, 100, 163, 164];
        let mut entries = vec![Entry::GONE, Entry::RELEASED];
        for (at, offset) in offsets.into_iter().enumerate() {
            let terms = Terms { retain: at % 2 == 0, exactly_once: at % 3 == 0 };
            let bytes = [1, 127, 128, u32::MAX][at % 4];
            entries.push(Entry::stored(Position::durable(offset), bytes, terms));
            if at == 5 {
                entries.extend([Entry::RELEASED, Entry::GONE]);
            }
        }
        entries
    }

    // Packed messages are unpacked unchanged, at either end of the log, and have at most this many
    // bytes each.
    #[test]
    fn entries_come_back() {
        let entries = entries();
        let packed: Packed = entries.iter().copied().collect();
        assert!(packed.bytes().len() <= entries.len() * PACKED_ENTRY_MAX);
        assert_eq!(packed.iter().collect::<Vec<_>>(), entries);
        let far = Entry::stored(Position::durable(0), u32::MAX, Terms::default());
        let mut packed: Packed =
            [Entry::stored(Position::durable(EDGE), 1, Terms::default())].into_iter().collect();
        let before = packed.bytes().len();
        packed.push(far);
        assert_eq!(packed.bytes().len() - before, PACKED_ENTRY_MAX);
    }

    // Removing one or many messages returns the first and leaves the others; more can be appended.
    #[test]
    fn the_front_comes_off() {
        let mut entries = entries();
        for count in 0..=entries.len() + 1 {
            let mut packed: Packed = entries.iter().copied().collect();
            let mut popped = packed.clone();
            let front = packed.split_front(u32::try_from(count).expect("small"));
            let count = count.min(entries.len());
            let mut longer = front.clone();
            longer.push(entries[3]);
            assert_eq!(longer.iter().last(), Some(entries[3]));
            assert_eq!(front.iter().collect::<Vec<_>>(), entries[..count]);
            for entry in &entries[..count] {
                assert_eq!(popped.pop_front(), Some(*entry));
            }
            for mut rest in [packed, popped] {
                assert_eq!(rest.is_empty(), count == entries.len());
                let more = Entry::stored(Position::durable(77), 7, Terms::default());
                rest.push(more);
                entries.push(more);
                assert_eq!(rest.iter().collect::<Vec<_>>(), entries[count..]);
                let (base, count) = (rest.base(), rest.count());
                let read = Packed::read(base, count, rest.bytes()).expect("it is whole");
                assert_eq!(read.iter().collect::<Vec<_>>(), rest.iter().collect::<Vec<_>>());
                entries.pop();
            }
        }
    }

    // Invalid bytes are refused.
    #[test]
    fn broken_bytes_are_refused() {
        let packed: Packed = entries().into_iter().collect();
        let (base, count, bytes) = (packed.base(), packed.count(), packed.bytes());
        assert!(Packed::read(base, count, bytes).is_some());
        assert!(Packed::read(base, count - 1, bytes).is_none());
        assert!(Packed::read(base, count + 1, bytes).is_none());
        assert!(Packed::read(base, count, &bytes[..bytes.len() - 1]).is_none());
        assert!(Packed::read(0, u32::MAX, &[]).is_none());
        assert!(Packed::read(0, 1, &[2, 0]).is_none(), "neither gone nor released");
        assert!(Packed::read(Position::OFFSET_END, 1, &[0, 0]).is_none(), "no base");
        assert!(Packed::read(0, 1, &[4, 1]).is_none(), "one before the log");
        assert!(Packed::read(EDGE, 1, &[8, 1]).is_none(), "one behind it");
        assert!(Packed::read(EDGE, 1, &[4, 1]).is_some());
    }

    // Ten messages of a fan-out to ten thousand sessions, with about 40 KB of records between any
    // two, fit the first allocation, also when messages are removed and added one by one.
    #[test]
    fn memory_follows_what_is_in_it() {
        let entry = |at: u64| {
            Entry::stored(Position::durable((1 << 40) + at * 40_000), 300, Terms::default())
        };
        let mut packed: Packed = (0..10).map(entry).collect();
        assert_eq!(packed.bytes.capacity() + MALLOC_HEAD, FIRST_BYTES);
        for at in 10..10_000 {
            packed.push(entry(at));
            assert_eq!(packed.pop_front(), Some(entry(at - 10)));
        }
        assert!(packed.bytes.capacity() <= 256, "{}", packed.bytes.capacity());
        assert!((0..10).all(|_| packed.pop_front().is_some()));
        assert_eq!(packed.bytes.capacity(), 0);
    }
}
