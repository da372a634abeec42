//! Checkpoints and cleaning, in bounded steps: they keep opening fast and the log small.
//!
//! ```text
//!         much was appended since the last             all captured
//!  Idle ───────────────────────────────────► Checkpoint ───────────► Idle
//!   │   few live messages in many segments           all moved
//!   └───────────────────────────────────────► Cleaning ────────────► Idle
//! ```
//! A checkpoint writes every session, and the position of every retained message, into the log.
//! Recovery begins where the last complete one began. Cleaning moves the live records of a segment
//! to the end of the log. Only one of the two runs at a time, so a checkpoint never captures a
//! session between a message's move and the change of the queues that refer to it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::catalog::Catalog;
use super::cleaning::Cleaning;
use super::log::SegmentFacts;
use super::logs::Logs;
use super::record::{Record, SessionKey};
use super::retained::ScanEnd;
use super::retained_expiry::RetainedExpiry;

/// About the bytes that one step captures or reads: a millisecond at most.
pub(super) const STEP_BYTES: usize = 128 * 1024;

/// Sessions that one step visits.
pub(super) const STEP_SESSIONS: usize = 256;

/// Origins in one record.
const ORIGINS_MAX: usize = 4096;

/// Segments in one record.
const SEGMENTS_MAX: usize = 4096;

/// A checkpoint is taken when this many times its own size was appended since the last one, so
/// checkpoints are less than a quarter of all other bytes.
const CHECKPOINT_FACTOR: u64 = 4;

/// Searches for a segment to clean, in the time in which one is filled.
const LOOKS_PER_SEGMENT: u64 = 16;

/// Segments of garbage beyond the live bytes before cleaning begins.
const SLACK_SEGMENTS: u64 = 8;

/// The share of live bytes above which a segment is not cleaned, in percent.
const LIVE_PERCENT_MAX: u64 = 75;

enum Job {
    Idle,
    /// `bytes`: the size of the checkpoint so far, without other records appended meanwhile.
    Checkpoint {
        begun: u64,
        bytes: u64,
        stage: Stage,
    },
    Clean(Box<Cleaning>),
}

/// The next part that a checkpoint captures.
enum Stage {
    Sessions(SessionKey),
    Retained { vhost: u16, after: Option<Box<str>> },
    Origins,
}

/// Counters of housekeeping.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HousekeepingStats {
    /// Completed checkpoints.
    pub checkpoints: u64,
    /// Cleaned segments.
    pub cleaned: u64,
    /// Bytes of moved records.
    pub moved_bytes: u64,
    /// Retained messages that could not be read.
    pub retained_lost: u64,
    /// Messages that had expired when their segment was cleaned, counted for each session that had
    /// not been sent them.
    pub expired: u64,
    /// Expired retained messages.
    pub retained_expired: u64,
}

/// See the file.
pub struct Housekeeping {
    job: Job,
    segment_bytes: u64,
    /// The start and the size of the last checkpoint.
    last_begun: u64,
    last_bytes: u64,
    /// Whether space was short at the last step.
    was_pressed: bool,
    /// Whether recovery would read a damaged or incomplete part of the log, so that a new
    /// checkpoint is needed.
    is_owed: bool,
    /// A checkpoint that is complete once the log is committed up to the first offset; the second
    /// is its begin.
    ended: Option<(u64, u64)>,
    /// Segments that were cleaned and still have references, and how many. They are not cleaned
    /// again while that number stays.
    stuck: BTreeMap<u64, u64>,
    /// The end of the log at which the next search for segments to clean is due.
    look_at: u64,
    scratch: Vec<u8>,
    retained_expiry: RetainedExpiry,
    stats: HousekeepingStats,
}

impl Housekeeping {
    /// `begun` and `bytes` are the start and the size of the checkpoint that recovery used;
    /// `is_owed`: some records after it are damaged.
    pub(super) fn new(segment_bytes: u64, begun: u64, bytes: u64, is_owed: bool) -> Self {
        Self {
            job: Job::Idle,
            segment_bytes,
            last_begun: begun,
            last_bytes: bytes,
            was_pressed: false,
            is_owed,
            ended: None,
            stuck: BTreeMap::new(),
            look_at: 0,
            scratch: Vec::new(),
            retained_expiry: RetainedExpiry::new(),
            stats: HousekeepingStats::default(),
        }
    }

