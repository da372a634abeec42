//! What keeps opening fast and the disk small, a bounded step at a time: checkpoints and cleaning.
//!
//! ```text
//!         much was appended since the last             all captured
//!  Idle ───────────────────────────────────► Checkpoint ───────────► Idle
//!   │   few live messages in many segments           all moved
//!   └───────────────────────────────────────► Cleaning ────────────► Idle
//! ```
//! A checkpoint writes every session, and where every retained message stands, into the log;
//! recovery begins where the last complete one began. Cleaning moves what lives in a segment to the
//! end of the log. One at a time: a checkpoint never captures a session between a message's move
//! and the change of the queues that refer to it.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::catalog::Catalog;
use super::logs::Logs;
use super::position::Position;
use super::queue::QueueLog;
use super::record::{MessageRecord, Record, SessionKey, Target, Targets};
use super::retained::{Retained, ScanEnd};

/// Bytes that one step captures or looks at, more or less: a millisecond at most.
const STEP_BYTES: usize = 128 * 1024;

/// Sessions that one step looks at.
const STEP_SESSIONS: usize = 256;

/// Origins in one record.
const ORIGINS_MAX: usize = 4096;

/// A checkpoint is taken when so many times its own size was appended since the last: what is
/// written for checkpoints stays below a quarter of the rest.
const CHECKPOINT_FACTOR: u64 = 4;

/// Segments of garbage beyond what lives, before cleaning begins.
const SLACK_SEGMENTS: u64 = 8;

/// A segment is not cleaned while more than this share of it lives, percent.
const LIVE_PERCENT_MAX: u64 = 75;

enum Job {
    Idle,
    Checkpoint { begun: u64, stage: Stage },
    Clean(Box<Cleaning>),
}

/// What a checkpoint captures next.
enum Stage {
    Sessions(SessionKey),
    Retained { vhost: u16, after: Option<Box<str>> },
    Origins,
}

/// A segment that is being cleaned.
struct Cleaning {
    from: u64,
    to: u64,
    /// Sessions from this one on are still to be asked, because some may refer to messages that do
    /// not name them.
    all_from: Option<SessionKey>,
    /// Where to go on looking; `None`: all was looked at.
    at: Option<u64>,
    /// Sessions that were asked what they need of the segment.
    asked: HashSet<SessionKey>,
    /// Those that need something.
    concerned: BTreeSet<SessionKey>,
    /// What sessions need.
    needed: HashSet<Position>,
    moves: HashMap<Position, Position>,
}

/// What was done so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HousekeepingStats {
    /// Checkpoints that were completed.
    pub checkpoints: u64,
    /// Segments that were cleaned.
    pub cleaned: u64,
    /// Bytes of records that cleaning moved.
    pub moved_bytes: u64,
}

/// See the module.
pub struct Housekeeping {
    job: Job,
    segment_bytes: u64,
    /// Where the last checkpoint began, and how many bytes it took.
    last_begun: u64,
    last_bytes: u64,
    /// A checkpoint that counts when the log is committed up to the first offset; where it began.
    ended: Option<(u64, u64)>,
    scratch: Vec<u8>,
    stats: HousekeepingStats,
}

impl Housekeeping {
    /// `begun`: where the checkpoint began that recovery used.
    pub(super) fn new(segment_bytes: u64, begun: u64) -> Self {
        Self {
            job: Job::Idle,
            segment_bytes,
            last_begun: begun,
            last_bytes: 0,
            ended: None,
            scratch: Vec::new(),
            stats: HousekeepingStats::default(),
        }
    }

    /// What was done so far.
    pub fn stats(&self) -> HousekeepingStats {
        self.stats
    }

    /// Takes a step, if there is one to take; whether there is another right away.
    pub fn step(&mut self, catalog: &mut Catalog, logs: &mut Logs) -> bool {
        if let Some((end, begun)) = self.ended
            && logs.disk.committed() >= end
        {
            self.ended = None;
            logs.disk.set_checkpoint(begun);
        }
        match std::mem::replace(&mut self.job, Job::Idle) {
            Job::Idle => self.begin(catalog, logs),
            Job::Checkpoint { begun, stage } => self.capture(begun, stage, catalog, logs),
            Job::Clean(cleaning) => self.clean(cleaning, catalog, logs),
        }
        !matches!(self.job, Job::Idle)
    }

