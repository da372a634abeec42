//! The table of a log's segments: the place of each record, and the references to each segment.
//! Owned by the log.
//!
//! ```text
//!   0        start = 100       300          900       written     end
//!   ┆ retired  │ file 7          │ ┆ retired  │ newest, file 12 │ │ room
//! ```
//!
//! Invariant: `start <= its end <= start of the next`, `written <= end`, and only the newest
//! segment grows. A segment ends where the next one was opened, even if that one is released. Later
//! bytes of its file do not belong to the log.
//!
//! When a file cannot be written any more, its segment is split in two, and the second part gets
//! another file. References to both are counted together: the second part counts as part of the
//! first until neither is referenced.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;

use super::super::medium::FileId;
use super::super::record::{BadRecord, BlockRecord, MessageRecord, Record};
use super::super::segment::HEADER_BYTES;
use super::files::{Files, Need, SegmentFile};
use super::index;
use crate::limits::READ_BYTES_MAX;

/// A part of the log, in one file.
pub(super) struct Segment {
    pub(super) start: u64,
    /// `None` for the newest: then it is the end of the log.
    pub(super) end: Option<u64>,
    /// Whether it was found and its successor is missing, so that it may have ended earlier.
    pub(super) is_end_guessed: bool,
    /// The space for records in its file. While it has no file, the space that the next file should
    /// have, which is at least the size of its records.
    pub(super) capacity: u64,
    /// The least space with which it was made. It is more than `capacity` if the file was cut.
    pub(super) made: u64,
    /// The salt of its records' checksums, which also depend on their offsets.
    pub(super) salt: u64,
    /// None until a file is supplied; nothing of it is written before.
    pub(super) file: Option<SegmentFile>,
    pub(super) references: u64,
    /// The number of references there ever were.
    holds: u64,
    /// The end of the log at the end of the turn that removed the last reference.
    idle_since: Option<u64>,
    /// Whether it is in `waiting` or `due`.
    is_candidate: bool,
    /// Whether one of its records is damaged or unreadable. Then its file is not written any more,
    /// and is set aside when the segment has no references.
    pub(super) is_damaged: Cell<bool>,
    /// Whether it replaces a failed file.
    pub(super) continues: bool,
    /// The start of the segment that counts its references.
    pub(super) counted_in: Option<u64>,
    /// Whether any of it was read since reading was last forgotten.
    is_read: Cell<bool>,
}

impl Segment {
    pub(super) fn new(start: u64, capacity: u64, salt: u64) -> Self {
        Self {
            start,
            end: None,
            is_end_guessed: false,
            capacity,
            made: capacity,
            salt,
            file: None,
            references: 0,
            holds: 0,
            idle_since: None,
            is_candidate: false,
            is_damaged: Cell::new(false),
            continues: false,
            counted_in: None,
            is_read: Cell::new(false),
        }
    }

    /// Whether its file is shorter than it was made.
    pub(super) fn is_short(&self) -> bool {
        self.capacity < self.made
    }

    /// The length of its file, or of the one for which it waits.
    pub(super) fn file_bytes(&self) -> u64 {
        HEADER_BYTES + self.capacity
    }
}

/// Properties of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentFacts {
    /// The offset of its first byte.
    pub start: u64,
    /// The offset after its last byte.
    pub end: u64,
    /// Its references. A segment that replaces a failed file shares them with the first part.
    pub references: u64,
    /// The references there ever were, as far as known; shared likewise.
    pub holds: u64,
    /// The size of its records in bytes.
    pub used: u64,
    /// Its file, if it has one yet.
    pub file: Option<FileId>,
    /// Whether a part of it is damaged or unreadable.
    pub damaged: bool,
}

impl SegmentFacts {
    /// The size of the referenced records, if all records had the same size.
    pub fn live_bytes_estimate(&self) -> u64 {
        let live = u128::from(self.used) * u128::from(self.references);
        u64::try_from(live / u128::from(self.holds.max(1))).expect("references <= holds")
    }
}

