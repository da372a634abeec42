//! What a shard's files have, as a store in memory: of a directory that no broker uses, or of what
//! is committed in one that a broker writes to meanwhile.

use crate::disk::{Directory, ShardFiles};
use crate::limits::LIVE_LOOKS_MAX;
use crate::store::{
    CatalogLimits, ClockReading, Fault, FileId, Found, HEADER_BYTES, LogOptions, Losses, Opened,
    Position, SegmentFacts, Store, StoreOptions,
};

use super::error::DataError;

/// Looks at files that have not changed, and have damage, before that is believed: a page that is
/// written while it is copied looks like some.
const DAMAGE_LOOKS: u32 = 5;

/// See the module.
pub struct Snapshot {
    /// The files.
    pub files: ShardFiles,
    /// Those with segments, and their lengths.
    pub lengths: Vec<(FileId, u64)>,
    /// What is in them.
    pub store: Store,
    /// What opening it had to tell.
    pub opened: Opened,
    /// Of its log, by start.
    pub segments: Vec<SegmentFacts>,
}

impl Snapshot {
    /// Opens a shard of a directory. With `clocks` clients that were there when the broker ended
    /// have left since then; without, they are there.
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

    /// Opens what was found of a shard, in memory: nothing is written.
    pub(super) fn open(
        mut files: ShardFiles,
        shard: u16,
        clocks: Option<ClockReading>,
    ) -> Result<Self, DataError> {
        let options = StoreOptions {
            // What is appended stays in memory: any length will do.
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

    /// The files once more, for whoever reads them from begin to end.
    ///
    /// # Errors
    /// If the system refuses something.
    pub fn found(&self) -> Result<Vec<Found>, DataError> {
        Ok(self.files.map_again(&self.lengths)?)
    }

    /// Whether nothing is damaged or lost, as far as opening it tells.
    pub fn is_whole(&self) -> bool {
        let Opened { report, losses, .. } = &self.opened;
        report.faults.is_empty() && *losses == Losses::default() && self.files.fault().is_none()
    }

    /// What is damaged, a line for each place, and what is lost with it.
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

    /// The file that has, or had, a position.
    pub fn file_of(&self, position: Position) -> Option<FileId> {
        let offset = position.offset();
        let at = self.segments.partition_point(|segment| segment.end <= offset);
        let segment = self.segments.get(at).filter(|segment| segment.start <= offset)?;
        segment.file
    }

    /// Whether what stands at a position is not to be had since nothing refers to it any more: the
    /// broker has used its file again meanwhile.
    pub fn is_gone(&self, position: Position) -> bool {
        self.files.is_live() && !self.file_of(position).is_some_and(|id| self.files.is_current(id))
    }
}
