//! The programs under test and those that they talk to.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use super::network::Host;
use super::process::{PATIENCE, Process, TempDir};

/// A port for programs that cannot say which one the system has given, or that come back to it. The
/// system gives it to nobody else as long as the test's process runs: a socket is bound to it that
/// does not listen. Who asks for the port itself, with `SO_REUSEADDR` as servers do, gets it.
pub(crate) fn free_port() -> u16 {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("is of TCP");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("a port is free");
    let address = socket.local_addr().expect("is bound").as_socket();
    std::mem::forget(socket);
    address.expect("is of IPv4").port()
}

/// A ringmq on a Unix socket, which is the same after a restart.
pub(crate) struct Broker {
    pub(crate) process: Process,
    directory: TempDir,
    host: Host,
    flags: Vec<String>,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(flags: &[&str]) -> Self {
        Self::start_in(TempDir::new(), Host::own(), flags)
    }

    /// A broker on a host, whose files are in a directory.
    pub(crate) fn start_in(directory: TempDir, host: Host, flags: &[&str]) -> Self {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let process = Self::spawn(&directory, &host, &flags);
        Self { process, directory, host, flags }
    }

    fn spawn(directory: &TempDir, host: &Host, flags: &[String]) -> Process {
        let program = Path::new(env!("CARGO_BIN_EXE_ringmq-bridge")).with_file_name("ringmq");
        assert!(program.exists(), "{} is missing: cargo build --bin ringmq", program.display());
        let mut command = host.command(&program);
        let socket = format!("unix:{}", directory.join("mqtt.sock").display());
        command.args(["--listen", &socket, "--sys-interval", "0"]);
        if !flags.iter().any(|flag| flag == "--http-listen") {
            command.args(["--http-listen", "none"]);
        }
        command.args(["--segment-bytes", "1048576", "--disk-low", "0", "--shards", "1"]);
        command.arg("--data-dir").arg(directory.join("data"));
        if let Ok(ring) = std::env::var("RINGMQ_TEST_RING") {
            command.args(["--ring", &ring]);
        }
        let process = Process::spawn({
            command.args(flags);
            command
        });
        process.wait_for_line("listening on ");
        process
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("mqtt.sock")
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// As the configuration names it.
    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = Self::spawn(&self.directory, &self.host, &self.flags);
    }
}

/// Debian's mosquitto.
pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Mosquitto {
    pub(crate) fn start() -> Self {
        let (port, directory) = (free_port(), TempDir::new());
        let config = directory.join("mosquitto.conf");
        let text = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n\
             max_queued_messages 0\n"
        );
        fs::write(&config, text).expect("the directory is writable");
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(&config);
        let process = Process::spawn(command);
        process.wait_for_line(" running");
        Self { port, _process: process, _directory: directory }
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }
}

/// The bridge.
pub(crate) struct Bridge {
    pub(crate) process: Process,
    directory: TempDir,
    host: Host,
    http: String,
}

impl Bridge {
    /// Runs it with this configuration, to which `[http]` and the state's directory are added.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_on(Host::own(), config)
    }

    /// Runs it on a host.
    pub(crate) fn start_on(host: Host, config: &str) -> Self {
        let directory = TempDir::new();
        let (state, address) = (directory.path().display(), &host.address);
        let text = format!("state_dir = \"{state}\"\n{config}\n[http]\nlisten = \"{address}:0\"\n");
        fs::write(directory.join("bridge.toml"), text).expect("the directory is writable");
        let (process, http) = Self::spawn(&directory, &host);
        Self { process, directory, host, http }
    }

    fn spawn(directory: &TempDir, host: &Host) -> (Process, String) {
        let mut command = host.command(Path::new(env!("CARGO_BIN_EXE_ringmq-bridge")));
        command.arg("run").arg(directory.join("bridge.toml"));
        let process = Process::spawn(command);
        let line = process.wait_for_line("operators' HTTP at http://");
        let (_, http) = line.split_once("http://").expect("is in the line");
        (process, http.trim().to_owned())
    }

    /// SIGKILL, and a new start with the same configuration and state.
    pub(crate) fn kill_and_start(&mut self) {
        self.process.kill();
        self.start_again();
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn start_again(&mut self) {
        (self.process, self.http) = Self::spawn(&self.directory, &self.host);
    }

    /// SIGKILL, the loss of the files in its state directory, and a new start.
    pub(crate) fn forget_and_start(&mut self) {
        self.process.kill();
        let files = fs::read_dir(self.directory.path()).expect("is there");
        let files = files.map(|file| file.expect("is readable").path());
        let own = files.filter(|path| path.extension().is_some_and(|it| it == "position"));
        let lost = own.map(|path| fs::remove_file(path).expect("is the bridge's"));
        assert!(lost.count() > 0, "the bridge has files of positions");
        self.start_again();
    }

    /// Status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.http).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("is set");
        let host = &self.http;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.expect("an HTTP status"), body.to_owned())
    }

    /// Waits until a metric of a flow is `wanted`: it is counted a moment after what it counts.
    #[track_caller]
    pub(crate) fn expect_metric(&self, name: &str, flow: &str, wanted: impl Fn(f64) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(self.metric(name, flow)) {
            let is = self.metric(name, flow);
            assert!(Instant::now() < deadline, "{name} of {flow} is {is}");
        }
    }

    /// A metric of a flow.
    pub(crate) fn metric(&self, name: &str, flow: &str) -> f64 {
        metric(&self.get("/metrics").1, name, flow)
    }
}

/// A metric of a flow in the text of `/metrics`.
pub(crate) fn metric(text: &str, name: &str, flow: &str) -> f64 {
    let start = format!("ringmq_bridge_{name}{{flow=\"{flow}\"");
    let line = text.lines().find(|line| line.starts_with(&start));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_else(|| panic!("there is no {start} in\n{text}"))
}
