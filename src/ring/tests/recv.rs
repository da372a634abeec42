//! Receiving: the ends of a receive, empty pools, cancels, reused slots.

use std::thread;

use super::*;

on_both_rings!(
    data_then_end,
    once_is_once,
    starved_receives_start_again,
    cancel_loses_no_data,
    cancel_ends_an_idle_receive,
    failure_has_its_reason,
    buffers_are_writable,
    slots_are_reused,
);

/// Data precedes the end, in order, and the end is the last completion, once.
fn data_then_end(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, mut peer) = pair();
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    let mut inbox = Inbox::default();
    peer.write_all(b"first").expect("room");
    rig.fill(LINK, &mut inbox, 5);
    assert_eq!(inbox.end, None);
    peer.write_all(b"last").expect("room");
    drop(peer);
    rig.fill(LINK, &mut inbox, usize::MAX);
    assert_eq!((inbox.bytes.as_slice(), inbox.end), (&b"firstlast"[..], Some(End::Peer)));
}

/// A single receive returns one piece and ends: the link may move, and later data waits for it.
fn once_is_once(kind: Kind) {
    let mut rig = Rig::starving(kind, 4);
    let (socket, mut peer) = pair();
    peer.write_all(&pattern(0, 100)).expect("room");
    let mut inbox = Inbox::default();
    for (got, end) in [(64, End::Once), (100, End::Once)] {
        rig.ring.submit_recv(LINK, &socket, RecvMode::Once);
        rig.fill(LINK, &mut inbox, usize::MAX);
        assert_eq!((inbox.bytes.len(), inbox.end), (got, Some(end)));
    }
    rig.ring.release(LINK, &socket);
    let mut other = Rig::new(kind);
    other.ring.submit_recv(LINK, &socket, RecvMode::Once);
    peer.write_all(&pattern(100, 1)).expect("room");
    other.fill(LINK, &mut inbox, usize::MAX);
    assert_eq!(inbox.bytes, pattern(0, 101));
    other.ring.release(LINK, &socket);
    rig.ring.submit_recv(LINK, &socket, RecvMode::Once);
    drop(peer);
    rig.fill(LINK, &mut inbox, usize::MAX);
    assert_eq!(inbox.end, Some(End::Peer));
}

/// An empty pool ends a receive; after recycling and arming again every byte arrives, in order.
fn starved_receives_start_again(kind: Kind) {
    for mode in [RecvMode::Multishot, RecvMode::Once] {
        let mut rig = Rig::starving(kind, 4);
        let (socket, mut peer) = pair();
        let sent = pattern(0, 64 * 11 + 5);
        peer.write_all(&sent).expect("room");
        let (mut held, mut got, mut starved) = (Vec::new(), Vec::new(), 0);
        rig.ring.submit_recv(LINK, &socket, mode);
        while got.len() + held.len() * 64 < sent.len() {
            let (received, more) = rig.take_received(LINK);
            match received {
                Received::Data(buffer) => held.push(buffer),
                Received::NoBuffers => {
                    assert!(!more && held.len() == 4, "no buffers while some are free");
                    starved += 1;
                    for buffer in held.drain(..) {
                        got.extend(rig.read(buffer));
                    }
                }
                other => panic!("{other:?}"),
            }
            if !more {
                rig.ring.submit_recv(LINK, &socket, mode);
            }
        }
        for buffer in held {
            got.extend(rig.read(buffer));
        }
        assert!(got == sent && starved > 0);
    }
}

/// A cancelled receive loses no data: earlier data is delivered by it or by the next.
fn cancel_loses_no_data(kind: Kind) {
    for mode in [RecvMode::Multishot, RecvMode::Once] {
        let mut rig = Rig::new(kind);
        let (socket, mut peer) = pair();
        rig.ring.submit_recv(LINK, &socket, mode);
        rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
        peer.write_all(b"before").expect("room");
        rig.ring.cancel_recv(LINK);
        let mut inbox = Inbox::default();
        rig.fill(LINK, &mut inbox, usize::MAX);
        assert!(matches!(inbox.end, Some(End::Cancelled | End::Once)), "{inbox:?}");
        peer.write_all(b"after").expect("room");
        while inbox.bytes.len() < 11 {
            rig.ring.submit_recv(LINK, &socket, mode);
            rig.fill(LINK, &mut inbox, 11);
        }
        assert_eq!(inbox.bytes, b"beforeafter");
    }
}

