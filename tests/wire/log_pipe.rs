//! Standard error as a pipe that nobody reads.

use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{
    Client, DataDir, PATIENCE, connack, connect, puback, publish, suback, subscribe,
};

/// Filters that are refused, one line for each at debug: they fill a pipe and the queue in front of
/// it.
const PACKETS: u16 = 12;
const FILTERS: usize = 500;

/// A broker whose standard error is read when the test says so.
struct Muted {
    child: Option<Child>,
    stderr: Option<BufReader<PipeReader>>,
    addr: SocketAddr,
    _data: DataDir,
}

impl Muted {
    fn start(shards: &str) -> Self {
        let data = DataDir::fresh();
        let (reader, writer) = pipe().expect("there are descriptors");
        rustix::pipe::fcntl_setpipe_size(writer.as_fd(), 4_096).expect("it is a pipe");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
        data.add_flags(&mut command, &[""; 0]);
        command.args(["--listen=127.0.0.1:0", "--no-pin", "--log=debug", "--shards", shards]);
        command.arg("--max-topic-levels=1");
        command.stdin(Stdio::null()).stderr(writer).env_remove("NOTIFY_SOCKET");
        let child = command.spawn().expect("the binary starts");
        // The command has the other end.
        drop(command);
        let (stderr, nowhere) = (Some(BufReader::new(reader)), ([0, 0, 0, 0], 0).into());
        let mut broker = Self { child: Some(child), stderr, addr: nowhere, _data: data };
        let line = broker.wait_for("listening on ");
        let (_, addr) = line.split_once("listening on ").expect("it was waited for");
        broker.addr = addr.trim().parse().expect("an address");
        broker
    }

    /// Reads on to the next line that contains `text`, and no further than a buffer.
    fn wait_for(&mut self, text: &'static str) -> String {
        let mut stderr = self.stderr.take().expect("it is there between two calls");
        let (sender, found) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            while !line.contains(text) {
                line.clear();
                let bytes = stderr.read_line(&mut line).expect("it is text");
                assert!(bytes > 0, "the broker ended before it said {text:?}");
            }
            // The test may have given up.
            let _ = sender.send((stderr, line));
        });
        let (stderr, line) =
            found.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{text:?} does not come"));
        self.stderr = Some(stderr);
        line
    }

    /// Has the broker log more than the pipe takes, while nobody reads; clients are still served.
    fn fill(&self) {
        let mut client = Client::over(TcpStream::connect(self.addr).expect("the broker listens"));
        client.send(&connect("client").bytes());
        client.expect(&connack(false, 0));
        for n in 1..=PACKETS {
            client.send(&subscribe(n, &[("too/deep", 0); FILTERS]));
            client.expect(&suback(n, &[0x80; FILTERS]));
            client.send(&publish("a", "x").qos1(n).bytes());
            client.expect(&puback(n));
        }
        client.leave();
    }

    /// Asks it to stop; how it ended.
    fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it is our child");
        let (sender, ended) = mpsc::channel();
        let pid = Pid::from_child(&child);
        thread::spawn(move || sender.send(child.wait()));
        match ended.recv_timeout(PATIENCE) {
            Ok(status) => status.expect("it is our child"),
            Err(_) => {
                let _ = kill_process(pid, Signal::KILL);
                panic!("the broker should have ended");
            }
        }
    }
}

impl Drop for Muted {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only if it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

// While nobody reads the log, clients are served. When somebody reads again, a line reports the
// lost lines. The end does not wait for a reader either.
#[test]
fn nobody_reads_standard_error() {
    for shards in ["1", "2"] {
        let mut broker = Muted::start(shards);
        broker.fill();
        let line = broker.wait_for("lines were lost: standard error was not read");
        assert!(line.contains(" WARN "), "{line}");
        broker.fill();
        assert_eq!(broker.stop().code(), Some(0));
    }
}