/// See the file.
#[derive(Default)]
pub(in crate::store) struct Segments {
    /// Sorted by start.
    pub(super) list: VecDeque<Segment>,
    /// Segments without a file.
    unfiled: usize,
    /// The end of the log.
    pub(super) end: u64,
    /// The end of what is written to files and read from there.
    pub(super) written: u64,
    /// Bytes of records read since reading was last forgotten.
    read_bytes: Cell<usize>,
    /// The number of reads of bytes that the disk could not read.
    pub(super) read_failures: Cell<u64>,
    /// The index of the segment found last: the next search is mostly for the same.
    found: Cell<usize>,
    /// Recovery reads from here on: the checkpoint in the newest written header.
    pub(super) recovered_from: u64,
    /// Starts of segments without references that recovery would read.
    waiting: Vec<u64>,
    /// Starts of segments without references that recovery would not read. A record that removed
    /// the last reference may not be committed yet.
    due: Vec<u64>,
}

/// Reading: committed records.
impl Segments {
    /// The message that was stored at `offset`; `None` if it is gone or damaged.
    #[inline]
    pub(in crate::store) fn message(&self, offset: u64) -> Option<MessageRecord<'_>> {
        match self.record_at(offset) {
            Ok((Record::Message(message), _)) => Some(message),
            Err(BadRecord::Sum | BadRecord::Cut) => {
                self.on_damaged(offset);
                None
            }
            _ => None,
        }
    }

    /// As [`Segments::message`] for a block.
    pub(in crate::store) fn block(&self, offset: u64) -> Option<BlockRecord<'_>> {
        match self.record_at(offset) {
            Ok((Record::Block(block), _)) => Some(block),
            Err(BadRecord::Sum | BadRecord::Cut) => {
                self.on_damaged(offset);
                None
            }
            _ => None,
        }
    }

    /// Notes that the record at `offset` is damaged.
    #[cold]
    fn on_damaged(&self, offset: u64) {
        let Some(segment) = self.find(offset).map(|at| &self.list[at]) else { return };
        // Reported once for each segment: all of it is cleaned and set aside.
        if !segment.is_damaged.replace(true) {
            let place = HEADER_BYTES + offset - segment.start;
            let file = segment.file.as_ref().map_or(0, |file| file.id.0);
            log::error!("segment file {file}: the record at byte {place} is damaged");
        }
    }

    /// The start of the segment of `offset`; if the segment is gone, the offset itself.
    pub(in crate::store) fn segment_of(&self, offset: u64) -> u64 {
        self.find(offset).map_or(offset, |at| self.list[self.counter(at)].start)
    }

    /// The salt that distinguishes the record at `offset` from records that other openings of the
    /// log wrote there.
    pub(in crate::store) fn mark_of(&self, offset: u64) -> u64 {
        offset ^ self.find(offset).map_or(0, |at| self.list[at].salt)
    }

    /// The record at `offset`, and the offset of the next one. Outside of the log it is
    /// [`BadRecord::Cut`].
    pub(in crate::store) fn record_at(&self, offset: u64) -> Result<(Record<'_>, u64), BadRecord> {
        let mark = self.mark_of(offset);
        let decode = |bytes| Record::decode(mark, bytes);
        let (record, length) = self.look_at(offset, decode).unwrap_or(Err(BadRecord::Cut))?;
        self.read_bytes.set(self.read_bytes.get() + length);
        Ok((record, offset + length as u64))
    }

    /// Releases the pages that reading has mapped, if they are many. Otherwise a backlog that
    /// drains would look like used memory.
    pub(super) fn forget_reading(&mut self) {
        if self.read_bytes.get() > READ_BYTES_MAX {
            self.forget_all();
        }
    }

    /// As [`Segments::forget_reading`], always.
    pub(super) fn forget_all(&mut self) {
        self.read_bytes.set(0);
        for segment in self.list.iter().filter(|segment| segment.is_read.take()) {
            segment.file.iter().for_each(|file| file.mapping.forget());
        }
    }

    /// Calls `look` with the bytes from `offset` to the end of its segment, if there are any.
    /// Unreadable bytes are zeros.
    #[inline]
    pub(super) fn look_at<'a, T>(
        &'a self,
        offset: u64,
        look: impl FnOnce(&'a [u8]) -> T,
    ) -> Option<T> {
        let at = self.find(offset)?;
        let segment = &self.list[at];
        let end = self.end_of(at).min(self.written).max(offset);
        segment.is_read.set(true);
        let mapping = &segment.file.as_ref()?.mapping;
        let place = |offset: u64| index(HEADER_BYTES + offset - segment.start);
        // A file that was cut is read up to its end.
        let range = place(offset)..place(end).min(mapping.bytes().len());
        if range.is_empty() {
            return None;
        }
        let seen = mapping.look(|bytes| look(&bytes[range]));
        Some(seen.unwrap_or_else(|seen| {
            segment.is_damaged.set(true);
            self.read_failures.set(self.read_failures.get() + 1);
            seen
        }))
    }
}

