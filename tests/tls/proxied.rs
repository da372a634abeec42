//! TLS behind a proxy: the PROXY header comes first, then TLS.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use rustls::{ClientConnection, StreamOwned};

use crate::authority::Authority;
use crate::common::{PATIENCE, PINGREQ, PINGRESP, connack, connect};
use crate::door::{Doors, Secure, VERSIONS, config};

/// A handshake succeeds behind a header, whether the header comes whole or in pieces, in one
/// segment with the first message of the handshake or before it. Without a header the link is
/// closed. The other TLS listener takes no header.
#[test]
fn header_comes_before_tls() {
    let authority = Authority::new();
    let flags = ["--tls-listen", "127.0.0.1:0,proxy", "--proxy-trust", "127.0.0.1"];
    let more = ["--allow-anonymous", "--log", "debug"];
    for shards in [1, 2] {
        let doors = Doors::open(shards, &authority.server(), &[&flags[..], &more].concat());
        let line = doors.broker.wait_for_line(" with TLS, behind a proxy");
        let (_, rest) = line.split_once("listening on ").expect("it listens");
        let addr = rest.split(' ').next().and_then(|addr| addr.parse::<SocketAddr>().ok());
        let addr = addr.expect("an address follows");
        for version in VERSIONS {
            let config = config(&authority, &[version], None);
            for (number, piece) in [1, 30, usize::MAX].into_iter().enumerate() {
                let name = "localhost".try_into().expect("a name");
                let mut tls = ClientConnection::new(config.clone(), name).expect("it begins");
                let mut greeting = b"PROXY TCP4 203.0.113.7 127.0.0.1 56324 8883\r\n".to_vec();
                tls.write_tls(&mut greeting).expect("memory takes it");
                let mut socket = TcpStream::connect(addr).expect("it listens");
                socket.set_nodelay(true).expect("a TCP socket");
                socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
                for piece in greeting.chunks(piece.min(10_000)) {
                    socket.write_all(piece).expect("it is read");
                }
                while tls.is_handshaking() {
                    tls.complete_io(&mut socket).expect("the handshake goes on");
                }
                let mut client = Secure { tls: StreamOwned::new(tls, socket) };
                client.send(&connect(format!("client-{number}")).bytes());
                client.expect(&connack(false, 0));
                client.send(PINGREQ);
                client.expect(PINGRESP);
                doors.broker.wait_for_line("speaks for 203.0.113.7");
            }
            assert!(Secure::open(addr, &config, "localhost").is_err(), "no header came");
            Secure::open(doors.addr, &config, "localhost").expect("no header is due");
        }
    }
}
