//! The content of the log about clients, its forms, and the signals that affect it.

use std::io::{Read, pipe};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::{
    Broker, Client, DISCONNECT, DataDir, connack, connect, on_shards, puback, publish, run_to_exit,
    until,
};

/// The time within which a signal to stop is the same as the one before.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// Sends a broker a signal.
pub(crate) fn signal(broker: &Broker, signal: Signal) {
    let pid = i32::try_from(broker.pid()).ok().and_then(Pid::from_raw).expect("it runs");
    kill_process(pid, signal).expect("it is our child");
}

/// The lines of a broker that has ended.
fn lines_of(mut broker: Broker) -> Vec<String> {
    broker.terminate();
    assert_eq!(broker.wait().code(), Some(0));
    broker.said().lines().map(str::to_owned).collect()
}

// The log names a client that connects with all fields that an operator needs, and a client that
// leaves with the reason.
#[test]
fn clients_are_named() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::open(broker);
        let addr = client.stream().local_addr().expect("is connected");
        client.send(&connect("dev 1").persistent().keep_alive(60).bytes());
        client.expect(&connack(false, 0));
        let line = broker.wait_for_line(": connected from ");
        let said = format!(
            ": client \"dev 1\": connected from {addr} (MQTT 3.1.1, anonymous, vhost \"/\", new \
             session, keep alive 60 s)\n"
        );
        assert!(line.ends_with(&said) && line.contains(" INFO  shard "), "{line}");
        client.leave();
        let line = broker.wait_for_line("disconnected from ");
        let said =
            format!("client \"dev 1\": disconnected from {addr}: DISCONNECT from the client\n");
        assert!(line.ends_with(&said), "{line}");
        let mut again = Client::open(broker);
        again.send(&connect("dev 1").persistent().bytes());
        again.expect(&connack(true, 0));
        broker.wait_for_line("session found, keep alive 0 s)");
        let mut old = Client::open(broker);
        old.send(&connect("old").v31().bytes());
        old.expect(&connack(false, 0));
        broker.wait_for_line("(MQTT 3.1, anonymous, vhost \"/\", clean session, ");
    });
}

// Each end of a connection has its words, with the numbers in them.
#[test]
fn ends_have_reasons() {
    let broker = Broker::start_with(2, &["--max-packet-size", "1KiB"]);
    let ended = |id: &str, reason: &str| {
        let line = broker.wait_for_line("disconnected from ");
        assert!(line.contains(&format!("client {id:?}: ")), "{line}");
        assert!(line.trim_end().ends_with(reason), "{line}: {reason}");
    };
    drop(Client::connect(&broker, "closes"));
    ended("closes", ": closed by the client without DISCONNECT");
    Client::connect(&broker, "resets").reset();
    ended("resets", ": the network failed: connection reset");
    for (id, bytes, reason) in [
        ("malformed", &[0x36, 2, 0, 0][..], ": malformed: QoS is not 0, 1 or 2"),
        (
            "large",
            &[0x30, 0xfd, 0x0f],
            ": packet of 2048 bytes over --max-packet-size (1024 bytes)",
        ),
        ("twice", &connect("twice").bytes(), ": second CONNECT"),
        ("server", &[0x20, 2, 0, 0], ": packet that a client may not send"),
        ("answer", &[0x90, 3, 0, 1, 0], ": packet that a client may not send"),
    ] {
        let mut client = Client::connect(&broker, id);
        client.send(bytes);
        client.expect_closed();
        ended(id, reason);
    }
    let mut silent = Client::connect_with(&broker, &connect("silent").keep_alive(1));
    silent.expect_closed();
    ended("silent", ": keep alive of 1 s ran out");
    let mut first = Client::connect(&broker, "twin");
    let second = Client::connect(&broker, "twin");
    first.expect_closed();
    let addr = second.stream().local_addr().expect("is connected");
    ended("twin", &format!(": taken over by {addr}"));
}

