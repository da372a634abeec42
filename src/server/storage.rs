//! The data directory at start: it is opened once, then each shard gets its part.

use std::path::PathBuf;

use log::{Level, info, log, warn};

use crate::broker::{Overflow, SessionLimit, Threshold};
use crate::config::{self, Options};
use crate::disk::{Directory, FileMedium, Helper, ShardFiles, Vhosts, segment_path};
use crate::limits::{
    SEGMENT_BYTES_FIRST, SESSION_QUOTA_BYTES_MAX, SESSION_QUOTA_BYTES_MIN, SHARDS_MAX, SPARE_FILES,
    ZEROS_AHEAD_BYTES,
};
use crate::ring::{Wake, Waker};
use crate::store::{
    CatalogLimits, ClockReading, Extent, Fault, Found, LogOptions, Losses, Store, StoreOptions,
    TornTail,
};

use super::StartError;

/// Bytes that a shard needs: the spare files, and the files that are written to.
const LEAST_BYTES: u64 = (SPARE_FILES as u64 + 1) * SEGMENT_BYTES_FIRST;

/// The parts from which a shard's store is opened.
pub(super) struct FoundShard {
    /// The folder of its files.
    folder: PathBuf,
    found: Vec<Found>,
    extent: Option<Extent>,
}

/// The open directory; locked as long as this lives.
pub(super) struct Storage {
    directory: Directory,
    /// Bytes of its file system; 0 if that is not known.
    total: u64,
    helper: Helper,
    /// By shard.
    files: Vec<Option<ShardFiles>>,
}

impl Storage {
    /// Checks whether [`Storage::open`] would succeed; returns the number of shards. Nothing is
    /// changed.
    pub(super) fn check(options: &Options, default_shards: usize) -> Result<usize, StartError> {
        let number = |shards: usize| u16::try_from(shards.min(SHARDS_MAX)).expect("at most 64");
        let asked = options.shards.map(|shards| number(shards.get()));
        let made = Directory::check(&options.data_dir, asked).map_err(StartError::Data)?;
        let shards = made.or(asked).unwrap_or(number(default_shards));
        let sized = Directory::require_size(&options.data_dir, shards, LEAST_BYTES);
        sized.map_err(StartError::Data).map(|_| shards.into())
    }

    /// Opens the directory for the number of shards that it was created for, or that was requested.
    pub(super) fn open(options: &Options, default_shards: usize) -> Result<Self, StartError> {
        let number = |shards: usize| u16::try_from(shards.min(SHARDS_MAX)).expect("at most 64");
        let asked = options.shards.map(|shards| number(shards.get()));
        let shards = number(Self::shards_to_be(options, default_shards)?);
        let total = Directory::require_size(&options.data_dir, shards, LEAST_BYTES)
            .map_err(StartError::Data)?;
        let directory = Directory::open(&options.data_dir, asked, number(default_shards))
            .map_err(StartError::Data)?;
        let helper = Helper::start()
            .map_err(|error| StartError::System("start the disk's thread", error))?;
        Ok(Self { directory, total, helper, files: Vec::new() })
    }

    /// The number of shards that [`Storage::open`] will find or choose. Nothing is changed.
    pub(super) fn shards_to_be(
        options: &Options,
        default_shards: usize,
    ) -> Result<usize, StartError> {
        let made = Directory::shards_at(&options.data_dir).map_err(StartError::Data)?;
        let asked = options.shards.map(std::num::NonZero::get);
        Ok(made.map_or(asked.unwrap_or(default_shards).min(SHARDS_MAX), usize::from))
    }

    pub(super) fn shards(&self) -> u16 {
        self.directory.shards()
    }

    /// Bytes of the file system; 0 if that is not known.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.total
    }

    /// Bytes of messages that may wait for one session.
    pub(super) fn session_bytes_max(&self, options: &Options) -> u64 {
        options.session_bytes_max(self.total)
    }

    /// Bounds of the sessions of some clients.
    pub(super) fn session_limits(&self, options: &Options) -> Vec<SessionLimit> {
        session_limits(options, self.total)
    }

    /// The numbers of vhosts.
    pub(super) fn vhosts(&self) -> Result<Vhosts, StartError> {
        self.directory.vhosts().map_err(StartError::Data)
    }

    /// The parts of a shard.
    pub(super) fn take_found(&mut self, shard: u16) -> Result<FoundShard, StartError> {
        let mut files = self.directory.shard(shard).map_err(StartError::Data)?;
        let (found, extent) = (files.take_found(), files.extent());
        if let Some((path, what)) = files.fault() {
            warn!("{}: {what}", path.display());
        }
        let folder = files.folder().to_owned();
        self.files.push(Some(files));
        Ok(FoundShard { folder, found, extent })
    }

    /// A shard's part of the disk, which wakes the shard when it has results.
    pub(super) fn medium(&mut self, shard: usize, waker: Waker) -> FileMedium {
        let files = self.files[shard].take().expect("asked for once");
        self.helper.medium(files, move || waker.wake())
    }

    /// Ends the helper, after all media are dropped.
    pub(super) fn finish(self) {
        self.helper.finish();
    }
}

