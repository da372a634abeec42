//! The log of one shard: an endless stream of records on segment files, owned by the shard's store.
//!
//! ```text
//!            files                     memory
//!   ├──────────────────────────┤├────────────────────┤
//!   0 … segments …       committed  in flight, staged  appended
//! ```
//!
//! Invariant: `committed <= appended`; the records between the two are in commit groups, of which
//! one is being written. A record lies in one segment. A segment is kept while one of its records
//! is referenced, while recovery would read it, and while it is the newest.
//!
//! The log opens, writes and reads no file: it hands out [`Request`](super::medium::Request)s and
//! [`GroupWrite`]s, is told of their ends, and reads through the mappings that it is given.
//!
//! A write that fails is not tried again in its file: the segment ends where it was good, and a new
//! one at that offset takes what is staged, in the next file. The bytes stay the same, since a
//! record's sum depends on its offset in the log and on no file.
//!
//! A part of a file that was never written may be an unwritten extent in the file system. The sync
//! of the first write there then changes metadata, which costs a journal commit. So a small group
//! that enters another part of its file fills that part with zeros, and only one sync in many pays
//! for it. A large group pays for itself. The zeros are behind the end of the log, where the next
//! group goes.

mod files;
mod lengths;
mod naming;
mod open;
mod reading;
mod report;
mod seek;
mod segments;
mod staging;
mod supply;
#[cfg(test)]
mod tests;
mod walk;

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::medium::{Extent, FileId};
use super::position::Position;
use super::record::{BadRecord, BlockRecord, MessageRecord, Record};
use super::segment::{HEADER_BYTES, SegmentHeader};
use files::Files;
use naming::Naming;
use segments::Segments;
use staging::Staging;

pub(in crate::store) use reading::Reading;
pub use report::{Fault, FaultKind, OpenError, OpenReport, TornTail};
pub use segments::SegmentFacts;
pub use walk::{LogEnd, SegmentWalk, Walked, segment_walks};

/// What a log is opened with.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// The shard that owns the log.
    pub shard: u16,
    /// Length of a segment's file, header included, once much is written.
    pub segment_bytes: u64,
    /// Length of the first files. Others are longer, up to `segment_bytes`, the more is written.
    pub first_segment_bytes: u64,
    /// Committed means synced; else written.
    pub sync: bool,
    /// Length of the parts of a file that a group, if it is smaller, fills with zeros when it
    /// enters them. 0: it never does, as without syncs that gains no time.
    pub zeros_bytes: u64,
}

/// A write that is to be made. Its bytes are dropped before the log is told of its end: then their
/// memory serves again.
#[derive(Clone, Debug)]
pub struct GroupWrite {
    /// Where to.
    pub file: FileId,
    /// Offset in the file.
    pub offset: u64,
    /// All of them are to be written; behind records there may be zeros.
    pub bytes: Bytes,
    /// The file is to be synced behind them.
    pub sync: bool,
}

/// See the module.
pub struct Log {
    options: LogOptions,
    segments: Segments,
    staging: Staging,
    files: Files,
    /// The offset at which the newest segment is full.
    room_end: u64,
    /// Content of the next header.
    checkpoint: u64,
    /// Content of the header that is being written.
    checkpoint_in_flight: Option<u64>,
    naming: Naming,
    /// Bytes of records that were found, without what was appended since, count from here.
    grown_from: u64,
    /// Files that the first header to be written makes useless.
    superseded: Vec<FileId>,
    failures: u64,
    last_error: Option<String>,
}

/// Appending.
impl Log {
    /// Sets the salt of checksums from now on: a number that no earlier opening of this log used.
    /// It must be set before the first append.
    pub(in crate::store) fn set_salt(&mut self, salt: u64) {
        assert_eq!(self.room_end, self.appended(), "the salt is of whole segments");
        self.staging.salt = salt;
    }

    /// Appends a record to the open commit group.
    #[inline]
    pub(in crate::store) fn append(&mut self, record: &Record<'_>) -> Position {
        let offset = self.segments.end;
        let end = offset + self.staging.append(record, offset) as u64;
        self.segments.end = end;
        if end > self.room_end {
            self.open_segment(offset, end - offset);
        }
        Position::durable(offset)
    }

