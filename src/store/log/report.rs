//! The faults found at the opening of a log, for the operator.

use std::fmt;

use super::super::medium::FileId;
use super::super::segment::FORMAT_VERSION;

/// The reason why a log cannot be opened. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// A file was written by a later version.
    Newer {
        /// The file.
        file: FileId,
        /// The version of its format.
        version: u32,
    },
    /// A file belongs to another shard.
    OtherShard {
        /// The file.
        file: FileId,
        /// The shard to which it belongs.
        found: u16,
        /// The shard whose log was opened.
        expected: u16,
    },
}

/// The parts that were read, and those that could not be read.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OpenReport {
    /// Records that recovery has read.
    pub replayed_records: u64,
    /// Their size in bytes.
    pub replayed_bytes: u64,
    /// Records of unknown kinds, which were skipped.
    pub unknown_records: u64,
    /// Damage.
    pub faults: Vec<Fault>,
    /// The bytes that follow the end of the log.
    pub torn: Option<TornTail>,
}

/// A damage and its cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Its file,
    pub file: FileId,
    /// and the offset in it.
    pub offset: u64,
    /// Its kind.
    pub kind: FaultKind,
    /// Bytes of the log that are lost, as far as known.
    pub lost_bytes: u64,
    /// The least number of records in them.
    pub records: u64,
}

/// Faults of a segment's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// Its header is damaged: the file is set aside.
    Header,
    /// One byte of its header is damaged, but its right value is known and used.
    HeaderByte,
    /// Another file has a later version of the same segment: this one is set aside.
    Superseded,
    /// One or more records are damaged: reading continued after them.
    Record,
    /// The file is shorter than it was made.
    Short,
    /// The segment after this one is missing.
    Missing,
    /// Segments before this one, which is the first, are missing.
    MissingBefore,
    /// The file with the newest segment is missing.
    Gone,
    /// The checkpoint that the header names is missing: all records were read instead.
    NoCheckpoint,
}

/// Bytes after the end of the log that are not records: from an unfinished write, or from an
/// earlier use of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The end of the log: its file,
    pub file: FileId,
    /// and the offset in it.
    pub offset: u64,
    /// The number of bytes up to the last non-zero one, within the length of a commit group.
    pub bytes: u64,
    /// Records among them, complete or begun. None: the bytes are from an earlier use of the file.
    pub records: u64,
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
        let Self { file, offset, .. } = self;
        write!(f, "segment file {} at byte {offset}: ", file.0)?;
        self.tell(f)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "the header is damaged, and the file set aside",
            Self::HeaderByte => "a byte of the header is damaged, and known",
            Self::Superseded => "a later file has this segment too, and this one is set aside",
            Self::Record => "a record is damaged",
            Self::Short => "the file is shorter than it was made",
            Self::Missing => "the segment behind this one is missing",
            Self::MissingBefore => "the segment before this one is missing",
            Self::Gone => "the file is missing",
            Self::NoCheckpoint => "there is no checkpoint where one should be",
        })
    }
}

impl Fault {
    /// The fault and its consequence; the caller names the place.
    fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, lost_bytes, records, .. } = self;
        write!(f, "{kind}; {lost_bytes} bytes lost, {records} records at least")
    }
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, bytes, records } = self;
        write!(f, "the log ends in segment file {} at byte {offset}; ", file.0)?;
        write!(f, "{bytes} bytes behind it, {records} records at least, are cut")
    }
}
