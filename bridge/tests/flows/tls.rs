//! TLS to targets, with certificates of the test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::harness::{
    Authority, Bridge, Broker, Client, Process, SecuredPostgres, TempDir, free_port,
};

fn config(home: &Broker, sink: &str) -> String {
    let url = home.url();
    format!("[broker]\nurl = \"{url}\"\n[[sink]]\nname = \"s\"\nfilters = [\"m/#\"]\n{sink}\n")
}

fn key(name: &str, path: &Path) -> String {
    format!("{name} = \"{}\"\n", path.display())
}

// `sslmode` has the meanings that libpq gives it, and a file of authorities without it verifies
// everything.
#[test]
fn modes_of_postgres() {
    let (authority, other) = (Authority::new(), Authority::new());
    let database = SecuredPostgres::start(&authority);
    let (certificate, private) = authority.issue("client");
    let identity = key("cert_file", &certificate) + &key("key_file", &private);
    let (right, wrong) = (key("ca_file", &authority.file()), key("ca_file", &other.file()));
    for (number, (host, user, mode, keys, fault)) in [
        ("localhost", "open", "", "", None),
        ("localhost", "open", "sslmode=disable", "", Some("no encryption")),
        ("localhost", "open", "sslmode=require", "", None),
        ("localhost", "open", "sslmode=require", &*wrong, Some("UnknownIssuer")),
        ("127.0.0.1", "open", "sslmode=verify-ca", &*right, None),
        ("127.0.0.1", "open", "sslmode=verify-full", &*right, Some("not valid for name")),
        ("localhost", "open", "sslmode=verify-full", &*right, None),
        ("localhost", "open", "", &*wrong, Some("UnknownIssuer")),
        ("localhost", "known", "", &*right, Some("client certificate")),
        ("localhost", "known", "", &*(right.clone() + &identity), None),
    ]
    .into_iter()
    .enumerate()
    {
        let home = Broker::start();
        database.ask(&format!("CREATE TABLE t{number} (n int8)"));
        let url = format!("host={host} port={} user={user} dbname=postgres {mode}", database.port);
        let bridge = Bridge::start(&config(
            &home,
            &format!(
                "[sink.postgres]\nurl = \"{url}\"\ntable = \"t{number}\"\n\
                 columns = {{ n = \"{{payload}}\" }}\n{keys}"
            ),
        ));
        bridge.process.wait_for_line("subscribed");
        Client::unix(&home.socket(), "writer", false).publish("m/a", "1");
        if let Some(fault) = fault {
            let line = bridge.process.wait_for_line("s: ");
            assert!(line.contains(fault), "{host} {user} {mode}: {line}");
        } else {
            bridge.expect_metric("delivered_total", "s", |count| count == 1.0);
            assert_eq!(database.ask(&format!("SELECT n FROM t{number}")), "1", "{host} {mode}");
        }
    }
}

// A server of NATS that wants certificates takes the bridge's; one with another authority's is
// refused.
#[test]
fn nats_with_certificates() {
    let (authority, other, directory) = (Authority::new(), Authority::new(), TempDir::new());
    let (home, port) = (Broker::start(), free_port());
    let (certificate, private) = authority.issue("server");
    let mut command = Command::new("/usr/sbin/nats-server");
    command.args(["-a", "127.0.0.1", "-js", "-p", &port.to_string(), "-sd"]);
    command.arg(directory.join("store")).args(["--tlsverify", "--tlscert"]).arg(certificate);
    command.arg("--tlskey").arg(private).arg("--tlscacert").arg(authority.file());
    let server = Process::spawn(command);
    server.wait_for_line("Server is ready");
    let (certificate, private) = authority.issue("client");
    let identity = key("cert_file", &certificate) + &key("key_file", &private);
    let sink = |ca: PathBuf| {
        let url = format!("tls://localhost:{port}");
        let text = format!("[sink.nats]\nservers = [\"{url}\"]\n{identity}{}", key("ca_file", &ca));
        config(&home, &text)
    };
    let bridge = Bridge::start(&sink(other.file()));
    bridge.process.wait_for_line("subscribed");
    Client::unix(&home.socket(), "writer", false).publish("m/a", "1");
    let line = bridge.process.wait_for_line("tries again until it succeeds");
    assert!(line.contains("UnknownIssuer"), "{line}");
    drop(bridge);
    let bridge = Bridge::start(&sink(authority.file()));
    // It makes no streams: that it says so shows that it is let in.
    let line = bridge.process.wait_for_line("s: stopped: ");
    assert!(line.contains("make a stream"), "{line}");
}

// Another broker is reached with TLS, and only if its certificate is good.
#[test]
fn broker_with_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (certificate, private) = authority.issue("server");
    let port = free_port();
    let path = |path: &Path| path.display().to_string();
    let far = Broker::start_with(&[
        "--tls-listen",
        &format!("127.0.0.1:{port}"),
        "--tls-cert",
        &path(&certificate),
        "--tls-key",
        &path(&private),
    ]);
    let home = Broker::start();
    let sink = |ca: PathBuf| {
        let url = format!("mqtts://localhost:{port}");
        config(&home, &format!("[sink.mqtt]\nurl = \"{url}\"\n{}", key("ca_file", &ca)))
    };
    let mut reader = Client::unix(&far.socket(), "reader", false);
    reader.subscribe("m/#");
    let bridge = Bridge::start(&sink(other.file()));
    bridge.process.wait_for_line("subscribed");
    Client::unix(&home.socket(), "writer", false).publish("m/a", "1");
    let line = bridge.process.wait_for_line("tries again until it succeeds");
    assert!(line.contains("UnknownIssuer"), "{line}");
    drop(bridge);
    let bridge = Bridge::start(&sink(authority.file()));
    assert_eq!(reader.receive().payload, "1");
    bridge.expect_metric("delivered_total", "s", |count| count == 1.0);
}
