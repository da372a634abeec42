//! The files a log has ready, and what it wants of its medium. Owned by the log.
//!
//! Invariant: `spares + asked <= ahead +` segments without a file, those for large records aside,
//! of which there is one at most that no segment waits for.
//!
//! Spares are used in the order of their ids, so that of two files with segments of one start the
//! later id is the later segment.

use std::collections::VecDeque;

use super::super::medium::{Extent, FileId, Mapping, Request};
use super::super::segment::HEADER_BYTES;
use crate::limits::{SPARE_FILES, WRITE_FAILURES_MAX};

/// A file of the log.
pub(super) struct SegmentFile {
    pub(super) id: FileId,
    pub(super) mapping: Box<dyn Mapping>,
}

/// See the module.
pub(super) struct Files {
    /// Length of a file that is no larger than it must be.
    standard_bytes: u64,
    spares: Vec<SegmentFile>,
    /// Spares there are to be.
    pub(super) ahead: usize,
    /// Length of a file that is wanted before a record that needs it is appended.
    large: Option<u64>,
    /// Files that nobody needs any more are not to be kept.
    sheds: bool,
    /// Lengths that were asked for and not answered.
    asked: VecDeque<u64>,
    /// What else is to be asked.
    requests: VecDeque<Request>,
    /// The last answer was that there is no file.
    is_refused: bool,
    failures_in_a_row: u32,
}

impl Files {
    pub(super) fn new(standard_bytes: u64) -> Self {
        Self {
            standard_bytes,
            spares: Vec::new(),
            ahead: SPARE_FILES,
            large: None,
            sheds: false,
            asked: VecDeque::new(),
            requests: VecDeque::new(),
            is_refused: false,
            failures_in_a_row: 0,
        }
    }

    /// A file of at least `bytes`: the smallest there is, of those the one with the lowest id.
    pub(super) fn take(&mut self, bytes: u64) -> Option<SegmentFile> {
        let length = |file: &SegmentFile| file.mapping.bytes().len() as u64;
        let fitting = self.spares.iter().enumerate().filter(|(_, file)| length(file) >= bytes);
        let (at, _) = fitting.min_by_key(|(_, file)| (length(file), file.id))?;
        Some(self.spares.remove(at))
    }

    /// Nobody needs this file any more. It may be what was refused before.
    pub(super) fn recycle(&mut self, id: FileId) {
        self.requests.push_back(Request::Recycle(id));
        self.is_refused = false;
        if self.sheds {
            self.requests.push_back(Request::Shed);
        }
    }

    /// Whether files that nobody needs any more are given back to the file system.
    pub(super) fn set_sheds(&mut self, sheds: bool) {
        if sheds && !self.sheds {
            self.requests.push_back(Request::Shed);
        }
        self.sheds = sheds;
    }

    /// Bytes of records that the spares have room for, in segments of the usual length.
    pub(super) fn room(&self) -> u64 {
        let lengths = self.spares.iter().map(|file| file.mapping.bytes().len() as u64);
        lengths.map(|length| length.min(self.standard_bytes) - HEADER_BYTES).sum()
    }

    /// Whether there is a spare of at least so many bytes; it is asked for if not.
    pub(super) fn has_large(&mut self, bytes: u64) -> bool {
        let there = self.spares.iter().any(|file| file.mapping.bytes().len() as u64 >= bytes);
        if !there {
            self.large = self.large.max(Some(bytes));
        }
        there
    }

    /// The log goes so far.
    pub(super) fn note(&mut self, extent: Extent) {
        self.requests.push_back(Request::Note(extent));
    }

    pub(super) fn set_aside(&mut self, id: FileId) {
        self.requests.push_back(Request::SetAside(id));
    }

    /// What to ask now. `needed` are the lengths that segments without a file need.
    pub(super) fn next_request(
        &mut self,
        needed: &(impl Iterator<Item = u64> + Clone),
    ) -> Option<Request> {
        if let Some(request) = self.requests.pop_front() {
            return Some(request);
        }
        if self.is_refused || self.failures_in_a_row >= WRITE_FAILURES_MAX {
            return None;
        }
        let bytes = self.lacking(needed)?;
        self.asked.push_back(bytes);
        Some(Request::Supply { bytes })
    }

    fn lacking(&self, needed: &(impl Iterator<Item = u64> + Clone)) -> Option<u64> {
        let standard = self.standard_bytes;
        let asked = |bytes: u64| self.asked.iter().filter(|asked| **asked == bytes).count();
        let needed_of = |bytes: u64| needed.clone().filter(|needed| *needed == bytes).count();
        // A segment waits: it comes before the spares.
        let mut larger = needed.clone().filter(|bytes| *bytes > standard);
        if let Some(bytes) = larger.find(|bytes| asked(*bytes) < needed_of(*bytes)) {
            return Some(bytes);
        }
        if let Some(large) = self.large.filter(|large| asked(*large) == 0) {
            return Some(large);
        }
        let there = self.spares.len() + asked(standard);
        (there < self.ahead + needed_of(standard)).then_some(standard)
    }

    /// # Panics
    /// If it was not asked for, or is shorter than it must be.
    pub(super) fn on_supplied(&mut self, file: SegmentFile) {
        let asked = self.asked.pop_front().expect("a file is supplied that was asked for");
        let length = file.mapping.bytes().len() as u64;
        assert!(length >= asked, "file {}: {length} bytes, {asked} were asked for", file.id.0);
        self.large = self.large.filter(|large| *large > length);
        self.spares.push(file);
    }

    /// # Panics
    /// If nothing was asked for.
    pub(super) fn on_refused(&mut self) {
        self.asked.pop_front().expect("a request is refused that was made");
        self.is_refused = true;
    }

    pub(super) fn on_written(&mut self) {
        self.failures_in_a_row = 0;
    }

    pub(super) fn on_failed(&mut self) {
        self.failures_in_a_row += 1;
    }

    pub(super) fn retry(&mut self) {
        self.is_refused = false;
        self.failures_in_a_row = 0;
    }
}