/// The table.
impl Segments {
    /// The segment of an offset.
    #[inline]
    pub(super) fn find(&self, offset: u64) -> Option<usize> {
        let newest = self.list.len().checked_sub(1)?;
        // Most traffic concerns the newest segment only, and a backlog that drains concerns one
        // other for a long time.
        let at = if self.list[newest].start <= offset {
            newest
        } else if self.is_between(self.found.get(), offset) {
            self.found.get()
        } else {
            let at = self.list.partition_point(|segment| segment.start <= offset).checked_sub(1)?;
            self.found.set(at);
            at
        };
        (offset < self.end_of(at)).then_some(at)
    }

    /// Whether `offset` is between the starts of the segment at `at` and of the next one.
    #[inline]
    fn is_between(&self, at: usize, offset: u64) -> bool {
        let starts_by = |at: usize| self.list.get(at).is_some_and(|it| it.start <= offset);
        at + 1 < self.list.len() && starts_by(at) && !starts_by(at + 1)
    }

    #[inline]
    pub(super) fn end_of(&self, at: usize) -> u64 {
        self.list[at].end.unwrap_or(self.end)
    }

    /// The segment that starts at `start`.
    pub(super) fn index_of(&self, start: u64) -> Option<usize> {
        self.list.binary_search_by_key(&start, |segment| segment.start).ok()
    }

    /// Opens a segment at `start`, where the newest one ends.
    pub(super) fn open(&mut self, start: u64, capacity: u64, salt: u64) {
        if let Some(last) = self.list.back_mut() {
            last.end.get_or_insert(start);
        }
        self.list.push_back(Segment::new(start, capacity, salt));
        self.unfiled += 1;
        if let Some(at) = self.list.len().checked_sub(2) {
            self.consider(at);
        }
    }

    /// Stops using the file of the segment at `at`, which is good up to `written`. Later records
    /// get another file.
    pub(super) fn abandon_file(&mut self, at: usize, files: &mut Files) {
        let written = self.written;
        let segment = &mut self.list[at];
        self.unfiled += 1;
        if segment.start == written {
            if let Some(file) = segment.file.take() {
                files.recycle(file.id);
            }
            return;
        }
        let mut next = Segment::new(written, segment.capacity, segment.salt);
        next.end = segment.end.replace(written);
        next.continues = true;
        self.list.insert(at + 1, next);
        let counter = self.counter(at);
        if self.list[counter].references > 0 {
            self.list[at + 1].counted_in = Some(self.list[counter].start);
        }
        // It may have been the newest.
        self.consider(at);
    }

    /// Restores which of the found segments share their references.
    pub(super) fn share(&mut self) {
        for at in 1..self.list.len() {
            let before = &self.list[at - 1];
            let (is_there, counter) =
                (before.end == Some(self.list[at].start), self.counter(at - 1));
            if self.list[at].continues && is_there {
                self.list[at].counted_in = Some(self.list[counter].start);
            }
        }
    }

