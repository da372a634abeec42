//! A data directory: its lock, its format and its number of shards.
//!
//! A directory is refused before any file is changed. A [`Directory`] holds the lock; its [`Guard`]
//! stays with the files of each shard, so the lock is released only when no shard uses the
//! directory any more.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::warn;
use rustix::fs::statvfs;
use rustix::io::retry_on_intr;

use super::error::DirectoryError;
use super::extent;
use super::files::ShardFiles;
use super::format::{
    FORMAT_FILE, FORMAT_FILE_BEGUN, FORMAT_VERSION, FORMAT_WITHOUT_SUMS, Format, Made, is_count,
    is_unfinished, number, write_format,
};
use super::lock::{Access, Guard, LOCK_FILE};
use super::sync::sync_directory;
use super::vhosts::Vhosts;
use crate::limits::FORMAT_TEXT_BYTES_MAX;

/// Files that an empty directory may contain beside the directories of shards that have never run:
/// an interrupted start leaves the first two, `mkfs` the third.
const NOTHING: &[&str] = &[LOCK_FILE, FORMAT_FILE_BEGUN, "lost+found"];

/// A directory in use by this process.
pub struct Directory {
    path: PathBuf,
    shards: u16,
    /// Each shard that was used has an `EXTENT`.
    has_extents: bool,
    access: Access,
    guard: Arc<Guard>,
}

impl Directory {
    /// Takes a directory into use; one that is missing or empty becomes a data directory. One that
    /// exists keeps its number of shards; a new one gets `shards`, or `default_shards`.
    ///
    /// # Errors
    /// If it cannot be used, or was made with another number than `shards`. Then no file in it was
    /// changed, unless a system call failed half way.
    ///
    /// # Panics
    /// If a number of shards is not from 1 to [`crate::limits::SHARDS_MAX`].
    pub fn open(
        path: &Path,
        shards: Option<u16>,
        default_shards: u16,
    ) -> Result<Self, DirectoryError> {
        let count = shards.unwrap_or(default_shards);
        assert!(is_count(count), "{count} shards");
        if !is_directory(path)? {
            make_directories(path)?;
        }
        // Once before any file is changed, and once when no other process can change it.
        made_with(path, shards)?;
        let guard = Arc::new(Guard::take(path, Access::Write)?);
        let made = made_with(path, shards)?;
        let shards = made.map_or(count, |made| made.shards);
        let has_extents = made.is_some_and(|made| made.version > FORMAT_WITHOUT_SUMS);
        let is_current = made.is_some_and(|made| made.version == FORMAT_VERSION);
        let written = match (is_current, has_extents) {
            (true, _) => Ok(()),
            (false, true) => write_current(path, shards),
            (false, false) => become_current(path, shards),
        };
        match written {
            // It can do without: an older version that is started here refuses the segments.
            Err(error) if made.is_some() => warn!("{error}; it stays of an older format"),
            written => written?,
        }
        let path = path.to_owned();
        Ok(Self { path, shards, has_extents, access: Access::Write, guard })
    }

    /// The number of shards that a directory was made with; `None` if it is missing or empty. No
    /// file is changed or locked: a later open may find another number.
    ///
    /// # Errors
    /// If it is no data directory.
    pub fn shards_at(path: &Path) -> Result<Option<u16>, DirectoryError> {
        Self::check(path, None)
    }

    /// The same, for a caller that wants `asked` shards.
    ///
    /// # Errors
    /// If it is no data directory, or was made with another number.
    pub fn check(path: &Path, asked: Option<u16>) -> Result<Option<u16>, DirectoryError> {
        let made = if is_directory(path)? { made_with(path, asked)? } else { None };
        Ok(made.map(|made| made.shards))
    }

