//! The addresses of the operators' interface.

use std::net::TcpListener;

use crate::common::{Broker, Client, DataDir, PINGREQ, PINGRESP, run_to_exit};
use crate::http::{ask_unix, start};

// With `unix` only the socket answers; with `none` nothing does, and there is no thread for it.
#[test]
fn places_are_chosen() {
    let broker = Broker::start_with(1, &["--http-listen", "unix"]);
    let line = broker.wait_for_line("answering operators on ");
    assert!(line.contains("unix:") && !line.contains("http://"), "{line}");
    assert_eq!(ask_unix(broker.data_dir(), "GET", "/healthz").status, 200);
    broker.stop();
    let broker = Broker::start_with(1, &["--http-listen", "none"]);
    assert!(!broker.data_dir().join("admin.sock").exists());
    assert!(!broker.data_dir().join("admin.token").exists());
    let tasks = std::fs::read_dir(format!("/proc/{}/task", broker.pid())).expect("it runs");
    let names = tasks.map(|task| {
        let comm = task.expect("it can be read").path().join("comm");
        std::fs::read_to_string(comm).unwrap_or_default().trim().to_owned()
    });
    let names: Vec<String> = names.collect();
    assert!(!names.contains(&"admin".to_owned()), "{names:?}");
    broker.stop();
}

// An address in use prevents the start if a flag names it; for the default address it causes a
// warning with advice, and the socket still answers.
#[test]
fn addresses_in_use_are_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    let flags = ["--listen=127.0.0.1:0", "--shards=1", "--http-listen", &address];
    let (code, says) = run_to_exit(&flags);
    assert_eq!(code, Some(1), "{says}");
    assert!(says.contains(&format!("--http-listen: cannot listen on {address}")), "{says}");
    assert!(says.contains("--http-listen none"), "{says}");
    // Another process has the default address, or this test takes it.
    let _usual = TcpListener::bind("127.0.0.1:9883");
    let data = DataDir::fresh();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringmq"));
    let path = data.path().to_str().expect("it is text");
    command.args(["--listen=127.0.0.1:0", "--shards=1", "--no-pin", "--disk-low=0"]);
    command.args(["--segment-bytes", "1MiB", "--ring", &crate::common::ring()]);
    command.args(["--data-dir", path]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    let stderr = child.stderr.take().expect("it is piped");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    let mut warned = false;
    let told = lines.by_ref().map(|line| line.expect("it is text")).find(|line| {
        let tells = line.contains("operators are not answered on http://127.0.0.1:9883");
        warned |= tells && line.contains("in use") && line.contains("--http-listen");
        line.contains("answering operators on ")
    });
    let reply = ask_unix(data.path(), "GET", "/healthz");
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    assert!(warned, "a warning says so");
    assert!(told.is_some_and(|line| line.contains("unix:")));
    assert_eq!(reply.status, 200, "{reply:?}");
}

// A data directory whose path is too long for a socket is served all the same.
#[test]
fn long_paths_are_served() {
    let data = DataDir::fresh();
    let deep = data.path().join("d".repeat(100));
    std::fs::create_dir_all(&deep).expect("there is room");
    let deep = deep.to_str().expect("it is text");
    let (broker, door) = {
        let flags = ["--http-listen", "127.0.0.1:0", "--data-dir", deep];
        let broker = Broker::start_with(1, &flags);
        let warning = broker.wait_for_line("operators are not answered on unix:");
        assert!(warning.contains("admin.sock"), "{warning}");
        let line = broker.wait_for_line("answering operators on http://");
        (broker, line)
    };
    assert!(!door.contains("unix:"), "{door}");
    let mut client = Client::connect(&broker, "c");
    client.send(PINGREQ);
    client.expect(PINGRESP);
    broker.stop();
}

// The readiness probe reports a stopping broker until its end.
#[test]
fn readiness_ends_with_the_stop() {
    let (broker, door) = start(1, &[]);
    assert_eq!(door.ask("GET", "/readyz", &[]).status, 200);
    let client = Client::connect(&broker, "c");
    broker.terminate();
    broker.expect_said("stopping");
    // The stop may be over before the probe connects.
    if let Ok(stream) = std::net::TcpStream::connect(door.address) {
        let host = door.address.to_string();
        let request = crate::http::request("GET", "/readyz", &[("host", &host)]);
        let mut stream = stream;
        let _ = std::io::Write::write_all(&mut stream, &request);
        if let Ok(reply) = crate::http::read_reply(stream) {
            assert_eq!((reply.status, &*reply.body), (503, "stopping\n"));
        }
    }
    drop(client);
    let mut broker = broker;
    assert_eq!(broker.wait().code(), Some(0));
}
