//! Naming a checkpoint in the header of a segment that is written already, without waiting for the
//! next one: where there is no file for that, it is the only way to get one. Owned by the log.
//!
//! A header is written over in place: 64 bytes at the beginning of a sector, which a disk keeps
//! whole, as it must where records are appended to a sector that has others. Both headers are good,
//! and what the old one needs is let go of when the new one is written.
//!
//! Invariant: the header that is written over is the newest on disk, so that it is the one which
//! recovery reads.

use bytes::Bytes;

use super::super::segment::SegmentHeader;
use super::{GroupWrite, Log};

/// See the module.
pub(super) struct Naming {
    /// The checkpoint that the newest header on disk names.
    named: u64,
    /// Another one is to be named at once.
    is_due: bool,
    /// The name for the header that is being rewritten, and the index of its segment.
    in_flight: Option<(u64, u64)>,
    /// A write that would have begun a segment here has failed: until another is made, the header
    /// in its file may be the newest there is.
    refused_at: Option<u64>,
}

impl Naming {
    pub(super) fn new(named: u64) -> Self {
        Self { named, is_due: false, in_flight: None, refused_at: None }
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// A header that names this is on disk.
    pub(super) fn note(&mut self, checkpoint: u64) {
        self.named = checkpoint;
    }

    /// A write that begins here has failed.
    pub(super) fn refuse_at(&mut self, start: u64) {
        self.refused_at = Some(start);
    }
}

impl Log {
    /// Whether the checkpoint is in no header on disk.
    pub fn has_unnamed_checkpoint(&self) -> bool {
        self.checkpoint > self.naming.named
    }

    /// Whether a header is written over, or is to be.
    pub fn is_naming(&self) -> bool {
        self.naming.is_in_flight() || self.naming.is_due
    }

    /// Has the checkpoint named in the newest header, if it is in none.
    pub fn name_checkpoint(&mut self) {
        self.naming.is_due = true;
    }

    /// The newest header, if it is to be written over.
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

    /// The header is written over, or not.
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
