//! The HTTP requests that listeners get, and how they are answered.

use std::io::{Read, Write};

use crate::common::websocket::{WebSocket, request, socket};
use crate::common::{Broker, Client, connack, connect, on_shards};

/// The answer to a request, whole, from a broker that closes.
#[track_caller]
fn answer(broker: &Broker, request: &str) -> String {
    let mut socket = socket(broker);
    socket.write_all(request.as_bytes()).expect("the broker reads it");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the broker answers and closes");
    answer
}

// A request that opens no WebSocket is answered with a status and an explanation, and the log names
// its address and the reason.
#[test]
fn refused_requests() {
    on_shards(&[1, 2], |broker| {
        for (asked, status, says) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 426, "does not ask for a WebSocket"),
            ("GET /\r\n\r\n".to_owned(), 400, "not HTTP/1.1"),
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 405, "begins with GET"),
            (request("/elsewhere", ""), 404, "--ws-path"),
            (request("/", "Origin: https://evil.example\r\n"), 403, "--ws-origin"),
            (request("/", "Origin: null\r\n"), 403, "--ws-origin"),
            (request("/", &format!("X: {}\r\n", "x".repeat(9000))), 431, "8 KiB"),
        ] {
            let came = answer(broker, &asked);
            assert!(came.starts_with(&format!("HTTP/1.1 {status} ")), "{came}");
            assert!(came.contains("MQTT broker") && came.contains(says), "{came}");
            let line = broker.wait_for_line("closed a connection from 127.0.0.1:");
            assert!(line.contains(&format!("answered with {status}: ")), "{line}");
            assert!(line.contains(says), "{line}");
        }
        assert!(
            broker.said().contains("https://evil.example"),
            "the log names the page: {}",
            broker.said()
        );
    });
}

// The flags decide the path and the allowed origins.
#[test]
fn flags_say_where_and_for_whom() {
    let flags = ["--ws-path", "/broker", "--ws-origin", "https://App.example:443"];
    let broker = Broker::start_with(1, &flags);
    for (path, origin, status) in [
        ("/broker", "", 101),
        ("/broker", "Origin: https://app.example\r\n", 101),
        ("/broker", "Origin: http://localhost\r\n", 403),
        ("/broker", "Origin: https://app.example:444\r\n", 403),
        ("/mqtt", "", 404),
    ] {
        let mut socket = socket(&broker);
        socket.write_all(request(path, origin).as_bytes()).expect("the broker reads it");
        let mut came = [0; 12];
        socket.read_exact(&mut came).expect("the broker answers");
        assert_eq!(came.as_slice(), format!("HTTP/1.1 {status}").as_bytes(), "{path} {origin}");
    }
}

// A listener of one protocol alone refuses the other, and says so.
#[test]
fn listeners_of_one_protocol() {
    let broker = Broker::start_with(1, &["--listen", "127.0.0.1:0,ws"]);
    let line = broker.wait_for_line(", WebSocket alone");
    let (_, rest) = line.split_once("listening on ").expect("it listens");
    let addr = rest.split(',').next().expect("an address").to_owned();
    let wire = std::net::TcpStream::connect(&addr).expect("it listens");
    crate::common::websocket::prepare(&wire);
    let mut client = WebSocket::open_over(Box::new(wire));
    client.send(&connect("over-ws").bytes());
    client.expect(&connack(false, 0));
    let mut plain = Client::over(std::net::TcpStream::connect(&addr).expect("it listens"));
    plain.send(&connect("plain").bytes());
    plain.expect_closed();
    broker.wait_for_line("this listener takes WebSocket alone");

    let broker = Broker::start_with(1, &["--listen", "127.0.0.1:0,mqtt"]);
    let line = broker.wait_for_line(", MQTT alone");
    let (_, rest) = line.split_once("listening on ").expect("it listens");
    let addr = rest.split(',').next().expect("an address").to_owned();
    let mut wire = std::net::TcpStream::connect(&addr).expect("it listens");
    wire.write_all(request("/", "").as_bytes()).expect("the broker reads it");
    let mut came = String::new();
    wire.read_to_string(&mut came).expect("the broker answers and closes");
    assert!(came.starts_with("HTTP/1.1 403 ") && came.contains("MQTT only"), "{came}");
    let mut plain = Client::over(std::net::TcpStream::connect(&addr).expect("it listens"));
    plain.send(&connect("plain").bytes());
    plain.expect(&connack(false, 0));
}

// The log distinguishes WebSocket clients from others.
#[test]
fn log_tells_the_transport() {
    let broker = Broker::start(1);
    let client = WebSocket::connect(&broker, "browser");
    let line = broker.wait_for_line("connected from ");
    assert!(line.contains("\"browser\"") && line.contains(", WebSocket)"), "{line}");
    client.close();
    broker.wait_for_line("closed by the client without DISCONNECT");
    let other = Client::connect(&broker, "device");
    let line = broker.wait_for_line(": connected from ");
    assert!(line.contains("\"device\"") && !line.contains("WebSocket"), "{line}");
    other.leave();
}
