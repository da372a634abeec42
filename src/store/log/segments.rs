//! The table of a log's segments: the place of each record, and the references to each segment.
//! Owned by the log.
//!
//! ```text
//!   0        start = 100       300          900       written     end
//!   ┆ retired  │ file 7          │ ┆ retired  │ newest, file 12 │ │ room
//! ```
//!
//! Invariant: `start <= end of it <= start of the next`, `written <= end`, and only the newest
//! segment grows. A segment ends where the next one was opened, also if that one is gone again;
//! bytes of its file behind that end are not part of the log.
//!
//! When a file cannot be written to any more, its segment is split in two, and the second gets
//! another file. References to the two are counted together: the second counts as part of the first
//! until neither is referenced.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;

use super::super::medium::FileId;
use super::super::record::{BadRecord, BlockRecord, MessageRecord, Record};
use super::super::segment::HEADER_BYTES;
use super::files::{Files, Need, SegmentFile};
use super::index;
use crate::limits::READ_BYTES_MAX;

/// A piece of the log, in one file.
pub(super) struct Segment {
    pub(super) start: u64,
    /// Of the newest it is the log's.
    pub(super) end: Option<u64>,
    /// It was found, and its successor is gone: it may have ended before.
    pub(super) is_end_guessed: bool,
    /// Bytes its file has for records. While it has no file, those that the file it waits for is to
    /// have: not less than there are records.
    pub(super) capacity: u64,
    /// Bytes it was made with, at least: more than it has, if it was cut short.
    pub(super) made: u64,
    /// The salt of its records' checksums, which also depend on their offsets.
    pub(super) salt: u64,
    /// None until one is supplied; then nothing of it is written yet.
    pub(super) file: Option<SegmentFile>,
    pub(super) references: u64,
    /// References there ever were.
    holds: u64,
    /// End of the log at the end of the turn in which the last reference went.
    idle_since: Option<u64>,
    /// It stands in one of the two lists.
    is_candidate: bool,
    /// A record in it is not what it was, or the disk cannot read some of it. Nothing more is
    /// written to its file, and that is set aside when nothing refers to the segment.
    pub(super) is_damaged: Cell<bool>,
    /// It took over from a file that failed.
    pub(super) continues: bool,
    /// Start of the segment that has its references.
    pub(super) counted_in: Option<u64>,
    /// Something of it was read since reading was last forgotten.
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

    /// Its file is shorter than it was made.
    pub(super) fn is_short(&self) -> bool {
        self.capacity < self.made
    }

    /// Length of its file; while it has none, of the one it is to have.
    pub(super) fn file_bytes(&self) -> u64 {
        HEADER_BYTES + self.capacity
    }
}

/// Properties of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentFacts {
    /// Offset of its first byte.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
    /// References there are. A segment that took over from a failed file shares them with that.
    pub references: u64,
    /// References there ever were, as far as is known; shared likewise.
    pub holds: u64,
    /// Bytes of records.
    pub used: u64,
    /// Its file, if it has one yet.
    pub file: Option<FileId>,
    /// Something in it is damaged or cannot be read.
    pub damaged: bool,
}

impl SegmentFacts {
    /// Bytes that are still referenced, if all references were to records of one size.
    pub fn live_bytes_estimate(&self) -> u64 {
        let live = u128::from(self.used) * u128::from(self.references);
        u64::try_from(live / u128::from(self.holds.max(1))).expect("references <= holds")
    }
}

/// See the module.
#[derive(Default)]
pub(in crate::store) struct Segments {
    /// By start.
    pub(super) list: VecDeque<Segment>,
    /// Segments without a file.
    unfiled: usize,
    /// End of the log.
    pub(super) end: u64,
    /// End of what stands in files: it is read there.
    pub(super) written: u64,
    /// Bytes of records read since reading was last forgotten.
    read_bytes: Cell<usize>,
    /// Looks at bytes that the disk could not read.
    pub(super) read_failures: Cell<u64>,
    /// Index of the segment that was last found: the next look is mostly for the same.
    found: Cell<usize>,
    /// Recovery reads from here on: the checkpoint in the newest header that is written.
    pub(super) recovered_from: u64,
    /// Starts of segments that are not referenced, but that recovery would read.
    waiting: Vec<u64>,
    /// Starts of those it would not, but whose last references may have gone for something that is
    /// not committed.
    due: Vec<u64>,
}

/// Reading: committed records.
impl Segments {
    /// The message at `offset`, where one was stored; `None` if it is gone or damaged.
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

    /// The same of a block.
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

