//! Tokens, rights and sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::{Broker, DataDir, End, run_to_exit};
use crate::http::{Door, ask_unix, start};

/// The hash of the token `secret`, without rights.
const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

// Without a token a client gets only metrics and probes; a wrong token grants nothing more.
#[test]
fn tokens_open_doors() {
    let (broker, door) = start(1, &[]);
    for path in ["/healthz", "/readyz", "/metrics", "/metrics/vhosts", "/metrics/sessions"] {
        assert_eq!(door.ask("GET", path, &[]).status, 200, "{path}");
        assert_eq!(door.ask("POST", path, &[]).status, 405, "{path}");
    }
    let basic = "Basic YW55Og==";
    for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", basic)]] {
        let reply = door.ask("GET", "/api/v1/overview", headers);
        assert_eq!((reply.status, &*reply.code()), (401, "unauthorized"));
        assert!(reply.header("www-authenticate").is_some(), "{reply:?}");
    }
    assert_eq!(door.get("/api/v1/overview").status, 200);
    let login = format!("any:{}", door.token);
    let basic = format!("Basic {}", base64(login.as_bytes()));
    let reply = door.ask("GET", "/api/v1/overview", &[("authorization", &basic)]);
    assert_eq!(reply.status, 200, "{reply:?}");
    broker.stop();
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let value = word >> (18 - 6 * digit) & 63;
            let is_there = digit <= chunk.len();
            text.push(if is_there { DIGITS[value as usize].into() } else { '=' });
        }
    }
    text
}

// Only the owner can read the token, which survives restarts. The socket is open to owner and
// group, and is removed when the broker ends.
#[test]
fn token_and_socket_are_private() {
    let (mut broker, door) = start(1, &[]);
    let mode = |name: &str| {
        let path = broker.data_dir().join(name);
        fs::symlink_metadata(path).map(|found| found.permissions().mode() & 0o777).ok()
    };
    assert_eq!((mode("admin.token"), mode("admin.sock")), (Some(0o600), Some(0o660)));
    for end in [End::Stopped, End::Killed] {
        broker.restart(end);
        let again = Door::of(&broker);
        assert_eq!(again.token, door.token);
        let reply = ask_unix(broker.data_dir(), "GET", "/api/v1/overview");
        assert_eq!(reply.status, 200, "after {end:?}: {reply:?}");
    }
    let socket = broker.data_dir().join("admin.sock");
    broker.end(End::Stopped);
    assert!(!socket.exists());
}

// A token has the rights in its line; a reload changes them, and a faulty file changes nothing.
#[test]
fn rights_are_kept_and_reloaded() {
    let files = DataDir::fresh();
    fs::create_dir_all(files.path()).expect("there is room");
    let path = files.path().join("tokens");
    let write = |rights: &str| fs::write(&path, format!("# of tests\nann:{SECRET}:{rights}\n"));
    write("metrics").expect("there is room");
    let flag = path.to_str().expect("it is text");
    let (broker, door) = start(1, &["--http-tokens", flag]);
    let ann = Door { token: "secret".to_owned(), ..door };
    let reply = ann.get("/api/v1/overview");
    assert_eq!((reply.status, &*reply.code()), (403, "forbidden"));
    write("read").expect("there is room");
    broker.reload();
    assert_eq!(ann.get("/api/v1/overview").status, 200);
    let reply = ann.delete("/api/v1/client?id=x");
    assert_eq!((reply.status, &*reply.code()), (403, "forbidden"));
    fs::write(&path, "ann:no-hash:read\n").expect("there is room");
    broker.hang_up();
    let says = broker.wait_for_line("not reloaded");
    assert!(says.contains("tokens:1: the second part is no SHA-256"), "{says}");
    assert_eq!(ann.get("/api/v1/overview").status, 200, "it stays as it was");
    let text = door.ask("GET", "/metrics", &[]).body;
    assert!(text.contains("\nringmq_config_last_reload_successful 0\n"), "{text}");
    assert_eq!(door.delete("/api/v1/client?id=x").status, 404, "its own token has all rights");
    broker.stop();
}

