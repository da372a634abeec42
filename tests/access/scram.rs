//! SCRAM with the files that `ringmq passwd --scram` writes, on a broker that runs.

use std::process::Command;

use crate::common::scram::Scram;
use crate::common::v5::{Value, auth, connect as connect_v5, id, props};
use crate::common::{Broker, Client, connect};
use crate::scene::{Scene, ringmq_passwd};

const ANN: Scram = Scram { method: "SCRAM-SHA-256", user: "ann", password: "pässword" };
const NEW: Scram = Scram { method: "SCRAM-SHA-512", password: "another", ..ANN };

/// The code that a client gets in the end.
#[track_caller]
fn code(broker: &Broker, scram: Scram) -> u8 {
    let mut client = Client::open(broker);
    let with = |message: String| {
        props().text(id::AUTH_METHOD, scram.method).binary(id::AUTH_DATA, message)
    };
    client.send(&connect_v5("client").with(|_| with(scram.first())).bytes());
    let crate::common::v5::Packet::Answer(answer) = client.read_v5() else {
        panic!("neither AUTH nor CONNACK")
    };
    if answer.first == 0x20 {
        return answer.codes[0];
    }
    let Some(Value::Binary(first)) = answer.props.get(id::AUTH_DATA) else {
        panic!("no message: {answer:?}")
    };
    let last = scram.last(str::from_utf8(first).expect("SCRAM is text"));
    client.send(&auth(0x18, &with(last.message)));
    client.expect_answer(0x20).codes[0]
}

fn password_code(broker: &Broker, password: &str) -> u8 {
    let mut client = Client::open(broker);
    client.send(&connect("client").username("ann").password(password).bytes());
    client.read_packet()[3]
}

// Keys for both mechanisms are written, the user logs in with both and with the password, and
// `ringmq check` takes the file. A reload brings other keys, and takes them away.
#[test]
fn keys_of_ringmq_passwd() {
    let scene = Scene::new("scram");
    let file = scene.path("passwords");
    let set = |arguments: &[&str], password: &str| {
        let output = ringmq_passwd(&file, arguments, password);
        assert!(output.status.success(), "{output:?}");
    };
    let scram = ["ann", "--scram", "--stdin", "--iterations", "4096"];
    set(&scram, ANN.password);
    let text = std::fs::read_to_string(&file).expect("it was written");
    assert!(text.starts_with("ann:SCRAM-SHA-256$4096:"), "{text}");
    assert!(text.contains(" SCRAM-SHA-512$4096:") && text.lines().count() == 1, "{text}");
    let path = file.to_str().expect("it is made of text");
    let check = Command::new(env!("CARGO_BIN_EXE_ringmq"))
        .args(["check", "--passwords", path, "--data-dir", scene.path("none").to_str().unwrap()])
        .output()
        .expect("the binary starts");
    assert!(check.status.success(), "{check:?}");

    let broker = Broker::start_with(2, &["--passwords", path]);
    assert_eq!(code(&broker, ANN), 0);
    assert_eq!(code(&broker, Scram { method: "SCRAM-SHA-512", ..ANN }), 0);
    assert_eq!(code(&broker, Scram { password: "password", ..ANN }), 0x87);
    assert_eq!(code(&broker, Scram { user: "bob", ..ANN }), 0x87);
    assert_eq!([ANN.password, "wrong"].map(|word| password_code(&broker, word)), [0, 5]);

    set(&scram, NEW.password);
    broker.reload();
    assert_eq!([ANN, NEW].map(|scram| code(&broker, scram)), [0x87, 0]);
    assert_eq!([ANN, NEW].map(|scram| password_code(&broker, scram.password)), [5, 0]);
    // A hash of the other kind replaces the keys: then the broker knows no method.
    set(&["ann", "--stdin"], NEW.password);
    broker.reload();
    assert_eq!(code(&broker, NEW), 0x8c);
    assert_eq!(password_code(&broker, NEW.password), 0);
}

// A name or a password that SCRAM does not allow is refused when it is set.
#[test]
fn names_and_passwords_that_scram_changes() {
    let scene = Scene::new("scram-names");
    let file = scene.path("passwords");
    for (arguments, password, says) in [
        (&["a\u{2168}", "--scram", "--stdin"][..], "x", "SCRAM changes this name"),
        (&["ann", "--scram", "--stdin"], "a\u{7}b", "characters that SCRAM does not allow"),
        (&["ann", "--scram", "--stdin", "--iterations", "4095"], "x", "4095"),
        (&["ann", "--stdin", "--iterations", "5000"], "x", "--scram"),
        (&["ann", "--scram", "--delete"], "x", "--delete"),
    ] {
        let output = ringmq_passwd(&file, arguments, password);
        assert!(!output.status.success(), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(says), "{said}");
        assert!(!file.exists(), "nothing was written");
    }
}

// The vhost is named before the user, in the message as in a user name.
#[test]
fn users_of_vhosts() {
    let scene = Scene::new("scram-vhosts");
    for vhost in ["one", "two"] {
        std::fs::create_dir_all(scene.path(vhost)).expect("the directory is ours");
    }
    let of = |vhost: &'static str, password| Scram { user: vhost, password, ..ANN };
    let keys = |password| Scram { password, ..ANN }.keys();
    scene.write("one/passwords", &format!("ann:{}\n", keys("first")));
    scene.write("two/passwords", &format!("ann:{}\n", keys("second")));
    let path = scene.path("");
    let path = path.to_str().expect("it is made of text");
    let broker = Broker::start_with(2, &["--vhosts", path, "--default-vhost", "two"]);
    for (user, password, expected) in [
        ("one:ann", "first", 0),
        ("one:ann", "second", 0x87),
        ("two:ann", "second", 0),
        ("ann", "second", 0),
        ("three:ann", "second", 0x87),
    ] {
        assert_eq!(code(&broker, of(user, password)), expected, "{user}, {password}");
    }
}
