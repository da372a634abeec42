//! [`Epoll`]: the ring on epoll, for hosts that forbid io_uring. The kernel reports readiness, and
//! the ring performs the operations.
//!
//! One turn, in one [`Ring::wait`]:
//!
//! ```text
//! what was cancelled ends → sends that are due → epoll_wait → events: room for sends that wait,
//! connections, the writer's result, the waker → a receive for each link that has bytes
//! ```
//! As with io_uring, operations start only in the wait: a send of a turn has not begun when its
//! link is shut down in the same turn. A turn does a bounded amount of work: it fills the free
//! receive buffers, a few of them for one link, and accepts a few connections of each listener. A
//! source with more to read continues in the next turn, which then does not sleep.
//!
//! A message costs its receive, its send and a share of one `epoll_wait`. Sockets are registered
//! once, and a receive that leaves room in its buffer is not repeated ([`watches`]). Every call is
//! non-blocking by a flag, so sockets may be in blocking mode.
//!
//! A thread of the ring writes to files ([`Writer`]).
//!
//! It needs Linux 4.5 for `EPOLLEXCLUSIVE`, but can work without that flag.

mod buffers;
mod descriptor;
mod listeners;
mod sends;
#[cfg(test)]
mod tests;
mod watches;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::chunk::Batch;

use super::links::Links;
use super::options::Options;
use super::pause::Pause;
use super::socket::{ListenSocket, Socket, Waker};
use super::tag::{Kind, Tag};
use super::writer::Writer;
use super::{Buffer, Completion, Key, Received, RecvMode, Ring};

use buffers::Buffers;
use descriptor::Descriptor;
use listeners::Accepting;
use sends::{Sends, Step};
use watches::{INPUT, INPUT_AND_ROOM, Input, Watches};

/// The events that one turn takes from the kernel. Others stay there until the next turn.
const EVENTS_MAX: usize = 1024;

/// The buffers that one turn fills for one link at most: larger pieces make larger batches, but
/// other links must have their turn.
const RECEIVES_MAX: usize = 4;

/// The calls that one turn makes for one send. The first finds no room for all bytes, the second
/// finds none at all, and then the kernel reports room.
const SEND_STEPS_MAX: usize = 2;

/// The longest sleep: the kernel's argument is an `int` of milliseconds.
const SLEEP_MAX: Duration = Duration::from_hours(24);

/// The events after which a waiting send continues or fails.
const ROOM: EventFlags = EventFlags::OUT.union(EventFlags::HUP).union(EventFlags::ERR);

/// The result, at the next wait, of an operation that was cancelled or could not begin.
enum Ending {
    Recv(Key, Received),
    Send(Key, io::Error),
    Accept(u32, io::Error),
}

/// The result of receiving from a link.
enum Went {
    /// The receive is still armed.
    On,
    Over,
    OutOfBuffers,
}

/// A ring on epoll. It stays in the thread that made it.
pub struct Epoll {
    epoll: OwnedFd,
    /// Operations in flight: requested and not completed.
    links: Links,
    watches: Watches,
    sends: Sends,
    listeners: Vec<Accepting>,
    buffers: Buffers,
    writer: Writer,
    waker: Waker,
    pause: Pause,
    endings: Vec<Ending>,
    /// Sends that begin or continue in the next turn. Some may have ended meanwhile.
    due: Vec<Key>,
    /// Links to receive from, each once: their receive is armed and there may be data. Some may
    /// have been released meanwhile. A turn that runs out of buffers leaves the others in front.
    readable: VecDeque<Key>,
    /// Memory for events.
    events: Vec<Event>,
    /// Whether this wait has completions for which the caller waits.
    has_news: bool,
    /// Whether it was logged that the kernel watches no more sockets.
    warned: bool,
    features: String,
}

