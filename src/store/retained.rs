//! The retained messages of one vhost whose topics belong to one shard: their positions in the log.
//!
//! Invariant: a topic has at most one message, and none has an empty payload, which clears the
//! topic [MQTT-3.3.1-10]. Topics are in byte order, so that a wildcard's literal prefix bounds a
//! scan, and a scan can stop and continue after any topic while the store changes.
//!
//! Entry of a checkpoint: topic *text*, position 8, size of the record *v*. If the message expires,
//! the position's highest bit is set, and the deadline follows, 4.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::{Bound, ControlFlow};

use super::cursor::{Cursor, put_bytes, put_varint};
use super::position::Position;

/// The place of a retained message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retained {
    /// The position of its record.
    pub position: Position,
    /// The size of the record.
    pub bytes: u32,
    /// A second of the time line by which it has expired; `None`: never, or not before 2106.
    pub deadline_s: Option<NonZero<u32>>,
}

/// The bit of a position in a checkpoint that announces a deadline.
const EXPIRES: u64 = 1 << 63;

/// The end of a scan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScanEnd {
    /// No topics are left.
    Done,
    /// It stopped after this topic.
    After(Box<str>),
}

/// See the file.
#[derive(Default, Debug)]
pub struct RetainStore {
    messages: BTreeMap<Box<str>, Retained>,
    /// The size of all records.
    bytes: u64,
    /// The number of messages with a deadline.
    expiring: usize,
}

impl RetainStore {
    /// Sets the message of a topic; returns the replaced one.
    pub(super) fn set(&mut self, topic: &str, retained: Retained) -> Option<Retained> {
        self.bytes += u64::from(retained.bytes);
        self.expiring += usize::from(retained.deadline_s.is_some());
        let before = match self.messages.get_mut(topic) {
            Some(slot) => Some(std::mem::replace(slot, retained)),
            None => self.messages.insert(topic.into(), retained),
        };
        before.inspect(|before| self.uncount(before))
    }

    /// Clears the message of a topic; returns it.
    pub(super) fn clear(&mut self, topic: &str) -> Option<Retained> {
        self.messages.remove(topic).inspect(|before| self.uncount(before))
    }

    fn uncount(&mut self, before: &Retained) {
        self.bytes -= u64::from(before.bytes);
        self.expiring -= usize::from(before.deadline_s.is_some());
    }

    /// Whether any of them expires.
    pub(super) fn has_expiring(&self) -> bool {
        self.expiring > 0
    }

    /// The message of a topic.
    pub fn get(&self, topic: &str) -> Option<Retained> {
        self.messages.get(topic).copied()
    }

