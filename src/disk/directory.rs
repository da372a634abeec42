//! A data directory: who may use it, and what it was made with.
//!
//! What is refused is refused before anything is touched. Whoever has a [`Directory`] holds its
//! lock; the [`Guard`] goes on with the files of each shard, so that the lock is free again only
//! when nobody works in the directory any more.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{debug, warn};
use rustix::fs::{FlockOperation, fcntl_lock, flock, statvfs};
use rustix::io::{Errno, retry_on_intr};

use super::extent;
use super::files::ShardFiles;
use super::note::{replace, with_sum, without_sum};
use super::vhosts::Vhosts;
use crate::limits::{FORMAT_TEXT_BYTES_MAX, SEGMENT_BYTES_FIRST, SHARDS_MAX};

/// The format that is written, and the newest that is read.
const FORMAT_VERSION: u32 = 2;

/// The format before segments had an `EXTENT` beside them, and texts their sums.
const FORMAT_WITHOUT_SUMS: u32 = 1;

const FORMAT_FILE: &str = "FORMAT";
const FORMAT_FILE_BEGUN: &str = "FORMAT.new";
pub(super) const LOCK_FILE: &str = "LOCK";

/// What an empty directory may contain beside the directories of shards that have never run: a
/// start that was cut off leaves the first two, `mkfs` the third.
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

/// What may be done in a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Write,
    Read,
}

