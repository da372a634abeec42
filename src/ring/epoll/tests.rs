//! Behaviour of the ring on epoll only: the end of watches, memory of links, sleeps in
//! milliseconds.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use super::*;
use crate::chunk::Chunk;

const MUCH: usize = 8 << 20;

fn key(slot: u32) -> Key {
    Key { slot, generation: 1 }
}

fn pair() -> (Socket, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("descriptors");
    (Socket::from(OwnedFd::from(ours)), theirs)
}

fn new_ring() -> Epoll {
    Epoll::new(&Options::default()).expect("every Linux has epoll")
}

fn batch(bytes: usize) -> Batch {
    let mut batch = Batch::default();
    batch.push(Chunk::Owned(vec![7; bytes]));
    batch
}

fn turn(ring: &mut Epoll) -> Vec<Completion<Socket>> {
    let mut seen = Vec::new();
    ring.wait(Some(Duration::ZERO), &mut seen).expect("the ring works");
    seen
}

/// The number of descriptors that the kernel watches for a ring, except its own two.
fn watched(ring: &Epoll) -> usize {
    let info = format!("/proc/self/fdinfo/{}", ring.epoll.as_raw_fd());
    let info = std::fs::read_to_string(info).expect("it is open");
    info.lines().filter(|line| line.starts_with("tfd:")).count() - 2
}

/// A link is watched from the first operation that needs it until it is released, even while
/// another descriptor of the same socket is open. A send that finds space needs no watch.
#[test]
fn released_links_are_not_watched() {
    let mut ring = new_ring();
    let (socket, mut peer) = pair();
    let _again = rustix::io::dup(&socket).expect("a descriptor");
    ring.submit_send(key(1), &socket, batch(10));
    assert!(matches!(turn(&mut ring).as_slice(), [Completion::Sent { result: Ok(10), .. }]));
    assert_eq!(watched(&ring), 0);
    for room in [false, true] {
        ring.submit_recv(key(1), &socket, RecvMode::Once);
        if room {
            ring.submit_send(key(1), &socket, batch(MUCH));
        }
        turn(&mut ring);
        assert_eq!(watched(&ring), 1);
        ring.cancel_recv(key(1));
        ring.cancel_send(key(1));
        assert_eq!(turn(&mut ring).len(), if room { 2 } else { 1 });
        ring.release(key(1), &socket);
        assert_eq!(watched(&ring), 0);
    }
    peer.write_all(b"x").expect("room");
    assert!(turn(&mut ring).is_empty());
}

/// A listener is watched while an accept is armed, and no longer: other rings that share it are
/// notified instead.
#[test]
fn idle_listeners_are_not_watched() {
    let mut ring = new_ring();
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = ListenSocket::bind(any, 8).expect("a port");
    let _shared = listener.try_clone().expect("a descriptor");
    let listener = ring.add_listener(listener);
    for _ in 0..2 {
        ring.submit_accept(listener);
        assert_eq!(watched(&ring), 1);
        ring.cancel_accept(listener);
        turn(&mut ring);
        assert_eq!(watched(&ring), 0);
    }
}

/// A socket that gets the number of a closed one (as it usually does) is a different one: its
/// events belong to its own link only, whatever key that has.
#[test]
fn numbers_are_used_again() {
    let mut ring = new_ring();
    for round in 0..20_u32 {
        let (socket, mut peer) = pair();
        let key = Key { slot: round % 3, generation: round / 2 };
        ring.submit_recv(key, &socket, RecvMode::Once);
        assert!(turn(&mut ring).is_empty());
        peer.write_all(b"x").expect("room");
        let seen = turn(&mut ring);
        let [Completion::Received { key: whose, received: Received::Data(_), .. }] = &seen[..]
        else {
            panic!("{seen:?}");
        };
        assert_eq!(*whose, key);
        // The kernel has reported it, but no operation asked for it.
        peer.write_all(b"x").expect("room");
        assert!(turn(&mut ring).is_empty());
        ring.release(key, &socket);
    }
}

/// Memory of links that have left is released; the other memory is reused.
#[test]
fn memory_goes_back() {
    let mut ring = new_ring();
    let pairs: Vec<_> = (0..200).map(|_| pair()).collect();
    for round in 0..2 {
        for (slot, (socket, peer)) in (0..).zip(&pairs) {
            ring.submit_recv(key(slot), socket, RecvMode::Once);
            ring.submit_send(key(slot), socket, batch(10));
            (&*peer).write_all(b"x").expect("room");
        }
        let mut left = 400;
        while left > 0 {
            for completion in turn(&mut ring) {
                left -= 1;
                if let Completion::Received { received: Received::Data(buffer), .. } = completion {
                    ring.recycle(buffer);
                }
            }
        }
        for (slot, (socket, _)) in (0..).zip(&pairs) {
            ring.release(key(slot), socket);
        }
        while ring.reclaim(50) {}
        let (sends, watches) = (ring.sends.capacity(), ring.watches.len());
        assert_eq!((sends, watches, watched(&ring)), (0, 0, 0), "round {round}");
    }
}

/// A sleep is never too short, and never longer than the kernel permits.
#[test]
fn sleeps_are_whole_milliseconds() {
    for (given, seconds, nanoseconds) in [
        (Duration::ZERO, 0, 0),
        (Duration::from_nanos(1), 0, 1_000_000),
        (Duration::from_millis(1), 0, 1_000_000),
        (Duration::from_nanos(1_000_001), 0, 2_000_000),
        (Duration::from_nanos(999_999_999), 1, 0),
        (Duration::MAX, 24 * 60 * 60, 0),
    ] {
        let sleep = whole_milliseconds(given);
        assert_eq!((sleep.tv_sec, sleep.tv_nsec), (seconds, nanoseconds), "{given:?}");
    }
}
