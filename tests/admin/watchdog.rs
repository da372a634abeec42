//! The service manager is told that the broker is well, but not while a shard does not answer.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use crate::common::{Broker, DataDir, PATIENCE};
use crate::http::Door;

/// Stops one thread of a process as a debugger does, until its standard input ends.
const STOP_THREAD: &str = r#"
import ctypes, os, sys
SEIZE, INTERRUPT, WAIT_ALL = 0x4206, 0x4207, 0x40000000
libc, tid = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
for request in SEIZE, INTERRUPT:
    if libc.ptrace(request, tid, None, None) < 0:
        print("refused:", os.strerror(ctypes.get_errno()), flush=True)
        sys.exit()
os.waitpid(tid, WAIT_ALL)
print("stopped", flush=True)
sys.stdin.read()
"#;

/// A stopped thread; dropping it continues the thread.
struct Stopped(Child);

impl Stopped {
    /// `None`: the system does not allow stopping it.
    #[track_caller]
    fn thread(broker: &Broker, name: &str) -> Option<Self> {
        let tasks = fs::read_dir(format!("/proc/{}/task", broker.pid())).expect("it runs");
        let mut paths = tasks.map(|task| task.expect("it runs").path());
        let is_it = |comm: String| comm.trim() == name;
        let path = paths.find(|path| fs::read_to_string(path.join("comm")).is_ok_and(is_it));
        let path = path.unwrap_or_else(|| panic!("no thread is called {name}"));
        let mut child = Command::new("python3")
            .args(["-c", STOP_THREAD])
            .arg(path.file_name().expect("it has a number"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
        said.read_line(&mut line).expect("it says something");
        let stopped = Self(child);
        match line.trim() {
            "stopped" => Some(stopped),
            other if other.starts_with("refused: ") => {
                println!("threads cannot be stopped here: {other}");
                None
            }
            other => panic!("python3 says {other:?}"),
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A service manager's end.
struct Manager {
    socket: UnixDatagram,
    path: String,
    _directory: DataDir,
}

impl Manager {
    fn new() -> Self {
        let directory = DataDir::fresh();
        fs::create_dir(directory.path()).expect("nobody else has it");
        let path = directory.path().join("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("it is ours");
        socket.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
        let path = path.to_str().expect("it is text").to_owned();
        Self { socket, path, _directory: directory }
    }

    /// A broker that it watches.
    #[track_caller]
    fn start(&self, shards: usize, flags: &[&str]) -> Broker {
        let envs = [("NOTIFY_SOCKET", &*self.path), ("WATCHDOG_USEC", "600000")];
        Broker::start_in(shards, flags, &envs)
    }

    /// Waits until the manager was sent this text.
    #[track_caller]
    fn wait_for(&self, text: &str) {
        let mut bytes = [0; 256];
        loop {
            let count = self.socket.recv(&mut bytes).unwrap_or_else(|error| {
                panic!("waiting for {text}: {error}");
            });
            if &bytes[..count] == text.as_bytes() {
                return;
            }
        }
    }

    /// Takes all messages so far.
    fn take(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).expect("it is ours");
        let mut bytes = [0; 256];
        let next = || {
            let count = self.socket.recv(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes[..count]).into_owned())
        };
        let told = std::iter::from_fn(next).collect();
        self.socket.set_nonblocking(false).expect("it is ours");
        told
    }
}

// While every shard answers, the manager is told periodically; not while one shard is stopped,
// although the others serve; and again when it continues.
#[test]
fn pings_need_every_shard() {
    let manager = Manager::new();
    let broker = manager.start(2, &["--http-listen", "127.0.0.1:0"]);
    let door = Door::of(&broker);
    manager.wait_for("READY=1");
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    let Some(stopped) = Stopped::thread(&broker, "shard-1") else { return };
    broker.wait_for_line("shard 1 does not answer");
    manager.take();
    // Each request takes the time that a silent shard has for an answer.
    for _ in 0..3 {
        let text = door.ask("GET", "/metrics", &[]).body;
        assert!(text.contains("ringmq_ready 1\n"), "{text}");
    }
    assert_eq!(manager.take(), [""; 0]);
    drop(stopped);
    broker.wait_for_line("every shard answers again");
    manager.wait_for("WATCHDOG=1");
    broker.stop();
    manager.wait_for("STOPPING=1");
}

// A broker without an operators' interface tells its manager too; a broker without a watchdog does
// not.
#[test]
fn pings_need_no_door() {
    let manager = Manager::new();
    let broker = manager.start(1, &[]);
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    broker.stop();
    manager.take();
    let told = [("NOTIFY_SOCKET", &*manager.path), ("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", "1")];
    Broker::start_in(1, &[], &told).stop();
    assert_eq!(manager.take(), ["READY=1", "STOPPING=1"]);
}

// A reload is reported when every shard has taken it, and a shard that does not run is named by
// their number, and not waited for any longer.
#[test]
fn reloads_wait_for_every_shard() {
    let broker = Broker::start(2);
    let Some(stopped) = Stopped::thread(&broker, "shard-1") else { return };
    broker.hang_up();
    broker.wait_for_line(" of 2 shards have not taken this within 2 s");
    broker.wait_for_line("INFO  reloaded");
    drop(stopped);
    broker.reload();
    broker.stop();
}
