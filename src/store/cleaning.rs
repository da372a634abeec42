//! The cleaning of a segment in bounded steps: its live records move to the end of the log, so that
//! its file can be used again.
//!
//! ```text
//!  Ask all ──► Look at each record ──► Relocate each session ──► "cleaned"
//!   ▲ if some are not named  │
//!   └──── Rescue ◄───────────┘ if one is damaged
//! ```
//! A message, or its block, names the sessions that wait for it. The exceptions are *unlisted*
//! sessions, which were sent it because it was retained.
//!
//! An expired message is not moved, unless it was sent to a session, which keeps it until delivery
//! is complete. Other sessions drop it when its turn comes.
//!
//! Invariant: the segment is held until the log has the record of its cleaning. So a crash leaves
//! either that record, or everything in its old place.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::catalog::Catalog;
use super::housekeeping::{HousekeepingStats, STEP_BYTES, STEP_SESSIONS};
use super::lifetime::Lifetime;
use super::logs::Logs;
use super::position::Position;
use super::queue::QueueLog;
use super::record::{BadRecord, MessageRecord, Record, SessionKey, Target, Targets};
use super::retained::Retained;

/// See the file.
pub(super) struct Cleaning {
    range: Range<u64>,
    /// The first session that is still to be asked, because some may need messages that do not name
    /// them.
    all_from: Option<SessionKey>,
    /// The place where the search continues; `None`: it is complete.
    at: Option<u64>,
    /// Records from here on are found by asking the sessions that need them, because a damaged
    /// record blocks the search.
    rescue_from: Option<u64>,
    /// Sessions that were asked which messages of the segment they need.
    asked: HashSet<SessionKey>,
    /// Sessions that need some.
    concerned: BTreeSet<SessionKey>,
    /// Messages that sessions need.
    needed: HashSet<Position>,
    /// Messages that were already sent to some sessions.
    sent: HashSet<Position>,
    moves: HashMap<Position, Position>,
    /// Messages that have expired and were not moved.
    expired: HashSet<Position>,
    /// Whether some sessions need messages that do not name them.
    has_unlisted: bool,
    payload: Vec<u8>,
    properties: Vec<u8>,
    /// The time of the present step.
    now_ms: u64,
}

impl Cleaning {
    pub(super) fn new(range: Range<u64>, catalog: &mut Catalog, logs: &mut Logs) -> Self {
        logs.disk.hold(Position::durable(range.start), 1);
        catalog.watch_unlisted(range.clone());
        let has_unlisted = catalog.has_unlisted(range.start);
        Self {
            at: Some(range.start),
            range,
            all_from: has_unlisted.then_some(0),
            rescue_from: None,
            asked: HashSet::new(),
            concerned: BTreeSet::new(),
            needed: HashSet::new(),
            sent: HashSet::new(),
            moves: HashMap::new(),
            expired: HashSet::new(),
            has_unlisted,
            payload: Vec::new(),
            properties: Vec::new(),
            now_ms: 0,
        }
    }

    /// The start of the segment.
    pub(super) fn start(&self) -> u64 {
        self.range.start
    }

    /// Takes a step at a time of the time line; returns whether it was the last one.
    pub(super) fn step(
        &mut self,
        catalog: &mut Catalog,
        logs: &mut Logs,
        now_ms: u64,
        stats: &mut HousekeepingStats,
    ) -> bool {
        self.now_ms = now_ms;
        if let Some(from) = self.all_from {
            let keys = catalog.sessions.keys_from(from).take(STEP_SESSIONS + 1);
            let mut keys: Vec<SessionKey> = keys.collect();
            self.all_from = keys.get(STEP_SESSIONS).copied();
            keys.truncate(STEP_SESSIONS);
            keys.into_iter().for_each(|key| self.ask(key, catalog, logs));
        } else if let Some(from) = self.rescue_from.take() {
            self.rescue(from, catalog, logs, stats);
        } else if let Some(at) = self.at {
            self.look(at, catalog, logs, stats);
        } else if let Some(key) = self.concerned.first().copied() {
            // The session may have ended; another one of the same key has no references to the
            // segment.
            if catalog.sessions.try_get(key).is_some() {
                self.relocate(key, catalog, logs, stats);
            }
            self.concerned.remove(&key);
        } else {
            let Range { start: from, end: to } = self.range;
            logs.disk.append(&Record::Cleaned { from, to });
            logs.disk.release(Position::durable(from), 1);
            catalog.forget_unlisted(from);
            stats.cleaned += 1;
            return true;
        }
        false
    }