    fn open_segment(&mut self, start: u64, record_bytes: u64) {
        self.staging.part(start);
        let capacity = record_bytes.max(self.usual_capacity());
        self.segments.open(start, capacity, self.staging.salt);
        self.room_end = start + capacity;
        self.assign_files();
    }

    fn assign_files(&mut self) {
        if let Some(room_end) = self.segments.assign(&mut self.files) {
            self.room_end = room_end;
        }
    }

    /// The next group to be written, once the one before is. There is none while its segment waits
    /// for a file.
    pub fn next_write(&mut self) -> Option<GroupWrite> {
        if self.staging.is_in_flight() || self.naming.is_in_flight() {
            return None;
        }
        if let Some(write) = self.next_naming() {
            return Some(write);
        }
        let Range { start, end } = self.staging.next()?;
        let mut at = self.segments.find(start).expect("what is staged has a segment");
        if self.segments.list[at].is_damaged.get() {
            // Records behind damage are found again only in another segment, and the mapping of a
            // page that could not be read may show zeros for good.
            self.leave_file(at, "what stands before it is damaged");
            at = self.segments.find(start).expect("what is staged has a segment");
        }
        let segment = &self.segments.list[at];
        let file = segment.file.as_ref()?.id;
        let shard = self.options.shard;
        self.checkpoint_in_flight = (segment.start == start).then_some(self.checkpoint);
        let header = self.checkpoint_in_flight;
        let header = header.map(|checkpoint| {
            let (salt, continues) = (segment.salt, segment.continues);
            let capacity = segment.capacity;
            SegmentHeader { shard, start, checkpoint, salt, continues, capacity }.encode()
        });
        let place = |offset: u64| HEADER_BYTES + offset - segment.start;
        let offset = if header.is_some() { 0 } else { place(start) };
        let zeros = zeros_behind(offset..place(end), self.options.zeros_bytes);
        let zeros = zeros.min(segment.file_bytes() - place(end));
        let bytes = self.staging.take_off(header, index(zeros));
        Some(GroupWrite { file, offset, bytes, sync: self.options.sync })
    }

    /// The write that was handed out has ended; it is a failure if a single byte is missing.
    ///
    /// # Panics
    /// If none was handed out.
    pub fn on_written(&mut self, result: io::Result<()>) {
        let result = result.map_err(|error| error.to_string());
        if self.naming.is_in_flight() {
            return self.on_named(result);
        }
        match result {
            Ok(()) => self.commit(),
            Err(says) => self.fail(&says),
        }
    }

    fn commit(&mut self) {
        let (start, end) = self.staging.land();
        assert_eq!(start, self.segments.written, "groups are written in their order");
        self.segments.written = end;
        // Before any step that depends on it: the crash test relies on that.
        log::trace!("committed up to {end}");
        self.files.on_written();
        if let Some(checkpoint) = self.checkpoint_in_flight.take() {
            self.segments.on_checkpoint_written(checkpoint);
            self.naming.note(checkpoint);
            // Before a file is cleared that the log was known by.
            self.note_extent(false);
            self.superseded.drain(..).for_each(|file| self.files.recycle(file));
        }
    }

    /// Has it noted how far the log goes.
    fn note_extent(&mut self, is_ended: bool) {
        let end = self.segments.written;
        let newest = end.checked_sub(1).and_then(|last| self.segments.find(last));
        let newest = newest.map(|at| &self.segments.list[at]);
        let start = newest.map_or(end, |segment| segment.start);
        let file = newest.and_then(|segment| segment.file.as_ref()).map_or(FileId(0), |it| it.id);
        self.files.note(Extent { start, file, end, is_ended });
    }

    /// Nothing more is appended, and all is committed: has it noted that the log ends here, so that
    /// whatever of it is missing at the next start is missed.
    ///
    /// # Panics
    /// If something is not committed.
    pub fn end(&mut self) {
        assert_eq!(self.staged_bytes(), 0, "all is committed");
        self.note_extent(true);
    }

