//! Accepting: many connections at once, cancelled accepts, and a lack of descriptors.

use std::env;
use std::net::TcpStream;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

on_both_rings!(
    accepts_many,
    accept_ends_and_starts_again,
    accept_survives_the_descriptor_limit,
    rings_share_a_listener,
);

/// Set in the process that a test starts to change its limits.
const CHILD: &str = "RINGMQ_RING_TEST_CHILD";

fn listen(rig: &mut Rig) -> (u32, std::net::SocketAddr) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = ListenSocket::bind(any, 128).expect("a port");
    let address = listener.address().expect("an internet socket");
    (rig.ring.add_listener(listener), address)
}

/// One submission accepts many connections, on the right listener, and knows their peers.
fn accepts_many(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (first, first_address) = listen(&mut rig);
    let (second, second_address) = listen(&mut rig);
    assert_eq!((first, second), (0, 1));
    rig.ring.submit_accept(first);
    rig.ring.submit_accept(second);
    for (listener, address) in [(first, first_address), (second, second_address)] {
        for _ in 0..50 {
            let client = TcpStream::connect(address).expect("a connection");
            let (socket, more) = rig.take_accepted(listener);
            let socket = socket.expect("accepted");
            assert!(more);
            assert_eq!(rig.ring.peer(&socket), client.local_addr().ok());
            assert!(rustix::net::sockopt::tcp_nodelay(&socket).expect("a TCP socket"));
            let flags = rustix::io::fcntl_getfd(&socket).expect("a descriptor");
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
    }
}

/// A cancelled accept ends once, and can be armed again for clients that connected meanwhile.
fn accept_ends_and_starts_again(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (listener, address) = listen(&mut rig);
    rig.ring.submit_accept(listener);
    rig.ring.cancel_accept(listener);
    let (result, more) = rig.take_accepted(listener);
    assert_eq!((result.err(), more), (Some(libc::ECANCELED), false));
    rig.ring.cancel_accept(listener);
    let _client = TcpStream::connect(address).expect("the backlog takes it");
    rig.ring.submit_accept(listener);
    assert!(rig.take_accepted(listener).0.is_ok());
}

/// Without descriptors an accept fails and ends. Armed again with descriptors, it loses no
/// connection.
fn accept_survives_the_descriptor_limit(kind: Kind) {
    if env::var_os(CHILD).is_some() {
        return exhaust_descriptors(kind);
    }
    let ring = if kind == Kind::Uring { "uring" } else { "epoll" };
    let name = format!("ring::tests::accept::{ring}::accept_survives_the_descriptor_limit");
    let program = env::current_exe().expect("a test runs from a file");
    let mut child = Command::new(program);
    child.args(["--exact", &name]).env(CHILD, "1");
    let output = child.output().expect("this program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn exhaust_descriptors(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (listener, address) = listen(&mut rig);
    let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address)).collect();
    assert!(clients.iter().all(Result::is_ok));
    let limit = getrlimit(Resource::Nofile);
    let spare = rustix::io::dup(rig.ring.waker()).expect("a descriptor");
    let used = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&spare)).expect("a number");
    let lowered = Rlimit { current: Some(used + 1), maximum: limit.maximum };
    setrlimit(Resource::Nofile, lowered).expect("lowering is allowed");

    rig.ring.submit_accept(listener);
    let (result, more) = rig.take_accepted(listener);
    assert_eq!((result.err(), more), (Some(libc::EMFILE), false));
    drop(spare);
    rig.ring.submit_accept(listener);
    let (one, more) = rig.take_accepted(listener);
    assert!(one.is_ok() && more);
    let (result, more) = rig.take_accepted(listener);
    assert_eq!((result.err(), more), (Some(libc::EMFILE), false));

    setrlimit(Resource::Nofile, limit).expect("raising up to the old limit is allowed");
    rig.ring.submit_accept(listener);
    assert!(rig.take_accepted(listener).0.is_ok() && rig.take_accepted(listener).0.is_ok());
}

/// Two rings that accept from one Unix socket get each connection once, whichever is awake. When
/// one of them stops accepting, the other gets all.
fn rings_share_a_listener(kind: Kind) {
    let name = format!("ringmq-ring-test-{}-{kind:?}.sock", std::process::id());
    let path = env::temp_dir().join(name);
    let bound = ListenSocket::bind_unix(&path).expect("nobody else has this path");
    assert!(UnixStream::connect(&path).is_err(), "it does not listen yet");
    let first = bound.listen(128).expect("it listens");
    let second = first.try_clone().expect("a descriptor");
    let mut rigs = [first, second].map(|listener| {
        let mut rig = Rig::new(kind);
        let listener = rig.ring.add_listener(listener);
        rig.ring.submit_accept(listener);
        rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
        (rig, listener)
    });
    let (mut clients, mut accepted) = (Vec::new(), [0_usize, 0]);
    for round in 0..100 {
        clients.push(UnixStream::connect(&path).expect("a connection"));
        if round % 10 == 9 {
            while accepted[0] + accepted[1] < clients.len() {
                for ((rig, _), count) in rigs.iter_mut().zip(&mut accepted) {
                    rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
                    let got = rig.seen.drain(..).map(|completion| match completion {
                        Completion::Accepted { result, more, .. } => result.is_ok() && more,
                        _ => false,
                    });
                    *count += got.filter(|fine| *fine).count();
                }
            }
        }
    }
    println!("each accepted {accepted:?}");
    assert_eq!(accepted[0] + accepted[1], 100);
    let [(first, listener), (second, other)] = &mut rigs;
    first.ring.cancel_accept(*listener);
    let (result, more) = first.take_accepted(*listener);
    assert_eq!((result.err(), more), (Some(libc::ECANCELED), false));
    clients.push(UnixStream::connect(&path).expect("a connection"));
    let (socket, _) = second.take_accepted(*other);
    assert_eq!(second.ring.peer(&socket.expect("accepted")), None);
    std::fs::remove_file(&path).expect("it is ours");
}
