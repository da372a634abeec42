//! Attackers of the operators' listener get an answer or are disconnected, and clients are not
//! affected.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::common::{Client, PINGREQ, PINGRESP, publish};
use crate::http::{Door, exchange, read_reply, request, start};

/// Connections that may be open at once.
const CONNECTIONS_MAX: usize = 64;

/// Headers with a proper Host in front.
fn with_host<'a>(host: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("host", host)], more].concat()
}

/// Whether the broker's clients and its operators are served.
#[track_caller]
fn expect_well(client: &mut Client, door: &Door) {
    client.send(PINGREQ);
    client.expect(PINGRESP);
    client.send(&publish("a", "x").qos1(7).bytes());
    client.expect(&[0x40, 2, 0, 7]);
    assert_eq!(door.ask("GET", "/healthz", &[]).status, 200);
}

// A malformed or oversized request gets an error or the end of the connection.
#[test]
fn what_is_no_request_is_refused() {
    let (broker, door) = start(1, &[]);
    let mut client = Client::connect(&broker, "c");
    let host = door.address.to_string();
    let large = "x".repeat(20_000);
    let many: Vec<(String, String)> = (0..80).map(|n| (format!("x-{n}"), "y".to_owned())).collect();
    let many: Vec<(&str, &str)> =
        many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for (what, bytes, statuses) in [
        (
            "a long line",
            request("GET", &format!("/{large}"), &with_host(&host, &[])),
            &[414, 431, 400][..],
        ),
        ("a long header", request("GET", "/", &with_host(&host, &[("x", &large)])), &[431, 400]),
        ("many headers", request("GET", "/metrics", &with_host(&host, &many)), &[431, 400]),
        ("no HTTP", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a\r\n\r\n".to_vec(), &[400]),
        ("TLS", [&[0x16, 3, 1, 0, 200, 1, 0, 0][..], &[b'\n'; 200]].concat(), &[400]),
        ("no host", request("GET", "/metrics", &[]), &[400]),
        ("two hosts", request("GET", "/metrics", &with_host(&host, &[("host", "a")])), &[400]),
        ("a strange version", b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400, 505]),
        (
            "two lengths",
            request(
                "GET",
                "/metrics",
                &with_host(&host, &[("content-length", "1"), ("content-length", "2")]),
            ),
            &[400],
        ),
        ("CONNECT", request("CONNECT", "evil.example:80", &with_host(&host, &[])), &[421, 404]),
        (
            "another host's URI",
            request("GET", "http://evil.example/metrics", &with_host(&host, &[])),
            &[421],
        ),
    ] {
        let reply = exchange(door.connect(), &bytes);
        assert!(statuses.contains(&reply.status), "{what}: {reply:?}");
        expect_well(&mut client, &door);
    }
    broker.stop();
}

// Half a request holds a place for a while, and all places for no longer: the next is answered.
#[test]
fn idle_connections_are_closed() {
    let (broker, door) = start(1, &[]);
    let mut client = Client::connect(&broker, "c");
    let halves = ["", "G", "GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "];
    let mut idle: Vec<_> = (0..CONNECTIONS_MAX + 10)
        .map(|at| {
            let mut stream = door.connect();
            stream.write_all(halves[at % halves.len()].as_bytes()).expect("it is open");
            stream
        })
        .collect();
    // It waits for its place, and gets one.
    expect_well(&mut client, &door);
    let mut first = idle.swap_remove(0);
    let mut rest = Vec::new();
    // Closed, with an answer that says why or without.
    first.read_to_end(&mut rest).expect("it ends in order");
    drop(idle);
    expect_well(&mut client, &door);
    broker.stop();
}

// A crowd of connections that say nothing, or ask and go, leaves nothing behind.
#[test]
fn crowds_leave_nothing_behind() {
    let (broker, door) = start(1, &[]);
    let mut client = Client::connect(&broker, "c");
    expect_well(&mut client, &door);
    let before = broker.resources();
    for _ in 0..2_000 {
        drop(door.connect());
    }
    for _ in 0..200 {
        let mut stream = door.connect();
        stream.write_all(&request("GET", "/metrics", &[("host", "127.0.0.1")])).expect("open");
        stream.shutdown(Shutdown::Both).expect("it is open");
    }
    expect_well(&mut client, &door);
    let after = broker.resources();
    assert!(after.fds <= before.fds + 2, "{before:?} {after:?}");
    assert!(after.rss_bytes <= before.rss_bytes + (8 << 20), "{before:?} {after:?}");
    broker.stop();
}

// The body of a request without one is not kept: the request is answered, and the connection ends
// or goes on.
#[test]
fn bodies_are_not_kept() {
    let (broker, door) = start(1, &[]);
    let mut client = Client::connect(&broker, "c");
    let mut stream = door.connect();
    let head = format!(
        "GET /healthz HTTP/1.1\r\nhost: {}\r\ncontent-length: 1000000000\r\n\r\n",
        door.address
    );
    stream.write_all(head.as_bytes()).expect("it is open");
    let before = broker.resources();
    // As much as the broker accepts.
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while sent < 64 && stream.write_all(&piece).is_ok() {
        sent += 1;
    }
    expect_well(&mut client, &door);
    assert!(broker.resources().rss_bytes <= before.rss_bytes + (8 << 20));
    let _ = stream.shutdown(Shutdown::Write);
    if let Ok(reply) = read_reply(stream) {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    broker.stop();
}

// Pipelined requests are answered in their order, on one connection.
#[test]
fn requests_follow_each_other() {
    let (broker, door) = start(1, &[]);
    let host = door.address.to_string();
    let mut stream = door.connect();
    let keep = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes();
    let all = [keep("/healthz"), keep("/readyz"), request("GET", "/nowhere", &[("host", &host)])];
    stream.write_all(&all.concat()).expect("it is open");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it ends in order");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("HTTP/")).collect();
    assert_eq!(lines, ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"], "{text}");
    broker.stop();
}