    /// The size of the file system that a directory is on, or would be made on, bytes; 0 if that is
    /// not known. No file is changed.
    ///
    /// # Errors
    /// If it is less than `shards` need, `least` bytes each: then they might store no message at
    /// all.
    pub fn require_size(path: &Path, shards: u16, least: u64) -> Result<u64, DirectoryError> {
        let is_there = |path: &&Path| !path.as_os_str().is_empty() && path.exists();
        let there = path.ancestors().find(is_there).unwrap_or(Path::new("."));
        let found = retry_on_intr(|| statvfs(there)).map_err(io::Error::from);
        let found = found.map_err(DirectoryError::system("read the size of", there))?;
        let total = found.f_blocks.saturating_mul(found.f_frsize);
        if (1..u64::from(shards) * least).contains(&total) {
            return Err(DirectoryError::TooSmall { path: path.to_owned(), total, shards, least });
        }
        Ok(total)
    }

    /// Takes a directory into use for reading alone. No file in it is made or changed; a copy
    /// without a `LOCK` is read without one.
    ///
    /// # Errors
    /// If it is no data directory, or in use, be it by another reader.
    pub fn open_read_only(path: &Path) -> Result<Self, DirectoryError> {
        let made = if is_directory(path)? { read_format(path)? } else { None };
        let made = made.ok_or_else(|| DirectoryError::no_data(path))?;
        let guard = Arc::new(Guard::take(path, Access::Read)?);
        let has_extents = made.version > FORMAT_WITHOUT_SUMS;
        let (path, shards) = (path.to_owned(), made.shards);
        Ok(Self { path, shards, has_extents, access: Access::Read, guard })
    }

    /// Reads a directory that is in use: no file in it is locked, made or changed.
    ///
    /// # Errors
    /// If it is no data directory.
    pub fn open_live(path: &Path) -> Result<Self, DirectoryError> {
        let made = if is_directory(path)? { read_format(path)? } else { None };
        let made = made.ok_or_else(|| DirectoryError::no_data(path))?;
        let guard = Arc::new(Guard::none());
        let has_extents = made.version > FORMAT_WITHOUT_SUMS;
        let (path, shards) = (path.to_owned(), made.shards);
        Ok(Self { path, shards, has_extents, access: Access::Live, guard })
    }

    /// Takes a directory into use for reading alone, or has a look at it if it is in use: see
    /// [`Directory::is_live`].
    ///
    /// # Errors
    /// If it is no data directory.
    pub fn look_at(path: &Path) -> Result<Self, DirectoryError> {
        match Self::open_read_only(path) {
            Err(DirectoryError::InUse(_)) => Self::open_live(path),
            opened => opened,
        }
    }

    /// Whether another process may change it meanwhile.
    pub fn is_live(&self) -> bool {
        self.access == Access::Live
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of shards it was made with, 1 to [`crate::limits::SHARDS_MAX`].
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// The numbers of its vhosts.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn vhosts(&self) -> Result<Vhosts, DirectoryError> {
        Vhosts::read(&self.path)
    }

    /// The same of a directory that may be in use: no file is locked.
    ///
    /// # Errors
    /// If it is no data directory, or the numbers cannot be read.
    pub fn vhosts_at(path: &Path) -> Result<Vhosts, DirectoryError> {
        match Self::shards_at(path)? {
            Some(_) => Vhosts::read(path),
            None => Err(DirectoryError::no_data(path)),
        }
    }

    /// Lists and maps the files of one shard. To be called once for each.
    ///
    /// # Errors
    /// If the system refuses something; names the path.
    ///
    /// # Panics
    /// If there is no such shard.
    pub fn shard(&self, shard: u16) -> Result<ShardFiles, DirectoryError> {
        assert!(shard < self.shards, "shard {shard} of {}", self.shards);
        let path = shard_path(&self.path, shard);
        let is_there = is_directory(&path)?;
        if self.access == Access::Write && !is_there {
            make_directories(&path)?;
        }
        let (has_extent, guard) = (self.has_extents, self.guard.clone());
        ShardFiles::read(path, self.access, has_extent, is_there, guard)
    }
}