/// A receive that waits without data is cancelled; a cancel without a receive has no effect.
fn cancel_ends_an_idle_receive(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, peer) = pair();
    rig.ring.cancel_recv(LINK);
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    rig.ring.cancel_recv(LINK);
    rig.ring.cancel_recv(LINK);
    let mut inbox = Inbox::default();
    rig.fill(LINK, &mut inbox, usize::MAX);
    assert_eq!(inbox.end, Some(End::Cancelled));
    // A cancel that is too late for its receive must not affect the next one.
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    (&peer).write_all(b"x").expect("room");
    rig.fill(LINK, &mut inbox, 1);
    assert_eq!((inbox.bytes.as_slice(), inbox.end), (&b"x"[..], None));
}

/// A failed connection fails the receive with its reason.
fn failure_has_its_reason(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, mut peer) = pair();
    rig.ring.submit_send(LINK, &socket, batch_of(1, 8));
    assert!(rig.take_sent(LINK).0.is_ok());
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    // Closing with unread bytes resets the connection.
    peer.read_exact(&mut [0; 1]).expect("it was sent");
    drop(peer);
    let mut inbox = Inbox::default();
    rig.fill(LINK, &mut inbox, usize::MAX);
    assert_eq!(inbox.end, Some(End::Failed(libc::ECONNRESET)));
}

/// A buffer can be written in place, and the next link that uses it sees only its own bytes.
fn buffers_are_writable(kind: Kind) {
    let mut rig = Rig::starving(kind, 1);
    let (socket, mut peer) = pair();
    rig.ring.submit_recv(LINK, &socket, RecvMode::Once);
    peer.write_all(b"secret").expect("room");
    let (Received::Data(buffer), false) = rig.take_received(LINK) else {
        panic!("six bytes came");
    };
    rig.ring.bytes_mut(&buffer).make_ascii_uppercase();
    assert_eq!(rig.read(buffer), b"SECRET");
    rig.ring.submit_recv(LINK, &socket, RecvMode::Once);
    peer.write_all(b"tea").expect("room");
    let mut inbox = Inbox::default();
    rig.fill(LINK, &mut inbox, usize::MAX);
    assert_eq!(inbox.bytes, b"tea");
}

/// A slot serves its next owner after the last completion of the previous owner; tags distinguish
/// them.
fn slots_are_reused(kind: Kind) {
    let mut rig = Rig::new(kind);
    for generation in [0, 1, (1 << 24) - 1, 0] {
        let link = Key { slot: 9, generation };
        let (socket, mut peer) = pair();
        rig.ring.submit_recv(link, &socket, RecvMode::Multishot);
        rig.ring.submit_send(link, &socket, batch_of(2, 4));
        peer.write_all(b"hello").expect("room");
        let mut inbox = Inbox::default();
        rig.fill(link, &mut inbox, 5);
        assert_eq!(rig.take_sent(link).0, Ok(8));
        rig.ring.shutdown(&socket);
        rig.fill(link, &mut inbox, usize::MAX);
        assert_eq!((inbox.bytes.as_slice(), inbox.end), (&b"hello"[..], Some(End::Peer)));
        rig.ring.release(link, &socket);
    }
}

/// If much more is sent than was received, fewer receives are due at a time. epoll receives little
/// of each link in a turn anyway.
#[test]
fn much_output_bounds_receives() {
    const BUFFER: usize = 16 * 1024;
    const SENT: usize = 16 << 20;
    let mut rig = Rig::new(Kind::Uring);
    let (socket, mut peer) = pair();
    for _ in 0..8 {
        peer.write_all(&pattern(0, BUFFER)).expect("there is room");
        rig.ring.submit_recv(LINK, &socket, RecvMode::Once);
        rig.fill(LINK, &mut Inbox::default(), BUFFER);
    }
    let before = rig.ring.rearm();
    let reader = thread::spawn(move || peer.read_exact(&mut vec![0; SENT]));
    rig.send_whole(LINK, &socket, batch_of(1, SENT));
    reader.join().expect("it reads").expect("all of it comes");
    let after = rig.ring.rearm();
    assert!(before.receives >= 3 * after.receives, "{before:?}, {after:?}");
}
