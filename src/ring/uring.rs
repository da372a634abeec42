//! [`Uring`]: the ring on io_uring. Operations become submissions; completions return as values.
//!
//! A thread of the ring writes to files ([`Writer`]). io_uring would use one of the kernel's
//! threads. But there, a sync that is linked to its write begins only when the ring's thread enters
//! the kernel again: a write would wake that thread twice, and not end a [`Pause`].
//!
//! One turn is one syscall: the [`Ring::wait`] that waits also submits the operations since the
//! last turn. Invariant: `in_flight` counts the operations whose last completion has not been
//! handled, including cancels and the polls of the signals. Their memory is freed only when it is
//! 0.
//!
//! Obligations towards the kernel, kept here:
//! - Descriptors in submissions are open until the last completion: the trait requires that the
//!   caller drops a socket only then; listeners and signals belong to the ring.
//! - Receives write only to [`Buffers`], and sends read only memory that [`Sends`] holds.
//! - A drop cancels all operations and waits for them. If that takes too long, the memory is
//!   leaked.

#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use io_uring::types::{CancelBuilder, Fd};
use io_uring::{cqueue, opcode, squeue};

use super::buffers::Buffers;
use super::links::Links;
use super::options::Options;
use super::pause::Pause;
use super::probe::{self, BUFFER_GROUP, Features};
use super::queue::Queue;
use super::refused::RingRefused;
use super::sends::{Prepared, Sends};
use super::socket::{ListenSocket, Socket, Waker};
use super::tag::{Kind, Tag};
use super::writer::Writer;
use super::{Buffer, Completion, Key, Rearm, Received, RecvMode, Ring};
use crate::chunk::Batch;
use crate::limits::RECV_BUFFERS;

/// The number of tries to submit a full queue before the kernel counts as broken. The kernel
/// accepts nothing only while it has no memory at all.
const SUBMITS_MAX: usize = 1 << 20;

/// The time for which a drop waits for cancelled operations without any progress.
const DRAIN_WAIT_MAX: Duration = Duration::from_millis(50);

/// The waits without progress after which a drop gives up; with [`DRAIN_WAIT_MAX`] one second.
const DRAIN_WAITS_MAX: usize = 20;

/// About the completions that one turn takes. They are fewer than the receive buffers, so that each
/// receive of a turn finds one.
const COMPLETIONS_MAX: usize = RECV_BUFFERS as usize / 2;

/// MSG_WAITALL: a short send is the exception. MSG_NOSIGNAL: a closed peer is a result.
const SEND_FLAGS: i32 = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;

/// A listener and whether an accept is armed on it.
struct Accepting {
    listener: ListenSocket,
    armed: bool,
}

/// A ring on io_uring. It stays in the thread that made it.
pub struct Uring {
    /// Closed before the buffers are freed: fields are dropped in this order.
    queue: Queue,
    buffers: Buffers,
    sends: Sends,
    writer: Writer,
    links: Links,
    listeners: Vec<Accepting>,
    waker: Waker,
    pause: Pause,
    waker_armed: bool,
    writer_armed: bool,
    /// Whether quiet sends were pushed since the last enter.
    quiet_pushed: bool,
    /// Whether the waker was used in this turn, once or more.
    woken: bool,
    in_flight: usize,
    /// Completions that were moved out of their queue and not handled yet.
    reaped: Vec<cqueue::Entry>,
    features: Features,
}

impl Uring {
    /// Makes a ring for the calling thread with the best features of this kernel, and tries it out.
    ///
    /// # Errors
    /// If io_uring is refused or lacks something; the error says what to do.
    ///
    /// # Panics
    /// If `options.recv_buffers` is not a power of two up to 32,768.
    pub fn new(options: &Options) -> Result<Self, RingRefused> {
        let (queue, buffers, features) = probe::set_up(options)?;
        let waker = Waker::new().map_err(RingRefused::Other)?;
        let writer = Writer::start(options.worker_cpus.clone()).map_err(RingRefused::Other)?;
        let pause = Pause::new([&waker, writer.signal()]).map_err(RingRefused::Other)?;
        let mut ring = Self {
            queue: Queue::new(queue),
            buffers,
            sends: Sends::default(),
            writer,
            links: Links::default(),
            listeners: Vec::new(),
            waker,
            pause,
            waker_armed: false,
            writer_armed: false,
            quiet_pushed: false,
            woken: false,
            in_flight: 0,
            reaped: Vec::new(),
            features,
        };
        ring.queue.bound_workers();
        probe::try_out(&mut ring)?;
        ring.listeners.clear();
        Ok(ring)
    }

