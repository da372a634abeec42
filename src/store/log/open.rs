//! Opening: the found files become a log, and the part that recovery needs is read. Opening changes
//! no file: its changes are requests that wait in the log.
//!
//! The newest header has the checkpoint to read from (see `reading`). The next record opens a new
//! segment, so bytes after the found end are never read again.

use std::collections::BTreeMap;

use super::super::medium::{Extent, FileId, Found, Mapping};
use super::super::record::{BadRecord, FRAME_BYTES, Record};
use super::super::segment::{HEADER_BYTES, HeaderFound, SegmentHeader};
use super::files::{Files, SegmentFile};
use super::lengths::Lengths;
use super::naming::Naming;
use super::reading::{Replay, Walk, is_before_record, is_record};
use super::segments::{Segment, Segments};
use super::staging::Staging;
use super::{Fault, FaultKind, Log, LogOptions, OpenError, OpenReport, index};

/// A found segment.
struct FoundSegment {
    header: SegmentHeader,
    /// Whether a byte of the header is damaged and its right value known.
    is_mended: bool,
    file: SegmentFile,
}

impl Log {
    /// Makes a log of the found files, and reads it from its checkpoint on. None of its records is
    /// held afterwards: see [`Log::finish_open`]. `extent` is the medium's last note.
    pub(in crate::store) fn open(
        options: LogOptions,
        found: Vec<Found>,
        extent: Option<Extent>,
        replay: &mut Replay<'_>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let LogOptions { segment_bytes, first_segment_bytes, .. } = options;
        assert!(segment_bytes.min(first_segment_bytes) > HEADER_BYTES, "there is room for records");
        let mut report = OpenReport::default();
        let mut files = Files::new(Lengths::new(first_segment_bytes, segment_bytes));
        let found = sort(options.shard, found, &mut files, &mut report)?;
        let checkpoint = found.last().map_or(0, |found| found.header.checkpoint);
        let mut segments = table(found, checkpoint);
        let start = begin(&segments, checkpoint, &mut report);

        let mut walk = Walk::new(&segments, checkpoint, extent, replay, &mut report);
        let end = walk.run(start.from);
        let damaged = walk.damaged;
        segments.end = end;
        segments.written = end;
        damaged.into_iter().for_each(|at| segments.list[at].is_damaged.set(true));
        if start.is_checkpoint {
            segments.recovered_from = checkpoint;
        }
        // Without syncs, a power failure may remove a checkpoint and leave the header that names
        // it.
        let checkpoint = if checkpoint < end { checkpoint } else { start.from.min(end) };
        let mut superseded = Vec::new();
        if let Some(last) = segments.list.pop_back_if(|last| last.start == end) {
            // The segment has only its header. Another one will start here; until that one's header
            // is written, this header is the one with the checkpoint.
            superseded.extend(last.file.map(|file| file.id));
        }
        let found_bytes: u64 =
            segments.list.iter().enumerate().map(|(at, it)| segments.end_of(at) - it.start).sum();
        let mut log = Self {
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
        };
        // A missing record that is reported now is not reported again.
        log.note_extent(false);
        Ok((log, report))
    }
}

/// Finds the segments among the files, sorted by start. Other files are reported, and requested to
/// be recycled or set aside.
fn sort(
    shard: u16,
    found: Vec<Found>,
    files: &mut Files,
    report: &mut OpenReport,
) -> Result<Vec<FoundSegment>, OpenError> {
    let mut segments: Vec<FoundSegment> = Vec::new();
    let mut blame = |file: FileId, kind: FaultKind| {
        report.faults.push(Fault { file, offset: 0, kind, lost_bytes: 0, records: 0 });
    };
    for Found { id, mapping } in found {
        let header = HeaderFound::of(&*mapping);
        let is_mended = matches!(header, HeaderFound::Mended(_));
        match header {
            HeaderFound::Newer(version) => return Err(OpenError::Newer { file: id, version }),
            HeaderFound::Header(header) | HeaderFound::Mended(header) if header.shard != shard => {
                let found = header.shard;
                return Err(OpenError::OtherShard { file: id, found, expected: shard });
            }
            HeaderFound::Header(header) | HeaderFound::Mended(header) => {
                if is_mended {
                    blame(id, FaultKind::HeaderByte);
                }
                let file = SegmentFile { id, mapping };
                segments.push(FoundSegment { header, is_mended, file });
            }
            HeaderFound::Free => files.recycle(id),
            HeaderFound::Damaged => {
                files.set_aside(id);
                blame(id, FaultKind::Header);
            }
        }
    }
    segments.sort_by_key(|found| (found.header.start, found.file.id));
    let mut kept: Vec<FoundSegment> = Vec::new();
    for segment in segments {
        let Some(before) = kept.pop_if(|known| known.header.start == segment.header.start) else {
            kept.push(segment);
            continue;
        };
        // Both are of the same opening of the log, so the longer one has all records of the other;
        // or one of them has only its header.
        let end = |found: &FoundSegment| records_end(&found.header, &*found.file.mapping);
        let rank = |of: &FoundSegment| (end(of), of.header.checkpoint);
        let (stays, goes) =
            if rank(&segment) >= rank(&before) { (segment, before) } else { (before, segment) };
        if end(&goes) == goes.header.start {
            files.recycle(goes.file.id);
        } else {
            files.set_aside(goes.file.id);
            blame(goes.file.id, FaultKind::Superseded);
        }
        kept.push(stays);
    }
    Ok(kept)
}

