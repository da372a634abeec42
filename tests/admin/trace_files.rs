//! Traces in files of the data directory: written, listed, fetched and deleted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use ringmq::limits::TRACE_FILES_MAX;
use serde_json::Value;

use crate::common::{Broker, Client, publish, until};
use crate::http::{Door, Reply, start};

#[track_caller]
fn post(door: &Door, path: &str) -> Reply {
    door.ask("POST", path, &[("authorization", &format!("Bearer {}", door.token))])
}

fn directory(broker: &Broker) -> PathBuf {
    broker.data_dir().join("traces")
}

/// The files, as the API lists them.
#[track_caller]
fn files(door: &Door) -> Vec<Value> {
    let reply = door.get("/api/v1/trace/files");
    reply.json()["items"].as_array().unwrap_or_else(|| panic!("{reply:?}")).clone()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|it| it == part)
}

// The events of a trace are in its file, in each format, readable by the owner only. The file is
// listed, stays after the trace, and can be deleted.
#[test]
fn traces_are_written() {
    let (broker, door) = start(2, &[]);
    assert!(files(&door).is_empty());
    for (form, ending, last) in [
        ("json", "ndjson", &b"\"ended\":\"it was ended\""[..]),
        ("text", "txt", b"The trace has ended: it was ended."),
        ("pcapng", "pcapng", b"topic/of/the/trace"),
    ] {
        let told = post(&door, &format!("/api/v1/traces?id=c&payload=0&file={form}"));
        assert_eq!(told.status, 200, "{told:?}");
        let told = told.json();
        let name = told["file"].as_str().expect("it has a file").to_owned();
        assert!(name.ends_with(&format!("-{}.{ending}", told["trace"].as_str().expect("a text"))));
        let mut client = Client::connect(&broker, "c");
        client.send(&publish("topic/of/the/trace", "x").qos1(7).bytes());
        client.expect(&[0x40, 2, 0, 7]);
        let listed = files(&door);
        assert_eq!((listed.len(), &listed[0]["name"]), (1, &told["file"]), "{listed:?}");
        assert_eq!(listed[0]["trace"], told["trace"]);
        let trace = told["trace"].as_str().expect("a text");
        assert_eq!(door.delete(&format!("/api/v1/trace?id={trace}")).status, 200);
        // It is written in pieces.
        let path = directory(&broker).join(&name);
        let mut written = Vec::new();
        until("all of it is written", || {
            let listed = files(&door);
            written = fs::read(&path).expect("it is there");
            let bytes = Value::from(written.len());
            contains(&written, last) && listed[0]["trace"].is_null() && listed[0]["bytes"] == bytes
        });
        assert!(contains(&written, b"topic/of/the/trace"), "{form}");
        if form != "pcapng" {
            let reply = door.get(&format!("/api/v1/trace/file?name={name}"));
            assert_eq!(reply.body.as_bytes(), written, "{reply:?}");
        }
        let mode = |path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&directory(&broker))), (0o600, 0o700));
        assert_eq!(door.delete(&format!("/api/v1/trace/file?name={name}")).status, 200);
        let says = broker.wait_for_line("delete trace file");
        assert!(says.contains(&name) && says.contains("admin.token"), "{says}");
        assert!(files(&door).is_empty() && !path.exists());
        client.leave();
    }
    broker.stop();
}

