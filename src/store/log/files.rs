//! The files a log has ready, and what it wants of its medium. Owned by the log.
//!
//! ```text
//!  spares, by length     1   4  │ 16   16  │ 200
//!                        used   │ the      │ for one
//!                        first  │ reserve  │ record
//! ```
//! Invariant: beyond what segments wait for, and files for large records aside, no more is asked
//! for than the reserve and one file; of those for large records there is one at most that no
//! segment waits for.
//!
//! Of spares the shortest that will do is used, of those the one with the lowest id.

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
    /// Its bytes, header included.
    pub(super) fn length(&self) -> u64 {
        self.mapping.bytes().len() as u64
    }
}

/// The file that a segment without one waits for: the wanted length, and the least that is enough.
#[derive(Clone, Copy)]
pub(super) struct Need {
    pub(super) wanted: u64,
    pub(super) least: u64,
}

/// A file that was asked for.
#[derive(Clone, Copy)]
struct FileRequest {
    bytes: u64,
    /// A shorter one would not do.
    is_least: bool,
}

/// Bytes of records that must remain free in unused files, beyond [`RESERVE_FILES`].
#[derive(Clone, Copy, Default)]
pub(super) struct Reserve {
    pub(super) on_the_way: u64,
    /// Of which the half of one file of the reserve has its share.
    pub(super) checkpoints: u64,
}

impl Reserve {
    /// How many of these files are the reserve; `None` if all are not enough.
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

/// See the module.
pub(super) struct Files {
    pub(super) lengths: Lengths,
    /// By length, then by id.
    spares: Vec<SegmentFile>,
    pub(super) reserve: Reserve,
    /// Length of a file that is wanted before a record that needs it is appended.
    large: Option<u64>,
    /// Unneeded files must not be kept.
    sheds: bool,
    /// Not answered yet.
    asked: VecDeque<FileRequest>,
    /// Other requests to the medium.
    requests: VecDeque<Request>,
    /// The last answer was that there is no file.
    is_refused: bool,
    failures_in_a_row: u32,
    /// Lengths that will be there, for a look at them.
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

    /// A file of at least `bytes`.
    pub(super) fn take(&mut self, bytes: u64) -> Option<SegmentFile> {
        let at = self.shortest(bytes)?;
        Some(self.spares.remove(at))
    }

    /// The spare that a segment of at least `bytes` would be given.
    fn shortest(&self, bytes: u64) -> Option<usize> {
        let at = self.spares.partition_point(|file| file.length() < bytes);
        (at < self.spares.len()).then_some(at)
    }

    /// The spares that are not longer than they must be for records of most sizes.
    fn usual(&self) -> &[SegmentFile] {
        let most = self.lengths.most();
        &self.spares[..self.spares.partition_point(|file| file.length() <= most)]
    }

    /// This file is not needed any more. Its space may be enough for a request that was refused.
    pub(super) fn recycle(&mut self, id: FileId) {
        self.requests.push_back(Request::Recycle(id));
        self.retry_supply();
        if self.sheds {
            self.requests.push_back(Request::Shed);
        }
    }

    /// Whether unneeded files are given back to the file system.
    pub(super) fn set_sheds(&mut self, sheds: bool) {
        if sheds && !self.sheds {
            self.requests.push_back(Request::Shed);
        }
        self.sheds = sheds;
    }

    /// Files that no segment has yet.
    pub(super) fn spare_count(&self) -> u64 {
        self.spares.len() as u64
    }

    /// Bytes of records that the spares have room for.
    pub(super) fn room(&self) -> u64 {
        room(self.usual())
    }

    /// The same beyond the reserve; `None` if that is not whole.
    pub(super) fn room_beyond_reserve(&self) -> Option<u64> {
        let usual = self.usual();
        let reserve = self.reserve.count(usual.iter().rev().map(SegmentFile::length))?;
        Some(room(&usual[..usual.len() - reserve]))
    }

    /// Bytes of records in the longest spare.
    pub(super) fn longest_room(&self) -> u64 {
        self.usual().last().map_or(0, |file| file.length() - HEADER_BYTES)
    }

    /// Whether there is a spare of at least so many bytes that leaves the reserve whole; it is
    /// asked for if not.
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

    /// The log goes so far.
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

    /// The file that is missing once files of these lengths are there: its length, and the least
    /// that is enough.
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
        // A segment waits: it comes before the spares.
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

    /// Length of the files to ask for, for a log of so many bytes.
    pub(super) fn usual_length(&self, written: u64) -> u64 {
        self.lengths.usual(written).max(self.least_usual())
    }

    /// No record of a checkpoint is to wait for a longer file.
    fn least_usual(&self) -> u64 {
        self.lengths.enough_for(HEADER_BYTES + self.reserve.checkpoints)
    }

    /// # Panics
    /// If it was not asked for, or is shorter than it must be.
    pub(super) fn on_supplied(&mut self, file: SegmentFile) {
        let asked = self.asked.pop_front().expect("a file is supplied that was asked for").bytes;
        let length = file.length();
        assert!(length >= asked, "file {}: {length} bytes, {asked} were asked for", file.id.0);
        self.large = self.large.filter(|large| *large > length);
        let key = (length, file.id);
        let at = self.spares.partition_point(|spare| (spare.length(), spare.id) < key);
        self.spares.insert(at, file);
    }

    /// A shorter file is asked for, if one will do.
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

/// Bytes of records that files have room for.
fn room(files: &[SegmentFile]) -> u64 {
    files.iter().map(|file| file.length() - HEADER_BYTES).sum()
}
