//! The user that the process runs as, and its messages to a service manager.
//!
//! Tests that need root run only as root. Otherwise they check that the broker says so.

use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::process::geteuid;

use crate::common::{Broker, Client, DataDir, PATIENCE, publish, run_to_exit};

/// The number of the user `nobody` and of its group on most systems.
const NOBODY: u32 = 65_534;

/// A field of `/proc/…/status` of each thread.
fn of_threads(broker: &Broker, field: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", broker.pid())).expect("it runs");
    let statuses =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let values = statuses.filter_map(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.map(|rest| {
            rest.trim_start_matches(':').split_whitespace().collect::<Vec<_>>().join(" ")
        })
    });
    values.collect()
}

/// No thread can get further privileges, whatever user the broker is started as.
#[test]
fn no_new_privileges() {
    let broker = Broker::start(2);
    let values = of_threads(&broker, "NoNewPrivs");
    assert!(values.len() > 2 && values.iter().all(|value| value == "1"), "{values:?}");
}

/// A broker that root starts for another user binds a privileged port and then stays that user: in
/// every thread, with the user's groups and without capabilities. The user owns its files, and it
/// starts again on them.
#[test]
fn becomes_a_user() {
    if !geteuid().is_root() {
        let (code, said) = run_to_exit(&["--listen", "127.0.0.1:0", "--user", "0", "--no-pin"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("only root can become another user"), "{said}");
        return;
    }
    // On an address of this process alone: the system assigns no such port.
    let [.., high, low] = std::process::id().to_be_bytes();
    let own = format!("127.100.{high}.{low}");
    let free = (900..1024).find(|port| TcpListener::bind((own.as_str(), *port)).is_ok());
    let listen = format!("{own}:{}", free.expect("a port is free"));
    let mut broker = Broker::start_with(2, &["--user", "nobody", "--listen", &listen]);
    for end in crate::common::BROKER_ENDS {
        for (field, expected) in [
            ("Uid", "65534 65534 65534 65534"),
            ("Gid", "65534 65534 65534 65534"),
            ("Groups", "65534"),
            ("CapEff", "0000000000000000"),
            ("CapPrm", "0000000000000000"),
        ] {
            let values = of_threads(&broker, field);
            assert!(values.len() > 2, "{values:?}");
            assert!(values.iter().all(|value| value == expected), "{field}: {values:?}");
        }
        let mut client = Client::over(std::net::TcpStream::connect(&listen).expect("it listens"));
        client.send(&crate::common::connect("client").bytes());
        client.expect(&crate::common::connack(false, 0));
        Client::connect(&broker, "publisher").publish(&publish("a", "x").retained().qos1(1));
        let mut directories = vec![broker.data_dir().to_owned()];
        while let Some(directory) = directories.pop() {
            assert_eq!(directory.metadata().expect("it is there").uid(), NOBODY);
            for entry in fs::read_dir(directory).expect("it is there") {
                let path = entry.expect("it can be read").path();
                // Segment files come and go.
                let Ok(found) = path.metadata() else { continue };
                assert_eq!(found.uid(), NOBODY, "{}", path.display());
                if found.is_dir() {
                    directories.push(path);
                }
            }
        }
        broker.restart(end);
    }
}

/// The error for a data directory of another user names it and a remedy; an unknown user is named,
/// too.
#[test]
fn what_the_user_lacks_is_named() {
    let flags = ["--listen", "127.0.0.1:0", "--no-pin", "--user"];
    let (code, said) = run_to_exit(&[&flags[..], &["nobody-has-this-name"]].concat());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--user: there is no user \"nobody-has-this-name\""), "{said}");
    if !geteuid().is_root() {
        return;
    }
    let broker = Broker::start(1);
    let roots = broker.data_dir().to_str().expect("it is text").to_owned();
    let closed = DataDir::fresh();
    fs::create_dir(closed.path()).expect("nobody else has it");
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).expect("it is ours");
    let below = closed.path().join("data").to_str().expect("it is text").to_owned();
    for directory in [&roots, &below] {
        let all = [&flags[..], &["nobody", "--data-dir", directory, "--shards", "1"]].concat();
        let (code, said) = run_to_exit(&all);
        assert_eq!(code, Some(1), "{said}");
        for part in ["--data-dir", directory, "runs as nobody", "chown -R nobody"] {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
    }
}

/// A file that the user may not read is named with its flag, and so is the user.
#[test]
fn unreadable_files_name_the_user() {
    if !geteuid().is_root() {
        return;
    }
    let directory = DataDir::fresh();
    fs::create_dir(directory.path()).expect("nobody else has it");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let file = directory.path().join("secret");
    fs::write(&file, "# nobody\n").expect("it is ours");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let file = file.to_str().expect("it is text");
    for flag in ["--passwords", "--acl", "--tls-cert"] {
        let mut flags = vec!["--listen", "127.0.0.1:0", "--no-pin", "--user", "nobody", flag, file];
        if flag == "--tls-cert" {
            flags.extend(["--tls-listen", "127.0.0.1:0", "--tls-key", file]);
        }
        let (code, said) = run_to_exit(&flags);
        assert_eq!(code, Some(1), "{said}");
        for part in
            [&*format!("{flag} {file}: cannot be read: permission denied"), "runs as nobody"]
        {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
    }
}

/// A service manager hears when clients are served, and when the broker is about to end, by a
/// socket of either kind.
#[test]
fn service_manager_is_told() {
    let directory = DataDir::fresh();
    fs::create_dir(directory.path()).expect("nobody else has it");
    let path = directory.path().join("notify");
    let name = format!("ringmq-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("it is short");
    for (manager, told) in [
        (UnixDatagram::bind(&path), path.to_str().expect("it is text").to_owned()),
        (UnixDatagram::bind_addr(&address), format!("@{name}")),
    ] {
        let manager = manager.expect("nobody else has it");
        manager.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let broker = Broker::start_in(2, &[], &[("NOTIFY_SOCKET", &told)]);
        let hear = || {
            let mut bytes = [0; 100];
            let count = manager.recv(&mut bytes).expect("the broker says something");
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        };
        assert_eq!(hear(), "READY=1");
        Client::connect(&broker, "client").leave();
        broker.stop();
        assert_eq!(hear(), "STOPPING=1");
    }
    // A missing service manager does not keep the broker from serving.
    let broker = Broker::start_in(1, &[], &[("NOTIFY_SOCKET", "/nowhere/at/all")]);
    broker.wait_for_line("NOTIFY_SOCKET /nowhere/at/all");
    Client::connect(&broker, "client").leave();
}
