//! Tests with real directories below the system's temporary one, each removed at its test's end.

mod deletions;
mod listing;
mod medium;
mod opening;
mod unreadable;
mod vhosts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Directory, DirectoryError};

/// A directory for one test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ringmq-disk-{}-{count}", process::id()));
        fs::create_dir(&path).expect("the temporary directory is writable");
        Self(path)
    }

    /// A path in it that does not exist yet.
    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} stays: {error}", self.0.display());
        }
    }
}

/// Opens a data directory of one shard.
fn open(path: &Path) -> Directory {
    open_as(path, Some(1), 1).unwrap_or_else(|error| panic!("{error}"))
}

/// Opens a data directory that no program uses. A process that another test starts inherits the
/// open files of this one, including locked ones, until it executes its program.
fn open_as(path: &Path, asked: Option<u16>, default: u16) -> Result<Directory, DirectoryError> {
    let patient_until = Instant::now() + Duration::from_secs(60);
    loop {
        let opened = Directory::open(path, asked, default);
        if !matches!(opened, Err(DirectoryError::InUse(_))) || Instant::now() > patient_until {
            return opened;
        }
        thread::yield_now();
    }
}

/// The message that the user reads.
#[track_caller]
fn refusal<T>(result: Result<T, DirectoryError>) -> String {
    match result {
        Ok(_) => panic!("it should be refused"),
        Err(error) => error.to_string(),
    }
}

/// Names in a directory, sorted.
fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("it is a directory");
    let name = |entry: Result<fs::DirEntry, _>| {
        entry.expect("it can be read").file_name().into_string().expect("the names are ours")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// As `names`, of a shard's directory, without its `EXTENT`.
fn log_files(folder: &Path) -> Vec<String> {
    let mut names = names(folder);
    names.retain(|name| name != "EXTENT");
    names
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
