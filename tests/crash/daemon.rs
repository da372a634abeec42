//! A broker on a data directory of the test's own, which may be killed at any moment.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{PATIENCE, ring};

/// A running broker. A drop kills it.
pub(crate) struct Daemon {
    child: Child,
    addr: SocketAddr,
    log: PathBuf,
    copier: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Starts the broker on a free port; its output is written to the file `log`.
    ///
    /// # Errors
    /// It ended, or did not listen in time: its output.
    pub(crate) fn start(data: &Path, log: &Path, flags: &[String]) -> Result<Self, String> {
        let mut child = Self::spawn(data, flags);
        let stderr = BufReader::new(child.stderr.take().expect("is piped"));
        let mut file = File::create(log).expect("the directory is writable");
        let (sender, listening) = mpsc::channel();
        let copier = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                writeln!(file, "{line}").expect("the disk has room");
                if let Some((_, addr)) = line.split_once("listening on ") {
                    // A second address is not needed.
                    let _ = sender.send(addr.split([' ', ',']).next().unwrap_or("").to_owned());
                }
            }
        });
        let (log, copier) = (log.to_owned(), Some(copier));
        let mut daemon = Self { child, addr: SocketAddr::from(([0; 4], 0)), log, copier };
        match listening.recv_timeout(PATIENCE) {
            Ok(addr) => daemon.addr = addr.trim().parse().expect("an address is logged"),
            Err(_) => return Err(format!("the broker does not listen: {}", daemon.said())),
        }
        Ok(daemon)
    }

    /// A broker that the caller does not wait for.
    pub(crate) fn spawn(data: &Path, flags: &[String]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_ringmq"))
            .args(["--listen", "127.0.0.1:0", "--no-pin", "--data-dir"])
            .arg(data)
            .args(["--ring", &ring(), "--http-listen", "none"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the broker's binary starts")
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// Ends it with SIGKILL; returns its output.
    pub(crate) fn kill(mut self) -> String {
        self.end(Signal::KILL);
        self.said()
    }

    /// Ends it with SIGTERM; returns its exit status.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.end(Signal::TERM)
    }

    /// Its output so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn end(&mut self, signal: Signal) -> ExitStatus {
        if self.ended().is_none() {
            kill_process(Pid::from_child(&self.child), signal).expect("it is our child");
        }
        let status = self.child.wait().expect("it is our child");
        if let Some(copier) = self.copier.take() {
            copier.join().expect("the disk has room for a log");
        }
        status
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end(Signal::KILL);
    }
}