// A client id that two clients have is said to be so, once.
#[test]
fn flapping_is_said_once() {
    let broker = Broker::start(2);
    let twins: Vec<Client> = (0..8).map(|_| Client::connect(&broker, "twin")).collect();
    let line = broker.wait_for_line("taken over 4 times within a minute, last from ");
    assert!(line.contains("WARN  shard ") && line.contains(": client \"twin\": "), "{line}");
    let addr = |at: usize| twins[at].stream().local_addr().expect("is connected");
    assert!(line.contains(&format!("from {} by {}: ", addr(3), addr(4))), "{line}");
    let flaps = lines_of(broker).iter().filter(|line| line.contains("times within")).count();
    assert_eq!(flaps, 1);
}

// Bytes that cannot start a CONNECT close the connection at once, and the log says what they look
// like.
#[test]
fn strangers_are_told_apart() {
    on_shards(&[1, 2], |broker| {
        for (bytes, looks) in [
            (
                &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
                "looks like TLS; this listener is plain",
            ),
            (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", "looks like a PROXY header"),
            (b"\xc0\0", "begins with byte 0xc0, no CONNECT"),
            (b"\xff", "begins with byte 0xff, no CONNECT"),
        ] {
            let mut client = Client::open(broker);
            let addr = client.stream().local_addr().expect("is connected");
            client.send(bytes);
            client.expect_closed();
            let line = broker.wait_for_line("closed a connection from ");
            assert!(line.contains(&format!("from {addr} before CONNECT: {looks}")), "{line}");
        }
    });
}

// No client id makes a line of its own, or reaches the terminal; and none makes it long.
#[test]
fn names_forge_no_lines() {
    for format in ["text", "json", "journald"] {
        let broker = Broker::start_with(2, &["--log-format", format]);
        let long = "é".repeat(500);
        let ids =
            ["a\n2026-11-29 ERROR all is lost", "\x1b[31mred", "\r\t\x7f", "\"quoted\"", &long];
        for id in ids {
            let mut client = Client::open(&broker);
            client.send(&connect(id).bytes());
            let _accepted_or_not = client.try_read_packet();
        }
        let lines = lines_of(broker);
        assert!(lines.iter().filter(|line| line.contains("connected from")).count() >= ids.len());
        for line in lines {
            assert!(!line.contains(char::is_control) && line.len() < 4_096, "{line:?}");
            let begins = match format {
                "text" => line.starts_with("20") && line[..24].ends_with('Z'),
                "json" => serde_json::from_str::<Value>(&line).is_ok_and(|line| line.is_object()),
                _ => line.starts_with('<') && line[2..].starts_with('>'),
            };
            assert!(begins, "{format}: {line:?}");
        }
    }
}

// JSON has the content of a line in fields as well.
#[test]
fn json_has_fields() {
    let broker = Broker::start_with(2, &["--log-format=json"]);
    let mut client = Client::open(&broker);
    let addr = client.stream().local_addr().expect("is connected").to_string();
    client.send(&connect("dev 1").keep_alive(60).bytes());
    client.expect(&connack(false, 0));
    client.send(DISCONNECT);
    client.expect_closed();
    // Its link ends a little after the close.
    until("each shard says that it has no link", || {
        signal(&broker, Signal::USR1);
        broker.wait_for_line("counted so far: ");
        let lines = parsed(broker.said().lines());
        let last = lines.iter().filter(|line| line["event"] == "state").rev().take(2);
        last.map(|state| &state["links"]).eq([0, 0])
    });
    let lines = parsed(lines_of(broker).iter().map(String::as_str));
    let of = |event: &str| lines.iter().find(|line| line["event"] == event).expect("it is logged");
    let connected = of("connected");
    for (field, value) in [
        ("level", Value::from("info")),
        ("client", "dev 1".into()),
        ("addr", addr.clone().into()),
        ("version", "3.1.1".into()),
        ("vhost", "/".into()),
        ("clean", true.into()),
        ("keep_alive", 60.into()),
        ("session_present", false.into()),
        ("user", Value::Null),
        ("tls", Value::Null),
    ] {
        assert_eq!(connected[field], value, "{field}");
    }
    assert!(connected["shard"].is_u64() && connected["time"].as_str().is_some_and(is_time));
    let gone = of("disconnected");
    assert_eq!((&gone["client"], &gone["addr"]), (&"dev 1".into(), &addr.into()));
    assert_eq!(gone["reason"], "DISCONNECT from the client");
    assert_eq!(of("counted")["clients_accepted"], 1);
    let states = lines.iter().filter(|line| line["event"] == "state");
    let states: Vec<_> = states.map(|line| &line["shard"]).rev().take(2).collect();
    assert_eq!(states, [1, 0]);
}

/// Lines of the log that are JSON.
#[track_caller]
fn parsed<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Value> {
    lines.map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

fn is_time(text: &str) -> bool {
    text.len() == "2026-11-29T12:34:56.789Z".len() && text.ends_with('Z') && text.contains('T')
}

// If standard error is the journal, lines have the form for the journal, unless a flag asks for
// another one. Otherwise they have the text form.
#[test]
fn journal_is_recognised() {
    let said = |flags: &[&str], differs: bool| {
        let data = DataDir::fresh();
        let (mut reader, writer) = pipe().expect("there are descriptors");
        let stat = rustix::fs::fstat(writer.as_fd()).expect("it is open");
        let stream = format!("{}:{}", stat.st_dev, stat.st_ino + u64::from(differs));
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
        data.add_flags(&mut command, &[""; 0]);
        command.args(["--passwords=/nowhere/at/all", "--shards=1"]).args(flags);
        command.env("JOURNAL_STREAM", stream).stdin(Stdio::null()).stderr(writer);
        let status = command.status().expect("the binary starts");
        assert_eq!(status.code(), Some(1));
        // The command has the other end.
        drop(command);
        let mut said = String::new();
        reader.read_to_string(&mut said).expect("it is text");
        said
    };
    let text = said(&[], false);
    let (first, last) = (text.lines().next(), text.lines().last());
    assert!(first.is_some_and(|line| line.starts_with("<6>ringmq ")), "without a time: {text}");
    assert!(last.is_some_and(|line| line.starts_with("<3>--passwords")), "an error: {text}");
    for (flags, differs) in [(&[][..], true), (&["--log-format=text"][..], false)] {
        let text = said(flags, differs);
        assert!(text.starts_with("20") && text.contains(" ERROR "), "{text}");
    }
}

// A crowd that connects at once is named up to a limit; the sums count all others.
#[test]
fn storms_are_summed_up() {
    const CROWD: usize = 2_000;
    let broker = Broker::start(1);
    let mut clients: Vec<Client> = (0..CROWD)
        .map(|n| {
            let mut client = Client::open(&broker);
            client.send(&connect(format!("c{n}")).bytes());
            client
        })
        .collect();
    clients.iter_mut().for_each(|client| client.expect(&connack(false, 0)));
    let (mut named, mut summed) = (0, 0);
    while named + summed < CROWD {
        let line = broker.wait_for_line("connected");
        match line.split_once(" more clients connected") {
            Some((before, _)) => {
                let count = before.rsplit(' ').next().expect("rsplit gives at least one");
                summed += count.parse::<usize>().expect("a count");
            }
            None if line.contains(": connected from ") => named += 1,
            None => panic!("nobody left: {line}"),
        }
    }
    assert_eq!(named + summed, CROWD);
    assert!(summed > 0, "all were named");
}

// Lines about connections can be switched off; refusals are still logged.
#[test]
fn connections_can_be_left_out() {
    let broker = Broker::start_with(1, &["--log-connections", "off", "--max-connections", "1"]);
    let client = Client::connect(&broker, "one");
    let mut refused = Client::open(&broker);
    refused.send(&connect("two").bytes());
    refused.expect(&connack(false, 3));
    let line = broker.wait_for_line("client \"two\": refused from ");
    assert!(line.contains("anonymous: as many clients are connected as may be"), "{line}");
    client.leave();
    let lines = lines_of(broker);
    assert!(!lines.iter().any(|line| line.contains("connected from")), "{lines:#?}");
}

// Each SIGUSR1 logs the counters and every shard's state, and never ends the broker.
#[test]
fn sigusr1_tells_the_state() {
    let broker = Broker::start(2);
    let mut client = Client::connect(&broker, "client");
    client.send(&publish("a", "x").qos1(1).bytes());
    client.expect(&puback(1));
    signal(&broker, Signal::USR1);
    for shard in 0..2 {
        let line = broker.wait_for_line(&format!("state of shard {shard}: "));
        for figure in ["clients ", "links ", "sessions ", "log_committed ", "queued_bytes "] {
            assert!(line.contains(figure), "{figure} is not in: {line}");
        }
    }
    let line = broker.wait_for_line("counted so far: ");
    for count in ["clients_accepted 1,", "publishes_in 1,", "closed_malformed 0,", "unrouted 1"] {
        assert!(line.contains(count), "{count} is not in: {line}");
    }
    (0..100).for_each(|_| signal(&broker, Signal::USR1));
    broker.wait_for_line("counted so far: ");
    client.send(&publish("a", "x").qos1(2).bytes());
    client.expect(&puback(2));
    broker.stop();
}

// SIGUSR2 turns debug lines on, and off again.
#[test]
fn sigusr2_toggles_debug() {
    let broker = Broker::start(1);
    let mut accepted = Vec::new();
    for on in [true, false, true] {
        signal(&broker, Signal::USR2);
        broker.wait_for_line(if on { "debug lines are on" } else { "debug lines are off again" });
        let client = Client::connect(&broker, "client");
        accepted.push(client.stream().local_addr().expect("is connected"));
        client.leave();
    }
    let lines = lines_of(broker);
    let is_told = |at: usize| {
        let says = format!("accepted from {}", accepted[at]);
        lines
            .iter()
            .any(|line| line.contains(" DEBUG reactor::receiving: ") && line.ends_with(&says))
    };
    assert_eq!([0, 1, 2].map(is_told), [true, false, true], "{lines:#?}");
}

// The same signal to stop, sent twice, stops the broker in order.
#[test]
fn sigterm_twice_is_once() {
    for _ in 0..10 {
        let mut broker = Broker::start(2);
        let mut client = Client::connect(&broker, "client");
        let begun = Instant::now();
        broker.terminate();
        broker.wait_for_line("INFO  stopping");
        broker.terminate();
        client.expect_closed();
        let ended = broker.wait();
        if begun.elapsed() >= SAME_SIGNAL {
            // On a busy machine, the broker may have taken it for a second request.
            continue;
        }
        assert_eq!(ended.code(), Some(0));
        assert!(broker.said().contains("counted: clients_accepted 1"), "{}", broker.said());
    }
}

// The lines of the start have what an operator needs first, and a warning about short resources.
#[test]
fn start_says_what_there_is() {
    let broker = Broker::start_with(2, &["--durability", "os", "--segment-bytes", "1MiB"]);
    let dir = broker.data_dir().canonicalize().expect("it is there");
    let lines = lines_of(broker);
    for says in [
        &format!("data directory {}, durability os: ", dir.display()),
        "files allocated ahead, 1 MiB each at first",
        "no users: clients of this host may connect",
        "2 shards on ",
        "by the limit of ",
        "listening on 127.0.0.1:",
        "counted: nothing",
    ] {
        assert!(lines.iter().any(|line| line.contains(says)), "{says:?} is not in: {lines:#?}");
    }
    let broker = Broker::start_with(1, &["--max-connections", "4000000000"]);
    let lines = lines_of(broker);
    let warns = |line: &&String| line.contains(" WARN ") && line.contains("--max-connections is 4");
    assert_eq!(lines.iter().filter(warns).count(), 1, "{lines:#?}");
}

// A message without subscribers is counted once, on any number of shards.
#[test]
fn unrouted_is_counted_once() {
    for shards in [1, 2, 4] {
        let broker = Broker::start(shards);
        let mut client = Client::connect(&broker, "client");
        for n in 1..=20 {
            client.send(&publish(format!("t/{n}"), "x").retained().qos1(n).bytes());
            client.expect(&puback(n));
        }
        broker.terminate();
        let line = broker.wait_for_line("counted:");
        assert!(line.trim_end().ends_with("unrouted 20"), "{shards} shards: {line}");
    }
}

// An error that keeps the broker from starting is logged before it ends.
#[test]
fn start_errors_are_said() {
    for format in ["text", "json", "journald"] {
        let flags = ["--passwords=/nowhere/at/all", "--log-format", format];
        let (code, said) = run_to_exit(&flags);
        assert_eq!(code, Some(1));
        assert!(said.contains("/nowhere/at/all"), "{format}: {said}");
    }
}
