//! A file mapped for reading: the only `unsafe` of the data directory.
//!
//! Obligations: the bytes of a mapped file must stay there, and who reads must not see them change.
//!
//! - *They stay.* A mapping is never longer than its file was, and nobody here makes a file
//!   shorter; the directory is locked against a second ringmq. A stranger who cuts a file off, or a
//!   disk that cannot read a page, ends the process with SIGBUS: that is not guarded against.
//! - *They do not change.* Files are written by the ring and by the helper, never through the
//!   mapping. What was written is written again only in a file in which nothing is needed any more,
//!   and in a segment's header, which is read when the store is opened and never later. Readers
//!   keep to what has been written: that is [`Mapping`]'s own rule.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use memmap2::{Mmap, MmapOptions, UncheckedAdvice};

use crate::store::Mapping;

/// All of a file, shared and read-only. Of an empty file, which cannot be mapped, nothing.
pub(super) struct FileMapping(Option<Mmap>);

impl FileMapping {
    /// Maps the first `bytes` of a file, which must have so many and be open for reading.
    pub(super) fn new(file: &impl AsRawFd, bytes: u64) -> io::Result<Self> {
        if bytes == 0 {
            return Ok(Self(None));
        }
        let len = usize::try_from(bytes).map_err(io::Error::other)?;
        let mut options = MmapOptions::new();
        options.len(len);
        // SAFETY: the file has `bytes` bytes, which neither go away nor change under a reader, as
        // the head of this file shows.
        let mapped = unsafe { options.map(file) }?;
        Ok(Self(Some(mapped)))
    }
}

/// Maps all of a file for reading. Who has the file must not cut it off as long as the mapping is
/// there, nor write where somebody reads: see the head of this file.
///
/// # Errors
/// If the system has no memory map for us.
pub fn map(file: &File) -> io::Result<Box<dyn Mapping>> {
    Ok(Box::new(FileMapping::new(file, file.metadata()?.len())?))
}

impl Mapping for FileMapping {
    fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    fn forget(&self) {
        if let Some(mapped) = &self.0 {
            // SAFETY: the mapping is shared with its file, so the next look finds the same bytes.
            let forgotten = unsafe { mapped.unchecked_advise(UncheckedAdvice::DontNeed) };
            if let Err(error) = forgotten {
                log::debug!("MADV_DONTNEED: {error}");
            }
        }
    }
}
