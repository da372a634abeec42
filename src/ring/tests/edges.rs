//! Events that the kernel reports once must not be lost, whatever was armed then.

use std::net::{TcpListener, TcpStream};

use rustix::net::SendFlags;

use super::*;

on_both_rings!(
    what_came_unasked_is_received,
    an_end_that_came_unasked_is_received,
    cancelled_receives_go_on,
    full_buffers_hide_no_end,
    urgent_data_stops_nothing,
    half_closed_links_send,
    parked_sends_go_on_each_time,
    a_send_follows_a_cancelled_one,
    a_reset_ends_a_parked_send,
    shutdown_comes_before_the_sends_of_its_turn,
    crowds_are_accepted,
    wakes_among_others_are_seen,
    links_change_rings,
    many_links_share_few_buffers,
);

/// More bytes than the buffers of any socket.
const MUCH: usize = 8 << 20;

impl Rig {
    /// A turn in which the kernel may report events.
    fn turn(&mut self) {
        self.ring.wait(Some(Duration::ZERO), &mut self.seen).expect("the ring works");
    }

    /// Arms one receive after another until `bytes` have arrived or the stream ends.
    fn gather(&mut self, socket: &Socket, mode: RecvMode, inbox: &mut Inbox, bytes: usize) {
        loop {
            self.ring.submit_recv(LINK, socket, mode);
            self.fill(LINK, inbox, bytes);
            match inbox.end {
                Some(End::Once) if inbox.bytes.len() < bytes => {}
                None => {
                    self.ring.cancel_recv(LINK);
                    let mut rest = Inbox::default();
                    self.fill(LINK, &mut rest, usize::MAX);
                    inbox.bytes.extend(rest.bytes);
                    return;
                }
                _ => return,
            }
        }
    }
}

/// A socket over TCP for the ring and its peer for the test.
fn tcp_pair() -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = TcpStream::connect(listener.local_addr().expect("bound")).expect("a connection");
    let (ours, _) = listener.accept().expect("it waits");
    (Socket::from(OwnedFd::from(ours)), peer)
}

/// Receives until a turn of the ring brings no data.
fn swallow(mut peer: &UnixStream) -> usize {
    peer.set_nonblocking(true).expect("a socket");
    let (mut buffer, mut bytes) = (vec![0; 1 << 20], 0);
    while let Ok(count @ 1..) = peer.read(&mut buffer) {
        bytes += count;
    }
    peer.set_nonblocking(false).expect("a socket");
    bytes
}

/// Bytes that arrived and were reported without an armed receive are received later.
fn what_came_unasked_is_received(kind: Kind) {
    for mode in [RecvMode::Once, RecvMode::Multishot] {
        let mut rig = Rig::new(kind);
        let (socket, mut peer) = pair();
        let mut inbox = Inbox::default();
        for round in 1..=3 {
            peer.write_all(b"abc").expect("room");
            rig.turn();
            rig.turn();
            rig.gather(&socket, mode, &mut inbox, 3 * round);
            rig.turn();
        }
        assert_eq!(inbox.bytes, b"abcabcabc");
    }
}

/// The end of the stream, too, is received later, repeatedly.
fn an_end_that_came_unasked_is_received(kind: Kind) {
    for mode in [RecvMode::Once, RecvMode::Multishot] {
        let mut rig = Rig::new(kind);
        let (socket, mut peer) = pair();
        let mut inbox = Inbox::default();
        peer.write_all(b"a").expect("room");
        rig.gather(&socket, mode, &mut inbox, 1);
        peer.write_all(b"b").expect("room");
        drop(peer);
        rig.turn();
        for _ in 0..3 {
            rig.gather(&socket, mode, &mut inbox, usize::MAX);
            assert_eq!((inbox.bytes.as_slice(), inbox.end), (&b"ab"[..], Some(End::Peer)));
            rig.turn();
        }
    }
}

