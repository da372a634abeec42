//! Both rings against this machine's kernel, over loopback and socket pairs: they behave the same.

/// Runs each of these with both rings.
macro_rules! on_both_rings {
    ($($test:ident),* $(,)?) => {
        mod uring {
            $(#[test] fn $test() { super::$test(super::Kind::Uring); })*
        }
        mod epoll {
            $(#[test] fn $test() { super::$test(super::Kind::Epoll); })*
        }
    };
}

mod accept;
mod edges;
mod gather;
mod life;
mod recv;
mod send;
mod wake;
mod write;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sync_failure::errno_of;
use super::{
    Buffer, Completion, Epoll, Key, ListenSocket, Options, Received, RecvMode, Ring, Socket, Uring,
    Wake, Waker,
};
use crate::chunk::{Batch, Chunk, ChunkPool};

/// The time after which a test gives up on a completion.
const PATIENCE: Duration = Duration::from_secs(20);

const LINK: Key = Key { slot: 1, generation: 3 };

type File = Arc<OwnedFd>;

/// One of the two rings.
type AnyRing = Box<dyn Ring<Socket = Socket, Listener = ListenSocket, Waker = Waker, File = File>>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Uring,
    Epoll,
}

/// A ring, and its completions that no test has handled yet.
struct Rig {
    ring: AnyRing,
    seen: Vec<Completion<Socket>>,
}

/// The bytes that a link received, in order; buffers are recycled.
#[derive(Debug, Default)]
struct Inbox {
    bytes: Vec<u8>,
    /// The end of the receive, once there is one.
    end: Option<End>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum End {
    /// Makes one receive, which must return data.
    Once,
    Peer,
    NoBuffers,
    Cancelled,
    Failed(i32),
}

impl Rig {
    fn new(kind: Kind) -> Self {
        Self::with(kind, &Options::default())
    }

    fn with(kind: Kind, options: &Options) -> Self {
        let ring: AnyRing = match kind {
            Kind::Uring => Box::new(Uring::new(options).expect("this machine has io_uring")),
            Kind::Epoll => Box::new(Epoll::new(options).expect("every Linux has epoll")),
        };
        Self { ring, seen: Vec::new() }
    }

    /// Few and small buffers.
    fn starving(kind: Kind, recv_buffers: u16) -> Self {
        Self::with(kind, &Options { recv_buffers, recv_buffer_bytes: 64, ..Options::default() })
    }

    /// Waits until a completion satisfies `wanted` and takes it out.
    fn take(&mut self, wanted: impl Fn(&Completion<Socket>) -> bool) -> Completion<Socket> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(at) = self.seen.iter().position(&wanted) {
                return self.seen.remove(at);
            }
            self.ring.wait(Some(Duration::from_secs(1)), &mut self.seen).expect("the ring works");
        }
        panic!("no such completion among {:?}", self.seen);
    }

    fn take_received(&mut self, link: Key) -> (Received, bool) {
        let of_link = |c: &_| matches!(c, Completion::Received { key, .. } if *key == link);
        match self.take(of_link) {
            Completion::Received { received, more, .. } => (received, more),
            _ => unreachable!("it was selected"),
        }
    }

    fn take_sent(&mut self, link: Key) -> (Result<usize, i32>, Batch) {
        let of_link = |c: &_| matches!(c, Completion::Sent { key, .. } if *key == link);
        match self.take(of_link) {
            Completion::Sent { result, batch, .. } => {
                (result.map_err(|error| error.raw_os_error().unwrap_or(0)), batch)
            }
            _ => unreachable!("it was selected"),
        }
    }

    fn take_written(&mut self) -> Result<(), i32> {
        match self.take(|completion| matches!(completion, Completion::Written { .. })) {
            Completion::Written { result } => result.map_err(|error| errno_of(&error).unwrap_or(0)),
            _ => unreachable!("it was selected"),
        }
    }

    fn take_accepted(&mut self, from: u32) -> (Result<Socket, i32>, bool) {
        let of = |c: &_| matches!(c, Completion::Accepted { listener, .. } if *listener == from);
        match self.take(of) {
            Completion::Accepted { result, more, .. } => {
                (result.map_err(|error| error.raw_os_error().unwrap_or(0)), more)
            }
            _ => unreachable!("it was selected"),
        }
    }

    fn read(&mut self, buffer: Buffer) -> Vec<u8> {
        let bytes = self.ring.bytes_mut(&buffer).to_vec();
        self.ring.recycle(buffer);
        bytes
    }

    /// Receives into `inbox` until `enough`, or the receive ends.
    fn fill(&mut self, link: Key, inbox: &mut Inbox, enough: usize) {
        inbox.end = None;
        while inbox.end.is_none() && inbox.bytes.len() < enough {
            let (received, more) = self.take_received(link);
            inbox.end = match received {
                Received::Data(buffer) => {
                    inbox.bytes.extend(self.read(buffer));
                    (!more).then_some(End::Once)
                }
                Received::End => Some(End::Peer),
                Received::NoBuffers => Some(End::NoBuffers),
                Received::Cancelled => Some(End::Cancelled),
                Received::Failed(error) => Some(End::Failed(error.raw_os_error().unwrap_or(0))),
            };
            assert_eq!(inbox.end.is_some(), !more, "only a last completion ends a receive");
        }
    }

    /// Sends a whole batch, in any number of steps.
    fn send_whole(&mut self, link: Key, socket: &Socket, mut batch: Batch) -> usize {
        let (mut sends, mut pool) = (0, ChunkPool::default());
        while !batch.is_empty() {
            self.ring.submit_send(link, socket, batch);
            let (result, rest) = self.take_sent(link);
            batch = rest;
            batch.advance(result.expect("the peer reads"), &mut pool);
            sends += 1;
        }
        sends
    }
}

/// A socket for the ring and its peer for the test.
fn pair() -> (Socket, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("descriptors");
    (Socket::from(OwnedFd::from(ours)), theirs)
}

/// `chunks` of `bytes` each, whose content depends on the position.
fn batch_of(chunks: usize, bytes: usize) -> Batch {
    let mut batch = Batch::default();
    for at in 0..chunks {
        batch.push(Chunk::Owned(pattern(at * bytes, bytes)));
    }
    batch
}

/// Bytes that depend on their position in a stream.
fn pattern(from: usize, bytes: usize) -> Vec<u8> {
    (from..from + bytes).map(|at| (at % 251).to_le_bytes()[0]).collect()
}

/// Whether the peer sees the end of the stream now.
fn sees_end(mut peer: &UnixStream) -> bool {
    peer.set_nonblocking(true).expect("a socket");
    let end = matches!(peer.read(&mut [0; 64]), Ok(0));
    peer.set_nonblocking(false).expect("a socket");
    end
}
