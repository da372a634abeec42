//! Opening: the files that were found become a log, and what recovery needs of it is read again.
//! The log changes nothing by it: what is to be done with files waits among its requests.
//!
//! The newest header tells the checkpoint to read from. Each segment is read to where the next one
//! starts; the newest to the first thing that is no record of the log, and there the log ends. The
//! next record opens a new segment, so what stands behind that end is never read again.
//!
//! A damaged record is passed over where its own length leads to one that is whole: a sum depends
//! on the record's place, so that is none by chance. Else the rest of its segment is lost. In the
//! newest segment that may be a write that was not finished: it is damage only if more follows than
//! any write has.

use super::super::medium::{FileId, Found, Mapping};
use super::super::position::Position;
use super::super::record::{BadRecord, FRAME_BYTES, Record};
use super::super::segment::{HEADER_BYTES, HeaderFound, SegmentHeader};
use super::files::{Files, SegmentFile};
use super::lengths::Lengths;
use super::naming::Naming;
use super::segments::{Segment, Segments};
use super::staging::Staging;
use super::{Fault, FaultKind, Log, LogOptions, OpenError, OpenReport, TornTail, index};
use crate::limits::GROUP_BYTES_MAX;

/// Is given each record that recovery reads, in order, and the segments to look up others.
pub(in crate::store) type Replay<'a> = dyn FnMut(Position, Reading<'_>, &Segments) + 'a;

