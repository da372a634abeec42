//! Good clients: versions, tickets, moves between shards, large and small messages.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustls::HandshakeKind;

use crate::authority::Authority;
use crate::common::{
    Client, DISCONNECT, PINGREQ, PINGRESP, connack, connect, publish, suback, subscribe,
};
use crate::door::{Doors, Secure, VERSIONS, config};

// Each allowed version works on every shard's listener, for clients with any home shard, and the
// broker ends with close_notify.
#[test]
fn versions_and_homes() {
    let authority = Authority::new();
    for shards in [1, 2, 4] {
        let doors = Doors::open(shards, &authority.server(), &[]);
        for version in VERSIONS {
            let config = config(&authority, &[version], None);
            for number in 0..16 {
                let id = format!("client-{number}");
                let mut client = Secure::connect(doors.addr, &config, &id).expect("is let in");
                assert_eq!(client.tls.conn.protocol_version(), Some(version.version));
                client.send(PINGREQ);
                client.expect(PINGRESP);
                client.send(DISCONNECT);
                client.expect_goodbye();
            }
        }
    }
}

// --tls-min 1.3 keeps 1.2 out.
#[test]
fn older_versions_are_refused() {
    let authority = Authority::new();
    let doors = Doors::open(1, &authority.server(), &["--tls-min", "1.3"]);
    let [old, new] = VERSIONS.map(|version| config(&authority, &[version], None));
    assert!(Secure::connect(doors.addr, &old, "old").is_err());
    assert!(Secure::connect(doors.addr, &new, "new").is_ok());
}

// Messages pass between plain and TLS clients of any version, whole and in order, in all sizes up
// to more than one send.
#[test]
fn messages_of_all_sizes() {
    let authority = Authority::new();
    for shards in [1, 2] {
        let doors = Doors::open(shards, &authority.server(), &[]);
        for version in VERSIONS {
            let config = config(&authority, &[version], None);
            let mut subscriber = Secure::connect(doors.addr, &config, "sub").expect("is let in");
            subscriber.send(&subscribe(1, &[("t", 0)]));
            subscriber.expect(&suback(1, &[0]));
            let mut secure = Secure::connect(doors.addr, &config, "secure").expect("is let in");
            let mut plain = Client::connect(&doors.broker, "plain");
            for bytes in [0, 1, 100, 16_000, 16_384, 20_000, 70_000, 900_000] {
                let payload: Vec<u8> = (0..=250).cycle().take(bytes).collect();
                let message = publish("t", payload);
                secure.send(&message.bytes());
                subscriber.expect(&message.bytes());
                plain.publish(&message);
                subscriber.expect(&message.bytes());
            }
            let burst: Vec<_> =
                (0..5000_u32).map(|number| publish("t", number.to_be_bytes()).bytes()).collect();
            secure.send(&burst.concat());
            subscriber.expect(&burst.concat());
        }
    }
}

// A CONNECT and further packets may come in the same bytes as the end of the handshake.
#[test]
fn impatient_clients() {
    let authority = Authority::new();
    let doors = Doors::open(4, &authority.server(), &[]);
    for version in VERSIONS {
        let config = config(&authority, &[version], None);
        for number in 0..8 {
            let id = format!("impatient-{number}");
            let mut client = Secure::open(doors.addr, &config, "localhost").expect("shakes hands");
            client.tls.conn.writer().write_all(&connect(&id).bytes()).expect("there is room");
            client.tls.conn.writer().write_all(PINGREQ).expect("there is room");
            client.tls.flush().expect("the connection is open");
            client.expect(&connack(false, 0));
            client.expect(PINGRESP);
        }
    }
}

// Handshakes are counted by how they end.
#[test]
fn handshakes_are_counted() {
    let authority = Authority::new();
    let mut doors = Doors::open(1, &authority.server(), &[]);
    let config = config(&authority, &VERSIONS[1..], None);
    for _ in 0..3 {
        let mut client = Secure::connect(doors.addr, &config, "returns").expect("is let in");
        client.send(DISCONNECT);
        client.expect_goodbye();
    }
    let mut stranger = TcpStream::connect(doors.addr).expect("the broker listens");
    stranger.write_all(&[0x16, 3, 1, 0, 4, 0xff, 0, 0, 0]).expect("there is room");
    // An alert, and the end.
    let mut alert = Vec::new();
    stranger.read_to_end(&mut alert).expect("it says why");
    doors.broker.terminate();
    assert!(doors.broker.wait().success());
    let said = doors.broker.said();
    for counter in ["full 1", "resumed 2", "failed 1"] {
        let counter = format!("tls_handshakes_{counter}");
        assert!(said.contains(&counter), "{counter}: {said}");
    }
}

// A client comes back with its ticket, whichever shard it meets.
#[test]
fn tickets_are_good_on_every_shard() {
    let authority = Authority::new();
    let doors = Doors::open(4, &authority.server(), &[]);
    for version in VERSIONS {
        let config = config(&authority, &[version], None);
        for number in 0..16 {
            let mut client = Secure::connect(doors.addr, &config, "returns").expect("is let in");
            let resumed = client.tls.conn.handshake_kind() == Some(HandshakeKind::Resumed);
            assert_eq!(resumed, number > 0, "{version:?}, time {number}");
            client.send(DISCONNECT);
            client.expect_goodbye();
        }
    }
}
