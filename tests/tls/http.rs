//! HTTP for operators over TLS: no plain text, and new certificates by a reload.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::authority::{Authority, text};
use crate::common::{Broker, PATIENCE};
use crate::door::{Secure, VERSIONS, config};

/// The address of the listener for operators, as the log says.
#[track_caller]
fn address_of(broker: &Broker) -> SocketAddr {
    let line = broker.wait_for_line("answering operators on https://");
    let (_, rest) = line.split_once("https://").expect("it was waited for");
    rest.split(' ').next().and_then(|at| at.trim().parse().ok()).expect("an address")
}

/// Sends a request over TLS; returns the whole answer.
fn ask(at: SocketAddr, trust: &Arc<ClientConfig>, head: &str) -> io::Result<String> {
    let mut stream = Secure::open(at, trust, "localhost")?.tls;
    stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

// A token is only sent over TLS: a request in plain HTTP is not answered. Only the names of
// --http-host are accepted.
#[test]
fn nothing_goes_in_the_clear() {
    let authority = Authority::new();
    let server = authority.server();
    let flags = ["--http-listen", "127.0.0.1:0", "--http-host", "broker.example"];
    let flags = [&flags[..], &["--http-cert", text(&server.cert)]].concat();
    let flags = [&flags[..], &["--http-key", text(&server.key)]].concat();
    let broker = Broker::start_with(1, &flags);
    let at = address_of(&broker);
    let token = fs::read_to_string(broker.data_dir().join("admin.token")).expect("it is made");
    let token = format!("authorization: Bearer {}", token.trim());
    for version in VERSIONS {
        let trust = config(&authority, &[version], None);
        for (host, status) in
            [(&*at.to_string(), 200), ("broker.example", 200), ("evil.example", 421)]
        {
            let head = format!("GET /api/v1/listeners HTTP/1.1\r\nhost: {host}\r\n{token}");
            let answer = ask(at, &trust, &head).expect("there is an answer");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
        }
    }
    let mut plain = TcpStream::connect(at).expect("it listens");
    plain.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
    plain.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("it is taken");
    let mut answer = Vec::new();
    let _reset = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    broker.stop();
}

// A reload reads the certificate from its file; the old one stays if the new one is faulty.
// Certificates are listed.
#[test]
fn reloads_bring_certificates() {
    let (first, second) = (Authority::new(), Authority::new());
    let (server, other) = (first.server(), second.server());
    let flags = ["--http-listen", "127.0.0.1:0", "--http-cert", text(&server.cert)];
    let broker = Broker::start_with(1, &[&flags[..], &["--http-key", text(&server.key)]].concat());
    let at = address_of(&broker);
    let ready = format!("GET /readyz HTTP/1.1\r\nhost: {at}");
    let [old, new] = [&first, &second].map(|authority| config(authority, &VERSIONS, None));
    assert!(ask(at, &old, &ready).is_ok() && ask(at, &new, &ready).is_err());
    let good = fs::read(&server.cert).expect("it is there");
    fs::write(&server.cert, "nothing\n").expect("there is room");
    broker.hang_up();
    let says = broker.wait_for_line("not reloaded");
    assert!(says.contains("--http-cert") && says.contains("no PEM block"), "{says}");
    assert!(ask(at, &old, &ready).is_ok(), "it stays as it was");
    fs::write(&server.cert, good).expect("there is room");
    fs::copy(&other.cert, &server.cert).expect("there is room");
    fs::copy(&other.key, &server.key).expect("there is room");
    broker.reload();
    assert!(ask(at, &new, &ready).is_ok() && ask(at, &old, &ready).is_err());
    let token = fs::read_to_string(broker.data_dir().join("admin.token")).expect("it is made");
    let head = format!(
        "GET /api/v1/checks/certificates?within=99999d HTTP/1.1\r\nhost: {at}\r\nauthorization: \
         Bearer {}",
        token.trim()
    );
    let scrape = format!("GET /metrics HTTP/1.1\r\nhost: {at}");
    let scraped = ask(at, &new, &scrape).expect("there is an answer");
    let name = "ringmq_tls_certificate_not_after_timestamp_seconds";
    let line = format!("\n{name}{{file=\"{}\"}} ", server.cert.display());
    let end_s = scraped.split_once(&line).and_then(|(_, rest)| rest.lines().next());
    let end_s: u64 = end_s.and_then(|text| text.parse().ok()).expect("it is told");
    assert!(end_s > 1_700_000_000, "{end_s}");
    let answer = ask(at, &new, &head).expect("there is an answer");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("--http-cert"), "{answer}");
    broker.stop();
}

// `ringmq ctl` accepts a certificate only if it has the name and comes from a trusted authority.
// The token comes from the environment or from a file.
#[test]
fn ctl_asks_over_tls() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = authority.server();
    let flags = ["--http-listen", "127.0.0.1:0", "--http-cert", text(&server.cert)];
    let broker = Broker::start_with(1, &[&flags[..], &["--http-key", text(&server.key)]].concat());
    let at = format!("https://localhost:{}", address_of(&broker).port());
    let file = broker.data_dir().join("admin.token");
    let token = fs::read_to_string(&file).expect("it is made");
    let (ca, other) = (text(&authority.file), text(&stranger.file));
    let missing = authority.path("missing.pem");
    let no_name = at.replace("localhost", "127.0.0.2");
    let plain = at.replace("https://localhost", "http://127.0.0.1");
    let other_broker = Broker::start_with(1, &["--http-listen", "127.0.0.1:0"]);
    let line = other_broker.wait_for_line("answering operators on http://127.0.0.1:");
    let (_, port) = line.split_once("http://127.0.0.1:").expect("it was waited for");
    let port = port.split(' ').next().expect("there is a first");
    let no_tls = format!("https://localhost:{port}");
    for (arguments, variables, code, says) in [
        (&["--at", &*at, "--cacert", ca][..], &[("RINGMQ_TOKEN", &*token)][..], 0, "ready\ttrue"),
        (&["--at", &at, "--cacert", ca, "--token-file", text(&file)], &[], 0, "ready\ttrue"),
        (&[], &[("RINGMQ_ADMIN", &*at), ("RINGMQ_CACERT", ca), ("RINGMQ_TOKEN", &token)], 0, "re"),
        (&["--at", &at, "--cacert", ca], &[], 5, "RINGMQ_TOKEN"),
        (&["--at", &at, "--cacert", other], &[("RINGMQ_TOKEN", &token)], 4, "--cacert"),
        (&["--at", &at, "--cacert", text(&missing)], &[], 2, "no such file"),
        (&["--at", &at, "--cacert", text(&server.key)], &[], 2, "no certificate"),
        (&["--at", &no_name, "--cacert", ca], &[("RINGMQ_TOKEN", &token)], 4, "127.0.0.2"),
        (&["--at", &plain], &[("RINGMQ_TOKEN", &token)], 4, "begins with https://"),
        (&["--at", &no_tls, "--cacert", ca], &[], 4, "does not use TLS"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
        command.args(["ctl", "status"]).args(arguments).stdin(Stdio::null());
        for name in ["RINGMQ_TOKEN", "RINGMQ_ADMIN", "RINGMQ_CACERT"] {
            command.env_remove(name);
        }
        let output = command.envs(variables.iter().copied()).output().expect("it is there");
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8(told).expect("it writes UTF-8");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(says), "{arguments:?}: {told}");
    }
    other_broker.stop();
    broker.stop();
}
