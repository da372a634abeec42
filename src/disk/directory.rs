//! A data directory: its lock, its format and its number of shards.
//!
//! All checks come before any change to a file. A [`Directory`] holds the lock; the files of each
//! shard hold a clone of its [`Guard`]. So the lock is released only when no shard uses the
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

/// Files that an empty directory may contain besides the directories of shards that have never run.
/// An interrupted start leaves the first two, `mkfs` the third.
const NOTHING: &[&str] = &[LOCK_FILE, FORMAT_FILE_BEGUN, "lost+found"];

/// A directory in use by this process.
pub struct Directory {
    path: PathBuf,
    shards: u16,
    /// Whether the format that was found requires an `EXTENT` of each shard.
    has_extents: bool,
    access: Access,
    guard: Arc<Guard>,
}

impl Directory {
    /// Opens a directory for use. A missing or empty directory becomes a data directory. An
    /// existing one keeps its number of shards; a new one gets `shards`, or `default_shards`.
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
        // The first check precedes any change of a file. The second one holds the lock.
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
            // This is no failure: an older version that is started here refuses the segments
            // anyway.
            Err(error) if made.is_some() => warn!("{error}; it stays of an older format"),
            written => written?,
        }
        let path = path.to_owned();
        Ok(Self { path, shards, has_extents, access: Access::Write, guard })
    }

    /// The number of shards that a directory was made with; `None` if it is missing or empty. No
    /// file is changed or locked, so a later open may find another number.
    ///
    /// # Errors
    /// If it is no data directory.
    pub fn shards_at(path: &Path) -> Result<Option<u16>, DirectoryError> {
        Self::check(path, None)
    }

    /// As [`Directory::shards_at`], for a caller that wants `asked` shards.
    ///
    /// # Errors
    /// If it is no data directory, or was made with another number.
    pub fn check(path: &Path, asked: Option<u16>) -> Result<Option<u16>, DirectoryError> {
        let made = if is_directory(path)? { made_with(path, asked)? } else { None };
        Ok(made.map(|made| made.shards))
    }

    /// The size in bytes of the file system that holds the directory, or will hold it; 0 if the
    /// size is unknown. No file is changed.
    ///
    /// # Errors
    /// If the size is less than `shards` need, `least` bytes each: the broker might not be able to
    /// store any message.
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

    /// Opens a directory for reading only. No file in it is made or changed. A copy without a
    /// `LOCK` is read without a lock.
    ///
    /// # Errors
    /// If it is no data directory, or in use, also by another reader.
    pub fn open_read_only(path: &Path) -> Result<Self, DirectoryError> {
        let made = if is_directory(path)? { read_format(path)? } else { None };
        let made = made.ok_or_else(|| DirectoryError::no_data(path))?;
        let guard = Arc::new(Guard::take(path, Access::Read)?);
        let has_extents = made.version > FORMAT_WITHOUT_SUMS;
        let (path, shards) = (path.to_owned(), made.shards);
        Ok(Self { path, shards, has_extents, access: Access::Read, guard })
    }

    /// Opens a directory that is in use, for reading. No file in it is locked, made or changed.
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

    /// Opens a directory for reading only, also if it is in use: see [`Directory::is_live`].
    ///
    /// # Errors
    /// If it is no data directory.
    pub fn look_at(path: &Path) -> Result<Self, DirectoryError> {
        match Self::open_read_only(path) {
            Err(DirectoryError::InUse(_)) => Self::open_live(path),
            opened => opened,
        }
    }

    /// Whether another process may change the directory meanwhile.
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

    /// The numbers of the vhosts of a directory that may be in use: no file is locked.
    ///
    /// # Errors
    /// If it is no data directory, or the numbers cannot be read.
    pub fn vhosts_at(path: &Path) -> Result<Vhosts, DirectoryError> {
        match Self::shards_at(path)? {
            Some(_) => Vhosts::read(path),
            None => Err(DirectoryError::no_data(path)),
        }
    }

    /// Lists and maps the files of one shard. Must be called once for each shard.
    ///
    /// # Errors
    /// If a system call fails; names the path.
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

/// Whether the path is a directory; an error if it is something else.
pub(super) fn is_directory(path: &Path) -> Result<bool, DirectoryError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => Err(DirectoryError::NotADirectory(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DirectoryError::system("open", path)(error)),
    }
}

/// Makes a directory and its missing parents, durably, accessible for this user only.
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

/// The format of a directory; `None` if it is empty. An error if it cannot be, or become, a data
/// directory with `asked` shards.
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

/// Whether the path is the directory of a shard that has never run.
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

/// Reads the format and number of shards of a directory; `None` if there is no `FORMAT`.
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

/// Converts a directory to the current format. The files that this format requires of each shard
/// are made first: if the process is killed in between, no file seems to be missing.
fn become_current(directory: &Path, shards: u16) -> Result<(), DirectoryError> {
    begin_shards(directory, shards)?;
    write_current(directory, shards)
}

/// Writes the current format into `FORMAT`.
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
