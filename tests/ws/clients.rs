//! Clients that others wrote, over WebSocket: paho-mqtt, MQTT.js in Node and in a browser.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::authority::Authority;
use crate::common::{Broker, PATIENCE, in_repository, run};
use crate::door::Doors;

const SHARDS: [usize; 2] = [1, 2];

fn paho() -> Command {
    let mut command = Command::new(in_repository("target/test-env/venv/bin/python"));
    command.arg(in_repository("tests/clients/paho_suite.py")).env("TRANSPORT", "websockets");
    command
}

fn mqttjs() -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", in_repository("target/test-env/node/node_modules"));
    command.arg(in_repository("tests/clients/mqttjs_suite.js")).env("TRANSPORT", "websockets");
    command
}

/// Runs a suite against brokers, with each version of MQTT.
fn suite(script: impl Fn() -> Command) {
    for shards in SHARDS {
        let broker = Broker::start(shards);
        for version in ["3.1", "3.1.1"] {
            println!("{shards} shards, MQTT {version}");
            let port = broker.addr().port().to_string();
            run(script().args(["127.0.0.1", &port, version]));
        }
        broker.expect_said(", WebSocket)");
    }
}

/// The same over TLS.
fn suite_over_tls(version: &str, script: impl Fn() -> Command) {
    let authority = Authority::new();
    for shards in SHARDS {
        let doors = Doors::open(shards, &authority.server(), &[]);
        let port = doors.addr.port().to_string();
        run(script().args(["127.0.0.1", &port, "3.1.1"]).arg(&authority.file).arg(version));
        doors.broker.expect_said(", WebSocket, TLS 1.3)");
    }
}

// paho-mqtt works over WebSocket.
#[test]
fn paho_over_websocket() {
    suite(paho);
    suite_over_tls("TLSv1_3", paho);
}

// MQTT.js in Node works over WebSocket.
#[test]
fn mqttjs_over_websocket() {
    suite(mqttjs);
    suite_over_tls("TLSv1.3", mqttjs);
}

/// The page of the test, which reports the result to its own server.
const PAGE: &str = r#"<!doctype html><title>test</title><script src="/mqtt.js"></script><script>
const tell = (text) => fetch('/told', { method: 'POST', body: text });
const url = new URLSearchParams(location.search).get('broker');
const client = mqtt.connect(url, { clientId: 'page', reconnectPeriod: 0, connectTimeout: 20000 });
const big = 'x'.repeat(100000);
let came = 0;
client.on('error', (error) => tell('error: ' + error.message));
client.on('close', () => tell('closed after ' + came));
client.on('connect', () => {
  client.subscribe('page/#', { qos: 2 }, () => {
    client.publish('page/0', 'zero');
    client.publish('page/1', 'one', { qos: 1 });
    client.publish('page/2', big, { qos: 2 });
  });
});
client.on('message', (topic, payload) => {
  const due = { 'page/0': 'zero', 'page/1': 'one', 'page/2': big }[topic];
  came += payload.toString() === due ? 1 : 1000;
  if (came === 3) client.end();
});
</script>"#;

/// A browser without a window, and its profile. A drop ends it.
struct Browser {
    child: Child,
    profile: PathBuf,
}

impl Browser {
    fn open(url: &str) -> Self {
        let profile = std::env::temp_dir().join(format!(
            "ringmq-test-chromium-{}-{:?}",
            std::process::id(),
            thread::current().id()
        ));
        let child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            // The tests' own authority is not among those it knows.
            .args(["--disable-dev-shm-usage", "--ignore-certificate-errors"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(["--remote-debugging-port=0", url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is installed: scripts/test does it");
        Self { child, profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser may have ended; its children end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// Serves the page and the library to a browser; sends what the page reports.
fn serve(listener: TcpListener, told: mpsc::Sender<String>) {
    let library = in_repository("target/test-env/node/node_modules/mqtt/dist/mqtt.min.js");
    let library = fs::read_to_string(library).expect("is text");
    let serve_one = move |mut stream: TcpStream| -> std::io::Result<bool> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = String::new();
        reader.take(length).read_to_string(&mut body)?;
        let (kind, content) = match first.split(' ').nth(1).unwrap_or_default() {
            "/mqtt.js" => ("text/javascript", library.as_str()),
            "/told" => ("text/plain", ""),
            _ => ("text/html", PAGE),
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{content}",
            content.len()
        )?;
        // The test may have ended already.
        Ok(first.starts_with("POST") && told.send(body).is_err())
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A browser opens connections that it does not use.
            if let Ok(true) = stream.and_then(&serve_one) {
                return;
            }
        }
    });
}

/// The report of a page that a browser opens on this host, with a broker at this address.
#[track_caller]
fn told_by_page(host: &str, url: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let own = listener.local_addr().expect("is bound").port();
    let (sender, told) = mpsc::channel();
    serve(listener, sender);
    let _browser = Browser::open(&format!("http://{host}:{own}/?broker={url}"));
    told.recv_timeout(2 * PATIENCE).expect("the page tells how it went")
}

// A page in a browser passes messages at every QoS, also over TLS. A page that --ws-origin does not
// name cannot connect.
#[test]
fn page_in_a_browser() {
    let authority = Authority::new();
    let doors = Doors::open(2, &authority.server(), &[]);
    let plain = format!("ws://127.0.0.1:{}/mqtt", doors.broker.addr().port());
    assert_eq!(told_by_page("127.0.0.1", &plain), "closed after 3");
    let line = doors.broker.wait_for_line("\"page\": connected from ");
    assert!(line.ends_with(", WebSocket)\n"), "{line}");
    let sealed = format!("wss://127.0.0.1:{}/mqtt", doors.addr.port());
    assert_eq!(told_by_page("localhost", &sealed), "closed after 3");
    let line = doors.broker.wait_for_line("\"page\": connected from ");
    assert!(line.ends_with(", WebSocket, TLS 1.3)\n"), "{line}");
    let refusing = Broker::start_with(1, &["--ws-origin", "https://app.example"]);
    let plain = format!("ws://127.0.0.1:{}/mqtt", refusing.addr().port());
    let said = told_by_page("localhost", &plain);
    assert!(said.starts_with("closed after 0") || said.starts_with("error"), "{said}");
    refusing.wait_for_line("answered with 403");
}
