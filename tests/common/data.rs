//! A data directory of a test's own, and the flags that go with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes of a segment file: small, since every broker makes some at its start.
pub(crate) const SEGMENT_BYTES: usize = 1 << 20;

/// A directory that no other test has; a drop removes it.
pub(super) struct DataDir(PathBuf);

impl DataDir {
    /// Its name; the broker makes it.
    pub(super) fn fresh() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringmq-test-{}-{count}", process::id());
        let path = std::env::temp_dir().join(name);
        // One of a test process long ago that had the same number, and was killed.
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Has a broker keep its data here.
    pub(super) fn add_flags(&self, command: &mut Command) {
        command.arg("--data-dir").arg(&self.0);
        command.args(["--segment-bytes", &SEGMENT_BYTES.to_string()]);
        // However full the disk is that the tests run on.
        command.args(["--disk-low", "0"]);
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // A broker that never came so far has made none.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The flag that has sessions expire whose clients are away for so long.
pub(crate) fn session_expiry(time_ms: u32) -> String {
    format!("--session-expiry={time_ms}ms")
}
