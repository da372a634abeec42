//! Certificates of both sides: shown, refused, chosen by name, revoked.

use crate::authority::{Authority, text};
use crate::door::{Doors, Secure, VERSIONS, config};

// Clients are let in as --tls-client says: with a good certificate always, without one if it is
// optional, with a bad one never.
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
                // With a ticket, if there is one, it is the same.
                for _ in 0..2 {
                    let came = Secure::connect(doors.addr, &config, what).map(|_| ());
                    assert_eq!(came.is_ok(), is_let_in, "{what}, {whether}: {came:?}");
                }
            }
        }
    }
}

// Without a list nobody is revoked.
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