/// Data that arrives between a cancel and the next receive belongs to that receive.
fn cancelled_receives_go_on(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, mut peer) = pair();
    let mut inbox = Inbox::default();
    for round in 1..=5 {
        rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
        rig.turn();
        rig.ring.cancel_recv(LINK);
        rig.fill(LINK, &mut inbox, usize::MAX);
        assert_eq!(inbox.end, Some(End::Cancelled));
        peer.write_all(b"x").expect("room");
        rig.turn();
        rig.gather(&socket, RecvMode::Multishot, &mut inbox, round);
        assert_eq!(inbox.bytes.len(), round);
    }
}

/// After bytes that fill their buffers exactly, the next event is received: more bytes, or the end.
fn full_buffers_hide_no_end(kind: Kind) {
    for bytes in [63, 64, 65, 127, 128, 129] {
        for mode in [RecvMode::Once, RecvMode::Multishot] {
            for ends in [false, true] {
                let mut rig = Rig::starving(kind, 16);
                let (socket, mut peer) = pair();
                let mut inbox = Inbox::default();
                peer.write_all(&pattern(0, bytes)).expect("room");
                if ends {
                    peer.shutdown(std::net::Shutdown::Write).expect("a socket");
                }
                rig.gather(&socket, mode, &mut inbox, bytes);
                rig.turn();
                let end = if ends {
                    Some(End::Peer)
                } else {
                    peer.write_all(&pattern(bytes, 1)).expect("room");
                    None
                };
                rig.gather(&socket, mode, &mut inbox, bytes + 1);
                assert!(inbox.bytes == pattern(0, bytes + usize::from(!ends)), "{bytes}");
                assert!(end.is_none() || inbox.end == end, "{bytes} {mode:?}: {inbox:?}");
            }
        }
    }
}

/// A byte of urgent data, at which the kernel ends a receive early, hides none of the later bytes.
fn urgent_data_stops_nothing(kind: Kind) {
    for mode in [RecvMode::Once, RecvMode::Multishot] {
        let mut rig = Rig::new(kind);
        let (socket, mut peer) = tcp_pair();
        let mut inbox = Inbox::default();
        for round in 1..=3 {
            peer.write_all(b"before").expect("room");
            rustix::net::send(&peer, b"!", SendFlags::OOB).expect("room");
            peer.write_all(b"after").expect("room");
            rig.gather(&socket, mode, &mut inbox, 11 * round);
        }
        assert_eq!(inbox.bytes, b"beforeafter".repeat(3), "{mode:?}");
    }
}

/// A peer that has shut down its direction still gets all sent bytes.
fn half_closed_links_send(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, mut peer) = pair();
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    peer.shutdown(std::net::Shutdown::Write).expect("a socket");
    let mut inbox = Inbox::default();
    rig.fill(LINK, &mut inbox, usize::MAX);
    assert_eq!(inbox.end, Some(End::Peer));
    rig.ring.submit_send(LINK, &socket, batch_of(2, MUCH / 2));
    rig.turn();
    assert!(rig.seen.is_empty(), "it waits for the peer");
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; MUCH];
        peer.read_exact(&mut got).expect("all of it comes");
        got
    });
    assert_eq!(rig.take_sent(LINK).0, Ok(MUCH));
    assert!(reader.join().expect("the reader") == pattern(0, MUCH));
}

/// A link whose send found no space continues each time that its peer reads, over Unix sockets and
/// TCP.
fn parked_sends_go_on_each_time(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (unix, mut unix_peer) = pair();
    let (tcp, mut tcp_peer) = tcp_pair();
    for round in 0..5 {
        for (socket, peer, slot) in
            [(&unix, &mut unix_peer as &mut dyn Read, 1), (&tcp, &mut tcp_peer as &mut dyn Read, 2)]
        {
            let link = Key { slot, generation: 7 };
            rig.ring.submit_send(link, socket, batch_of(1 + round, MUCH / (1 + round)));
            rig.turn();
            let bytes = MUCH / (1 + round) * (1 + round);
            let (mut got, mut step) = (Vec::new(), vec![0; 100_000]);
            while got.len() < bytes {
                let count = peer.read(&mut step).expect("the rest comes");
                got.extend_from_slice(&step[..count]);
                rig.turn();
            }
            assert_eq!(rig.take_sent(link).0, Ok(bytes));
            assert!(got == pattern(0, bytes));
        }
    }
}