    /// The counters so far.
    pub fn stats(&self) -> HousekeepingStats {
        self.stats
    }

    /// The size of a checkpoint, as far as known.
    pub fn checkpoint_bytes(&self) -> u64 {
        self.last_bytes
    }

    /// Makes the next step begin a checkpoint, which is named as soon as it is committed.
    pub fn owe_checkpoint(&mut self) {
        self.is_owed = true;
    }

    /// Takes a step if one is due; returns whether another is due at once. `pressed`: space is
    /// short, so all that can be freed is freed, at any cost except more space. `now_ms` is the
    /// time of the time line; at 0 nothing expires.
    pub fn step(
        &mut self,
        catalog: &mut Catalog,
        logs: &mut Logs,
        now_ms: u64,
        pressed: bool,
    ) -> bool {
        self.stats.retained_expired += self.retained_expiry.step(catalog, logs, now_ms);
        if pressed && !std::mem::replace(&mut self.was_pressed, pressed) {
            self.look_at = 0;
        }
        self.was_pressed = pressed;
        if let Some((end, begun)) = self.ended
            && logs.disk.committed() >= end
        {
            self.ended = None;
            logs.disk.set_checkpoint(begun);
            self.look_at = 0;
            if std::mem::take(&mut self.is_owed) {
                logs.disk.name_checkpoint();
            }
        }
        if pressed && logs.disk.has_unnamed_checkpoint() {
            logs.disk.name_checkpoint();
        }
        match std::mem::replace(&mut self.job, Job::Idle) {
            Job::Idle => self.begin(catalog, logs, pressed),
            Job::Checkpoint { begun, bytes, stage } => {
                self.go_on(begun, bytes, stage, catalog, logs);
            }
            Job::Clean(mut cleaning) => {
                if cleaning.step(catalog, logs, now_ms, &mut self.stats) {
                    self.note_stuck(cleaning.start(), logs);
                    self.look_at = 0;
                } else {
                    self.job = Job::Clean(cleaning);
                }
            }
        }
        !matches!(self.job, Job::Idle)
    }

    fn begin(&mut self, catalog: &mut Catalog, logs: &mut Logs, pressed: bool) {
        let since = logs.disk.appended() - self.last_begun;
        let is_due =
            self.is_owed || since >= self.segment_bytes.max(self.last_bytes * CHECKPOINT_FACTOR);
        let pays = || {
            let gain = logs.disk.reclaimable();
            !logs.disk.has_unnamed_checkpoint() && gain > self.last_bytes * 2
        };
        // If space is short, a checkpoint that frees no segment would waste a file of the reserve.
        if self.ended.is_none() && if pressed { pays() } else { is_due } {
            let begun = logs.disk.append(&Record::CheckpointBegun).offset();
            let bytes = logs.disk.appended() - begun;
            catalog.capture_time(true, logs);
            self.job = Job::Checkpoint { begun, bytes, stage: Stage::Sessions(0) };
        } else if logs.disk.appended() >= self.look_at {
            // Not each turn, because there may be thousands of segments.
            self.look_at = logs.disk.appended() + self.segment_bytes / LOOKS_PER_SEGMENT;
            if let Some(range) = self.victim(logs, pressed) {
                self.job = Job::Clean(Box::new(Cleaning::new(range, catalog, logs)));
            }
        }
    }

    /// Continues the checkpoint that began at `begun` and has taken `bytes` so far.
    fn go_on(
        &mut self,
        begun: u64,
        bytes: u64,
        stage: Stage,
        catalog: &mut Catalog,
        logs: &mut Logs,
    ) {
        if matches!(stage, Stage::Sessions(_)) {
            // An acknowledgement that is not appended yet must not be captured.
            catalog.write_acks(logs);
        }
        let from = logs.disk.appended();
        let next = self.capture(stage, catalog, logs);
        let bytes = bytes + (logs.disk.appended() - from);
        if let Some(stage) = next {
            self.job = Job::Checkpoint { begun, bytes, stage };
            return;
        }
        logs.disk.append(&Record::CheckpointEnded { begun });
        self.last_bytes = bytes;
        self.last_begun = begun;
        self.ended = Some((logs.disk.appended(), begun));
        self.stats.checkpoints += 1;
    }

