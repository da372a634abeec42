//! `ringmq ctl` on a terminal: tables, questions, and a screen that is redrawn.
//!
//! The terminal is a pseudo-terminal of `script` (util-linux), which copies the output.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use crate::common::{Broker, Client, connect};
use crate::http::start;

/// Runs `ringmq ctl` on a terminal. It does not ignore SIGINT, also where the tests do, as they do
/// when a shell runs them in the background.
fn on_terminal(broker: &Broker, arguments: &str) -> Child {
    on_terminal_of_kind("xterm", broker, arguments)
}

/// The same on a terminal with this name of its kind.
fn on_terminal_of_kind(kind: &str, broker: &Broker, arguments: &str) -> Child {
    let program = env!("CARGO_BIN_EXE_ringmq");
    let socket = broker.data_dir().join("admin.sock");
    let line = format!(
        "exec env --default-signal=INT {program} ctl {arguments} --at unix:{}",
        socket.display()
    );
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env_remove("RINGMQ_TOKEN").env_remove("RINGMQ_ADMIN").env("TERM", kind);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("util-linux is there")
}

/// Reads the output up to a text.
#[track_caller]
fn read_to(child: &mut Child, text: &str) -> String {
    let stdout = child.stdout.as_mut().expect("it is piped");
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&read).contains(text) {
        let got = stdout.read(&mut byte).expect("it prints");
        assert_eq!(got, 1, "it ended: {}", String::from_utf8_lossy(&read));
        read.extend(byte);
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Types a line, and waits for the end; returns the rest of the output and the exit code.
fn finish(mut child: Child, line: &str) -> (String, Option<i32>) {
    child.stdin.as_mut().expect("it is piped").write_all(line.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    (String::from_utf8(output.stdout).expect("UTF-8"), output.status.code())
}

// A list is a table with aligned columns, also with wide characters in it.
#[test]
fn tables_are_aligned() {
    let (broker, _door) = start(1, &[]);
    let clients = ["温度", "ab"].map(|id| Client::connect(&broker, id));
    let (text, code) = finish(on_terminal(&broker, "clients ls --columns id,vhost"), "");
    let lines: Vec<&str> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(lines[0], "id    vhost", "{text}");
    assert!(lines.contains(&"温度  /") && lines.contains(&"ab    /"), "{text}");
    drop(clients);
    broker.stop();
}

// A deletion asks for confirmation: any answer but yes changes nothing.
#[test]
fn questions_are_asked() {
    let (broker, door) = start(1, &[]);
    let mut client = Client::connect_with(&broker, &connect("c").persistent());
    for (answer, code, is_there) in [("n\n", 1, true), ("\n", 1, true), ("Yes\n", 0, false)] {
        let mut child = on_terminal(&broker, "clients kick c");
        let asked = read_to(&mut child, "[y/N] ");
        assert!(asked.contains("Disconnect client \"c\" in vhost \"/\""), "{asked}");
        let (text, ended) = finish(child, answer);
        assert_eq!(ended, Some(code), "{answer:?}: {text}");
        let status = door.get("/api/v1/client?id=c").status;
        assert_eq!(status, if is_there { 200 } else { 404 }, "{answer:?}: {text}");
    }
    client.expect_closed();
    broker.stop();
}

// With --watch the screen is redrawn until the command is interrupted.
#[test]
fn watched_screens_are_drawn_anew() {
    let (broker, _door) = start(1, &[]);
    let mut child = on_terminal(&broker, "clients ls --columns id --watch 100ms");
    let clear = "\u{1b}[H\u{1b}[2J";
    read_to(&mut child, clear);
    let client = Client::connect(&broker, "newcomer");
    let text = read_to(&mut child, "newcomer");
    assert!(text.contains("id"), "{text}");
    read_to(&mut child, clear);
    // Control-C, as the terminal passes it on.
    let (_, code) = finish(child, "\u{3}");
    assert_ne!(code, Some(0));
    drop(client);
    broker.stop();
}

// A terminal without control sequences gets none: tables follow each other.
#[test]
fn dumb_terminals_get_tables_only() {
    let (broker, _door) = start(1, &[]);
    for kind in ["dumb", ""] {
        let mut child =
            on_terminal_of_kind(kind, &broker, "clients ls --columns id,vhost --watch 100ms");
        let mut text = read_to(&mut child, "vhost");
        text += &read_to(&mut child, "vhost");
        let (rest, _) = finish(child, "\u{3}");
        text += &rest;
        assert!(!text.contains('\u{1b}'), "{kind:?}: {text:?}");
        assert!(text.contains("\r\n\r\nid"), "tables are apart: {text:?}");
    }
    broker.stop();
}
