//! The unused files of a log, and its requests to the medium. Owned by the log.
//!
//! ```text
//!  spares, by length     1   4  │ 16   16  │ 200
//!                        used   │ the      │ for one
//!                        first  │ reserve  │ record
//! ```
//! Invariant: besides the files for which segments wait and those for large records, only the
//! reserve and one more file are requested. At most one file for large records is kept for which no
//! segment waits.
//!
//! The shortest sufficient spare is used; among equal ones, the one with the lowest id.

use std::collections::VecDeque;

use super::super::medium::{Extent, FileId, Mapping, Request};
use super::super::segment::HEADER_BYTES;
use super::lengths::Lengths;
use crate::limits::{RESERVE_FILES, WRITE_FAILURES_MAX};

/// A file of the log.
pub(super) struct SegmentFile {
    pub(super) id: FileId,
    pub(super) mapping: Box<dyn Mapping>,
}

impl SegmentFile {
    /// Its size in bytes, including the header.
    pub(super) fn length(&self) -> u64 {
        self.mapping.bytes().len() as u64
    }
}

/// The file for which a segment waits: the wanted length, and the least sufficient one.
#[derive(Clone, Copy)]
pub(super) struct Need {
    pub(super) wanted: u64,
    pub(super) least: u64,
}

/// A requested file.
#[derive(Clone, Copy)]
struct FileRequest {
    bytes: u64,
    /// Whether a shorter one would not be enough.
    is_least: bool,
}

/// Bytes of records that must stay free in unused files, beyond [`RESERVE_FILES`].
#[derive(Clone, Copy, Default)]
pub(super) struct Reserve {
    pub(super) on_the_way: u64,
    /// Half of one file of the reserve counts towards these.
    pub(super) checkpoints: u64,
}

impl Reserve {
    /// The number of files in the reserve; `None` if all of them are not enough.
    fn count(self, longest_first: impl Iterator<Item = u64>) -> Option<usize> {
        let mut rooms = longest_first.map(|length| length - HEADER_BYTES);
        let mut least = u64::MAX;
        for _ in 0..RESERVE_FILES {
            least = rooms.next()?;
        }
        let mut count = RESERVE_FILES;
        for mut bytes in [self.on_the_way, self.checkpoints.saturating_sub(least / 2)] {
            while bytes > 0 {
                bytes = bytes.saturating_sub(rooms.next()?);
                count += 1;
            }
        }
        Some(count)
    }
}

/// See the file.
pub(super) struct Files {
    pub(super) lengths: Lengths,
    /// Sorted by length, then by id.
    spares: Vec<SegmentFile>,
    pub(super) reserve: Reserve,
    /// The length of a file that must be present before a large record is appended.
    large: Option<u64>,
    /// Whether unneeded files are given back.
    sheds: bool,
    /// Requests without an answer.
    asked: VecDeque<FileRequest>,
    /// Other requests to the medium.
    requests: VecDeque<Request>,
    /// The last answer was that there is no file.
    is_refused: bool,
    failures_in_a_row: u32,
    /// Memory for the lengths of present and requested files.
    scratch: Vec<u64>,
}

impl Files {
    pub(super) fn new(lengths: Lengths) -> Self {
        Self {
            lengths,
            spares: Vec::new(),
            reserve: Reserve::default(),
            large: None,
            sheds: false,
            asked: VecDeque::new(),
            requests: VecDeque::new(),
            is_refused: false,
            failures_in_a_row: 0,
            scratch: Vec::new(),
        }
    }

    /// Takes a file of at least `bytes`.
    pub(super) fn take(&mut self, bytes: u64) -> Option<SegmentFile> {
        let at = self.shortest(bytes)?;
        Some(self.spares.remove(at))
    }

    /// The spare that a segment of at least `bytes` would get.
    fn shortest(&self, bytes: u64) -> Option<usize> {
        let at = self.spares.partition_point(|file| file.length() < bytes);
        (at < self.spares.len()).then_some(at)
    }

    /// The spares that are not longer than the usual most.
    fn usual(&self) -> &[SegmentFile] {
        let most = self.lengths.most();
        &self.spares[..self.spares.partition_point(|file| file.length() <= most)]
    }

    /// Returns an unneeded file. Its space may be enough for a request that was refused.
    pub(super) fn recycle(&mut self, id: FileId) {
        self.requests.push_back(Request::Recycle(id));
        self.retry_supply();
        if self.sheds {
            self.requests.push_back(Request::Shed);
        }
    }

    /// Sets whether unneeded files are given back to the file system.
    pub(super) fn set_sheds(&mut self, sheds: bool) {
        if sheds && !self.sheds {
            self.requests.push_back(Request::Shed);
        }
        self.sheds = sheds;
    }

    /// Files without a segment.
    pub(super) fn spare_count(&self) -> u64 {
        self.spares.len() as u64
    }

    /// The space for records in the spare files.
    pub(super) fn room(&self) -> u64 {
        room(self.usual())
    }

    /// The same beyond the reserve; `None` if the reserve is not complete.
    pub(super) fn room_beyond_reserve(&self) -> Option<u64> {
        let usual = self.usual();
        let reserve = self.reserve.count(usual.iter().rev().map(SegmentFile::length))?;
        Some(room(&usual[..usual.len() - reserve]))
    }

