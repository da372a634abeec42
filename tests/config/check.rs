//! `ringmq check`: finds everything that would stop a start, and leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::common::{Broker, Client, DataDir, End};
use crate::files::Files;
use crate::tool::{Ended, ringmq};

/// A check of a broker whose data directory is this.
#[track_caller]
fn check(data_dir: &Path, flags: &[&str]) -> Ended {
    let data_dir = format!("--data-dir={}", data_dir.display());
    let all: Vec<&str> = ["check", &data_dir].into_iter().chain(flags.iter().copied()).collect();
    ringmq(&all, &[])
}

/// Names and modification times of everything in a directory.
fn state(directory: &Path) -> Vec<(String, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("it can be read").path();
        let changed = path.symlink_metadata().and_then(|it| it.modified()).expect("it is there");
        found.push((path.display().to_string(), changed));
        if path.is_dir() {
            found.extend(state(&path));
        }
    }
    found.sort();
    found
}

// A valid configuration has no findings, and nothing is created: neither the data directory nor a
// socket.
#[test]
fn good_configurations() {
    let files = Files::new();
    let data = DataDir::fresh();
    files.write_users("passwords", &["anna"]);
    fs::set_permissions(files.path("passwords"), fs::Permissions::from_mode(0o600))
        .expect("it is ours");
    files.write("acl", "user anna\ntopic readwrite #\n");
    let socket = files.path("mqtt.sock");
    let text = format!(
        "listen = ['0.0.0.0:1', 'unix:{}']\npasswords = '{}'\nacl = '{}'\nshards = 2\n",
        socket.display(),
        files.path("passwords").display(),
        files.path("acl").display()
    );
    files.write("a.toml", &text);
    let ended = check(data.path(), &[&files.flag("--config", "a.toml")]);
    assert_eq!(
        (ended.code, &*ended.printed),
        (Some(0), "the broker can start\n"),
        "{}",
        ended.said
    );
    assert!(!data.path().exists() && !socket.exists());
    let ended = check(data.path(), &[&files.flag("--config", "a.toml"), "--json"]);
    let found: Value = serde_json::from_str(&ended.printed).expect("it is JSON");
    assert_eq!(found, serde_json::json!({ "result": "ok", "findings": [] }));
}

// Each kind of fault is found, with the file and line if it has one.
#[test]
fn faults() {
    let files = Files::new();
    let data = DataDir::fresh();
    let file = |name: &str| files.path(name).display().to_string();
    files.write("acl", "user anna\ntopic everything #\n");
    files.write("passwords", "anna\n");
    files.write("pem", "no certificate\n");
    files.write("folder/a", "");
    files.write("tokens", "# of nobody\nann:no-hash:read\n");
    files.write("vhosts/a/users", "");
    let flag = |flag: &str, name: &str| files.flag(flag, name);
    for (flags, says) in [
        (vec![flag("--acl", "acl")], format!("error: {}:2: --acl: ", file("acl"))),
        (
            vec![flag("--passwords", "passwords")],
            format!("error: {}:1: --passw", file("passwords")),
        ),
        (
            vec![flag("--passwords", "none")],
            format!("error: {}: --passwords: there is", file("none")),
        ),
        (
            vec![
                "--tls-listen=127.0.0.1:0".to_owned(),
                flag("--tls-cert", "pem"),
                flag("--tls-key", "pem"),
            ],
            format!("error: {}: --tls-cert: has no PEM block CERTIFICATE", file("pem")),
        ),
        (
            vec![flag("--http-tokens", "tokens")],
            format!("error: {}:2: --http-tokens: the second part is no SHA-256", file("tokens")),
        ),
        (
            vec![flag("--http-tokens", "none")],
            format!("error: {}: --http-tokens: cannot read it", file("none")),
        ),
        (vec!["--listen=0.0.0.0:1".to_owned()], "error: cannot listen on 0.0.0.0:1: ".to_owned()),
        (
            vec!["--listen=nowhere.invalid:1".to_owned()],
            "error: cannot listen: --listen nowhere.invalid:1: ".to_owned(),
        ),
        (
            vec![format!("--listen=unix:{}", file("pem"))],
            format!("error: cannot listen on unix:{}: there is a file that is no", file("pem")),
        ),
        (
            vec![format!("--listen=unix:{}/s", file("none"))],
            format!("error: cannot listen on unix:{}/s: cannot enter its directory", file("none")),
        ),
        (
            vec!["--user=nobody-has-this-name".to_owned()],
            "error: --user: there is no user".to_owned(),
        ),
        (vec!["--no-such-flag".to_owned()], "unexpected argument".to_owned()),
        (
            vec![flag("--vhosts", "vhosts")],
            format!("error: {}: --vhosts: is none of a vhost's files", file("vhosts/a/users")),
        ),
    ] {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let ended = check(data.path(), &flags);
        assert_eq!(ended.code, Some(2), "{flags:?}: {}{}", ended.printed, ended.said);
        let all = ended.printed + &ended.said;
        assert!(all.contains(&says), "{flags:?}: {says} is not in: {all}");
    }
    let ended = ringmq(&["check", &format!("--data-dir={}", file("folder"))], &[]);
    assert!(ended.printed.contains("is not a ringmq data directory"), "{}", ended.printed);
}

