//! The broker under test as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::data::DataDir;
use super::port::ReservedPort;

/// The time that a test waits for anything before it fails. It is no measure of speed: other work
/// may occupy the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Bytes of the broker's output that are kept for a failure message.
const STDERR_BYTES_MAX: usize = 64 * 1024;

/// How a broker ends before it is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// SIGKILL: it does nothing more.
    Killed,
    /// SIGTERM, and it ends with 0.
    Stopped,
}

/// Both.
pub(crate) const BROKER_ENDS: [End; 2] = [End::Killed, End::Stopped];

/// A running broker. A drop kills it, and prints its output if the test failed.
pub(crate) struct Broker {
    process: Process,
    addr: SocketAddr,
    shards: usize,
    flags: Vec<String>,
    envs: Vec<(String, String)>,
    data: DataDir,
    config: Option<PathBuf>,
}

/// One run of a broker.
struct Process {
    child: Child,
    command: String,
    said: Arc<Mutex<Vec<u8>>>,
    /// Ends when the broker's stderr does.
    lines: Mutex<Receiver<String>>,
}

/// The resources of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resources {
    pub(crate) fds: usize,
    pub(crate) rss_bytes: u64,
}

/// Repeats a check until it is true, for conditions that no answer reports. Each check must ask the
/// broker or wait, because nothing else paces it.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it does not come: {what}");
    }
}

/// Runs `test` against one fresh broker for each number of shards.
pub(crate) fn on_shards(counts: &[usize], test: impl Fn(&Broker)) {
    for &shards in counts {
        test(&Broker::start(shards));
    }
}

/// Runs the binary with flags that make it end; returns its exit code and its stderr.
pub(crate) fn run_to_exit(flags: &[&str]) -> (Option<i32>, String) {
    end_of(Command::new(env!("CARGO_BIN_EXE_ringmq")), flags)
}

/// Runs it behind a shell command that sets a limit.
pub(crate) fn run_under(limit: &str, flags: &[&str]) -> (Option<i32>, String) {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")]);
    shell.arg(env!("CARGO_BIN_EXE_ringmq"));
    end_of(shell, flags)
}

/// Removes `RINGMQ_` variables of the tests and of the user from a broker's environment, because it
/// would take them for settings.
fn forget_settings(command: &mut Command) {
    let names = std::env::vars_os().map(|(name, _)| name);
    let ours = names.filter(|name| name.to_string_lossy().starts_with("RINGMQ_"));
    for name in ours {
        command.env_remove(name);
    }
}

fn end_of(mut command: Command, flags: &[&str]) -> (Option<i32>, String) {
    forget_settings(&mut command);
    let data = DataDir::fresh();
    data.add_flags(&mut command, flags);
    let mut child = command
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stderr = child.stderr.take().expect("is piped");
    let (sender, done) = mpsc::channel();
    thread::spawn(move || {
        let mut said = String::new();
        let result = stderr.read_to_string(&mut said).map(|_| said);
        // The test may have given up.
        let _ = sender.send(result);
    });
    let Ok(said) = done.recv_timeout(PATIENCE) else {
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        panic!("{flags:?} should end the broker, it runs on");
    };
    let status = child.wait().expect("it is ours");
    (status.code(), said.expect("stderr is text"))
}

impl Broker {
    #[track_caller]
    pub(crate) fn start(shards: usize) -> Self {
        Self::start_with(shards, &[])
    }

    /// Starts the broker on a free port with these flags more.
    #[track_caller]
    pub(crate) fn start_with(shards: usize, flags: &[&str]) -> Self {
        match std::env::var("RINGMQ_TEST_BROKER").as_deref() {
            Ok("mosquitto") => Self::mosquitto("allow_anonymous true"),
            Ok(other) => panic!("RINGMQ_TEST_BROKER={other}: only mosquitto is known"),
            Err(_) => Self::start_ringmq(shards, flags, &[]),
        }
    }

    /// The same with environment variables.
    #[track_caller]
    pub(crate) fn start_in(shards: usize, flags: &[&str], envs: &[(&str, &str)]) -> Self {
        Self::start_ringmq(shards, flags, envs)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id()
    }

    #[track_caller]
    fn start_ringmq(shards: usize, flags: &[&str], envs: &[(&str, &str)]) -> Self {
        let data = DataDir::fresh();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let envs: Vec<(String, String)> =
            envs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (process, addr) = Process::ringmq(shards, &flags, &envs, &data);
        Self { process, addr, shards, flags, envs, data, config: None }
    }

    /// Debian's mosquitto on a free port, with these lines of configuration more.
    #[track_caller]
    pub(crate) fn mosquitto(lines: &str) -> Self {
        let port = ReservedPort::new();
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let config = std::env::temp_dir().join(format!("ringmq-test-{}.conf", addr.port()));
        let mut file = fs::File::create(&config).expect("the temporary directory is writable");
        write!(
            file,
            "user root\nlistener {} 127.0.0.1\nlog_dest stderr\nmax_queued_messages 0\n\
             max_queued_bytes 0\nmax_inflight_messages 1024\n{lines}\n",
            addr.port()
        )
        .expect("the disk has room");
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(&config);
        let process = Process::spawn(command);
        process.wait_for_line(" running");
        let (flags, envs, data) = (Vec::new(), Vec::new(), DataDir::fresh());
        Self { process, addr, shards: 1, flags, envs, data, config: Some(config) }
    }

    /// Ends it and starts it again on the same data, with the same flags and another port.
    #[track_caller]
    pub(crate) fn restart(&mut self, end: End) {
        self.end(end);
        self.start_again();
    }

