//! Names a checkpoint in the header of a segment that is written already, without waiting for the
//! next segment. If there is no file for a next segment, that is the only way to free one. Owned by
//! the log.
//!
//! A header is overwritten in place: 64 bytes at the beginning of a sector, which a disk writes as
//! a whole, as it must when records are appended to a sector that has others. Both headers are
//! valid. Segments that only the old one needs are released when the new one is written.
//!
//! Invariant: the overwritten header is the newest on disk, which recovery reads.

use bytes::Bytes;

use super::super::segment::SegmentHeader;
use super::{GroupWrite, Log};

/// See the file.
pub(super) struct Naming {
    /// The checkpoint that the newest header on disk names.
    named: u64,
    /// Whether another one is to be named at once.
    is_due: bool,
    /// The checkpoint in the header that is being overwritten, and the start of its segment.
    in_flight: Option<(u64, u64)>,
    /// The offset of a segment whose first write has failed. Until another one is written, the
    /// header in its file may be the newest.
    refused_at: Option<u64>,
}

impl Naming {
    pub(super) fn new(named: u64) -> Self {
        Self { named, is_due: false, in_flight: None, refused_at: None }
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Notes the checkpoint of a header that was written.
    pub(super) fn note(&mut self, checkpoint: u64) {
        self.named = checkpoint;
    }

    /// Notes that the first write of a segment has failed.
    pub(super) fn refuse_at(&mut self, start: u64) {
        self.refused_at = Some(start);
    }
}

impl Log {
    /// Whether no header on disk has the checkpoint.
    pub fn has_unnamed_checkpoint(&self) -> bool {
        self.checkpoint > self.naming.named
    }

    /// Whether a header is being overwritten, or is to be.
    pub fn is_naming(&self) -> bool {
        self.naming.is_in_flight() || self.naming.is_due
    }

    /// Makes the next write name the checkpoint in the newest header, if none has it.
    pub fn name_checkpoint(&mut self) {
        self.naming.is_due = true;
    }

    /// The newest header, if it is to be overwritten.
    pub(super) fn next_naming(&mut self) -> Option<GroupWrite> {
        if !std::mem::take(&mut self.naming.is_due) || !self.has_unnamed_checkpoint() {
            return None;
        }
        let written = self.segments.written;
        if self.naming.refused_at == Some(written) {
            return None;
        }
        let at = self.segments.find(written.checked_sub(1)?)?;
        let segment = &self.segments.list[at];
        let file = segment.file.as_ref()?.id;
        let (shard, checkpoint) = (self.options.shard, self.checkpoint);
        let (start, salt, continues) = (segment.start, segment.salt, segment.continues);
        let capacity = segment.made;
        let header = SegmentHeader { shard, start, checkpoint, salt, continues, capacity };
        let header = header.encode();
        self.naming.in_flight = Some((checkpoint, start));
        let bytes = Bytes::copy_from_slice(&header);
        Some(GroupWrite { file, offset: 0, bytes, sync: self.options.sync })
    }

    /// Handles the end of an overwrite.
    pub(super) fn on_named(&mut self, result: Result<(), String>) {
        let (checkpoint, start) = self.naming.in_flight.take().expect("the caller saw it");
        match result {
            Ok(()) => {
                self.naming.note(checkpoint);
                self.files.on_written();
                self.segments.on_checkpoint_written(checkpoint);
            }
            Err(says) => {
                if let Some(at) = self.segments.index_of(start) {
                    self.leave_file(at, &says);
                }
            }
        }
    }
}
