//! The segment files of one shard as they were found, and the operations on them by name.
//!
//! [`Folder`] is the shard's directory. Its methods wait for the disk, so only the helper's thread
//! calls them. Each method leaves a name either unchanged or completely changed; its error names
//! the file and the step that failed.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{info, warn};
use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::{Errno, retry_on_intr};

use super::error::DirectoryError;
use super::extent::{self, ExtentFound};
use super::live::Live;
use super::lock::{Access, Guard};
use super::mapping::FileMapping;
use super::sync::sync_directory;
use crate::advice;
use crate::limits::ZEROS_WRITE_BYTES;
use crate::store::{Extent, FileId, Found, HEADER_BYTES};

/// The bytes of a segment's header.
const HEADER: usize = 64;

const _: () = assert!(HEADER as u64 == HEADER_BYTES);

/// The segment files of one shard as they were found, mapped for reading.
pub struct ShardFiles {
    pub(super) path: PathBuf,
    /// The state of a directory that is in use.
    pub(super) live: Option<Live>,
    extent: ExtentFound,
    /// Whether the directory's format requires an `EXTENT`.
    is_extent_due: bool,
    /// Whether the shard's directory is missing although the format requires it.
    is_missing: bool,
    /// Ascending by number.
    pub(super) found: Vec<Found>,
    pub(super) free: Vec<FreeFile>,
    set_aside: usize,
    /// The highest number of any file, including the files set aside.
    pub(super) newest: Option<FileId>,
    /// `None` if the directory was opened for reading only.
    pub(super) folder: Option<Folder>,
}

/// A file without needed records: its header is zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FreeFile {
    pub(super) id: FileId,
    /// The length of the file.
    pub(super) bytes: u64,
    /// Whether the file was free at the start. Then the bytes after its header may contain records
    /// of an interrupted write, for exactly the position at which the log continues.
    pub(super) is_unknown: bool,
}

impl ShardFiles {
    pub(super) fn read(
        path: PathBuf,
        access: Access,
        has_extent: bool,
        is_there: bool,
        guard: Arc<Guard>,
    ) -> Result<Self, DirectoryError> {
        let folder = match access {
            Access::Write => Some(Folder::open(&path, guard)?),
            Access::Read | Access::Live => None,
        };
        // The extent is read before the files are listed: they reach at least as far.
        let extent = extent::read(&path);
        let extent = extent.map_err(DirectoryError::system("read", &path.join(extent::FILE)))?;
        let mut files = Self {
            path,
            live: (access == Access::Live).then(Live::default),
            extent,
            is_extent_due: has_extent,
            is_missing: has_extent && !is_there,
            found: Vec::new(),
            free: Vec::new(),
            set_aside: 0,
            newest: None,
            folder,
        };
        let names = match fs::read_dir(&files.path) {
            // The shard has never run, and this opening may not make its directory.
            Err(error) if error.kind() == ErrorKind::NotFound && access != Access::Write => {
                return Ok(files);
            }
            read => read.map_err(DirectoryError::system("read", &files.path))?,
        };
        let mut foreign = Vec::new();
        for name in names {
            let name = name.map_err(DirectoryError::system("read", &files.path))?.file_name();
            let parsed = name.to_str().and_then(Name::parse);
            let is_ours = match parsed {
                Some(parsed) => files.take_in(parsed, access)?,
                None => name.to_str().is_some_and(extent::is_name),
            };
            if !is_ours {
                foreign.push(name);
            }
        }
        if let Some(first) = foreign.first() {
            let (path, count) = (files.path.display(), foreign.len());
            warn!("{path}: ignoring what is not ringmq's: {count} names, one is {first:?}");
        }
        files.found.sort_unstable_by_key(|found| found.id);
        files.note_headers()?;
        files.is_extent_due &= !(files.found.is_empty() && files.free.is_empty());
        Ok(files)
    }

