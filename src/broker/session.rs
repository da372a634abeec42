//! Sessions: what outlives a connection (3.1.2.4): subscriptions, and messages not yet
//! acknowledged.
//!
//! Invariant: `stored_bytes` is the size of the queue's records in the log.

use hashbrown::HashTable;
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

use crate::limits::{SUBSCRIPTION_BYTES_MAX, SUBSCRIPTIONS_MAX};
use crate::mqtt::QoS;
use crate::store::{Entry, MessageLog, SessionQueue};

use super::ConnId;
use super::hashing::Hashing;

/// Names a session within its vhost and shard, while it exists.
pub(super) type SessionKey = u32;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) client_id: Box<str>,
    /// Ends with its connection.
    pub(super) clean: bool,
    pub(super) conn: Option<ConnId>,
    /// Granted QoS by filter.
    subscriptions: BTreeMap<Box<str>, QoS>,
    /// Bytes of the filters.
    filter_bytes: usize,
    pub(super) queue: SessionQueue,
    pub(super) stored_bytes: u64,
    /// Identifiers of QoS 2 messages that came and are not released: each was passed on, and is not
    /// again [MQTT-4.3.3-2].
    pub(super) received: BTreeSet<u16>,
}

impl Session {
    /// Sets the granted QoS of a filter; `None` if the session may not have another.
    pub(super) fn subscribe(&mut self, filter: &str, granted: QoS) -> Option<()> {
        if let Some(known) = self.subscriptions.get_mut(filter) {
            *known = granted;
            return Some(());
        }
        let full = self.subscriptions.len() >= SUBSCRIPTIONS_MAX
            || self.filter_bytes + filter.len() > SUBSCRIPTION_BYTES_MAX;
        if full {
            return None;
        }
        self.filter_bytes += filter.len();
        self.subscriptions.insert(filter.into(), granted);
        Some(())
    }

    /// Takes a filter away; whether it was there.
    pub(super) fn unsubscribe(&mut self, filter: &str) -> bool {
        let found = self.subscriptions.remove(filter).is_some();
        if found {
            self.filter_bytes -= filter.len();
        }
        found
    }

    /// The filters it is subscribed to.
    pub(super) fn filters(&self) -> impl Iterator<Item = &str> {
        self.subscriptions.keys().map(|filter| &**filter)
    }

    /// Appends a message, stored already or passing.
    pub(super) fn enqueue(&mut self, entry: Entry, log: &mut MessageLog) {
        if let Some(position) = entry.position() {
            log.hold(position);
            self.stored_bytes += log.record_bytes(position) as u64;
        }
        self.queue.push(entry);
    }

    /// Lets go of what an entry refers to.
    pub(super) fn release(&mut self, entry: Entry, log: &mut MessageLog) {
        if let Some(position) = entry.position() {
            self.stored_bytes -= log.record_bytes(position) as u64;
            log.release(position);
        }
    }
}

/// The sessions of one vhost on one shard, by key and by client id.
#[derive(Debug)]
pub(super) struct Sessions {
    slab: Slab<Session>,
    by_client: HashTable<SessionKey>,
    hashing: Hashing,
}

impl Sessions {
    pub(super) fn new(hashing: &Hashing) -> Self {
        Self { slab: Slab::new(), by_client: HashTable::new(), hashing: hashing.clone() }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn find(&self, client_id: &str) -> Option<SessionKey> {
        let hash = self.hashing.hash_one(client_id);
        let found = self.by_client.find(hash, |key| *self.get(*key).client_id == *client_id);
        found.copied()
    }

    /// Adds a session; there must be none of that client id.
    pub(super) fn insert(&mut self, client_id: &str, clean: bool) -> SessionKey {
        let session = Session {
            client_id: client_id.into(),
            clean,
            conn: None,
            subscriptions: BTreeMap::new(),
            filter_bytes: 0,
            queue: SessionQueue::default(),
            stored_bytes: 0,
            received: BTreeSet::new(),
        };
        let key = u32::try_from(self.slab.insert(session)).expect("sessions fit memory");
        let (slab, hashing) = (&self.slab, &self.hashing);
        let rehash = |key: &SessionKey| hashing.hash_one(&*slab[*key as usize].client_id);
        self.by_client.insert_unique(hashing.hash_one(client_id), key, rehash);
        key
    }

    pub(super) fn remove(&mut self, key: SessionKey) -> Session {
        let session = self.slab.remove(key as usize);
        let hash = self.hashing.hash_one(&*session.client_id);
        if let Ok(entry) = self.by_client.find_entry(hash, |known| *known == key) {
            entry.remove();
        }
        session
    }

    /// # Panics
    /// If the session is gone: whoever keeps keys drops them with the session.
    pub(super) fn get(&self, key: SessionKey) -> &Session {
        &self.slab[key as usize]
    }

    /// # Panics
    /// As [`Sessions::get`].
    #[inline]
    pub(super) fn get_mut(&mut self, key: SessionKey) -> &mut Session {
        &mut self.slab[key as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session is found by its client id while it exists, and ids are told apart by case.
    #[test]
    fn found_by_client_id() {
        let mut sessions = Sessions::new(&Hashing::default());
        let keys: Vec<_> =
            (0..1000).map(|n| sessions.insert(&format!("client-{n}"), n % 2 == 0)).collect();
        assert_eq!(sessions.find("client-7"), Some(keys[7]));
        assert_eq!(sessions.find("Client-7"), None);
        assert_eq!(&*sessions.remove(keys[7]).client_id, "client-7");
        assert_eq!(sessions.find("client-7"), None);
        assert_eq!(sessions.find("client-8"), Some(keys[8]));
    }

    /// Subscriptions are one for a filter, and bounded.
    #[test]
    fn subscriptions_are_one_for_a_filter() {
        let mut sessions = Sessions::new(&Hashing::default());
        let key = sessions.insert("c", true);
        let session = sessions.get_mut(key);
        let long = "l".repeat(SUBSCRIPTION_BYTES_MAX - 1);
        for (filter, expected) in [("b", true), (&long, true), ("c", false), ("b", true)] {
            assert_eq!(session.subscribe(filter, QoS::AtLeastOnce).is_some(), expected);
        }
        assert!(session.unsubscribe(&long));
        assert!(session.subscribe("a", QoS::AtLeastOnce).is_some(), "there is room again");
        assert!(session.unsubscribe("a") && !session.unsubscribe("a"));
        assert_eq!(session.filters().collect::<Vec<_>>(), ["b"]);
    }
}
