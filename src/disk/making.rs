//! The making of a data directory, which is not valid before it is complete.
//!
//! ```text
//!  missing or empty ──begin──► FORMAT.unfinished, shard-K/… ──finish──► FORMAT, shard-K/…
//!                                         │ abandon
//!                                         └──────────────► as it was
//! ```
//! An open fails meanwhile, and after the maker was killed: the directory is not finished.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::{begin_shards, is_directory, is_empty, make_directories, shard_path};
use super::error::DirectoryError;
use super::extent;
use super::files::ShardFiles;
use super::format::{FORMAT_FILE, UNFINISHED_FILE, format_text};
use super::lock::{Access, Guard};
use super::note::replace;
use super::sync::sync_directory;
use super::vhosts;
use crate::store::Extent;

/// See the module.
pub struct Making {
    path: PathBuf,
    shards: u16,
    /// Whether the path was an empty directory before.
    was_there: bool,
    guard: Arc<Guard>,
}

impl Making {
    /// Begins a directory for this number of shards under a path that does not exist or is an empty
    /// directory.
    ///
    /// # Errors
    /// If the directory is not empty, or a system call fails.
    pub fn begin(path: &Path, shards: u16) -> Result<Self, DirectoryError> {
        let was_there = is_directory(path)?;
        if was_there && !is_bare(path).map_err(DirectoryError::system("read", path))? {
            return Err(DirectoryError::NotEmpty(path.to_owned()));
        }
        make_directories(path)?;
        let guard = Arc::new(Guard::take(path, Access::Write)?);
        let path = path.to_owned();
        let making = Self { path, shards, was_there, guard };
        let begun = making.put(UNFINISHED_FILE, &format_text(shards));
        match begun.and_then(|()| begin_shards(&making.path, shards)) {
            Ok(()) => Ok(making),
            Err(error) => {
                making.abandon();
                Err(error)
            }
        }
    }

    /// The number of shards.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// The directory of a shard's files.
    pub fn folder(&self, shard: u16) -> PathBuf {
        shard_path(&self.path, shard)
    }

    /// The files of a shard.
    ///
    /// # Errors
    /// If a system call fails; names the path.
    pub fn shard(&self, shard: u16) -> Result<ShardFiles, DirectoryError> {
        ShardFiles::read(self.folder(shard), Access::Write, true, true, self.guard.clone())
    }

    /// The files of a shard, for reading only.
    ///
    /// # Errors
    /// As [`Making::shard`].
    pub fn written(&self, shard: u16) -> Result<ShardFiles, DirectoryError> {
        ShardFiles::read(self.folder(shard), Access::Read, true, true, self.guard.clone())
    }

    /// Writes the extent of a shard's log.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note(&self, shard: u16, extent: &Extent) -> Result<(), DirectoryError> {
        let folder = self.folder(shard);
        let noted = extent::write(&folder, extent);
        noted.map_err(DirectoryError::system("write", &folder.join(extent::FILE)))
    }

    /// Copies the numbers of vhosts, and the requests to delete sessions, from another directory.
    ///
    /// # Errors
    /// If they cannot be read or written.
    pub fn take_over_texts(&self, from: &Path) -> Result<(), DirectoryError> {
        for name in [vhosts::FILE, super::deletions::FILE] {
            let path = from.join(name);
            match fs::read_to_string(&path) {
                Ok(text) => self.put(name, &text)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(DirectoryError::system("read", &path)(error)),
            }
        }
        Ok(())
    }

    /// Completes the data directory durably. The directory and its files get the owner of `like`.
    ///
    /// # Errors
    /// If a system call fails; names the path. Then the directory is not finished.
    pub fn finish(self, like: &Path) -> Result<(), DirectoryError> {
        let owner = fs::metadata(like).map_err(DirectoryError::system("read", like))?;
        settle(&self.path, (owner.uid(), owner.gid()))?;
        let (from, to) = (self.path.join(UNFINISHED_FILE), self.path.join(FORMAT_FILE));
        let renamed = fs::rename(from, &to);
        renamed.map_err(DirectoryError::system("write", &to))?;
        let synced = File::open(&self.path).and_then(|directory| sync_directory(&directory));
        synced.map_err(DirectoryError::system("sync", &self.path))
    }

    /// Removes the unfinished directory.
    pub fn abandon(self) {
        let removed = match self.was_there {
            true => clear(&self.path),
            false => fs::remove_dir_all(&self.path),
        };
        if let Err(error) = removed {
            log::warn!("cannot remove {}, which is not finished: {error}", self.path.display());
        }
    }

    fn put(&self, name: &str, text: &str) -> Result<(), DirectoryError> {
        let written = replace(&self.path, name, text);
        written.map_err(DirectoryError::system("write", &self.path.join(name)))
    }
}

/// Whether a directory can be made here without a loss of data: it has no files, or only those of
/// an empty one.
fn is_bare(path: &Path) -> io::Result<bool> {
    Ok(is_empty(path)? && !path.join(UNFINISHED_FILE).try_exists()?)
}

/// Removes the content of a directory.
fn clear(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        match path.is_dir() {
            // This directory belongs to the file system.
            true if path.ends_with("lost+found") => {}
            true => fs::remove_dir_all(path)?,
            false => fs::remove_file(path)?,
        }
    }
    Ok(())
}

/// Makes the content of a directory durable, and changes its owner.
fn settle(path: &Path, owner: (u32, u32)) -> Result<(), DirectoryError> {
    let found = fs::metadata(path).map_err(DirectoryError::system("read", path))?;
    if (found.uid(), found.gid()) != owner {
        let given = chown(path, Some(owner.0), Some(owner.1));
        given.map_err(DirectoryError::system("change the owner of", path))?;
    }
    let file = File::open(path).map_err(DirectoryError::system("open", path))?;
    if !found.is_dir() {
        return file.sync_all().map_err(DirectoryError::system("sync", path));
    }
    for entry in fs::read_dir(path).map_err(DirectoryError::system("read", path))? {
        let entry = entry.map_err(DirectoryError::system("read", path))?;
        if entry.file_name() != "lost+found" {
            settle(&entry.path(), owner)?;
        }
    }
    sync_directory(&file).map_err(DirectoryError::system("sync", path))
}
