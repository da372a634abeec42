//! The log of one shard: an endless sequence of records in segment files, owned by the shard's
//! store.
//!
//! ```text
//!            files                     memory
//!   ├──────────────────────────┤├────────────────────┤
//!   0 … segments …       committed  in flight, staged  appended
//! ```
//!
//! Invariant: `committed <= appended`; the records between the two are in commit groups, one of
//! which is being written. A record is in one segment. A segment is kept while one of its records
//! is referenced, while recovery would read it, and while it is the newest.
//!
//! The log itself opens, writes and reads no file. It returns [`Request`](super::medium::Request)s
//! and [`GroupWrite`]s, is told their results, and reads through the mappings that it gets.
//!
//! A failed write is not repeated in its file. The segment ends at its last good byte, and a new
//! segment in the next file takes the staged records. Their bytes stay the same, since a record's
//! checksum depends on its offset in the log and not on the file.
//!
//! A part of a file that was never written may be an unwritten extent of the file system. The sync
//! of the first write there changes metadata, which costs a journal commit. So a small group that
//! enters another part of its file fills that part with zeros, and only one sync in many has that
//! cost. A large group does not need it. The zeros are after the end of the log, where the next
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

/// The options of a log.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// The shard that owns the log.
    pub shard: u16,
    /// The greatest length of a segment's file, including the header.
    pub segment_bytes: u64,
    /// The length of the first files. Later ones are longer, up to `segment_bytes`.
    pub first_segment_bytes: u64,
    /// Whether committed means synced, and not only written.
    pub sync: bool,
    /// The length of the parts of a file that a smaller group fills with zeros when it enters them.
    /// 0: never, because without syncs it saves no time.
    pub zeros_bytes: u64,
}

/// A write. Its bytes must be dropped before the log is told its result, so that the memory can be
/// used again.
#[derive(Clone, Debug)]
pub struct GroupWrite {
    /// The file.
    pub file: FileId,
    /// The offset in the file.
    pub offset: u64,
    /// The bytes, all of which are to be written; after the records there may be zeros.
    pub bytes: Bytes,
    /// Whether the file is to be synced after the write.
    pub sync: bool,
}

/// See the file.
pub struct Log {
    options: LogOptions,
    segments: Segments,
    staging: Staging,
    files: Files,
    /// The offset at which the newest segment is full.
    room_end: u64,
    /// The checkpoint for the next header.
    checkpoint: u64,
    /// The checkpoint in the header that is being written.
    checkpoint_in_flight: Option<u64>,
    naming: Naming,
    /// The offset from which the size of the log is counted: the found end less the found bytes.
    grown_from: u64,
    /// Files that are not needed once the first header is written.
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

    /// The next group to write, after the previous one has ended. There is none while its segment
    /// waits for a file.
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
            // Records after damage are found again only in another segment, and the mapping of an
            // unreadable page may show zeros for good.
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

    /// Handles the end of the write; it has failed if a single byte is missing.
    ///
    /// # Panics
    /// If there is no such write.
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
        // This precedes all steps that depend on it, because the crash test relies on that line.
        log::trace!("committed up to {end}");
        self.files.on_written();
        if let Some(checkpoint) = self.checkpoint_in_flight.take() {
            self.segments.on_checkpoint_written(checkpoint);
            self.naming.note(checkpoint);
            // This precedes the recycling of files by which the log was known.
            self.note_extent(false);
            self.superseded.drain(..).for_each(|file| self.files.recycle(file));
        }
    }

    /// Requests to note the extent of the log.
    fn note_extent(&mut self, is_ended: bool) {
        let end = self.segments.written;
        let newest = end.checked_sub(1).and_then(|last| self.segments.find(last));
        let newest = newest.map(|at| &self.segments.list[at]);
        let start = newest.map_or(end, |segment| segment.start);
        let file = newest.and_then(|segment| segment.file.as_ref()).map_or(FileId(0), |it| it.id);
        self.files.note(Extent { start, file, end, is_ended });
    }

    /// Notes that the log ends here, so that a missing part is noticed at the next start. Nothing
    /// may be appended afterwards.
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

    /// Stops writing to the file of the segment at `at`: records that are not committed go to
    /// another file.
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
            // All its records are written, so it ends here.
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

    /// Sets the offset of the checkpoint for the next segment's header. It must be that of a record
    /// "checkpoint begun" whose end is committed.
    pub fn set_checkpoint(&mut self, offset: u64) {
        debug_assert!(self.checkpoint <= offset && offset < self.committed(), "it is committed");
        self.checkpoint = offset;
    }

    /// The offset that was last set, or found at opening.
    pub fn checkpoint(&self) -> u64 {
        self.checkpoint
    }
}

