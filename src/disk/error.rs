//! The reasons why a data directory cannot be used, and advice for the operator.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::format::{FORMAT_FILE, FORMAT_WITHOUT_SUMS, is_unfinished};
use crate::limits::SEGMENT_BYTES_FIRST;

/// The reason why a directory cannot be used.
#[derive(Debug)]
pub enum DirectoryError {
    /// The path is not a directory.
    NotADirectory(PathBuf),
    /// The directory has files, but no `FORMAT`.
    Foreign(PathBuf),
    /// A directory that is to be read has no `FORMAT`.
    NoData(PathBuf),
    /// A directory that is to be read does not exist.
    Missing(PathBuf),
    /// A directory that is to be made is not empty.
    NotEmpty(PathBuf),
    /// The program that makes the directory was killed, or is still running.
    Unfinished(PathBuf),
    /// A later version of ringmq made the directory.
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this version reads.
        known: u32,
    },
    /// This `FORMAT` is malformed.
    Malformed(PathBuf),
    /// This `VHOSTS` is malformed.
    MalformedVhosts(PathBuf),
    /// This `DELETIONS` is malformed.
    MalformedDeletions(PathBuf),
    /// The directory was made with another number of shards than requested.
    Shards {
        /// The directory.
        path: PathBuf,
        /// The number it was made with.
        made: u16,
    },
    /// The file system is too small for the files that the shards need, even if it were empty.
    TooSmall {
        /// The directory.
        path: PathBuf,
        /// The bytes of the file system.
        total: u64,
        /// The number of shards.
        shards: u16,
        /// The bytes that each shard needs.
        least: u64,
    },
    /// Another process holds the lock.
    InUse(PathBuf),
    /// A system call failed.
    System {
        /// The operation that failed, followed by the path.
        doing: &'static str,
        /// Its path.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADirectory(path) => {
                write!(f, "{} is not a directory; choose another with --data-dir", path.display())
            }
            Self::Foreign(path) => write!(
                f,
                "{} is not a ringmq data directory: it has files, and none is {FORMAT_FILE}; \
                 choose another with --data-dir, for a new broker an empty or new one",
                path.display()
            ),
            Self::NoData(path) => write!(
                f,
                "{} is not a ringmq data directory: it has no {FORMAT_FILE}",
                path.display()
            ),
            Self::Missing(path) => {
                write!(f, "there is no directory {}; is the path right?", path.display())
            }
            Self::NotEmpty(path) => write!(
                f,
                "{} is not empty; choose a path where there is nothing, or remove what is there",
                path.display()
            ),
            Self::Unfinished(path) => write!(
                f,
                "{} is not finished: what makes it is still at work, or was stopped half way; \
                 then remove it and make it again",
                path.display()
            ),
            Self::Newer { path, found, known } => write!(
                f,
                "{} has format {found}, and this ringmq knows formats up to {known}; start the \
                 newer ringmq that made it or choose another with --data-dir",
                path.display()
            ),
            Self::Malformed(_) | Self::MalformedVhosts(_) | Self::MalformedDeletions(_) => {
                self.fmt_malformed(f)
            }
            Self::Shards { path, made } => write!(
                f,
                "{} was made with --shards {made}; start with --shards {made} or another \
                 --data-dir",
                path.display()
            ),
            Self::TooSmall { path, total, shards, least } => write!(
                f,
                "{} is on a file system of {} KiB, and {shards} shard{} need {} KiB at least, more \
                 than that to store much: each has some files of {} KiB, the least that \
                 --segment-bytes takes; choose a larger one with --data-dir, or fewer --shards",
                path.display(),
                total >> 10,
                if *shards == 1 { "" } else { "s" },
                (u64::from(*shards) * least) >> 10,
                SEGMENT_BYTES_FIRST >> 10
            ),
            Self::InUse(path) => write!(
                f,
                "{} is in use by another ringmq; stop that one or choose another with --data-dir",
                path.display()
            ),
            Self::System { doing, path, error } => {
                write!(f, "cannot {doing} {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for DirectoryError {}

impl DirectoryError {
    /// Writes the text of a malformed file.
    fn fmt_malformed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(path) => write!(
                f,
                "{} is damaged: it must say \"ringmq data, format {FORMAT_WITHOUT_SUMS}\" and \
                 \"shards N\" on two lines, and of a later format has a third with their sum; N is \
                 the number of shard-* directories beside it; write the two lines anew",
                path.display()
            ),
            Self::MalformedVhosts(path) => write!(
                f,
                "{} is damaged: it must say \"next N\" and then, for each vhost but /, its number \
                 below N and its name; bring it back from a backup, or remove it to lose what \
                 vhosts but / have stored",
                path.display()
            ),
            Self::MalformedDeletions(path) => write!(
                f,
                "{} is damaged: it must say a vhost and a client id on each line; remove it, and \
                 ask again with `ringmq session delete`",
                path.display()
            ),
            _ => unreachable!("the caller has the rest"),
        }
    }

    /// The error for a path that is no data directory.
    pub fn no_data(path: &Path) -> Self {
        match path.exists() {
            true if is_unfinished(path) => Self::Unfinished(path.to_owned()),
            true => Self::NoData(path.to_owned()),
            false => Self::Missing(path.to_owned()),
        }
    }

    /// Whether the system denied something to this user that it might grant to another user.
    pub fn is_permission(&self) -> bool {
        let Self::System { error, .. } = self else { return false };
        error.kind() == ErrorKind::PermissionDenied
    }

    /// Makes an error from a system error of the operation `doing` on `path`.
    pub(super) fn system(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::System { doing, path, error }
    }
}
