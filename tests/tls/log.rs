//! The log about links with TLS.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::authority::{Authority, text};
use crate::common::{Client, connack, connect};
use crate::door::{Doors, Secure, VERSIONS, config};

// The log names a TLS client with the version of TLS and the name in its certificate.
#[test]
fn version_and_certificate_are_named() {
    let authority = Authority::new();
    let own = authority.issue(&["plant-7"], 2090);
    for shards in [1, 2] {
        for identity in [&[][..], &["--tls-identity", "cn"]] {
            let flags = [&["--tls-client-ca", text(&authority.file)], identity].concat();
            let doors = Doors::open(shards, &authority.server(), &flags);
            let said = doors.broker.said();
            assert!(
                said.contains("host may connect, and by TLS those with a certificate"),
                "{said}"
            );
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

// A connection without TLS is closed at once, and the log says what its bytes look like.
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

// The log says in words which side ended a failed handshake, and why.
#[test]
fn failed_handshakes_are_told_in_words() {
    let authority = Authority::new();
    let flags = ["--tls-client-ca", text(&authority.file), "--tls-min", "1.3"];
    let doors = Doors::open(1, &authority.server(), &flags);
    let own = authority.issue(&["plant-7"], 2090);
    let other = Authority::new();
    let [old, new] = VERSIONS;
    let mut of_http = ClientConfig::clone(&config(&authority, &[new], Some(&own)));
    of_http.alpn_protocols = vec![b"h2".to_vec()];
    for (config, says) in [
        (config(&authority, &[new], None), "the client shows no certificate (see --tls-client)"),
        (
            config(&other, &[new], Some(&own)),
            "the client does not know who has issued the server's certificate (its alert: ",
        ),
        (
            config(&authority, &[old], Some(&own)),
            "the client offers no version of TLS that is allowed (see --tls-min)",
        ),
        (Arc::new(of_http), "the client asks for another protocol than MQTT (ALPN)"),
    ] {
        // With TLS 1.3 a client completes its handshake before the broker has checked the
        // certificate.
        let _secure = Secure::open(doors.addr, &config, "localhost");
        let line = doors.broker.wait_for_line("TLS failed: ");
        assert!(line.contains(&format!("TLS failed: {says}")), "{says} is not in: {line}");
    }
}