/// Whether there is a directory; an error if there is something else.
pub(super) fn is_directory(path: &Path) -> Result<bool, DirectoryError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => Err(DirectoryError::NotADirectory(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DirectoryError::system("open", path)(error)),
    }
}

/// Makes a directory and those above it that are missing, durably, for this user alone.
pub(super) fn make_directories(path: &Path) -> Result<(), DirectoryError> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    for path in missing.into_iter().rev() {
        let made = match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        };
        made.map_err(DirectoryError::system("create", path))?;
        let above = match path.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        let synced = File::open(above).and_then(|above| sync_directory(&above));
        synced.map_err(DirectoryError::system("sync", above))?;
    }
    Ok(())
}

/// The format of a directory, `None` if it is empty; an error if it cannot become or be one with
/// `asked` shards.
fn made_with(path: &Path, asked: Option<u16>) -> Result<Option<Made>, DirectoryError> {
    match (read_format(path)?, asked) {
        (Some(made), Some(asked)) if made.shards != asked => {
            Err(DirectoryError::Shards { path: path.to_owned(), made: made.shards })
        }
        (Some(made), _) => Ok(Some(made)),
        (None, _) if is_unfinished(path) => Err(DirectoryError::Unfinished(path.to_owned())),
        (None, _) if is_empty(path).map_err(DirectoryError::system("read", path))? => Ok(None),
        (None, _) => Err(DirectoryError::Foreign(path.to_owned())),
    }
}

pub(super) fn is_empty(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if !NOTHING.iter().any(|nothing| name == *nothing) && !is_begun_shard(&entry.path())? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether this is the directory of a shard that has never run.
fn is_begun_shard(path: &Path) -> io::Result<bool> {
    let name = path.file_name().and_then(|name| name.to_str());
    let is_shard = name.and_then(|name| name.strip_prefix("shard-")).and_then(number::<u16>);
    if is_shard.is_none() || !path.is_dir() {
        return Ok(false);
    }
    for entry in fs::read_dir(path)? {
        if !entry?.file_name().to_str().is_some_and(extent::is_name) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads what a directory was made with, `None` if there is no `FORMAT`.
fn read_format(directory: &Path) -> Result<Option<Made>, DirectoryError> {
    let path = directory.join(FORMAT_FILE);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(DirectoryError::system("read", &path))?,
    };
    let mut bytes = Vec::new();
    let read = file.take(FORMAT_TEXT_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(DirectoryError::system("read", &path))?;
    match Format::parse(&bytes) {
        Some(Format::Known(made)) => Ok(Some(made)),
        Some(Format::Newer(found)) => {
            let path = directory.to_owned();
            Err(DirectoryError::Newer { path, found, known: FORMAT_VERSION })
        }
        None => Err(DirectoryError::Malformed(path)),
    }
}

/// Converts it to the format that is written. The files that this format requires of each shard are
/// made first: if the process is killed in between, no file seems to be missing.
fn become_current(directory: &Path, shards: u16) -> Result<(), DirectoryError> {
    begin_shards(directory, shards)?;
    write_current(directory, shards)
}

/// Says that a directory is of the format that is written.
fn write_current(directory: &Path, shards: u16) -> Result<(), DirectoryError> {
    let written = write_format(directory, shards);
    written.map_err(DirectoryError::system("write", &directory.join(FORMAT_FILE)))
}

/// Makes the directory of each shard, with its `EXTENT`.
pub(super) fn begin_shards(directory: &Path, shards: u16) -> Result<(), DirectoryError> {
    for shard in 0..shards {
        let path = shard_path(directory, shard);
        if !is_directory(&path)? {
            make_directories(&path)?;
        }
        let begun = extent::begin(&path);
        begun.map_err(DirectoryError::system("write", &path.join(extent::FILE)))?;
    }
    Ok(())
}

pub(super) fn shard_path(directory: &Path, shard: u16) -> PathBuf {
    directory.join(format!("shard-{shard}"))
}
