//! What was found wrong when a log was opened, for the operator to read.

use std::fmt;

use super::super::medium::FileId;
use super::super::segment::FORMAT_VERSION;

/// Why a log cannot be opened. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// A file was written by a later version.
    Newer {
        /// The file.
        file: FileId,
        /// Version of its format.
        version: u32,
    },
    /// A file belongs to another shard.
    OtherShard {
        /// The file.
        file: FileId,
        /// The shard it belongs to.
        found: u16,
        /// The shard whose log was opened.
        expected: u16,
    },
}

/// What was read, and what could not be.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OpenReport {
    /// Records that were read again.
    pub replayed_records: u64,
    /// Their bytes.
    pub replayed_bytes: u64,
    /// Records of a kind that this version does not know; they were passed over.
    pub unknown_records: u64,
    /// Damage.
    pub faults: Vec<Fault>,
    /// What follows the end of the log.
    pub torn: Option<TornTail>,
}

/// Damage that was found, and what it costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Where: the file,
    pub file: FileId,
    /// and the offset in it.
    pub offset: u64,
    /// What.
    pub kind: FaultKind,
    /// Bytes of the log that are not to be had.
    pub lost_bytes: u64,
}

/// What may be wrong with a segment's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// Its header is damaged: the file is set aside.
    Header,
    /// Another file has a segment with the same start, and is later: this one is set aside.
    Superseded,
    /// A record is damaged. It is passed over, or the rest of the segment is not read, if what is
    /// damaged is its length.
    Record,
    /// The segment that follows is missing, or what comes before the first one.
    Missing,
    /// There is no checkpoint where its header says: everything there is was read instead.
    NoCheckpoint,
}

/// Bytes behind the end of the log that are no records: a write that was not finished, or what an
/// earlier use of the file left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// Where the log ends: the file,
    pub file: FileId,
    /// and the offset in it.
    pub offset: u64,
    /// Bytes up to the last one that is not zero, as far as was looked: a commit group.
    pub bytes: u64,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { file, version } => write!(
                f,
                "segment file {} has format version {version}, this is a ringmq that knows \
                 {FORMAT_VERSION}",
                file.0
            ),
            Self::OtherShard { file, found, expected } => write!(
                f,
                "segment file {} belongs to shard {found}, but lies with shard {expected}",
                file.0
            ),
        }
    }
}

impl std::error::Error for OpenError {}

impl fmt::Display for OpenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records in {} bytes read", self.replayed_records, self.replayed_bytes)?;
        if self.unknown_records > 0 {
            write!(f, ", {} of unknown kinds passed over", self.unknown_records)?;
        }
        if !self.faults.is_empty() {
            let lost: u64 = self.faults.iter().map(|fault| fault.lost_bytes).sum();
            write!(f, ", {} faults with {lost} bytes lost", self.faults.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, kind, lost_bytes } = self;
        let what = match kind {
            FaultKind::Header => "the header is damaged, the file is set aside",
            FaultKind::Superseded => "a later file has this segment, this one is set aside",
            FaultKind::Record => "a record is damaged",
            FaultKind::Missing => "a segment is missing",
            FaultKind::NoCheckpoint => "no checkpoint where one should be, all was read instead",
        };
        write!(f, "segment file {} at byte {offset}: {what}; {lost_bytes} bytes lost", file.0)
    }
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, bytes } = self;
        write!(f, "the log ends in segment file {} at byte {offset}", file.0)?;
        write!(f, "; {bytes} bytes behind it are no records")
    }
}
