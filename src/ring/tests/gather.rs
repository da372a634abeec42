//! Completions that gather before a wait returns them, and quiet sends.

use std::fs;
use std::thread;

use bytes::Bytes;
use rustix::thread::{Pid, gettid};

use super::write::TempPath;
use super::*;

on_both_rings!(
    gathers_until_woken,
    what_is_there_is_not_gathered,
    gathers_no_longer_than_the_wait,
    gathers_nothing_in_no_time,
    ends_of_writes_end_pauses,
    quiet_ends_come_with_others,
    quiet_sends_without_room_end_waits,
    awaited_sends_end_waits,
    quiet_sends_that_fail_end_waits,
);

/// Far longer than a test may take: a wait of this length waits for an event.
const LONG: Duration = Duration::from_hours(1);

/// Links that receive in these tests: more completions than the kernel returns at once.
const LINKS: u32 = 50;

fn link(slot: u32) -> Key {
    Key { slot, generation: 0 }
}

fn woken(completion: &Completion<Socket>) -> bool {
    matches!(completion, Completion::Woken)
}

/// Returns when a thread of this process sleeps.
fn await_sleep(thread: Pid) {
    let stat = format!("/proc/{}/task/{thread}/stat", std::process::id());
    loop {
        let text = fs::read_to_string(&stat).expect("the thread lives");
        let (_, after_name) = text.rsplit_once(')').expect("a name in brackets");
        if after_name.starts_with(" S") {
            return;
        }
        thread::yield_now();
    }
}

/// Completions during a pause do not end it, and all are returned when the waker ends it. A waker
/// that rang earlier, or a write that ended earlier, ends no later pause.
fn gathers_until_woken(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (sockets, mut peers): (Vec<_>, Vec<_>) = (0..LINKS).map(|_| pair()).unzip();
    for (slot, socket) in (0..).zip(&sockets) {
        rig.ring.submit_recv(link(slot), socket, RecvMode::Multishot);
    }
    rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
    let path = TempPath::new();
    let file = path.create();
    for round in 0..5 {
        assert_eq!(rig.write(&file, 0, vec![round; 5], true), Ok(()));
        let (waker, sleeper) = (rig.ring.waker(), gettid());
        let other = thread::spawn(move || {
            await_sleep(sleeper);
            peers.iter_mut().for_each(|peer| peer.write_all(b"x").expect("room"));
            waker.wake();
            peers
        });
        rig.ring.gather(LONG, None, &mut rig.seen).expect("the ring works");
        assert_eq!(rig.seen.len(), LINKS as usize + 1, "round {round}: {:?}", rig.seen);
        drop(rig.take(woken));
        for slot in 0..LINKS {
            let mut inbox = Inbox::default();
            rig.fill(link(slot), &mut inbox, 1);
        }
        peers = other.join().expect("it writes");
        rig.ring.waker().wake();
        drop(rig.take(woken));
    }
}

/// There is no pause while there is work.
fn what_is_there_is_not_gathered(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, mut peer) = pair();
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    for _ in 0..3 {
        peer.write_all(b"x").expect("room");
        rig.ring.gather(LONG, None, &mut rig.seen).expect("the ring works");
        assert!(matches!(rig.take_received(LINK), (Received::Data(_), true)));
    }
    rig.ring.submit_send(LINK, &socket, batch_of(1, 10));
    rig.ring.gather(LONG, None, &mut rig.seen).expect("the ring works");
    assert_eq!(rig.take_sent(LINK).0, Ok(10));
    rig.ring.waker().wake();
    rig.ring.gather(LONG, None, &mut rig.seen).expect("the ring works");
    drop(rig.take(woken));
}

/// A pause ends with its wait: timers are not delayed.
fn gathers_no_longer_than_the_wait(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, _peer) = pair();
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    for timeout in [Duration::ZERO, Duration::from_millis(1)] {
        rig.ring.gather(LONG, Some(timeout), &mut rig.seen).expect("the ring works");
        assert!(rig.seen.is_empty());
    }
}

/// Without time to gather, a wait ends with the first completion.
fn gathers_nothing_in_no_time(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, mut peer) = pair();
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    let other = thread::spawn(move || {
        peer.write_all(b"x").expect("room");
        peer
    });
    rig.ring.gather(Duration::ZERO, None, &mut rig.seen).expect("the ring works");
    let _peer = other.join().expect("it writes");
    while rig.seen.is_empty() {
        // It may return for a completion of the ring's own.
        rig.ring.gather(Duration::ZERO, None, &mut rig.seen).expect("the ring works");
    }
    assert!(matches!(rig.take_received(LINK), (Received::Data(_), true)));
}