/// The end of a segment's records, which follow its header.
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
    // Zeros are not a record, so unreadable bytes end the records.
    file.look(end_in).unwrap_or_else(|end| end)
}

/// The table of the found segments, each with the greatest possible end.
fn table(found: Vec<FoundSegment>, checkpoint: u64) -> Segments {
    let mut segments = Segments::default();
    let mut next = None;
    for FoundSegment { header, is_mended, file } in found.into_iter().rev() {
        let capacity = file.mapping.bytes().len() as u64 - HEADER_BYTES;
        let mut segment = Segment::new(header.start, capacity, header.salt);
        segment.made = capacity.max(header.capacity);
        segment.is_damaged.set(is_mended);
        let (end, made_end) = (header.start + capacity, header.start + segment.made);
        segment.end = next.map(|next| end.min(next));
        segment.is_end_guessed = next.is_some_and(|next| next <= checkpoint || next > made_end);
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

/// The offset to read from.
struct Start {
    from: u64,
    /// Whether there is a checkpoint, or there never was one and no segment is missing.
    is_checkpoint: bool,
}

fn begin(segments: &Segments, checkpoint: u64, report: &mut OpenReport) -> Start {
    let Some((oldest, newest)) = segments.list.front().zip(segments.list.back()) else {
        return Start { from: 0, is_checkpoint: true };
    };
    let file_of = |segment: &Segment| segment.file.as_ref().map_or(FileId(0), |file| file.id);
    if checkpoint == 0 {
        if oldest.start > 0 {
            let (file, kind, lost_bytes) =
                (file_of(oldest), FaultKind::MissingBefore, oldest.start);
            report.faults.push(Fault { file, offset: 0, kind, lost_bytes, records: 1 });
        }
        return Start { from: oldest.start, is_checkpoint: true };
    }
    let behind = checkpoint + FRAME_BYTES as u64;
    match segments.record_at(checkpoint) {
        Ok((Record::CheckpointBegun, _)) => {
            return Start { from: checkpoint, is_checkpoint: true };
        }
        // The record has no content, and the header names it too. Without syncs, a power failure
        // may have removed it.
        Err(BadRecord::Sum | BadRecord::Cut)
            if is_record(segments, behind) || is_before_record(segments, behind) =>
        {
            return Start { from: checkpoint, is_checkpoint: true };
        }
        _ => {}
    }
    let (file, offset) = match segments.find(checkpoint).map(|at| &segments.list[at]) {
        Some(segment) => (file_of(segment), HEADER_BYTES + checkpoint - segment.start),
        None => (file_of(newest), 0),
    };
    let (kind, lost_bytes) = (FaultKind::NoCheckpoint, oldest.start.saturating_sub(checkpoint));
    let records = u64::from(lost_bytes > 0);
    report.faults.push(Fault { file, offset, kind, lost_bytes, records });
    Start { from: oldest.start, is_checkpoint: false }
}

impl Log {
    /// Reports missing segments with the number of references to them, by the end of the segment
    /// before. After other damage nothing is reported: a reference may be one whose release is
    /// lost, to a segment that was released.
    pub(in crate::store) fn report_missed(
        &self,
        missed: &BTreeMap<u64, u64>,
        report: &mut OpenReport,
    ) {
        let costs_nothing =
            |fault: &Fault| matches!(fault.kind, FaultKind::HeaderByte | FaultKind::Superseded);
        if !report.faults.iter().all(costs_nothing) {
            return;
        }
        for (end, records) in missed {
            let before = self.segments.list.iter().enumerate().rev();
            let before = before.map(|(at, segment)| (self.segments.end_of(at), segment));
            let before = before.filter(|(known, _)| known == end).find_map(|(_, segment)| {
                Some((segment.file.as_ref()?.id, HEADER_BYTES + end - segment.start))
            });
            let first = self.segments.list.front().and_then(|first| first.file.as_ref());
            let (kind, (file, offset)) = match (before, first) {
                (Some(before), _) => (FaultKind::Missing, before),
                (None, Some(first)) => (FaultKind::MissingBefore, (first.id, 0)),
                (None, None) => continue,
            };
            let (lost_bytes, records) = (0, *records);
            report.faults.push(Fault { file, offset, kind, lost_bytes, records });
        }
    }
}
