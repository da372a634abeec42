//! `ringmq ctl` with a broker: its output, its actions, and its exit codes.

use std::fs;
use std::io::{Write, pipe};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::{Broker, Client, DataDir, connack, connect, publish};
use crate::http::{Door, start};

/// Runs `ringmq ctl` at an address, without a token from the environment.
fn ctl_at(address: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
    command.arg("ctl").args(arguments).args(["--at", address]);
    command.env_remove("RINGMQ_TOKEN").env_remove("RINGMQ_ADMIN").stdin(Stdio::null());
    command.output().expect("the program is there")
}

fn socket_of(directory: &Path) -> String {
    format!("unix:{}", directory.join("admin.sock").display())
}

/// Runs it at a broker's socket, and checks the exit code; returns its output.
#[track_caller]
pub(crate) fn ctl(broker: &Broker, arguments: &[&str], code: i32) -> String {
    let output = ctl_at(&socket_of(broker.data_dir()), arguments);
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{error}");
    if code == 0 { out } else { error }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it writes UTF-8")
}

/// A column of the output in a pipe.
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
    // There is no terminal for a question, so it needs the flag.
    assert!(ctl(&broker, &["clients", "kick", "client-3"], 2).contains("--yes"));
    ctl(&broker, &["clients", "kick", "client-3", "--yes"], 0);
    ctl(&broker, &["clients", "show", "client-3"], 3);
    ctl(&broker, &["sessions", "rm", "client-4", "--yes"], 0);
    ctl(&broker, &["sessions", "show", "client-4"], 3);
    assert_eq!(column(&ctl(&broker, &["clients", "ls"], 0), "id").len(), 7);
    drop(clients);
}