    /// The offsets of the segments that share their references with the one at `at`.
    pub(super) fn shared_range(&self, at: usize) -> Range<u64> {
        let counter = self.counter(at);
        let start = self.list[counter].start;
        let parts = self.list.iter().skip(counter + 1);
        let count = parts.take_while(|part| part.counted_in == Some(start)).count();
        start..self.end_of(counter + count)
    }

    /// Gives files to the segments without one. A file is long enough if it has room for the
    /// segment's present records. Returns the offset at which the newest segment is full, if it
    /// gets one.
    pub(super) fn assign(&mut self, files: &mut Files) -> Option<u64> {
        if self.unfiled == 0 {
            return None;
        }
        let mut room_end = None;
        let is_written = |segment: &Segment| segment.end.is_some_and(|end| end <= self.written);
        let from = self.list.partition_point(is_written);
        for segment in self.list.range_mut(from..).filter(|segment| segment.file.is_none()) {
            let used = segment.end.unwrap_or(self.end) - segment.start;
            let Some(file) = files.take(HEADER_BYTES + used) else { continue };
            segment.capacity = file.length() - HEADER_BYTES;
            segment.made = segment.capacity;
            segment.file = Some(file);
            self.unfiled -= 1;
            room_end = segment.end.is_none().then_some(segment.start + segment.capacity);
        }
        room_end
    }

    /// If the newest segment waits for a file, makes it wait for one of this capacity at most,
    /// unless its records need more. Returns the offset at which it is full.
    pub(super) fn shorten_newest(&mut self, capacity: u64) -> Option<u64> {
        let newest = self.list.back_mut()?;
        if newest.file.is_some() || newest.end.is_some() {
            return None;
        }
        let used = self.end - newest.start;
        newest.capacity = newest.capacity.min(capacity.max(used));
        Some(newest.start + newest.capacity)
    }

    /// Whether a segment waits for a file.
    pub(super) fn is_waiting(&self) -> bool {
        self.unfiled > 0
    }

    /// The size of the files that only recovery still needs.
    pub(super) fn reclaimable(&self) -> u64 {
        let waiting = self.waiting.iter().filter_map(|start| self.index_of(*start));
        let unused = waiting.map(|at| &self.list[at]).filter(|segment| segment.references == 0);
        unused.map(Segment::file_bytes).sum()
    }

    /// The files for which segments wait.
    pub(super) fn needs(&self) -> impl Iterator<Item = Need> {
        let unfiled = self.list.iter().rev().filter(|segment| segment.file.is_none());
        unfiled.take(self.unfiled).map(|segment| {
            let least = HEADER_BYTES + segment.end.unwrap_or(self.end) - segment.start;
            let is_full = segment.end.is_some();
            Need { least, wanted: if is_full { least } else { segment.file_bytes() } }
        })
    }

    pub(super) fn facts(&self, at: usize) -> SegmentFacts {
        let (segment, counts) = (&self.list[at], &self.list[self.counter(at)]);
        let end = self.end_of(at);
        SegmentFacts {
            start: segment.start,
            end,
            references: counts.references,
            holds: counts.holds,
            used: end - segment.start,
            file: segment.file.as_ref().map(|file| file.id),
            damaged: segment.is_damaged.get(),
        }
    }
}

/// References, and the release of segments that have none.
impl Segments {
    /// Adds references; returns whether there is such a segment.
    #[inline]
    pub(super) fn hold(&mut self, offset: u64, count: u32) -> bool {
        let Some(at) = self.find(offset) else { return false };
        let at = self.counter(at);
        let segment = &mut self.list[at];
        segment.references += u64::from(count);
        segment.holds += u64::from(count);
        true
    }

    #[inline]
    pub(super) fn release(&mut self, offset: u64, count: u32) {
        let Some(at) = self.find(offset) else { return };
        let at = self.counter(at);
        let segment = &mut self.list[at];
        let left = segment.references.checked_sub(u64::from(count));
        segment.references = left.expect("released once for each hold");
        if left == Some(0) {
            segment.idle_since = None;
            self.consider(at);
        }
    }

