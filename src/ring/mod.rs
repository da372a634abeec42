//! The seam to the kernel's completion queue: operations in, completions out.
//!
//! [`Ring`] is what a reactor needs of the kernel. [`Uring`] is io_uring, [`Epoll`] does the same
//! where that is forbidden; they share sockets, listeners, wakers and files. A test may bring its
//! own. Rules that hold for every implementation:
//!
//! - Memory given to the kernel is moved into the ring and comes back in the completion.
//! - Every accepted `submit_*` ends in exactly one completion without `more` (join before free):
//!   until then its key must not be given to another link.
//! - One send per key at a time, one receive per key at a time, one write; asserted.
//! - A completion that is held back ([`Ring::submit_quiet_send`]) comes before those of the wait
//!   that it comes with.
//! - A key names one socket from its first operation until it is released.

mod buffers;
mod epoll;
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
mod writes;

pub use self::epoll::Epoll;
pub use self::options::Options;
pub use self::probe::Features;
pub use self::refused::RingRefused;
pub use self::socket::{Bound, ListenSocket, Socket, Waker};
pub use self::sync_failure::is_sync_failure;
pub use self::uring::Uring;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::chunk::Batch;

/// Names the link an operation belongs to: a slot of the reactor's table and its generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// Index in the owner's table.
    pub slot: u32,
    /// Counts the slot's owners; 24 bits.
    pub generation: u32,
}

/// How long a receive stays armed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecvMode {
    /// It has one completion: no receive is in flight when that is handled, so the link may move.
    Once,
    /// Completions until it is cancelled, fails, or finds no buffer.
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
    /// Names buffer `id` of a ring's pool, with `len` bytes in it. For the ring that lends it.
    pub const fn new(id: u16, len: u32) -> Self {
        Self { id, len }
    }

    /// Which of its ring's buffers this is.
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// Bytes that are in it.
    pub const fn filled(&self) -> u32 {
        self.len
    }
}

/// The result of a receive.
#[derive(Debug)]
pub enum Received {
    /// Bytes; never empty.
    Data(Buffer),
    /// The peer closed its side.
    End,
    /// The pool was empty: recycle, then arm again.
    NoBuffers,
    /// [`Ring::cancel_recv`] took effect.
    Cancelled,
    /// The connection failed.
    Failed(io::Error),
}

/// The end, or one result of several, of an operation.
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
    /// A receive brought something.
    Received {
        /// The link.
        key: Key,
        /// The received data.
        received: Received,
        /// Whether the receive is still armed.
        more: bool,
    },
    /// A send ended. It may be short, after a [`Ring::cancel_send`] too: the batch comes back as
    /// it was given, and holds the rest only after [`Batch::advance`] by the given count.
    Sent {
        /// The link.
        key: Key,
        /// Bytes sent, at least one; or why none was.
        result: io::Result<usize>,
        /// The memory, back from the kernel.
        batch: Batch,
    },
    /// A write is whole and, if that was asked, durable; or the first error.
    Written {
        /// An error leaves open which of the bytes were written.
        result: io::Result<()>,
    },
    /// A waker rang.
    Woken,
}

/// Wakes a ring that sleeps in [`Ring::wait`], from any thread.
pub trait Wake: Send + Sync {
    /// Makes the current or next [`Ring::wait`] return with [`Completion::Woken`].
    fn wake(&self);
}

/// The kernel, as a reactor sees it. Used by one thread only.
pub trait Ring {
    /// A connected socket; dropping it closes it. To be dropped when no operation is in flight.
    type Socket: Send + 'static;
    /// A bound and listening socket.
    type Listener: Send + 'static;
    /// Wakes this ring.
    type Waker: Wake + Clone + 'static;
    /// A file to write to. All clones are the same file.
    type File: Clone + 'static;

    /// A handle that wakes this ring.
    fn waker(&self) -> Self::Waker;

    /// Takes a listener; the number names it in [`Completion::Accepted`].
    fn add_listener(&mut self, listener: Self::Listener) -> u32;

