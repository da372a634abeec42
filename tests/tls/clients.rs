//! Clients that others wrote, over TLS: mosquitto's, paho-mqtt, MQTT.js.

use std::fs;
use std::process::Command;

use crate::authority::{Authority, Pair, text};
use crate::common::{in_repository, run, run_in_time};
use crate::door::{Doors, Secure, VERSIONS, config_of};

const SHARDS: [usize; 2] = [1, 4];

// paho-mqtt works with both versions of TLS.
#[test]
fn paho() {
    let python = in_repository("target/test-env/venv/bin/python");
    let script = in_repository("tests/clients/paho_suite.py");
    suite(["TLSv1_2", "TLSv1_3"], || {
        let mut command = Command::new(&python);
        command.arg(&script);
        command
    });
}

// MQTT.js works with both versions of TLS.
#[test]
fn mqttjs() {
    let modules = in_repository("target/test-env/node/node_modules");
    let script = in_repository("tests/clients/mqttjs_suite.js");
    suite(["TLSv1.2", "TLSv1.3"], || {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &modules).arg(&script);
        command
    });
}

/// Runs a script against brokers, with each version.
fn suite(versions: [&str; 2], script: impl Fn() -> Command) {
    let authority = Authority::new();
    for shards in SHARDS {
        let doors = Doors::open(shards, &authority.server(), &[]);
        for version in versions {
            println!("{shards} shards, {version}");
            let mut command = script();
            command.arg("127.0.0.1").arg(doors.addr.port().to_string()).arg("3.1.1");
            command.arg(&authority.file).arg(version);
            run(&command);
        }
    }
}

/// `mosquitto_pub` or `mosquitto_sub` with these arguments, split at spaces.
fn mosquitto(
    program: &str,
    doors: &Doors,
    authority: &Authority,
    version: &str,
    arguments: &str,
) -> Command {
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &doors.addr.port().to_string()]);
    command.args(["--cafile", text(&authority.file), "--tls-version", version]);
    command.args(arguments.split(' ').filter(|argument| !argument.is_empty()));
    command
}

fn own(pair: Option<&Pair>) -> String {
    pair.map_or(String::new(), |pair| {
        format!("--cert {} --key {}", text(&pair.cert), text(&pair.key))
    })
}

// mosquitto's clients pass messages at every QoS; certificates decide which of them are accepted.
#[test]
fn mosquitto_clients() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (good, foreign) = (authority.issue(&["good"], 2090), other.issue(&["good"], 2090));
    let revoked = authority.issue(&["revoked"], 2090);
    let list = authority.revoke(&[&revoked]);
    for version in ["tlsv1.2", "tlsv1.3"] {
        let doors = Doors::open(2, &authority.server(), &[]);
        let publish = |arguments: &str| {
            run(&mosquitto("mosquitto_pub", &doors, &authority, version, arguments));
        };
        for qos in 0..3 {
            publish(&format!("-i m-pub -t m/state -r -q {qos} -m on-{qos}"));
            let wish = format!("-i m-sub -t m/state -q {qos} -C 1 -F %q/%p");
            let came = run(&mosquitto("mosquitto_sub", &doors, &authority, version, &wish));
            assert_eq!(came, format!("{qos}/on-{qos}\n"));
        }
        let flags = ["--tls-client-ca", text(&authority.file), "--tls-crl", text(&list)];
        let doors = Doors::open(2, &authority.server(), &flags);
        for (what, pair, is_let_in) in [
            ("good", Some(&good), true),
            ("none", None, false),
            ("foreign", Some(&foreign), false),
            ("revoked", Some(&revoked), false),
        ] {
            let arguments = format!("-i m-pub -t t -q 1 -m x {}", own(pair));
            let command = mosquitto("mosquitto_pub", &doors, &authority, version, &arguments);
            let output = run_in_time(&command);
            assert_eq!(output.status.success(), is_let_in, "{what}: {output:?}");
        }
    }
}

// The lines of the page on security make certificates that work, of both sides.
#[test]
fn certificates_of_the_page() {
    let page = fs::read_to_string(in_repository("docs/security.md")).expect("it is there");
    let (_, section) = page.split_once("### Certificates that work").expect("its heading");
    let (section, _) = section.split_once("\n### ").expect("another follows");
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.collect::<String>();
    let authority = Authority::new();
    let directory = authority.path("page");
    fs::create_dir(&directory).expect("the directory is ours");
    let mut shell = Command::new("sh");
    shell.arg("-ec").arg(format!("cd {}\n{lines}", text(&directory)));
    run(&shell);
    let [ca, cert, key] = ["ca.pem", "server.pem", "server.key"].map(|name| directory.join(name));
    let own = ["sensor-17.pem", "sensor-17.key"].map(|name| directory.join(name));
    let flags = ["--tls-client-ca", text(&ca), "--tls-identity", "cn"];
    let doors = Doors::open_with(1, &cert, &key, &flags);
    for version in VERSIONS {
        let config = config_of(&ca, &[version], Some((&own[0], &own[1])));
        Secure::connect(doors.addr, &config, "client").expect("is let in");
        let config = config_of(&ca, &[version], None);
        assert!(Secure::connect(doors.addr, &config, "client").is_err(), "has no certificate");
    }
    let said = doors.broker.said();
    assert!(!said.contains("version 1"), "{said}");
}

// mosquitto's clients refuse a server whose certificate has expired, is for another host, or is of
// another authority.
#[test]
fn mosquitto_clients_refuse() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (what, pair) in [
        ("expired", authority.issue(&["127.0.0.1"], 2020)),
        ("another host", authority.issue(&["elsewhere"], 2090)),
        ("another authority", other.server()),
    ] {
        let doors = Doors::open(1, &pair, &[]);
        for version in ["tlsv1.2", "tlsv1.3"] {
            let arguments = "-i m-pub -t t -q 1 -m x";
            let command = mosquitto("mosquitto_pub", &doors, &authority, version, arguments);
            assert!(!run_in_time(&command).status.success(), "{what}");
        }
    }
}
