//! Listeners behind a proxy: the PROXY header, the peers that may send it, and faulty headers.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};

use crate::common::{
    Broker, Client, DataDir, Random, connack, connect, publish, resume_as, suback, subscribe,
};

/// A header of version 1 for a client.
pub(crate) fn v1(client: &str) -> Vec<u8> {
    let (family, own) = if client.contains(':') { ("TCP6", "::1") } else { ("TCP4", "127.0.0.1") };
    format!("PROXY {family} {client} {own} 56324 1883\r\n").into_bytes()
}

/// A header of version 2 for a client.
pub(crate) fn v2(client: &str) -> Vec<u8> {
    let address: IpAddr = client.parse().expect("an address");
    let (family, octets) = match address {
        IpAddr::V4(v4) => (0x11, v4.octets().to_vec()),
        IpAddr::V6(v6) => (0x21, v6.octets().to_vec()),
    };
    let own = vec![1; octets.len()];
    header_v2(0x21, family, &[&octets[..], &own, &[0xdc, 4, 7, 0x5b]].concat())
}

pub(crate) fn header_v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
}

/// A broker with a second listener, behind a proxy on this host.
pub(crate) struct Proxied {
    pub(crate) broker: Broker,
    pub(crate) addr: SocketAddr,
}

impl Proxied {
    #[track_caller]
    pub(crate) fn start(shards: usize, more: &[&str]) -> Self {
        Self::trusting(shards, "127.0.0.0/8", more)
    }

    #[track_caller]
    fn trusting(shards: usize, trust: &str, more: &[&str]) -> Self {
        let flags = ["--listen", "127.0.0.1:0,proxy", "--proxy-trust", trust, "--allow-anonymous"];
        let broker = Broker::start_with(shards, &[&flags, more].concat());
        let line = broker.wait_for_line(", behind a proxy");
        let (_, rest) = line.split_once("listening on ").expect("it listens");
        let addr = rest.split(',').next().and_then(|addr| addr.parse().ok());
        Self { broker, addr: addr.expect("an address follows") }
    }

    /// A connection that has sent nothing.
    #[track_caller]
    pub(crate) fn open(&self) -> Client {
        Client::over(TcpStream::connect(self.addr).expect("it listens"))
    }

    /// Connects a client from an address; none if the broker closes the connection.
    #[track_caller]
    pub(crate) fn try_connect(&self, header: &[u8], id: &str) -> Option<Client> {
        let mut client = self.open();
        client.send_to_closing(&[header, &connect(id).bytes()].concat());
        let answer = client.try_read_packet()?;
        assert_eq!(answer, connack(false, 0));
        Some(client)
    }
}

/// With a header of either version, in pieces of any size, a client is served under its own
/// address. It moves to its home shard like any other.
#[test]
fn clients_come_through() {
    for shards in [1, 2] {
        let proxied = Proxied::start(shards, &["--log", "debug"]);
        let headers = [
            (v1("203.0.113.7"), "203.0.113.7:"),
            (v1("2001:db8::7"), "[2001:db8::7]:"),
            (v2("203.0.113.8"), "203.0.113.8:"),
            (v2("2001:db8::8"), "[2001:db8::8]:"),
        ];
        for (number, (header, shown)) in headers.iter().enumerate() {
            for piece in [1, 7, 16, 60, usize::MAX] {
                let mut client = proxied.open();
                let id = format!("client-{number}-{piece}");
                let greeting = [&header[..], &connect(&id).bytes(), &subscribe(1, &[("a", 0)])];
                for piece in greeting.concat().chunks(piece.min(1000)) {
                    client.send(piece);
                }
                client.expect(&connack(false, 0));
                client.expect(&suback(1, &[0]));
                client.publish(&publish("a", id.clone()));
                client.expect_publish(&publish("a", id));
                proxied.broker.wait_for_line(&format!("speaks for {shown}"));
            }
        }
    }
}

/// A connection of the proxy's own, or from it does not know where, is served as well.
#[test]
fn unknown_clients_come_through() {
    let proxied = Proxied::start(2, &[]);
    let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 91], b"\r\n"].concat();
    assert_eq!(long.len(), 107);
    let headers = [
        b"PROXY UNKNOWN\r\n".to_vec(),
        long,
        header_v2(0x20, 0, &[]),
        header_v2(0x20, 0x11, &[7; 12]),
        header_v2(0x21, 0, &[7; 2032]),
        header_v2(0x21, 0x31, &[b'/'; 216]),
    ];
    for (number, header) in headers.iter().enumerate() {
        let client = proxied.try_connect(header, &format!("client-{number}"));
        client.expect("it is let in").expect_silence();
    }
}