    /// Takes in the file with this name; returns whether it is a file of ringmq.
    fn take_in(&mut self, name: Name, access: Access) -> Result<bool, DirectoryError> {
        let id = match name {
            Name::Segment(id) | Name::SetAside(id) => id,
            Name::Begun(id) => {
                if access == Access::Write {
                    let path = begun_path(&self.path, id);
                    info!("{}: removing what a start before this one left", path.display());
                    fs::remove_file(&path).map_err(DirectoryError::system("remove", &path))?;
                }
                return Ok(true);
            }
        };
        self.newest = self.newest.max(Some(id));
        if let Name::SetAside(_) = name {
            self.set_aside += 1;
            return Ok(true);
        }
        let path = segment_path(&self.path, id);
        if self.live.is_some() && !path.exists() {
            // It was removed meanwhile.
            self.live.iter_mut().for_each(|live| live.has_changed = true);
            return Ok(true);
        }
        let kind = fs::metadata(&path).map_err(DirectoryError::system("read", &path))?;
        if !kind.is_file() {
            return Ok(false);
        }
        // Opened with the rights needed later: a missing permission must be found at the start.
        let file = File::options().read(true).write(access == Access::Write).open(&path);
        let file = file.map_err(DirectoryError::system("open", &path))?;
        let bytes = kind.len();
        if has_free_header(&file, &path).map_err(DirectoryError::system("read", &path))? {
            self.free.push(FreeFile { id, bytes, is_unknown: true });
        } else {
            if access == Access::Write {
                // A killed process may have written the file and not synced it. Later records
                // depend on the bytes read now, so these must survive a power failure.
                file.sync_data().map_err(DirectoryError::system("sync", &path))?;
            }
            let mapping = FileMapping::new(&file, bytes, &path);
            let mapping = mapping.map_err(DirectoryError::system("map", &path))?;
            self.found.push(Found { id, mapping: Box::new(mapping) });
        }
        Ok(true)
    }

    /// Returns the files found, ascending by number, for the store. Free files are not among them:
    /// they are used when the store asks for files. A second call returns none.
    pub fn take_found(&mut self) -> Vec<Found> {
        mem::take(&mut self.found)
    }

    /// The extent of the log, if it is known.
    pub fn extent(&self) -> Option<Extent> {
        match self.extent {
            ExtentFound::Known(extent) => Some(extent),
            ExtentFound::Absent | ExtentFound::Damaged => None,
        }
    }

    /// The path and fault of the file with the log's extent, or of the directory.
    pub fn fault(&self) -> Option<(PathBuf, &'static str)> {
        if self.is_missing {
            return Some((self.path.clone(), "it is missing, with all that it had if it was used"));
        }
        let what = match self.extent {
            ExtentFound::Damaged => "it is damaged: a missing end of the log would not be seen",
            ExtentFound::Absent if self.is_extent_due => {
                "it is missing, and so would be a missing end of the log"
            }
            ExtentFound::Absent | ExtentFound::Known(_) => return None,
        };
        Some((self.path.join(extent::FILE), what))
    }

    /// The number and the bytes of the free files.
    pub fn free_files(&self) -> (usize, u64) {
        (self.free.len(), self.free.iter().map(|free| free.bytes).sum())
    }

    /// The number of damaged files that were set aside.
    pub fn set_aside(&self) -> usize {
        self.set_aside
    }

    /// The directory of the files.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// The path of a file, for log messages and errors.
    pub fn path(&self, id: FileId) -> PathBuf {
        segment_path(&self.path, id)
    }

    /// The number of the next file that is made.
    pub fn next_id(&self) -> FileId {
        FileId(self.newest.map_or(0, |newest| newest.0.saturating_add(1)))
    }
}