    fn fail(&mut self, says: &str) {
        let start = self.staging.turn_back();
        self.checkpoint_in_flight = None;
        let at = self.segments.find(start).expect("what is staged has a segment");
        self.naming.refuse_at(start);
        self.leave_file(at, says);
    }

    /// The file of the segment at `at` is not written to any more: records that are not committed
    /// go to another file.
    fn leave_file(&mut self, at: usize, says: &str) {
        let (segment, start) = (&self.segments.list[at], self.segments.written);
        let file = segment.file.as_ref().expect("it was written to").id;
        let offset = start - segment.start;
        let text = format!("segment file {}: write behind byte {offset}: {says}", file.0);
        log::error!("{text}; the log goes on in another file");
        self.failures += 1;
        self.last_error = Some(text);
        self.files.on_failed();
        let (capacity, is_newest) = (segment.capacity, at + 1 == self.segments.list.len());
        if self.segments.end_of(at) == start {
            // Nothing of it is left to be written: it only ends here.
            if is_newest {
                self.room_end = start;
            }
            return;
        }
        self.segments.abandon_file(at, &mut self.files);
        if is_newest {
            self.room_end = start + capacity;
        }
        self.assign_files();
    }

    /// Sets the offset that recovery reads from, as the next segment's header says. It must be that
    /// of a record "checkpoint begun" of which the end is committed.
    pub fn set_checkpoint(&mut self, offset: u64) {
        debug_assert!(self.checkpoint <= offset && offset < self.committed(), "it is committed");
        self.checkpoint = offset;
    }

    /// The offset that was last set, or found when the log was opened.
    pub fn checkpoint(&self) -> u64 {
        self.checkpoint
    }
}

/// Reading. A position that is not in the log, or not any more, is `None`.
impl Log {
    /// A message. It is `None` as well if it is damaged.
    #[inline]
    pub fn message(&self, position: Position) -> Option<MessageRecord<'_>> {
        let offset = offset_of(position);
        if offset >= self.segments.written {
            // It never left memory, so its sum need not be checked.
            return Record::message_unchecked(self.staging.bytes_at(offset)?);
        }
        self.segments.message(offset)
    }

    /// A block of a session's queue. It is `None` as well if it is damaged.
    pub fn block(&self, position: Position) -> Option<BlockRecord<'_>> {
        let offset = offset_of(position);
        if offset < self.segments.written {
            return self.segments.block(offset);
        }
        match self.record_at(offset) {
            Ok((Record::Block(block), _)) => Some(block),
            _ => None,
        }
    }

    /// Bytes of a record, by its own account.
    #[inline]
    pub fn record_bytes(&self, position: Position) -> Option<usize> {
        let offset = offset_of(position);
        if offset >= self.segments.written {
            return Record::length(self.staging.bytes_at(offset)?);
        }
        self.segments.look_at(offset, Record::length)?
    }

    /// The record at `offset` and where the next one of its segment would stand: so an owner walks
    /// through a segment, up to [`Log::end_of_segment`]. A record of an unknown kind is passed over
    /// with [`Log::record_bytes`].
    pub(in crate::store) fn record_at(&self, offset: u64) -> Result<(Record<'_>, u64), BadRecord> {
        if offset < self.segments.written {
            return self.segments.record_at(offset);
        }
        let bytes = self.staging.bytes_at(offset).ok_or(BadRecord::Cut)?;
        let (record, length) = Record::decode(offset ^ self.staging.salt, bytes)?;
        Ok((record, offset + length as u64))
    }
}

/// References and space.
impl Log {
    /// Adds references to a record's segment. False if it is gone, or never was.
    #[inline]
    pub fn hold(&mut self, position: Position, count: u32) -> bool {
        self.segments.hold(offset_of(position), count)
    }

    /// Takes references away; the record may be gone after the turn. Nothing happens if it was set
    /// aside.
    ///
    /// # Panics
    /// If its segment has not so many.
    #[inline]
    pub fn release(&mut self, position: Position, count: u32) {
        self.segments.release(offset_of(position), count);
    }

