//! Opens a shard's files as a store in memory: of a directory that no broker uses, or the committed
//! data of one that a broker is writing to.

use crate::disk::{Directory, ShardFiles};
use crate::limits::LIVE_LOOKS_MAX;
use crate::store::{
    CatalogLimits, ClockReading, Fault, FileId, Found, HEADER_BYTES, LogOptions, Losses, Opened,
    Position, SegmentFacts, Store, StoreOptions,
};

use super::error::DataError;

/// Readings of unchanged files that must find damage before it is believed: a page that is copied
/// during a write looks damaged.
const DAMAGE_LOOKS: u32 = 5;

/// A snapshot of one shard.
pub struct Snapshot {
    /// The files.
    pub files: ShardFiles,
    /// The files with segments, and their lengths.
    pub lengths: Vec<(FileId, u64)>,
    /// The store that was opened.
    pub store: Store,
    /// The result of opening it.
    pub opened: Opened,
    /// The log's segments, by start.
    pub segments: Vec<SegmentFacts>,
}

impl Snapshot {
    /// Opens a shard of a directory. With `clocks`, clients that were connected when the broker
    /// ended count as disconnected since then; without, as connected.
    ///
    /// # Errors
    /// If the files cannot be read, or change faster than they can be read.
    pub fn of(
        directory: &Directory,
        shard: u16,
        clocks: Option<ClockReading>,
    ) -> Result<Self, DataError> {
        for look in 1..=LIVE_LOOKS_MAX {
            let snapshot = Self::open(directory.shard(shard)?, shard, clocks)?;
            let has_changed = || snapshot.files.has_changed();
            if snapshot.is_whole() || look >= DAMAGE_LOOKS && !has_changed() {
                return Ok(snapshot);
            }
            if !directory.is_live() {
                return Ok(snapshot);
            }
        }
        Err(DataError::TooFast(directory.path().to_owned()))
    }

    /// Opens a shard from its files, in memory: nothing is written.
    pub(super) fn open(
        mut files: ShardFiles,
        shard: u16,
        clocks: Option<ClockReading>,
    ) -> Result<Self, DataError> {
        let options = StoreOptions {
            // Appended records stay in memory, so any length will do.
            log: LogOptions {
                shard,
                segment_bytes: HEADER_BYTES + 1,
                first_segment_bytes: HEADER_BYTES + 1,
                sync: false,
                zeros_bytes: 0,
            },
            limits: CatalogLimits { retained_count_max: u64::MAX, retained_bytes_max: u64::MAX },
            seed: 0,
            clocks,
        };
        let lengths = files.lengths();
        let (found, extent) = (files.take_found(), files.extent());
        let opened = Store::open(&options, found, extent);
        let (store, opened) = opened.map_err(|error| DataError::store(files.folder(), error))?;
        let segments = store.logs.disk.segments().collect();
        Ok(Self { files, lengths, store, opened, segments })
    }

    /// Another view of the files, for reading them from beginning to end.
    ///
    /// # Errors
    /// If the system refuses an operation.
    pub fn found(&self) -> Result<Vec<Found>, DataError> {
        Ok(self.files.map_again(&self.lengths)?)
    }

    /// Whether opening it found no damage and no loss.
    pub fn is_whole(&self) -> bool {
        let Opened { report, losses, .. } = &self.opened;
        report.faults.is_empty() && *losses == Losses::default() && self.files.fault().is_none()
    }

    /// The places of damage, one line each, and the resulting loss.
    pub fn damage(&self) -> Vec<String> {
        let mut damage = Vec::new();
        damage.extend(self.files.fault().map(|(path, what)| format!("{}: {what}", path.display())));
        for Fault { file, offset, kind, .. } in &self.opened.report.faults {
            let path = self.files.path(*file);
            damage.push(format!("{} at byte {offset}: {kind}", path.display()));
        }
        if self.opened.losses != Losses::default() {
            damage.push(format!("lost with it: {}", self.opened.losses));
        }
        damage
    }

    /// The file that contains, or contained, a position.
    pub fn file_of(&self, position: Position) -> Option<FileId> {
        let offset = position.offset();
        let at = self.segments.partition_point(|segment| segment.end <= offset);
        let segment = self.segments.get(at).filter(|segment| segment.start <= offset)?;
        segment.file
    }

    /// Whether a position cannot be read because nothing refers to it any more and the broker has
    /// reused its file.
    pub fn is_gone(&self, position: Position) -> bool {
        self.files.is_live() && !self.file_of(position).is_some_and(|id| self.files.is_current(id))
    }
}
