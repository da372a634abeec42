//! Line protocol: a server of the test's own, with the manners of others.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::harness::{Bridge, Broker, Client, PATIENCE};

/// A server that hands each request's lines to the test, and answers as `judge` says.
struct Server {
    port: u16,
    requests: Receiver<Vec<String>>,
}

impl Server {
    fn start(judge: impl Fn(usize, &[String]) -> (u16, &'static str) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("is bound").port();
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            let mut count = 0;
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().expect("is open"));
                while let Some(lines) = read_request(&mut reader) {
                    let (status, body) = judge(count, &lines);
                    count += 1;
                    answer(&stream, status, body);
                    // The test may be over.
                    if status < 300 && sender.send(lines).is_err() {
                        return;
                    }
                }
            }
        });
        Self { port, requests }
    }

    /// Lines that were taken, until there are `count` of them.
    fn lines(&self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < count {
            lines.extend(self.requests.recv_timeout(PATIENCE).expect("lines come"));
        }
        lines
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some((_, value)) = line.to_lowercase().split_once("content-length:") {
            length = value.trim().parse().expect("a length is a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let text = String::from_utf8(body).expect("lines are text");
    Some(text.lines().map(str::to_owned).collect())
}

fn answer(mut stream: &TcpStream, status: u16, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
    // The bridge may have been killed.
    let _ = stream.write_all(text.as_bytes());
}

fn config(home: &Broker, port: u16, keys: &str) -> String {
    format!(
        "[broker]\nurl = \"{}\"\n[[sink]]\nname = \"series\"\nfilters = [\"m/#\"]\n{keys}\n\
         [sink.http]\nurl = \"http://127.0.0.1:{port}/write?db=a\"\nmeasurement = \"{{1}}\"\n\
         tags = {{ line = \"{{2}}\" }}\nfields = {{ v = \"json:$.v:float8\" }}\n",
        home.url()
    )
}

// Each message becomes a line, with its tag and its field, in order.
#[test]
fn messages_become_lines() {
    let home = Broker::start();
    let server = Server::start(|_, _| (204, ""));
    let bridge = Bridge::start(&config(&home, server.port, ""));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    let payloads = (0..1000).map(|number| ("m/l 1", format!("{{\"v\": {number}.5}}")));
    writer.publish_all(payloads, false);
    for (number, line) in server.lines(1000).iter().enumerate() {
        let start = format!("m,line=l\\ 1 v={number}.5 ");
        assert!(line.starts_with(&start), "{line}");
    }
}

// Errors of a moment are tried again; lines that the server does not take are found by halves and
// become dead letters, as do messages that no line can be made of.
#[test]
fn errors_have_their_ways() {
    let home = Broker::start();
    let server = Server::start(|count, lines| match count {
        0 => (503, "starting"),
        1 => (429, "slow down"),
        _ if lines.iter().any(|line| line.contains("v=13 ")) => (400, "field type conflict"),
        _ => (204, ""),
    });
    let mut letters = Client::unix(&home.socket(), "letters", false);
    letters.subscribe("dead/series");
    let bridge = Bridge::start(&config(&home, server.port, "batch = { linger = \"100ms\" }"));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    let payload = |number: usize| match number {
        7 => "no JSON".to_owned(),
        _ => format!("{{\"v\": {number}}}"),
    };
    writer.publish_all((0..50).map(|number| ("m/a", payload(number))), false);
    let mut lines = server.lines(48);
    lines.sort_by_key(|line| line.rsplit(' ').next().map(str::to_owned));
    assert_eq!(lines.len(), 48);
    let mut reasons: Vec<(String, String)> = (0..2)
        .map(|_| {
            let letter = letters.receive();
            let reason = letter.user.iter().find(|(name, _)| name == "ringmq-bridge-reason");
            (letter.payload, reason.expect("has a reason").1.clone())
        })
        .collect();
    reasons.sort();
    assert!(reasons[0].0 == "no JSON" && reasons[0].1.contains("no JSON"), "{reasons:?}");
    assert!(reasons[1].0 == "{\"v\": 13}" && reasons[1].1.contains("type conflict"), "{reasons:?}");
    bridge.expect_metric("dead_total", "series", |value| value == 2.0);
    bridge.expect_metric("retries_total", "series", |value| value == 2.0);
}

// A server that refuses everything stops the sink, which says so once, and its lag grows; messages
// stay in the broker and come when the bridge is started again.
#[test]
fn refusal_of_all_stops_the_sink() {
    let home = Broker::start();
    let server = Server::start(|count, _| match count {
        0 => (401, "who are you?"),
        _ => (204, ""),
    });
    let mut bridge = Bridge::start(&config(&home, server.port, ""));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish("m/a", "{\"v\": 1}");
    let line = bridge.process.wait_for_line("series: stopped: ");
    assert!(line.contains("401") && line.contains("who are you?"), "{line}");
    let (status, says) = bridge.get("/readyz");
    assert_eq!((status, says.contains("series: stopped")), (503, true), "{says}");
    bridge.expect_metric("stopped", "series", |value| value == 1.0);
    // The lag grows, also without a broker that tells it.
    bridge.expect_metric("lag_messages", "series", |value| value == 1.0);
    let before = bridge.metric("lag_seconds", "series");
    bridge.expect_metric("lag_seconds", "series", |value| value > before + 0.5);
    bridge.kill_and_start();
    assert!(server.lines(1)[0].starts_with("m,line=a v=1 "));
}

// The lag counts from when the broker stored a message, not from when the bridge received it: a
// bridge that starts anew shows what the one before it has shown, and more.
#[test]
fn lag_counts_the_wait_in_the_broker() {
    let home = Broker::start();
    let mut bridge = Bridge::start(&config(&home, super::harness::free_port(), ""));
    bridge.process.wait_for_line("subscribed");
    Client::unix(&home.socket(), "writer", false).publish("m/a", "{\"v\": 1}");
    bridge.expect_metric("lag_seconds", "series", |seconds| seconds >= 2.0);
    bridge.kill_and_start();
    bridge.expect_metric("in_flight", "series", |count| count == 1.0);
    let seconds = bridge.metric("lag_seconds", "series");
    assert!(seconds >= 2.0, "{seconds}");
}
