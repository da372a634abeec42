//! The interface to the kernel's completion queue: operations in, completions out.
//!
//! [`Ring`] is the interface for a reactor. [`Uring`] implements it on io_uring, and [`Epoll`] on
//! hosts that forbid that. They share sockets, listeners, wakers and files. A test may have its
//! own. Rules for every implementation:
//!
//! - Memory that is given to the kernel is moved into the ring and returns in the completion.
//! - Every accepted `submit_*` ends in exactly one completion without `more` (join before free).
//!   Until then its key must not be given to another link.
//! - One send and one receive per key at a time, and one write; asserted.
//! - A completion that is held back ([`Ring::submit_quiet_send`]) precedes those of the wait in
//!   which it is returned.
//! - A key names one socket from its first operation until it is released.

mod buffers;
mod epoll;
mod intake;
mod links;
mod options;
mod pause;
mod pool;
mod probe;
mod queue;
mod refused;
mod sends;
mod socket;
mod sync_failure;
mod tag;
#[cfg(test)]
mod tests;
mod uring;
mod writer;

pub use self::epoll::Epoll;
pub use self::options::Options;
pub use self::probe::Features;
pub use self::refused::RingRefused;
pub use self::socket::{Bound, ListenSocket, Socket, Waker};
pub use self::sync_failure::{is_sync_failure, sync_failure};
pub use self::uring::Uring;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::chunk::Batch;

/// Names the link of an operation: a slot of the reactor's table and its generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// The index in the owner's table.
    pub slot: u32,
    /// Counts the owners of the slot; 24 bits.
    pub generation: u32,
}

/// The end of an armed receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecvMode {
    /// It has one completion. No receive is in flight when that is handled: the link may move.
    Once,
    /// It has completions until it is cancelled, fails, or finds no buffer.
    Multishot,
}

/// A receive buffer lent by the ring until it is recycled. Not `Clone`: recycling is by value.
#[derive(Debug)]
#[must_use = "a buffer that is not recycled is lost to the pool"]
pub struct Buffer {
    pub(crate) id: u16,
    pub(crate) len: u32,
}

impl Buffer {
    /// Names buffer `id` of a ring's pool, filled with `len` bytes. For the ring that lends it.
    pub const fn new(id: u16, len: u32) -> Self {
        Self { id, len }
    }

    /// Its number among the buffers of its ring.
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// The number of bytes in it.
    pub const fn filled(&self) -> u32 {
        self.len
    }
}

/// What to arm in a turn after receives that found no buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rearm {
    /// The number of receives for which there are buffers; more would find none again.
    pub receives: usize,
    /// Whether most links fill their buffers. A multishot receive of one of them may take the
    /// buffers of all others.
    pub are_streams: bool,
}

/// The result of a receive.
#[derive(Debug)]
pub enum Received {
    /// At least one byte.
    Data(Buffer),
    /// The peer closed its side.
    End,
    /// The pool was empty: recycle buffers, then arm again.
    NoBuffers,
    /// [`Ring::cancel_recv`] took effect.
    Cancelled,
    /// The connection failed.
    Failed(io::Error),
}

/// The end of an operation, or one of its results.
#[derive(Debug)]
pub enum Completion<S> {
    /// A connection was accepted, or accepting failed.
    Accepted {
        /// The listener, as [`Ring::add_listener`] numbered it.
        listener: u32,
        /// The connected socket.
        result: io::Result<S>,
        /// Whether the accept is still armed.
        more: bool,
    },
    /// A receive has a result.
    Received {
        /// The link.
        key: Key,
        /// The received data.
        received: Received,
        /// Whether the receive is still armed.
        more: bool,
    },
    /// A send has ended. It may be short, also after a [`Ring::cancel_send`]. The batch returns as
    /// it was given, and has only the rest after [`Batch::advance`] by the returned count.
    Sent {
        /// The link.
        key: Key,
        /// The number of bytes sent, at least one; or the reason why none was.
        result: io::Result<usize>,
        /// The memory, returned by the kernel.
        batch: Batch,
    },
    /// A write is complete and, if requested, durable; or it has failed.
    Written {
        /// After an error it is unknown which bytes were written.
        result: io::Result<()>,
    },
    /// A waker was used.
    Woken,
}

/// Wakes a ring that sleeps in [`Ring::wait`], from any thread.
pub trait Wake: Send + Sync {
    /// Makes the current or next [`Ring::wait`] return with [`Completion::Woken`].
    fn wake(&self);
}

/// The kernel as seen by a reactor. Used by one thread only.
pub trait Ring {
    /// A connected socket; dropping it closes it. It may be dropped when no operation is in flight.
    type Socket: Send + 'static;
    /// A bound and listening socket.
    type Listener: Send + 'static;
    /// Wakes this ring.
    type Waker: Wake + Clone + 'static;
    /// A file to write to. All clones are the same file.
    type File: Clone + 'static;