    /// The features found at start, for the log.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Submits an operation. A full queue is submitted first, so no operation is lost.
    ///
    /// # Safety
    /// As for [`Queue::push`]: the memory of the entry belongs to `self.buffers` or `self.sends`,
    /// and stays until the entry's last completion.
    unsafe fn push(&mut self, entry: squeue::Entry, tag: Tag) {
        self.in_flight += 1;
        let entry = entry.user_data(tag.encode());
        for _ in 0..SUBMITS_MAX {
            // SAFETY: passed on to the caller.
            if unsafe { self.queue.push(&entry) }.is_ok() {
                return;
            }
            self.enter(Some(Duration::ZERO)).expect("the kernel takes submissions");
        }
        panic!("the kernel takes no submissions");
    }

    fn push_send(&mut self, key: Key, socket: &Socket, batch: Batch, is_quiet: bool) {
        let (slot, prepared) = self.sends.begin(batch);
        self.links.begin_send(key, slot);
        if is_quiet {
            self.sends.set_quiet(slot, true);
            self.quiet_pushed = true;
        }
        let entry = match prepared {
            Prepared::Slice { address, bytes } => {
                opcode::Send::new(fd(socket), address, bytes).flags(SEND_FLAGS).build()
            }
            Prepared::Message(header) => {
                opcode::SendMsg::new(fd(socket), header).flags(SEND_FLAGS.unsigned_abs()).build()
            }
        };
        // SAFETY: `self.sends` keeps the entry's memory until this send's only completion.
        unsafe { self.push(entry, Tag::link(Kind::Send, key)) };
    }

    fn push_cancel(&mut self, target: Tag) {
        let entry = opcode::AsyncCancel::new(target.encode()).build();
        // SAFETY: the entry points to no memory.
        unsafe { self.push(entry, Tag::other(Kind::Cancel, 0)) };
    }

    /// Keeps the polls of the signals armed. A signal that rang meanwhile completes at once.
    fn arm_signals(&mut self) {
        if !mem::replace(&mut self.waker_armed, true) {
            self.push_poll(fd(&self.waker), Kind::Wake);
        }
        if !mem::replace(&mut self.writer_armed, true) {
            self.push_poll(fd(self.writer.signal()), Kind::Write);
        }
    }

    fn push_poll(&mut self, signal: Fd, kind: Kind) {
        let events = libc::POLLIN.unsigned_abs().into();
        let entry = opcode::PollAdd::new(signal, events).multi(true).build();
        // SAFETY: the entry points to no memory.
        unsafe { self.push(entry, Tag::other(kind, 0)) };
    }

    /// Enters the kernel once; completions are in `reaped` afterwards.
    fn enter(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.buffers.publish();
        let entered = self.queue.enter(timeout);
        self.queue.reap(&mut self.reaped);
        entered
    }

    /// Enters the kernel once and handles the completions.
    fn turn(
        &mut self,
        timeout: Option<Duration>,
        into: &mut Vec<Completion<Socket>>,
    ) -> io::Result<()> {
        // Completions that were reaped because of a full queue must not wait for a sleep.
        let timeout = if self.has_news() { Some(Duration::ZERO) } else { timeout };
        let mut entered = self.enter(timeout);
        // The kernel returns about twenty at a time. All present ones are handled in one turn.
        while entered.is_ok() && self.reaped.len() < COMPLETIONS_MAX && self.queue.has_work() {
            let before = self.reaped.len();
            entered = self.enter(Some(Duration::ZERO));
            // The kernel sets its flag after it has queued the work. If an enter on this thread did
            // the work in between, the flag stays set, and no enter clears it before more work
            // comes.
            if self.reaped.len() == before {
                break;
            }
        }
        // Handling submits no entries, so no completions are reaped meanwhile.
        let mut reaped = mem::take(&mut self.reaped);
        for entry in reaped.drain(..) {
            self.dispatch(&entry, into);
        }
        self.reaped = reaped;
        if mem::take(&mut self.woken) {
            into.push(Completion::Woken);
        }
        entered
    }

