//! The shards of a data directory, opened one after the other as a broker would open them, but
//! read-only. Of a directory that a broker uses, only the committed data is read.

use std::path::Path;

use ringmq::data::{DataError, Snapshot};
use ringmq::disk::{Directory, Vhosts};
use ringmq::store::{SessionKey, Store};

use crate::output::Stop;

/// A directory; locked as long as this lives, unless a broker uses it.
pub(crate) struct Shards {
    directory: Directory,
    /// `None`: the names cannot be read.
    vhosts: Option<Vhosts>,
}

impl Shards {
    pub(crate) fn open(path: &Path) -> Result<Self, Stop> {
        let directory = Directory::look_at(path).map_err(Stop::refused)?;
        if directory.is_live() {
            eprintln!(
                "ringmq-store: {} is in use: this is what its broker had committed a moment ago",
                path.display()
            );
            // Apparent damage may be a file that was reused; the reader finds that out.
            log::set_max_level(log::LevelFilter::Off);
        }
        let vhosts = directory.vhosts().ok();
        Ok(Self { directory, vhosts })
    }

    /// Whether a broker may change the directory meanwhile.
    pub(crate) fn is_live(&self) -> bool {
        self.directory.is_live()
    }

    /// The error of a directory that changes faster than it can be read.
    pub(crate) fn too_fast(&self) -> Stop {
        Stop::refused(DataError::TooFast(self.directory.path().to_owned()))
    }

    /// The name of a vhost; `None`: it was deleted, or the names cannot be read.
    pub(crate) fn vhost_name(&self, number: u16) -> Option<&str> {
        self.vhosts.as_ref()?.name_of(number)
    }

    /// The numbers of the shards.
    pub(crate) fn numbers(&self) -> std::ops::Range<u16> {
        0..self.directory.shards()
    }

    /// A snapshot of a shard. A session whose client was connected when the broker ended has no
    /// time of disconnection.
    pub(crate) fn snapshot(&self, shard: u16) -> Result<Snapshot, Stop> {
        Snapshot::of(&self.directory, shard, None).map_err(Stop::refused)
    }
}

/// Bytes of all files of a shard, including free ones.
pub(crate) fn file_bytes(snapshot: &Snapshot) -> u64 {
    let lengths = snapshot.lengths.iter().map(|(_, bytes)| bytes);
    lengths.sum::<u64>() + snapshot.files.free_files().1
}

/// All sessions of a store, by key.
pub(crate) fn keys(store: &Store) -> impl Iterator<Item = SessionKey> {
    store.catalog.sessions().keys_from(0)
}

/// The vhosts that have retained messages, and the stores of these.
pub(crate) fn retained(store: &Store) -> impl Iterator<Item = (u16, &ringmq::store::RetainStore)> {
    (0..).map_while(|vhost| Some((vhost, store.catalog.retained(vhost)?)))
}