/// The parameters for opening a shard's store.
pub(super) fn store_options(
    options: &Options,
    shard: u16,
    shards: u16,
    seed: u64,
    clocks: ClockReading,
) -> StoreOptions {
    let sync = options.durability == config::Durability::Disk;
    StoreOptions {
        log: LogOptions {
            shard,
            segment_bytes: options.segment_bytes,
            first_segment_bytes: SEGMENT_BYTES_FIRST,
            sync,
            zeros_bytes: if sync { ZEROS_AHEAD_BYTES } else { 0 },
        },
        limits: catalog_limits(options, shards),
        seed,
        clocks: Some(clocks),
    }
}

/// One shard's share of the bounds of retained messages.
pub(super) fn catalog_limits(options: &Options, shards: u16) -> CatalogLimits {
    let share = |whole: u64| whole.div_ceil(shards.into());
    CatalogLimits {
        retained_count_max: share(options.retained_max),
        retained_bytes_max: share(options.retained_bytes_max),
    }
}

/// Opens a shard's store, and logs what was found and what was lost; also how many bytes were lost.
pub(super) fn open_store(
    options: &StoreOptions,
    found: FoundShard,
) -> Result<(Store, u64), StartError> {
    let shard = options.log.shard;
    let FoundShard { folder, found, extent } = found;
    let (store, opened) =
        Store::open(options, found, extent).map_err(|error| StartError::Store(shard, error))?;
    let path = |file| segment_path(&folder, file);
    let report = &opened.report;
    for Fault { file, offset, kind, lost_bytes, records } in &report.faults {
        let path = path(*file);
        warn!(
            "{} at byte {offset}: {kind}; {lost_bytes} bytes lost, {records} records at least",
            path.display()
        );
    }
    if let Some(TornTail { file, offset, bytes, records }) = &report.torn {
        // Without records, these bytes are left over from an earlier use of the file.
        let level = if *records > 0 { Level::Warn } else { Level::Debug };
        log!(
            level,
            "{} at byte {offset}: the log ends; {bytes} bytes of a write that was not finished, \
             {records} records at least, are cut",
            path(*file).display()
        );
    }
    if opened.losses != Losses::default() {
        warn!("damage has cost {}", opened.losses);
    }
    info!("{opened}");
    let lost_bytes = report.faults.iter().map(|fault| fault.lost_bytes).sum();
    Ok((store, lost_bytes))
}

/// `--session-limit` on a file system of `total` bytes.
pub(super) fn session_limits(options: &Options, total: u64) -> Vec<SessionLimit> {
    let limit = |limit: &config::SessionLimit| SessionLimit {
        id: limit.id.clone(),
        is_prefix: limit.is_prefix,
        bytes_max: limit.bytes_max.map(|share| {
            let (least, most) = (SESSION_QUOTA_BYTES_MIN, SESSION_QUOTA_BYTES_MAX);
            share.bytes(total).clamp(least, most)
        }),
        overflow: limit.overflow.map(overflow),
    };
    options.session_limits.iter().map(limit).collect()
}

pub(super) fn overflow(policy: config::SessionOverflow) -> Overflow {
    match policy {
        config::SessionOverflow::DropOldest => Overflow::DropOldest,
        config::SessionOverflow::DropNewest => Overflow::DropNewest,
        config::SessionOverflow::Block => Overflow::Block,
    }
}

pub(super) fn disk_low(options: &Options) -> Option<Threshold> {
    options.disk_low.map(|low| match low {
        config::DiskShare::Bytes(bytes) => Threshold::Bytes(bytes),
        config::DiskShare::Percent(percent) => Threshold::Percent(percent),
    })
}

/// The session expiry in milliseconds; 0: never.
pub(super) fn expiry_ms(options: &Options) -> u64 {
    match options.session_expiry {
        config::SessionExpiry::Never => 0,
        config::SessionExpiry::AfterMs(ms) => ms,
    }
}
