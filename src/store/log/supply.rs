//! The log's interface to its files: requests, supply, the space in them, and their release.

use std::io;

use super::super::medium::{FileId, Mapping, Request};
use super::super::segment::HEADER_BYTES;
use super::Log;
use super::files::{Reserve, SegmentFile};

impl Log {
    /// The next request to the medium. No file is requested between a refusal, or several failed
    /// writes in a row, and [`Log::retry_supply`].
    pub fn next_request(&mut self) -> Option<Request> {
        self.files.next_request(self.segments.needs(), self.written_bytes())
    }

    /// Handles a supplied file.
    ///
    /// # Panics
    /// If none was requested, or this one is shorter.
    pub fn on_supplied(&mut self, id: FileId, mapping: Box<dyn Mapping>) {
        self.files.on_supplied(SegmentFile { id, mapping });
        self.assign_files();
    }

    /// Handles a refusal. Unless [`Log::is_refused`] is true afterwards, a shorter file is
    /// requested.
    ///
    /// # Panics
    /// If none was requested.
    pub fn on_refused(&mut self, error: &io::Error) {
        self.files.on_refused();
        if let Some(room_end) = self.segments.shorten_newest(self.usual_capacity()) {
            self.room_end = room_end;
        }
        self.last_error = Some(format!("no file for the next segment: {error}"));
    }

    /// Whether no file is requested because the last request was refused.
    pub fn is_refused(&self) -> bool {
        self.files.is_refused()
    }

    /// Allows requests for files again: the owner calls it once a second.
    pub fn retry_supply(&mut self) {
        self.files.retry();
    }

    /// The space for records in files, beyond the appended ones; 0 while a segment waits for a
    /// file.
    pub fn room(&self) -> u64 {
        if self.segments.is_waiting() {
            return 0;
        }
        self.room_end - self.appended() + self.files.room()
    }

    /// The part of that space that messages may use. The reserve is for acknowledgements,
    /// checkpoints and cleaning. It must be in unused files, because the log continues in a new
    /// file after a start.
    pub fn room_for_messages(&self) -> u64 {
        let beyond = self.files.room_beyond_reserve();
        beyond.filter(|_| !self.segments.is_waiting()).map_or(0, |beyond| {
            let newest = self.room_end - self.appended();
            newest + beyond
        })
    }

    /// Sets the reserve: two files, those that messages on their way may begin, and those that
    /// `checkpoints`, in bytes, need beyond half of one file.
    pub fn set_reserve(&mut self, on_the_way: u64, checkpoints: u64) {
        self.files.reserve = Reserve { on_the_way, checkpoints };
    }

    /// The greatest space for records in a segment.
    pub fn capacity(&self) -> u64 {
        self.options.segment_bytes - HEADER_BYTES
    }

    /// The least space for records in a segment.
    pub fn capacity_min(&self) -> u64 {
        self.files.lengths.first() - HEADER_BYTES
    }

    /// The space for records in the files that are requested now.
    pub(super) fn usual_capacity(&self) -> u64 {
        self.files.usual_length(self.written_bytes()) - HEADER_BYTES
    }

    /// The size of the records that were found at opening and appended since. The length of new
    /// files depends on it.
    pub fn written_bytes(&self) -> u64 {
        self.appended() - self.grown_from
    }

    /// Whether a record of `bytes` can be appended without waiting for a file and leaves the
    /// reserve complete; if not, a file for it is requested.
    pub fn is_ready_for(&mut self, bytes: u64) -> bool {
        let fits = bytes <= self.room_end - self.appended() && !self.segments.is_waiting();
        fits || self.files.has_large(HEADER_BYTES + bytes)
    }

    /// The longest record for which there is space.
    pub fn longest_room(&self) -> u64 {
        if self.segments.is_waiting() {
            return 0;
        }
        (self.room_end - self.appended()).max(self.files.longest_room())
    }

    /// Sets whether space is low: then unneeded files are given back.
    pub fn set_sheds(&mut self, sheds: bool) {
        self.files.set_sheds(sheds);
    }

    /// The size of the files that become free when a checkpoint that begins now is in a header.
    pub fn reclaimable(&self) -> u64 {
        self.segments.reclaimable()
    }

    /// Removes the segment that starts at `start` from the log; its file is kept under another
    /// name. References to its records become invalid.
    ///
    /// # Panics
    /// If a part of it is not committed.
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

    /// Restores the count of references that the segment at `start` ever had, from before the log
    /// was opened.
    pub(in crate::store) fn recall_holds(&mut self, start: u64, holds: u64) {
        if let Some(at) = self.segments.index_of(start) {
            self.segments.recall_holds(at, holds);
        }
    }

    /// Notes that a segment started at `start`, even if it is missing: the one before it ended
    /// there or earlier.
    pub(in crate::store) fn recall_start(&mut self, start: u64) {
        if let Some(before) = start.checked_sub(1).and_then(|before| self.segments.find(before)) {
            let segment = &mut self.segments.list[before];
            segment.end = segment.end.map(|end| end.min(start));
        }
    }

    /// Restores the end of the segment at `start`, which is unknown if the next segment is gone.
    pub(in crate::store) fn recall_end(&mut self, start: u64, end: u64) {
        if let Some(at) = self.segments.index_of(start) {
            self.segments.recall_end(at, end);
        }
    }

    /// Marks the record at `offset` as damaged: the file of its segment is set aside when the
    /// segment has no references.
    pub(in crate::store) fn set_damaged(&mut self, offset: u64) {
        if let Some(at) = self.segments.find(offset) {
            self.segments.list[at].is_damaged.set(true);
        }
    }

    /// The number of reads of bytes that the disk could not read.
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
