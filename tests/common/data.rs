//! A data directory of a test's own, and the flags that go with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes of a segment file: small, since every broker makes some at its start.
pub(crate) const SEGMENT_BYTES: usize = 1 << 20;

/// A directory that no other test has; a drop removes it.
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Its name; the broker makes it.
    pub(crate) fn fresh() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringmq-test-{}-{count}", process::id());
        let path = std::env::temp_dir().join(name);
        // One of a test process long ago that had the same number, and was killed.
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Has a broker keep its data here, unless `flags`, which it gets as well, say otherwise.
    pub(crate) fn add_flags(&self, command: &mut Command, flags: &[impl AsRef<str>]) {
        let path = self.0.to_str().expect("it is made of text");
        let segment_bytes = SEGMENT_BYTES.to_string();
        // However full the disk is that the tests run on: not low.
        let ring = ring();
        let defaults = [
            ("--data-dir", path),
            ("--segment-bytes", &segment_bytes),
            ("--disk-low", "0"),
            ("--ring", &ring),
            ("--http-listen", "none"),
            ("--sys-interval", "0"),
        ];
        for (flag, value) in defaults {
            if !flags.iter().any(|given| given.as_ref() == flag) {
                command.args([flag, value]);
            }
        }
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // A broker that failed earlier has made none.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The ring that brokers are tested with, unless a test says otherwise.
pub(crate) fn ring() -> String {
    std::env::var("RINGMQ_TEST_RING").unwrap_or_else(|_| "auto".to_owned())
}

/// The flag that has sessions expire whose clients are away for so long.
pub(crate) fn session_expiry(time_ms: u32) -> String {
    format!("--session-expiry={time_ms}ms")
}