    /// Tells a session the new positions of its messages.
    fn relocate(
        &mut self,
        key: SessionKey,
        catalog: &mut Catalog,
        logs: &mut Logs,
        stats: &mut HousekeepingStats,
    ) {
        let expired = match self.expired.is_empty() {
            true => 0,
            false => self.drop_expired(key, catalog, logs, stats),
        };
        // The log has acknowledgements before the moved messages.
        catalog.write_acks(logs);
        let map = |position| self.moves.get(&position).copied();
        let mut session = catalog.session_mut(key);
        session.relocate(&self.range, &map, logs);
        session.forgive_lost(expired);
        stats.expired += expired;
    }

    /// Moves messages that were sent to the session since it was asked. Returns how many of its
    /// messages are dropped because they had expired.
    fn drop_expired(
        &mut self,
        key: SessionKey,
        catalog: &mut Catalog,
        logs: &mut Logs,
        stats: &mut HousekeepingStats,
    ) -> u64 {
        let (mut sent, mut unsent) = (Vec::new(), Vec::new());
        let queue = &catalog.session(key).queue;
        queue.positions_in(&self.range, logs, &mut |position, is_sent| {
            if self.expired.contains(&position) {
                if is_sent { &mut sent } else { &mut unsent }.push(position);
            }
        });
        for position in sent {
            if self.expired.remove(&position) {
                self.move_record(position, false, catalog, logs, stats);
            }
        }
        unsent.iter().filter(|position| self.expired.contains(position)).count() as u64
    }

    /// Asks a session, once, which messages of the segment it needs.
    fn ask(&mut self, key: SessionKey, catalog: &Catalog, logs: &Logs) {
        if !self.asked.insert(key) {
            return;
        }
        let Some(session) = catalog.sessions.try_get(key) else { return };
        if session.queue.refers_to(&self.range) {
            self.concerned.insert(key);
            session.queue.positions_in(&self.range, logs, &mut |position, is_sent| {
                self.needed.insert(position);
                if is_sent {
                    self.sent.insert(position);
                }
            });
        }
    }

    /// Adds the sessions that were sent retained messages of the segment during its cleaning.
    fn heed_late_unlisted(&mut self, catalog: &mut Catalog) {
        for (key, position) in catalog.take_late_unlisted() {
            self.concerned.insert(key);
            self.needed.insert(position);
            self.has_unlisted = true;
        }
    }

    /// Reads records for one step and moves the live ones.
    fn look(
        &mut self,
        mut at: u64,
        catalog: &mut Catalog,
        logs: &mut Logs,
        stats: &mut HousekeepingStats,
    ) {
        self.heed_late_unlisted(catalog);
        let stop = at + STEP_BYTES as u64;
        while at < self.range.end.min(stop) {
            let position = Position::durable(at);
            let (record, next) = match logs.disk.record_at(at) {
                Ok(found) => found,
                Err(BadRecord::Unknown) => {
                    let bytes = logs.disk.record_bytes(position).expect("its sum is right");
                    at += bytes as u64;
                    continue;
                }
                Err(BadRecord::Cut | BadRecord::Sum) => {
                    // Or the segment ends here: its end is unknown if its successor is gone.
                    (self.at, self.rescue_from, self.all_from) = (None, Some(at), Some(0));
                    return;
                }
            };
            at = next;
            let sessions: Vec<SessionKey> = match &record {
                Record::Message(message) => message.targets.iter().map(|t| t.session).collect(),
                Record::Block(block) => vec![block.session],
                _ => continue,
            };
            for session in sessions {
                self.ask(session, catalog, logs);
            }
            if let Record::Message(_) = record {
                self.move_if_live(position, catalog, logs, stats);
            }
        }
        self.at = (at < self.range.end).then_some(at);
    }

