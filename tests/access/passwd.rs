//! Password files: those of `mosquitto_passwd` open here, and those of `ringmq passwd`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ringmq::access::{Policy, Request, Sources, Verdict};
use ringmq::mqtt::{ConnectReturn, Version};

use crate::common::{Broker, Client, connect};
use crate::scene::{Scene, ringmq_passwd};

/// The policy of a password file.
fn policy(passwords: &Path) -> Policy {
    let sources = Sources { passwords: Some(passwords.to_owned()), ..Sources::default() };
    Policy::load(&sources, &mut |_| Ok(1)).unwrap_or_else(|error| panic!("{error}"))
}

/// The code of the CONNACK.
fn answer(policy: &Policy, user_name: Option<&str>, password: Option<&str>) -> ConnectReturn {
    let password = password.map(str::as_bytes);
    let request = Request { local: true, user_name, password, certified: None };
    let refusal = match policy.admit(&request) {
        Verdict::Granted(_) => return ConnectReturn::Accepted,
        Verdict::Verify(question) if question.verify() => return ConnectReturn::Accepted,
        Verdict::Verify(_) => ringmq::access::Refusal::BadUserNameOrPassword,
        Verdict::Refused(refusal) => refusal,
    };
    refusal.connect_return(Version::V311)
}

// A file of mosquitto_passwd admits the same clients as in mosquitto, and refuses the others with
// the same code.
#[test]
fn mosquittos_files_let_the_same_in() {
    let scene = Scene::new("logins");
    let long = "lång ".repeat(40);
    let file = scene.mosquitto_passwords(&[
        ("ann", &[], "secret"),
        ("bob smith", &["-I", "5000"], "päss wörd"),
        ("cy", &["-H", "sha512"], "old"),
        ("dora", &[], &long),
        ("#eve", &[], "x"),
    ]);
    let policy = policy(&file);
    let lines = format!("allow_anonymous false\npassword_file {}", file.display());
    let mosquitto = Broker::mosquitto(&lines);
    for (user, password) in [
        (None, None),
        (Some("ann"), Some("secret")),
        (Some("ann"), Some("Secret")),
        (Some("ann"), Some("secret\0")),
        (Some("ann"), Some("")),
        (Some("ann"), None),
        (Some("Ann"), Some("secret")),
        (Some("nobody"), Some("secret")),
        (Some("bob smith"), Some("päss wörd")),
        (Some("bob smith"), Some("pass word")),
        (Some("bob"), Some("päss wörd")),
        (Some("cy"), Some("old")),
        (Some("cy"), Some("secret")),
        (Some("dora"), Some(long.as_str())),
        (Some("dora"), Some(long.trim_end())),
        (Some("#eve"), Some("x")),
    ] {
        let mut packet = connect("client");
        packet = user.into_iter().fold(packet, |packet, user| packet.username(user));
        packet = password.into_iter().fold(packet, |packet, word| packet.password(word));
        let mut client = Client::open(&mosquitto);
        client.send(&packet.bytes());
        let code = client.read_packet()[3];
        assert_eq!(answer(&policy, user, password) as u8, code, "{user:?}, {password:?}");
    }
}

// `ringmq passwd` sets, changes and deletes users of a file that mosquitto_passwd has written, and
// leaves the others.
#[test]
fn ringmq_passwd_changes_files() {
    let scene = Scene::new("passwd");
    let file = scene.mosquitto_passwords(&[("ann", &[], "a"), ("bob", &[], "b")]);
    for (arguments, input, ann, bob, cy) in [
        (&["cy", "--stdin"][..], "c", Some("a"), Some("b"), Some("c")),
        (&["ann", "--stdin"], "new\nnot this\n", Some("new"), Some("b"), Some("c")),
        (&["bob", "--delete"], "", Some("new"), None, Some("c")),
    ] {
        let output = ringmq_passwd(&file, arguments, input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        let policy = policy(&file);
        for (user, password) in [("ann", ann), ("bob", bob), ("cy", cy)] {
            for word in ["a", "b", "c", "new", "not this"] {
                let is_in = answer(&policy, Some(user), Some(word)) == ConnectReturn::Accepted;
                assert_eq!(is_in, password == Some(word), "{arguments:?}: {user}, {word}");
            }
        }
    }
}

// Only the owner can read a new file. An impossible change is reported on stderr with exit code 1
// and the file's name, and leaves the file unchanged.
#[test]
fn ringmq_passwd_refuses() {
    let scene = Scene::new("refused");
    let file = scene.path("passwords");
    let output = ringmq_passwd(&file, &["ann", "--stdin"], "a");
    assert!(output.status.success(), "{output:?}");
    let mode = fs::metadata(&file).expect("it is made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read_to_string(&file).expect("it is text");
    assert!(before.starts_with("ann:$argon2id$v=19$m="), "{before}");
    for (arguments, input, code, says) in [
        (&["bob", "--delete"][..], "", 1, "there is no user \"bob\""),
        (&["bob", "--stdin"], "", 1, "1 to 8192 bytes"),
        (&["/:bob", "--stdin"], "b", 1, "no colon"),
        (&["ann", "--stdin", "--delete"], "b", 2, "cannot be used with"),
        (&[], "", 2, "<USER>"),
    ] {
        let output = ringmq_passwd(&file, arguments, input);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert_eq!(fs::read_to_string(&file).expect("it is text"), before, "{arguments:?}");
    }
}