    /// Gives memory back that groups of records have had.
    pub fn reclaim(&mut self) {
        self.staging.reclaim();
    }

    /// Releases unneeded segments: once a turn, after all records are appended that made them
    /// unneeded.
    pub fn end_turn(&mut self) {
        self.segments.retire(&mut self.files);
        self.segments.forget_reading();
    }

    /// The owner holds all it needs of what was found when the log was opened: the rest may go.
    pub fn finish_open(&mut self) {
        for at in 0..self.segments.list.len() {
            self.segments.consider_found(at);
        }
        self.segments.forget_all();
    }

    /// End of the log.
    #[inline]
    pub fn appended(&self) -> u64 {
        self.segments.end
    }

    /// End of what is kept for good, in the sense of [`LogOptions::sync`].
    #[inline]
    pub fn committed(&self) -> u64 {
        self.segments.written
    }

    /// Bytes that are appended and not committed.
    pub fn staged_bytes(&self) -> u64 {
        self.appended() - self.committed()
    }

    /// Whether something waits for a file.
    pub fn is_stalled(&self) -> bool {
        let next = self.staging.next().filter(|_| !self.staging.is_in_flight());
        let segment = next.and_then(|group| self.segments.find(group.start));
        segment.is_some_and(|at| self.segments.list[at].file.is_none())
    }

    /// Its segments, by start.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = SegmentFacts> + ExactSizeIterator {
        (0..self.segments.list.len()).map(|at| self.segments.facts(at))
    }

    /// A number that no other record of the shard has, also of those that a crash undid: after it
    /// the log goes on where it was cut.
    pub fn mark_of(&self, position: Position) -> u64 {
        self.segments.mark_of(offset_of(position))
    }

    /// Start of the segment that a position stands in; of one that took over from a failed file,
    /// start of that file's.
    pub fn segment_of(&self, position: Position) -> Option<u64> {
        let at = self.segments.find(offset_of(position))?;
        Some(self.segments.list[self.segments.counter(at)].start)
    }

    /// One past the last offset of the segment that a position stands in, so far.
    pub fn segment_end(&self, position: Position) -> Option<u64> {
        let at = self.segments.find(offset_of(position))?;
        Some(self.segments.end_of(at))
    }

    /// Offsets of the segment that starts at `start`, and of those that share its references.
    pub(in crate::store) fn shared_range(&self, start: u64) -> Option<Range<u64>> {
        let at = self.segments.index_of(start)?;
        Some(self.segments.shared_range(at))
    }

    /// Start of the first segment that starts behind `offset`.
    pub(in crate::store) fn next_segment(&self, offset: u64) -> Option<u64> {
        self.segments().map(|segment| segment.start).find(|start| *start > offset)
    }

    /// Start and length of each segment but the newest of which the end is known.
    pub(in crate::store) fn known_ends(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        let known = self.segments.list.iter().filter(|segment| !segment.is_end_guessed);
        known.filter_map(|segment| Some((segment.start, segment.end? - segment.start)))
    }

    /// The end of the last segment that starts before `offset`; 0 if there is none.
    pub(in crate::store) fn end_before(&self, offset: u64) -> u64 {
        let mut before = self.segments().rev().filter(|segment| segment.start <= offset);
        before.next().map_or(0, |segment| segment.end)
    }

    /// One past the last byte of the segment that starts at `start`.
    pub fn end_of_segment(&self, start: u64) -> Option<u64> {
        let at = self.segments.index_of(start)?;
        Some(self.segments.end_of(at))
    }
}

fn offset_of(position: Position) -> u64 {
    debug_assert!(!position.is_volatile(), "a position of this log");
    position.offset()
}

/// Zeros that are written behind a group with this place in its file, to the end of the part of
/// `part` bytes that it ends in, if it enters that part.
fn zeros_behind(group: Range<u64>, part: u64) -> u64 {
    let Range { start, end } = group;
    if end - start >= part || end < start.next_multiple_of(part) {
        return 0;
    }
    end.next_multiple_of(part) - end
}

/// A length or place in memory or in a mapped file.
#[inline]
fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("what is mapped is within the address space")
}
