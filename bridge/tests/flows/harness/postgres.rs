//! Debian's PostgreSQL, as an unprivileged user, on a Unix socket in a directory of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::process::{Process, TempDir};

/// A server.
pub(crate) struct Postgres {
    process: Process,
    directory: TempDir,
}

/// A program of the newest PostgreSQL that is installed.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("the package postgresql is there");
    let mut paths: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .collect();
    paths.sort();
    paths.pop().expect("a version is installed")
}

/// PostgreSQL refuses to run as root: it then runs as the user that its package has made.
fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id is there");
    output.stdout == b"0\n"
}

fn unprivileged(name: &str) -> Command {
    let path = program(name);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
    command
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let directory = TempDir::new();
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(directory.path(), open).expect("it is ours");
        let output = unprivileged("initdb")
            .args(["--no-sync", "-A", "trust", "-U", "postgres", "-D"])
            .arg(directory.join("data"))
            .output()
            .expect("initdb is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let process = Self::spawn(&directory);
        Self { process, directory }
    }

    fn spawn(directory: &TempDir) -> Process {
        let mut command = unprivileged("postgres");
        command.arg("-D").arg(directory.join("data"));
        // What the kernel has survives the process, and nobody pulls the plug here.
        command.args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"]).arg(directory.path());
        let process = Process::spawn(command);
        process.wait_for_line("database system is ready to accept connections");
        process
    }

    /// As the configuration names it.
    pub(crate) fn url(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.directory.path().display())
    }

    /// Ends without a checkpoint: transactions under way are gone, as in a crash.
    pub(crate) fn crash(&mut self) {
        self.process.signal("QUIT");
        self.process.wait();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = Self::spawn(&self.directory);
    }

    /// What a statement answers: lines of fields with `|` between them.
    #[track_caller]
    pub(crate) fn ask(&self, statement: &str) -> String {
        let output = Command::new(program("psql"))
            .args(["-X", "-A", "-t", "-U", "postgres", "-d", "postgres", "-h"])
            .arg(self.directory.path())
            .args(["-c", statement])
            .output()
            .expect("psql is there");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statement}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
