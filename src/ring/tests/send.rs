//! Sending: large batches, many chunks, parked and failing sends, and queues that overflow.

use std::thread;

use super::*;
use crate::limits::SEND_CHUNKS_MAX;

on_both_rings!(
    large_send_is_whole,
    many_chunks_continue,
    parked_send_is_cancelled,
    send_to_nobody_fails,
    full_queue_loses_nothing,
    early_completions_are_not_slept_on,
    overflowing_completions_are_delivered,
);

/// Reads `bytes` in another thread.
fn drain(mut peer: UnixStream, bytes: usize) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut got = vec![0; bytes];
        peer.read_exact(&mut got).expect("all of it comes");
        got
    })
}

/// A send larger than any socket buffer arrives whole and in order, in one completion.
fn large_send_is_whole(kind: Kind) {
    for chunks in [1, 16] {
        let mut rig = Rig::new(kind);
        let (socket, peer) = pair();
        let bytes = 16 << 20;
        let reader = drain(peer, bytes);
        let sends = rig.send_whole(LINK, &socket, batch_of(chunks, bytes / chunks));
        assert_eq!(sends, 1);
        assert!(reader.join().expect("the reader") == pattern(0, bytes));
    }
}

/// More chunks than one send can carry are sent in several sends, in order, also at the bounds.
fn many_chunks_continue(kind: Kind) {
    const MAX: usize = SEND_CHUNKS_MAX;
    let cases = [(1, 1), (MAX - 1, 1), (MAX, 1), (MAX + 1, 2), (2 * MAX, 2), (3 * MAX + 1, 4)];
    for (chunks, sends) in cases {
        let mut rig = Rig::new(kind);
        let (socket, peer) = pair();
        let reader = drain(peer, chunks * 100);
        assert_eq!(rig.send_whole(LINK, &socket, batch_of(chunks, 100)), sends);
        assert!(reader.join().expect("the reader") == pattern(0, chunks * 100));
    }
}

/// A send to a peer that does not read is parked. When it is cancelled, it reports the sent bytes
/// and returns the memory, and sends no more.
fn parked_send_is_cancelled(kind: Kind) {
    for chunks in [1, 8] {
        let mut rig = Rig::new(kind);
        let (socket, mut peer) = pair();
        let bytes = 8 << 20;
        rig.ring.submit_send(LINK, &socket, batch_of(chunks, bytes / chunks));
        rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
        assert!(rig.seen.is_empty(), "it waits for the peer");
        rig.ring.cancel_send(LINK);
        let (result, batch) = rig.take_sent(LINK);
        let went = result.unwrap_or(0);
        assert!(went < bytes && batch.bytes() == bytes);
        rig.ring.shutdown(&socket);
        let mut got = Vec::new();
        peer.read_to_end(&mut got).expect("the end comes");
        assert!(got == pattern(0, went), "the peer got {} of {went}", got.len());
    }
}

/// A send to a closed peer fails by value.
fn send_to_nobody_fails(kind: Kind) {
    let mut rig = Rig::new(kind);
    for chunks in [1, 2] {
        let (socket, peer) = pair();
        drop(peer);
        rig.ring.submit_send(LINK, &socket, batch_of(chunks, 8));
        let (result, batch) = rig.take_sent(LINK);
        assert_eq!((result, batch.len()), (Err(libc::EPIPE), chunks));
        rig.ring.release(LINK, &socket);
    }
}

/// More submissions in a turn than the queue holds: all are made, and each completes, in order.
fn full_queue_loses_nothing(kind: Kind) {
    let mut rig =
        Rig::with(kind, &Options { submissions: 256, completions: 2048, ..Options::default() });
    let pairs: Vec<_> = (0..20).map(|_| pair()).collect();
    for slot in 0..2000 {
        let mut batch = Batch::default();
        batch.push(Chunk::Owned(pattern(slot as usize / 20, 1)));
        let (socket, _) = &pairs[slot as usize % 20];
        rig.ring.submit_send(Key { slot, generation: 1 }, socket, batch);
    }
    for slot in 0..2000 {
        assert_eq!(rig.take_sent(Key { slot, generation: 1 }).0, Ok(1));
    }
    for (_, mut peer) in pairs {
        let mut got = [0; 100];
        peer.read_exact(&mut got).expect("all was sent");
        assert_eq!(got, *pattern(0, 100));
    }
}

/// Completions during the submission of a full queue are delivered by the next wait, at once.
fn early_completions_are_not_slept_on(kind: Kind) {
    let mut rig = Rig::with(kind, &Options { submissions: 8, ..Options::default() });
    let (socket, _peer) = pair();
    for slot in 0..8 {
        rig.ring.submit_send(Key { slot, generation: 0 }, &socket, batch_of(1, 1));
    }
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    let start = Instant::now();
    rig.ring.wait(Some(Duration::from_secs(20)), &mut rig.seen).expect("the ring works");
    assert!(start.elapsed() < Duration::from_secs(10) && rig.seen.len() == 8);
}

/// More completions at once than their queue holds are all delivered, later, and wakes too.
fn overflowing_completions_are_delivered(kind: Kind) {
    let mut rig =
        Rig::with(kind, &Options { submissions: 8, completions: 16, ..Options::default() });
    let waker = rig.ring.waker();
    let pairs: Vec<_> = (0..100).map(|_| pair()).collect();
    for (slot, (socket, _)) in (0..).zip(&pairs) {
        rig.ring.submit_recv(Key { slot, generation: 0 }, socket, RecvMode::Multishot);
    }
    rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
    for (_, peer) in &pairs {
        (&*peer).write_all(b"x").expect("room");
        peer.shutdown(std::net::Shutdown::Write).expect("a socket");
    }
    waker.wake();
    for (slot, (socket, _)) in (0..).zip(&pairs) {
        let link = Key { slot, generation: 0 };
        let mut inbox = Inbox::default();
        rig.fill(link, &mut inbox, usize::MAX);
        while inbox.end != Some(End::Peer) {
            // A multishot operation that found the queue full has ended early.
            assert_eq!(inbox.end, Some(End::Once));
            rig.ring.submit_recv(link, socket, RecvMode::Multishot);
            rig.fill(link, &mut inbox, usize::MAX);
        }
        assert_eq!(inbox.bytes, b"x");
    }
    rig.seen.clear();
    waker.wake();
    drop(rig.take(|completion| matches!(completion, Completion::Woken)));
}