    /// Whether any reaped completion must end a wait.
    fn has_news(&self) -> bool {
        let is_quiet = |entry: &cqueue::Entry| {
            let Tag { kind, key } = Tag::decode(entry.user_data());
            let slot = self.links.send_slot(key).filter(|_| kind == Kind::Send);
            slot.is_some_and(|slot| self.sends.is_quiet_end(slot, entry.result()))
        };
        !self.reaped.iter().all(is_quiet)
    }

    fn dispatch(&mut self, entry: &cqueue::Entry, into: &mut Vec<Completion<Socket>>) {
        let Tag { kind, key } = Tag::decode(entry.user_data());
        // Without this flag it was the operation's last completion, whatever the result.
        let more = cqueue::more(entry.flags());
        if !more {
            self.in_flight -= 1;
        }
        match kind {
            Kind::Accept => into.push(self.on_accepted(key.slot, entry.result(), more)),
            Kind::Recv => {
                self.links.on_received(key, more);
                let received = self.on_received(entry);
                into.push(Completion::Received { key, received, more });
            }
            Kind::Send => {
                let batch = self.sends.end(self.links.on_sent(key));
                let result = outcome(entry.result());
                self.buffers.note_sent(*result.as_ref().unwrap_or(&0));
                let result = result.map(|bytes| bytes as usize);
                into.push(Completion::Sent { key, result, batch });
            }
            Kind::Wake => {
                self.waker_armed = more;
                self.woken = true;
                self.pause.note_signal();
            }
            Kind::Write => {
                self.writer_armed = more;
                self.pause.note_signal();
                let result = self.writer.take_result();
                into.extend(result.map(|result| Completion::Written { result }));
            }
            // Whether found or not, the cancelled operation has its own completion.
            Kind::Cancel => {}
        }
    }

    fn on_accepted(&mut self, listener: u32, result: i32, more: bool) -> Completion<Socket> {
        self.listeners[listener as usize].armed = more;
        let result = outcome(result).map(|_| {
            // SAFETY: the kernel opened this descriptor for us just now; it has no other owner.
            Socket::from(unsafe { OwnedFd::from_raw_fd(result) })
        });
        Completion::Accepted { listener, result, more }
    }

    fn on_received(&mut self, entry: &cqueue::Entry) -> Received {
        let buffer = cqueue::buffer_select(entry.flags());
        match (outcome(entry.result()), buffer) {
            (Ok(len @ 1..), Some(id)) => return Received::Data(self.buffers.lend(id, len)),
            // Some kernels pick a buffer before they find that there is no data for it.
            (_, Some(id)) => {
                let unused = self.buffers.lend(id, 0);
                self.buffers.recycle(unused);
            }
            (Ok(1..), None) => panic!("a receive wrote without a buffer"),
            (_, None) => {}
        }
        match entry.result() {
            0.. => Received::End,
            result if result == -libc::ENOBUFS => Received::NoBuffers,
            result if result == -libc::ECANCELED => Received::Cancelled,
            result => Received::Failed(io::Error::from_raw_os_error(-result)),
        }
    }
}

impl Ring for Uring {
    type Socket = Socket;
    type Listener = ListenSocket;
    type Waker = Waker;
    type File = Arc<OwnedFd>;

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn add_listener(&mut self, listener: ListenSocket) -> u32 {
        self.listeners.push(Accepting { listener, armed: false });
        u32::try_from(self.listeners.len() - 1).expect("listeners are descriptors")
    }

    fn submit_accept(&mut self, listener: u32) {
        let accepting = &mut self.listeners[listener as usize];
        assert!(!accepting.armed, "one accept at a time on listener {listener}");
        accepting.armed = true;
        let entry = opcode::AcceptMulti::new(fd(&accepting.listener));
        let entry = entry.flags(libc::SOCK_CLOEXEC).build();
        // SAFETY: the entry points to no memory.
        unsafe { self.push(entry, Tag::other(Kind::Accept, listener)) };
    }

    fn cancel_accept(&mut self, listener: u32) {
        if self.listeners[listener as usize].armed {
            self.push_cancel(Tag::other(Kind::Accept, listener));
        }
    }

