//! Peers that break TLS, stop in the middle of it, or do not read.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::{ClientConfig, ClientConnection};

use crate::authority::Authority;
use crate::common::{
    Client, PATIENCE, PINGREQ, PINGRESP, connack, connect, publish, run_in_time, suback, subscribe,
};
use crate::door::{Doors, Secure, VERSIONS, config};

/// Peers that stop in the middle of the handshake at once.
const STUCK: usize = 2_000;

/// The most memory for each of them, with its link and the overhead of the allocator.
const STUCK_BYTES_MAX: u64 = 24 * 1024;

/// All bytes until the broker closes.
#[track_caller]
fn read_to_end(socket: &mut TcpStream) -> Vec<u8> {
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let mut came = Vec::new();
    match socket.read_to_end(&mut came) {
        Ok(_) => came,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => came,
        Err(error) => panic!("the broker should close: {error}"),
    }
}

/// The first bytes of a handshake.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = "localhost".try_into().expect("a name");
    let mut tls = ClientConnection::new(config.clone(), name).expect("a good configuration");
    let mut wire = Vec::new();
    tls.write_tls(&mut wire).expect("memory");
    wire
}

/// A TLS client can connect and is answered.
#[track_caller]
fn is_served(addr: SocketAddr, config: &Arc<ClientConfig>) {
    let mut client = Secure::connect(addr, config, "served").expect("is let in");
    client.send(PINGREQ);
    client.expect(PINGRESP);
}

// Bytes that are no TLS are answered at once with an alert and a close. TLS on the plain listener
// is no MQTT. Other clients are served.
#[test]
fn garbage() {
    let authority = Authority::new();
    let doors = Doors::open(2, &authority.server(), &[]);
    let config = config(&authority, &VERSIONS, None);
    let damaged = {
        let mut hello = hello(&config);
        // The type of the message.
        hello[5] ^= 0xff;
        hello
    };
    for bytes in [&connect("plain").bytes()[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 100], &damaged] {
        let mut socket = TcpStream::connect(doors.addr).expect("the broker listens");
        socket.write_all(bytes).expect("it is open");
        let came = read_to_end(&mut socket);
        assert_eq!(came.first(), Some(&21), "an alert: {came:02x?}");
        is_served(doors.addr, &config);
    }
    let mut client = Client::open(&doors.broker);
    client.send(&hello(&config));
    client.expect_closed();
}

// A connection that ends in the middle of a session, by a damaged record, a close without goodbye
// or a goodbye without DISCONNECT, leaves its will; nothing of a damaged record is handled.
#[test]
fn abrupt_ends_leave_wills() {
    let authority = Authority::new();
    let doors = Doors::open(2, &authority.server(), &[]);
    let mut witness = Client::connect(&doors.broker, "witness");
    witness.subscribe("#", 0);
    for version in VERSIONS {
        let config = config(&authority, &[version], None);
        for end in ["damaged", "closed", "goodbye"] {
            let mut client = Secure::open(doors.addr, &config, "localhost").expect("shakes hands");
            let will = publish("will", end);
            client.send(&connect(format!("dying-{end}")).will(&will).bytes());
            client.expect(&connack(false, 0));
            match end {
                "damaged" => {
                    let mut wire = Vec::new();
                    client.tls.conn.writer().write_all(&publish("t", "x").bytes()).expect("room");
                    client.tls.conn.write_tls(&mut wire).expect("memory");
                    *wire.last_mut().expect("a record") ^= 1;
                    client.tls.sock.write_all(&wire).expect("it is open");
                    assert!(client.tls.read(&mut [0]).is_err(), "an alert");
                }
                "closed" => client.tls.sock.shutdown(Shutdown::Write).expect("it is open"),
                _ => {
                    client.tls.conn.send_close_notify();
                    client.tls.flush().expect("it is open");
                    client.expect_goodbye();
                }
            }
            witness.expect_publish(&will);
        }
    }
}