    /// Notes that there were at least so many references.
    pub(super) fn recall_holds(&mut self, at: usize, holds: u64) {
        let at = self.counter(at);
        let segment = &mut self.list[at];
        segment.holds = segment.holds.max(holds);
    }

    /// Sets the end of the segment at `at`, unless it is the newest.
    pub(super) fn recall_end(&mut self, at: usize, end: u64) {
        let segment = &mut self.list[at];
        segment.end = segment.end.map(|known| end.clamp(segment.start, known));
        segment.is_end_guessed = false;
    }

    /// Lists the segment at `at` for [`Segments::retire`], if it may be released.
    pub(super) fn consider(&mut self, at: usize) {
        let is_newest = at + 1 == self.list.len();
        let is_needed = self.end_of(at) > self.recovered_from;
        let segment = &mut self.list[at];
        let is_counted = segment.counted_in.is_none();
        if is_newest || !is_counted || segment.references > 0 || segment.is_candidate {
            return;
        }
        segment.is_candidate = true;
        let list = if is_needed { &mut self.waiting } else { &mut self.due };
        list.push(segment.start);
    }

    /// As [`Segments::consider`] for a found segment. If it has no references, committed records
    /// say so, and it need not wait for later records. Its file may be the only one for these.
    pub(super) fn consider_found(&mut self, at: usize) {
        if self.list[at].references == 0 {
            self.list[at].idle_since = Some(self.written);
        }
        self.consider(at);
    }

    /// Notes that recovery reads from `checkpoint` on.
    pub(super) fn on_checkpoint_written(&mut self, checkpoint: u64) {
        if checkpoint <= self.recovered_from {
            return;
        }
        self.recovered_from = checkpoint;
        for start in std::mem::take(&mut self.waiting) {
            if let Some(at) = self.index_of(start) {
                self.list[at].is_candidate = false;
                self.consider(at);
            }
        }
    }

    /// Releases segments without references that recovery does not read. A record whose loss in a
    /// crash would restore a reference must be committed first. It may have been appended after the
    /// reference was removed, in the turn that ends here.
    pub(super) fn retire(&mut self, files: &mut Files) {
        let mut next = 0;
        while let Some(start) = self.due.get(next).copied() {
            let Some(at) = self.index_of(start) else {
                self.due.remove(next);
                continue;
            };
            let is_newest = at + 1 == self.list.len();
            let segment = &mut self.list[at];
            if segment.references > 0 || is_newest {
                segment.is_candidate = false;
                self.due.remove(next);
            } else if *segment.idle_since.get_or_insert(self.end) > self.written {
                next += 1;
            } else {
                self.due.remove(next);
                let is_damaged = segment.is_damaged.get();
                match self.remove(at) {
                    Some(file) if is_damaged => files.set_aside(file.id),
                    Some(file) => files.recycle(file.id),
                    None => {}
                }
            }
        }
    }

    /// Removes a segment from the table. If others count in it, the first of them takes over the
    /// references.
    pub(super) fn remove(&mut self, at: usize) -> Option<SegmentFile> {
        let gone = self.list.remove(at)?;
        let mut heir = None;
        for next in at..self.list.len() {
            let segment = &mut self.list[next];
            if segment.counted_in != Some(gone.start) {
                continue;
            }
            segment.counted_in = heir;
            segment.idle_since = gone.idle_since;
            if heir.is_none() {
                (segment.references, segment.holds) = (gone.references, gone.holds);
            }
            // Without references, the parts need not be counted together.
            if gone.references > 0 {
                heir = heir.or(Some(segment.start));
            }
            self.consider(next);
        }
        gone.file
    }

    /// The segment that counts the references of the one at `at`.
    #[inline]
    pub(super) fn counter(&self, at: usize) -> usize {
        match self.list[at].counted_in {
            None => at,
            Some(start) => self.index_of(start).expect("it stays while one counts in it"),
        }
    }
}