    /// A record that was stored at `offset` is damaged.
    #[cold]
    fn on_damaged(&self, offset: u64) {
        let Some(segment) = self.find(offset).map(|at| &self.list[at]) else { return };
        // Once for each segment: it is cleaned and set aside, whatever else is damaged in it.
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

    /// The record at `offset`, and where the next one stands. It is [`BadRecord::Cut`] where the
    /// log has nothing.
    pub(in crate::store) fn record_at(&self, offset: u64) -> Result<(Record<'_>, u64), BadRecord> {
        let mark = self.mark_of(offset);
        let decode = |bytes| Record::decode(mark, bytes);
        let (record, length) = self.look_at(offset, decode).unwrap_or(Err(BadRecord::Cut))?;
        self.read_bytes.set(self.read_bytes.get() + length);
        Ok((record, offset + length as u64))
    }

    /// Lets go of the memory that reading has mapped, when it is much: else a backlog that drains
    /// would look like memory of ours.
    pub(super) fn forget_reading(&mut self) {
        if self.read_bytes.get() > READ_BYTES_MAX {
            self.forget_all();
        }
    }

    /// As [`Segments::forget_reading`], in any case.
    pub(super) fn forget_all(&mut self) {
        self.read_bytes.set(0);
        for segment in self.list.iter().filter(|segment| segment.is_read.take()) {
            segment.file.iter().for_each(|file| file.mapping.forget());
        }
    }

    /// Calls `look` with the bytes from `offset` to the end of its segment, if there are any. Bytes
    /// that the disk cannot read are zeros.
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
        // A file that lost its end is read as far as it goes.
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
    /// The segment that `offset` stands in.
    #[inline]
    pub(super) fn find(&self, offset: u64) -> Option<usize> {
        let newest = self.list.len().checked_sub(1)?;
        // Traffic that is only passing by touches the newest segment alone, and a backlog that
        // drains one for a long time.
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

    /// Opens a segment at `start`; the newest ends there.
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

    /// Leaves the file of the segment at `at`, which is good up to `written`: later records get
    /// another file.
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
        // It was the newest, maybe.
        self.consider(at);
    }

    /// Segments that were found share references as they did when they were written.
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

    /// Offsets of the segments that have their references together with the one at `at`.
    pub(super) fn shared_range(&self, at: usize) -> Range<u64> {
        let counter = self.counter(at);
        let start = self.list[counter].start;
        let parts = self.list.iter().skip(counter + 1);
        let count = parts.take_while(|part| part.counted_in == Some(start)).count();
        start..self.end_of(counter + count)
    }

    /// Gives files to the segments that have none. Any will do that has room for what is in a
    /// segment so far. Tells where the newest is full, if it is given one.
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

    /// The newest segment, while it waits for a file, is not to wait for a longer one than this, if
    /// it can do with it. Tells where it is full.
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

    /// Bytes of the files of segments that only recovery needs, which would read them.
    pub(super) fn reclaimable(&self) -> u64 {
        let waiting = self.waiting.iter().filter_map(|start| self.index_of(*start));
        let unused = waiting.map(|at| &self.list[at]).filter(|segment| segment.references == 0);
        unused.map(Segment::file_bytes).sum()
    }

    /// The files that segments wait for.
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

/// References, and the end of segments that have none.
impl Segments {
    /// Whether there was such a segment.
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

    /// There were so many references, at least.
    pub(super) fn recall_holds(&mut self, at: usize, holds: u64) {
        let at = self.counter(at);
        let segment = &mut self.list[at];
        segment.holds = segment.holds.max(holds);
    }

    /// The segment at `at` ends there, unless it is the newest.
    pub(super) fn recall_end(&mut self, at: usize, end: u64) {
        let segment = &mut self.list[at];
        segment.end = segment.end.map(|known| end.clamp(segment.start, known));
        segment.is_end_guessed = false;
    }

    /// The segment at `at` is to go, if it may: it is looked at in [`Segments::retire`].
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

    /// The same of a segment that was found. If it is not referenced, committed records say so: it
    /// need not wait for records that were appended since, for which its own file may be the only
    /// one.
    pub(super) fn consider_found(&mut self, at: usize) {
        if self.list[at].references == 0 {
            self.list[at].idle_since = Some(self.written);
        }
        self.consider(at);
    }

    /// Recovery reads from `checkpoint` on.
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

    /// Releases segments that are not referenced and that recovery does not read. A reference may
    /// have gone because of a record that is lost at a crash: it must be committed first. It may
    /// have been appended after the reference went, in the same turn, which ends here.
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

    /// Takes a segment out of the table. Another one that counts in it has its references from then
    /// on.
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
            // Without references there is nothing to be told apart any more.
            if gone.references > 0 {
                heir = heir.or(Some(segment.start));
            }
            self.consider(next);
        }
        gone.file
    }

    /// The segment that has the references of the one at `at`.
    #[inline]
    pub(super) fn counter(&self, at: usize) -> usize {
        match self.list[at].counted_in {
            None => at,
            Some(start) => self.index_of(start).expect("it stays while one counts in it"),
        }
    }
}