    /// Accepts from a listener until cancelled or failed. A failure (no descriptors are left, say)
    /// ends it: armed again at once it fails at once, so the caller lets some time pass.
    fn submit_accept(&mut self, listener: u32);

    /// Ends accepting, if it is armed; the last completion is a [`Completion::Accepted`] without
    /// `more`.
    fn cancel_accept(&mut self, listener: u32);

    /// Arms a receive.
    fn submit_recv(&mut self, key: Key, socket: &Self::Socket, mode: RecvMode);

    /// Ends a receive, if one is armed; data that came before it completes as usual, then a
    /// completion without `more` follows. Data that the kernel still holds is for the next receive.
    fn cancel_recv(&mut self, key: Key);

    /// Sends a batch that is not empty, whole unless the connection fails or it has more than
    /// [`SEND_CHUNKS_MAX`](crate::limits::SEND_CHUNKS_MAX) chunks: then that many.
    fn submit_send(&mut self, key: Key, socket: &Self::Socket, batch: Batch);

    /// As [`Ring::submit_send`], for a send whose end nobody waits for: if all of it goes at once,
    /// its completion does not end a wait, but comes with the next that does.
    fn submit_quiet_send(&mut self, key: Key, socket: &Self::Socket, batch: Batch);

    /// From now on somebody waits for the end of this link's send, if one is in flight.
    fn await_send(&mut self, key: Key);

    /// Ends a send that does not progress, if one is in flight; completes as [`Completion::Sent`].
    fn cancel_send(&mut self, key: Key);

    /// Releases a link that leaves: its socket is about to be closed or moved to another ring, and
    /// its key may be reused. No operation on it is in flight. A backend that keeps no state of a
    /// link between operations does nothing.
    fn release(&mut self, key: Key, socket: &Self::Socket) {
        let _nothing = (key, socket);
    }

    /// Writes `bytes` at `offset` of a file, whole unless it fails; with `sync` the data is durable
    /// (fdatasync) before it completes, including earlier writes to the file. Not empty, shorter
    /// than 4 GiB, and one write at a time; asserted. Ends in one [`Completion::Written`]. The
    /// memory is only read, so other clones of `bytes` may be meanwhile.
    fn submit_write(&mut self, file: &Self::File, offset: u64, bytes: Bytes, sync: bool);

    /// Ends both directions of a connection now: the peer sees the end, all operations complete. A
    /// send of this turn has not begun and fails; a send that must succeed has to complete first.
    fn shutdown(&mut self, socket: &Self::Socket);

    /// The peer's address, where the kernel still knows it.
    fn peer(&self, socket: &Self::Socket) -> Option<SocketAddr>;

    /// The bytes of a lent buffer; the caller may write in it (decryption in place).
    fn bytes_mut(&mut self, buffer: &Buffer) -> &mut [u8];

    /// Gives memory back to the system that operations have needed and no longer do, in a time
    /// bounded by `slots_max`: how many links' or sends' share. Whether there is more.
    fn reclaim(&mut self, slots_max: usize) -> bool {
        let _nothing = slots_max;
        false
    }

    /// Gives a buffer back to the pool. It is handed to the kernel at the next [`Ring::wait`].
    fn recycle(&mut self, buffer: Buffer);

    /// Submits what was asked, waits until at least one completion is there or `timeout` is over
    /// (`None`: for ever, zero: not at all), and appends the completions to `into`. It may return
    /// earlier with none, when what completed was the ring's own affair.
    ///
    /// # Errors
    /// Only what the ring cannot survive; interruptions and time-outs are not errors.
    fn wait(
        &mut self,
        timeout: Option<Duration>,
        into: &mut Vec<Completion<Self::Socket>>,
    ) -> io::Result<()> {
        self.gather(Duration::ZERO, timeout, into)
    }

    /// As [`Ring::wait`], but if nothing has completed, completions gather for `time` before the
    /// first is taken: the thread sleeps once for all of them. The waker, a signal and `timeout`
    /// end that early; with io_uring the waker does not while a write is under way. Where the
    /// kernel does not let completions gather, this is [`Ring::wait`].
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
