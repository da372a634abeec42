//! `ringmq reload`, and what a service manager is told about a reload.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::thread;

use crate::common::{Broker, DataDir, End, PATIENCE};
use crate::files::Files;
use crate::tool::{Ended, ringmq};

const FILE: &str = "a.toml";

#[track_caller]
fn reload(broker: &Broker) -> Ended {
    let data_dir = broker.data_dir().to_str().expect("it is text");
    ringmq(&["reload", "--data-dir", data_dir], &[])
}

fn broker_of(files: &Files, text: &str) -> Broker {
    files.write(FILE, text);
    Broker::start_with(1, &[&files.flag("--config", FILE)])
}

// It waits for the broker, and ends with the reload's result; faults are printed.
#[test]
fn the_answer_is_the_brokers() {
    let files = Files::new();
    let mut broker = broker_of(&files, "");
    let path = files.path(FILE).display().to_string();
    for _ in 0..2 {
        let ended = reload(&broker);
        assert_eq!((ended.code, &*ended.printed), (Some(0), "reloaded\n"), "{}", ended.said);
        files.write(FILE, "max-inflight = 'x'\nlisten = 1\nnothing = 2\n");
        let ended = reload(&broker);
        assert_eq!(ended.code, Some(1), "{}", ended.printed);
        let said: Vec<&str> = ended.said.lines().collect();
        assert_eq!(said[0], "ringmq reload: not reloaded, everything stays as it was:");
        for (line, number) in said[1..].iter().zip([1, 3]) {
            assert!(line.starts_with(&format!("  {path}:{number}: ")), "{}", ended.said);
        }
        files.write(FILE, "");
    }
    broker.end(End::Stopped);
    let ended = reload(&broker);
    assert_eq!(ended.code, Some(1));
    assert!(ended.said.contains("no ringmq uses"), "{}", ended.said);
    let nowhere = DataDir::fresh();
    let nowhere = nowhere.path().to_str().expect("it is text");
    let ended = ringmq(&["reload", "--data-dir", nowhere], &[]);
    assert!(ended.said.contains("there is no directory"), "{}", ended.said);
}

// Several concurrent requests each get the result of a reload that began after them.
#[test]
fn many_may_ask() {
    let files = Files::new();
    let broker = broker_of(&files, "");
    for (text, code) in [("", 0), ("x = 1", 1), ("", 0)] {
        files.write(FILE, text);
        thread::scope(|scope| {
            let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| reload(&broker))).collect();
            for ended in asked {
                let ended = ended.join().expect("it does not panic");
                assert_eq!(ended.code, Some(code), "{}{}", ended.printed, ended.said);
            }
        });
    }
    // A directory with an answer in it is still a data directory.
    assert!(broker.data_dir().join("RELOAD").exists());
}

// A broker that was killed is not asked, though it cannot have said so.
#[test]
fn a_dead_broker_is_not_asked() {
    let files = Files::new();
    let mut broker = broker_of(&files, "");
    assert_eq!(reload(&broker).code, Some(0));
    broker.end(End::Killed);
    assert!(reload(&broker).said.contains("no ringmq uses"));
    broker.start_again();
    assert_eq!(reload(&broker).code, Some(0));
}

// The manager is told when a reload begins, with the time, and when it has ended, successfully or
// not.
#[test]
fn the_manager_is_told() {
    let files = Files::new();
    files.write(FILE, "");
    let path = files.path("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("it is ours");
    socket.set_read_timeout(Some(PATIENCE)).expect("it is a time");
    let next = || {
        let mut bytes = [0; 1024];
        let count = socket.recv(&mut bytes).expect("it is told in time");
        String::from_utf8(bytes[..count].to_vec()).expect("it is text")
    };
    let told = path.to_str().expect("it is text");
    let flags = [&*files.flag("--config", FILE)];
    let broker = Broker::start_in(1, &flags, &[("NOTIFY_SOCKET", told)]);
    assert_eq!(next(), "READY=1");
    let mut last_us = 0;
    for (text, status) in [
        ("", "STATUS=serving; the last reload was taken"),
        ("x = 1", "STATUS=serving; the last reload failed: "),
        ("", "STATUS=serving; the last reload was taken"),
    ] {
        files.write(FILE, text);
        broker.hang_up();
        let began = next();
        let time_us = began.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&began);
        let time_us: u64 = time_us.parse().expect("a number");
        assert!(time_us > last_us, "{began}");
        last_us = time_us;
        let ended = next();
        assert!(ended.starts_with(&format!("READY=1\n{status}")), "{ended}");
        assert_eq!(ended.lines().count(), 2, "{ended}");
    }
    fs::remove_file(path).expect("it is ours");
}
