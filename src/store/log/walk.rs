//! Every record of every segment file, also of those that recovery need not read: for a check of a
//! log. It changes no file.
//!
//! A segment ends where the next one starts. But before the checkpoint segments go when nothing
//! refers to them, and the one before may have ended earlier: the checkpoint tells, of those that
//! somebody refers to. Of others what is no record is taken for the end: a write that was not
//! finished may have left records behind it.

use std::collections::BTreeMap;

use super::super::medium::{FileId, Found, Mapping};
use super::super::record::Record;
use super::super::segment::{HEADER_BYTES, HeaderFound, SegmentHeader};
use super::index;
use super::open::records_end;
use super::seek::{Patience, Stretch};
use crate::limits::GROUP_BYTES_MAX;

/// A segment, in the file that it was found in.
#[derive(Clone, Copy)]
pub struct SegmentWalk<'a> {
    /// The file.
    pub file: FileId,
    header: SegmentHeader,
    mapping: &'a dyn Mapping,
    /// Bytes behind the header.
    room: usize,
    bound: Bound,
}

/// How it is known where a segment ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bound {
    /// After so many bytes: there the next one started.
    Told(u64),
    /// The end of its records, but at most this many bytes: the segment that followed may be gone.
    Before(u64),
    /// It is the newest: where the log ends, after so many bytes, or else with its records.
    Newest(Option<u64>),
}

/// The content of a segment; offsets are positions in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walked {
    /// A record.
    Record {
        /// All of its bytes.
        bytes: u64,
        /// What it is, in a word or two. A kind that this version does not know is `unknown`.
        kind: &'static str,
    },
    /// Something else.
    Damage {
        /// Where it begins.
        offset: u64,
        /// Bytes up to the next record, or to the segment's end.
        bytes: u64,
    },
}

/// The end of the log; offsets are positions in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogEnd {
    /// Where.
    pub offset: u64,
    /// Bytes behind that which are no records, up to the last that is not zero and as far as a
    /// commit group goes: a write that was not finished, or what an earlier use of the file left.
    pub torn_bytes: u64,
    /// Whole records among them: a write that the power failed in may leave some. If it did not
    /// fail, the first thing behind the end is a damaged record.
    pub torn_records: u64,
}

/// The segments of a log among the files that were found, by start; `lengths` as
/// [`crate::store::Opened::lengths`]. Left out are files with a damaged header, and those that a
/// later file supersedes: opening the log reports both.
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

    /// Of two files with a segment of one start, the one with the higher rank counts.
    fn rank(&self) -> (u64, u64, FileId) {
        (records_end(&self.header, self.mapping), self.header.checkpoint, self.file)
    }

    /// Reads everything, in order, and tells it; of the newest segment, where the log ends.
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

    /// The log ends `at` there.
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

    /// The record at this place behind the header, if it ends before `end`: its kind and length.
    fn record_at(&self, at: usize, end: usize) -> Option<(&'static str, usize)> {
        self.look(end, |stretch| {
            let (record, length) = stretch.record(at)?;
            Some((record.map_or("unknown", |record| record.kind_name()), length))
        })
    }

    /// Calls `look` with the bytes behind the header, up to `end`. Bytes that the disk cannot read
    /// are zeros, which are not a record.
    fn look<T>(&self, end: usize, look: impl FnOnce(Stretch<'a>) -> T) -> T {
        let SegmentHeader { start, salt, .. } = self.header;
        let seen = self.mapping.look(|bytes| {
            let bytes = &bytes[index(HEADER_BYTES)..];
            look(Stretch { bytes: &bytes[..end.min(bytes.len())], start, salt })
        });
        seen.unwrap_or_else(|seen| seen)
    }
}

/// The place in the file of what stands `at` behind the header.
fn place(at: usize) -> u64 {
    HEADER_BYTES + at as u64
}

impl Record<'_> {
    /// What it is, in a word or two.
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