/// A connection without a header is closed, also one with a plain CONNECT, at the latest at the
/// length of the longest header. The other listener accepts no header.
#[test]
fn what_is_no_header_is_closed() {
    let proxied = Proxied::start(2, &[]);
    let bad = [
        Vec::new(),
        b"PROXY TCP4 203.0.113.7 127.0.0.1 56324 1883\n".to_vec(),
        b"PROXY TCP4 203.0.113.7 127.0.0.1 56324\r\n".to_vec(),
        [&b"PROXY UNKNOWN "[..], &[b'x'; 93]].concat(),
        header_v2(0x21, 0x11, &[7; 11]),
        header_v2(0x21, 0x11, &[7; 2033]),
        header_v2(0x22, 0x11, &[7; 12]),
        header_v2(0x21, 0x51, &[7; 12]),
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0; 100_000],
    ];
    for header in bad {
        let client = proxied.try_connect(&header, "client");
        assert!(client.is_none(), "{:02x?}", &header[..header.len().min(60)]);
    }
    for header in [v1("203.0.113.7"), v2("203.0.113.7")] {
        let mut client = Client::open(&proxied.broker);
        client.send_to_closing(&[header, connect("client").bytes()].concat());
        client.expect_closed();
    }
    proxied.try_connect(&v1("203.0.113.7"), "client").expect("it is let in").leave();
    proxied.broker.terminate();
    proxied.broker.wait_for_line("closed_proxy_header 11");
}

/// A mutated header ends its own connection or is still valid; other clients are not affected.
#[test]
fn mutated_headers_hurt_nobody() {
    let seed = 0x9e37;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let proxied = Proxied::start(2, &[]);
    let mut witness = resume_as(&proxied.broker, "witness", false);
    let mut let_in = 0;
    for round in 0..400_u32 {
        let address = if round % 2 == 0 { "203.0.113.7" } else { "2001:db8::7" };
        let mut header = if round % 3 == 0 { v1(address) } else { v2(address) };
        for _ in 0..random.below(3) {
            let at = random.below(header.len());
            match random.below(3) {
                0 => header[at] ^= 1 << random.below(8),
                1 => header.truncate(at + 1),
                _ => header.insert(at, random.below(256).to_le_bytes()[0]),
            }
        }
        let mut client = proxied.open();
        client.send_to_closing(&[header, connect(format!("client-{round}")).bytes()].concat());
        client.finish_sending();
        let_in += u32::from(client.try_read_packet().is_some());
    }
    // A third has no mutation.
    assert!((100..400).contains(&let_in), "{let_in} of 400 were let in");
    witness.expect_silence();
}

/// A peer that is no trusted proxy is closed at once, counted and logged, whatever it sends.
#[test]
fn strangers_are_closed() {
    let proxied = Proxied::trusting(2, "10.0.0.0/8", &["--proxy-trust", "::1"]);
    for header in [v1("203.0.113.7"), v2("203.0.113.7"), Vec::new()] {
        assert!(proxied.try_connect(&header, "client").is_none());
    }
    proxied.broker.wait_for_line("127.0.0.1: the listener is behind a proxy, and the address");
    Client::connect(&proxied.broker, "client").leave();
    proxied.broker.terminate();
    proxied.broker.wait_for_line("refused_untrusted_proxy 3");
}

/// A proxy that does not finish its header has the time that a client has for its CONNECT.
#[test]
fn header_must_come_in_time() {
    let proxied = Proxied::start(1, &[]);
    let mut silent = proxied.open();
    let mut halfway = proxied.open();
    halfway.send(&v2("203.0.113.7")[..20]);
    let mut no_more = proxied.open();
    no_more.send(&v1("203.0.113.7"));
    for client in [&mut silent, &mut halfway, &mut no_more] {
        client.expect_closed();
    }
}

/// A proxy on this host may use a Unix socket, whose mode decides about access.
#[test]
fn unix_socket_behind_a_proxy() {
    let directory = DataDir::fresh();
    fs::create_dir(directory.path()).expect("nobody else has it");
    let path = directory.path().join("mqtt");
    let listen = format!("unix:{},proxy", path.display());
    let flags = ["--listen", &listen, "--log", "debug", "--allow-anonymous"];
    let broker = Broker::start_with(2, &flags);
    broker.wait_for_line(", behind a proxy");
    for (header, accepted) in [(v1("203.0.113.7"), true), (Vec::new(), false)] {
        let mut client = Client::open_unix(&path);
        client.send_to_closing(&[header, connect("client").bytes()].concat());
        assert_eq!(client.try_read_packet().is_some(), accepted);
    }
    broker.wait_for_line("speaks for 203.0.113.7");
}
