//! Certificates of both sides: shown, refused, chosen by name, revoked.

use std::process::Command;

use crate::authority::{Authority, text};
use crate::common::{Broker, run, run_in_time};
use crate::door::{Doors, Secure, VERSIONS, config};
use crate::files::made;

// --tls-client decides which clients are accepted: one with a good certificate always, one without
// a certificate if it is optional, one with a bad certificate never.
#[test]
fn client_certificates() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (good, revoked) = (authority.issue(&["good"], 2090), authority.issue(&["revoked"], 2090));
    let expired = authority.issue(&["expired"], 2020);
    let foreign = other.issue(&["good"], 2090);
    let list = authority.revoke(&[&revoked]);
    let (ca, list) = (text(&authority.file), text(&list));
    for (whether, without) in [("required", false), ("optional", true)] {
        let flags = ["--tls-client-ca", ca, "--tls-client", whether, "--tls-crl", list];
        let doors = Doors::open(2, &authority.server(), &flags);
        let cases = [
            ("good", Some(&good), true),
            ("none", None, without),
            ("revoked", Some(&revoked), false),
            ("expired", Some(&expired), false),
            ("foreign", Some(&foreign), false),
        ];
        for (what, own, is_let_in) in cases {
            for version in VERSIONS {
                let config = config(&authority, &[version], own);
                // A resumption with a ticket, if there is one, has the same result.
                for _ in 0..2 {
                    let came = Secure::connect(doors.addr, &config, what).map(|_| ());
                    assert_eq!(came.is_ok(), is_let_in, "{what}, {whether}: {came:?}");
                }
            }
        }
    }
}

// Without a list no certificate is revoked.
#[test]
fn without_a_list() {
    let authority = Authority::new();
    let own = authority.issue(&["good"], 2090);
    let doors = Doors::open(1, &authority.server(), &["--tls-client-ca", text(&authority.file)]);
    for version in VERSIONS {
        let config = config(&authority, &[version], Some(&own));
        Secure::connect(doors.addr, &config, "good").expect("is let in");
    }
}

// A client gets the certificate of the host it asks for: exact before wildcard, a wildcard for one
// label, any case; any other host gets that of --tls-cert.
#[test]
fn certificates_by_name() {
    let authority = Authority::new();
    let pair = |host: &str, flag: &str| {
        let pair = authority.issue(&[host], 2090);
        format!("--tls-sni={flag}={},{}", text(&pair.cert), text(&pair.key))
    };
    let flags = [
        pair("exact.example.com", "Exact.example.com"),
        pair("*.example.com", "*.example.com"),
        pair("*.deep.example.com", "*.deep.example.com"),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let rest = authority.issue(&["localhost", "example.com", "a.b.example.com"], 2090);
    let doors = Doors::open(1, &rest, &flags);
    for version in VERSIONS {
        let config = config(&authority, &[version], None);
        // The client checks that the certificate it gets is for the host: each is for others not.
        for host in [
            "exact.example.com",
            "EXACT.example.com",
            "other.example.com",
            "x.deep.example.com",
            "example.com",
            "a.b.example.com",
            "localhost",
        ] {
            let opened = Secure::open(doors.addr, &config, host).map(|_| ());
            assert!(opened.is_ok(), "{host}: {opened:?}");
        }
        assert!(Secure::open(doors.addr, &config, "example.org").is_err(), "is for no such host");
    }
}

// A server with an expired certificate, or that of another host, or of an unknown authority, is
// refused by the client, and serves on.
#[test]
fn servers_that_clients_refuse() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (what, pair) in [
        ("expired", authority.issue(&["localhost"], 2020)),
        ("another host", authority.issue(&["elsewhere"], 2090)),
        ("unknown authority", other.server()),
    ] {
        let doors = Doors::open(1, &pair, &[]);
        for version in VERSIONS {
            let config = config(&authority, &[version], None);
            assert!(Secure::connect(doors.addr, &config, "client").is_err(), "{what}");
        }
        if what == "expired" {
            assert!(doors.broker.said().contains("expired"), "{}", doors.broker.said());
        }
    }
}