/// The end of a write ends a pause; earlier completions are returned with it.
fn ends_of_writes_end_pauses(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, mut peer) = pair();
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
    let path = TempPath::new();
    let file = path.create();
    for round in 0..10_u8 {
        let offset = u64::from(round) * 5;
        rig.ring.submit_write(&file, offset, Bytes::from(vec![round; 5]), round % 2 == 0);
        if round == 9 {
            peer.write_all(b"x").expect("room");
        }
        while !rig.seen.iter().any(|c| matches!(c, Completion::Written { .. })) {
            rig.ring.gather(LONG, None, &mut rig.seen).expect("the ring works");
        }
        assert_eq!(rig.take_written(), Ok(()));
    }
    assert!(matches!(rig.take_received(LINK), (Received::Data(_), true)));
}

/// The end of a quiet send that is sent at once ends no wait; it is returned before the next
/// completion.
fn quiet_ends_come_with_others(kind: Kind) {
    for time in [Duration::ZERO, Duration::from_micros(1)] {
        let mut rig = Rig::new(kind);
        let (socket, mut peer) = pair();
        rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
        rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
        rig.ring.submit_quiet_send(LINK, &socket, batch_of(3, 10));
        let other = thread::spawn(move || {
            let mut all = [0; 30];
            peer.read_exact(&mut all).expect("it was sent");
            peer.write_all(b"x").expect("room");
            peer
        });
        while !rig.seen.iter().any(|c| matches!(c, Completion::Received { .. })) {
            rig.ring.gather(time, None, &mut rig.seen).expect("the ring works");
            let is_sent = |c: &Completion<_>| matches!(c, Completion::Sent { .. });
            assert!(rig.seen.len() != 1 || !is_sent(&rig.seen[0]), "it ended a wait");
        }
        assert!(matches!(rig.seen[0], Completion::Sent { .. }), "{:?}", rig.seen);
        assert_eq!(rig.take_sent(LINK).0, Ok(30));
        assert!(matches!(rig.take_received(LINK), (Received::Data(_), true)));
        drop(other.join());
    }
    let mut rig = Rig::new(kind);
    let (socket, _peer) = pair();
    rig.ring.submit_quiet_send(LINK, &socket, batch_of(1, 10));
    rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
    assert_eq!(rig.take_sent(LINK).0, Ok(10), "a wait of no time tells of it");
    rig.ring.submit_quiet_send(LINK, &socket, batch_of(1, 10));
    rig.ring.wait(Some(Duration::from_millis(1)), &mut rig.seen).expect("the ring works");
    assert_eq!(rig.take_sent(LINK).0, Ok(10), "and so does one that is over");
}

/// The end of a quiet send that must wait ends a wait, as for other sends.
fn quiet_sends_without_room_end_waits(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, mut peer) = pair();
    let bytes = 4 * 1024 * 1024;
    rig.ring.submit_quiet_send(LINK, &socket, batch_of(1, bytes));
    let other = thread::spawn(move || {
        let mut all = vec![0; bytes];
        peer.read_exact(&mut all).expect("it was sent");
        (peer, all)
    });
    while rig.seen.is_empty() {
        rig.ring.wait(None, &mut rig.seen).expect("the ring works");
    }
    assert_eq!(rig.take_sent(LINK).0, Ok(bytes));
    let (_peer, all) = other.join().expect("it reads");
    assert!(all == pattern(0, bytes));
}

/// A quiet send that a caller begins to wait for ends a wait.
fn awaited_sends_end_waits(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, _peer) = pair();
    rig.ring.await_send(LINK);
    for time in [Duration::ZERO, LONG] {
        rig.ring.submit_quiet_send(LINK, &socket, batch_of(1, 10));
        rig.ring.await_send(LINK);
        while rig.seen.is_empty() {
            rig.ring.gather(time, None, &mut rig.seen).expect("the ring works");
        }
        assert_eq!(rig.take_sent(LINK).0, Ok(10));
    }
}

/// A quiet send that fails ends a wait.
fn quiet_sends_that_fail_end_waits(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, peer) = pair();
    drop(peer);
    rig.ring.submit_quiet_send(LINK, &socket, batch_of(1, 10));
    while rig.seen.is_empty() {
        rig.ring.wait(None, &mut rig.seen).expect("the ring works");
    }
    assert_eq!(rig.take_sent(LINK).0, Err(libc::EPIPE));
}