// A faulty file of tokens is no start.
#[test]
fn faulty_tokens_are_no_start() {
    let flags = ["--listen=127.0.0.1:0", "--http-listen", "unix", "--shards=1"];
    let missing = [&flags[..], &["--http-tokens", "/nowhere/at/all"]].concat();
    let (code, says) = run_to_exit(&missing);
    assert_eq!(code, Some(1), "{says}");
    assert!(says.contains("--http-tokens: cannot read /nowhere/at/all"), "{says}");
}

// A listener for other hosts without TLS is refused, with advice.
#[test]
fn other_hosts_are_refused() {
    let (code, says) = run_to_exit(&["--http-listen", "0.0.0.0:9883"]);
    assert_eq!(code, Some(2), "{says}");
    assert!(says.contains("add --http-cert and --http-key"), "{says}");
}

// Guesses are bounded: after too many no token is checked, and the socket still works.
#[test]
fn guesses_are_bounded() {
    let (broker, door) = start(1, &[]);
    let guess = Door { token: "guess".to_owned(), ..door };
    for _ in 0..20 {
        assert_eq!(guess.get("/api/v1/overview").status, 401);
    }
    let reply = door.get("/api/v1/overview");
    assert_eq!((reply.status, &*reply.code()), (429, "too_many_failures"));
    let seconds: u64 = reply.header("retry-after").expect("it says when").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(door.ask("GET", "/metrics", &[]).status, 200);
    assert_eq!(ask_unix(broker.data_dir(), "GET", "/api/v1/overview").status, 200);
    broker.stop();
}

// A page of a stranger in an operator's browser gets nothing, with the token or without.
#[test]
fn strangers_pages_get_nothing() {
    let (broker, door) = start(1, &[]);
    let bearer = format!("Bearer {}", door.token);
    for headers in [
        [("origin", "http://evil.example"), ("authorization", &*bearer)],
        [("origin", "null"), ("authorization", &bearer)],
        [("sec-fetch-site", "cross-site"), ("authorization", &bearer)],
    ] {
        let reply = door.ask("DELETE", "/api/v1/client?id=x", &headers);
        assert_eq!((reply.status, &*reply.code()), (403, "foreign_origin"), "{headers:?}");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    let hosts = [("host", "evil.example"), ("authorization", &*bearer)];
    let request = crate::http::request("GET", "/metrics", &hosts);
    let reply = crate::http::exchange(door.connect(), &request);
    assert_eq!((reply.status, &*reply.code()), (421, "invalid_host"));
    let reply = door.ask("OPTIONS", "/api/v1/client", &[("origin", "http://evil.example")]);
    assert_eq!(reply.header("access-control-allow-origin"), None);
    let reply = door.get("/api/v1/overview");
    for (name, part) in [
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        assert!(reply.header(name).is_some_and(|value| value.contains(part)), "{reply:?}");
    }
    assert_eq!(reply.header("set-cookie"), None);
    broker.stop();
}

// The files belong to the user that the broker changes to, and that user is answered.
#[test]
fn another_user_is_answered() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let nobody = ["--user", "nobody", "--http-listen", "127.0.0.1:0"];
    let data = DataDir::fresh();
    fs::create_dir_all(data.path()).expect("there is room");
    let owned = std::process::Command::new("chown").arg("nobody").arg(data.path()).status();
    assert!(owned.expect("chown is there").success());
    let flags = [&nobody[..], &["--data-dir", data.path().to_str().expect("text")]].concat();
    let broker = Broker::start_with(1, &flags);
    broker.wait_for_line("answering operators on http://");
    let reply = ask_unix(data.path(), "GET", "/api/v1/overview");
    assert_eq!(reply.status, 200, "{reply:?}");
    let memory = reply.json()["metrics"]["process_resident_memory_bytes"].as_f64();
    assert!(memory.is_some_and(|bytes| bytes > 0.0), "{reply:?}");
    broker.stop();
}