    /// A handle that wakes this ring.
    fn waker(&self) -> Self::Waker;

    /// Adds a listener; its number names it in [`Completion::Accepted`].
    fn add_listener(&mut self, listener: Self::Listener) -> u32;

    /// Accepts from a listener until cancelled or failed. A failure, such as a lack of descriptors,
    /// ends it. Accepting again at once would fail at once, so the caller waits a while.
    fn submit_accept(&mut self, listener: u32);

    /// Ends accepting, if it is armed; the last completion is a [`Completion::Accepted`] without
    /// `more`.
    fn cancel_accept(&mut self, listener: u32);

    /// Arms a receive.
    fn submit_recv(&mut self, key: Key, socket: &Self::Socket, mode: RecvMode);

    /// Ends a receive, if one is armed. Data received before completes as usual, then a completion
    /// without `more` follows. Data that the kernel still has is for the next receive.
    fn cancel_recv(&mut self, key: Key);

    /// Sends a batch that is not empty: completely, unless the connection fails or it has more than
    /// [`SEND_CHUNKS_MAX`](crate::limits::SEND_CHUNKS_MAX) chunks, of which only so many are sent.
    fn submit_send(&mut self, key: Key, socket: &Self::Socket, batch: Batch);

    /// As [`Ring::submit_send`], for a send whose end does not matter now: if all bytes are sent at
    /// once, its completion does not end a wait, but is returned with the next one that does.
    fn submit_quiet_send(&mut self, key: Key, socket: &Self::Socket, batch: Batch);

    /// Makes the end of this link's send end a wait, if a send is in flight.
    fn await_send(&mut self, key: Key);

    /// Ends a send that makes no progress, if one is in flight; completes as [`Completion::Sent`].
    fn cancel_send(&mut self, key: Key);

    /// Releases a link: its socket is about to be closed or moved to another ring, and its key may
    /// be used again. No operation on it may be in flight. A ring without state for links between
    /// operations does nothing.
    fn release(&mut self, key: Key, socket: &Self::Socket) {
        let _nothing = (key, socket);
    }

    /// Writes `bytes` at `offset` of a file, completely unless it fails. With `sync`, the data and
    /// earlier writes to the file are durable (fdatasync) before it completes. Not empty, shorter
    /// than 4 GiB, and one write at a time; asserted. Ends in one [`Completion::Written`]. The
    /// memory is only read, so other clones of `bytes` may be read meanwhile.
    fn submit_write(&mut self, file: &Self::File, offset: u64, bytes: Bytes, sync: bool);

    /// Shuts down both directions of a connection now: the peer sees the end, and all operations
    /// complete. A send of this turn has not begun and fails; a send that must succeed has to
    /// complete first.
    fn shutdown(&mut self, socket: &Self::Socket);

    /// The peer's address, if the kernel still knows it.
    fn peer(&self, socket: &Self::Socket) -> Option<SocketAddr>;

    /// The bytes of a lent buffer; the caller may write to it (decryption in place).
    fn bytes_mut(&mut self, buffer: &Buffer) -> &mut [u8];

    /// Returns memory that operations do not need any more to the system. `slots_max` bounds the
    /// number of links or sends that a call visits. Returns whether there is more to do.
    fn reclaim(&mut self, slots_max: usize) -> bool {
        let _nothing = slots_max;
        false
    }

    /// Whether the next [`Ring::wait`] is likely to return completions at once. A hint that makes
    /// no system call and may be wrong; `false` if the kernel gives none.
    fn is_ready(&mut self) -> bool {
        false
    }

    /// What to arm in a turn after receives that found no buffer.
    fn rearm(&self) -> Rearm {
        Rearm { receives: usize::MAX, are_streams: false }
    }

    /// Returns a buffer to the pool. The kernel may get it at the next [`Ring::wait`].
    fn recycle(&mut self, buffer: Buffer);

    /// Submits the requested operations, waits until at least one has completed or `timeout` is
    /// over (`None`: without limit, zero: not at all), and appends the completions to `into`. It
    /// may return earlier with none, if only internal operations completed.
    ///
    /// # Errors
    /// Only errors that the ring cannot survive; interruptions and time-outs are not errors.
    fn wait(
        &mut self,
        timeout: Option<Duration>,
        into: &mut Vec<Completion<Self::Socket>>,
    ) -> io::Result<()> {
        self.gather(Duration::ZERO, timeout, into)
    }

    /// As [`Ring::wait`], but if nothing has completed, completions gather for `time` before the
    /// first is taken: the thread sleeps once for all of them. The waker, a signal, `timeout` and
    /// the end of a write end that early. If the kernel does not let completions gather, this is
    /// [`Ring::wait`].
    ///
    /// # Errors
    /// As for [`Ring::wait`].
    fn gather(
        &mut self,
        time: Duration,
        timeout: Option<Duration>,
        into: &mut Vec<Completion<Self::Socket>>,
    ) -> io::Result<()>;
}
