//! Why no data directory was created, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::DirectoryError;
use crate::store::OpenError;

/// Why no data directory was created, and what to do.
#[derive(Debug)]
pub enum DataError {
    /// A directory cannot be used.
    Directory(DirectoryError),
    /// The files of a shard cannot be read.
    Store {
        /// The folder of the shard.
        folder: PathBuf,
        /// The error.
        error: OpenError,
    },
    /// The directory has damaged data.
    Damaged(Vec<String>),
    /// One directory would be inside the other.
    Inside {
        /// The directory that is read.
        from: PathBuf,
        /// The directory that was to be created.
        to: PathBuf,
    },
    /// The new directory does not contain what was written.
    Differs(String),
    /// This number of messages waits in consumer groups, each on the shard of its publisher.
    Groups(u64),
    /// The directory changes faster than it can be read.
    TooFast(PathBuf),
    /// The system refused an operation.
    System {
        /// The operation, to be followed by the path.
        doing: &'static str,
        /// Its path.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => error.fmt(f),
            Self::Store { folder, error } => write!(f, "{}: {error}", folder.display()),
            Self::Damaged(places) => {
                writeln!(f, "something is damaged, and nothing was made:")?;
                places.iter().try_for_each(|place| writeln!(f, "  {place}"))?;
                f.write_str("ringmq-store check tells all; --skip-damaged goes on without it")
            }
            Self::Inside { from, to } => write!(
                f,
                "{} is in {}, in which nothing is to change; choose a path elsewhere",
                to.display(),
                from.display()
            ),
            Self::Differs(what) => write!(
                f,
                "what was written is not what was read: {what}; nothing was made, and this is a \
                 fault of ringmq or of the disk"
            ),
            Self::Groups(count) => write!(
                f,
                "{} for consumer groups, and stay on the shard that they came to; nothing was \
                 made. Have the groups' members take them ('ringmq ctl groups ls' tells what \
                 waits), or drop them ('ringmq ctl groups purge'), stop the broker, and try again",
                counted(*count, "message").replace("message", "waiting message")
            ),
            Self::TooFast(path) => write!(
                f,
                "{} changes faster than it can be read; try again when its broker has less to do, \
                 and with a copy to a faster disk",
                path.display()
            ),
            Self::System { doing, path, error } => {
                write!(f, "cannot {doing} {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for DataError {}

impl From<DirectoryError> for DataError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

impl DataError {
    pub(super) fn store(folder: &Path, error: OpenError) -> Self {
        Self::Store { folder: folder.to_owned(), error }
    }

    pub(super) fn system(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::System { doing, path, error }
    }
}

/// A number of things, in the singular or plural.
pub(super) fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}
