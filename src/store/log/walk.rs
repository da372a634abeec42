//! A walk over all records of all segment files, including those that recovery need not read. It
//! serves checks of a log and changes no file.
//!
//! A segment ends where the next one starts. But before the checkpoint, segments without references
//! are released, and the segment before a released one may have ended earlier. The checkpoint has
//! the ends of segments with references. For others, the first invalid byte counts as the end: an
//! unfinished write may have left records behind it.

use std::collections::BTreeMap;

use super::super::medium::{FileId, Found, Mapping};
use super::super::record::Record;
use super::super::segment::{HEADER_BYTES, HeaderFound, SegmentHeader};
use super::index;
use super::open::records_end;
use super::seek::{Patience, Stretch};
use crate::limits::GROUP_BYTES_MAX;

/// A segment in its file.
#[derive(Clone, Copy)]
pub struct SegmentWalk<'a> {
    /// The file.
    pub file: FileId,
    header: SegmentHeader,
    mapping: &'a dyn Mapping,
    /// Bytes after the header.
    room: usize,
    bound: Bound,
}

/// The knowledge about a segment's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bound {
    /// It ends after this many bytes, where the next one started.
    Told(u64),
    /// It ends with its records, after this many bytes at most: the next segment may be gone.
    Before(u64),
    /// It is the newest: it ends after this many bytes if known, or else with its records.
    Newest(Option<u64>),
}

/// The content of a segment; offsets are positions in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walked {
    /// A record.
    Record {
        /// Its size in bytes.
        bytes: u64,
        /// Its kind in a word or two; `unknown` if this version does not know it.
        kind: &'static str,
    },
    /// Invalid bytes.
    Damage {
        /// Their begin.
        offset: u64,
        /// Their number, up to the next record or the segment's end.
        bytes: u64,
    },
}

/// The end of the log; offsets are positions in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogEnd {
    /// The end.
    pub offset: u64,
    /// The number of invalid bytes after it, up to the last non-zero one and within the length of a
    /// commit group. They are from an unfinished write, or from an earlier use of the file.
    pub torn_bytes: u64,
    /// The number of complete records among them, which a write may leave if the power fails. If it
    /// did not fail, the bytes after the end begin with a damaged record.
    pub torn_records: u64,
}

/// The segments among the found files, sorted by start; `lengths` is as in
/// [`crate::store::Opened::lengths`]. Files with a damaged header and superseded files are left
/// out: opening the log reports both.
pub fn segment_walks<'a>(found: &'a [Found], lengths: &BTreeMap<u64, u64>) -> Vec<SegmentWalk<'a>> {
    let mut walks: Vec<SegmentWalk<'_>> = found.iter().filter_map(SegmentWalk::of).collect();
    walks.sort_by_key(|walk| walk.header.start);
    walks.dedup_by(|other, kept| {
        let is_same = other.header.start == kept.header.start;
        if is_same && other.rank() > kept.rank() {
            *kept = *other;
        }
        is_same
    });
    if let Some(newest) = walks.last_mut() {
        newest.bound = Bound::Newest(lengths.get(&newest.header.start).copied());
    }
    let checkpoint = walks.last().map_or(0, |last| last.header.checkpoint);
    let nexts: Vec<u64> = walks.iter().skip(1).map(|walk| walk.header.start).collect();
    for (walk, next) in walks.iter_mut().zip(nexts) {
        let (bytes, room) = (next - walk.header.start, walk.room as u64);
        let is_kept = next > checkpoint && bytes <= room;
        let told = lengths.get(&walk.header.start).filter(|told| **told <= bytes.min(room));
        walk.bound = match told {
            Some(told) => Bound::Told(*told),
            None if is_kept => Bound::Told(bytes),
            None => Bound::Before(bytes.min(room)),
        };
    }
    walks
}

impl<'a> SegmentWalk<'a> {
    fn of(found: &'a Found) -> Option<Self> {
        let mapping = &*found.mapping;
        let (HeaderFound::Header(header) | HeaderFound::Mended(header)) = HeaderFound::of(mapping)
        else {
            return None;
        };
        let room = mapping.bytes().len() - index(HEADER_BYTES);
        Some(Self { file: found.id, header, mapping, room, bound: Bound::Newest(None) })
    }

    /// Of two files with the same segment, the one with the higher rank counts.
    fn rank(&self) -> (u64, u64, FileId) {
        (records_end(&self.header, self.mapping), self.header.checkpoint, self.file)
    }

