//! Every record of every segment file, also of those that recovery has no need to read: for
//! whoever checks a log. Nothing changes by it.

use std::cmp::Reverse;

use super::super::medium::{FileId, Found};
use super::super::record::{BadRecord, Record};
use super::super::segment::{HEADER_BYTES, HeaderFound};
use super::index;
use crate::limits::GROUP_BYTES_MAX;

/// A segment, in the file that it was found in.
#[derive(Clone, Copy)]
pub struct SegmentWalk<'a> {
    /// The file.
    pub file: FileId,
    /// Offset in the log of its first record.
    pub start: u64,
    /// Behind the header.
    bytes: &'a [u8],
    bound: Bound,
}

/// How it is known where a segment ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bound {
    /// After so many bytes: there the next one starts.
    Next(u64),
    /// The next one is gone: where its records end.
    Gap,
    /// It is the newest: where the log ends.
    Newest,
}

/// A record of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkedRecord {
    /// Its place in the file, bytes.
    pub offset: u64,
    /// All of its bytes.
    pub bytes: u64,
    /// What it is, in a word or two. A kind that this version does not know is `unknown`.
    pub kind: &'static str,
}

/// How the walk through a segment ended; offsets are places in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WalkEnd {
    /// All that is in it was read.
    Whole {
        /// Where it ends.
        offset: u64,
    },
    /// The log ends here.
    Log {
        /// Where,
        offset: u64,
        /// and how many bytes behind that are no records, up to the last that is not zero and as
        /// far as a commit group goes: a write that was not finished, or what an earlier use of
        /// the file left behind.
        torn_bytes: u64,
    },
    /// A record is damaged.
    Damaged {
        /// Where it begins.
        offset: u64,
        /// Bytes to the segment's end, which are not to be had.
        lost_bytes: u64,
    },
}

/// The segments of a log among the files that were found, by start. Left out are files with a
/// damaged header, and those that a later file supersedes: opening the log reports both.
pub fn segment_walks(found: &[Found]) -> Vec<SegmentWalk<'_>> {
    let mut walks: Vec<SegmentWalk<'_>> = found.iter().filter_map(SegmentWalk::of).collect();
    walks.sort_by_key(|walk| (walk.start, Reverse(walk.file)));
    walks.dedup_by_key(|walk| walk.start);
    let nexts: Vec<u64> = walks.iter().skip(1).map(|walk| walk.start).collect();
    for (walk, next) in walks.iter_mut().zip(nexts) {
        let bytes = next - walk.start;
        walk.bound =
            if bytes > walk.bytes.len() as u64 { Bound::Gap } else { Bound::Next(bytes) };
    }
    walks
}

impl<'a> SegmentWalk<'a> {
    fn of(found: &'a Found) -> Option<Self> {
        let bytes = found.mapping.bytes();
        let HeaderFound::Header(header) = HeaderFound::read(bytes) else { return None };
        let bytes = &bytes[index(HEADER_BYTES)..];
        Some(Self { file: found.id, start: header.start, bytes, bound: Bound::Newest })
    }

    /// Reads every record, in order, and tells it.
    pub fn walk(&self, each: &mut dyn FnMut(WalkedRecord)) -> WalkEnd {
        let bytes = match self.bound {
            Bound::Next(length) => &self.bytes[..index(length)],
            Bound::Gap | Bound::Newest => self.bytes,
        };
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let (kind, length) = match Record::decode(self.start + at as u64, rest) {
                Ok((record, length)) => (record.kind_name(), length),
                Err(BadRecord::Unknown) => {
                    ("unknown", Record::length(rest).expect("its sum is right"))
                }
                Err(BadRecord::Cut | BadRecord::Sum) => break,
            };
            let offset = HEADER_BYTES + at as u64;
            each(WalkedRecord { offset, bytes: length as u64, kind });
            at += length;
        }
        self.end(bytes, at)
    }

    /// The records of `bytes` end `at` there.
    fn end(&self, bytes: &[u8], at: usize) -> WalkEnd {
        let (offset, rest) = (HEADER_BYTES + at as u64, &bytes[at..]);
        match self.bound {
            Bound::Next(_) if !rest.is_empty() => {
                WalkEnd::Damaged { offset, lost_bytes: rest.len() as u64 }
            }
            Bound::Next(_) | Bound::Gap => WalkEnd::Whole { offset },
            Bound::Newest => {
                let group = &rest[..rest.len().min(GROUP_BYTES_MAX)];
                let last = group.iter().rposition(|byte| *byte != 0);
                let torn_bytes = last.map_or(0, |last| last as u64 + 1);
                WalkEnd::Log { offset, torn_bytes }
            }
        }
    }
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
            Self::Queued { .. } => "queued",
        }
    }
}
