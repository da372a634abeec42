//! The files of a shard that a broker writes to meanwhile.
//!
//! Nothing is locked. Meanwhile files grow, are made, are used again for another segment, and are
//! removed. Reading is right all the same:
//!
//! - `EXTENT` is read first, then the files are listed: the log that is found goes as far as that
//!   says, or further.
//! - Groups of records are committed one after the other. So each segment but the newest is whole.
//!   Of the newest a copy is made, page by page from its end: where a group is in the copy, all
//!   before it is as well, and only the last can be torn. That is as after a crash.
//! - A file is used again only when its segment is not referenced. Then its header is zeroed before
//!   any other write: a reader checks the header afterwards to see whether it was still that
//!   segment ([`super::ShardFiles::is_current`]).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::store::{FileId, HEADER_BYTES, Mapping};

/// Bytes that are copied at once.
const PAGE_BYTES: usize = 4096;

/// Bytes of a segment's header.
pub(super) const HEADER: usize = 64;

const _: () = assert!(HEADER as u64 == HEADER_BYTES);

/// Facts about files that change.
#[derive(Default)]
pub(super) struct Live {
    /// By file; of a file that had no segment any more there is none.
    pub(super) headers: Vec<(FileId, [u8; HEADER])>,
    pub(super) newest: Option<(FileId, Copied)>,
    /// A file was there, and then was not.
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
