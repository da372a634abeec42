//! The ends of links and rings: shutdown, drop, and the returned resources.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::*;
use crate::limits::SEND_CHUNKS_MAX;

on_both_rings!(
    shutdown_ends_everything,
    drop_lets_go,
    memory_comes_back,
    reclaiming_keeps_completions,
);

/// Memory that counts its drops.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// Shutting down with an armed receive and a parked send ends both, and the peer sees the end.
fn shutdown_ends_everything(kind: Kind) {
    let mut rig = Rig::new(kind);
    let (socket, mut peer) = pair();
    rig.ring.submit_recv(LINK, &socket, RecvMode::Multishot);
    rig.ring.submit_send(LINK, &socket, batch_of(1, 8 << 20));
    rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
    assert!(rig.seen.is_empty());
    rig.ring.shutdown(&socket);
    let mut inbox = Inbox::default();
    rig.fill(LINK, &mut inbox, usize::MAX);
    assert_eq!(inbox.end, Some(End::Peer));
    let (result, batch) = rig.take_sent(LINK);
    assert!(result.unwrap_or(0) < 8 << 20 && batch.bytes() == 8 << 20);
    peer.read_to_end(&mut Vec::new()).expect("the socket is not yet closed, and yet this ends");
    rig.ring.shutdown(&socket);
}

/// A ring that is dropped with operations in flight releases descriptors and memory before it
/// returns.
fn drop_lets_go(kind: Kind) {
    let drops = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let mut rig = Rig::new(kind);
    let number = rig.ring.add_listener(ListenSocket::from(OwnedFd::from(listener)));
    rig.ring.submit_accept(number);
    let links = 50;
    let (sockets, peers): (Vec<_>, Vec<_>) = (0..links).map(|_| pair()).unzip();
    for (slot, socket) in (0..).zip(&sockets) {
        let key = Key { slot, generation: 0 };
        rig.ring.submit_recv(key, socket, RecvMode::Multishot);
        let mut batch = Batch::default();
        for _ in 0..=slot % 2 {
            let memory = Counted(pattern(0, 1 << 20), Arc::clone(&drops));
            batch.push(Chunk::Shared(Bytes::from_owner(memory)));
        }
        rig.ring.submit_send(key, socket, batch);
    }
    rig.ring.wait(Some(Duration::ZERO), &mut rig.seen).expect("the ring works");
    // Accepted by the kernel, or about to be, but not handled.
    let mut client = TcpStream::connect(address).expect("the backlog takes it");
    // Some more that the kernel has not received yet.
    let (late, late_peer) = pair();
    rig.ring.submit_recv(Key { slot: 99, generation: 0 }, &late, RecvMode::Once);

    assert!(rig.seen.is_empty() && drops.load(Ordering::SeqCst) == 0);
    drop(rig);
    assert_eq!(drops.load(Ordering::SeqCst), links + links / 2);
    drop((sockets, late));
    for peer in peers.iter().chain([&late_peer]) {
        // Data that was sent before is still read. Then the end follows, so no descriptor is held.
        std::io::copy(&mut &*peer, &mut std::io::sink()).expect("no reset");
        assert!(sees_end(peer));
    }
    match client.read(&mut [0; 1]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("{other:?}"),
    }
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

/// A send returns the same memory, unchanged.
fn memory_comes_back(kind: Kind) {
    let mut rig = Rig::new(kind);
    for chunks in [1, 2, SEND_CHUNKS_MAX, SEND_CHUNKS_MAX + 1] {
        let (socket, _peer) = pair();
        let batch = batch_of(chunks, 10);
        let given: Vec<*const u8> = batch.slices().map(<[u8]>::as_ptr).collect();
        rig.ring.submit_send(LINK, &socket, batch);
        let (result, batch) = rig.take_sent(LINK);
        assert_eq!(result, Ok(10 * chunks.min(SEND_CHUNKS_MAX)));
        assert_eq!(batch.slices().map(<[u8]>::as_ptr).collect::<Vec<_>>(), given);
        assert_eq!(batch.slices().collect::<Vec<_>>().concat(), pattern(0, chunks * 10));
        rig.ring.release(LINK, &socket);
    }
}

/// The features that were found are described in one line.
#[test]
fn features_are_told() {
    let uring = Uring::new(&Options::default()).expect("this machine has io_uring");
    let epoll = Epoll::new(&Options::default()).expect("every Linux has epoll");
    let lines = [uring.features().to_string(), epoll.features().to_owned()];
    for (line, start) in lines.iter().zip(["io_uring: 1024/16384 entries, ", "epoll: 256 "]) {
        assert!(line.starts_with(start) && !line.contains('\n'), "{line}");
    }
}

/// Completions that the ring took early, because its submission queue was full, survive a reclaim.
fn reclaiming_keeps_completions(kind: Kind) {
    let mut rig = Rig::with(kind, &Options { submissions: 8, ..Options::default() });
    let (socket, _peer) = pair();
    for slot in 0..30 {
        rig.ring.submit_send(Key { slot, generation: 0 }, &socket, batch_of(1, 1));
    }
    rig.ring.reclaim(1 << 20);
    for slot in 0..30 {
        assert_eq!(rig.take_sent(Key { slot, generation: 0 }).0, Ok(1));
    }
}
