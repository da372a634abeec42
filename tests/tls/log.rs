//! What the log says of links with TLS.

use std::io::Read;
use std::net::TcpStream;

use crate::authority::{Authority, text};
use crate::common::{Client, connack, connect};
use crate::door::{Doors, Secure, VERSIONS, config};

// A client that comes over TLS is named with the version and the name in its certificate.
#[test]
fn version_and_certificate_are_named() {
    let authority = Authority::new();
    let own = authority.issue(&["plant-7"], 2090);
    for shards in [1, 2] {
        for identity in [&[][..], &["--tls-identity", "cn"]] {
            let flags = [&["--tls-client-ca", text(&authority.file)], identity].concat();
            let doors = Doors::open(shards, &authority.server(), &flags);
            for (version, shown) in VERSIONS.into_iter().zip(["TLS 1.2", "TLS 1.3"]) {
                let config = config(&authority, &[version], Some(&own));
                for id in ["a", "b", "c"] {
                    let mut client =
                        Secure::open(doors.addr, &config, "localhost").expect("shakes hands");
                    client.send(&connect(id).bytes());
                    client.expect(&connack(false, 0));
                    let line = doors.broker.wait_for_line(": connected from ");
                    let says = format!(", {shown}, certificate \"plant-7\")\n");
                    assert!(line.ends_with(&says), "{line}");
                }
            }
        }
    }
}

// What is no TLS is closed at once, and said to look like what it is.
#[test]
fn plain_clients_are_told_apart() {
    let authority = Authority::new();
    let doors = Doors::open(2, &authority.server(), &[]);
    for (bytes, looks) in [
        (connect("plain").bytes(), "no TLS: looks like MQTT without TLS"),
        (b"GET / HTTP/1.0\r\n\r\n".to_vec(), "no TLS: looks like HTTP"),
    ] {
        let mut client = Client::over(TcpStream::connect(doors.addr).expect("it listens"));
        let addr = client.stream().local_addr().expect("is connected");
        client.send(&bytes);
        let line = doors.broker.wait_for_line("closed a connection from ");
        assert!(line.contains(&format!("from {addr}: {looks}")), "{line}");
        // An alert may come before the end.
        let _alert = client.stream().read_to_end(&mut Vec::new());
    }
}
