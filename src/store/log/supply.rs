//! The log's side of its files: asks for them, takes them, says how much room they have, and which
//! of them can go.

use std::io;

use super::super::medium::{FileId, Mapping, Request};
use super::super::segment::HEADER_BYTES;
use super::Log;
use super::files::{Reserve, SegmentFile};

impl Log {
    /// Requests to the medium, in their order. No file is requested between a refusal, or several
    /// failed writes in a row, and [`Log::retry_supply`].
    pub fn next_request(&mut self) -> Option<Request> {
        self.files.next_request(self.segments.needs(), self.written_bytes())
    }

    /// A file that was asked for.
    ///
    /// # Panics
    /// If it was not, or is shorter.
    pub fn on_supplied(&mut self, id: FileId, mapping: Box<dyn Mapping>) {
        self.files.on_supplied(SegmentFile { id, mapping });
        self.assign_files();
    }

    /// There is no file. Unless [`Log::is_refused`] is true then, a shorter one is asked for.
    ///
    /// # Panics
    /// If none was asked for.
    pub fn on_refused(&mut self, error: &io::Error) {
        self.files.on_refused();
        if let Some(room_end) = self.segments.shorten_newest(self.usual_capacity()) {
            self.room_end = room_end;
        }
        self.last_error = Some(format!("no file for the next segment: {error}"));
    }

    /// Whether no file is asked for since there is none.
    pub fn is_refused(&self) -> bool {
        self.files.is_refused()
    }

    /// Lets files be asked for again: the owner says so once a second.
    pub fn retry_supply(&mut self) {
        self.files.retry();
    }

    /// Bytes of records that there are files for, beyond what was appended; none while something of
    /// that waits for one.
    pub fn room(&self) -> u64 {
        if self.segments.is_waiting() {
            return 0;
        }
        self.room_end - self.appended() + self.files.room()
    }

    /// Bytes of that room that messages may take. The reserve is for acknowledgements, checkpoints
    /// and cleaning, and must be in files of which nothing is used: a start goes on in a new one.
    pub fn room_for_messages(&self) -> u64 {
        let beyond = self.files.room_beyond_reserve();
        beyond.filter(|_| !self.segments.is_waiting()).map_or(0, |beyond| {
            let newest = self.room_end - self.appended();
            newest + beyond
        })
    }

    /// Has the reserve be two files, those that messages on their way may begin, and those that
    /// `checkpoints`, in bytes, need beyond the half of one.
    pub fn set_reserve(&mut self, on_the_way: u64, checkpoints: u64) {
        self.files.reserve = Reserve { on_the_way, checkpoints };
    }

    /// Bytes of records that a segment has, once much is written.
    pub fn capacity(&self) -> u64 {
        self.options.segment_bytes - HEADER_BYTES
    }

    /// Bytes of records that each segment has, at least.
    pub fn capacity_min(&self) -> u64 {
        self.files.lengths.first() - HEADER_BYTES
    }

    /// The same of those that are asked for now.
    pub(super) fn usual_capacity(&self) -> u64 {
        self.files.usual_length(self.written_bytes()) - HEADER_BYTES
    }

    /// Bytes of records that were found when the log was opened, and were appended since: by that
    /// its files grow.
    pub fn written_bytes(&self) -> u64 {
        self.appended() - self.grown_from
    }

    /// Whether a record of so many bytes can be appended without waiting for a file, and leaves the
    /// reserve whole; a file for it is asked for if not.
    pub fn is_ready_for(&mut self, bytes: u64) -> bool {
        let fits = bytes <= self.room_end - self.appended() && !self.segments.is_waiting();
        fits || self.files.has_large(HEADER_BYTES + bytes)
    }

    /// The longest record that there is a file for.
    pub fn longest_room(&self) -> u64 {
        if self.segments.is_waiting() {
            return 0;
        }
        (self.room_end - self.appended()).max(self.files.longest_room())
    }

    /// Notes whether space is low: while it is, unneeded files are given back.
    pub fn set_sheds(&mut self, sheds: bool) {
        self.files.set_sheds(sheds);
    }

    /// Bytes of files that are free when a checkpoint that is begun now is in a header.
    pub fn reclaimable(&self) -> u64 {
        self.segments.reclaimable()
    }

    /// Takes the segment that starts at `start` out of the log; its file is kept under another
    /// name. References to its records become invalid.
    ///
    /// # Panics
    /// If something of it is not committed.
    pub fn set_aside(&mut self, start: u64) {
        let Some(at) = self.segments.index_of(start) else { return };
        assert!(self.segments.end_of(at) <= self.committed(), "all of it is in its file");
        if at + 1 == self.segments.list.len() {
            self.room_end = self.appended();
        }
        if let Some(file) = self.segments.remove(at) {
            self.files.set_aside(file.id);
        }
    }

    /// There were so many references to the segment that starts at `start`, before the log was
    /// opened as well.
    pub(in crate::store) fn recall_holds(&mut self, start: u64, holds: u64) {
        if let Some(at) = self.segments.index_of(start) {
            self.segments.recall_holds(at, holds);
        }
    }

    /// A segment started at `start`, whether it is there or not: the one before it ended there, or
    /// earlier.
    pub(in crate::store) fn recall_start(&mut self, start: u64) {
        if let Some(before) = start.checked_sub(1).and_then(|before| self.segments.find(before)) {
            let segment = &mut self.segments.list[before];
            segment.end = segment.end.map(|end| end.min(start));
        }
    }

    /// The segment that starts at `start` ends there: that is known no more when the one behind it
    /// is gone.
    pub(in crate::store) fn recall_end(&mut self, start: u64, end: u64) {
        if let Some(at) = self.segments.index_of(start) {
            self.segments.recall_end(at, end);
        }
    }

    /// The record at `offset` is damaged: the file of its segment is set aside when the segment is
    /// not referenced any more.
    pub(in crate::store) fn set_damaged(&mut self, offset: u64) {
        if let Some(at) = self.segments.find(offset) {
            self.segments.list[at].is_damaged.set(true);
        }
    }

    /// Looks at bytes that the disk could not read.
    pub fn read_failures(&self) -> u64 {
        self.segments.read_failures.get()
    }

    /// Files that are ready for the next segments.
    pub fn spare_files(&self) -> u64 {
        self.files.spare_count()
    }

    /// Writes that failed.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// The last error of the disk.
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}