    fn begin(&mut self, catalog: &Catalog, logs: &mut Logs) {
        let since = logs.disk.appended() - self.last_begun;
        if self.ended.is_none()
            && since >= self.segment_bytes.max(self.last_bytes * CHECKPOINT_FACTOR)
        {
            let begun = logs.disk.append(&Record::CheckpointBegun).offset();
            self.job = Job::Checkpoint { begun, stage: Stage::Sessions(0) };
        } else if let Some((from, to)) = self.victim(logs) {
            self.job = Job::Clean(Box::new(Cleaning {
                from,
                to,
                all_from: catalog.has_guests(from).then_some(0),
                at: Some(from),
                asked: HashSet::new(),
                concerned: BTreeSet::new(),
                needed: HashSet::new(),
                moves: HashMap::new(),
            }));
        }
    }

    fn capture(&mut self, begun: u64, stage: Stage, catalog: &mut Catalog, logs: &mut Logs) {
        let next = match stage {
            Stage::Sessions(from) => self.capture_sessions(from, catalog, logs),
            Stage::Retained { vhost, after } => {
                let Some(store) = catalog.retained(vhost) else {
                    self.job = Job::Checkpoint { begun, stage: Stage::Origins };
                    return;
                };
                self.scratch.clear();
                let end = store.capture(after.as_deref(), STEP_BYTES, &mut self.scratch);
                if !self.scratch.is_empty() {
                    let entries = &self.scratch;
                    logs.disk.append(&Record::RetainedState { vhost, entries });
                }
                match end {
                    ScanEnd::Done => Stage::Retained { vhost: vhost + 1, after: None },
                    ScanEnd::After(topic) => Stage::Retained { vhost, after: Some(topic) },
                }
            }
            Stage::Origins => {
                let mut origins = catalog.elsewhere.iter().copied().peekable();
                while origins.peek().is_some() {
                    let some = origins.by_ref().take(ORIGINS_MAX).collect();
                    logs.disk.append(&Record::Origins(some));
                }
                logs.disk.append(&Record::CheckpointEnded { begun });
                let end = logs.disk.appended();
                self.last_bytes = end - begun;
                self.last_begun = begun;
                self.ended = Some((end, begun));
                self.stats.checkpoints += 1;
                return;
            }
        };
        self.job = Job::Checkpoint { begun, stage: next };
    }

    fn capture_sessions(
        &mut self,
        from: SessionKey,
        catalog: &mut Catalog,
        logs: &mut Logs,
    ) -> Stage {
        // What is acknowledged and not written yet must not be captured as if it were.
        catalog.write_acks(logs);
        let end = logs.disk.appended() + STEP_BYTES as u64;
        for (count, session) in catalog.sessions.keys_from(from).enumerate() {
            if count == STEP_SESSIONS || logs.disk.appended() >= end {
                return Stage::Sessions(session);
            }
            let state = catalog.sessions.get(session);
            if !state.clean {
                self.scratch.clear();
                state.encode(&mut self.scratch);
                logs.disk.append(&Record::SessionState { session, state: &self.scratch });
            }
        }
        Stage::Retained { vhost: 0, after: None }
    }

    /// The segment to clean, if garbage is worth it.
    fn victim(&self, logs: &Logs) -> Option<(u64, u64)> {
        let checkpoint = logs.disk.checkpoint();
        let segments = || logs.disk.segments().filter(|segment| segment.end <= checkpoint);
        if let Some(damaged) = segments().find(|segment| segment.damaged) {
            return Some((damaged.start, damaged.end));
        }
        let (used, live) = segments()
            .filter(|segment| segment.references > 0)
            .fold((0, 0), |(used, live), s| (used + s.used, live + s.live_bytes_estimate()));
        if used <= live * 2 + SLACK_SEGMENTS * self.segment_bytes {
            return None;
        }
        let sparse = segments()
            .filter(|s| s.references > 0)
            .filter(|s| s.live_bytes_estimate() * 100 <= s.used * LIVE_PERCENT_MAX);
        let victim = sparse.min_by_key(|s| (s.live_bytes_estimate() * 16 / s.used.max(1), s.start));
        victim.map(|segment| (segment.start, segment.end))
    }

