//! `ringmq session delete`: the way out for a device whose client id is another user's.

use std::process::Command;

use crate::common::{Broker, Client, End, connack, puback, publish};
use crate::files::{Files, answer, connect_as, enter};

/// Runs `ringmq session delete`; returns whether it succeeded, and its output.
fn delete(broker: &Broker, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq"))
        .args(["session", "delete"])
        .args(arguments)
        .arg("--data-dir")
        .arg(broker.data_dir())
        .output()
        .expect("the binary starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[track_caller]
fn resume(broker: &Broker, user: &str, id: &str, present: bool) -> Client {
    let mut client = Client::open(broker);
    client.send(&connect_as(user, id).persistent().bytes());
    client.expect(&connack(present, 0));
    client
}

/// The ways in which the broker reads the requests.
const WAYS: [Option<End>; 3] = [None, Some(End::Stopped), Some(End::Killed)];

// A device with a changed user name is refused, and the log names the owner of its session and the
// remedy. After the deletion, by a running broker or at the next start, the device begins a new
// session; nothing else changes.
#[test]
fn a_new_user_name_gets_in() {
    let files = Files::new();
    files.write_users("passwords", &["anna", "ben"]);
    for (shards, way) in WAYS.iter().flat_map(|way| [(1, *way), (2, *way)]) {
        let flags = [&*files.flag("--passwords", "passwords")];
        let mut broker = Broker::start_with(shards, &flags);
        for id in ["device 7", "other"] {
            let mut client = resume(&broker, "anna", id, false);
            client.subscribe("t", 1);
            client.leave();
        }
        let mut anna = enter(&broker, "anna", "anna");
        anna.publish(&publish("t", "waits").qos1(1));
        assert_eq!(answer(&broker, &connect_as("ben", "device 7").persistent()), 2);
        let said = broker.wait_for_line("client \"device 7\": refused from");
        assert!(
            said.contains("user \"anna\", and is") && said.contains("ringmq session delete"),
            "{said}"
        );
        let (done, said) = delete(&broker, &["device 7"]);
        assert!(done && said.contains("SIGHUP"), "{said}");
        assert_eq!(answer(&broker, &connect_as("ben", "device 7").persistent()), 2, "not yet");
        match way {
            None => broker.hang_up(),
            Some(end) => {
                broker.end(end);
                // It may be asked for again, also while no broker runs.
                assert!(delete(&broker, &["device 7"]).0);
                broker.start_again();
            }
        }
        if way.is_none() {
            broker.wait_for_line("client \"device 7\": its session in vhost / is deleted");
        }
        let mut ben = resume(&broker, "ben", "device 7", false);
        ben.expect_silence();
        assert_eq!(answer(&broker, &connect_as("ben", "other").persistent()), 2);
        let mut other = resume(&broker, "anna", "other", true);
        let came = other.read_publish();
        assert_eq!(came.payload, b"waits");
        other.send(&puback(came.id));
        // It is done once.
        assert!(delete(&broker, &["nobody"]).0);
        broker.hang_up();
        broker.wait_for_line("client \"nobody\": no session in vhost / to delete");
        ben.expect_silence();
        drop(ben);
        broker.restart(End::Killed);
        resume(&broker, "ben", "device 7", true).expect_silence();
    }
}

// A connected client is disconnected, one with a clean session too.
#[test]
fn connected_clients_go() {
    let files = Files::new();
    files.write_users("vhosts/a/passwords", &["anna"]);
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &[&files.flag("--vhosts", "vhosts")]);
        let mut witness = enter(&broker, "a:anna", "witness");
        for clean in [false, true] {
            let packet = connect_as("a:anna", "there");
            let packet = if clean { packet } else { packet.persistent() };
            let mut client = Client::connect_with(&broker, &packet);
            client.subscribe("t", 1);
            let (done, said) = delete(&broker, &["there", "--vhost", "a"]);
            assert!(done, "{said}");
            broker.hang_up();
            client.expect_closed();
            broker.wait_for_line("client \"there\": its session in vhost a is deleted");
            resume(&broker, "a:anna", "there", false).leave();
            Client::connect_with(&broker, &connect_as("a:anna", "there")).leave();
        }
        witness.expect_silence();
        broker.terminate();
        assert!(broker.wait_for_line("counted:").contains("sessions_deleted 2"));
    }
}

// An impossible deletion is reported, and no request is written; a damaged file stays.
#[test]
fn faults() {
    let files = Files::new();
    files.write_users("vhosts/a/passwords", &["anna"]);
    let broker = Broker::start_with(1, &[&files.flag("--vhosts", "vhosts")]);
    let long = "x".repeat(1025);
    for (arguments, says) in [
        (&[""][..], "1 to 1024 bytes"),
        (&[&*long], "1 to 1024 bytes"),
        (&["id", "--vhost", "b"], "there are /, a"),
    ] {
        let (done, said) = delete(&broker, arguments);
        assert!(!done && said.contains(says), "{arguments:?}: {said}");
    }
    let file = broker.data_dir().join("DELETIONS");
    assert!(!file.exists());
    std::fs::write(&file, "nonsense\n").expect("it is writable");
    broker.hang_up();
    let said = broker.wait_for_line("no session was deleted");
    assert!(said.contains("DELETIONS is damaged"), "{said}");
    assert!(file.exists());
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_ringmq"))
        .args(["session", "delete", "id", "--data-dir"])
        .arg(files.path("none"))
        .output()
        .expect("the binary starts");
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(!files.path("none").exists());
}
