//! Passes on the log's requests: writes to the ring, files to the medium.

use std::collections::HashMap;

use super::hold::Hold;
use crate::broker::Shard;
use crate::ring::Ring;
use crate::store::{FileId, Medium, MediumAnswer, Request};

/// See the file.
pub(super) struct Storage<M: Medium> {
    medium: M,
    files: HashMap<FileId, M::File>,
    /// The time at which the present write was passed to the ring, in microseconds.
    write_us: u64,
    /// The number of its bytes.
    write_bytes: u64,
    is_writing: bool,
    pub(super) hold: Hold,
}

impl<M: Medium> Storage<M> {
    pub(super) fn new(medium: M) -> Self {
        Self {
            medium,
            files: HashMap::new(),
            write_us: 0,
            write_bytes: 0,
            is_writing: false,
            hold: Hold::default(),
        }
    }

    /// Passes the broker's requests to the medium, and its next write to the ring unless its group
    /// is held; `now_us` is the time, `hold_us_max` the longest time to hold it.
    pub(super) fn serve<R>(
        &mut self,
        broker: &mut Shard,
        ring: &mut R,
        now_ms: u64,
        now_us: impl Fn() -> u64,
        hold_us_max: u64,
    ) where
        R: Ring<File = M::File>,
    {
        while let Some(request) = broker.next_disk_request() {
            if let Request::Recycle(id) | Request::SetAside(id) = request {
                self.files.remove(&id);
            }
            self.medium.ask(request);
        }
        if self.is_writing {
            return;
        }
        let staged_bytes = broker.staged_bytes();
        if self.hold.decide(staged_bytes, || ring.is_ready(), &now_us, hold_us_max) {
            return;
        }
        if let Some(write) = broker.next_write(now_ms) {
            let file = self.files.get(&write.file).expect("its segment has this file");
            (self.write_us, self.write_bytes) = (now_us(), write.bytes.len() as u64);
            self.is_writing = true;
            ring.submit_write(file, write.offset, write.bytes, write.sync);
        }
    }

    /// Ends the write; returns its duration in microseconds.
    pub(super) fn end_write(&mut self, now_us: u64) -> u64 {
        self.is_writing = false;
        now_us.saturating_sub(self.write_us)
    }

    /// The number of its bytes.
    pub(super) fn write_bytes(&self) -> u64 {
        self.write_bytes
    }

    /// Ends the log: its end is noted if everything is committed.
    pub(super) fn end(&mut self, broker: &mut Shard) {
        broker.end_log();
        while let Some(request) = broker.next_disk_request() {
            self.medium.ask(request);
        }
    }

    /// Passes the medium's answers to the broker.
    pub(super) fn take_written(&mut self, broker: &mut Shard, now_ms: u64) {
        while let Some(answer) = self.medium.next_answer() {
            match answer {
                MediumAnswer::Supplied { id, file, mapping } => {
                    self.files.insert(id, file);
                    broker.on_supplied(id, mapping, now_ms);
                }
                MediumAnswer::Refused(error) => broker.on_supply_refused(&error, now_ms),
                MediumAnswer::Clocks(clocks) => broker.on_clocks(clocks, now_ms),
                MediumAnswer::Space { free, total } => broker.on_space(free, total, now_ms),
            }
        }
    }
}