// All faults are found in one run, and as fields.
#[test]
fn all_faults_at_once() {
    let files = Files::new();
    let data = DataDir::fresh();
    files.write("acl", "\ntopic everything #\n");
    files.write("pem", "");
    let path = |name: &str| files.path(name).display().to_string();
    files.write(
        "a.toml",
        &format!(
            "acl = '{0}'\ntls-listen = '127.0.0.1:0'\ntls-cert = '{1}'\ntls-key = '{1}'\n",
            path("acl"),
            path("pem")
        ),
    );
    let flags = [&*files.flag("--config", "a.toml"), "--user=nobody-has-this-name", "--json"];
    let ended = check(data.path(), &flags);
    assert_eq!(ended.code, Some(2), "{}", ended.said);
    let found: Value = serde_json::from_str(&ended.printed).expect("it is JSON");
    assert_eq!(found["result"], "errors");
    let findings = found["findings"].as_array().expect("a list");
    let of = |file: &str| findings.iter().find(|finding| finding["file"] == path(file));
    assert_eq!(of("acl").expect("it is wrong")["line"], 2);
    assert_eq!(of("acl").expect("it is wrong")["key"], "--acl");
    assert_eq!(of("pem").expect("it is wrong")["key"], "--tls-cert");
    assert!(findings.iter().any(|it| it["message"].to_string().contains("nobody-has-this-name")));
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert!(findings.iter().all(|finding| finding["severity"] == "error"));
}

// A warning of a start is a warning here, with its exit code.
#[test]
fn warnings() {
    let files = Files::new();
    let data = DataDir::fresh();
    files.write_users("passwords", &["anna"]);
    fs::set_permissions(files.path("passwords"), fs::Permissions::from_mode(0o644))
        .expect("it is ours");
    let ended = check(data.path(), &[&files.flag("--passwords", "passwords")]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed);
    let (first, rest) = ended.printed.split_once('\n').expect("two lines");
    assert!(first.starts_with("warning: ") && first.contains("everybody can read it"), "{first}");
    assert_eq!(rest, "the broker can start; warnings: 1\n");
}

// With a running broker it has the same findings, and changes nothing in the directory. The number
// of shards is compared with that of the directory.
#[test]
fn beside_a_broker() {
    let mut broker = Broker::start(2);
    let mut client = Client::connect(&broker, "client");
    let checks = |broker: &Broker| {
        for (shards, code) in [("--shards=2", 0), ("--shards=3", 2)] {
            let ended = check(broker.data_dir(), &[shards]);
            assert_eq!(ended.code, Some(code), "{}", ended.printed);
            assert_eq!(ended.printed.contains("was made with --shards 2"), code == 2);
        }
    };
    checks(&broker);
    client.expect_silence();
    broker.end(End::Stopped);
    let before = state(broker.data_dir());
    checks(&broker);
    assert_eq!(state(broker.data_dir()), before);
}

// The check gives a new vhost no number.
#[test]
fn vhosts_get_no_numbers() {
    let files = Files::new();
    files.write_users("vhosts/a/passwords", &["anna"]);
    let flag = files.flag("--vhosts", "vhosts");
    let broker = Broker::start_with(1, &[&flag]);
    files.write_users("vhosts/b/passwords", &["anna"]);
    let numbers = fs::read(broker.data_dir().join("VHOSTS")).expect("it is there");
    assert_eq!(check(broker.data_dir(), &[&flag]).code.map(|code| code < 2), Some(true));
    assert_eq!(fs::read(broker.data_dir().join("VHOSTS")).expect("it is there"), numbers);
}
