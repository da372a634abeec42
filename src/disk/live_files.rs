//! Segment files to which a broker writes meanwhile: the segments that they had and have (see
//! `live`).

use std::fs::File;
use std::io;

use super::error::DirectoryError;
use super::files::{ShardFiles, segment_path};
use super::live::{HEADER, copy, header_of};
use super::mapping::FileMapping;
use crate::store::{FileId, Found, Mapping, SegmentIdentity};

impl ShardFiles {
    /// For files that change: notes the header of each, and copies the newest.
    pub(super) fn note_headers(&mut self) -> Result<(), DirectoryError> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let mut newest: Option<(SegmentIdentity, FileId)> = None;
        self.found.retain(|found| {
            let header = header_of(&segment_path(&self.path, found.id));
            // A file with a damaged header stays in the list. Opening the log reports it.
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
        // The header may have been rewritten meanwhile to name another checkpoint. The header in
        // the copy counts.
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

    /// Whether another process may change the files meanwhile.
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Whether a file still has the segment that was found in it. Always true unless the directory
    /// is in use.
    pub fn is_current(&self, id: FileId) -> bool {
        let Some(live) = &self.live else { return true };
        let was = live.headers.iter().find(|(known, _)| *known == id);
        let is = header_of(&segment_path(&self.path, id));
        // The segment's header may name another checkpoint now.
        was.zip(is).is_some_and(|((_, was), is)| {
            SegmentIdentity::of(was) == SegmentIdentity::of(&is) && is != [0; HEADER]
        })
    }

    /// Whether any file has another segment now, or was removed.
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

    /// The copy of the file, if it has the newest segment.
    pub fn copied(&self, id: FileId) -> Option<&[u8]> {
        let newest = self.live.as_ref().and_then(|live| live.newest.as_ref());
        newest.filter(|(newest, _)| *newest == id).map(|(_, copied)| copied.bytes())
    }

    /// The files found and their lengths. Must be called before the files are taken.
    pub fn lengths(&self) -> Vec<(FileId, u64)> {
        self.found.iter().map(|found| (found.id, found.mapping.bytes().len() as u64)).collect()
    }

    /// Maps the files of [`ShardFiles::lengths`] once more. Files that were removed are left out.
    ///
    /// # Errors
    /// If a system call fails; names the path.
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