    /// Bytes of records for which the longest spare has room.
    pub(super) fn longest_room(&self) -> u64 {
        self.usual().last().map_or(0, |file| file.length() - HEADER_BYTES)
    }

    /// Whether there is a spare of at least `bytes` besides a complete reserve; if not, it is
    /// requested.
    pub(super) fn has_large(&mut self, bytes: u64) -> bool {
        let usual = self.usual();
        let is_there = self.shortest(bytes).is_some_and(|taken| {
            let others = usual.iter().enumerate().rev().filter(|(at, _)| *at != taken);
            self.reserve.count(others.map(|(_, file)| file.length())).is_some()
        });
        if is_there {
            self.large = self.large.filter(|large| *large > bytes);
        } else {
            self.large = self.large.max(Some(bytes));
        }
        is_there
    }

    /// Requests to note the extent of the log.
    pub(super) fn note(&mut self, extent: Extent) {
        self.requests.push_back(Request::Note(extent));
    }

    pub(super) fn set_aside(&mut self, id: FileId) {
        self.requests.push_back(Request::SetAside(id));
    }

    /// The next request; `written` is the size of the log in bytes.
    pub(super) fn next_request(
        &mut self,
        needs: impl Iterator<Item = Need>,
        written: u64,
    ) -> Option<Request> {
        if let Some(request) = self.requests.pop_front() {
            return Some(request);
        }
        if self.is_refused || self.failures_in_a_row >= WRITE_FAILURES_MAX {
            return None;
        }
        let asked = self.lacking(needs, written)?;
        self.asked.push_back(asked);
        Some(Request::Supply { bytes: asked.bytes })
    }

    fn lacking(&mut self, needs: impl Iterator<Item = Need>, written: u64) -> Option<FileRequest> {
        let usual = self.usual_length(written);
        let mut there = std::mem::take(&mut self.scratch);
        there.clear();
        there.extend(self.spares.iter().map(SegmentFile::length));
        there.extend(self.asked.iter().map(|asked| asked.bytes));
        there.sort_unstable();
        let lacking = self.lacking_beside(&mut there, needs, usual);
        self.scratch = there;
        let (bytes, least) = lacking?;
        Some(FileRequest { bytes, is_least: bytes <= least.max(self.least_usual()) })
    }

    /// The file that is missing besides files of these lengths: its length, and the least
    /// sufficient one.
    fn lacking_beside(
        &self,
        there: &mut Vec<u64>,
        needs: impl Iterator<Item = Need>,
        usual: u64,
    ) -> Option<(u64, u64)> {
        let long = |bytes: u64| self.lengths.at_least(bytes).max(usual);
        let is_whole = |there: &[u64], beyond: usize| {
            let usual = &there[..there.partition_point(|length| *length <= self.lengths.most())];
            let reserve = self.reserve.count(usual.iter().rev().copied());
            reserve.is_some_and(|reserve| usual.len() >= reserve + beyond)
        };
        // Waiting segments precede the spares.
        for Need { wanted, least } in needs {
            match there.partition_point(|length| *length < wanted) {
                at if at < there.len() => _ = there.remove(at),
                _ => return Some((long(wanted), least)),
            }
        }
        if !is_whole(there, 1) {
            return Some((usual, 0));
        }
        let least = self.large?;
        match there.partition_point(|length| *length < least) {
            at if at < there.len() => _ = there.remove(at),
            _ => return Some((long(least), least)),
        }
        (!is_whole(there, 0)).then_some((usual, 0))
    }

    /// The length of the files to request for a log of `written` bytes.
    pub(super) fn usual_length(&self, written: u64) -> u64 {
        self.lengths.usual(written).max(self.least_usual())
    }

    /// A record of a checkpoint must never wait for a longer file.
    fn least_usual(&self) -> u64 {
        self.lengths.enough_for(HEADER_BYTES + self.reserve.checkpoints)
    }

    /// # Panics
    /// If no file was requested, or this one is too short.
    pub(super) fn on_supplied(&mut self, file: SegmentFile) {
        let asked = self.asked.pop_front().expect("a file is supplied that was asked for").bytes;
        let length = file.length();
        assert!(length >= asked, "file {}: {length} bytes, {asked} were asked for", file.id.0);
        self.large = self.large.filter(|large| *large > length);
        let key = (length, file.id);
        let at = self.spares.partition_point(|spare| (spare.length(), spare.id) < key);
        self.spares.insert(at, file);
    }

    /// Handles a refusal: requests a shorter file, if that is enough.
    ///
    /// # Panics
    /// If no file was requested.
    pub(super) fn on_refused(&mut self) {
        let asked = self.asked.pop_front().expect("a request is refused that was made");
        if asked.is_least {
            self.is_refused = true;
        } else {
            self.lengths.lower(asked.bytes);
        }
    }

    /// Whether no file is requested because a request was refused.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    pub(super) fn on_written(&mut self) {
        self.failures_in_a_row = 0;
    }

    pub(super) fn on_failed(&mut self) {
        self.failures_in_a_row += 1;
    }

    pub(super) fn retry(&mut self) {
        self.retry_supply();
        self.failures_in_a_row = 0;
    }

    fn retry_supply(&mut self) {
        self.is_refused = false;
        self.lengths.lift();
    }
}

/// Bytes of records for which files have room.
fn room(files: &[SegmentFile]) -> u64 {
    files.iter().map(|file| file.length() - HEADER_BYTES).sum()
}
