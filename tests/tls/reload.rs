//! Certificates, authorities and revocation lists read again at SIGHUP.

use std::fs;

use rustls::HandshakeKind;

use crate::authority::{Authority, text};
use crate::common::{PINGREQ, PINGRESP};
use crate::door::{Doors, Secure, VERSIONS, config};

/// Has the broker read its files again; what it says about that.
#[track_caller]
fn reload(doors: &Doors) -> String {
    doors.broker.hang_up();
    doors.broker.wait_for_line("reloaded")
}

// Who comes after a reload gets the new certificate, whichever shard it meets; who is there stays.
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
        // It may take the shards a moment; the kernel chooses which one a client meets.
        for _ in 0..16 {
            while Secure::connect(doors.addr, &new, "comes").is_err() {}
        }
        stays.send(PINGREQ);
        stays.expect(PINGRESP);
        let again = before.server();
        fs::copy(&again.cert, &server.cert).expect("the disk has room");
        fs::copy(&again.key, &server.key).expect("the disk has room");
        assert!(reload(&doors).ends_with(" INFO  reloaded\n"));
        while Secure::connect(doors.addr, &old, "comes").is_err() {}
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

// A client that was revoked is not let in any more, not with its ticket either.
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
        // The shard may take a moment to hear of it; it would be let in for ever if it did not.
        while Secure::connect(doors.addr, &config, "client").is_ok() {}
        assert!(Secure::connect(doors.addr, &config, "client").is_err());
    }
}
