//! The lag in metrics is the broker's.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Instant;

use super::harness::{Bridge, Broker, Client, Link, PATIENCE, TempDir, Way};

/// The broker answers operators, also at the socket in its data directory.
const HTTP: [&str; 2] = ["--http-listen", "127.0.0.1:0"];

/// Messages in a session and the age of the oldest, as the broker tells them.
fn ask(socket: &Path, id: &str) -> (f64, f64) {
    let deadline = Instant::now() + PATIENCE;
    // The broker makes it a moment after it has begun to listen for clients.
    let mut stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    let path = format!("/api/v1/session?id={id}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("is HTTP");
    let answer: serde_json::Value = serde_json::from_str(body).expect("is JSON");
    let (waits, backlog) = (&answer["inflight"], &answer["backlog"]);
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_default();
    (number(waits) + number(&backlog["messages"]), number(&backlog["lag_seconds"]))
}

// A target that is away makes the lag grow: the bridge holds ten messages, and shows all that wait
// in the broker, and the age of the oldest; the truth is the broker's answer before and after.
#[test]
fn lag_is_the_brokers() {
    const COUNT: usize = 1000;
    let home = Broker::start_with(&HTTP);
    let admin = home.data().join("admin.sock");
    let text = format!(
        "[broker]\nurl = \"{}\"\nadmin = \"unix:{}\"\n[[sink]]\nname = \"a\"\n\
         filters = [\"m/#\"]\nwindow = 10\n[sink.mqtt]\nurl = \"unix:/nowhere/mqtt.sock\"\n",
        home.url(),
        admin.display()
    );
    let bridge = Bridge::start(&text);
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish_all((0..COUNT).map(|n| ("m/a", n.to_string())), false);
    bridge.expect_metric("lag_messages", "a", |value| value == COUNT as f64);
    assert!(bridge.metric("in_flight", "a") <= 10.0);
    let before = ask(&admin, "bridge-a");
    let shown = bridge.metric("lag_seconds", "a");
    let after = ask(&admin, "bridge-a");
    assert_eq!((before.0, after.0), (COUNT as f64, COUNT as f64));
    assert!(before.1 - 1.0 <= shown && shown <= after.1 + 1.0, "{before:?} {shown} {after:?}");
}

// A socket that is not there is said once, and the bridge shows what it holds.
#[test]
fn missing_socket_is_said() {
    let home = Broker::start();
    let text = format!(
        "[broker]\nurl = \"{}\"\nadmin = \"unix:/nowhere/admin.sock\"\n[[sink]]\n\
         name = \"a\"\nfilters = [\"m/#\"]\nwindow = 10\n\
         [sink.mqtt]\nurl = \"unix:/nowhere/mqtt.sock\"\n",
        home.url()
    );
    let bridge = Bridge::start(&text);
    bridge.process.wait_until_said("a: subscribed");
    bridge.process.wait_until_said("does not tell what waits: /nowhere/admin.sock: No such file");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish_all((0..20).map(|n| ("m/a", n.to_string())), false);
    bridge.expect_metric("lag_messages", "a", |value| value == 10.0);
}

// `--session-limit` gives the bridge's session a bound of its own, at which publishers wait:
// nothing is dropped while a target is away, however much is published.
#[test]
fn full_session_blocks_publishers() {
    const COUNT: usize = 4000;
    let limit = ["--session-limit", "bridge-*,bytes=1MiB,overflow=block"];
    let home = Broker::start_with(&[&HTTP[..], &limit[..]].concat());
    let other = Broker::start();
    let (near, admin) = (TempDir::new(), home.data().join("admin.sock"));
    let link = Link::unix(near.join("mqtt.sock"), other.socket());
    link.set(Way::Cut);
    let text = format!(
        "[broker]\nurl = \"{}\"\n[[sink]]\nname = \"a\"\nfilters = [\"m/#\"]\nwindow = 10\n\
         [sink.mqtt]\nurl = \"unix:{}\"\n",
        home.url(),
        near.join("mqtt.sock").display()
    );
    let bridge = Bridge::start(&text);
    bridge.process.wait_for_line("subscribed");
    let mut reader = Client::unix(&other.socket(), "reader", false);
    reader.subscribe("m/#");
    let socket = home.socket();
    let publishing = thread::spawn(move || {
        let mut writer = Client::unix(&socket, "writer", false);
        let payload = |number: usize| format!("{number:<1000}");
        writer.publish_all((0..COUNT).map(|number| ("m/a", payload(number))), false);
    });
    while ask(&admin, "bridge-a").0 < 900.0 {
        assert!(!publishing.is_finished(), "the session is full before all is published");
    }
    link.set(Way::Open);
    for number in 0..COUNT {
        assert_eq!(reader.receive().payload.trim_end(), number.to_string());
    }
    publishing.join().expect("all is published");
}