    /// Reports all records and damage in order; returns the end of the log for the newest segment.
    pub fn walk(&self, each: &mut dyn FnMut(Walked)) -> Option<LogEnd> {
        let (end, is_newest) = match self.bound {
            Bound::Told(length) | Bound::Before(length) => (index(length), false),
            Bound::Newest(told) => (told.map_or(self.room, index).min(self.room), true),
        };
        let mut patience = Patience::default();
        let mut at = 0;
        loop {
            while let Some((kind, length)) = self.record_at(at, end) {
                each(Walked::Record { bytes: length as u64, kind });
                at += length;
            }
            if at == end || matches!(self.bound, Bound::Before(_) | Bound::Newest(None)) {
                break;
            }
            let next = self.look(end, |stretch| stretch.next(at + 1, &mut patience));
            let length = next.unwrap_or(end) - at;
            each(Walked::Damage { offset: place(at), bytes: length as u64 });
            at += length;
        }
        is_newest.then(|| self.log_end(at, &mut patience))
    }

    /// The end of the log, which is `at` bytes after the header.
    fn log_end(&self, at: usize, patience: &mut Patience) -> LogEnd {
        self.look(self.room, |stretch| {
            let behind = &stretch.bytes[at..];
            let own = Record::length_told(behind).filter(|_| Record::may_begin(behind));
            let longest = own.unwrap_or(0).max(GROUP_BYTES_MAX);
            let group = &behind[..behind.len().min(longest)];
            let last = group.iter().rposition(|byte| *byte != 0);
            let torn_bytes = last.map_or(0, |last| last as u64 + 1);
            let mut end = LogEnd { offset: place(at), torn_bytes, torn_records: 0 };
            let mut next = stretch.next(at + 1, patience);
            while let Some((found, (_, length))) =
                next.and_then(|found| Some((found, stretch.record(found)?)))
            {
                end.torn_records += 1;
                next = stretch.next(found + length, patience);
            }
            end
        })
    }

    /// The kind and length of the record `at` bytes after the header, if it ends before `end`.
    fn record_at(&self, at: usize, end: usize) -> Option<(&'static str, usize)> {
        self.look(end, |stretch| {
            let (record, length) = stretch.record(at)?;
            Some((record.map_or("unknown", |record| record.kind_name()), length))
        })
    }

    /// Calls `look` with the bytes after the header, up to `end`. Unreadable bytes are zeros, which
    /// are not a record.
    fn look<T>(&self, end: usize, look: impl FnOnce(Stretch<'a>) -> T) -> T {
        let SegmentHeader { start, salt, .. } = self.header;
        let seen = self.mapping.look(|bytes| {
            let bytes = &bytes[index(HEADER_BYTES)..];
            look(Stretch { bytes: &bytes[..end.min(bytes.len())], start, salt })
        });
        seen.unwrap_or_else(|seen| seen)
    }
}

/// The offset in the file of the byte `at` bytes after the header.
fn place(at: usize) -> u64 {
    HEADER_BYTES + at as u64
}

impl Record<'_> {
    /// The kind of a record, in a word or two.
    fn kind_name(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Acks(_) => "acks",
            Self::SessionOpened { .. } => "session opened",
            Self::SessionEnded { .. } => "session ended",
            Self::Subscribed { .. } => "subscribed",
            Self::Unsubscribed { .. } => "unsubscribed",
            Self::Attached { .. } => "attached",
            Self::Leases { .. } => "leases",
            Self::Owner { .. } => "owner",
            Self::Ends(_) => "ends",
            Self::Detached { .. } => "detached",
            Self::Received { .. } => "received",
            Self::Freed { .. } => "freed",
            Self::FreedElsewhere(_) => "freed elsewhere",
            Self::Cleared { .. } => "cleared",
            Self::Block(_) => "block",
            Self::SessionState { .. } => "session state",
            Self::RetainedState { .. } => "retained state",
            Self::CheckpointBegun => "checkpoint begun",
            Self::CheckpointEnded { .. } => "checkpoint ended",
            Self::Cleaned { .. } => "cleaned",
            Self::Origins(_) => "origins",
            Self::References(_) => "references",
            Self::Queued { .. } => "queued",
            Self::Clock(_) => "clock",
            Self::Gaps(_) => "gaps",
            Self::Expiry { .. } => "session expiry",
            Self::Will { .. } => "will",
            Self::WillCleared { .. } => "will cleared",
        }
    }
}