/// What recovery finds in the place of a record.
pub(in crate::store) enum Reading<'a> {
    /// The record.
    Whole(Record<'a>),
    /// A damaged one, and what it may have been.
    Damaged(Option<Record<'a>>),
    /// Nobody knows how many.
    Gap,
}

impl Log {
    /// Makes a log of the files that were found, and reads it from its checkpoint on. Nothing in it
    /// is held afterwards: see [`Log::finish_open`].
    pub(in crate::store) fn open(
        options: LogOptions,
        found: Vec<Found>,
        replay: &mut Replay<'_>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let LogOptions { segment_bytes, first_segment_bytes, .. } = options;
        assert!(segment_bytes.min(first_segment_bytes) > HEADER_BYTES, "there is room for records");
        let mut report = OpenReport::default();
        let mut files = Files::new(Lengths::new(first_segment_bytes, segment_bytes));
        let found = sort(options.shard, found, &mut files, &mut report)?;
        let checkpoint = found.last().map_or(0, |(header, _)| header.checkpoint);
        let mut segments = table(found, checkpoint);
        let start = begin(&segments, checkpoint, &mut report);

        let damaged = Vec::new();
        let mut walk =
            Walk { segments: &segments, checkpoint, replay, report: &mut report, damaged };
        let end = walk.run(start.from);
        let damaged = walk.damaged;
        segments.end = end;
        segments.written = end;
        damaged.into_iter().for_each(|at| segments.list[at].is_damaged.set(true));
        if start.is_checkpoint {
            segments.recovered_from = checkpoint;
        }
        // Without syncs the power may take a checkpoint and leave the header that names it.
        let checkpoint = if checkpoint < end { checkpoint } else { start.from.min(end) };
        let mut superseded = Vec::new();
        if let Some(last) = segments.list.pop_back_if(|last| last.start == end) {
            // Nothing came after its header. Another segment will start here; until that one's
            // header is written, this one's is the one that tells the checkpoint.
            superseded.extend(last.file.map(|file| file.id));
        }
        let found_bytes: u64 =
            segments.list.iter().enumerate().map(|(at, it)| segments.end_of(at) - it.start).sum();
        Ok((
            Self {
                options,
                segments,
                staging: Staging::default(),
                files,
                room_end: end,
                checkpoint,
                checkpoint_in_flight: None,
                naming: Naming::new(checkpoint),
                grown_from: end - found_bytes,
                superseded,
                failures: 0,
                last_error: None,
            },
            report,
        ))
    }
}

/// The segments among the files, by start; what becomes of the others is asked for and reported.
fn sort(
    shard: u16,
    found: Vec<Found>,
    files: &mut Files,
    report: &mut OpenReport,
) -> Result<Vec<(SegmentHeader, SegmentFile)>, OpenError> {
    let mut segments: Vec<(SegmentHeader, SegmentFile)> = Vec::new();
    for Found { id, mapping } in found {
        match HeaderFound::of(&*mapping) {
            HeaderFound::Newer(version) => return Err(OpenError::Newer { file: id, version }),
            HeaderFound::Header(header) if header.shard != shard => {
                let found = header.shard;
                return Err(OpenError::OtherShard { file: id, found, expected: shard });
            }
            HeaderFound::Header(header) => segments.push((header, SegmentFile { id, mapping })),
            HeaderFound::Free => files.recycle(id),
            HeaderFound::Damaged => {
                files.set_aside(id);
                let kind = FaultKind::Header;
                report.faults.push(Fault { file: id, offset: 0, kind, lost_bytes: 0 });
            }
        }
    }
    segments.sort_by_key(|(header, file)| (header.start, file.id));
    let mut kept: Vec<(SegmentHeader, SegmentFile)> = Vec::new();
    for segment in segments {
        let Some(before) = kept.pop_if(|(known, _)| known.start == segment.0.start) else {
            kept.push(segment);
            continue;
        };
        // They are of one opening of the log, so what both have is the same, and the one that goes
        // further has all of the other; or one is only its header.
        let end =
            |(header, file): &(SegmentHeader, SegmentFile)| records_end(header, &*file.mapping);
        let rank = |of: &(SegmentHeader, SegmentFile)| (end(of), of.0.checkpoint);
        let (stays, goes) =
            if rank(&segment) >= rank(&before) { (segment, before) } else { (before, segment) };
        let (header, file) = &goes;
        if end(&goes) == header.start {
            files.recycle(file.id);
        } else {
            files.set_aside(file.id);
            let kind = FaultKind::Superseded;
            report.faults.push(Fault { file: file.id, offset: 0, kind, lost_bytes: 0 });
        }
        kept.push(stays);
    }
    Ok(kept)
}

/// Where the records of a segment end, which stand behind its header.
pub(super) fn records_end(header: &SegmentHeader, file: &dyn Mapping) -> u64 {
    let end_in = |bytes: &[u8]| {
        let (mut end, mut rest) = (header.start, &bytes[index(HEADER_BYTES)..]);
        loop {
            let length = match Record::decode(end ^ header.salt, rest) {
                Ok((_, length)) => length,
                Err(BadRecord::Unknown) => Record::length(rest).expect("its sum is right"),
                Err(BadRecord::Cut | BadRecord::Sum) => return end,
            };
            end += length as u64;
            rest = &rest[length..];
        }
    };
    // Zeros are no record, so what cannot be read ends them.
    file.look(end_in).unwrap_or_else(|end| end)
}

/// The table, with everything in it that may be there.
fn table(found: Vec<(SegmentHeader, SegmentFile)>, checkpoint: u64) -> Segments {
    let mut segments = Segments::default();
    let mut next = None;
    for (header, file) in found.into_iter().rev() {
        let capacity = file.mapping.bytes().len() as u64 - HEADER_BYTES;
        let mut segment = Segment::new(header.start, capacity, header.salt);
        let end = header.start + capacity;
        segment.end = next.map(|next| end.min(next));
        segment.is_end_guessed = next.is_some_and(|next| next <= checkpoint || next > end);
        segment.continues = header.continues;
        segment.file = Some(file);
        segments.end = segments.end.max(end);
        segments.list.push_front(segment);
        next = Some(header.start);
    }
    segments.written = segments.end;
    segments.share();
    segments
}

/// Where to read from.
struct Start {
    from: u64,
    /// There is a checkpoint, or there never was one and all segments are there.
    is_checkpoint: bool,
}

fn begin(segments: &Segments, checkpoint: u64, report: &mut OpenReport) -> Start {
    let Some((oldest, newest)) = segments.list.front().zip(segments.list.back()) else {
        return Start { from: 0, is_checkpoint: true };
    };
    let file_of = |segment: &Segment| segment.file.as_ref().map_or(FileId(0), |file| file.id);
    if checkpoint == 0 {
        if oldest.start > 0 {
            let (kind, lost_bytes) = (FaultKind::Missing, oldest.start);
            report.faults.push(Fault { file: file_of(oldest), offset: 0, kind, lost_bytes });
        }
        return Start { from: oldest.start, is_checkpoint: true };
    }
    let behind = checkpoint + FRAME_BYTES as u64;
    match segments.record_at(checkpoint) {
        Ok((Record::CheckpointBegun, _)) => {
            return Start { from: checkpoint, is_checkpoint: true };
        }
        // It says nothing but that it is there, and the header says that as well.
        Err(BadRecord::Sum) if is_record(segments, behind) => {
            return Start { from: checkpoint, is_checkpoint: true };
        }
        _ => {}
    }
    let (file, offset) = match segments.find(checkpoint).map(|at| &segments.list[at]) {
        Some(segment) => (file_of(segment), HEADER_BYTES + checkpoint - segment.start),
        None => (file_of(newest), 0),
    };
    report.faults.push(Fault { file, offset, kind: FaultKind::NoCheckpoint, lost_bytes: 0 });
    Start { from: oldest.start, is_checkpoint: false }
}

/// Whether a record stands at `offset`, of whatever kind.
fn is_record(segments: &Segments, offset: u64) -> bool {
    matches!(segments.record_at(offset), Ok(_) | Err(BadRecord::Unknown))
}

/// Reading again.
struct Walk<'a, 'r> {
    segments: &'a Segments,
    checkpoint: u64,
    replay: &'a mut Replay<'r>,
    report: &'a mut OpenReport,
    /// Segments that are.
    damaged: Vec<usize>,
}

impl Walk<'_, '_> {
    /// Reads all from `from` on; tells where the log ends.
    fn run(&mut self, from: u64) -> u64 {
        let list = &self.segments.list;
        let mut end = from;
        let first = self.segments.find(from).unwrap_or(0);
        for at in first..list.len() {
            end = self.read(at, list[at].start.max(from));
            match list.get(at + 1) {
                None => self.end_log(at, end),
                Some(next) => {
                    if self.is_damaged(at, end, next.start) {
                        self.damaged.push(at);
                    }
                }
            }
        }
        end
    }

    /// Reads the records of the segment at `at` from `offset` on; tells where they end.
    fn read(&mut self, at: usize, mut offset: u64) -> u64 {
        let end = self.segments.end_of(at);
        while offset < end {
            let next = match self.segments.record_at(offset) {
                Ok((record, next)) => {
                    self.report.replayed_records += 1;
                    (self.replay)(Position::durable(offset), Reading::Whole(record), self.segments);
                    next
                }
                Err(BadRecord::Unknown) => {
                    self.report.unknown_records += 1;
                    offset + self.length_at(offset).expect("its sum is right")
                }
                Err(BadRecord::Cut | BadRecord::Sum) => match self.behind_damage(at, offset) {
                    Some(next) => {
                        self.pass_over(at, offset, next);
                        offset = next;
                        continue;
                    }
                    None => break,
                },
            };
            self.report.replayed_bytes += next - offset;
            offset = next;
        }
        offset
    }

    /// Where the damaged record at `offset` ends, in the segment at `at`; `None` if nobody knows,
    /// or if the log ends there.
    fn behind_damage(&self, at: usize, offset: u64) -> Option<u64> {
        let own = self.length_at(offset).map(|length| offset + length);
        // The length of this one is known.
        let begun = (offset == self.checkpoint).then_some(offset + FRAME_BYTES as u64);
        let follows = |next: &u64| is_record(self.segments, *next);
        if offset < self.checkpoint {
            // Where this segment ended is not known: what follows may be a write that was undone.
            return None;
        }
        let Some(newer) = self.segments.list.get(at + 1) else {
            let next = own.into_iter().chain(begun).find(follows)?;
            return self.is_long_committed(offset, next).then_some(next);
        };
        let is_last = |next: &u64| *next == newer.start;
        own.into_iter().chain(begun).find(|next| is_last(next) || follows(next))
    }

    /// Whether a record stands so far behind `offset`, in the newest segment, that no write has
    /// both: all that is before it was there when it was written. From `next` on there are records.
    fn is_long_committed(&self, offset: u64, mut next: u64) -> bool {
        while is_record(self.segments, next) {
            if next - offset > GROUP_BYTES_MAX as u64 {
                return true;
            }
            next += self.length_at(next).expect("its sum is right");
        }
        false
    }

    /// A damaged record stands from `offset` to `next`, in the segment at `at`.
    fn pass_over(&mut self, at: usize, offset: u64, next: u64) {
        let segment = &self.segments.list[at];
        if let Some(file) = &segment.file {
            let (kind, lost_bytes) = (FaultKind::Record, next - offset);
            let offset = HEADER_BYTES + offset - segment.start;
            self.report.faults.push(Fault { file: file.id, offset, kind, lost_bytes });
        }
        self.damaged.push(at);
        let guess = self.segments.look_at(offset, Record::guess).flatten();
        (self.replay)(Position::durable(offset), Reading::Damaged(guess), self.segments);
    }

    /// Bytes of the record at `offset`, by its own account.
    fn length_at(&self, offset: u64) -> Option<u64> {
        Some(self.segments.look_at(offset, Record::length)?? as u64)
    }

    /// The segment at `at` was read to `end`, and the next one starts at `next`: judges what is
    /// between.
    fn is_damaged(&mut self, at: usize, end: u64, next: u64) -> bool {
        if end == next {
            return false;
        }
        let segment = &self.segments.list[at];
        let is_gap = segment.start + segment.capacity < next;
        // Before the checkpoint segments may have gone, each with whatever it had; and only what
        // follows tells where a segment ends.
        let lost_bytes =
            if is_gap { next.saturating_sub(end.max(self.checkpoint)) } else { next - end };
        let kind = if is_gap { FaultKind::Missing } else { FaultKind::Record };
        if let Some(file) = segment.file.as_ref().filter(|_| lost_bytes > 0) {
            let offset = HEADER_BYTES + end - segment.start;
            self.report.faults.push(Fault { file: file.id, offset, kind, lost_bytes });
            (self.replay)(Position::durable(end), Reading::Gap, self.segments);
        }
        !is_gap
    }

    /// The log ends at `end`, in the segment at `at`.
    fn end_log(&mut self, at: usize, end: u64) {
        let segment = &self.segments.list[at];
        let Some(file) = &segment.file else { return };
        let offset = HEADER_BYTES + end - segment.start;
        let last = file.mapping.look(|bytes| {
            let behind = bytes.get(index(offset)..).unwrap_or_default();
            let behind = &behind[..behind.len().min(GROUP_BYTES_MAX)];
            behind.iter().rposition(|byte| *byte != 0)
        });
        if let Some(last) = last.unwrap_or_else(|last| last) {
            let bytes = last as u64 + 1;
            self.report.torn = Some(TornTail { file: file.id, offset, bytes });
        }
    }
}
