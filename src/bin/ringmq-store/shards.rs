//! The shards of a data directory, opened one after the other as a broker would open them, but for
//! reading alone.

use std::path::{Path, PathBuf};

use ringmq::disk::{Directory, ShardFiles, Vhosts};
use ringmq::store::{
    CatalogLimits, Extent, FileId, Found, HEADER_BYTES, LogOptions, Opened, SessionKey, Store,
    StoreOptions,
};

use crate::output::Stop;

/// A directory, locked as long as this lives.
pub(crate) struct Shards {
    directory: Directory,
    /// `None`: they cannot be read.
    vhosts: Option<Vhosts>,
}

/// The files of one shard.
pub(crate) struct Files {
    pub(crate) shard: u16,
    pub(crate) files: ShardFiles,
    pub(crate) found: Vec<Found>,
    extent: Option<Extent>,
}

impl Shards {
    pub(crate) fn open(path: &Path) -> Result<Self, Stop> {
        let directory = Directory::open_read_only(path).map_err(Stop::refused)?;
        let vhosts = directory.vhosts().ok();
        Ok(Self { directory, vhosts })
    }

    /// The name of a vhost; `None`: it was deleted, or names cannot be read.
    pub(crate) fn vhost_name(&self, number: u16) -> Option<&str> {
        self.vhosts.as_ref()?.name_of(number)
    }

    /// Each shard's number.
    pub(crate) fn numbers(&self) -> std::ops::Range<u16> {
        0..self.directory.shards()
    }

    /// The files of a shard.
    pub(crate) fn files(&self, shard: u16) -> Result<Files, Stop> {
        let mut files = self.directory.shard(shard).map_err(Stop::refused)?;
        let (found, extent) = (files.take_found(), files.extent());
        Ok(Files { shard, files, found, extent })
    }

    /// The store of a shard.
    pub(crate) fn store(&self, shard: u16) -> Result<Store, Stop> {
        let (store, _) = open(&mut self.files(shard)?)?;
        Ok(store)
    }
}

impl Files {
    /// Where a file is.
    pub(crate) fn path(&self, file: FileId) -> PathBuf {
        self.files.path(file)
    }

    /// Bytes of all of them, the free ones included.
    pub(crate) fn bytes(&self) -> u64 {
        let found = self.found.iter().map(|found| found.mapping.bytes().len() as u64);
        found.sum::<u64>() + self.files.free_files().1
    }
}

/// Opens a shard's store with what was found. A session whose client was there when the broker
/// ended has no time at which it left.
pub(crate) fn open(files: &mut Files) -> Result<(Store, Opened), Stop> {
    let options = StoreOptions {
        // Nothing is ever appended: any length will do.
        log: LogOptions {
            shard: files.shard,
            segment_bytes: HEADER_BYTES + 1,
            first_segment_bytes: HEADER_BYTES + 1,
            sync: false,
            zeros_bytes: 0,
        },
        limits: CatalogLimits { retained_count_max: u64::MAX, retained_bytes_max: u64::MAX },
        seed: 0,
        clocks: None,
    };
    let found = std::mem::take(&mut files.found);
    Store::open(&options, found, files.extent).map_err(|error| {
        let path = files.path(FileId(0));
        let folder = path.parent().unwrap_or(&path).display();
        Stop::Refused(format!("{folder}: {error}"))
    })
}

/// All sessions of a store, by key.
pub(crate) fn keys(store: &Store) -> impl Iterator<Item = SessionKey> {
    store.catalog.sessions().keys_from(0)
}

/// The vhosts that have retained messages, and those messages' store.
pub(crate) fn retained(store: &Store) -> impl Iterator<Item = (u16, &ringmq::store::RetainStore)> {
    (0..).map_while(|vhost| Some((vhost, store.catalog.retained(vhost)?)))
}