    /// Moves the needed records that can be read after invalid bytes. If no record there is needed,
    /// the segment ends here, or may be treated so. This long step is rare.
    fn rescue(
        &mut self,
        from: u64,
        catalog: &mut Catalog,
        logs: &mut Logs,
        stats: &mut HousekeepingStats,
    ) {
        self.heed_late_unlisted(catalog);
        let next = logs.disk.next_segment(from).unwrap_or(self.range.end).min(self.range.end);
        if !self.needs_any(&(from..next), catalog) {
            // The segment ended here, or nothing after the invalid bytes is needed.
            self.at = (next < self.range.end).then_some(next);
            return;
        }
        log::error!("the log is damaged at offset {from}: what is left of it is moved");
        logs.disk.set_damaged(from);
        let rest = from..self.range.end;
        let kept = (0..).map_while(|vhost| Some((vhost, catalog.retained(vhost)?)));
        let kept: Vec<(u16, String, Position)> = kept
            .flat_map(|(vhost, store)| {
                let positions = store.iter().map(|(topic, kept)| (topic, kept.position));
                let here = positions.filter(|(_, position)| rest.contains(&position.offset()));
                here.map(move |(topic, position)| (vhost, topic.to_owned(), position))
            })
            .collect();
        let needed = self.needed.iter().filter(|position| rest.contains(&position.offset()));
        let positions: BTreeSet<Position> =
            needed.copied().chain(kept.iter().map(|(.., position)| *position)).collect();
        for position in positions {
            self.move_if_live(position, catalog, logs, stats);
        }
        for (vhost, topic, position) in kept {
            if !self.moves.contains_key(&position) && !self.expired.contains(&position) {
                stats.retained_lost += 1;
                catalog.clear_retained(vhost, &topic, logs);
            }
        }
    }

    /// Whether any session needs these offsets. All sessions have been asked.
    fn needs_any(&self, range: &Range<u64>, catalog: &Catalog) -> bool {
        let is_here = |position: &Position| range.contains(&position.offset());
        let mut sessions = self.concerned.iter().filter_map(|key| catalog.sessions.try_get(*key));
        let mut stores = (0..).map_while(|vhost| catalog.retained(vhost));
        self.needed.iter().any(is_here)
            || sessions.any(|session| session.queue.refers_to(range))
            || stores.any(|store| store.iter().any(|(_, kept)| is_here(&kept.position)))
    }

    fn move_if_live(
        &mut self,
        position: Position,
        catalog: &mut Catalog,
        logs: &mut Logs,
        stats: &mut HousekeepingStats,
    ) {
        let Some(message) = logs.disk.message(position) else { return };
        let kept = catalog.retained(message.vhost).and_then(|store| store.get(message.topic));
        let is_retained = kept.is_some_and(|kept| kept.position == position);
        if !is_retained && !self.needed.contains(&position) {
            return;
        }
        let lifetime =
            Lifetime::of(message.properties, message.time_ms, &catalog.timeline, self.now_ms);
        if lifetime.is_over() && self.now_ms > 0 && !self.sent.contains(&position) {
            self.expired.insert(position);
            if is_retained {
                let (vhost, topic) = (message.vhost, message.topic.to_owned());
                catalog.clear_retained(vhost, &topic, logs);
                stats.retained_expired += 1;
            }
            return;
        }
        self.move_record(position, is_retained, catalog, logs, stats);
    }

    /// Appends a message again, for the sessions that need it and perhaps as its topic's retained
    /// message.
    fn move_record(
        &mut self,
        position: Position,
        is_retained: bool,
        catalog: &mut Catalog,
        logs: &mut Logs,
        stats: &mut HousekeepingStats,
    ) {
        let Some(message) = logs.disk.message(position) else { return };
        let (before, bytes) = (logs.disk.appended(), message.own_bytes());
        let deadline_s = message.deadline_s();
        let (vhost, topic) = (message.vhost, message.topic.to_owned());
        self.properties.clear();
        self.properties.extend_from_slice(message.properties);
        self.payload.clear();
        self.payload.extend_from_slice(message.payload);
        // Cleaning of the copy asks the same sessions again.
        let mut targets = Vec::new();
        let concerned = |target: &Target| self.concerned.contains(&target.session);
        message.targets.iter().filter(concerned).for_each(|target| target.put(&mut targets));
        // They are the first target's.
        let own =
            message.own.filter(|_| message.targets.iter().next().as_ref().is_some_and(concerned));
        let own = own.map(<[u8]>::to_vec);
        let copy = Record::Message(MessageRecord {
            vhost,
            qos: message.qos,
            retained: is_retained,
            time_ms: message.time_ms,
            topic: &topic,
            payload: &self.payload,
            properties: &self.properties,
            moved_from: Some(position),
            received: None,
            origin: None,
            targets: Targets(&targets),
            own: own.as_deref(),
        });
        let to = logs.disk.append(&copy);
        stats.moved_bytes += logs.disk.appended() - before;
        self.moves.insert(position, to);
        if self.has_unlisted {
            catalog.expect_unlisted(to, logs);
        }
        if is_retained {
            logs.hold(to, 1);
            catalog.retained_mut(vhost).set(&topic, Retained { position: to, bytes, deadline_s });
            logs.release(position, 1);
        }
    }
}
