//! The files of a shard to which a broker writes meanwhile.
//!
//! No file is locked. While they are read, files may grow, be made, be used again for another
//! segment, or be removed. The reading is correct for these reasons:
//!
//! - `EXTENT` is read before the files are listed: the files reach at least as far as it says.
//! - Groups of records are committed one after the other. So each segment except the newest is
//!   complete. The newest one is copied page by page from its end: if the copy contains a group, it
//!   contains all groups before it, and only the last group can be torn, as after a crash.
//! - A file is used again only when its segment is not referenced. Its header is zeroed before any
//!   other write, and the reader checks the header afterwards to see whether the file still has
//!   that segment ([`super::ShardFiles::is_current`]).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::store::{FileId, HEADER_BYTES, Mapping};

/// The bytes that are copied at once.
const PAGE_BYTES: usize = 4096;

/// The bytes of a segment's header.
pub(super) const HEADER: usize = 64;

const _: () = assert!(HEADER as u64 == HEADER_BYTES);

/// The state of files that change meanwhile.
#[derive(Default)]
pub(super) struct Live {
    /// The header of each file. Files that no longer had a segment have no entry.
    pub(super) headers: Vec<(FileId, [u8; HEADER])>,
    pub(super) newest: Option<(FileId, Copied)>,
    /// Whether a file had been listed and then no longer had a segment or did not exist.
    pub(super) has_changed: bool,
}

/// A copy of a file.
#[derive(Clone)]
pub(super) struct Copied(Arc<[u8]>);

impl Mapping for Copied {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The header of a file; `None` if there is no such file, or it is too short for one.
pub(super) fn header_of(path: &Path) -> Option<[u8; HEADER]> {
    let mut header = [0; HEADER];
    File::open(path).and_then(|file| file.read_exact_at(&mut header, 0)).ok()?;
    Some(header)
}

/// Copies a file from its end to its beginning.
pub(super) fn copy(path: &Path) -> io::Result<Copied> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    for at in (0..length).step_by(PAGE_BYTES).rev() {
        let end = length.min(at + PAGE_BYTES);
        file.read_exact_at(&mut bytes[at..end], at as u64)?;
    }
    Ok(Copied(bytes.into()))
}