/// Why a directory cannot be used.
#[derive(Debug)]
pub enum DirectoryError {
    /// There is something else under this path.
    NotADirectory(PathBuf),
    /// There are files in it, but no `FORMAT`.
    Foreign(PathBuf),
    /// It is to be read and has no `FORMAT`.
    NoData(PathBuf),
    /// It is to be read and there is nothing under this path.
    Missing(PathBuf),
    /// A later version made it.
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this version reads.
        known: u32,
    },
    /// This `FORMAT` does not say what it must.
    Malformed(PathBuf),
    /// This `VHOSTS` does not say what it must.
    MalformedVhosts(PathBuf),
    /// This `DELETIONS` does not say what it must.
    MalformedDeletions(PathBuf),
    /// It was made with another number of shards than asked for.
    Shards {
        /// The directory.
        path: PathBuf,
        /// The number it was made with.
        made: u16,
    },
    /// Its file system has no room for what its shards need, whatever else is there.
    TooSmall {
        /// The directory.
        path: PathBuf,
        /// Bytes of the file system.
        total: u64,
        /// Its shards, and what each needs.
        shards: u16,
        /// Bytes that each needs.
        least: u64,
    },
    /// Another process holds its lock.
    InUse(PathBuf),
    /// The system refused something.
    System {
        /// What could not be done, followed by the path.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADirectory(path) => {
                write!(f, "{} is not a directory; choose another with --data-dir", path.display())
            }
            Self::Foreign(path) => write!(
                f,
                "{} is not a ringmq data directory: it has files, and none is {FORMAT_FILE}; \
                 choose another with --data-dir, for a new broker an empty or new one",
                path.display()
            ),
            Self::NoData(path) => write!(
                f,
                "{} is not a ringmq data directory: it has no {FORMAT_FILE}",
                path.display()
            ),
            Self::Missing(path) => {
                write!(f, "there is no directory {}; is the path right?", path.display())
            }
            Self::Newer { path, found, known } => write!(
                f,
                "{} has format {found}, and this ringmq knows formats up to {known}; start the \
                 newer ringmq that made it or choose another with --data-dir",
                path.display()
            ),
            Self::Malformed(path) => write!(
                f,
                "{} is damaged: it must say \"ringmq data, format {FORMAT_WITHOUT_SUMS}\" and \
                 \"shards N\" on two lines, and of a later format has a third with their sum; N is \
                 the number of shard-* directories beside it; write the two lines anew",
                path.display()
            ),
            Self::MalformedVhosts(path) => write!(
                f,
                "{} is damaged: it must say \"next N\" and then, for each vhost but /, its number \
                 below N and its name; bring it back from a backup, or remove it to lose what \
                 vhosts but / have stored",
                path.display()
            ),
            Self::MalformedDeletions(path) => write!(
                f,
                "{} is damaged: it must say a vhost and a client id on each line; remove it, and \
                 ask again with `ringmq session delete`",
                path.display()
            ),
            Self::Shards { path, made } => write!(
                f,
                "{} was made with --shards {made}; start with --shards {made} or another \
                 --data-dir",
                path.display()
            ),
            Self::TooSmall { path, total, shards, least } => write!(
                f,
                "{} is on a file system of {} KiB, and {shards} shard{} need {} KiB at least, more \
                 than that to store much: each has some files of {} KiB, the least that \
                 --segment-bytes takes; choose a larger one with --data-dir, or fewer --shards",
                path.display(),
                total >> 10,
                if *shards == 1 { "" } else { "s" },
                (u64::from(*shards) * least) >> 10,
                SEGMENT_BYTES_FIRST >> 10
            ),
            Self::InUse(path) => write!(
                f,
                "{} is in use by another ringmq; stop that one or choose another with --data-dir",
                path.display()
            ),
            Self::System { doing, path, error } => {
                write!(f, "cannot {doing} {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for DirectoryError {}

impl DirectoryError {
    /// What is wrong with a path that no data is found under.
    pub fn no_data(path: &Path) -> Self {
        if path.exists() { Self::NoData(path.to_owned()) } else { Self::Missing(path.to_owned()) }
    }

    /// Whether the system refused something to this user that it might grant to another.
    pub fn is_permission(&self) -> bool {
        let Self::System { error, .. } = self else { return false };
        error.kind() == ErrorKind::PermissionDenied
    }

    /// Makes an error of what the system says: what could not be done with `path`.
    pub(super) fn system(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::System { doing, path, error }
    }
}

impl Directory {
    /// Takes a directory into use; one that is missing or empty becomes a data directory. One that
    /// exists keeps its number of shards; a new one gets `shards`, or `default_shards`.
    ///
    /// # Errors
    /// If it cannot be used, or was made with another number than `shards`. Then nothing in it was
    /// touched, unless the system refused something half way.
    ///
    /// # Panics
    /// If a number of shards is not from 1 to [`SHARDS_MAX`].
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
        // Once before anything is touched, and once when nobody else can change it.
        made_with(path, shards)?;
        let guard = Arc::new(Guard::take(path, Access::Write)?);
        let made = made_with(path, shards)?;
        let shards = made.map_or(count, |made| made.shards);
        let has_extents = made.is_some_and(|made| made.version > FORMAT_WITHOUT_SUMS);
        let written = if has_extents { Ok(()) } else { become_current(path, shards) };
        match written {
            // It can do without: an older version that is started here refuses the segments.
            Err(error) if made.is_some() => warn!("{error}; it stays of an older format"),
            written => written?,
        }
        let path = path.to_owned();
        Ok(Self { path, shards, has_extents, access: Access::Write, guard })
    }

    /// The number of shards that a directory was made with; `None` if it is missing or empty.
    /// Nothing is touched, and nothing locked: who opens it then may find another.
    ///
    /// # Errors
    /// If it is no data directory.
    pub fn shards_at(path: &Path) -> Result<Option<u16>, DirectoryError> {
        Self::check(path, None)
    }

    /// The same, for who wants `asked` shards.
    ///
    /// # Errors
    /// If it is no data directory, or was made with another number.
    pub fn check(path: &Path, asked: Option<u16>) -> Result<Option<u16>, DirectoryError> {
        let made = if is_directory(path)? { made_with(path, asked)? } else { None };
        Ok(made.map(|made| made.shards))
    }

    /// The size of the file system that a directory is on, or would be made on, bytes; 0 if that is
    /// not known. Nothing is touched.
    ///
    /// # Errors
    /// If it is less than `shards` need, `least` bytes each: then they might store nothing at all.
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

    /// Takes a directory into use for reading alone. Nothing in it is made or changed; a copy
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

    /// The number of shards it was made with, 1 to [`SHARDS_MAX`].
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

const NAMING: FlockOperation = FlockOperation::NonBlockingLockExclusive;

/// The lock of a directory, held.
pub(super) struct Guard {
    _locked: Option<File>,
}

impl Guard {
    fn take(directory: &Path, access: Access) -> Result<Self, DirectoryError> {
        let path = directory.join(LOCK_FILE);
        let write = access == Access::Write;
        let mut options = File::options();
        let file = match options.read(true).write(write).create(write).mode(0o600).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !write => {
                return Ok(Self { _locked: None });
            }
            opened => opened.map_err(DirectoryError::system("open", &path))?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // A lock of the other kind names its process to who asks. Nothing else hangs on it,
                // and file systems of networks may not grant both.
                if write && let Err(error) = fcntl_lock(&file, NAMING) {
                    debug!("{}: no lock that names this process: {error}", path.display());
                }
                Ok(Self { _locked: Some(file) })
            }
            Err(Errno::WOULDBLOCK) => Err(DirectoryError::InUse(directory.to_owned())),
            Err(error) => Err(DirectoryError::system("lock", &path)(error.into())),
        }
    }
}

/// Whether there is a directory; an error if there is something else.
fn is_directory(path: &Path) -> Result<bool, DirectoryError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => Err(DirectoryError::NotADirectory(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DirectoryError::system("open", path)(error)),
    }
}