    fn submit_recv(&mut self, key: Key, socket: &Socket, mode: RecvMode) {
        self.links.begin_recv(key);
        let entry = match mode {
            RecvMode::Multishot => opcode::RecvMulti::new(fd(socket), BUFFER_GROUP).build(),
            // No address and no length: the complete buffer that the kernel picks.
            RecvMode::Once => opcode::Recv::new(fd(socket), std::ptr::null_mut(), 0)
                .buf_group(BUFFER_GROUP)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT),
        };
        // SAFETY: the entry points to no memory; the buffers that it picks belong to
        // `self.buffers`.
        unsafe { self.push(entry, Tag::link(Kind::Recv, key)) };
    }

    fn cancel_recv(&mut self, key: Key) {
        if self.links.receives(key) {
            self.push_cancel(Tag::link(Kind::Recv, key));
        }
    }

    fn submit_send(&mut self, key: Key, socket: &Socket, batch: Batch) {
        self.push_send(key, socket, batch, false);
    }

    fn submit_quiet_send(&mut self, key: Key, socket: &Socket, batch: Batch) {
        self.push_send(key, socket, batch, true);
    }

    fn await_send(&mut self, key: Key) {
        if let Some(slot) = self.links.send_slot(key) {
            self.sends.set_quiet(slot, false);
        }
    }

    fn cancel_send(&mut self, key: Key) {
        if self.links.sends(key) {
            self.push_cancel(Tag::link(Kind::Send, key));
        }
    }

    fn submit_write(&mut self, file: &Arc<OwnedFd>, offset: u64, bytes: Bytes, sync: bool) {
        self.writer.begin(Arc::clone(file), offset, bytes, sync);
    }

    fn shutdown(&mut self, socket: &Socket) {
        socket.shutdown();
    }

    fn peer(&self, socket: &Socket) -> Option<SocketAddr> {
        socket.peer()
    }

    fn bytes_mut(&mut self, buffer: &Buffer) -> &mut [u8] {
        self.buffers.bytes_mut(buffer)
    }

    fn recycle(&mut self, buffer: Buffer) {
        self.buffers.recycle(buffer);
    }

    fn rearm(&self) -> Rearm {
        self.buffers.rearm()
    }

    fn is_ready(&mut self) -> bool {
        self.queue.has_work()
    }

    fn reclaim(&mut self, slots_max: usize) -> bool {
        // If the kernel works for this ring only inside a wait and all completions are handled,
        // each buffer that is not lent is empty.
        if self.features.is_deferred() && self.reaped.is_empty() && self.queue.is_drained() {
            self.buffers.forget_contents();
        }
        // The next wait handles completions that were reaped because of a full queue.
        self.reaped.shrink_to(0);
        self.sends.reclaim();
        self.links.reclaim(slots_max)
    }

    fn gather(
        &mut self,
        time: Duration,
        timeout: Option<Duration>,
        into: &mut Vec<Completion<Socket>>,
    ) -> io::Result<()> {
        self.arm_signals();
        // If the kernel does not defer its work, every completion would end the pause.
        let pauses = !time.is_zero() && self.features.is_deferred();
        let sleeps = timeout != Some(Duration::ZERO);
        if sleeps && (pauses || mem::take(&mut self.quiet_pushed)) {
            // After this, the ends of quiet sends are known and end no sleep.
            self.pause.prepare();
            self.enter(Some(Duration::ZERO))?;
            if pauses && !self.has_news() {
                self.pause.rest(timeout.map_or(time, |timeout| timeout.min(time)));
            }
        }
        self.turn(timeout, into)
    }
}

impl Drop for Uring {
    /// Cancels all operations and waits for their ends.
    fn drop(&mut self) {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
        // SAFETY: the entry points to no memory.
        unsafe { self.push(entry, Tag::other(Kind::Cancel, 0)) };
        let mut idle = 0;
        let mut completions = Vec::new();
        while self.in_flight > 0 && idle < DRAIN_WAITS_MAX {
            let before = self.in_flight;
            if self.turn(Some(DRAIN_WAIT_MAX), &mut completions).is_err() {
                break;
            }
            completions.clear();
            idle = if self.in_flight < before { 0 } else { idle + 1 };
        }
        if self.in_flight > 0 {
            let in_flight = self.in_flight;
            log::warn!("io_uring: {in_flight} operations do not end; their memory is not freed");
            self.buffers.leak();
            mem::forget(mem::take(&mut self.sends));
        }
    }
}

/// The descriptor in a submission.
fn fd(owner: &impl AsFd) -> Fd {
    Fd(owner.as_fd().as_raw_fd())
}

/// The result of a completion: a count or a negative errno.
fn outcome(result: i32) -> io::Result<u32> {
    u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}