// A certificate that expires soon is warned about, and a list that should have been renewed; others
// are not.
#[test]
fn dates_are_watched() {
    let authority = Authority::new();
    let ca = text(&authority.file);
    for (days, warns) in [(6, true), (8, false)] {
        let doors = Doors::open(1, &authority.issue_for(&["localhost"], days), &[]);
        let said = doors.broker.said();
        assert_eq!(said.contains(": expires in "), warns, "{days} days: {said}");
    }
    for (year, warns) in [(2021, true), (2090, false)] {
        let list = authority.revoke_until(&[], year);
        let flags = ["--tls-client-ca", ca, "--tls-crl", text(&list)];
        let said = Doors::open(1, &authority.server(), &flags).broker.said();
        assert_eq!(said.contains("should have been renewed"), warns, "{year}: {said}");
    }
}

// A certificate without the name that --tls-identity takes is refused and counted, and the log says
// what it lacks. A client without any certificate is accepted where that is allowed.
#[test]
fn nameless_certificates() {
    let authority = Authority::new();
    let (nameless, named) = (authority.issue(&[""], 2090), authority.issue(&["plant-7"], 2090));
    let addresses = authority.issue(&["127.0.0.1"], 2090);
    for (identity, refused) in [("cn", &nameless), ("san", &addresses)] {
        let flags = ["--tls-client-ca", text(&authority.file), "--tls-identity", identity];
        let flags = [&flags[..], &["--tls-client", "optional"]].concat();
        let mut doors = Doors::open(2, &authority.server(), &flags);
        for (v, version) in VERSIONS.into_iter().enumerate() {
            let owns = [(Some(refused), false), (Some(&named), true), (None, true)];
            for (n, (own, is_let_in)) in owns.into_iter().enumerate() {
                let config = config(&authority, &[version], own);
                // An id of its own: it is another user's until that one has left.
                let id = format!("client-{v}-{n}");
                let came = Secure::connect(doors.addr, &config, &id).map(|_| ());
                assert_eq!(came.is_ok(), is_let_in, "{identity}: {came:?}");
            }
        }
        let line = doors.broker.wait_for_line("refused a connection");
        let due = ["from 127.0.0.1", "could be a user name", &format!("--tls-identity {identity}")];
        assert!(due.iter().all(|part| line.contains(part)), "{line}");
        doors.broker.end(crate::common::End::Stopped);
        assert!(doors.broker.said().contains("closed_tls 2"), "{}", doors.broker.said());
    }
}

// A server's certificate of version 1 is used with a warning, and serves clients that accept it. A
// client's is refused, and the log says what to do.
#[test]
fn certificates_of_version_1() {
    let (ca, cert, key) = (made("ca.pem"), made("v1-server.pem"), made("v1-server.key"));
    let flags = ["--tls-listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key];
    let flags = [&flags[..], &["--tls-client-ca", &ca, "--tls-client", "optional"]].concat();
    let broker = Broker::start_with(1, &flags);
    let warned = broker.said();
    let due = ["--tls-cert", "v1-server.pem", "version 1", "-extfile", "subjectAltName"];
    assert!(due.iter().all(|part| warned.contains(part)), "{warned}");
    let port = broker.tls_addr().port().to_string();
    let mut publish = Command::new("mosquitto_pub");
    publish.args(["-h", "127.0.0.1", "-p", &port, "--cafile", &ca, "-t", "a", "-m", "b"]);
    run(&publish);
    publish.args(["--cert", &made("v1-client.pem"), "--key", &made("v1-client.key"), "-q", "1"]);
    assert!(!run_in_time(&publish).status.success());
    let line = broker.wait_for_line("refused a connection");
    for part in ["the client's certificate", "version 1", "-extfile", "extendedKeyUsage=clientAuth"]
    {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }
}
