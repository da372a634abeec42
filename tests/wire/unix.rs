//! Unix sockets: the same broker behind a file, and the life of that file.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::common::{Broker, Client, DataDir, End, connack, connect, publish, run_to_exit};

/// A directory for a test's sockets, and one in it.
fn scratch() -> (DataDir, PathBuf) {
    let directory = DataDir::fresh();
    fs::create_dir(directory.path()).expect("nobody else has it");
    let path = directory.path().join("mqtt.sock");
    (directory, path)
}

fn flag(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// Starts a broker that listens there too, with these flags more.
#[track_caller]
fn start(shards: usize, path: &Path, more: &[&str]) -> Broker {
    let listen = flag(path);
    let broker = Broker::start_with(shards, &[&["--listen", &listen], more].concat());
    broker.wait_for_line(&format!("listening on {listen}"));
    broker
}

#[track_caller]
fn greet(path: &Path, id: &str) -> Client {
    let mut client = Client::open_unix(path);
    client.send(&connect(id).bytes());
    client.expect(&connack(false, 0));
    client
}

/// Clients over the socket and over TCP are in one broker, whichever shard each lives on.
#[test]
fn serves_like_any_listener() {
    for shards in [1, 2] {
        let (_directory, path) = scratch();
        let broker = start(shards, &path, &[]);
        let mut clients: Vec<Client> =
            (0..64).map(|n| greet(&path, &format!("unix-{n}"))).collect();
        clients.iter_mut().for_each(|client| client.subscribe("a", 1));
        let mut tcp = Client::connect(&broker, "tcp");
        tcp.subscribe("a", 0);
        greet(&path, "publisher").publish(&publish("a", "from a file").qos1(1));
        tcp.expect_publish(&publish("a", "from a file"));
        for client in &mut clients {
            client.expect_publish(&publish("a", "from a file").qos1(1));
        }
        clients.pop().expect("there are some").leave();
        broker.stop();
        for client in &mut clients {
            client.expect_closed();
        }
    }
}

/// The socket has the requested mode and owner, and the broker removes it at its end.
#[test]
fn mode_owner_and_end() {
    let own = rustix::process::geteuid();
    let group = rustix::process::getegid().as_raw().to_string();
    let (user, uid) = if own.is_root() {
        ("65534".to_owned(), 65534)
    } else {
        (own.as_raw().to_string(), own.as_raw())
    };
    for (flags, mode, uid) in [
        (vec![], 0o660, own.as_raw()),
        (vec!["--unix-mode", "0600", "--unix-owner", &user], 0o600, uid),
        (vec!["--unix-mode", "777", "--unix-owner", &format!(":{group}")], 0o777, own.as_raw()),
    ] {
        let (_directory, path) = scratch();
        let broker = start(2, &path, &flags);
        let found = fs::symlink_metadata(&path).expect("it is there");
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o7777, mode, "{flags:?}");
        assert_eq!(found.uid(), uid, "{flags:?}");
        broker.stop();
        assert!(!path.exists(), "it goes with the broker");
    }
}

/// The socket of a killed broker is replaced.
#[test]
fn dead_socket_is_replaced() {
    let (_directory, path) = scratch();
    let mut broker = start(2, &path, &[]);
    for _ in 0..2 {
        broker.end(End::Killed);
        assert!(path.exists(), "nobody was left to remove it");
        broker.start_again();
        broker.wait_for_line(&flag(&path));
        greet(&path, "client").leave();
    }
    broker.stop();
    assert!(!path.exists());
}

/// A socket that answers and a file that is no socket are left alone, and the error names them.
#[test]
fn what_is_there_is_left_alone() {
    let (_directory, path) = scratch();
    let refused = |says: &str| {
        let flags = ["--listen", "127.0.0.1:0", "--no-pin", "--listen", &flag(&path)];
        let (code, said) = run_to_exit(&flags);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&flag(&path)) && said.contains(says), "{says:?} is not in: {said}");
    };
    let broker = start(1, &path, &[]);
    refused("another process answers there");
    greet(&path, "client").leave();
    broker.stop();

    fs::write(&path, "precious").expect("the directory is ours");
    refused("no socket");
    assert_eq!(fs::read(&path).expect("it is there"), b"precious");
    let real = path.with_extension("real");
    fs::rename(&path, &real).expect("the directory is ours");
    let dead = UnixListener::bind(path.with_extension("dead")).expect("the directory is ours");
    drop(dead);
    for target in [&real, &path.with_extension("dead"), &path.with_extension("nowhere")] {
        symlink(target, &path).expect("the directory is ours");
        refused("no socket");
        assert!(fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()));
        fs::remove_file(&path).expect("the directory is ours");
    }
    fs::create_dir(&path).expect("the directory is ours");
    refused("no socket");
    fs::remove_dir(&path).expect("the directory is ours");
    let missing = path.join("in").join("no").join("directory");
    let (code, said) = run_to_exit(&["--listen", &flag(&missing), "--no-pin"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&flag(&missing)), "{said}");
}

/// A socket that replaced the broker's own stays when the broker ends.
#[test]
fn another_ones_socket_stays() {
    let (_directory, path) = scratch();
    let broker = start(1, &path, &[]);
    fs::remove_file(&path).expect("the directory is ours");
    let _other = UnixListener::bind(&path).expect("the directory is ours");
    broker.stop();
    assert!(path.exists());
}

/// A broker that cannot start for another reason leaves no socket behind.
#[test]
fn failed_start_leaves_nothing() {
    let (_directory, path) = scratch();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = taken.local_addr().map(|addr| (taken, addr.to_string())).expect("is bound");
    let (code, said) = run_to_exit(&["--listen", &flag(&path), "--listen", &taken.1, "--no-pin"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(!path.exists());
}

/// An owner that does not exist is named with its flag.
#[test]
fn unknown_owner_is_named() {
    let (_directory, path) = scratch();
    for owner in ["nobody-has-this-name", ":nobody-has-this-name"] {
        let flags = ["--listen", &flag(&path), "--unix-owner", owner, "--no-pin"];
        let (code, said) = run_to_exit(&flags);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("--unix-owner") && said.contains("nobody-has-this-name"), "{said}");
        assert!(!path.exists());
    }
}