/// A send after one that was cancelled for lack of space also waits, and continues when there is
/// space.
fn a_send_follows_a_cancelled_one(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, peer) = pair();
    rig.ring.submit_send(LINK, &socket, batch_of(1, MUCH));
    rig.turn();
    rig.ring.cancel_send(LINK);
    let went = rig.take_sent(LINK).0.unwrap_or(0);
    assert!(went < MUCH);
    rig.ring.submit_send(LINK, &socket, batch_of(1, 1000));
    rig.turn();
    assert!(rig.seen.is_empty(), "there is no room");
    assert_eq!(swallow(&peer), went);
    assert_eq!(rig.take_sent(LINK).0, Ok(1000));
    assert_eq!(swallow(&peer), 1000);
}

/// A peer that closes while a send waits ends the send and the receive, with unread bytes or
/// without, over Unix sockets and TCP.
fn a_reset_ends_a_parked_send(kind: Kind) {
    for unread in [false, true] {
        let (unix, unix_peer) = pair();
        let (tcp, tcp_peer) = tcp_pair();
        let peers: [(Socket, Box<dyn ReadWrite>); 2] =
            [(unix, Box::new(unix_peer)), (tcp, Box::new(tcp_peer))];
        for (socket, mut peer) in peers {
            let mut rig = Rig::new(kind);
            rig.ring.submit_send(LINK, &socket, batch_of(1, MUCH));
            rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
            rig.turn();
            if unread {
                peer.write_all(b"bye").expect("room");
            }
            drop(peer);
            let (result, batch) = rig.take_sent(LINK);
            assert!(result.unwrap_or(0) < MUCH && batch.bytes() == MUCH);
            let mut inbox = Inbox::default();
            rig.fill(LINK, &mut inbox, usize::MAX);
            assert!(matches!(inbox.end, Some(End::Peer | End::Failed(_))), "{inbox:?}");
            rig.ring.submit_send(LINK, &socket, batch_of(1, 1));
            assert!(rig.take_sent(LINK).0.is_err());
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// A send in the turn in which its link is shut down does not begin: the peer gets none of it.
fn shutdown_comes_before_the_sends_of_its_turn(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, mut peer) = pair();
    rig.ring.submit_send(LINK, &socket, batch_of(1, 10));
    rig.ring.shutdown(&socket);
    assert_eq!(rig.take_sent(LINK).0, Err(libc::EPIPE));
    let mut got = Vec::new();
    peer.read_to_end(&mut got).expect("the end comes");
    assert!(got.is_empty());
}

/// Every waiting client is accepted, however many connected before an accept was armed, or between
/// two accepts.
fn crowds_are_accepted(kind: Kind) {
    let mut rig = Rig::new(kind);
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = ListenSocket::bind(any, 256).expect("a port");
    let address = listener.address().expect("an internet socket");
    let listener = rig.ring.add_listener(listener);
    let mut clients = Vec::new();
    for crowd in [150, 1, 150] {
        clients.extend((0..crowd).map(|_| TcpStream::connect(address).expect("a connection")));
        rig.turn();
        rig.ring.submit_accept(listener);
        for _ in 0..crowd {
            let (socket, more) = rig.take_accepted(listener);
            assert!(socket.is_ok() && more);
        }
        rig.ring.cancel_accept(listener);
        let (result, more) = rig.take_accepted(listener);
        assert_eq!((result.err(), more), (Some(libc::ECANCELED), false));
    }
}

/// A waker that rings during other work is noticed, once.
fn wakes_among_others_are_seen(kind: Kind) {
    let mut rig = Rig::new(kind);
    let waker = rig.ring.waker();
    let (socket, mut peer) = pair();
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    for _ in 0..100 {
        peer.write_all(b"x").expect("room");
        waker.wake();
        let mut inbox = Inbox::default();
        rig.fill(LINK, &mut inbox, 1);
        drop(rig.take(|completion| matches!(completion, Completion::Woken)));
        rig.turn();
        assert!(rig.seen.is_empty(), "{:?}", rig.seen);
    }
}

/// A link moves between two rings and back, also with the key of an earlier link.
fn links_change_rings(kind: Kind) {
    let mut rigs = [Rig::new(kind), Rig::new(kind)];
    let mut links: Vec<_> = (0..4).map(|_| pair()).collect();
    let mut inboxes: Vec<Inbox> = links.iter().map(|_| Inbox::default()).collect();
    for round in 0..20 {
        for ((socket, peer), inbox) in links.iter_mut().zip(&mut inboxes) {
            let rig = &mut rigs[round % 2];
            peer.write_all(&pattern(round, 1)).expect("room");
            rig.gather(socket, RecvMode::Once, inbox, round + 1);
            rig.ring.release(LINK, socket);
        }
        rigs.iter_mut().for_each(Rig::turn);
    }
    for inbox in &inboxes {
        assert_eq!(inbox.bytes, pattern(0, 20));
    }
}

/// All links with data receive it, even if there are fewer buffers than links and no further event.
fn many_links_share_few_buffers(kind: Kind) {
    let mut rig = Rig::starving(kind, 4);
    let links: Vec<_> = (0..20).map(|_| pair()).collect();
    let key = |slot| Key { slot, generation: 0 };
    for (slot, (socket, peer)) in (0..).zip(&links) {
        (&*peer).write_all(&pattern(0, 200)).expect("room");
        rig.ring.submit_recv(key(slot), socket, RecvMode::Multishot);
    }
    let mut got = vec![Vec::new(); links.len()];
    while got.iter().any(|bytes| bytes.len() < 200) {
        let is_received = |c: &_| matches!(c, Completion::Received { .. });
        let Completion::Received { key, received, more } = rig.take(is_received) else {
            unreachable!("it was selected")
        };
        match received {
            Received::Data(buffer) => got[key.slot as usize].extend(rig.read(buffer)),
            Received::NoBuffers if kind == Kind::Uring => {}
            other => panic!("{other:?}"),
        }
        if !more {
            let (socket, _) = &links[key.slot as usize];
            rig.ring.submit_recv(key, socket, RecvMode::Multishot);
        }
    }
    assert!(got.iter().all(|bytes| *bytes == pattern(0, 200)));
}

/// A link that always has more data does not starve others, with any number of buffers.
#[test]
fn hogs_leave_room() {
    let mut rig = Rig::starving(Kind::Epoll, 4);
    let (hog, mut hog_peer) = pair();
    let (modest, mut modest_peer) = pair();
    hog_peer.write_all(&pattern(0, 64 * 100)).expect("room");
    let other = Key { slot: 2, generation: 0 };
    rig.ring.submit_recv(LINK, &hog, RecvMode::Multishot);
    rig.ring.submit_recv(other, &modest, RecvMode::Multishot);
    modest_peer.write_all(b"x").expect("room");
    let mut turns = 0;
    loop {
        rig.ring.wait(Some(PATIENCE), &mut rig.seen).expect("the ring works");
        turns += 1;
        for completion in std::mem::take(&mut rig.seen) {
            let Completion::Received { key, received, more } = completion else { continue };
            if let Received::Data(buffer) = received {
                rig.ring.recycle(buffer);
                if key == other {
                    assert!(turns < 10, "{turns} turns");
                    return;
                }
            }
            if !more {
                let socket = if key == other { &modest } else { &hog };
                rig.ring.submit_recv(key, socket, RecvMode::Multishot);
            }
        }
    }
}