impl Epoll {
    /// Makes a ring for the calling thread, and starts its writer.
    ///
    /// # Errors
    /// If the system has no descriptor, thread or memory for it.
    pub fn new(options: &Options) -> io::Result<Self> {
        let Options { recv_buffers, recv_buffer_bytes, .. } = *options;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let (waker, writer) = (Waker::new()?, Writer::start(options.worker_cpus.clone())?);
        let signals = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &waker, data(Tag::other(Kind::Wake, 0)), signals)?;
        epoll::add(&epoll, writer.signal(), data(Tag::other(Kind::Write, 0)), signals)?;
        let pause = Pause::new([&waker, writer.signal()])?;
        Ok(Self {
            epoll,
            links: Links::default(),
            watches: Watches::default(),
            sends: Sends::default(),
            listeners: Vec::new(),
            buffers: Buffers::new(recv_buffers, recv_buffer_bytes)?,
            writer,
            waker,
            pause,
            endings: Vec::new(),
            due: Vec::new(),
            readable: VecDeque::new(),
            events: Vec::with_capacity(EVENTS_MAX),
            has_news: false,
            warned: false,
            features: format!("epoll: {recv_buffers} receive buffers of {recv_buffer_bytes} bytes"),
        })
    }

    /// A description in one line, for the log.
    pub fn features(&self) -> &str {
        &self.features
    }

    /// Completes operations that were cancelled or could not begin.
    fn end_cancelled(&mut self, into: &mut Vec<Completion<Socket>>) {
        let mut endings = mem::take(&mut self.endings);
        for ending in endings.drain(..) {
            match ending {
                // A second cancel of the same operation finds it ended.
                Ending::Recv(key, received) if self.links.receives(key) => {
                    self.links.on_received(key, false);
                    into.push(Completion::Received { key, received, more: false });
                }
                Ending::Send(key, error) if self.links.sends(key) => {
                    self.end_send(key, Err(error), into);
                }
                Ending::Accept(listener, error) if self.listeners[listener as usize].armed => {
                    self.end_accept(listener, error, into);
                }
                Ending::Recv(..) | Ending::Send(..) | Ending::Accept(..) => {}
            }
        }
        self.endings = endings;
    }

    /// Takes the next step of the sends that are due.
    fn advance_sends(&mut self, into: &mut Vec<Completion<Socket>>) {
        let due = self.due.len();
        for at in 0..due {
            self.advance_send(self.due[at], into);
        }
        self.due.drain(..due);
    }

    /// Sends as much as there is room for, if this link has a send in flight.
    fn advance_send(&mut self, key: Key, into: &mut Vec<Completion<Socket>>) {
        let Some(slot) = self.links.send_slot(key) else { return };
        for _ in 0..SEND_STEPS_MAX {
            let sending = self.sends.get_mut(slot);
            match sending.step() {
                Step::Ended(result) => return self.end_send(key, result, into),
                Step::Short => {}
                Step::Full => {
                    sending.waits = true;
                    let socket = sending.socket;
                    if let Err(error) = self.watch_room(key, socket) {
                        self.end_send(key, Err(error), into);
                    }
                    return;
                }
            }
        }
        self.sends.get_mut(slot).waits = false;
        self.due.push(key);
    }

    /// Makes the kernel report room for a send that has found none.
    fn watch_room(&mut self, key: Key, socket: Descriptor) -> io::Result<()> {
        let data = data(Tag::link(Kind::Recv, key));
        match self.watches.get_mut(key) {
            // It reports room that appears after a send has found none.
            Some(watch) if watch.room => {}
            Some(watch) => {
                // It checks at once, so room that appeared meanwhile is reported too.
                epoll::modify(&self.epoll, socket, data, INPUT_AND_ROOM)?;
                watch.room = true;
            }
            None => {
                epoll::add(&self.epoll, socket, data, INPUT_AND_ROOM)?;
                self.watches.insert(key, socket, true);
            }
        }
        Ok(())
    }

    /// Ends a send. If a part was sent, that is reported, and not the fault of the rest.
    fn end_send(
        &mut self,
        key: Key,
        result: io::Result<usize>,
        into: &mut Vec<Completion<Socket>>,
    ) {
        let slot = self.links.on_sent(key);
        let is_quiet = self.sends.get_mut(slot).is_quiet;
        let (batch, sent) = self.sends.end(slot);
        self.has_news |= !(is_quiet && result.as_ref().is_ok_and(|sent| *sent == batch.bytes()));
        let result = if sent > 0 { Ok(sent) } else { result };
        into.push(Completion::Sent { key, result, batch });
    }

    /// Sleeps until the kernel reports events, and does what they allow. Returns the number of
    /// events.
    fn collect_events(
        &mut self,
        timeout: Option<Duration>,
        into: &mut Vec<Completion<Socket>>,
    ) -> io::Result<usize> {
        let mut events = mem::take(&mut self.events);
        let timeout = timeout.map(whole_milliseconds);
        let told = epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref());
        for event in events.drain(..) {
            self.on_event(event, into);
        }
        self.events = events;
        match told {
            Ok(events) => Ok(events),
            Err(Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn on_event(&mut self, event: Event, into: &mut Vec<Completion<Socket>>) {
        let Tag { kind, key } = Tag::decode(event.data.u64());
        match kind {
            Kind::Recv => self.on_link_event(key, event.flags, into),
            Kind::Accept => self.listeners[key.slot as usize].note(),
            Kind::Wake => {
                self.pause.note_signal();
                into.push(Completion::Woken);
            }
            Kind::Write => {
                self.pause.note_signal();
                let result = self.writer.take_result();
                into.extend(result.map(|result| Completion::Written { result }));
            }
            Kind::Send | Kind::Cancel => unreachable!("nothing is watched as {kind:?}"),
        }
    }

    fn on_link_event(&mut self, key: Key, told: EventFlags, into: &mut Vec<Completion<Socket>>) {
        // The link may have been released in the same turn.
        let Some(watch) = self.watches.get_mut(key) else { return };
        watch.note(told);
        if told.intersects(ROOM)
            && let Some(slot) = self.links.send_slot(key)
            && self.sends.get_mut(slot).waits
        {
            self.advance_send(key, into);
        }
        self.queue_receive(key);
    }

    /// Lists a link to receive from, if there may be data.
    fn queue_receive(&mut self, key: Key) {
        let Some(watch) = self.watches.get_mut(key) else { return };
        if watch.input != Input::Empty && !watch.queued && self.links.receives(key) {
            watch.queued = true;
            self.readable.push_back(key);
        }
    }

    fn accept(&mut self, into: &mut Vec<Completion<Socket>>) {
        for listener in 0..u32::try_from(self.listeners.len()).expect("they are descriptors") {
            let accepting = &mut self.listeners[listener as usize];
            if !accepting.ready {
                continue;
            }
            let accepted = accepting.accept(|socket| {
                into.push(Completion::Accepted { listener, result: Ok(socket), more: true });
            });
            if let Err(error) = accepted {
                self.end_accept(listener, error, into);
            }
        }
    }

    fn end_accept(&mut self, listener: u32, error: io::Error, into: &mut Vec<Completion<Socket>>) {
        self.listeners[listener as usize].disarm(&self.epoll);
        into.push(Completion::Accepted { listener, result: Err(error), more: false });
    }

    /// Receives from the listed links, one after another, until there is no buffer.
    fn receive_all(&mut self, into: &mut Vec<Completion<Socket>>) {
        let mut lent = 0;
        for _ in 0..self.readable.len() {
            let Some(key) = self.readable.pop_front() else { return };
            let Some(watch) = self.watches.get_mut(key).filter(|watch| watch.queued) else {
                continue;
            };
            watch.queued = false;
            if !self.links.receives(key) {
                continue;
            }
            match self.receive(key, &mut lent, into) {
                Went::On => self.queue_receive(key),
                Went::Over => {}
                // The caller has the buffers of this turn: the others continue when they are
                // recycled.
                Went::OutOfBuffers if lent > 0 => {
                    self.watches.get_mut(key).expect("it is watched").queued = true;
                    self.readable.push_front(key);
                    return;
                }
                Went::OutOfBuffers => self.end_receive(key, Received::NoBuffers, into),
            }
        }
    }

    /// Receives the available data of a link, up to its share of the turn.
    fn receive(&mut self, key: Key, lent: &mut usize, into: &mut Vec<Completion<Socket>>) -> Went {
        let watch = self.watches.get_mut(key).expect("who receives is watched");
        let (socket, more) = (watch.socket, watch.multishot);
        for _ in 0..RECEIVES_MAX {
            let Some(mut buffer) = self.buffers.lend() else { return Went::OutOfBuffers };
            let room = self.buffers.bytes_mut(&buffer);
            let received = rustix::net::recv(socket, &mut *room, RecvFlags::DONTWAIT);
            let whole = buffer.len;
            match received {
                Ok((bytes @ 1.., _)) => {
                    buffer.len = u32::try_from(bytes).expect("no more than a buffer");
                    watch.note_received(buffer.len == whole);
                    *lent += 1;
                    if !more {
                        self.end_receive(key, Received::Data(buffer), into);
                        return Went::Over;
                    }
                    let received = Received::Data(buffer);
                    into.push(Completion::Received { key, received, more });
                    if watch.input == Input::Empty {
                        return Went::On;
                    }
                }
                Err(Errno::INTR) => self.buffers.recycle(buffer),
                Err(Errno::AGAIN) => {
                    watch.input = Input::Empty;
                    self.buffers.recycle(buffer);
                    return Went::On;
                }
                Ok((0, _)) => {
                    self.buffers.recycle(buffer);
                    self.end_receive(key, Received::End, into);
                    return Went::Over;
                }
                Err(error) => {
                    self.buffers.recycle(buffer);
                    self.end_receive(key, Received::Failed(error.into()), into);
                    return Went::Over;
                }
            }
        }
        Went::On
    }

    fn end_receive(&mut self, key: Key, received: Received, into: &mut Vec<Completion<Socket>>) {
        self.links.on_received(key, false);
        into.push(Completion::Received { key, received, more: false });
    }

    /// Logs once what to do if the kernel watches no more sockets for this user.
    fn warn_of_full(&mut self, error: Errno) {
        if error == Errno::NOSPC && !mem::replace(&mut self.warned, true) {
            log::warn!(
                "epoll watches no more sockets for this user, and connections are closed for that; \
                 raise sysctl fs.epoll.max_user_watches"
            );
        }
    }

    /// Whether the next wait has work that no event will report.
    fn is_busy(&self) -> bool {
        let accepts = || self.listeners.iter().any(|listener| listener.ready);
        !self.due.is_empty() || !self.readable.is_empty() || accepts()
    }
}

impl Ring for Epoll {
    type Socket = Socket;
    type Listener = ListenSocket;
    type Waker = Waker;
    type File = Arc<OwnedFd>;

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn add_listener(&mut self, listener: ListenSocket) -> u32 {
        self.listeners.push(Accepting::new(listener));
        u32::try_from(self.listeners.len() - 1).expect("listeners are descriptors")
    }

    fn submit_accept(&mut self, listener: u32) {
        let accepting = &mut self.listeners[listener as usize];
        assert!(!accepting.armed, "one accept at a time on listener {listener}");
        let data = data(Tag::other(Kind::Accept, listener));
        if let Err(error) = accepting.arm(&self.epoll, data) {
            self.endings.push(Ending::Accept(listener, error));
        }
    }

    fn cancel_accept(&mut self, listener: u32) {
        if self.listeners[listener as usize].armed {
            self.endings.push(Ending::Accept(listener, cancelled()));
        }
    }

    fn submit_recv(&mut self, key: Key, socket: &Socket, mode: RecvMode) {
        self.links.begin_recv(key);
        let socket = Descriptor::of(socket);
        if self.watches.get_mut(key).is_none() {
            let data = data(Tag::link(Kind::Recv, key));
            if let Err(error) = epoll::add(&self.epoll, socket, data, INPUT) {
                self.warn_of_full(error);
                return self.endings.push(Ending::Recv(key, Received::Failed(error.into())));
            }
            self.watches.insert(key, socket, false);
        }
        let watch = self.watches.get_mut(key).expect("it is there now");
        assert_eq!(watch.socket, socket, "a link has one socket until it is released");
        watch.multishot = mode == RecvMode::Multishot;
        self.queue_receive(key);
    }

    fn cancel_recv(&mut self, key: Key) {
        if self.links.receives(key) {
            self.endings.push(Ending::Recv(key, Received::Cancelled));
        }
    }

    fn submit_send(&mut self, key: Key, socket: &Socket, batch: Batch) {
        let slot = self.sends.begin(Descriptor::of(socket), batch);
        self.links.begin_send(key, slot);
        self.due.push(key);
    }

    fn submit_quiet_send(&mut self, key: Key, socket: &Socket, batch: Batch) {
        self.submit_send(key, socket, batch);
        let slot = self.links.send_slot(key).expect("it was begun just now");
        self.sends.get_mut(slot).is_quiet = true;
    }

    fn await_send(&mut self, key: Key) {
        if let Some(slot) = self.links.send_slot(key) {
            self.sends.get_mut(slot).is_quiet = false;
        }
    }

    fn cancel_send(&mut self, key: Key) {
        if self.links.sends(key) {
            self.endings.push(Ending::Send(key, cancelled()));
        }
    }

    fn release(&mut self, key: Key, socket: &Socket) {
        assert!(!self.links.receives(key) && !self.links.sends(key), "join before free");
        if self.watches.remove(key) {
            epoll::delete(&self.epoll, socket).expect("it is watched");
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

    fn reclaim(&mut self, slots_max: usize) -> bool {
        self.buffers.forget_contents();
        self.due.shrink_to(0);
        self.readable.shrink_to(0);
        self.sends.reclaim();
        let more_watches = self.watches.reclaim(slots_max);
        self.links.reclaim(slots_max) || more_watches
    }

    fn gather(
        &mut self,
        time: Duration,
        timeout: Option<Duration>,
        into: &mut Vec<Completion<Socket>>,
    ) -> io::Result<()> {
        let before = into.len();
        self.end_cancelled(into);
        self.has_news = into.len() > before;
        self.advance_sends(into);
        let mut is_idle = !self.has_news && !self.is_busy();
        if is_idle && !time.is_zero() {
            self.pause.prepare();
            let told = self.collect_events(Some(Duration::ZERO), into)?;
            is_idle = told == 0;
            if is_idle {
                self.pause.rest(timeout.map_or(time, |timeout| timeout.min(time)));
            }
        }
        self.collect_events(if is_idle { timeout } else { Some(Duration::ZERO) }, into)?;
        self.accept(into);
        self.receive_all(into);
        Ok(())
    }
}

fn data(tag: Tag) -> EventData {
    EventData::new_u64(tag.encode())
}

fn cancelled() -> io::Error {
    Errno::CANCELED.into()
}

/// At least `time`, cut to a bound that all kernels accept: waking early is allowed.
fn whole_milliseconds(time: Duration) -> Timespec {
    let time = time.min(SLEEP_MAX);
    let ms = i64::try_from(time.as_nanos().div_ceil(1_000_000)).expect("it is bounded");
    Timespec { tv_sec: ms / 1000, tv_nsec: ms % 1000 * 1_000_000 }
}