    /// Ends it; its data stays.
    #[track_caller]
    pub(crate) fn end(&mut self, end: End) {
        match end {
            End::Killed => self.process.child.kill().expect("it is ours"),
            End::Stopped => self.terminate(),
        }
        let status = self.wait();
        assert!(end == End::Killed || status.code() == Some(0), "after SIGTERM: {status}");
    }

    /// Starts it again when it has ended.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        assert!(self.config.is_none(), "mosquitto is not restarted");
        (self.process, self.addr) =
            Process::ringmq(self.shards, &self.flags, &self.envs, &self.data);
    }

    /// The output of this run so far.
    pub(crate) fn said(&self) -> String {
        let said = self.process.said.lock().expect("no holder panics");
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Waits until this run's output contains a text: lines are written a moment after the event.
    #[track_caller]
    pub(crate) fn expect_said(&self, text: &str) {
        while !self.said().contains(text) {
            if let Err(error) = self.process.next_line() {
                panic!("waiting for {text:?} on stderr: {error}");
            }
        }
    }

    /// Ends it and starts it again with other flags.
    #[track_caller]
    pub(crate) fn restart_with(&mut self, end: End, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self.restart(end);
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// The next line of stderr that contains `text`.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        self.process.wait_for_line(text)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The TLS address. It is logged once in a run, and this reads the log up to that line.
    #[track_caller]
    pub(crate) fn tls_addr(&self) -> SocketAddr {
        let line = self.process.wait_for_line(" with TLS");
        let (_, addr) = line.split_once("listening on ").expect("an address stands before it");
        let addr = addr.split(' ').next().expect("split gives at least one");
        addr.parse().expect("an address follows `listening on`")
    }

    /// Asks it to stop, with SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.process.child), Signal::TERM).expect("it is our child");
    }

    /// Asks it to read its files again, with SIGHUP.
    pub(crate) fn hang_up(&self) {
        kill_process(Pid::from_child(&self.process.child), Signal::HUP).expect("it is our child");
    }

    /// Has the broker reload; returns its log line about it.
    #[track_caller]
    pub(crate) fn reload(&self) -> String {
        self.hang_up();
        self.wait_for_line("reloaded")
    }

    /// How it ended, once it has.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        // Its stderr ends with it, so there is nothing to poll.
        loop {
            match self.process.next_line() {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the broker should have ended"),
            }
        }
        self.process.child.wait().expect("it is ours")
    }

    /// Stops it with SIGTERM; it must end with 0.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.terminate();
        assert_eq!(self.wait().code(), Some(0), "SIGTERM ends the broker with 0");
    }

    /// File descriptors and resident memory, as the kernel counts them, without those of the data
    /// directory, whose segment files change independently.
    pub(crate) fn resources(&self) -> Resources {
        let process = PathBuf::from(format!("/proc/{}", self.process.child.id()));
        let fds = fs::read_dir(process.join("fd")).expect("the broker runs");
        let targets = fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        let fds = targets.filter(|target| !target.starts_with(self.data.path())).count();
        let status = fs::read_to_string(process.join("status")).expect("the broker runs");
        let rss_kib: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .and_then(|number| number.trim().parse().ok())
            .expect("VmRSS of a running process");
        Resources { fds, rss_bytes: rss_kib * 1024 }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.process.end();
        if let Some(config) = &self.config {
            let _ = fs::remove_file(config);
        }
    }
}

impl Process {
    /// Runs ringmq on a free port until it listens.
    #[track_caller]
    fn ringmq(
        shards: usize,
        flags: &[String],
        envs: &[(String, String)],
        data: &DataDir,
    ) -> (Self, SocketAddr) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
        data.add_flags(&mut command, flags);
        // Tests run side by side: pinned, their shards would queue for one CPU.
        command.args(["--listen", "127.0.0.1:0", "--no-pin", "--shards", &shards.to_string()]);
        command.args(flags).env_remove("NOTIFY_SOCKET");
        forget_settings(&mut command);
        command.envs(envs.iter().map(|(key, value)| (key, value)));
        let process = Self::spawn(command);
        let line = process.wait_for_line("listening on ");
        let (_, addr) = line.split_once("listening on ").expect("waited for it");
        let addr = addr.split([' ', ',', '"']).next().expect("split gives at least one");
        (process, addr.trim().parse().expect("an address follows `listening on`"))
    }

    #[track_caller]
    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the broker's binary starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("is piped"));
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&said);
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let mut kept = kept.lock().expect("no holder panics");
                if kept.len() + line.len() > STDERR_BYTES_MAX {
                    kept.clear();
                }
                kept.extend_from_slice(&line);
                // Only the start reads lines; later the receiver may be gone.
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            }
        });
        Self { child, command: format!("{command:?}"), said, lines: Mutex::new(lines) }
    }

    /// The next line of stderr that contains `text`.
    #[track_caller]
    fn wait_for_line(&self, text: &str) -> String {
        loop {
            match self.next_line() {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("waiting for {text:?} on stderr: {error}"),
            }
        }
    }

    fn next_line(&self) -> Result<String, RecvTimeoutError> {
        self.lines.lock().expect("no holder panics").recv_timeout(PATIENCE)
    }

    /// Kills it, if it has not ended already.
    fn end(&mut self) {
        // Both fail only if it has, which `wait` has then seen.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            let said = self.said.lock().map(|said| String::from_utf8_lossy(&said).into_owned());
            eprintln!("--- {}\n{}---", self.command, said.unwrap_or_default());
        }
    }
}
