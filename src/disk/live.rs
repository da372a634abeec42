//! The files of a shard that a broker writes to meanwhile.
//!
//! Nothing is locked. Files grow, are made, are used again for another segment, and go. What is
//! read is right all the same:
//!
//! - `EXTENT` is read first, then the files are listed: the log that is found goes as far as that
//!   says, or further.
//! - Groups of records are committed one after the other. So each segment but the newest is whole.
//!   Of the newest a copy is made, page by page from its end: where a group is in the copy, all
//!   before it is as well, and only the last can be torn. That is as after a crash.
//! - A file is used again only when nothing refers to its segment. Then its header is made zeros
//!   before anything else is written: whoever has read in it sees by the header whether it was
//!   still that segment ([`ShardFiles::is_current`]).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::directory::DirectoryError;
use super::files::{ShardFiles, segment_path};
use super::mapping::FileMapping;
use crate::store::{FileId, Found, HEADER_BYTES, Mapping, SegmentIdentity};

/// Bytes that are copied at once.
const PAGE_BYTES: usize = 4096;

/// Bytes of a segment's header.
const HEADER: usize = 64;

const _: () = assert!(HEADER as u64 == HEADER_BYTES);

/// What there is to know of files that change.
#[derive(Default)]
pub(super) struct Live {
    /// By file; of a file that had no segment any more there is none.
    headers: Vec<(FileId, [u8; HEADER])>,
    newest: Option<(FileId, Copied)>,
    /// A file was there, and then was not.
    pub(super) has_changed: bool,
}

/// A copy of a file.
#[derive(Clone)]
struct Copied(Arc<[u8]>);

impl Mapping for Copied {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl ShardFiles {
    /// Of files that change: notes which segments they have, and copies the newest.
    pub(super) fn note_headers(&mut self) -> Result<(), DirectoryError> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let mut newest: Option<(SegmentIdentity, FileId)> = None;
        self.found.retain(|found| {
            let header = header_of(&segment_path(&self.path, found.id));
            // A damaged one stays, for whoever opens the log to tell of.
            let Some(header) = header.filter(|header| *header != [0; HEADER]) else {
                live.has_changed = true;
                return false;
            };
            live.headers.push((found.id, header));
            let identity = SegmentIdentity::of(&header);
            newest = newest.max(identity.map(|identity| (identity, found.id)));
            true
        });
        let Some((_, newest)) = newest else { return Ok(()) };
        let path = segment_path(&self.path, newest);
        let copied = copy(&path).map_err(DirectoryError::system("read", &path))?;
        // A header may have been written over meanwhile, to name another checkpoint: what is in the
        // copy counts.
        let known = live.headers.iter_mut().find(|(id, _)| *id == newest);
        match (known, copied.bytes().first_chunk()) {
            (Some((_, known)), Some(header)) => {
                live.has_changed |= SegmentIdentity::of(known) != SegmentIdentity::of(header);
                *known = *header;
            }
            _ => live.has_changed = true,
        }
        let found = self.found.iter_mut().find(|found| found.id == newest);
        found.expect("it is one of them").mapping = Box::new(copied.clone());
        live.newest = Some((newest, copied));
        Ok(())
    }

    /// Whether somebody else may change them meanwhile.
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Whether a file still has the segment that was found in it. It does unless the directory is
    /// in use.
    pub fn is_current(&self, id: FileId) -> bool {
        let Some(live) = &self.live else { return true };
        let was = live.headers.iter().find(|(known, _)| *known == id);
        let is = header_of(&segment_path(&self.path, id));
        // The header of a segment may name another checkpoint by now.
        was.zip(is).is_some_and(|((_, was), is)| {
            SegmentIdentity::of(was) == SegmentIdentity::of(&is) && is != [0; HEADER]
        })
    }

    /// Whether any file has another segment by now, or is gone.
    pub fn has_changed(&self) -> bool {
        let Some(live) = &self.live else { return false };
        live.has_changed || live.headers.iter().any(|(id, _)| !self.is_current(*id))
    }

    /// The header of a file as it was found.
    pub fn header(&self, id: FileId) -> Option<[u8; HEADER]> {
        match &self.live {
            Some(live) => live.headers.iter().find(|(known, _)| *known == id).map(|(_, it)| *it),
            None => header_of(&segment_path(&self.path, id)),
        }
    }

    /// The copy of the newest segment's file, if it is this one.
    pub fn copied(&self, id: FileId) -> Option<&[u8]> {
        let newest = self.live.as_ref().and_then(|live| live.newest.as_ref());
        newest.filter(|(newest, _)| *newest == id).map(|(_, copied)| copied.bytes())
    }

    /// The files found and their lengths, before they are taken.
    pub fn lengths(&self) -> Vec<(FileId, u64)> {
        self.found.iter().map(|found| (found.id, found.mapping.bytes().len() as u64)).collect()
    }

    /// Maps files once more, as [`ShardFiles::lengths`] has told them. What is gone by now is left
    /// out.
    ///
    /// # Errors
    /// If the system refuses something; names the path.
    pub fn map_again(&self, lengths: &[(FileId, u64)]) -> Result<Vec<Found>, DirectoryError> {
        let newest = self.live.as_ref().and_then(|live| live.newest.as_ref());
        let mut again = Vec::new();
        for (id, bytes) in lengths.iter().copied() {
            if let Some((_, copied)) = newest.filter(|(newest, _)| *newest == id) {
                again.push(Found { id, mapping: Box::new(copied.clone()) });
                continue;
            }
            let path = segment_path(&self.path, id);
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(DirectoryError::system("open", &path))?,
            };
            let mapping = FileMapping::new(&file, bytes, &path);
            let mapping = mapping.map_err(DirectoryError::system("map", &path))?;
            again.push(Found { id, mapping: Box::new(mapping) });
        }
        Ok(again)
    }
}

/// The header of a file; `None` if there is no such file, or it is too short for one.
fn header_of(path: &Path) -> Option<[u8; HEADER]> {
    let mut header = [0; HEADER];
    File::open(path).and_then(|file| file.read_exact_at(&mut header, 0)).ok()?;
    Some(header)
}

/// Copies a file from its end to its beginning.
fn copy(path: &Path) -> io::Result<Copied> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    for at in (0..length).step_by(PAGE_BYTES).rev() {
        let end = length.min(at + PAGE_BYTES);
        file.read_exact_at(&mut bytes[at..end], at as u64)?;
    }
    Ok(Copied(bytes.into()))
}
