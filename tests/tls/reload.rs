//! Certificates, authorities and revocation lists read again at SIGHUP.

use std::fs;

use rustls::HandshakeKind;

use crate::authority::{Authority, Pair, text};
use crate::common::{Broker, PINGREQ, PINGRESP};
use crate::door::{Doors, Secure, VERSIONS, config};

/// Has the broker reload its files; returns the log line about it.
#[track_caller]
fn reload(doors: &Doors) -> String {
    doors.broker.hang_up();
    doors.broker.wait_for_line("reloaded")
}

// A client that connects after a reload gets the new certificate on any shard; connected clients
// stay.
#[test]
fn new_certificates_for_new_clients() {
    let (before, after) = (Authority::new(), Authority::new());
    let server = before.server();
    let doors = Doors::open(4, &server, &[]);
    for version in VERSIONS {
        let (old, new) = (config(&before, &[version], None), config(&after, &[version], None));
        let mut stays = Secure::connect(doors.addr, &old, "stays").expect("is let in");
        let next = after.server();
        fs::copy(&next.cert, &server.cert).expect("the disk has room");
        fs::copy(&next.key, &server.key).expect("the disk has room");
        assert!(reload(&doors).ends_with(" INFO  reloaded\n"));
        stays.send(PINGREQ);
        stays.expect(PINGRESP);
        // The kernel chooses which shard a client meets.
        for _ in 0..16 {
            Secure::connect(doors.addr, &new, "comes").expect("is let in");
        }
        stays.send(PINGREQ);
        stays.expect(PINGRESP);
        let again = before.server();
        fs::copy(&again.cert, &server.cert).expect("the disk has room");
        fs::copy(&again.key, &server.key).expect("the disk has room");
        assert!(reload(&doors).ends_with(" INFO  reloaded\n"));
        Secure::connect(doors.addr, &old, "comes").expect("is let in");
    }
}

// A faulty file is named, and everything stays as it was.
#[test]
fn faulty_files_change_nothing() {
    let authority = Authority::new();
    let server = authority.server();
    let doors = Doors::open(2, &server, &["--tls-client-ca", text(&authority.file)]);
    let own = authority.issue(&["client"], 2090);
    let config = config(&authority, &VERSIONS, Some(&own));
    for (file, flag) in [
        (&server.cert, "--tls-cert"),
        (&server.key, "--tls-key"),
        (&authority.file, "--tls-client-ca"),
    ] {
        let good = fs::read(file).expect("was written");
        fs::write(file, "no PEM").expect("the disk has room");
        let said = reload(&doors);
        assert!(said.contains("not reloaded"), "{said}");
        assert!(said.contains(flag) && said.contains(text(file)), "{said}");
        fs::write(file, good).expect("the disk has room");
        Secure::connect(doors.addr, &config, "client").expect("is let in as before");
    }
}

// A reload accepts a configuration file that names other certificate files. With a file that names
// none, the listener keeps its certificate.
#[test]
fn other_files_by_configuration() {
    let (before, after) = (Authority::new(), Authority::new());
    let (first, second) = (before.server(), after.server());
    let file = before.path("ringmq.toml");
    let write = |pair: Option<&Pair>| {
        let named = pair.map(|pair| {
            let (cert, key) = (text(&pair.cert), text(&pair.key));
            format!("tls-listen = '127.0.0.1:0'\ntls-cert = '{cert}'\ntls-key = '{key}'\n")
        });
        fs::write(&file, named.unwrap_or_default()).expect("the disk has room");
    };
    write(Some(&first));
    let broker = Broker::start_with(2, &["--config", text(&file)]);
    let addr = broker.tls_addr();
    let doors = Doors { broker, addr };
    let (old, new) = (config(&before, &VERSIONS, None), config(&after, &VERSIONS, None));
    let mut stays = Secure::connect(doors.addr, &old, "stays").expect("is let in");
    write(Some(&second));
    assert!(reload(&doors).ends_with(" INFO  reloaded\n"));
    Secure::connect(doors.addr, &new, "comes").expect("is let in");
    write(None);
    doors.broker.hang_up();
    let line = doors.broker.wait_for_line("waits for a restart");
    assert!(line.contains("--tls-listen") && line.contains("--tls-cert"), "{line}");
    doors.broker.wait_for_line("INFO  reloaded");
    for _ in 0..16 {
        Secure::connect(doors.addr, &new, "comes").expect("is let in as before");
    }
    stays.send(PINGREQ);
    stays.expect(PINGRESP);
}

// TLS settings for a new listener wait for a restart like the listener, but are checked at once.
#[test]
fn new_listeners_wait() {
    let authority = Authority::new();
    let (server, other) = (authority.server(), authority.server());
    let file = authority.write("ringmq.toml", "");
    let broker = Broker::start_with(1, &["--config", text(&file)]);
    for (key, is_good) in [(&other.key, false), (&server.key, true)] {
        let (cert, key) = (text(&server.cert), text(key));
        authority.write(
            "ringmq.toml",
            &format!("tls-listen = '127.0.0.1:0'\ntls-cert = '{cert}'\ntls-key = '{key}'\n"),
        );
        broker.hang_up();
        if is_good {
            let line = broker.wait_for_line("waits for a restart");
            assert!(line.contains("--tls-listen") && line.contains("--tls-cert"), "{line}");
        } else {
            broker.wait_for_line("is not the key of the certificate");
        }
    }
    broker.wait_for_line("INFO  reloaded");
    assert!(!broker.said().contains("--tls-cert is "), "{}", broker.said());
}

// A revoked client cannot connect any more, not with its ticket either.
#[test]
fn revoked_clients_stay_out() {
    let authority = Authority::new();
    let own = authority.issue(&["client"], 2090);
    for version in VERSIONS {
        let list = authority.revoke(&[]);
        let flags = ["--tls-client-ca", text(&authority.file), "--tls-crl", text(&list)];
        let doors = Doors::open(1, &authority.server(), &flags);
        let config = config(&authority, &[version], Some(&own));
        for resumed in [false, true] {
            let client = Secure::connect(doors.addr, &config, "client").expect("is let in");
            let kind = client.tls.conn.handshake_kind();
            assert_eq!(kind == Some(HandshakeKind::Resumed), resumed);
        }
        authority.revoke(&[&own]);
        assert!(reload(&doors).ends_with(" INFO  reloaded\n"));
        assert!(Secure::connect(doors.addr, &config, "client").is_err());
    }
}
