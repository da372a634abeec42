//! The data directory at start: opened once, then each shard has its part.

use log::info;

use crate::broker::{Overflow, Threshold};
use crate::config::{self, Options};
use crate::disk::{Directory, FileMedium, Helper, ShardFiles, Vhosts};
use crate::limits::{SHARDS_MAX, ZEROS_AHEAD_BYTES};
use crate::ring::{Wake, Waker};
use crate::store::{CatalogLimits, ClockReading, Found, LogOptions, Store, StoreOptions};

use super::StartError;

/// The open directory; locked as long as this lives.
pub(super) struct Storage {
    directory: Directory,
    helper: Helper,
    /// By shard.
    files: Vec<Option<ShardFiles>>,
}

impl Storage {
    /// Opens the directory for as many shards as it was made for, or as are asked for.
    pub(super) fn open(options: &Options, default_shards: usize) -> Result<Self, StartError> {
        let number = |shards: usize| u16::try_from(shards.min(SHARDS_MAX)).expect("at most 64");
        let asked = options.shards.map(|shards| number(shards.get()));
        let directory = Directory::open(&options.data_dir, asked, number(default_shards))
            .map_err(StartError::Data)?;
        let helper = Helper::start()
            .map_err(|error| StartError::System("start the disk's thread", error))?;
        Ok(Self { directory, helper, files: Vec::new() })
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
    clocks: ClockReading,
) -> StoreOptions {
    let share = |whole: u64| whole.div_ceil(shards.into());
    let sync = options.durability == config::Durability::Disk;
    StoreOptions {
        log: LogOptions {
            shard,
            segment_bytes: options.segment_bytes,
            sync,
            zeros_bytes: if sync { ZEROS_AHEAD_BYTES } else { 0 },
        },
        limits: CatalogLimits {
            retained_count_max: share(options.retained_max),
            retained_bytes_max: share(options.retained_bytes_max),
        },
        seed,
        clocks: Some(clocks),
    }
}

/// Opens a shard's store and says what it found.
pub(super) fn open_store(options: &StoreOptions, found: Vec<Found>) -> Result<Store, StartError> {
    let shard = options.log.shard;
    let (store, opened) =
        Store::open(options, found).map_err(|error| StartError::Store(shard, error))?;
    info!("{opened}");
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
        config::DiskLow::Bytes(bytes) => Threshold::Bytes(bytes),
        config::DiskLow::Percent(percent) => Threshold::Percent(percent),
    })
}

/// Milliseconds; 0: never.
pub(super) fn expiry_ms(options: &Options) -> u64 {
    match options.session_expiry {
        config::SessionExpiry::Never => 0,
        config::SessionExpiry::AfterMs(ms) => ms,
    }
}
