//! WebSocket at each kind of listener: over TLS, behind a proxy, on a Unix socket, on both rings.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use crate::authority::Authority;
use crate::common::websocket::{BINARY, PING, PONG, WebSocket, frame_of_client, prepare, request};
use crate::common::{
    Broker, Client, DISCONNECT, PINGREQ, PINGRESP, connack, connect, publish, suback, subscribe,
};
use crate::door::{Doors, Secure, VERSIONS, config};

/// The address of the listener whose log line ends like this.
#[track_caller]
fn addr_of(broker: &Broker, end: &str) -> SocketAddr {
    let line = broker.wait_for_line(end);
    let (_, rest) = line.split_once("listening on ").expect("it listens");
    let addr = rest.split([',', ' ']).next().and_then(|addr| addr.parse().ok());
    addr.expect("an address follows")
}

// WebSocket over both versions of TLS: opening, moving to the home shard, more data than one send
// takes, pings, and the closing handshake.
#[test]
fn over_tls() {
    let authority = Authority::new();
    for shards in [1, 2] {
        let doors = Doors::open(shards, &authority.server(), &[]);
        for version in VERSIONS {
            let config = config(&authority, &[version], None);
            for number in 0..4 {
                let tls = Secure::open(doors.addr, &config, "localhost").expect("shakes hands").tls;
                let mut client = WebSocket::open_over(Box::new(tls));
                let topic = format!("tls/{number}");
                client.send(&connect(format!("wss-{number}")).bytes());
                client.expect(&connack(false, 0));
                client.send(&subscribe(1, &[(&topic, 0)]));
                client.expect(&suback(1, &[0]));
                let mut publisher = Client::connect(&doors.broker, "publisher");
                for _ in 0..50 {
                    publisher.publish(&publish(&topic, vec![b'x'; 9000]));
                }
                for _ in 0..50 {
                    client.expect(&publish(&topic, vec![b'x'; 9000]).bytes());
                }
                client.send_raw(&frame_of_client(PING, b"p"));
                client.expect_frame(PONG, b"p");
                client.send(DISCONNECT);
                client.expect_close(1000);
            }
            let line = doors.broker.wait_for_line("\"wss-3\": connected from ");
            assert!(line.contains(", WebSocket, TLS 1."), "{line}");
        }
    }
}

// Behind a proxy the header of either version comes first, in one piece with the request or not.
#[test]
fn behind_a_proxy() {
    let flags = ["--listen", "127.0.0.1:0,proxy", "--proxy-trust", "127.0.0.1"];
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &[&flags[..], &["--allow-anonymous"]].concat());
        let addr = addr_of(&broker, ", behind a proxy");
        let v2 = [
            &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
            &[203, 0, 113, 7, 127, 0, 0, 1, 0xdc, 4, 7, 0x5b],
        ];
        let v1 = b"PROXY TCP4 203.0.113.7 127.0.0.1 56324 1883\r\n";
        for header in [v1.to_vec(), v2.concat()] {
            for piece in [1, 20, 5000] {
                let mut wire = TcpStream::connect(addr).expect("it listens");
                prepare(&wire);
                // A page of any origin: a connection through a proxy is not from this host.
                let asked = request("/", "Origin: https://anywhere.example\r\n");
                for part in [&header[..], asked.as_bytes()].concat().chunks(piece) {
                    wire.write_all(part).expect("it is read");
                }
                let mut answer = [0; 12];
                std::io::Read::read_exact(&mut wire, &mut answer).expect("an answer comes");
                assert_eq!(&answer, b"HTTP/1.1 101");
                let id = format!("client-{piece}");
                let frame = frame_of_client(BINARY, &connect(id).bytes());
                wire.write_all(&frame).expect("it is read");
                let line = broker.wait_for_line(": connected from ");
                assert!(line.contains("203.0.113.7:") && line.contains("WebSocket"), "{line}");
            }
        }
    }
}

// A Unix socket takes WebSocket as well.
#[test]
fn on_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("ringmq-test-ws-{}.sock", std::process::id()));
    let listen = format!("unix:{}", path.display());
    let broker = Broker::start_with(2, &["--listen", &listen]);
    let socket = UnixStream::connect(&path).expect("the broker listens");
    let stream = TcpStream::from(OwnedFd::from(socket));
    stream.set_read_timeout(Some(crate::common::PATIENCE)).expect("not zero");
    let mut client = WebSocket::open_over(Box::new(stream));
    client.send(&connect("local").bytes());
    client.expect(&connack(false, 0));
    client.close();
    broker.stop();
}

// Each ring carries WebSocket, whichever ring the other tests use.
#[test]
fn on_each_ring() {
    for ring in ["epoll", "auto"] {
        for shards in [1, 2] {
            let broker = Broker::start_with(shards, &["--ring", ring]);
            for number in 0..8 {
                let mut client = WebSocket::connect(&broker, &format!("client-{number}"));
                for part in frame_of_client(BINARY, PINGREQ).chunks(1) {
                    client.send_raw(part);
                }
                client.expect(PINGRESP);
                client.close();
            }
            broker.stop();
        }
    }
}
