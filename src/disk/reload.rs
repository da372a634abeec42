//! The result of a reload: the broker's answer to the program that requested it.
//!
//! ```text
//! began 4711000000            when the reload began, microseconds of the monotonic clock
//! failed                      or `done`
//! /etc/ringmq/acl:3: …        what is wrong, a line for each
//! sum 0123abcd
//! ```
//! Each reload replaces the file `RELOAD`. The program removes the old file, notes the time,
//! requests a reload, and waits for the answer to a reload that began no earlier: one that was
//! already running may have read files that changed since. The file is not needed after a crash, so
//! it is not synced.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use super::DirectoryError;
use super::note::{BEGUN_SUFFIX, with_sum, without_sum};
use crate::limits::RELOAD_TEXT_BYTES_MAX;

const FILE: &str = "RELOAD";

/// The time between two checks whether the broker still runs.
const LOOK_MS: u64 = 500;

/// The result of a reload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReloadNote {
    /// When it began, in microseconds of the monotonic clock.
    pub began_us: u64,
    /// The faults; empty if the reload succeeded.
    pub faults: Vec<String>,
}

/// A program that waits for an answer.
pub struct ReloadAsker {
    directory: PathBuf,
    changes: rustix::fd::OwnedFd,
    asked_us: u64,
}

/// The time on the monotonic clock, microseconds.
pub fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

impl ReloadNote {
    /// Writes the note into a data directory.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), DirectoryError> {
        let begun = directory.join(format!("{FILE}{BEGUN_SUFFIX}"));
        let write = || {
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            io::Write::write_all(&mut options.open(&begun)?, self.text().as_bytes())?;
            fs::rename(&begun, directory.join(FILE))
        };
        write().map_err(DirectoryError::system("write", &begun))
    }

    /// Has one line for each fault. Faults beyond the bound are left out.
    fn text(&self) -> String {
        let outcome = if self.faults.is_empty() { "done" } else { "failed" };
        let mut text = format!("began {}\n{outcome}\n", self.began_us);
        let room = usize::try_from(RELOAD_TEXT_BYTES_MAX).unwrap_or(usize::MAX) / 2;
        for fault in &self.faults {
            let fault = fault.replace(['\n', '\r'], " ");
            if text.len() + fault.len() > room {
                text.push_str("more faults; the log has them all\n");
                break;
            }
            text.push_str(&fault);
            text.push('\n');
        }
        with_sum(&text)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = without_sum(text)?.lines();
        let began_us = lines.next()?.strip_prefix("began ")?.parse().ok()?;
        let outcome = lines.next()?;
        let faults: Vec<String> = lines.map(str::to_owned).collect();
        let is_whole = if outcome == "done" { faults.is_empty() } else { !faults.is_empty() };
        is_whole.then_some(Self { began_us, faults })
    }

    fn read(directory: &Path) -> io::Result<Option<Self>> {
        let mut text = String::new();
        let read = File::open(directory.join(FILE))
            .and_then(|file| file.take(RELOAD_TEXT_BYTES_MAX).read_to_string(&mut text));
        match read {
            Ok(_) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl ReloadAsker {
    /// Prepares to wait in a data directory. Must be called before the reload is requested.
    ///
    /// # Errors
    /// If a system call fails.
    pub fn new(directory: &Path) -> Result<Self, DirectoryError> {
        let watch = || {
            let changes = inotify::init(inotify::CreateFlags::CLOEXEC)?;
            inotify::add_watch(&changes, directory, inotify::WatchFlags::MOVED_TO)?;
            Ok(changes)
        };
        let changes = watch().map_err(|error: rustix::io::Errno| {
            DirectoryError::system("watch", directory)(error.into())
        })?;
        let path = directory.join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(DirectoryError::system("remove", &path)(error));
            }
            _ => {}
        }
        Ok(Self { directory: directory.to_owned(), changes, asked_us: monotonic_us() })
    }

    /// Waits for the answer, as long as `is_there` reports that the broker runs. Returns `None` if
    /// there is none within `limit`.
    ///
    /// # Errors
    /// If the answer cannot be read.
    pub fn wait(
        &self,
        limit: Duration,
        is_there: impl Fn() -> bool,
    ) -> Result<Option<ReloadNote>, DirectoryError> {
        let deadline = Instant::now() + limit;
        loop {
            let note = ReloadNote::read(&self.directory)
                .map_err(DirectoryError::system("read", &self.directory.join(FILE)))?;
            if let Some(note) = note.filter(|note| note.began_us >= self.asked_us) {
                return Ok(Some(note));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !is_there() {
                return Ok(None);
            }
            self.wait_for_change(left.min(Duration::from_millis(LOOK_MS)));
        }
    }

    /// Waits until a file is renamed in the directory, or for `limit`. The caller checks the file
    /// anyway, so an error costs only one more turn.
    fn wait_for_change(&self, limit: Duration) {
        let mut polled = [PollFd::new(&self.changes, PollFlags::IN)];
        let limit = Timespec::try_from(limit).ok();
        if poll(&mut polled, limit.as_ref()).is_ok_and(|ready| ready > 0) {
            let mut events = [0; 4096];
            let _emptied = rustix::io::read(self.changes.as_fd(), &mut events);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A written note can be read back: each fault becomes one line, and the lines stay within the
    // bound.
    #[test]
    fn notes_are_read_as_written() {
        for (faults, read) in [
            (vec![], vec![]),
            (vec!["acl:3: no"], vec!["acl:3: no"]),
            (vec!["a\nb\r", "c"], vec!["a b ", "c"]),
        ] {
            let faults: Vec<String> = faults.into_iter().map(str::to_owned).collect();
            let note = ReloadNote { began_us: 7, faults };
            let parsed = ReloadNote::parse(&note.text()).expect("it is whole");
            assert_eq!(
                (parsed.began_us, parsed.faults),
                (7, read.iter().map(|it| (*it).to_owned()).collect())
            );
        }
        let faults = vec!["x".repeat(1000); 1000];
        let text = ReloadNote { began_us: 7, faults }.text();
        assert!((text.len() as u64) < RELOAD_TEXT_BYTES_MAX);
        let parsed = ReloadNote::parse(&text).expect("it is whole");
        assert!(parsed.faults.last().is_some_and(|last| last.starts_with("more faults")));
    }

    // A note that is truncated or contradicts itself is refused.
    #[test]
    fn faulty_notes() {
        let text = ReloadNote { began_us: 7, faults: vec!["no".to_owned()] }.text();
        for end in 0..text.len() {
            assert_eq!(ReloadNote::parse(&text[..end]), None, "{end}");
        }
        for text in ["began 7\ndone\nno\n", "began 7\nfailed\n", "began\ndone\n", "done\n"] {
            assert_eq!(ReloadNote::parse(&with_sum(text)), None, "{text:?}");
        }
    }
}
