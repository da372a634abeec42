//! The requests to the disk, their results, and the work that depends on time.
//!
//! Verbs: those of the reactor ([`Storage::next_write`], [`Storage::on_written`] and so on),
//! [`Storage::end_turn`], and those of [`Shortage`] for clients that may have to wait.
//!
//! It uses `names` and `read_gate`. The catalog and the logs are lent to it.

mod shortage;

use log::{error, info, warn};

use crate::limits::{LAZY_BYTES_MAX, LAZY_MS, STAGED_BYTES_MAX};
use crate::store::{Catalog, FileId, GroupWrite, Housekeeping, HousekeepingStats, Logs, Mapping};

use super::names::{Options, Stats};
use super::read_gate::ReadGates;

pub(crate) use shortage::{Shortage, Wanted};

/// Time between two attempts to get a file, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// See the room.
pub(crate) struct Storage {
    housekeeping: Housekeeping,
    shortage: Shortage,
    retry_ms: Option<u64>,
    /// Whether the log lacks a file for the next bytes.
    exhausted: bool,
    /// The time to write staged bytes for which no reply waits.
    lazy_ms: Option<u64>,
    /// The time of the last completed checkpoint; 0: none.
    checkpoint_ms: u64,
    stats: Stats,
}

impl Storage {
    pub(crate) fn new(options: &Options, housekeeping: Housekeeping) -> Self {
        Self {
            housekeeping,
            shortage: Shortage::new(options),
            retry_ms: None,
            exhausted: false,
            lazy_ms: None,
            checkpoint_ms: 0,
            stats: Stats::default(),
        }
    }

    pub(crate) fn stats(&self) -> [&Stats; 2] {
        [&self.stats, &self.shortage.stats]
    }

    /// The counters of housekeeping.
    pub(crate) fn housekeeping_stats(&self) -> HousekeepingStats {
        self.housekeeping.stats()
    }

    /// The time of the last completed checkpoint since the start; 0: none.
    pub(crate) fn checkpoint_ms(&self) -> u64 {
        self.checkpoint_ms
    }

    #[inline]
    pub(crate) fn shortage(&self) -> &Shortage {
        &self.shortage
    }

    pub(crate) fn shortage_mut(&mut self) -> &mut Shortage {
        &mut self.shortage
    }

    /// The next write, if none is under way. Bytes for which no reply waits are delayed a little to
    /// gather more.
    pub(crate) fn next_write(&mut self, logs: &mut Logs, now_ms: u64) -> Option<GroupWrite> {
        let staged = logs.disk.staged_bytes();
        let is_naming = logs.disk.is_naming();
        if staged == 0 && !is_naming {
            self.lazy_ms = None;
            return None;
        }
        if logs.is_settled() && staged < LAZY_BYTES_MAX && !is_naming {
            let due_ms = *self.lazy_ms.get_or_insert(now_ms + LAZY_MS);
            if now_ms < due_ms {
                return None;
            }
        }
        // Without a file, the end of another write or a new file causes another attempt.
        self.lazy_ms = None;
        logs.disk.next_write()
    }

    /// Handles the end of a write.
    pub(crate) fn on_written(
        &mut self,
        result: std::io::Result<()>,
        logs: &mut Logs,
        gates: &mut ReadGates,
        now_ms: u64,
    ) {
        if result.is_err() {
            self.stats.disk_write_failures += 1;
            // After several failures in a row the log asks for no more files until it is told to.
            self.retry_ms.get_or_insert(now_ms + RETRY_MS);
        }
        logs.disk.on_written(result);
        self.update(logs, gates, now_ms);
    }

    /// Takes a file that was asked for.
    pub(crate) fn on_supplied(
        &mut self,
        (id, mapping): (FileId, Box<dyn Mapping>),
        logs: &mut Logs,
        gates: &mut ReadGates,
        now_ms: u64,
    ) {
        logs.disk.on_supplied(id, mapping);
        if logs.disk.room() > 0 && std::mem::take(&mut self.exhausted) {
            info!("there is a segment file again: what waited for it is stored");
        }
        self.update(logs, gates, now_ms);
        self.shortage.resume_large(gates, now_ms);
    }

    /// Handles a file request that failed.
    pub(crate) fn on_refused(
        &mut self,
        error: &std::io::Error,
        logs: &mut Logs,
        gates: &mut ReadGates,
        now_ms: u64,
    ) {
        logs.disk.on_refused(error);
        if !logs.disk.is_refused() {
            // A shorter file may be available.
            return;
        }
        self.stats.disk_supply_failures += 1;
        if self.stats.disk_supply_failures.is_power_of_two() {
            let count = self.stats.disk_supply_failures;
            warn!(
                "no room for another segment file, trying again each second; publishers that need \
                 the disk wait when what is ready is full: {error} ({count})"
            );
        }
        if logs.disk.room() == 0 && !std::mem::replace(&mut self.exhausted, true) {
            error!(
                "there is no segment file left, not for acknowledgements either: nothing is \
                 stored, and no session begins or is drained, until there is space from elsewhere"
            );
        }
        self.retry_ms = Some(now_ms + RETRY_MS);
        self.update(logs, gates, now_ms);
    }

    /// Takes the file system's free space.
    pub(crate) fn on_space(
        &mut self,
        (free, total): (u64, u64),
        logs: &mut Logs,
        gates: &mut ReadGates,
        now_ms: u64,
    ) {
        self.shortage.on_space(free, total, logs);
        self.update(logs, gates, now_ms);
    }

    /// Ends a turn, at the time `time_ms` of the time line: it writes acknowledgements, releases
    /// free segments, and lets housekeeping take a step. Returns whether there is more work at
    /// once.
    pub(crate) fn end_turn(
        &mut self,
        sessions: &mut Catalog,
        logs: &mut Logs,
        gates: &mut ReadGates,
        time_ms: u64,
        now_ms: u64,
    ) -> bool {
        sessions.write_acks(logs);
        logs.end_turn();
        logs.disk.end_turn();
        self.update(logs, gates, now_ms);
        // If space is low, this step frees some.
        let is_behind = logs.disk.staged_bytes() > STAGED_BYTES_MAX;
        let is_pressed = self.shortage.is_of_space();
        if is_behind {
            return false;
        }
        let before = self.housekeeping.stats().checkpoints;
        let has_more = self.housekeeping.step(sessions, logs, time_ms, is_pressed);
        if self.housekeeping.stats().checkpoints > before {
            self.checkpoint_ms = now_ms;
        }
        has_more
    }

    /// The time at which [`Storage::on_due`] is due.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.retry_ms.into_iter().chain(self.lazy_ms).min()
    }

    /// Asks for a file again, if that is due.
    pub(crate) fn on_due(&mut self, logs: &mut Logs, gates: &mut ReadGates, now_ms: u64) {
        if self.retry_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            self.retry_ms = None;
            logs.disk.retry_supply();
            self.shortage.resume_large(gates, now_ms);
        }
    }

    fn update(&mut self, logs: &mut Logs, gates: &mut ReadGates, now_ms: u64) {
        let checkpoint_bytes = self.housekeeping.checkpoint_bytes();
        self.shortage.update(checkpoint_bytes, logs, gates, now_ms);
    }
}

/// Whether everything that was appended is committed.
pub(crate) fn is_committed(logs: &Logs) -> bool {
    logs.disk.staged_bytes() == 0 && !logs.disk.is_naming()
}
