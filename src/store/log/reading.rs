//! Reading in recovery: each record from the checkpoint on, and the damage among them.
//!
//! A group is written only when the one before it is committed. So all bytes before the first
//! record of a later group were committed, and if they are not a valid record, they are damaged.
//! Bytes before the end of a segment that has a successor were committed as well, and so was the
//! extent that the medium has noted ([`Extent`]). Other bytes may be of the last group, which was
//! never finished: the log ends there.
//!
//! Reading continues after damage with the next record. The damaged record's length leads to it, or
//! that length with one byte changed, if the checksum shows that nothing else is damaged. Otherwise
//! the next valid record is searched for.

use super::super::medium::Extent;
use super::super::position::Position;
use super::super::record::{BadRecord, FRAME_BYTES, Record};
use super::super::segment::HEADER_BYTES;
use super::seek::{Patience, Stretch};
use super::segments::{Segment, Segments};
use super::{Fault, FaultKind, OpenReport, TornTail, index};
use crate::limits::GROUP_BYTES_MAX;

/// Gets each record that recovery reads, in order, and the segments for look-ups of others.
pub(in crate::store) type Replay<'a> = dyn FnMut(Position, Reading<'_>, &Segments) + 'a;

/// The result of reading a record in recovery.
pub(in crate::store) enum Reading<'a> {
    /// The record.
    Whole(Record<'a>),
    /// A record with one damaged byte, as it was before the damage. A later read at its offset
    /// finds no record.
    Mended(Record<'a>),
    /// A damaged record, and a guess of its content.
    Damaged(Option<Record<'a>>),
    /// An unknown number of records is missing.
    Gap,
}

/// See the file.
pub(super) struct Walk<'a, 'r> {
    pub(super) segments: &'a Segments,
    pub(super) checkpoint: u64,
    pub(super) extent: Option<Extent>,
    pub(super) replay: &'a mut Replay<'r>,
    pub(super) report: &'a mut OpenReport,
    /// Indexes of damaged segments.
    pub(super) damaged: Vec<usize>,
    /// Bytes before this offset were committed, as the records found behind it show.
    proven: u64,
    patience: Patience,
}

impl<'a, 'r> Walk<'a, 'r> {
    pub(super) fn new(
        segments: &'a Segments,
        checkpoint: u64,
        extent: Option<Extent>,
        replay: &'a mut Replay<'r>,
        report: &'a mut OpenReport,
    ) -> Self {
        let (damaged, patience) = (Vec::new(), Patience::default());
        Self { segments, checkpoint, extent, replay, report, damaged, proven: 0, patience }
    }

    /// Reads all records from `from` on; returns the end of the log.
    pub(super) fn run(&mut self, from: u64) -> u64 {
        let list = &self.segments.list;
        let first = self.segments.find(from).unwrap_or(0);
        (0..first.min(list.len())).for_each(|at| self.miss_end(at));
        let mut end = from;
        for at in first..list.len() {
            end = self.read(at, list[at].start.max(from));
            match list.get(at + 1) {
                None => self.end_log(at, end),
                Some(next) => self.end_segment(at, end, next.start),
            }
        }
        self.miss_newest(end);
        end
    }

    /// Reads the records of the segment at `at` from `offset` on; returns their end.
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
                Err(BadRecord::Cut | BadRecord::Sum) => {
                    if !self.is_committed(at, offset) {
                        break;
                    }
                    let Some(next) = self.behind_damage(at, offset) else { break };
                    self.pass_over(at, offset, next);
                    offset = next;
                    continue;
                }
            };
            self.report.replayed_bytes += next - offset;
            offset = next;
        }
        offset
    }

    /// The end up to which the segment at `at` is known to be committed. If it is the newest, later
    /// bytes of its file may belong to the log too.
    fn known_end(&self, at: usize) -> u64 {
        let segment = &self.segments.list[at];
        let known = if at + 1 < self.segments.list.len() {
            // Before the checkpoint, a segment between this one and its successor may be missing.
            segment.end.filter(|_| !segment.is_end_guessed)
        } else {
            self.extent.filter(|extent| extent.start == segment.start).map(|extent| extent.end)
        };
        known.unwrap_or(segment.start).min(segment.start + segment.capacity)
    }

    /// Whether the invalid bytes at `offset`, in the segment at `at`, were committed.
    fn is_committed(&mut self, at: usize, offset: u64) -> bool {
        if offset < self.known_end(at).max(self.proven) {
            return true;
        }
        let is_newest = at + 1 == self.segments.list.len();
        if is_newest && self.extent.is_some_and(|extent| extent.is_ended && extent.end == offset) {
            return false;
        }
        let patience = &mut self.patience;
        let proof = with_stretch(self.segments, at, |stretch| {
            stretch.proof(index(offset - stretch.start), GROUP_BYTES_MAX, patience)
        });
        let proof = proof.flatten().map(|place| self.segments.list[at].start + place as u64);
        self.proven = self.proven.max(proof.unwrap_or(0));
        proof.is_some()
    }

    /// The end of the damaged record at `offset`, in the segment at `at`; `None` if no record
    /// follows.
    fn behind_damage(&mut self, at: usize, offset: u64) -> Option<u64> {
        let own = self.length_at(offset).map(|length| offset + length);
        let own = own.filter(|own| *own <= self.segments.end_of(at));
        // The length of a record "checkpoint begun" is known.
        let begun = (offset == self.checkpoint).then_some(offset + FRAME_BYTES as u64);
        let known = self.known_end(at);
        let is_end = |end: u64| end == known || is_record(self.segments, end);
        let own = own.into_iter().chain(begun).find(|next| is_end(*next));
        let patience = &mut self.patience;
        let found = with_stretch(self.segments, at, |stretch| {
            let (place, start) = (index(offset - stretch.start), stretch.start);
            let own = own.map(|own| index(own - start));
            // Only one mapping may be read at a time.
            let known = known.checked_sub(start).map(index);
            let is_end = |end| Some(end) == known || stretch.record(end).is_some();
            // A damaged length may lead to another record by chance.
            own.filter(|own| stretch.mended(place, *own).is_some())
                .or_else(|| stretch.end_by_mended_length(place, is_end))
                .or_else(|| stretch.up_to(own).next(place + 1, patience))
                .or(own)
        });
        let found = found.flatten().map(|place| self.segments.list[at].start + place as u64);
        // Records after the end do not belong to the segment.
        let is_newest = at + 1 == self.segments.list.len();
        let found = found.filter(|found| *found <= known || is_newest || known < offset);
        // A truncated file does not have the missing bytes.
        let is_short = self.segments.list[at].is_short();
        found.or(Some(known).filter(|known| offset < *known && !is_short))
    }

    /// Skips the damage from `offset` to `next`, in the segment at `at`.
    fn pass_over(&mut self, at: usize, offset: u64, next: u64) {
        self.blame(at, offset, FaultKind::Record, next - offset);
        self.damaged.push(at);
        let position = Position::durable(offset);
        let mended = with_stretch(self.segments, at, |stretch| {
            let place = |offset: u64| index(offset - stretch.start);
            stretch.mended(place(offset), place(next))
        });
        let mark = self.segments.mark_of(offset);
        if let Some(whole) = mended.flatten() {
            // A record of an unknown kind is skipped like all such records.
            if let Ok((record, _)) = Record::decode(mark, &whole) {
                (self.replay)(position, Reading::Mended(record), self.segments);
            }
            return;
        }
        let is_one = self.length_at(offset) == Some(next - offset);
        let reading = match is_one {
            true => Reading::Damaged(self.segments.look_at(offset, Record::guess).flatten()),
            false => Reading::Gap,
        };
        (self.replay)(position, reading, self.segments);
    }

    /// The size of the record at `offset`, as it says itself.
    fn length_at(&self, offset: u64) -> Option<u64> {
        Some(self.segments.look_at(offset, Record::length)?? as u64)
    }

    /// Ends the segment at `at`, which was read to `end`, while the next one starts at `next`;
    /// reports what is missing between the two.
    fn end_segment(&mut self, at: usize, end: u64, next: u64) {
        let segment = &self.segments.list[at];
        let made_end = (segment.start + segment.made).min(next);
        // Before the checkpoint, segments may have been released with all their records, and only
        // the next segment shows where one ends.
        let from = end.max(self.checkpoint);
        if made_end == next {
            let lost = if end < self.checkpoint && segment.is_end_guessed { from } else { end };
            let lost_bytes = next.saturating_sub(lost);
            let kind = if segment.is_short() { FaultKind::Short } else { FaultKind::Record };
            if end < next {
                self.damaged.push(at);
                self.lose(at, end, kind, lost_bytes);
            }
            return;
        }
        let mut from = from;
        if segment.is_short() && from < made_end {
            self.damaged.push(at);
            self.lose(at, end, FaultKind::Short, made_end - from);
            from = made_end;
        }
        self.lose(at, end, FaultKind::Missing, next.saturating_sub(from));
    }

    /// Reports a short file of the segment at `at`, which recovery need not read.
    fn miss_end(&mut self, at: usize) {
        let segment = &self.segments.list[at];
        if !segment.is_short() {
            return;
        }
        let file_end = segment.start + segment.capacity;
        let next = self.segments.list.get(at + 1).map_or(file_end, |next| next.start);
        let lost_bytes = next.min(segment.start + segment.made).saturating_sub(file_end);
        if lost_bytes > 0 {
            self.damaged.push(at);
            self.blame(at, file_end, FaultKind::Short, lost_bytes);
        }
    }

    /// Ends the log at `end`, in the segment at `at`.
    fn end_log(&mut self, at: usize, end: u64) {
        let segment = &self.segments.list[at];
        let extent = self.extent.filter(|extent| extent.start == segment.start);
        if segment.is_short() {
            let told = extent.map_or(end, |extent| extent.end);
            self.damaged.push(at);
            if told > end {
                self.lose(at, end, FaultKind::Short, told - end);
            } else {
                self.blame(at, end, FaultKind::Short, 0);
            }
        }
        if extent.is_some_and(|extent| extent.is_ended && extent.end <= end) {
            return;
        }
        let Some(file) = &segment.file else { return };
        let offset = HEADER_BYTES + end - segment.start;
        let (made, patience) = (segment.made, &mut self.patience);
        let torn = with_stretch(self.segments, at, |stretch| {
            let from = index(end - stretch.start).min(stretch.bytes.len());
            let behind = &stretch.bytes[from..];
            let own = Record::length_told(behind).filter(|length| *length as u64 <= made);
            let own = own.filter(|_| Record::may_begin(behind));
            // A group does not reach further, or its end would have proved damage.
            let longest = own.map_or(GROUP_BYTES_MAX, |length| length.max(GROUP_BYTES_MAX));
            let stretch = stretch.up_to(Some(from + behind.len().min(longest)));
            let last = stretch.bytes[from..].iter().rposition(|byte| *byte != 0)?;
            let (mut records, mut place) = (u64::from(own.is_some()), from + 1);
            while let Some(next) = stretch.next(place, patience).filter(|next| *next > from) {
                let Some((_, length)) = stretch.record(next) else { break };
                records += 1;
                place = next + length;
            }
            let bytes = (last as u64 + 1).max((place - from) as u64 * u64::from(records > 0));
            Some(TornTail { file: file.id, offset, bytes, records })
        });
        self.report.torn = torn.flatten();
    }

    /// Reports that the log, which ends at `end`, is known to continue in a missing file.
    fn miss_newest(&mut self, end: u64) {
        let newest = self.segments.list.back().map_or(0, |newest| newest.start);
        let is_there = |extent: &Extent| {
            self.segments.list.back().is_some() && extent.start <= newest || extent.end <= end
        };
        let Some(extent) = self.extent.filter(|extent| !is_there(extent)) else { return };
        let (kind, lost_bytes) = (FaultKind::Gone, extent.end - end);
        let fault = Fault { file: extent.file, offset: 0, kind, lost_bytes, records: 1 };
        self.report.faults.push(fault);
        (self.replay)(Position::durable(end), Reading::Gap, self.segments);
    }

    /// Reports that bytes of the segment at `at` are lost from `offset` on.
    fn lose(&mut self, at: usize, offset: u64, kind: FaultKind, lost_bytes: u64) {
        if lost_bytes > 0 {
            self.blame(at, offset, kind, lost_bytes);
            (self.replay)(Position::durable(offset), Reading::Gap, self.segments);
        }
    }

    fn blame(&mut self, at: usize, offset: u64, kind: FaultKind, lost_bytes: u64) {
        let segment = &self.segments.list[at];
        let Some(file) = &segment.file else { return };
        let offset = HEADER_BYTES + offset - segment.start;
        let records = u64::from(lost_bytes > 0);
        self.report.faults.push(Fault { file: file.id, offset, kind, lost_bytes, records });
    }
}

/// Whether there is a record of any kind at `offset`.
pub(super) fn is_record(segments: &Segments, offset: u64) -> bool {
    matches!(segments.record_at(offset), Ok(_) | Err(BadRecord::Unknown))
}

/// Whether there is a record at or after `offset` in its segment.
pub(super) fn is_before_record(segments: &Segments, offset: u64) -> bool {
    let Some(at) = segments.find(offset) else { return false };
    let mut patience = Patience::default();
    let found = with_stretch(segments, at, |stretch| {
        stretch.next(index(offset - stretch.start), &mut patience).is_some()
    });
    found.unwrap_or(false)
}

/// Calls `look` with the bytes after the header of the segment at `at`, up to the end of its file
/// and the start of its successor. Unreadable bytes are zeros.
fn with_stretch<T>(
    segments: &Segments,
    at: usize,
    look: impl FnOnce(Stretch<'_>) -> T,
) -> Option<T> {
    let Segment { start, salt, .. } = segments.list[at];
    segments.look_at(start, |bytes| look(Stretch { bytes, start, salt }))
}
