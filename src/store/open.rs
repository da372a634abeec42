//! A shard's store, which is opened once and then taken apart by its owner.

use std::collections::BTreeMap;
use std::fmt;

use super::catalog::{Catalog, CatalogLimits};
use super::hashing::Hashing;
use super::housekeeping::Housekeeping;
use super::log::{Log, LogOptions, OpenError, OpenReport, Reading};
use super::logs::Logs;
use super::medium::{Extent, Found};
use super::position::Position;
use super::record::Record;
use super::replay::{Losses, Replay};
use super::timeline::ClockReading;

/// The options for opening a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Options of the log.
    pub log: LogOptions,
    /// Bounds of the catalog.
    pub limits: CatalogLimits,
    /// The seed of hashes.
    pub seed: u64,
    /// The time of the clocks; `None`: the store is only read.
    pub clocks: Option<ClockReading>,
}

/// See the file.
pub struct Store {
    /// The state.
    pub catalog: Catalog,
    /// The logs of the state.
    pub logs: Logs,
    /// Checkpoints and cleaning.
    pub housekeeping: Housekeeping,
}

/// The report of opening a store.
#[derive(Debug)]
pub struct Opened {
    /// The report of the log.
    pub report: OpenReport,
    /// The losses.
    pub losses: Losses,
    /// The number of sessions.
    pub sessions: usize,
    /// The number of retained messages.
    pub retained: usize,
    /// The size of the records in each segment, by start: from the checkpoint, and for the newest.
    pub lengths: BTreeMap<u64, u64>,
}

impl Store {
    /// Opens a shard's store from the found files; without files the store is empty. `extent` is
    /// the medium's last note, if it has one.
    ///
    /// # Errors
    /// If files belong to another shard or to a later version. Then no file is changed.
    pub fn open(
        options: &StoreOptions,
        found: Vec<Found>,
        extent: Option<Extent>,
    ) -> Result<(Self, Opened), OpenError> {
        let mut replay = Replay::default();
        let mut meter = CheckpointMeter::default();
        let (mut log, mut report) =
            Log::open(options.log, found, extent, &mut |position, reading, segments| {
                let segment_of = |position: Position| segments.segment_of(position.offset());
                let mark = segments.mark_of(position.offset());
                meter.note(position, &reading);
                match reading {
                    Reading::Whole(record) => replay.apply(position, mark, record, &segment_of),
                    Reading::Mended(record) => replay.mended(position, mark, record, &segment_of),
                    Reading::Damaged(guess) => {
                        // The record may have concerned other sessions too.
                        replay.begin_gap();
                        replay.pass_over(position, guess.as_ref());
                    }
                    Reading::Gap => replay.begin_gap(),
                }
            })?;
        if !report.faults.is_empty() {
            replay.mend(&|position| log.segment_of(position).is_some());
        }
        let hashing = Hashing::with_seed(options.seed);
        // The seed may be the same in each run of a test; then only the time differs.
        let ClockReading { wall_ms, boot_ms, .. } = options.clocks.unwrap_or_default();
        log.set_salt(options.seed ^ wall_ms.rotate_left(32) ^ boot_ms.rotate_left(16));
        let mut lengths = std::mem::take(&mut replay.ends);
        lengths.iter().for_each(|(start, length)| log.recall_end(*start, start + length));
        replay.starts().for_each(|start| log.recall_start(start));
        let begun = log.checkpoint();
        let mut logs = Logs::new(log);
        if let Some(newest) = logs.disk.segments().next_back() {
            lengths.insert(newest.start, newest.end - newest.start);
        }
        options.clocks.iter().for_each(|clocks| replay.timeline.resume(*clocks));
        let now_ms = options.clocks.map_or(0, |_| replay.timeline.start_ms());
        let (mut catalog, losses) = replay.finish(options.limits, &hashing, now_ms, &mut logs);
        let missed = logs.take_missed();
        logs.disk.report_missed(&missed, &mut report);
        catalog.expect_unlisted_below(logs.disk.appended());
        logs.disk.finish_open();
        // Messages that were acknowledged after a gap are sent again until the next checkpoint
        // only.
        let is_owed = report.faults.iter().any(|fault| fault.lost_bytes > 0);
        let housekeeping =
            Housekeeping::new(options.log.segment_bytes, begun, meter.bytes, is_owed);
        let sessions = catalog.sessions.len();
        let retained = catalog.retained.iter().map(super::RetainStore::len).sum();
        let opened = Opened { report, losses, sessions, retained, lengths };
        Ok((Self { catalog, logs, housekeeping }, opened))
    }
}

/// Measures the last complete checkpoint: the size of its own records, without those of clients
/// among them.
#[derive(Default)]
struct CheckpointMeter {
    bytes: u64,
    /// The size of an incomplete checkpoint.
    so_far: u64,
    /// The offset of the previous record, if it belonged to a checkpoint.
    before: Option<u64>,
}

impl CheckpointMeter {
    /// Handles the next record of the log.
    fn note(&mut self, position: Position, reading: &Reading<'_>) {
        let offset = position.offset();
        self.so_far += self.before.take().map_or(0, |before| offset - before);
        match reading {
            Reading::Whole(record) | Reading::Mended(record) => match record {
                Record::CheckpointBegun => self.so_far = 0,
                Record::CheckpointEnded { .. } => self.bytes = self.so_far,
                record if record.is_captured() => {}
                _ => return,
            },
            Reading::Damaged(_) | Reading::Gap => return,
        }
        self.before = Some(offset);
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report, losses, sessions, retained, .. } = self;
        write!(f, "{sessions} sessions, {retained} retained messages; {report}")?;
        if *losses != Losses::default() {
            write!(f, "; lost: {losses}")?;
        }
        Ok(())
    }
}