// Names of other files are refused. A trace ends when its file is deleted. If there are too many
// files, a new one is refused and no trace runs.
#[test]
fn files_are_bounded() {
    let (broker, door) = start(1, &[]);
    let told = post(&door, "/api/v1/traces?id=c&file=text").json();
    let name = told["file"].as_str().expect("it has a file");
    assert_eq!(door.delete(&format!("/api/v1/trace/file?name={name}")).status, 200);
    assert_eq!(door.get("/api/v1/traces").json()["items"], Value::Array(Vec::new()));
    fs::write(directory(&broker).join("notes.txt"), "mine").expect("there is room");
    for name in ["notes.txt", "..%2Fadmin.token", "%2Fetc%2Fpasswd", "", "1.txt", name] {
        for reply in [
            door.get(&format!("/api/v1/trace/file?name={name}")),
            door.delete(&format!("/api/v1/trace/file?name={name}")),
        ] {
            assert_eq!((reply.status, &*reply.code()), (404, "not_found"), "{name}: {reply:?}");
        }
    }
    assert!(files(&door).is_empty());
    for number in 0..TRACE_FILES_MAX {
        let path = directory(&broker).join(format!("20200101T000000Z-{number}.ndjson"));
        fs::write(path, "{}\n").expect("there is room");
    }
    let reply = post(&door, "/api/v1/traces?id=c&file=json");
    assert_eq!((reply.status, &*reply.code()), (409, "too_many"), "{reply:?}");
    assert_eq!(door.get("/api/v1/traces").json()["items"], Value::Array(Vec::new()));
    assert_eq!(post(&door, "/api/v1/traces?id=c").status, 200, "one without a file may run");
    let reply = post(&door, "/api/v1/traces?id=c&file=xml");
    assert_eq!((reply.status, &*reply.code()), (422, "invalid"), "{reply:?}");
    assert_eq!(reply.json()["error"]["field"], "file");
    assert_eq!(files(&door).len(), TRACE_FILES_MAX);
    // A path that is no directory is an error.
    fs::remove_dir_all(directory(&broker)).expect("it is ours");
    fs::write(directory(&broker), "").expect("there is room");
    let reply = post(&door, "/api/v1/traces?id=c&file=json");
    assert_eq!((reply.status, &*reply.code()), (409, "refused_by_system"), "{reply:?}");
    broker.stop();
}

fn ctl(broker: &Broker, arguments: &[&str]) -> Output {
    let at = format!("unix:{}", broker.data_dir().join("admin.sock").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
    command.arg("ctl").args(arguments).args(["--at", &at]);
    command.env_remove("RINGMQ_TOKEN").env_remove("RINGMQ_ADMIN").stdin(Stdio::null());
    command.output().expect("the program is there")
}

#[track_caller]
fn printed(broker: &Broker, arguments: &[&str]) -> String {
    let output = ctl(broker, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("it writes UTF-8")
}

// `ringmq ctl` has a trace written, and lists, prints and deletes its file.
#[test]
fn ctl_records() {
    let (broker, _door) = start(1, &[]);
    let told = printed(&broker, &["trace", "client", "c", "--record", "text", "--seconds", "60"]);
    let name = told.lines().find_map(|line| line.strip_prefix("file\t")).expect("it is told");
    let mut client = Client::connect(&broker, "c");
    client.send(&publish("t", "x").qos1(7).bytes());
    client.expect(&[0x40, 2, 0, 7]);
    until("the message is written", || {
        printed(&broker, &["trace", "get", name]).contains("Received PUBLISH from c")
    });
    assert!(printed(&broker, &["trace", "files"]).contains(name));
    let running = printed(&broker, &["trace", "ls"]);
    let trace = running.lines().nth(1).and_then(|line| line.split('\t').next());
    assert!(running.contains(name), "{running}");
    printed(&broker, &["trace", "end", trace.expect("it is told")]);
    assert_eq!(printed(&broker, &["trace", "ls"]).lines().count(), 1, "a head alone");
    assert_eq!(ctl(&broker, &["trace", "end", "99"]).status.code(), Some(3));
    assert_eq!(ctl(&broker, &["trace", "rm", name]).status.code(), Some(2), "it asks back");
    printed(&broker, &["trace", "rm", name, "--yes"]);
    assert_eq!(ctl(&broker, &["trace", "get", name]).status.code(), Some(3));
    assert_eq!(printed(&broker, &["trace", "files"]).lines().count(), 1, "a head alone");
    broker.stop();
}
