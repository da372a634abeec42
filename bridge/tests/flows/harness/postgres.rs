//! Debian's PostgreSQL, as an unprivileged user, on a Unix socket in a directory of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::apart::is_root;
use super::process::{PATIENCE, Process, TempDir};

/// The name of a socket in its directory.
pub(crate) const SOCKET: &str = ".s.PGSQL.5432";

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
        Self::start_in(TempDir::new())
    }

    /// A server whose files are in a directory.
    pub(crate) fn start_in(directory: TempDir) -> Self {
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

    /// The socket at which it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join(SOCKET)
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Ends without a checkpoint: transactions under way are gone, as in a crash.
    pub(crate) fn crash(&mut self) {
        self.process.signal("QUIT");
        self.process.wait();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = Self::spawn(&self.directory);
    }

    /// Returns when a table has so many rows.
    #[track_caller]
    pub(crate) fn wait_for_rows(&self, table: &str, rows: usize) {
        let mut before = 0;
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            // The server waits, for a time that is short beside its own.
            let count = self.ask(&format!("SELECT count(*) FROM {table}, pg_sleep(0.2)"));
            let count: usize = count.parse().expect("a number");
            if count >= rows {
                return;
            }
            if count > before {
                (before, deadline) = (count, Instant::now() + PATIENCE);
            }
            assert!(Instant::now() < deadline, "{count} of {rows} rows came");
        }
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