// OpenSSL asks to negotiate again: it is refused, and others are served.
#[test]
fn renegotiation_is_refused() {
    let authority = Authority::new();
    let doors = Doors::open(1, &authority.server(), &[]);
    let mut command = Command::new("sh");
    let script = format!("echo R | openssl s_client -connect {} -tls1_2 2>&1", doors.addr);
    command.args(["-c", &script]);
    let output = run_in_time(&command);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("RENEGOTIATING"), "{printed}");
    assert!(printed.contains("no renegotiation"), "{printed}");
    is_served(doors.addr, &config(&authority, &VERSIONS, None));
}

// 2,000 peers stop in the middle of the handshake, half of them before their hello is whole: others
// are served, memory is bounded, and they are cut off.
#[test]
fn a_crowd_stops_in_the_middle() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the maximum");
    let authority = Authority::new();
    let doors = Doors::open(2, &authority.server(), &[]);
    let config = config(&authority, &VERSIONS, None);
    is_served(doors.addr, &config);
    let before = doors.broker.resources();
    let hello = hello(&config);
    let mut stuck: Vec<TcpStream> = (0..STUCK)
        .map(|number| {
            let mut socket = TcpStream::connect(doors.addr).expect("the broker listens");
            let bytes = if number % 2 == 0 { &hello[..hello.len() / 2] } else { &hello };
            socket.write_all(bytes).expect("it is open");
            socket
        })
        .collect();
    let mut plain = Client::connect(&doors.broker, "plain");
    plain.send(PINGREQ);
    plain.expect(PINGRESP);
    is_served(doors.addr, &config);
    let full = doors.broker.resources();
    let grown = full.rss_bytes.saturating_sub(before.rss_bytes) / STUCK as u64;
    println!("{grown} bytes for each");
    assert!(grown <= STUCK_BYTES_MAX, "{grown} bytes for each");
    for socket in &mut stuck {
        read_to_end(socket);
    }
    is_served(doors.addr, &config);
}

// A subscriber that does not read delays others by no more than the patience, and needs no more
// memory than --max-outgoing-bytes and one send. When it reads again it gets what was kept.
#[test]
fn a_subscriber_that_does_not_read() {
    const MESSAGES: u32 = 20_000;
    let authority = Authority::new();
    let doors = Doors::open(1, &authority.server(), &[]);
    for version in VERSIONS {
        let config = config(&authority, &[version], None);
        let mut slow = Secure::connect(doors.addr, &config, "slow").expect("is let in");
        slow.send(&subscribe(1, &[("t", 0)]));
        slow.expect(&suback(1, &[0]));
        let mut publisher = Secure::connect(doors.addr, &config, "publisher").expect("is let in");
        let before = doors.broker.resources();
        let message =
            |number: u32| publish("t", [number.to_be_bytes().as_slice(), &[7; 1996]].concat());
        for number in 0..MESSAGES {
            publisher.send(&message(number).bytes());
        }
        publisher.send(PINGREQ);
        publisher.expect(PINGRESP);
        let full = doors.broker.resources();
        let grown = full.rss_bytes.saturating_sub(before.rss_bytes);
        assert!(grown < 16 * 1024 * 1024, "{grown} bytes for a link that may have 1 MiB");
        // Messages come in order from the first on, up to those that were dropped.
        for number in 0..100 {
            slow.expect(&message(number).bytes());
        }
    }
}

// Many handshakes at once all succeed, while a connected client is still answered.
#[test]
fn a_storm_of_clients() {
    let authority = Authority::new();
    let doors = Doors::open(2, &authority.server(), &[]);
    let config = config(&authority, &VERSIONS, None);
    let mut steady = Secure::connect(doors.addr, &config, "steady").expect("is let in");
    thread::scope(|scope| {
        let storms: Vec<_> = (0..4)
            .map(|thread| {
                let (config, addr) = (config.clone(), doors.addr);
                scope.spawn(move || {
                    (0..50)
                        .map(|number| {
                            let id = format!("storm-{thread}-{number}");
                            Secure::connect(addr, &config, &id).expect("is let in")
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for _ in 0..100 {
            steady.send(PINGREQ);
            steady.expect(PINGRESP);
        }
        for storm in storms {
            for mut client in storm.join().expect("connects") {
                client.send(PINGREQ);
                client.expect(PINGRESP);
            }
        }
    });
}