    /// The number of topics with a message.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether no topic has a message.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The size of all records.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All messages.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Retained)> {
        self.messages.iter().map(|(topic, retained)| (&**topic, *retained))
    }

    /// Visits the topics with this prefix in byte order, from the one after `after` on. It stops
    /// after `visits_max` topics, or when `visit` breaks.
    pub fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        visits_max: usize,
        mut visit: impl FnMut(&str, Retained) -> ControlFlow<()>,
    ) -> ScanEnd {
        let from = match after {
            Some(topic) => Bound::Excluded(topic),
            None => Bound::Included(prefix),
        };
        let range = self.messages.range::<str, _>((from, Bound::Unbounded));
        for (visited, (topic, retained)) in range.enumerate() {
            if !topic.starts_with(prefix) {
                return ScanEnd::Done;
            }
            if visit(topic, *retained).is_break() || visited + 1 == visits_max {
                return ScanEnd::After(topic.clone());
            }
        }
        ScanEnd::Done
    }

    /// Appends the entries after `after`, about `bytes_max` bytes.
    pub(super) fn capture(
        &self,
        after: Option<&str>,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> ScanEnd {
        self.scan("", after, usize::MAX, |topic, retained| {
            put_bytes(out, topic.as_bytes());
            let flag = if retained.deadline_s.is_some() { EXPIRES } else { 0 };
            out.extend_from_slice(&(retained.position.offset() | flag).to_le_bytes());
            put_varint(out, retained.bytes.into());
            let deadline_s = retained.deadline_s.map(|seconds| seconds.get().to_le_bytes());
            out.extend(deadline_s.into_iter().flatten());
            if out.len() < bytes_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    }

    /// Restores entries that [`RetainStore::capture`] wrote; `None` if they are invalid.
    pub(super) fn restore(&mut self, entries: &[u8]) -> Option<()> {
        let mut cursor = Cursor(entries);
        while !cursor.is_empty() {
            let topic = cursor.text()?;
            let flagged = cursor.u64()?;
            let offset = Some(flagged & !EXPIRES).filter(|at| *at < Position::OFFSET_END)?;
            let (position, bytes) = (Position::durable(offset), cursor.narrow()?);
            let deadline_s = match flagged & EXPIRES {
                0 => None,
                _ => Some(NonZero::new(cursor.u32()?)?),
            };
            self.set(topic, Retained { position, bytes, deadline_s });
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(topics: &[&str]) -> RetainStore {
        let mut store = RetainStore::default();
        for (offset, topic) in (0..).zip(topics) {
            assert_eq!(store.set(topic, retained(offset, topic.len())), None);
        }
        store
    }

    fn retained(offset: u64, bytes: usize) -> Retained {
        let bytes = u32::try_from(bytes).expect("small");
        Retained { position: Position::durable(offset), bytes, deadline_s: None }
    }

    fn scan(store: &RetainStore, prefix: &str, page: usize) -> Vec<String> {
        let (mut found, mut after) = (Vec::new(), None::<Box<str>>);
        loop {
            let end = store.scan(prefix, after.as_deref(), page, |topic, retained| {
                assert_eq!(retained.bytes as usize, topic.len());
                found.push(topic.to_owned());
                ControlFlow::Continue(())
            });
            match end {
                ScanEnd::Done => return found,
                ScanEnd::After(topic) => after = Some(topic),
            }
        }
    }

    /// Any page size visits the same topics, once each, and only those with the prefix.
    #[test]
    fn pages_add_up() {
        let store = store(&["a", "a/b", "a/c", "a0", "b/", "é/x", "é/y", "$SYS/a"]);
        for page in 1..10 {
            assert_eq!(scan(&store, "a/", page), ["a/b", "a/c"]);
            assert_eq!(scan(&store, "é/", page), ["é/x", "é/y"]);
            assert_eq!(scan(&store, "", page).len(), 8);
            assert!(scan(&store, "c", page).is_empty());
        }
    }

    /// A second message replaces the first, clearing an empty topic has no effect, and bytes are
    /// always counted.
    #[test]
    fn replace_and_clear() {
        let mut store = store(&["é/a", "é/b"]);
        assert_eq!(store.set("é/a", retained(9, 100)), Some(retained(0, 4)));
        assert_eq!((store.bytes(), store.len()), (104, 2));
        assert_eq!(store.clear("zz"), None);
        assert_eq!(store.clear("é/a"), Some(retained(9, 100)));
        assert_eq!(store.clear("é/b"), Some(retained(1, 4)));
        assert!(store.is_empty() && store.bytes() == 0);
    }

    /// Entries captured in parts of any size are restored completely, and their bytes do not
    /// change.
    #[test]
    fn capture_and_restore() {
        let store = store(&["a", "a/b", "é/x", ""]);
        for piece in [1, 15, 1000] {
            let (mut restored, mut after) = (RetainStore::default(), None::<Box<str>>);
            loop {
                let mut bytes = Vec::new();
                let end = store.capture(after.as_deref(), piece, &mut bytes);
                restored.restore(&bytes).expect("they are whole");
                match end {
                    ScanEnd::Done => break,
                    ScanEnd::After(topic) => after = Some(topic),
                }
            }
            assert!(restored.iter().eq(store.iter()) && restored.bytes() == store.bytes());
        }
        let deadline_s = NonZero::new(0x0a0b_0c0d);
        let mut expiring = RetainStore::default();
        expiring.set("é", Retained { deadline_s, ..retained(7, 300) });
        assert!(expiring.has_expiring());
        let mut bytes = Vec::new();
        expiring.capture(None, 1, &mut bytes);
        let golden = [2, 0xc3, 0xa9, 7, 0, 0, 0, 0, 0, 0, 0x80, 0xac, 2, 0xd, 0xc, 0xb, 0xa];
        assert_eq!(bytes, golden);
        let mut restored = RetainStore::default();
        restored.restore(&bytes).expect("they are whole");
        assert!(restored.iter().eq(expiring.iter()));
        for end in 1..bytes.len() {
            assert!(RetainStore::default().restore(&bytes[..end]).is_none(), "cut at {end}");
        }
        restored.set("é", retained(8, 9));
        assert!(!restored.has_expiring(), "it was replaced");
        assert!(size_of::<Retained>() <= 16, "a deadline takes no more room");
        let mut golden = Vec::new();
        store.capture(Some("a/b"), 1, &mut golden);
        assert_eq!(golden, [4, 0xc3, 0xa9, b'/', b'x', 2, 0, 0, 0, 0, 0, 0, 0, 4]);
        assert!(RetainStore::default().restore(&golden[..10]).is_none());
    }
}
