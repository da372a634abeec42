//! QoS 2 messages in doubt: some shards of the source have such a message, and the shard of its
//! publisher has no record of it. The publisher will send it again.
//!
//! Invariant: a session gets it once. The new directory records that the sessions of a shard that
//! had the message have it, under the name that the publisher's new shard will give it.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits::COPIES_MAX;
use crate::store::{Origin, SessionKey, Store};

use super::error::DataError;
use super::writer::Writer;

/// A session of the source: its shard and serial.
type OldSession = (u16, u64);

/// A session of the new directory: its shard and key.
type NewSession = (u16, SessionKey);

/// The messages in doubt.
#[derive(Default)]
pub(super) struct Doubts {
    /// The shards that have each message.
    holders: BTreeMap<Origin, BTreeSet<u16>>,
    /// The messages that publishers' shards have recorded.
    recorded: BTreeSet<Origin>,
    /// Records of this kind in the source, which the same command made: their publishers are
    /// unknown.
    nameless: u64,
}

impl Doubts {
    /// Notes the messages that a shard of the source knows.
    pub(super) fn note_shard(&mut self, shard: u16, store: &Store) {
        for origin in store.catalog.origins() {
            if origin.is_copy() {
                self.nameless += 1;
            } else {
                self.holders.entry(origin).or_default().insert(shard);
            }
        }
        let sessions = store.catalog.sessions();
        for session in sessions.keys_from(0).map(|key| sessions.get(key)) {
            let serial = session.serial;
            let origin = |packet_id| Origin { shard, serial, packet_id };
            self.recorded.extend(session.received().map(origin));
        }
    }

    /// Drops messages that publishers' shards have recorded, after all shards were noted.
    pub(super) fn settle(&mut self) {
        let recorded = std::mem::take(&mut self.recorded);
        self.holders.retain(|origin, _| !recorded.contains(origin));
    }
}

/// The places of sessions in the new directory, as far as messages in doubt need them.
pub(super) struct Homes<'a> {
    doubts: &'a Doubts,
    /// Publishers of messages in doubt.
    publishers: BTreeMap<OldSession, Option<NewSession>>,
    /// The sessions of each shard that has such a message.
    by_shard: BTreeMap<u16, Vec<NewSession>>,
}

impl<'a> Homes<'a> {
    pub(super) fn new(doubts: &'a Doubts) -> Self {
        let publishers = doubts.holders.keys().map(|origin| ((origin.shard, origin.serial), None));
        let shards = doubts.holders.values().flatten().map(|shard| (*shard, Vec::new()));
        Self { doubts, publishers: publishers.collect(), by_shard: shards.collect() }
    }

    /// Notes the new place of a session.
    pub(super) fn note_session(&mut self, old: OldSession, new: NewSession) {
        if let Some(publisher) = self.publishers.get_mut(&old) {
            *publisher = Some(new);
        }
        if let Some(sessions) = self.by_shard.get_mut(&old.0) {
            sessions.push(new);
        }
    }

    /// Records which sessions have which message, after all were moved. Returns the number of
    /// messages that could not be recorded.
    pub(super) fn carry(self, writers: &mut [Writer]) -> Result<u64, DataError> {
        let (mut notes, mut unnoted) = (0, self.doubts.nameless);
        for (origin, holders) in &self.doubts.holders {
            // A publisher without a session does not send it again.
            let publisher = self.publishers.get(&(origin.shard, origin.serial));
            let Some((home, key)) = publisher.copied().flatten() else { continue };
            let sessions = holders.iter().filter_map(|shard| self.by_shard.get(shard));
            if notes + sessions.clone().map(Vec::len).sum::<usize>() > COPIES_MAX {
                unnoted += 1;
                continue;
            }
            let serial = writers[usize::from(home)].store.catalog.session(key).serial;
            let origin = Origin { shard: home, serial, packet_id: origin.packet_id };
            for (shard, session) in sessions.flatten() {
                let writer = &mut writers[usize::from(*shard)];
                let Store { catalog, logs, .. } = &mut writer.store;
                catalog.note_copy(origin, *session, logs);
                writer.write_some()?;
                notes += 1;
            }
        }
        Ok(unnoted)
    }
}