    /// Captures a part; returns the next part, if any.
    fn capture(&mut self, stage: Stage, catalog: &Catalog, logs: &mut Logs) -> Option<Stage> {
        match stage {
            Stage::Sessions(from) => Some(self.capture_sessions(from, catalog, logs)),
            Stage::Retained { vhost, after } => {
                let Some(store) = catalog.retained(vhost) else { return Some(Stage::Origins) };
                self.scratch.clear();
                let end = store.capture(after.as_deref(), STEP_BYTES, &mut self.scratch);
                if !self.scratch.is_empty() {
                    let entries = &self.scratch;
                    logs.disk.append(&Record::RetainedState { vhost, entries });
                }
                Some(match end {
                    ScanEnd::Done => Stage::Retained { vhost: vhost + 1, after: None },
                    ScanEnd::After(topic) => Stage::Retained { vhost, after: Some(topic) },
                })
            }
            Stage::Origins => {
                let mut origins = catalog.remote_qos2.iter().copied().peekable();
                while origins.peek().is_some() {
                    let some = origins.by_ref().take(ORIGINS_MAX).collect();
                    logs.disk.append(&Record::Origins(some));
                }
                let segments = logs.disk.segments().map(|segment| (segment.start, segment.holds));
                let segments: Vec<(u64, u64)> = segments.collect();
                for some in segments.chunks(SEGMENTS_MAX) {
                    logs.disk.append(&Record::References(some.to_vec()));
                }
                // A segment may be removed before the one in front of it, and then nothing else
                // tells where that one ends. A guess would report damage to bytes that were never
                // written.
                let ends: Vec<(u64, u64)> = logs.disk.known_ends().rev().collect();
                for some in ends.chunks(SEGMENTS_MAX) {
                    logs.disk.append(&Record::Ends(some.to_vec()));
                }
                None
            }
        }
    }

    fn capture_sessions(&mut self, from: SessionKey, catalog: &Catalog, logs: &mut Logs) -> Stage {
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

    fn note_stuck(&mut self, start: u64, logs: &Logs) {
        let left = logs.disk.segments().find(|segment| segment.start == start);
        if let Some(left) = left.filter(|segment| segment.references > 0) {
            self.stuck.insert(start, left.references);
            self.stuck.retain(|start, _| logs.disk.end_of_segment(*start).is_some());
        }
    }

    /// The segment to clean, if that frees enough.
    fn victim(&self, logs: &Logs, pressed: bool) -> Option<Range<u64>> {
        let checkpoint = logs.disk.checkpoint();
        let segments = || logs.disk.segments().filter(|segment| segment.end <= checkpoint);
        let cleanable =
            |s: &SegmentFacts| s.references > 0 && self.stuck.get(&s.start) != Some(&s.references);
        if let Some(damaged) = segments().find(|s| s.damaged && cleanable(s)) {
            return logs.disk.shared_range(damaged.start);
        }
        let (used, live) = segments()
            .filter(|segment| segment.references > 0)
            .fold((0, 0), |(used, live), s| (used + s.used, live + s.live_bytes_estimate()));
        if !pressed && used <= live * 2 + SLACK_SEGMENTS * self.segment_bytes {
            return None;
        }
        // Live records are written again before the segment is removed. None of them may need a
        // longer file: if space is short, there might be none.
        let room = logs.disk.room().saturating_sub(self.last_bytes);
        let longest = logs.disk.longest_room();
        let sparse = segments()
            .filter(cleanable)
            .filter(|s| s.live_bytes_estimate() * 100 <= s.used * LIVE_PERCENT_MAX)
            .filter(|s| !pressed || s.live_bytes_estimate() <= room && s.used <= longest);
        let victim = sparse.min_by_key(|s| (s.live_bytes_estimate() * 16 / s.used.max(1), s.start));
        // Segments that share references are cleaned together.
        let range = logs.disk.shared_range(victim?.start)?;
        (range.end <= checkpoint).then_some(range)
    }
}
