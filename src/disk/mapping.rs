//! A file mapped for reading.
//!
//! Obligations: the bytes of a mapped file must stay in the file, and must not change while they
//! are read.
//!
//! - *They stay.* A mapping is never longer than its file was, and ringmq never truncates a file.
//!   The directory is locked against a second ringmq. If another program has truncated the file, or
//!   the disk cannot read a page, [`Mapping::guard`] replaces the page with zeros; see `sigbus` for
//!   reads outside of a guard.
//! - *They do not change.* The ring and the helper write files, never through the mapping. Written
//!   bytes are overwritten only in a file without needed records, and in a segment's header, which
//!   is read when the store is opened and never later. Readers read only written bytes: [`Mapping`]
//!   requires that. A page that was replaced with zeros is never reported as readable again.
//! - *They may change in a directory that another process uses.* The segment that grows is read
//!   from a copy there (see `live`). Any other segment changes only when its file is used again,
//!   and the file's header changes first. Its records then fail their checksums, and the reader
//!   checks the header afterwards ([`super::ShardFiles::is_current`]) and discards the data. Only
//!   short-lived inspection programs do this, never a broker.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use memmap2::{Mmap, MmapOptions, UncheckedAdvice};

use super::sigbus;
use crate::store::Mapping;

/// A whole file, mapped shared and read-only.
pub(super) struct FileMapping {
    /// `None` if the file is empty.
    mapped: Option<Mmap>,
    /// For log messages.
    path: PathBuf,
    /// The number of failed reads.
    failures: Cell<u32>,
}

impl FileMapping {
    /// Maps the first `bytes` of a file, which must have at least that many and be open for
    /// reading. `path` is for log messages.
    pub(super) fn new(file: &impl AsRawFd, bytes: u64, path: &Path) -> io::Result<Self> {
        sigbus::prepare();
        let (path, failures) = (path.to_owned(), Cell::new(0));
        if bytes == 0 {
            return Ok(Self { mapped: None, path, failures });
        }
        let len = usize::try_from(bytes).map_err(io::Error::other)?;
        let mut options = MmapOptions::new();
        options.len(len);
        // SAFETY: the file has `bytes` bytes, which neither go away nor change under a reader, as
        // the head of this file shows.
        let mapped = unsafe { options.map(file) }?;
        Ok(Self { mapped: Some(mapped), path, failures })
    }

    /// Counts and logs a failed read at an offset of the file.
    #[cold]
    fn on_unreadable(&self, offset: usize) {
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        // Not each failure is logged: a failed disk would log a line for each message.
        if failures.is_power_of_two() {
            let path = self.path.display();
            log::error!(
                "{path} cannot be read at byte {offset} ({failures} times so far): what stands \
                 there is lost; the kernel's log says what the disk has, if nobody cut the file off"
            );
        }
    }
}

/// Maps a whole file for reading; `path` is for log messages. The owner of the file must neither
/// truncate it while the mapping exists nor write to bytes that are being read: see the head of
/// this file.
///
/// # Errors
/// If the system cannot map the file.
pub fn map(file: &File, path: &Path) -> io::Result<Box<dyn Mapping>> {
    Ok(Box::new(FileMapping::new(file, file.metadata()?.len(), path)?))
}

impl Mapping for FileMapping {
    fn bytes(&self) -> &[u8] {
        self.mapped.as_deref().unwrap_or_default()
    }

    fn guard(&self, read: &mut dyn FnMut()) -> bool {
        let addresses = self.bytes().as_ptr_range();
        let start = addresses.start.addr();
        match sigbus::guard(start..addresses.end.addr(), read) {
            None => true,
            Some(address) => {
                self.on_unreadable(address - start);
                false
            }
        }
    }

    fn forget(&self) {
        if let Some(mapped) = &self.mapped {
            // SAFETY: the mapping is shared with its file, so the next read finds the same bytes.
            let forgotten = unsafe { mapped.unchecked_advise(UncheckedAdvice::DontNeed) };
            if let Err(error) = forgotten {
                log::debug!("MADV_DONTNEED: {error}");
            }
        }
    }
}
