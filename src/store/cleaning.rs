//! A segment that is being cleaned, a bounded step at a time: its live records move to the end of
//! the log, so that its file can be used again.
//!
//! ```text
//!  Ask all ──► Look at each record ──► Relocate each session ──► "cleaned"
//!   ▲ if some are not named  │
//!   └──── Rescue ◄───────────┘ if one is damaged
//! ```
//! The sessions that wait for a message are named by it, or were by its block; except for
//! *unlisted* ones, which were sent it because it was retained.
//!
//! A message that has expired is not moved, unless it was sent to a session: that session keeps it
//! until delivery is complete. The other sessions drop it when it would be sent.
//!
//! Invariant: the segment is held until the log says that it was cleaned. So a crash finds either
//! that, or everything in its old place.

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

/// See the module.
pub(super) struct Cleaning {
    range: Range<u64>,
    /// Sessions from this one on are still to be asked, because some may refer to messages that do
    /// not name them.
    all_from: Option<SessionKey>,
    /// Where the search continues; `None`: it is complete.
    at: Option<u64>,
    /// Records from here on are found by asking the sessions that need them: a damaged record
    /// blocks the walk.
    rescue_from: Option<u64>,
    /// Sessions that were asked what they need of the segment.
    asked: HashSet<SessionKey>,
    /// Those that need something.
    concerned: BTreeSet<SessionKey>,
    /// Messages that sessions need.
    needed: HashSet<Position>,
    /// Messages that were sent to some sessions already.
    sent: HashSet<Position>,
    moves: HashMap<Position, Position>,
    /// Messages that have expired and were not moved.
    expired: HashSet<Position>,
    /// Some sessions need messages that do not name them.
    has_unlisted: bool,
    payload: Vec<u8>,
    properties: Vec<u8>,
    /// The time of the step that is taken.
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

    /// Start of the segment.
    pub(super) fn start(&self) -> u64 {
        self.range.start
    }

    /// Takes a step, at this time of the time line; whether that was the last.
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
            // It may have ended meanwhile; another of the same key has no references into it.
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

    /// Tells a session where what it needs is now.
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
        // Acknowledgements are in the log before the moved messages.
        catalog.write_acks(logs);
        let map = |position| self.moves.get(&position).copied();
        let mut session = catalog.session_mut(key);
        session.relocate(&self.range, &map, logs);
        session.forgive_lost(expired);
        stats.expired += expired;
    }

    /// Moves what the session was sent since it was asked. How many messages it is without now,
    /// because they have expired before.
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

    /// Sessions that were sent a retained message of the segment since it is being cleaned.
    fn heed_late_unlisted(&mut self, catalog: &mut Catalog) {
        for (key, position) in catalog.take_late_unlisted() {
            self.concerned.insert(key);
            self.needed.insert(position);
            self.has_unlisted = true;
        }
    }

    /// Looks at a step's worth of records and moves what lives.
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
                    // Or the segment ends here: its end is not known if its successor is gone.
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

    /// Moves the needed records that can be read behind bytes that are not a record. If there are
    /// none, the segment ends here, or may be treated so. This long step is rare.
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
            // It was the end of its segment, or the record will never be read again.
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

    /// Whether any session refers to these offsets. All sessions have been asked.
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

    /// Appends a message anew, for the sessions that are concerned and may be as its topic's
    /// retained one.
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
