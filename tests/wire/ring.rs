//! The ring of a broker: the one that a flag names, or epoll where io_uring is forbidden (by a
//! seccomp filter, as in a container). And the registrations of clients with epoll.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use rustix::process::Signal;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::common::{Broker, Client, End, publish, resume_as, run_to_exit, until};
use crate::log::signal;

/// How sandboxes refuse, and the broker's explanation: container runtimes forbid the call, gVisor
/// does not know it.
const REFUSALS: [(i32, &str); 2] = [
    (libc::EPERM, "io_uring is forbidden to this process, most likely by the container's seccomp"),
    (libc::ENOSYS, "this kernel has no io_uring"),
];

/// Runs `test` in a thread that cannot set up io_uring, nor can its children.
fn without_io_uring(errno: i32, test: impl FnOnce() + Send) {
    let errno = errno.unsigned_abs();
    let forbid = move || {
        let rules = BTreeMap::from([(libc::SYS_io_uring_setup, Vec::new())]);
        let arch = std::env::consts::ARCH.try_into().expect("one that seccomp knows");
        let (allow, refuse) = (SeccompAction::Allow, SeccompAction::Errno(errno));
        let filter = SeccompFilter::new(rules, allow, refuse, arch).expect("it is well formed");
        let program: BpfProgram = filter.try_into().expect("it is short");
        apply_filter(&program).expect("a thread may forbid itself");
    };
    thread::scope(|scope| {
        let run = || {
            forbid();
            test();
        };
        scope.spawn(run).join().expect("the test has said what failed");
    });
}

/// With its own defaults the broker runs, warns once with the reason, and keeps acknowledged
/// messages through SIGKILL.
#[test]
fn epoll_takes_over() {
    for (errno, why) in REFUSALS {
        without_io_uring(errno, || {
            let mut broker = Broker::start_with(2, &["--ring", "auto"]);
            let mut absent = resume_as(&broker, "absent", false);
            absent.subscribe("news", 1);
            absent.leave();
            for number in 1..=100_u16 {
                let mut publisher = Client::connect(&broker, &format!("device-{number}"));
                publisher.publish(&publish("news", number.to_string()).qos1(number));
            }
            let warnings = |said: &str| said.matches("running on epoll").count();
            let said = broker.said();
            assert!(said.contains(" WARN ") && said.contains(why), "{said}");
            assert!(said.contains(" 2 shards on epoll, ") && warnings(&said) == 1, "{said}");
            broker.restart(End::Killed);
            let mut absent = resume_as(&broker, "absent", true);
            for number in 1..=100 {
                absent.expect_publish(&publish("news", number.to_string()).qos1(1));
            }
            assert_eq!(warnings(&broker.said()), 1);
            broker.stop();
        });
    }
}

/// A broker that may only use io_uring ends with an error that says what to do.
#[test]
fn io_uring_alone_is_refused() {
    for (errno, why) in REFUSALS {
        without_io_uring(errno, || {
            let (code, said) = run_to_exit(&["--ring", "io_uring"]);
            assert!(code == Some(1) && said.contains(why), "{code:?}: {said}");
            assert!(!said.contains("epoll"), "{said}");
        });
    }
}

/// A broker says which ring it runs on.
#[test]
fn ring_is_named() {
    for ring in ["io_uring", "epoll"] {
        let broker = Broker::start_with(2, &["--ring", ring, "--log", "debug"]);
        let said = broker.said();
        let (named, features) = (format!(" 2 shards on {ring}, "), format!(" {ring}: "));
        assert!(said.contains(&named) && said.contains(&features), "{said}");
        assert!(!said.contains("running on epoll"), "{said}");
    }
}

/// Each client is watched by one shard, wherever it was accepted, and by none when it is gone.
#[test]
fn clients_are_watched_once() {
    const CLIENTS: usize = 40;
    let broker = Broker::start_with(4, &["--ring", "epoll"]);
    let mut first = Client::connect(&broker, "first");
    // One shard has accepted a client, so all have sent the others their first messages. When each
    // shard has answered twice since then, it has handled those and watches its listener.
    for _ in 0..2 {
        signal(&broker, Signal::USR1);
        broker.wait_for_line("state of shard 3");
    }
    let idle = watched(&broker);
    for _ in 0..2 {
        let clients: Vec<Client> =
            (0..CLIENTS).map(|n| Client::connect(&broker, &format!("client-{n}"))).collect();
        assert_eq!(watched(&broker), idle + CLIENTS);
        drop(clients);
        until("the last is gone", || {
            first.expect_silence();
            watched(&broker) == idle
        });
    }
}

/// Descriptors that the kernel watches for a broker.
fn watched(broker: &Broker) -> usize {
    let infos = fs::read_dir(format!("/proc/{}/fdinfo", broker.pid())).expect("it runs");
    // A descriptor that is closed meanwhile is not counted.
    let texts = infos.filter_map(|info| fs::read_to_string(info.ok()?.path()).ok());
    texts.map(|text| text.lines().filter(|line| line.starts_with("tfd:")).count()).sum()
}