/// Makes a directory and those above it that are missing, durably, for this user alone.
fn make_directories(path: &Path) -> Result<(), DirectoryError> {
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

/// Makes the names in a directory durable.
pub(super) fn sync_directory(directory: &File) -> io::Result<()> {
    match directory.sync_all() {
        // A file system that cannot sync a directory says so; it has no better way.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// What a directory was made with, `None` if it is empty; an error if it cannot become or be one
/// with `asked` shards.
fn made_with(path: &Path, asked: Option<u16>) -> Result<Option<Made>, DirectoryError> {
    match (read_format(path)?, asked) {
        (Some(made), Some(asked)) if made.shards != asked => {
            Err(DirectoryError::Shards { path: path.to_owned(), made: made.shards })
        }
        (Some(made), _) => Ok(Some(made)),
        (None, _) if is_empty(path).map_err(DirectoryError::system("read", path))? => Ok(None),
        (None, _) => Err(DirectoryError::Foreign(path.to_owned())),
    }
}

fn is_empty(path: &Path) -> io::Result<bool> {
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

/// Makes it a directory of the format that is written. What that format promises of each shard is
/// there first: a process that is killed in between leaves nothing that looks lost.
fn become_current(directory: &Path, shards: u16) -> Result<(), DirectoryError> {
    for shard in 0..shards {
        let path = shard_path(directory, shard);
        if !is_directory(&path)? {
            make_directories(&path)?;
        }
        let begun = extent::begin(&path);
        begun.map_err(DirectoryError::system("write", &path.join(extent::FILE)))?;
    }
    let written = write_format(directory, shards);
    written.map_err(DirectoryError::system("write", &directory.join(FORMAT_FILE)))
}

fn shard_path(directory: &Path, shard: u16) -> PathBuf {
    directory.join(format!("shard-{shard}"))
}

fn write_format(directory: &Path, shards: u16) -> io::Result<()> {
    let text = format!("ringmq data, format {FORMAT_VERSION}\nshards {shards}\n");
    replace(directory, FORMAT_FILE, &with_sum(&text))
}

/// What a directory was made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Made {
    version: u32,
    shards: u16,
}

/// What a `FORMAT` says.
#[derive(PartialEq, Eq, Debug)]
enum Format {
    Known(Made),
    Newer(u32),
}

impl Format {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let version_of = |line: &str| number(line.strip_prefix("ringmq data, format ")?);
        let version: u32 = version_of(text.lines().next()?)?;
        let lines = match version {
            0 => return None,
            FORMAT_WITHOUT_SUMS => text,
            FORMAT_VERSION => without_sum(text)?,
            _ => return Some(Self::Newer(version)),
        };
        let mut lines = lines.lines().skip(1);
        let shards = number(lines.next()?.strip_prefix("shards ")?).filter(|n| is_count(*n))?;
        lines.next().is_none().then_some(Self::Known(Made { version, shards }))
    }
}

fn is_count(shards: u16) -> bool {
    (1..=SHARDS_MAX).contains(&usize::from(shards))
}

/// Digits alone as a number: a sign is not a digit.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two lines and nothing else, and their sum from format 2 on; of a newer format only the first
    // line is looked at.
    #[test]
    fn format_text() {
        let known = |version, shards| Some(Format::Known(Made { version, shards }));
        for (text, format) in [
            ("ringmq data, format 1\nshards 1\n", known(1, 1)),
            ("ringmq data, format 1\nshards 64", known(1, 64)),
            ("ringmq data, format 1\r\nshards 2\r\n", known(1, 2)),
            ("ringmq data, format 2\nshards 1\n", None),
            ("ringmq data, format 2\nshards 1\nsum 00000000\n", None),
            (&with_sum("ringmq data, format 2\nshards 1\n"), known(2, 1)),
            ("ringmq data, format 3\nshards 1\n", Some(Format::Newer(3))),
            ("ringmq data, format 4294967295", Some(Format::Newer(u32::MAX))),
            ("ringmq data, format 4294967296\nshards 1\n", None),
            ("ringmq data, format 0\nshards 1\n", None),
            ("ringmq data, format +1\nshards 1\n", None),
            ("ringmq data, format \nshards 1\n", None),
            ("ringmq data, format 1\n", None),
            ("ringmq data, format 1\nshards 0\n", None),
            ("ringmq data, format 1\nshards 65\n", None),
            ("ringmq data, format 1\nshards 65536\n", None),
            ("ringmq data, format 1\nshards +2\n", None),
            ("ringmq data, format 1\nshards two\n", None),
            ("ringmq data, format 1\nshards 2\n\n", None),
            ("ringmq data, format 1\nshards 2\nmore\n", None),
            ("something else\n", None),
            ("", None),
        ] {
            assert_eq!(Format::parse(text.as_bytes()), format, "{text:?}");
        }
        assert_eq!(Format::parse(b"ringmq data, format 1\nshards 2\n\xff"), None);
    }
}