/// Reading. A position outside of the log returns `None`.
impl Log {
    /// A message; `None` also if it is damaged.
    #[inline]
    pub fn message(&self, position: Position) -> Option<MessageRecord<'_>> {
        let offset = offset_of(position);
        if offset >= self.segments.written {
            // It never left memory, so its checksum need not be checked.
            return Record::message_unchecked(self.staging.bytes_at(offset)?);
        }
        self.segments.message(offset)
    }

    /// A block of a session's queue; `None` also if it is damaged.
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

    /// The size of a record, as it says itself.
    #[inline]
    pub fn record_bytes(&self, position: Position) -> Option<usize> {
        let offset = offset_of(position);
        if offset >= self.segments.written {
            return Record::length(self.staging.bytes_at(offset)?);
        }
        self.segments.look_at(offset, Record::length)?
    }

    /// The record at `offset` and the offset of the next one in its segment. An owner walks with it
    /// through a segment, up to [`Log::end_of_segment`]. A record of an unknown kind is skipped
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
    /// Adds references to a record's segment; returns false if there is no such segment.
    #[inline]
    pub fn hold(&mut self, position: Position, count: u32) -> bool {
        self.segments.hold(offset_of(position), count)
    }

    /// Removes references; the record may be gone after the turn. Nothing happens if its segment
    /// was set aside.
    ///
    /// # Panics
    /// If its segment has fewer references.
    #[inline]
    pub fn release(&mut self, position: Position, count: u32) {
        self.segments.release(offset_of(position), count);
    }

    /// Returns memory of commit groups.
    pub fn reclaim(&mut self) {
        self.staging.reclaim();
    }

    /// Releases unneeded segments. It is called once a turn, after the records that made them
    /// unneeded were appended.
    pub fn end_turn(&mut self) {
        self.segments.retire(&mut self.files);
        self.segments.forget_reading();
    }

    /// Ends the opening: the owner holds all it needs of the found segments, and the others may be
    /// released.
    pub fn finish_open(&mut self) {
        for at in 0..self.segments.list.len() {
            self.segments.consider_found(at);
        }
        self.segments.forget_all();
    }

    /// The end of the log.
    #[inline]
    pub fn appended(&self) -> u64 {
        self.segments.end
    }

    /// The end of the committed part, in the sense of [`LogOptions::sync`].
    #[inline]
    pub fn committed(&self) -> u64 {
        self.segments.written
    }

    /// Bytes that were appended and are not committed.
    pub fn staged_bytes(&self) -> u64 {
        self.appended() - self.committed()
    }

    /// Whether the next group waits for a file.
    pub fn is_stalled(&self) -> bool {
        let next = self.staging.next().filter(|_| !self.staging.is_in_flight());
        let segment = next.and_then(|group| self.segments.find(group.start));
        segment.is_some_and(|at| self.segments.list[at].file.is_none())
    }

    /// The segments, by start.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = SegmentFacts> + ExactSizeIterator {
        (0..self.segments.list.len()).map(|at| self.segments.facts(at))
    }

    /// A number that no other record of the shard has, including those that a crash undid, whose
    /// offsets are used again.
    pub fn mark_of(&self, position: Position) -> u64 {
        self.segments.mark_of(offset_of(position))
    }

    /// The start of the segment of a position; if the segment replaces a failed file, the start of
    /// the first part.
    pub fn segment_of(&self, position: Position) -> Option<u64> {
        let at = self.segments.find(offset_of(position))?;
        Some(self.segments.list[self.segments.counter(at)].start)
    }

    /// The present end of the segment of a position.
    pub fn segment_end(&self, position: Position) -> Option<u64> {
        let at = self.segments.find(offset_of(position))?;
        Some(self.segments.end_of(at))
    }

    /// The offsets of the segment that starts at `start`, and of those that share its references.
    pub(in crate::store) fn shared_range(&self, start: u64) -> Option<Range<u64>> {
        let at = self.segments.index_of(start)?;
        Some(self.segments.shared_range(at))
    }

    /// The start of the first segment after `offset`.
    pub(in crate::store) fn next_segment(&self, offset: u64) -> Option<u64> {
        self.segments().map(|segment| segment.start).find(|start| *start > offset)
    }

    /// The start and length of each segment but the newest, if its end is known.
    pub(in crate::store) fn known_ends(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        let known = self.segments.list.iter().filter(|segment| !segment.is_end_guessed);
        known.filter_map(|segment| Some((segment.start, segment.end? - segment.start)))
    }

    /// The end of the last segment that starts at or before `offset`; 0 if there is none.
    pub(in crate::store) fn end_before(&self, offset: u64) -> u64 {
        let mut before = self.segments().rev().filter(|segment| segment.start <= offset);
        before.next().map_or(0, |segment| segment.end)
    }

    /// The end of the segment that starts at `start`.
    pub fn end_of_segment(&self, start: u64) -> Option<u64> {
        let at = self.segments.index_of(start)?;
        Some(self.segments.end_of(at))
    }
}

fn offset_of(position: Position) -> u64 {
    debug_assert!(!position.is_volatile(), "a position of this log");
    position.offset()
}

/// The zeros to write after a group at this place in its file, up to the end of its last part of
/// `part` bytes, if the group enters that part.
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