// Groups and their members are listed and shown.
#[test]
fn groups() {
    let (broker, _door) = start(2, &[]);
    let mut client = Client::connect(&broker, "fern");
    client.subscribe("$share/g/t/#", 1);
    let listed = ctl(&broker, &["groups", "ls"], 0);
    assert_eq!(column(&listed, "group"), ["$share/g/t/#"]);
    let members = ctl(&broker, &["groups", "members", "$share/g/t/#"], 0);
    assert_eq!((column(&members, "id"), column(&members, "state")), (vec!["fern"], vec!["ok"]));
    let shown = ctl(&broker, &["groups", "show", "$share/g/t/#"], 0);
    assert!(shown.contains("backlog.messages\t0"), "{shown}");
    ctl(&broker, &["groups", "show", "$share/other/t/#"], 3);
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

// Client ids are escaped on a terminal.
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

// Each failure has its exit code, and gives advice.
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

// A list ends at once when its reader closes the pipe, which is no failure.
#[test]
fn lists_may_be_left_early() {
    let (broker, _door) = start(1, &[]);
    let clients: Vec<Client> =
        (0..30).map(|n| Client::connect(&broker, &format!("c{n}"))).collect();
    for arguments in [&["clients", "ls", "--all", "--limit", "1"][..], &["subs"], &["status"]] {
        let (reader, writer) = pipe().expect("there are resources");
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
        command.arg("ctl").args(arguments).args(["--at", &socket_of(broker.data_dir())]);
        let output = command.stdin(Stdio::null()).stdout(writer).output().expect("it is there");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    }
    drop(clients);
}

// A token comes from a file or a variable; a wrong or missing one is reported.
#[test]
fn tokens_are_shown() {
    let (broker, door) = start(1, &[]);
    let address = format!("http://{}", door.address);
    let file = broker.data_dir().join("admin.token");
    let file = file.to_str().expect("UTF-8");
    let output = ctl_at(&address, &["clients", "ls", "--token-file", file]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let wrong = broker.data_dir().join("wrong.token");
    for (content, code, says) in [
        ("wrong", 5, "--token-file"),
        ("two words", 2, "has no spaces"),
        ("", 2, "is not empty"),
        (&"x".repeat(5000), 2, "too long"),
    ] {
        fs::write(&wrong, content).expect("it is ours");
        let wrong = wrong.to_str().expect("UTF-8");
        let output = ctl_at(&address, &["clients", "ls", "--token-file", wrong]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{content:.20}: {error}");
        assert!(error.contains(says) && !error.contains("two words"), "{error}");
    }
    let output = ctl_at(&address, &["clients", "ls", "--token-file", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

// Columns are those that are asked for, in that order, nested ones too; others are refused.
#[test]
fn columns_are_chosen() {
    let (broker, _door) = start(1, &[]);
    let client = Client::connect(&broker, "c");
    let listed = ctl(&broker, &["clients", "ls", "--columns", "backlog.bytes,id,vhost"], 0);
    assert_eq!(listed, "backlog.bytes\tid\tvhost\n0\tc\t/\n");
    let shown = ctl(&broker, &["clients", "show", "c", "--columns", "vhost,user"], 0);
    assert_eq!(shown, "field\tvalue\nvhost\t/\nuser\t\n");
    assert!(ctl(&broker, &["clients", "ls", "--columns", "colour"], 2).contains("colour"));
    drop(client);
}

/// Answers one request with this, and keeps the connection open until the other end closes it.
fn stranger(answer: Vec<u8>) -> (String, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it is asked");
        let mut request = [0; 4096];
        let _ = std::io::Read::read(&mut stream, &mut request).expect("it asks");
        // The client may have stopped reading.
        let _ = Write::write_all(&mut stream, &answer);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    (address, answers)
}

// An answer that is not a broker's, too long or incomplete is reported with its exit code.
#[test]
fn strange_answers_are_told() {
    let head =
        |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    let large = 64 * 1024 * 1024;
    for (answer, code, says) in [
        ([head(7), b"<html/>".to_vec()].concat(), 1, "no ringmq"),
        ([head(2), b"{}".to_vec()].concat(), 1, "no ringmq"),
        ([head(large), vec![b' '; large]].concat(), 1, "more than"),
        (b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(), 4, "ended"),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec(), 1, "500"),
    ] {
        let (address, answers) = stranger(answer);
        let output = ctl_at(&address, &["clients", "ls"]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(says), "{says}: {error}");
        answers.join().expect("it was asked");
    }
}

// Each check reports its finding; an exceeded limit has its exit code.
#[test]
fn checks_find_things() {
    let (broker, _door) = start(2, &[]);
    let mut client = Client::connect_with(&broker, &connect("slow").persistent());
    client.subscribe("t", 1);
    let mut publisher = Client::connect(&broker, "publisher");
    publisher.publish(&publish("t", "x").qos1(1));
    for (arguments, code, begin) in [
        (&["check", "alive"][..], 0, "RINGMQ ALIVE OK"),
        // Whether publishers wait for the disk is the machine's affair.
        (&["check", "disk", "--critical", "101"], 2, "RINGMQ DISK CRITICAL"),
        (&["check", "drops", "--over", "100ms"], 0, "RINGMQ DROPS OK"),
        (&["check", "reload"], 0, "RINGMQ RELOAD OK"),
        (&["check", "lag"], 0, "RINGMQ LAG OK - messages wait for 1 clients"),
        (&["check", "lag", "--warning", "0", "--critical", "0"], 2, "RINGMQ LAG CRITICAL"),
    ] {
        let output = ctl_at(&socket_of(broker.data_dir()), arguments);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.starts_with(begin), "{arguments:?}: {said}");
        if begin == "RINGMQ LAG CRITICAL" {
            assert!(said.contains("of client \"slow\""), "{said}");
        }
    }
}

// Single objects are shown, and deleted after a confirmation.
#[test]
fn lookups() {
    let (broker, _door) = start(2, &[]);
    Client::connect_with(&broker, &connect("away").persistent()).subscribe_and_leave("t/#", 1);
    let mut client = Client::connect(&broker, "c");
    client.publish(&publish("t/a", "x").qos1(1).retained());
    let closed = ctl(&broker, &["closed"], 0);
    assert_eq!((column(&closed, "id"), column(&closed, "reason")), (vec!["away"], vec!["client"]));
    assert_eq!(column(&ctl(&broker, &["subs", "--client", "away"], 0), "filter"), ["t/#"]);
    let matched = ctl(&broker, &["match", "t/a", "--qos", "1"], 0);
    assert_eq!((column(&matched, "id"), column(&matched, "why")), (vec!["away"], vec!["stored"]));
    let can = ctl(&broker, &["can", "publish", "t/a", "--client-id", "c"], 0);
    assert!(can.contains("allowed\ttrue") && can.contains("no rules"), "{can}");
    assert_eq!(column(&ctl(&broker, &["retained", "ls"], 0), "topic"), ["t/a"]);
    assert!(ctl(&broker, &["retained", "get", "t/a"], 0).contains("payload\tx\n"));
    ctl(&broker, &["retained", "get", "t/b"], 3);
    assert!(ctl(&broker, &["retained", "rm", "t/#"], 2).contains("--yes"));
    let dry = ctl(&broker, &["retained", "rm", "t/#", "--dry-run"], 0);
    assert_eq!(dry, "1 messages would be cleared\n");
    assert_eq!(ctl(&broker, &["retained", "rm", "t/#", "--yes"], 0), "1 messages cleared\n");
    assert_eq!(column(&ctl(&broker, &["sessions", "peek", "away"], 0), "payload"), ["x"]);
    let purged = ctl(&broker, &["sessions", "purge", "away", "--yes"], 0);
    assert_eq!(purged, "1 messages dropped\n");
    ctl(&broker, &["sessions", "purge", "nobody", "--yes"], 3);
}

// Nagios gets its own exit codes: critical if the broker is not reached, unknown if the check
// cannot be made; also if the line is not read.
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

// Changes of the broker as a whole are requested, and their results are shown.
#[test]
fn changes_of_the_broker() {
    let files = DataDir::fresh();
    fs::create_dir_all(files.path()).expect("there is room");
    let path = files.path().join("ringmq.toml");
    fs::write(&path, "max-inflight = 5\n").expect("there is room");
    let (broker, door) = start(2, &["--config", path.to_str().expect("it is text")]);
    let mut client = Client::connect(&broker, "one");
    client.subscribe("a", 1);
    ctl(&broker, &["publish", "a", "text", "--qos", "1"], 0);
    client.expect_publish(&publish("a", "text").at(1));
    fs::write(files.path().join("payload"), [0, 255]).expect("there is room");
    let payload = files.path().join("payload");
    ctl(&broker, &["publish", "a", "--file", payload.to_str().expect("it is text"), "--retain"], 0);
    client.expect_publish(&publish("a", [0, 255]));
    assert!(ctl(&broker, &["publish", "a/#"], 2).contains("topic"));
    fs::write(&path, "max-inflight = 6\n").expect("there is room");
    assert_eq!(column(&ctl(&broker, &["reload"], 0), "after"), ["6"]);
    fs::write(&path, "max-inflite = 6\n").expect("there is room");
    assert!(ctl(&broker, &["reload"], 1).contains("ringmq.toml:1: max-inflite: "));
    ctl(&broker, &["log", "level", "warn", "--for", "10m"], 0);
    let shown = ctl(&broker, &["config", "show"], 0);
    assert!(shown.lines().any(|line| line.starts_with("max-inflight\t6\tfile\t")), "{shown}");
    let listeners = ctl(&broker, &["listeners"], 0);
    assert_eq!(column(&listeners, "at"), [broker.addr().to_string()]);
    assert_eq!(ctl(&broker, &["certs"], 0).lines().count(), 1);
    assert!(ctl(&broker, &["drain", "--over", "1s"], 2).contains("--yes"));
    ctl(&broker, &["drain", "--over", "1s", "--yes"], 0);
    client.expect_closed();
    assert_eq!(door.ask("GET", "/readyz", &[]).status, 503);
    ctl(&broker, &["undrain"], 0);
    assert_eq!(door.ask("GET", "/readyz", &[]).status, 200);
}

/// Runs it with standard input.
#[track_caller]
fn ctl_with(broker: &Broker, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
    command.arg("ctl").args(arguments).args(["--at", &socket_of(broker.data_dir())]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program is there");
    let mut stdin = child.stdin.take().expect("it was asked for");
    stdin.write_all(input.as_bytes()).expect("it is read");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

// Users, vhosts and limits; definitions that are exported are imported again.
#[test]
fn users_and_vhosts() {
    let files = DataDir::fresh();
    let vhosts = files.path().join("vhosts");
    fs::create_dir_all(vhosts.join("%2F")).expect("there is room");
    let (broker, _door) = start(1, &["--vhosts", vhosts.to_str().expect("it is text")]);
    ctl(&broker, &["vhosts", "add", "shop"], 0);
    assert_eq!(column(&ctl(&broker, &["vhosts", "ls"], 0), "name"), ["/", "shop"]);
    let added =
        ctl_with(&broker, &["users", "add", "ann", "--vhost", "shop", "--stdin"], "secret\n");
    assert_eq!(added.status.code(), Some(0), "{added:?}");
    let mut client = Client::open(&broker);
    client.send(&connect("c").username("shop:ann").password("secret").bytes());
    client.expect(&connack(false, 0));
    assert_eq!(column(&ctl(&broker, &["users", "ls", "--vhost", "shop"], 0), "name"), ["ann"]);
    ctl(&broker, &["vhosts", "limit", "shop", "--max-sessions", "9"], 0);
    assert!(ctl(&broker, &["vhosts", "limits", "shop"], 0).contains("max_sessions\t9"));
    let exported = ctl(&broker, &["definitions", "export"], 0);
    ctl(&broker, &["users", "rm", "ann", "--vhost", "shop", "--yes"], 0);
    client.expect_closed();
    ctl(&broker, &["users", "rm", "ann", "--vhost", "shop", "--yes"], 3);
    for (more, names) in [(&["--dry-run"][..], 0), (&[], 1)] {
        let import = [&["definitions", "import", "-", "--yes"], more].concat();
        let imported = ctl_with(&broker, &import, &exported);
        assert_eq!(imported.status.code(), Some(0), "{imported:?}");
        let listed = ctl(&broker, &["users", "ls", "--vhost", "shop"], 0);
        assert_eq!(column(&listed, "name").len(), names);
    }
    ctl(&broker, &["vhosts", "rm", "shop", "--yes"], 0);
    assert_eq!(column(&ctl(&broker, &["vhosts", "ls"], 0), "name"), ["/"]);
    assert!(ctl(&broker, &["vhosts"], 0).starts_with("vhost\t"));
}

// New tokens have their rights after a reload; removed ones have none.
#[test]
fn tokens_are_made() {
    let files = DataDir::fresh();
    fs::create_dir_all(files.path()).expect("there is room");
    let path = files.path().join("tokens");
    let file = path.to_str().expect("it is text");
    let token = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
        command.args(["ctl", "token"]).args(arguments).args(["--file", file]);
        let output = command.stdin(Stdio::null()).output().expect("the program is there");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, made, says) = token(&["add", "ann", "--rights", "read,publish"]);
    assert_eq!(code, Some(0), "{says}");
    let (broker, door) = start(1, &["--http-tokens", file]);
    let ann = Door { token: made.trim().to_owned(), ..door };
    assert_eq!(ann.get("/api/v1/overview").status, 200);
    assert_eq!(ann.send("POST", "/api/v1/publish", r#"{"topic":"a"}"#).status, 200);
    assert_eq!(ann.delete("/api/v1/client?id=c").status, 403);
    for (arguments, code) in [
        (&["add", "ann", "--rights", "read"][..], 1),
        (&["add", "bob", "--rights", "everything"], 2),
        (&["add", "b:b", "--rights", "read"], 2),
        (&["rm", "bob"], 3),
        (&["add", "bob", "--rights", "admin", "--vhost", "shop"], 0),
    ] {
        assert_eq!(token(arguments).0, Some(code), "{arguments:?}");
    }
    let (_, listed, _) = token(&["ls"]);
    assert_eq!(column(&listed, "name"), ["ann", "bob"]);
    assert_eq!(column(&listed, "rights"), ["read,publish", "admin"]);
    assert_eq!(column(&listed, "vhost"), ["", "shop"]);
    assert_eq!(token(&["rm", "ann"]).0, Some(0));
    broker.reload();
    assert_eq!(ann.get("/api/v1/overview").status, 401);
    broker.stop();
}