/// Whether a file begins with a header of zeros. False if the file is too short for a header, or
/// the disk cannot read it: the store then finds it damaged.
fn has_free_header(file: &File, path: &Path) -> io::Result<bool> {
    let mut header = [1; HEADER];
    match file.read_exact_at(&mut header, 0) {
        Ok(()) => Ok(header == [0; HEADER]),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
            warn!("{}: cannot read the header: {error}", path.display());
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The kind of a file according to its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Name {
    Segment(FileId),
    /// A file that was not completed.
    Begun(FileId),
    SetAside(FileId),
}

impl Name {
    fn parse(name: &str) -> Option<Self> {
        let (digits, suffix) = name.split_at_checked(20)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let id = FileId(digits.parse().ok().filter(|_| is_number)?);
        match suffix.strip_prefix(".segment")? {
            "" => Some(Self::Segment(id)),
            ".new" => Some(Self::Begun(id)),
            rest => {
                let count = rest.strip_prefix(".damaged")?;
                let digits = if count.is_empty() { "0" } else { count.strip_prefix('.')? };
                let is_count = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                is_count.then_some(Self::SetAside(id))
            }
        }
    }
}

/// The path of a segment file in a shard's directory.
pub fn segment_path(folder: &Path, id: FileId) -> PathBuf {
    folder.join(format!("{:020}.segment", id.0))
}

fn begun_path(folder: &Path, id: FileId) -> PathBuf {
    folder.join(format!("{:020}.segment.new", id.0))
}

/// The name of a file that is set aside; the first one with this number has no count.
fn set_aside_path(folder: &Path, id: FileId, count: u32) -> PathBuf {
    let suffix = if count == 0 { String::new() } else { format!(".{count}") };
    folder.join(format!("{:020}.segment.damaged{suffix}", id.0))
}

/// A shard's directory, open for writing.
pub(super) struct Folder {
    path: PathBuf,
    directory: File,
    _guard: Arc<Guard>,
}

/// The space of a file system, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Space {
    /// The space that this user may still allocate.
    pub(super) free: u64,
    pub(super) total: u64,
}

impl Folder {
    fn open(path: &Path, guard: Arc<Guard>) -> Result<Self, DirectoryError> {
        let directory = File::open(path).map_err(DirectoryError::system("open", path))?;
        Ok(Self { path: path.to_owned(), directory, _guard: guard })
    }

    pub(super) fn segment_path(&self, id: FileId) -> PathBuf {
        segment_path(&self.path, id)
    }

    /// Makes a file of `bytes` allocated zeros. The zeros are not written if the file system can
    /// allocate without writing: the writes would take half of the disk's time and of a core while
    /// a backlog grows. A sync of an unwritten extent costs more instead; the log needs few such
    /// syncs.
    ///
    /// # Errors
    /// Names the file. A partly made file is removed, and its number must not be used again.
    pub(super) fn create(&self, id: FileId, bytes: u64) -> io::Result<File> {
        let (path, begun) = (self.segment_path(id), begun_path(&self.path, id));
        let Space { free, total } = self.space()?;
        // Checked first, so that a file that is too large does not fill the disk for a moment. A
        // file system that reports size 0 does not know its size.
        if bytes > free && total > 0 {
            return Err(explain(&Errno::NOSPC.into(), "allocate", bytes, &path));
        }
        if path.try_exists()? {
            return Err(explain(&Errno::EXIST.into(), "make", bytes, &path));
        }
        let made = self.make(&begun, &path, bytes);
        if made.is_err() {
            for left in [begun, path.clone()] {
                match fs::remove_file(&left) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        warn!("cannot remove {}: {error}", left.display());
                    }
                    _ => {}
                }
            }
        }
        made.map_err(|error| explain(&error, "make", bytes, &path))
    }

    fn make(&self, begun: &Path, path: &Path, bytes: u64) -> io::Result<File> {
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(begun)?;
        if !allocate(&file, bytes, FallocateFlags::empty())? {
            write_zeros(&file, bytes)?;
        }
        file.sync_all()?;
        fs::rename(begun, path)?;
        sync_directory(&self.directory)?;
        Ok(file)
    }

    /// Opens a free file for use.
    pub(super) fn reopen(&self, free: FreeFile) -> io::Result<File> {
        let FreeFile { id, bytes, is_unknown } = free;
        let path = self.segment_path(id);
        let open = || {
            let file = File::options().read(true).write(true).open(&path)?;
            let found = file.metadata()?.len();
            if found != bytes {
                return Err(io::Error::other(format!("it has {found} bytes by now")));
            }
            if is_unknown {
                make_zeros(&file, bytes)?;
                file.sync_all()?;
            } else {
                // A file that this process made is already allocated. A copied file may have holes.
                allocate(&file, bytes, FallocateFlags::empty())?;
            }
            Ok(file)
        };
        open().map_err(|error| explain(&error, "reuse", bytes, &path))
    }

    /// Overwrites the header of a file with zeros.
    pub(super) fn clear(&self, id: FileId) -> io::Result<FreeFile> {
        let file = File::options().write(true).open(self.segment_path(id))?;
        let bytes = file.metadata()?.len();
        file.write_all_at(&[0; HEADER], 0)?;
        file.sync_data()?;
        Ok(FreeFile { id, bytes, is_unknown: false })
    }

    /// Writes the extent of the log.
    pub(super) fn note(&self, extent: &Extent) -> io::Result<()> {
        extent::write(&self.path, extent)
    }

    pub(super) fn remove(&self, id: FileId) -> io::Result<()> {
        fs::remove_file(self.segment_path(id))
    }

    /// Makes the names in the directory durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_directory(&self.directory)
    }

    /// Renames a file so that it is not read again; returns the new path.
    pub(super) fn set_aside(&self, id: FileId) -> io::Result<PathBuf> {
        for count in 0..=u32::MAX {
            let path = set_aside_path(&self.path, id, count);
            if !path.try_exists()? {
                fs::rename(self.segment_path(id), &path)?;
                self.sync()?;
                return Ok(path);
            }
        }
        Err(Errno::EXIST.into())
    }

    pub(super) fn space(&self) -> io::Result<Space> {
        let found = retry_on_intr(|| fstatvfs(&self.directory))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }
}

