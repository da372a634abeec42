//! What the disk is given and asked for, what it answers, and what is done about it in time.

use log::{error, info, warn};

use crate::limits::{LAZY_BYTES_MAX, LAZY_MS, STAGED_BYTES_MAX};
use crate::store::{FileId, GroupWrite, Mapping, Request};

use super::shard::{Context, Shard};

/// Time between two tries to get a file, milliseconds.
const RETRY_MS: u64 = 1_000;

/// What is due for the disk, and when.
#[derive(Default, Debug)]
pub(super) struct DiskTimes {
    retry_ms: Option<u64>,
    /// The log has no file for what is next.
    exhausted: bool,
    /// When what is staged and nobody waits for is to be written.
    lazy_ms: Option<u64>,
}

impl Shard {
    /// What this shard's part of the disk is asked for next.
    pub fn next_disk_request(&mut self) -> Option<Request> {
        self.out.logs.disk.next_request().or_else(|| self.next_clock_request())
    }

    /// What is to be written next, if nothing is being written. What nobody waits for waits a
    /// little for more.
    pub fn next_write(&mut self, now_ms: u64) -> Option<GroupWrite> {
        let staged = self.out.logs.disk.staged_bytes();
        let is_naming = self.out.logs.disk.is_naming();
        if staged == 0 && !is_naming {
            self.disk.lazy_ms = None;
            return None;
        }
        if self.out.logs.is_settled() && staged < LAZY_BYTES_MAX && !is_naming {
            let due_ms = *self.disk.lazy_ms.get_or_insert(now_ms + LAZY_MS);
            if now_ms < due_ms {
                return None;
            }
        }
        // Without one the end of another write, or a file, has it looked for again.
        self.disk.lazy_ms = None;
        self.out.logs.disk.next_write()
    }

    /// Nothing more is appended: has the end of the log noted, if it is committed.
    pub fn end_log(&mut self) {
        if self.is_committed() {
            self.out.logs.disk.end();
        }
    }

    /// The write has ended.
    pub fn on_written(&mut self, result: std::io::Result<()>, now_ms: u64) {
        if result.is_err() {
            self.out.stats.disk_write_failures += 1;
            // After several in a row the log asks for no more files until it is told to.
            self.disk.retry_ms.get_or_insert(now_ms + RETRY_MS);
        }
        self.out.logs.disk.on_written(result);
        self.meters.note_committed(self.out.logs.disk.committed());
        self.judge_disk();
    }

    /// A file has come that was asked for.
    pub fn on_supplied(&mut self, id: FileId, mapping: Box<dyn Mapping>) {
        self.out.logs.disk.on_supplied(id, mapping);
        if self.out.logs.disk.room() > 0 && std::mem::take(&mut self.disk.exhausted) {
            info!("there is a segment file again: what waited for it is stored");
        }
        self.judge_disk();
        self.resume_large();
    }

    /// A file was asked for and there is none.
    pub fn on_supply_refused(&mut self, error: &std::io::Error, now_ms: u64) {
        self.out.logs.disk.on_refused(error);
        if !self.out.logs.disk.is_refused() {
            // A shorter one may be had.
            return;
        }
        self.out.stats.disk_supply_failures += 1;
        if self.out.stats.disk_supply_failures.is_power_of_two() {
            let count = self.out.stats.disk_supply_failures;
            warn!(
                "no room for another segment file, trying again each second; publishers that need \
                 the disk wait when what is ready is full: {error} ({count})"
            );
        }
        if self.out.logs.disk.room() == 0 && !std::mem::replace(&mut self.disk.exhausted, true) {
            error!(
                "there is no segment file left, not for acknowledgements either: nothing is \
                 stored, and no session begins or is drained, until there is space from elsewhere"
            );
        }
        self.disk.retry_ms = Some(now_ms + RETRY_MS);
        self.judge_disk();
    }

    /// How far the log goes, and how far what it promises is kept.
    pub fn log_marks(&mut self) -> (u64, u64) {
        (self.out.logs.disk.appended(), self.out.logs.settled())
    }

    /// Whether everything that was appended is committed.
    pub fn is_committed(&self) -> bool {
        self.out.logs.disk.staged_bytes() == 0 && !self.out.logs.disk.is_naming()
    }

    /// Ends a turn: acknowledgements are written, segments that are free go, and housekeeping takes
    /// a step; whether there is more to do at once.
    pub fn end_turn(&mut self, context: &mut Context<'_>) -> bool {
        self.catalog.write_acks(&mut self.out.logs);
        self.out.logs.end_turn();
        self.out.logs.disk.end_turn();
        self.judge_disk();
        self.tell_of_shortage(context);
        // Where space is short this is what makes some.
        let behind = self.out.logs.disk.staged_bytes() > STAGED_BYTES_MAX;
        let pressed = self.shortage.is_of_space();
        let more =
            !behind && self.housekeeping.step(&mut self.catalog, &mut self.out.logs, pressed);
        more || !self.out.events.is_empty()
    }

    /// When [`Shard::on_storage_due`] is due.
    pub(super) fn storage_due_ms(&self) -> Option<u64> {
        let disk = &self.disk;
        let dues = disk.retry_ms.into_iter().chain(disk.lazy_ms).chain(self.absences.due_ms());
        dues.chain(self.notices_due_ms()).min()
    }

    /// Asks for a file again; looks at sessions whose clients are away.
    pub(super) fn on_storage_due(&mut self, context: &mut Context<'_>) {
        let is_due = |due_ms: Option<u64>| due_ms.is_some_and(|due_ms| due_ms <= context.now_ms);
        if is_due(self.disk.retry_ms) {
            self.disk.retry_ms = None;
            self.out.logs.disk.retry_supply();
            self.resume_large();
        }
        self.look_at_absences(context);
        self.tell_due(context.now_ms);
    }
}
