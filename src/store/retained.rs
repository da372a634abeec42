//! The retained messages of one vhost whose topics belong to one shard.
//!
//! Invariant: at most one message a topic; none has an empty payload (that clears,
//! [MQTT-3.3.1-10]). Topics are kept in byte order, so that a wildcard's literal beginning bounds
//! the scan and a scan can stop and go on after any topic while the store changes.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// A retained message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retained {
    /// Application message; never empty.
    pub payload: Box<[u8]>,
    /// QoS it was published with, 0 to 2.
    pub qos: u8,
}

/// How a scan ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScanEnd {
    /// There is nothing more.
    Done,
    /// It stopped after this topic.
    After(Box<str>),
}

/// See the module.
#[derive(Default, Debug)]
pub struct RetainStore {
    messages: BTreeMap<Box<str>, Retained>,
    /// Bytes of topics and payloads.
    bytes: usize,
}

impl RetainStore {
    /// Sets the message of a topic, or clears it when the payload is empty. False if it would take
    /// the store beyond `bytes_max`: then the topic keeps what it had.
    pub fn set(&mut self, topic: &str, payload: &[u8], qos: u8, bytes_max: usize) -> bool {
        let known = self.messages.get(topic).map_or(0, |known| topic.len() + known.payload.len());
        if payload.is_empty() {
            self.messages.remove(topic);
            self.bytes -= known;
            return true;
        }
        let bytes = self.bytes - known + topic.len() + payload.len();
        if bytes > bytes_max {
            return false;
        }
        self.bytes = bytes;
        let retained = Retained { payload: payload.into(), qos };
        match self.messages.get_mut(topic) {
            Some(slot) => *slot = retained,
            None => {
                self.messages.insert(topic.into(), retained);
            }
        }
        true
    }

    /// The message of a topic.
    pub fn get(&self, topic: &str) -> Option<&Retained> {
        self.messages.get(topic)
    }

    /// Number of topics that have a message.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether no topic has a message.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Visits the topics that begin with `prefix`, in byte order, from the one after `after`; at
    /// most `visits_max` of them, and not beyond one for which `visit` breaks.
    pub fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        visits_max: usize,
        mut visit: impl FnMut(&str, &Retained) -> ControlFlow<()>,
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
            if visit(topic, retained).is_break() || visited + 1 == visits_max {
                return ScanEnd::After(topic.clone());
            }
        }
        ScanEnd::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(topics: &[&str]) -> RetainStore {
        let mut store = RetainStore::default();
        for topic in topics {
            assert!(store.set(topic, topic.as_bytes(), 1, 1000));
        }
        store
    }

    fn scan(store: &RetainStore, prefix: &str, page: usize) -> Vec<String> {
        let (mut found, mut after) = (Vec::new(), None::<Box<str>>);
        loop {
            let end = store.scan(prefix, after.as_deref(), page, |topic, retained| {
                assert_eq!(*retained.payload, *topic.as_bytes());
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

    /// A second message replaces, an empty one clears, and clearing nothing is nothing.
    #[test]
    fn replace_and_clear() {
        let mut store = store(&["é/a", "é/b"]);
        assert!(store.set("é/a", b"", 0, 0));
        assert!(store.set("zz", b"", 0, 0));
        assert_eq!(scan(&store, "", 9), ["é/b"]);
        assert!(store.set("é/b", b"", 1, 0));
        assert!(store.is_empty());
    }

    /// Bytes are counted through replacing and clearing; what does not fit changes nothing.
    #[test]
    fn bytes_are_bounded() {
        let mut store = RetainStore::default();
        assert!(store.set("abc", b"1234567", 0, 10));
        assert!(!store.set("d", b"1", 0, 10));
        assert!(!store.set("abc", b"12345678", 0, 10));
        assert!(store.set("abc", b"12", 0, 10));
        assert!(store.set("d", b"1234", 0, 10));
        assert_eq!(store.get("abc").map(|kept| &*kept.payload), Some(&b"12"[..]));
        assert!(store.set("abc", b"", 0, 10) && store.set("d", b"", 0, 10));
        assert_eq!(store.bytes, 0);
    }
}
