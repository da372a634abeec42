//! Tests that take a part of the system of their own: a small disk, or networks.
//!
//! Such a test runs again, in a process with its own namespaces. What it mounts and what networks
//! it makes end with the last process in them, however the test ends. Root needs no more than that;
//! other users need user namespaces.

use std::env;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::TempDir;

/// Set in the process that has the namespaces.
const INSIDE: &str = "BRIDGE_TEST_INSIDE";

/// What [`INSIDE`] is in a network of the test's own.
const NETWORK: &str = "network";

/// Mounts, and becomes the test.
const MOUNT: &str = r#"mount -t tmpfs -o size="$1" ringmq-test "$2" && shift 2 && exec "$@""#;

/// A disk that a test fills.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leaves no room.
    pub(crate) fn fill(&self) {
        let mut file = fs::File::create(self.filler()).expect("the disk is the test's");
        let mut bytes = vec![1; 1 << 20];
        while !bytes.is_empty() {
            match file.write(&bytes) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => {
                    bytes.truncate(bytes.len() / 2);
                }
                Err(error) => panic!("the filler: {error}"),
            }
        }
    }

    /// Makes room again.
    pub(crate) fn empty(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }
}

/// Runs the test of this whole name with a disk of this size, as in `64m`.
#[track_caller]
pub(crate) fn on_small_disk(name: &str, size: &str, test: impl FnOnce(&SmallDisk)) {
    if let Some(path) = env::var_os(INSIDE) {
        return test(&SmallDisk(path.into()));
    }
    let place = TempDir::new();
    let path = place.path().to_str().expect("is text");
    again(name, path, &["--mount"], &["sh", "-c", MOUNT, "sh", size, path]);
}

/// Runs the test of this whole name in a network of its own, where only `lo` is, and no other test
/// takes a port.
#[track_caller]
pub(crate) fn in_own_network(name: &str, test: impl FnOnce()) {
    if is_in_own_network() {
        return test();
    }
    let loopback = ["sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    again(name, NETWORK, &["--mount", "--net"], &loopback);
}

/// Whether the caller runs in [`in_own_network`].
pub(crate) fn is_in_own_network() -> bool {
    env::var_os(INSIDE).is_some_and(|inside| inside == NETWORK)
}

#[track_caller]
fn again(name: &str, inside: &str, namespaces: &[&str], through: &[&str]) {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(namespaces).arg("--").args(through);
    command.arg(env::current_exe().expect("it runs")).args([name, "--exact", "--nocapture"]);
    let output = command.env(INSIDE, inside).output().expect("unshare(1) of util-linux is there");
    let says = String::from_utf8_lossy(&output.stdout);
    let warns = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && says.contains(" 1 passed"),
        "{name} in its own namespaces (for that be root, or have user namespaces): {}\n{says}\n\
         {warns}",
        output.status
    );
    eprint!("{warns}");
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id is there");
    output.stdout == b"0\n"
}