/// Overwrites the first `bytes` of a file with zeros and allocates them.
fn make_zeros(file: &File, bytes: u64) -> io::Result<()> {
    if allocate(file, bytes, FallocateFlags::ZERO_RANGE)? {
        return Ok(());
    }
    allocate(file, bytes, FallocateFlags::empty())?;
    write_zeros(file, bytes)
}

/// Allocates the missing parts of the first `bytes`, in the mode that the flags say. Returns false
/// if the file system does not support the mode.
fn allocate(file: &File, bytes: u64, how: FallocateFlags) -> io::Result<bool> {
    match retry_on_intr(|| fallocate(file, how, 0, bytes)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        allocated => Ok(allocated.map(|()| true)?),
    }
}

fn write_zeros(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS_WRITE_BYTES];
    let mut at = 0;
    while at < bytes {
        let left = usize::try_from(bytes - at).unwrap_or(usize::MAX);
        let part = &zeros[..left.min(zeros.len())];
        file.write_all_at(part, at)?;
        at += part.len() as u64;
    }
    Ok(())
}

/// Adds the failed operation to an error, and keeps its kind.
fn explain(error: &io::Error, doing: &str, bytes: u64, path: &Path) -> io::Error {
    let advice = advice::of(error);
    let text = format!("cannot {doing} {} with {bytes} bytes: {error}{advice}", path.display());
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    // If a file system cannot make zeros (as one in memory cannot), zeros are written up to the
    // last byte, over all earlier content.
    #[test]
    fn zeros_are_written() {
        let bytes = 3 * ZEROS_WRITE_BYTES as u64 + 17;
        let file = memfd_create("zeros", MemfdFlags::CLOEXEC).expect("there is memory");
        let file = File::from(file);
        assert!(allocate(&file, 1, FallocateFlags::empty()).expect("there is memory"));
        assert!(!allocate(&file, 1, FallocateFlags::ZERO_RANGE).expect("it is no failure"));
        file.write_all_at(&[1; 100], bytes - 100).expect("there is memory");
        make_zeros(&file, bytes).expect("there is memory");
        let mut found = vec![1; usize::try_from(bytes).expect("it is small")];
        file.read_exact_at(&mut found, 0).expect("it is as long");
        assert!(found.iter().all(|byte| *byte == 0));
    }

    // The names that are written can be parsed; a similar name is foreign.
    #[test]
    fn names() {
        for number in [0, 7, u64::MAX] {
            let (folder, id) = (Path::new("/a"), FileId(number));
            for (path, name) in [
                (segment_path(folder, id), Name::Segment(id)),
                (begun_path(folder, id), Name::Begun(id)),
                (set_aside_path(folder, id, 0), Name::SetAside(id)),
                (set_aside_path(folder, id, 1), Name::SetAside(id)),
                (set_aside_path(folder, id, u32::MAX), Name::SetAside(id)),
            ] {
                let text = path.file_name().and_then(|name| name.to_str());
                assert_eq!(text.and_then(Name::parse), Some(name), "{text:?}");
            }
        }
        for text in [
            "",
            "7.segment",
            "0000000000000000007.segment",
            "000000000000000000007.segment",
            "+0000000000000000007.segment",
            "18446744073709551616.segment",
            "0000000000000000000a.segment",
            "00000000000000000007",
            "00000000000000000007.segments",
            "00000000000000000007.Segment",
            "00000000000000000007.segment.old",
            "00000000000000000007.segment.damaged.",
            "00000000000000000007.segment.damaged.x",
            "00000000000000000007.segment.damaged1",
            "000000000000000000٣.segment",
        ] {
            assert_eq!(Name::parse(text), None, "{text:?}");
        }
    }
}
