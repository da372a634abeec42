//! Requests of another program to delete sessions. The broker processes them at its start and at
//! SIGHUP.
//!
//! ```text
//! tenant-a sensor-7          names of vhost and client: bytes but letters, digits and -._~/ as %XX
//! / sensor%208
//! ```
//! The file `DELETIONS` exists while there are requests. A process locks the file before it reads
//! or changes it. When the lock is released, a request is in the file durably or not at all. The
//! broker removes the file when it takes the requests: if it is killed before it has processed
//! them, they must be made again.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use super::error::DirectoryError;
use super::sync::sync_directory;
use super::vhosts::{decoded, encoded};
use crate::limits::DELETIONS_TEXT_BYTES_MAX;

pub(super) const FILE: &str = "DELETIONS";

/// A session to delete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deletion {
    /// The name of its vhost.
    pub vhost: String,
    /// Its client id.
    pub client_id: String,
}

impl Deletion {
    /// Requests the deletion. The data directory `directory` may be in use.
    ///
    /// # Errors
    /// If there are too many requests, or the request cannot be written.
    pub fn request(&self, directory: &Path) -> Result<(), DirectoryError> {
        let path = directory.join(FILE);
        let mut text = String::new();
        let (vhost, client_id) = (encoded(&self.vhost), encoded(&self.client_id));
        let _infallible = writeln!(text, "{vhost} {client_id}");
        append(directory, &path, &text).map_err(DirectoryError::system("write", &path))
    }

    /// Takes all requests, and removes them from the directory.
    ///
    /// # Errors
    /// If they cannot be read or removed, or the file is malformed; then the file stays.
    pub fn take_all(directory: &Path) -> Result<Vec<Self>, DirectoryError> {
        let path = directory.join(FILE);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(DirectoryError::system("open", &path))?,
        };
        let mut text = String::new();
        let read = file
            .lock()
            .and_then(|()| (&file).take(DELETIONS_TEXT_BYTES_MAX).read_to_string(&mut text));
        read.map_err(DirectoryError::system("read", &path))?;
        let malformed = || DirectoryError::MalformedDeletions(path.clone());
        let requests = text.lines().map(parse).collect::<Option<_>>().ok_or_else(malformed)?;
        let removed = fs::remove_file(&path).and_then(|()| sync_directory(&File::open(directory)?));
        removed.map_err(DirectoryError::system("remove", &path))?;
        Ok(requests)
    }
}

fn parse(line: &str) -> Option<Deletion> {
    let (vhost, client_id) = line.split_once(' ')?;
    let (vhost, client_id) = (decoded(vhost)?, decoded(client_id)?);
    (!client_id.is_empty()).then_some(Deletion { vhost, client_id })
}

fn append(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    loop {
        let mut file = File::options().append(true).create(true).mode(0o600).open(path)?;
        file.lock()?;
        // The broker may have removed it meanwhile.
        let (ours, there) = (file.metadata()?, fs::metadata(path));
        if there.is_ok_and(|there| there.ino() == ours.ino()) {
            if ours.len() + text.len() as u64 > DELETIONS_TEXT_BYTES_MAX {
                return Err(io::Error::new(ErrorKind::StorageFull, "there are too many requests"));
            }
            // A broker that runs as another user must be able to read an administrator's request.
            let owner = fs::metadata(directory)?;
            if ours.uid() != owner.uid() {
                fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            return sync_directory(&File::open(directory)?);
        }
    }
}
