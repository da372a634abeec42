//! Faults that were found when a log was opened, for the operator to read.

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

/// The parts that were read, and those that could not be.
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
    /// The bytes that follow the end of the log.
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
    /// Bytes of the log that are not to be had, as far as is known.
    pub lost_bytes: u64,
    /// Records that these had, at least.
    pub records: u64,
}

/// Faults of a segment's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// Its header is damaged: the file is set aside.
    Header,
    /// One byte of its header is damaged; its right value is known, and used.
    HeaderByte,
    /// Another file has a segment with the same start, and is later: this one is set aside.
    Superseded,
    /// A record is damaged, or several are: reading went on behind them.
    Record,
    /// The file is shorter than it was made.
    Short,
    /// The segment after this one is missing.
    Missing,
    /// Segments before this one, which is the first, are missing.
    MissingBefore,
    /// The file is not there, and had the newest segment.
    Gone,
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
    /// Records among them, whole ones and one that is begun. None: the bytes are left from an
    /// earlier use of the file.
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
