//! `ringmq vhost`: its list, and its deletion.

use std::process::Command;

use crate::common::{Broker, Client, End, connack, puback, publish, suback, subscribe};
use crate::files::{Files, connect_as};

/// Runs `ringmq vhost`; returns whether it succeeded, and its output.
fn vhost(broker: &Broker, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq"))
        .arg("vhost")
        .args(arguments)
        .arg("--data-dir")
        .arg(broker.data_dir())
        .output()
        .expect("the binary starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn files() -> Files {
    let files = Files::new();
    files.write_users("vhosts/a/passwords", &["anna"]);
    files.write_users("vhosts/b%20c/passwords", &["anna"]);
    files
}

/// A durable session with a message that waits, and a retained message; the client is away.
fn fill(broker: &Broker, user: &str) {
    let mut client = Client::connect_with(broker, &connect_as(user, "device").persistent());
    client.subscribe("queued", 1);
    client.leave();
    let mut writer = Client::connect_with(broker, &connect_as(user, "writer"));
    for (n, message) in (1..).zip([publish("queued", user), publish("kept", user).retained()]) {
        writer.send(&message.qos1(n).bytes());
        writer.expect(&puback(n));
    }
    writer.leave();
}

/// Checks whether the session and the retained message exist.
#[track_caller]
fn expect_filled(broker: &Broker, user: &str, filled: bool) {
    let mut client = Client::open(broker);
    client.send(&connect_as(user, "device").persistent().bytes());
    client.expect(&connack(filled, 0));
    if filled {
        client.expect_unacked(&publish("queued", user).at(1));
    }
    client.expect_silence();
    client.send(&subscribe(2, &[("kept", 0)]));
    client.expect(&suback(2, &[0]));
    if filled {
        client.expect_publish(&publish("kept", user).retained());
    }
    client.expect_silence();
    if !filled {
        // Leaves nothing behind.
        Client::connect_with(broker, &connect_as(user, "device")).leave();
        client.expect_closed();
    }
}

// A vhost can be deleted only while no broker runs, and then nothing of it is left: a new one of
// that name is empty, whether the broker was killed before or not. Other vhosts keep their data.
#[test]
fn deletes() {
    let files = files();
    for (shards, end) in [(1, End::Stopped), (2, End::Killed)] {
        let mut broker = Broker::start_with(shards, &[&files.flag("--vhosts", "vhosts")]);
        let users = ["a:anna", "b c:anna"];
        users.iter().for_each(|user| fill(&broker, user));
        let (done, said) = vhost(&broker, &["delete", "b c"]);
        assert!(!done && said.contains("stop that one"), "{said}");
        broker.end(end);
        let listed = vhost(&broker, &["list"]);
        assert_eq!(listed, (true, "0 /\n1 a\n2 b c\n".to_owned()));
        for (name, says) in [("/", "cannot be deleted"), ("c", "there are a, b c")] {
            let (done, said) = vhost(&broker, &["delete", name]);
            assert!(!done && said.contains(says), "{name}: {said}");
        }
        let (done, said) = vhost(&broker, &["delete", "b c"]);
        assert!(done && said.contains("vhost b c is deleted"), "{said}");
        assert_eq!(vhost(&broker, &["list"]), (true, "0 /\n1 a\n".to_owned()));
        broker.start_again();
        expect_filled(&broker, "b c:anna", false);
        expect_filled(&broker, "a:anna", true);
        // It has another number, is listed while the broker runs, and stays.
        assert_eq!(vhost(&broker, &["list"]), (true, "0 /\n1 a\n3 b c\n".to_owned()));
        fill(&broker, "b c:anna");
        broker.restart(end);
        expect_filled(&broker, "b c:anna", true);
    }
}

// Without a data directory nothing is created, and an error is printed.
#[test]
fn no_data() {
    let files = Files::new();
    for act in [&["list"][..], &["delete", "a"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_ringmq"))
            .arg("vhost")
            .args(act)
            .arg("--data-dir")
            .arg(files.path("none"))
            .output()
            .expect("the binary starts");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("there is no directory"), "{said}");
        assert!(!files.path("none").exists());
    }
}