    fn clean(&mut self, mut cleaning: Box<Cleaning>, catalog: &mut Catalog, logs: &mut Logs) {
        if let Some(from) = cleaning.all_from {
            let keys: Vec<SessionKey> =
                catalog.sessions.keys_from(from).take(STEP_SESSIONS + 1).collect();
            cleaning.all_from = keys.get(STEP_SESSIONS).copied();
            keys.iter().take(STEP_SESSIONS).for_each(|key| cleaning.ask(*key, catalog, logs));
        } else if let Some(at) = cleaning.at {
            cleaning.at = self.look(&mut cleaning, at, catalog, logs);
        } else if let Some(key) = cleaning.concerned.pop_first() {
            // It may have ended meanwhile; another of the same key refers to nothing in there.
            // What is done with is in the log before.
            catalog.write_acks(logs);
            if let Some(session) = catalog.sessions.try_get_mut(key) {
                let range = cleaning.from..cleaning.to;
                let map = |position| cleaning.moves.get(&position).copied();
                session.queue.relocate(&range, &map, key, logs);
            }
        } else {
            logs.disk.append(&Record::Cleaned { from: cleaning.from, to: cleaning.to });
            self.stats.cleaned += 1;
            catalog.forget_guests(cleaning.from);
            return;
        }
        self.job = Job::Clean(cleaning);
    }

    /// Looks at a step's worth of records and moves what lives; where to go on.
    fn look(
        &mut self,
        cleaning: &mut Cleaning,
        mut at: u64,
        catalog: &mut Catalog,
        logs: &mut Logs,
    ) -> Option<u64> {
        let stop = at + STEP_BYTES as u64;
        while at < cleaning.to.min(stop) {
            let position = Position::durable(at);
            let Ok((record, next)) = logs.disk.record_at(at) else { return None };
            at = next;
            let sessions: Vec<SessionKey> = match &record {
                Record::Message(message) => message.targets.iter().map(|t| t.session).collect(),
                Record::Block(block) => vec![block.session],
                _ => continue,
            };
            for session in sessions {
                cleaning.ask(session, catalog, logs);
            }
            if let Record::Message(_) = record {
                self.move_if_live(position, cleaning, catalog, logs);
            }
        }
        (at < cleaning.to).then_some(at)
    }

    fn move_if_live(
        &mut self,
        position: Position,
        cleaning: &mut Cleaning,
        catalog: &mut Catalog,
        logs: &mut Logs,
    ) {
        let Some(message) = logs.disk.message(position) else { return };
        let kept = catalog.retained(message.vhost).and_then(|store| store.get(message.topic));
        let is_retained = kept.is_some_and(|kept| kept.position == position);
        if !is_retained && !cleaning.needed.contains(&position) {
            return;
        }
        self.scratch.clear();
        let (before, message_bytes) = (logs.disk.appended(), message.own_bytes());
        let (vhost, topic) = (message.vhost, message.topic.to_owned());
        self.scratch.extend_from_slice(message.payload);
        // Whoever cleans the copy asks the same sessions again.
        let mut targets = Vec::new();
        let concerned = |target: &Target| cleaning.concerned.contains(&target.session);
        message.targets.iter().filter(concerned).for_each(|target| target.put(&mut targets));
        let copy = Record::Message(MessageRecord {
            vhost,
            qos: message.qos,
            retained: is_retained,
            time_ms: message.time_ms,
            topic: &topic,
            payload: &self.scratch,
            moved_from: Some(position),
            received: None,
            origin: None,
            targets: Targets(&targets),
        });
        let to = logs.disk.append(&copy);
        self.stats.moved_bytes += logs.disk.appended() - before;
        cleaning.moves.insert(position, to);
        if is_retained {
            logs.hold(to, 1);
            catalog
                .retained_mut(vhost)
                .set(&topic, Retained { position: to, bytes: message_bytes });
            logs.release(position, 1);
        }
    }
}

impl Cleaning {
    /// Asks a session, once, what it needs of the segment.
    fn ask(&mut self, key: SessionKey, catalog: &Catalog, logs: &Logs) {
        if !self.asked.insert(key) {
            return;
        }
        let Some(session) = catalog.sessions.try_get(key) else { return };
        let range = self.from..self.to;
        if session.queue.refers_to(&range) {
            self.concerned.insert(key);
            session.queue.positions_in(&range, logs, &mut |position| {
                self.needed.insert(position);
            });
        }
    }
}
