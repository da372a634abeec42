//! Files of a test's own, and the programs that write them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio, id};

/// A directory of its own, gone at the end.
pub(crate) struct Scene(PathBuf);

impl Scene {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringmq-access-test-{}-{name}", id()));
        fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the disk has room");
        path
    }

    /// A password file by `mosquitto_passwd`, with each user's flags and password.
    pub(crate) fn mosquitto_passwords(&self, users: &[(&str, &[&str], &str)]) -> PathBuf {
        let path = self.path("passwords");
        for (at, (user, flags, password)) in users.iter().enumerate() {
            let mut command = Command::new("mosquitto_passwd");
            if at == 0 {
                command.arg("-c");
            }
            command.args(*flags).arg("-b").arg(&path).args([user, password]);
            let output = command.output().expect("mosquitto_passwd comes with mosquitto");
            assert!(output.status.success(), "{command:?}: {output:?}");
        }
        path
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A test that has failed says so itself.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `ringmq passwd FILE …` with this input.
pub(crate) fn ringmq_passwd(file: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringmq"))
        .arg("passwd")
        .arg(file)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("is piped");
    // The program may have ended without reading.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it is ours")
}
