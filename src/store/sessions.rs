//! The sessions of one shard, by key and by client id.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::HashTable;

use super::hashing::Hashing;
use super::record::SessionKey;
use super::session::{LANE, Session};
use crate::slots::Slots;

/// The reason why a session is found by its key.
const THERE: &str = "whoever keeps the key of a session drops it with the session";

/// See the file.
#[derive(Debug)]
pub struct Sessions {
    slots: Slots<Session>,
    /// The number of lanes among them.
    lanes: usize,
    by_client: HashTable<SessionKey>,
    hashing: Hashing,
}

impl Sessions {
    pub(super) fn new(hashing: &Hashing) -> Self {
        Self {
            slots: Slots::default(),
            lanes: 0,
            by_client: HashTable::new(),
            hashing: hashing.clone(),
        }
    }

    /// The sessions that recovery found, with their keys.
    pub(super) fn restored(
        sessions: impl Iterator<Item = (SessionKey, Session)>,
        hashing: &Hashing,
    ) -> Self {
        let mut restored = Self { slots: sessions.collect(), ..Self::new(hashing) };
        let keys: Vec<SessionKey> = restored.keys_from(0).collect();
        restored.lanes = keys.iter().filter(|key| restored.get(**key).is_lane()).count();
        keys.into_iter().for_each(|key| restored.list(key));
        restored
    }

    /// The number of sessions of clients.
    pub fn len(&self) -> usize {
        self.slots.len() - self.lanes
    }

    /// Whether there are no sessions and no lanes.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The session of a client.
    pub fn find(&self, vhost: u16, client_id: &str) -> Option<SessionKey> {
        self.find_any(vhost, client_id).filter(|key| !self.get(*key).is_lane())
    }

    /// The session with this name: of a client, or a lane.
    pub fn find_any(&self, vhost: u16, client_id: &str) -> Option<SessionKey> {
        let hash = self.hashing.hash_one((vhost, client_id));
        let is_it = |key: &SessionKey| {
            let session = self.get(*key);
            *session.client_id == *client_id && session.vhost == vhost
        };
        self.by_client.find(hash, is_it).copied()
    }

    /// The keys at and after one, in order.
    pub fn keys_from(&self, from: SessionKey) -> impl Iterator<Item = SessionKey> {
        self.slots.keys_from(from)
    }

    /// The keys of clients' sessions in a range, in order; only the slots of the range are visited.
    pub fn keys_in(&self, range: Range<SessionKey>) -> impl Iterator<Item = SessionKey> {
        self.slots.keys_in(range).filter(|key| !self.get(*key).is_lane())
    }

    /// The keys of all sessions in a range, in order, including those of lanes.
    pub fn all_keys_in(&self, range: Range<SessionKey>) -> impl Iterator<Item = SessionKey> {
        self.slots.keys_in(range)
    }

    /// The number after the highest key that exists, or did recently.
    pub fn end(&self) -> SessionKey {
        SessionKey::try_from(self.slots.end()).expect("keys have 32 bits")
    }

    /// Adds a session; its client must have none.
    pub(super) fn insert(&mut self, vhost: u16, client_id: &str, clean: bool) -> SessionKey {
        let key = self.slots.insert(Session::new(client_id, vhost, clean));
        self.lanes += usize::from(client_id.starts_with(LANE));
        self.list(key);
        key
    }

    pub(super) fn remove(&mut self, key: SessionKey) -> Session {
        let session = self.slots.remove(key).expect("a session is removed once");
        self.lanes -= usize::from(session.is_lane());
        let hash = self.hashing.hash_one((session.vhost, &*session.client_id));
        if let Ok(entry) = self.by_client.find_entry(hash, |known| *known == key) {
            entry.remove();
        }
        session
    }

    /// The session, if it exists.
    pub fn try_get(&self, key: SessionKey) -> Option<&Session> {
        self.slots.get(key)
    }

    pub(super) fn try_get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.slots.get_mut(key)
    }

    /// # Panics
    /// If the session has ended: holders of keys drop them with the session.
    pub fn get(&self, key: SessionKey) -> &Session {
        self.slots.get(key).expect(THERE)
    }

    /// # Panics
    /// As [`Sessions::get`].
    #[inline]
    pub(super) fn get_mut(&mut self, key: SessionKey) -> &mut Session {
        self.slots.get_mut(key).expect(THERE)
    }

    /// Returns memory of ended sessions, of `slots_max` at most; returns whether there is more to
    /// do.
    pub(super) fn reclaim(&mut self, slots_max: usize) -> bool {
        let (slots, hashing, listed) = (&self.slots, &self.hashing, self.by_client.len());
        // The index is rebuilt for the few remaining sessions.
        if listed < self.by_client.capacity() / 4 && listed <= slots_max {
            self.by_client.shrink_to_fit(|key| hash_of(slots, hashing, *key));
        }
        self.slots.reclaim(slots_max)
    }

    fn list(&mut self, key: SessionKey) {
        let (slots, hashing) = (&self.slots, &self.hashing);
        let hash = |key: &SessionKey| hash_of(slots, hashing, *key);
        self.by_client.insert_unique(hash(&key), key, hash);
    }
}

fn hash_of(slots: &Slots<Session>, hashing: &Hashing, key: SessionKey) -> u64 {
    let session = slots.get(key).expect(THERE);
    hashing.hash_one((session.vhost, &*session.client_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session is found by its client id while it exists; ids differ by case and by vhost.
    #[test]
    fn found_by_client_id() {
        let mut sessions = Sessions::new(&Hashing::default());
        let keys: Vec<_> =
            (0..1000).map(|n| sessions.insert(0, &format!("client-{n}"), n % 2 == 0)).collect();
        assert_eq!(sessions.find(0, "client-7"), Some(keys[7]));
        assert_eq!(sessions.find(0, "Client-7"), None);
        assert_eq!(sessions.find(1, "client-7"), None);
        assert_eq!(&*sessions.remove(keys[7]).client_id, "client-7");
        assert_eq!(sessions.find(0, "client-7"), None);
        assert_eq!(sessions.find(0, "client-8"), Some(keys[8]));
        let rest: Vec<_> = sessions.keys_from(6).take(3).collect();
        assert_eq!(rest, [6, 8, 9]);
    }
}
