//! Files that are replaced as a whole: a concurrent reader, such as a broker that reloads, sees the
//! old file or the new one.
//!
//! A process locks a file before it changes it. If the file was replaced meanwhile, it begins again
//! with the new one. The new file has the mode and the owner of the old one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// A file that no other process changes.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    file: File,
}

impl WholeFile {
    /// Opens and locks a file, and makes it if it is missing and `may_make`.
    ///
    /// # Errors
    /// If a system call fails.
    pub fn open(path: &Path, may_make: bool) -> io::Result<Self> {
        loop {
            // No other user can read a new file from its first moment on.
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(may_make)
                .truncate(false)
                .mode(0o600)
                .open(path)?;
            file.lock()?;
            // Symbolic links are resolved, so that their target is replaced, and not the link.
            let path = fs::canonicalize(path);
            let is_same = |path: &PathBuf| match (fs::metadata(path), file.metadata()) {
                (Ok(there), Ok(here)) => (there.dev(), there.ino()) == (here.dev(), here.ino()),
                _ => false,
            };
            if let Some(path) = path.ok().filter(is_same) {
                return Ok(Self { path, file });
            }
        }
    }

    /// Its content; `None` if that has more than `bytes_max` bytes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        (&self.file).take(bytes_max + 1).read_to_end(&mut text)?;
        Ok(Some(text).filter(|text| text.len() as u64 <= bytes_max))
    }

    /// Writes `text` beside the file and puts it in its place, durably.
    ///
    /// # Errors
    /// If a system call fails; then the file is unchanged.
    pub fn replace(&self, text: &[u8]) -> io::Result<()> {
        let Self { path, file } = self;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Readers of a vhost's directory ignore names that begin with a dot.
        let beside = path.with_file_name(format!(".{name}.new"));
        // A killed process left it: no other process is here, since the file is locked.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        let written = fill(&new, file, text).and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            // The new file is not needed any more. The first error is returned.
            let _ = fs::remove_file(&beside);
            return written;
        }
        sync_directory(path)
    }
}

/// Makes the content of a file's directory durable.
///
/// # Errors
/// If a system call fails.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|above| !above.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn fill(mut new: &File, old: &File, text: &[u8]) -> io::Result<()> {
    new.write_all(text)?;
    let (is, was) = (new.metadata()?, old.metadata()?);
    if (is.uid(), is.gid()) != (was.uid(), was.gid()) {
        fchown(new, Some(was.uid()), Some(was.gid()))?;
    }
    new.set_permissions(was.permissions())?;
    new.sync_all()
}
