//! Programs that others wrote, run to their end.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A file or directory of the repository, or one that `scripts/test` makes below it.
#[track_caller]
pub(crate) fn in_repository(path: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(path.exists(), "{} is missing: run scripts/test, which makes it", path.display());
    path
}

/// Seconds that a program has: some take one, and other work may take the machine for long.
const LIMIT_S: &str = "300";

/// Runs a program to its end, within the time limit.
#[track_caller]
pub(crate) fn run_in_time(command: &Command) -> Output {
    Command::new("timeout")
        .arg(LIMIT_S)
        .arg(command.get_program())
        .args(command.get_args())
        .envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .stdin(Stdio::null())
        .output()
        .expect("timeout, of Debian's coreutils, is there")
}

/// Runs a program to its end, which must be successful; returns its output.
#[track_caller]
pub(crate) fn run(command: &Command) -> String {
    let output = run_in_time(command);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {command:?}\n{printed}\n{said}", output.status);
    printed
}
