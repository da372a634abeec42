//! A data directory in trouble: on a disk that is nearly full, or one that must not be used.
//!
//! A test that needs its own file system runs again in a process with its own mount namespace,
//! where a small tmpfs is the temporary directory. The mount ends with the last process, however
//! the test ends. Root needs no more than that; other users need user namespaces.

mod full;
mod low;
mod refused;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::common::{Broker, Client, PINGREQ, PINGRESP, publish};

/// Set where the temporary directory is the tmpfs.
const INSIDE: &str = "RINGMQ_TEST_ON_TMPFS";

/// Mounts, and becomes the test.
const MOUNT: &str = r#"mount -t tmpfs -o size="$1" ringmq-test "$TMPDIR" && shift && exec "$@""#;

/// A directory that no other test has; a drop removes it.
struct Place(PathBuf);

impl Place {
    fn make() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("ringmq-trouble-{}-{count}", process::id()));
        // One of a test process long ago that had the same number, and was killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("the temporary directory is writable");
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `test`, whose whole name is `name`, with a tmpfs of `size` as the temporary directory.
#[track_caller]
fn on_tmpfs(name: &str, size: &str, test: impl Fn()) {
    if env::var_os(INSIDE).is_some() {
        return test();
    }
    let place = Place::make();
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--", "sh", "-c", MOUNT, "sh", size]);
    command.arg(env::current_exe().expect("it runs")).args([name, "--exact", "--nocapture"]);
    command.env(INSIDE, "1").env("TMPDIR", &place.0);
    let output = command.output().expect("unshare(1) of util-linux is there");
    let (says, warns) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && says.contains(" 1 passed"),
        "{name} in its own mount namespace (for that be root, or have user namespaces): \
         {}\n{says}\n{warns}",
        output.status
    );
}

/// A file that fills a disk; a drop removes it.
struct Filler(PathBuf);

impl Filler {
    /// Takes so much of the disk that the temporary directory is on.
    fn of(bytes: usize) -> Self {
        let path = env::temp_dir().join("filler");
        let mut file = fs::File::create(&path).expect("the tmpfs is ours");
        file.write_all(&vec![1; bytes]).expect("the tmpfs has room for it");
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        fs::remove_file(&self.0).expect("nobody else removes it");
    }
}

/// Clients that do not need the disk are not affected: they are answered, and QoS 0 is delivered.
#[track_caller]
fn expect_others_go_on(broker: &Broker) {
    let mut subscriber = Client::connect(broker, "other-subscriber");
    subscriber.subscribe("passing", 0);
    let mut publisher = Client::connect(broker, "other-publisher");
    for number in 0..200_u32 {
        let message = publish("passing", number.to_string());
        publisher.publish(&message);
        publisher.send(PINGREQ);
        publisher.expect(PINGRESP);
        subscriber.expect_publish(&message);
    }
}

/// This client has received nothing so far.
#[track_caller]
fn expect_nothing_yet(client: &Client) {
    client.stream().set_nonblocking(true).expect("a TCP socket");
    match client.stream().peek(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        other => panic!("nothing was due, this came: {other:?}"),
    }
    client.stream().set_nonblocking(false).expect("a TCP socket");
}

/// Every path below `directory`, its length and content.
fn listing(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("it is there") {
        let path = entry.expect("it is there").path();
        if path.is_dir() {
            found.extend(listing(&path));
            found.push((path, Vec::new()));
        } else {
            let content = fs::read(&path).expect("it is there");
            found.push((path, content));
        }
    }
    found.sort();
    found
}

/// The path as text, which the tests' names always are.
fn text(path: &(impl AsRef<OsStr> + ?Sized)) -> &str {
    path.as_ref().to_str().expect("it is made of text")
}
