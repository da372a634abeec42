//! `ringmq ctl` against a broker: what it shows, what it ends, and how it ends itself.

use std::io::pipe;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::{Broker, Client};
use crate::http::start;

/// Runs `ringmq ctl` at an address, without whatever token is in the environment.
fn ctl_at(address: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
    command.arg("ctl").args(arguments).args(["--at", address]);
    command.env_remove("RINGMQ_TOKEN").env_remove("RINGMQ_ADMIN").stdin(Stdio::null());
    command.output().expect("the program is there")
}

fn socket_of(directory: &Path) -> String {
    format!("unix:{}", directory.join("admin.sock").display())
}

/// The same at a broker's socket: what it prints, if it ends with this code.
#[track_caller]
fn ctl(broker: &Broker, arguments: &[&str], code: i32) -> String {
    let output = ctl_at(&socket_of(broker.data_dir()), arguments);
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{error}");
    if code == 0 { out } else { error }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it writes UTF-8")
}

/// A column of what was printed for a pipe.
fn column<'a>(printed: &'a str, name: &str) -> Vec<&'a str> {
    let mut lines = printed.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().expect("there is a head");
    let at = head.iter().position(|column| *column == name).expect("there is this column");
    lines.map(|cells| cells[at]).collect()
}

// Clients and sessions are listed over several pages, shown, disconnected and deleted.
#[test]
fn clients_and_sessions() {
    let (broker, _door) = start(2, &[]);
    let names: Vec<String> = (0..9).map(|n| format!("client-{n}")).collect();
    let clients: Vec<Client> = names.iter().map(|id| Client::connect(&broker, id)).collect();
    let listed = ctl(&broker, &["clients", "ls", "--limit", "2", "--all"], 0);
    let mut ids = column(&listed, "id");
    ids.sort_unstable();
    assert_eq!(ids, names);
    let lines = ctl(&broker, &["sessions", "ls", "--json", "--all"], 0);
    let mut ids: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is an object"))
        .map(|session| session["id"].as_str().expect("it has an id").to_owned())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, names);
    assert!(ctl(&broker, &["clients", "show", "client-3"], 0).contains("client-3"));
    // Nobody can be asked, so it is not done without being told so.
    assert!(ctl(&broker, &["clients", "kick", "client-3"], 2).contains("--yes"));
    ctl(&broker, &["clients", "kick", "client-3", "--yes"], 0);
    ctl(&broker, &["clients", "show", "client-3"], 3);
    ctl(&broker, &["sessions", "rm", "client-4", "--yes"], 0);
    ctl(&broker, &["sessions", "show", "client-4"], 3);
    assert_eq!(column(&ctl(&broker, &["clients", "ls"], 0), "id").len(), 7);
    drop(clients);
}

// The way to the page is printed, with a code that is good there; a broker without TCP has no page.
#[test]
fn dashboard() {
    let (broker, door) = start(1, &[]);
    let told = ctl(&broker, &["dashboard"], 0);
    assert_eq!(column(&told, "value")[0], format!("http://{}/", door.address));
    let code = format!("Bearer {}", column(&told, "value")[1]);
    let reply = door.ask("POST", "/api/v1/sign-in", &[("authorization", &code)]);
    assert_eq!(reply.status, 200, "{reply:?}");
    broker.stop();
    let broker = Broker::start_with(1, &["--http-listen", "unix"]);
    broker.wait_for_line("answering operators on unix:");
    assert!(ctl(&broker, &["dashboard"], 3).contains("--http-listen"));
    broker.stop();
}

// What clients call themselves reaches no terminal as it is.
#[test]
fn hostile_names_are_shown_harmless() {
    let (broker, _door) = start(1, &[]);
    let name = "red\u{1b}[31m\ttab\nline\u{202e}back";
    let client = Client::connect(&broker, name);
    for verb in [&["clients", "ls"][..], &["sessions", "ls"]] {
        let listed = ctl(&broker, verb, 0);
        assert_eq!(listed.lines().count(), 2, "{listed:?}");
        let control = |c: char| c.is_control() && !['\t', '\n'].contains(&c) || c == '\u{202e}';
        assert!(!listed.contains(control), "{listed:?}");
    }
    drop(client);
}

// Figures: the state, metrics, vhosts, those with most, and the checks of Nagios.
#[test]
fn figures_and_checks() {
    let (broker, _door) = start(2, &[]);
    let client = Client::connect(&broker, "one");
    let status = ctl(&broker, &["status"], 0);
    for line in ["ready\ttrue", "shards\t2", "sessions connected\t1"] {
        assert!(status.lines().any(|known| known == line), "{line}: {status}");
    }
    assert!(ctl(&broker, &["metrics", "sessions"], 0).contains("sessions"));
    assert_eq!(column(&ctl(&broker, &["vhosts"], 0), "vhost"), ["/"]);
    assert!(ctl(&broker, &["top"], 0).starts_with("id\t"));
    assert!(ctl(&broker, &["check", "ready"], 0).starts_with("RINGMQ READY OK"));
    drop(client);
}

// Each way to fail has its code, and says what to do.
#[test]
fn failures_have_codes() {
    let (broker, door) = start(1, &[]);
    let nowhere = ctl_at("unix:/nonexistent/admin.sock", &["status"]);
    assert_eq!(nowhere.status.code(), Some(4));
    assert!(text(&nowhere.stderr).contains("/nonexistent/admin.sock"));
    let address = format!("http://{}", door.connect().peer_addr().expect("it is connected"));
    let unknown = ctl_at(&address, &["clients", "ls"]);
    assert_eq!(unknown.status.code(), Some(5), "{}", text(&unknown.stderr));
    assert!(text(&unknown.stderr).contains("RINGMQ_TOKEN"), "{}", text(&unknown.stderr));
    ctl(&broker, &["clients", "show", "nobody"], 3);
    ctl(&broker, &["clients", "frobnicate"], 2);
}

// Nagios gets its own codes: critical if the broker is not there, unknown if the check cannot be
// made; and they come although nothing reads the line.
#[test]
fn checks_end_as_nagios_expects() {
    let (broker, _door) = start(1, &[]);
    let address = socket_of(broker.data_dir());
    for (address, arguments, code) in [
        (&*address, &["check", "ready"][..], 0),
        ("unix:/nonexistent/admin.sock", &["check", "ready"], 2),
        (&address, &["check", "frobnicate"], 3),
        (&address, &["check", "ready", "--frobnicate"], 3),
    ] {
        let output = ctl_at(address, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
    let (reader, writer) = pipe().expect("there are resources");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
    command.args(["ctl", "check", "ready", "--at", &address]).stdout(writer);
    let status = command.stdin(Stdio::null()).status().expect("the program is there");
    assert_eq!(status.code(), Some(0));
}
