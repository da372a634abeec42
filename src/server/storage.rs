//! The data directory at start: opened once, then each shard has its part.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use log::info;

use crate::broker::{Overflow, Threshold};
use crate::config::{self, Options};
use crate::disk::{Directory, FileMedium, Helper, ShardFiles, Vhosts};
use crate::limits::{
    SEGMENT_BYTES_FIRST, SESSION_QUOTA_BYTES_MAX, SHARDS_MAX, SPARE_FILES, ZEROS_AHEAD_BYTES,
};
use crate::ring::{Wake, Waker};
use crate::store::{CatalogLimits, Found, LogOptions, Store, StoreOptions};

use super::StartError;

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
    /// Opens the directory for as many shards as it was made for, or as are asked for.
    pub(super) fn open(options: &Options, default_shards: usize) -> Result<Self, StartError> {
        let number = |shards: usize| u16::try_from(shards.min(SHARDS_MAX)).expect("at most 64");
        let asked = options.shards.map(|shards| number(shards.get()));
        let shards = number(Self::shards_to_be(options, default_shards)?);
        // What is ready, and what is written to.
        let least = (SPARE_FILES as u64 + 1) * SEGMENT_BYTES_FIRST;
        let total =
            Directory::require_size(&options.data_dir, shards, least).map_err(StartError::Data)?;
        let directory = Directory::open(&options.data_dir, asked, number(default_shards))
            .map_err(StartError::Data)?;
        let helper = Helper::start()
            .map_err(|error| StartError::System("start the disk's thread", error))?;
        Ok(Self { directory, total, helper, files: Vec::new() })
    }

    /// The number of shards that [`Storage::open`] will find or choose. Nothing is touched.
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

    /// Bytes of messages that may wait for one session.
    pub(super) fn session_bytes_max(&self, options: &Options) -> u64 {
        let bytes = options.session_bytes_max(self.total);
        if bytes == SESSION_QUOTA_BYTES_MAX {
            info!("messages for one session: no limit but the disk (--session-max-bytes)");
        } else {
            let (mib, of) = (bytes >> 20, self.total >> 20);
            info!("messages for one session: {mib} MiB (--session-max-bytes), of {of} MiB of disk");
        }
        bytes
    }

    /// The numbers of vhosts.
    pub(super) fn vhosts(&self) -> Result<Vhosts, StartError> {
        self.directory.vhosts().map_err(StartError::Data)
    }

    /// The files that a shard finds.
    pub(super) fn take_found(&mut self, shard: u16) -> Result<Vec<Found>, StartError> {
        let mut files = self.directory.shard(shard).map_err(StartError::Data)?;
        let found = files.take_found();
        self.files.push(Some(files));
        Ok(found)
    }

    /// A shard's part of the disk, which wakes it when it has something to say.
    pub(super) fn medium(&mut self, shard: usize, waker: Waker) -> FileMedium {
        let files = self.files[shard].take().expect("asked for once");
        self.helper.medium(files, move || waker.wake())
    }

    /// Ends the helper, when all media are gone.
    pub(super) fn finish(self) {
        self.helper.finish();
    }
}

/// What a shard's store is opened with.
pub(super) fn store_options(
    options: &Options,
    shard: u16,
    shards: u16,
    seed: u64,
    epoch_ms: u64,
) -> StoreOptions {
    let share = |whole: u64| whole.div_ceil(shards.into());
    let sync = options.durability == config::Durability::Disk;
    StoreOptions {
        log: LogOptions {
            shard,
            segment_bytes: options.segment_bytes,
            first_segment_bytes: SEGMENT_BYTES_FIRST,
            sync,
            zeros_bytes: if sync { ZEROS_AHEAD_BYTES } else { 0 },
        },
        limits: CatalogLimits {
            retained_count_max: share(options.retained_max),
            retained_bytes_max: share(options.retained_bytes_max),
        },
        seed,
        time_ms: epoch_ms,
    }
}

/// Opens a shard's store and says what it found.
pub(super) fn open_store(options: &StoreOptions, found: Vec<Found>) -> Result<Store, StartError> {
    let shard = options.log.shard;
    let (store, opened) =
        Store::open(options, found).map_err(|error| StartError::Store(shard, error))?;
    info!("shard {shard}: {opened}");
    Ok(store)
}

pub(super) fn overflow(options: &Options) -> Overflow {
    match options.session_overflow {
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

/// Milliseconds; 0: never.
pub(super) fn expiry_ms(options: &Options) -> u64 {
    match options.session_expiry {
        config::SessionExpiry::Never => 0,
        config::SessionExpiry::AfterMs(ms) => ms,
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms() -> Result<u64, StartError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_err(|_| {
        let before = io::Error::other("it is before 1970");
        StartError::System("use the system's clock", before)
    })?;
    Ok(u64::try_from(since.as_millis()).expect("the year is below 584 million"))
}
