//! Waking and waiting.

use std::thread;

use super::*;

on_both_rings!(
    wakes_before_sleeping,
    wakes_from_another_thread,
    waits_no_longer_than_asked,
    polling_sees_completions,
);

fn woken(completion: &Completion<Socket>) -> bool {
    matches!(completion, Completion::Woken)
}

/// A ring that was woken before it sleeps does not sleep; many wakes count as one.
fn wakes_before_sleeping(kind: Kind) {
    let mut rig = Rig::new(kind);
    let waker = rig.ring.waker();
    for _ in 0..3 {
        for _ in 0..100 {
            waker.wake();
        }
        rig.ring.wait(None, &mut rig.seen).expect("the ring works");
        assert!(matches!(rig.seen.as_slice(), [Completion::Woken]), "{:?}", rig.seen);
        rig.seen.clear();
    }
    rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
    assert!(rig.seen.is_empty(), "nobody woke it again");
}

/// A sleeping ring is woken from another thread, repeatedly.
fn wakes_from_another_thread(kind: Kind) {
    let mut here = Rig::new(kind);
    let (waker, turns) = (here.ring.waker(), 200);
    let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
    let other = thread::spawn(move || {
        let mut rig = Rig::new(kind);
        sender.send(rig.ring.waker()).expect("the test waits");
        for _ in 0..turns {
            drop(rig.take(woken));
            waker.wake();
        }
    });
    let there = receiver.recv().expect("a waker");
    for _ in 0..turns {
        there.wake();
        drop(here.take(woken));
    }
    other.join().expect("the other ring");
}

/// A wait without time returns at once even without a completion, one with time after that time.
fn waits_no_longer_than_asked(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, _peer) = pair();
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    let start = Instant::now();
    for _ in 0..1000 {
        rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
    }
    assert!(start.elapsed() < Duration::from_secs(1) && rig.seen.is_empty());
    let pause = Duration::from_millis(30);
    let start = Instant::now();
    rig.ring.wait(Some(pause), &mut rig.seen).expect("the ring works");
    assert!(start.elapsed() >= pause && rig.seen.is_empty());
}

/// Waits without time return all completions, however many at once, without a sleep.
fn polling_sees_completions(kind: Kind) {
    let mut rig = Rig::new(kind);
    let pairs: Vec<_> = (0..100).map(|_| pair()).collect();
    for (slot, (socket, _)) in (0..).zip(&pairs) {
        rig.ring.submit_recv(Key { slot, generation: 0 }, socket, RecvMode::Multishot);
    }
    for _ in 0..10 {
        for (_, peer) in &pairs {
            (&*peer).write_all(b"x").expect("room");
        }
        let start = Instant::now();
        while rig.seen.len() < pairs.len() && start.elapsed() < Duration::from_secs(10) {
            rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
        }
        assert_eq!(rig.seen.len(), pairs.len());
        for slot in 0..100 {
            let mut inbox = Inbox::default();
            rig.fill(Key { slot, generation: 0 }, &mut inbox, 1);
            assert_eq!((inbox.bytes.as_slice(), inbox.end), (&b"x"[..], None));
        }
    }
}
