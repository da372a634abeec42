//! The simulated kernel: every ring's operations in flight, and every connection.
//!
//! Nothing happens by itself. The scheduler picks an operation that can advance: so completions are
//! late, and in any order between operations, but in order for each one. Invariant: an operation is
//! in its ring's table from `submit_*` until its last completion was delivered. Violations that are
//! found where a panic is impossible are kept in `faults`.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringmq::chunk::Batch;
use ringmq::limits::SEND_CHUNKS_MAX;
use ringmq::ring::{Key, RecvMode};

use crate::disk::{Disk, Fault, Write};
use crate::plan::Plan;
use crate::random::Random;
use crate::wire::Conn;

/// The kernel, as rings, sockets, wakers and clients share it within the one thread.
pub(crate) type Shared = Arc<Mutex<Kernel>>;

pub(crate) fn lock(kernel: &Shared) -> MutexGuard<'_, Kernel> {
    kernel.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Consecutive failed accepts: each delays all waiting clients by 100 ms, and there may be many.
const ACCEPTS_FAILED_MAX: u32 = 1;

/// An operation that can advance.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Accept,
    /// By slot.
    Recv(u32),
    /// By slot.
    Send(u32),
    Write,
    /// The next request to the medium.
    Request,
}

/// The result of a receive, before its bytes are in a buffer of the ring.
pub(crate) enum Brought {
    Data(u16, Vec<u8>),
    End,
    NoBuffers,
    Cancelled,
    Failed,
}

/// A completion that waits to be delivered.
pub(crate) enum Done {
    Accepted { result: io::Result<usize>, more: bool },
    Received { key: Key, brought: Brought, more: bool },
    Sent { key: Key, result: io::Result<usize>, batch: Batch },
    Written { result: io::Result<()> },
}

/// How far an operation is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Asked for in this turn; the kernel has not seen it.
    Asked,
    Begun,
    /// Its last completion waits to be delivered.
    Ended,
}

struct Recv {
    key: Key,
    conn: usize,
    mode: RecvMode,
    stage: Stage,
    cancelled: bool,
}

struct Send {
    key: Key,
    conn: usize,
    /// The bytes of the chunks that one send takes.
    bytes: Vec<u8>,
    batch: Batch,
    sent: usize,
    stage: Stage,
    cancelled: bool,
    /// Its completion does not wake the ring, if all of it is sent before the ring waits.
    quiet: bool,
}

#[derive(Default)]
struct RingState {
    recvs: BTreeMap<u32, Recv>,
    sends: BTreeMap<u32, Send>,
    done: VecDeque<Done>,
    accepting: bool,
    accept_cancelled: bool,
    /// Consecutive ones.
    accepts_failed: u32,
    /// Connections that wait to be accepted.
    backlog: VecDeque<usize>,
    free: Vec<u16>,
    /// Buffers that are returned with the next submission.
    recycled: Vec<u16>,
    lent: Vec<bool>,
    woken: bool,
}

impl RingState {
    fn new(buffers: u16) -> Self {
        Self {
            free: (0..buffers).collect(),
            lent: vec![false; usize::from(buffers)],
            ..Self::default()
        }
    }
}

pub(crate) struct Kernel {
    pub(crate) conns: Vec<Conn>,
    pub(crate) disk: Disk,
    rings: Vec<RingState>,
    random: Random,
    buffer_bytes: usize,
    pipe_bytes: usize,
    /// One in this many accepts fails; 0: none.
    accept_fails_one_in: usize,
    pub(crate) faults: Vec<String>,
    now_ms: u64,
    /// The broker is dying: everything that it drops is gone already.
    dying: bool,
}

impl Kernel {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            conns: Vec::new(),
            disk: Disk::new(plan),
            rings: (0..plan.shards).map(|_| RingState::new(plan.buffers)).collect(),
            random: Random::new(plan.seed ^ 0x006b_6572_6e65_6c00),
            buffer_bytes: plan.buffer_bytes,
            pipe_bytes: plan.pipe_bytes,
            accept_fails_one_in: plan.accept_fails_one_in,
            faults: Vec::new(),
            now_ms: 0,
            dying: false,
        }
    }

    /// A client connects to a shard's listener.
    pub(crate) fn connect(&mut self, ring: usize) -> usize {
        self.conns.push(Conn::new(self.pipe_bytes));
        self.rings[ring].backlog.push_back(self.conns.len() - 1);
        self.conns.len() - 1
    }

    /// Resets a client's connection; a part of the bytes on their way to the broker is lost.
    pub(crate) fn reset(&mut self, conn: usize) {
        let conn = &mut self.conns[conn];
        conn.reset = true;
        conn.to_broker.truncate(self.random.below(conn.to_broker.len() + 1));
    }

    pub(crate) fn wake(&mut self, ring: usize) {
        self.rings[ring].woken = true;
    }

    /// The time moves on.
    pub(crate) fn set_time(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.disk.set_time(now_ms);
        self.ring_for_answers();
    }

    pub(crate) fn begin_fault(&mut self, ring: usize, fault: Fault, until_ms: u64) {
        self.disk.begin_fault(ring, fault, until_ms);
        self.ring_for_answers();
    }

    /// Ends all faults.
    pub(crate) fn heal(&mut self) {
        self.accept_fails_one_in = 0;
        self.disk.heal();
        self.ring_for_answers();
    }

    fn ring_for_answers(&mut self) {
        for (at, ring) in self.rings.iter_mut().enumerate() {
            ring.woken |= self.disk.has_answers(at);
        }
    }

    /// Kills the broker: every connection is cut. Its remains are dropped next.
    pub(crate) fn begin_crash(&mut self) {
        self.dying = true;
        for conn in self.conns.iter_mut().filter(|conn| !conn.closed) {
            let keep = self.random.below(conn.to_client.len() + 1);
            conn.cut(keep);
            conn.closed_ms = self.now_ms;
        }
    }

    /// It is gone, and the power with it if that went: another may be started.
    pub(crate) fn end_crash(&mut self, power: bool) {
        for ring in &mut self.rings {
            let buffers = u16::try_from(ring.lent.len()).expect("few buffers");
            *ring = RingState::new(buffers);
        }
        self.disk.crash(power);
        self.dying = false;
    }

    /// Whether a wait would return now.
    pub(crate) fn is_ready(&self, ring: usize) -> bool {
        let ring = &self.rings[ring];
        let is_quiet =
            |done: &Done| matches!(done, Done::Sent { key, .. } if ring.sends[&key.slot].quiet);
        ring.woken || !ring.done.iter().all(is_quiet)
    }

    pub(crate) fn accept(&mut self, ring: usize) {
        assert!(!self.rings[ring].accepting, "one accept at a time");
        self.rings[ring].accepting = true;
    }

    pub(crate) fn cancel_accept(&mut self, ring: usize) {
        self.rings[ring].accept_cancelled = self.rings[ring].accepting;
    }

    pub(crate) fn recv(&mut self, ring: usize, key: Key, conn: usize, mode: RecvMode) {
        assert!(!self.conns[conn].closed, "receives on a closed socket");
        self.conns[conn].operations += 1;
        let recv = Recv { key, conn, mode, stage: Stage::Asked, cancelled: false };
        let before = self.rings[ring].recvs.insert(key.slot, recv);
        assert!(before.is_none(), "one receive at a time in slot {}", key.slot);
    }

    pub(crate) fn cancel_recv(&mut self, ring: usize, key: Key) {
        let recv = self.rings[ring].recvs.get_mut(&key.slot).filter(|recv| recv.key == key);
        if let Some(recv) = recv {
            recv.cancelled = true;
        }
    }

    pub(crate) fn send(&mut self, ring: usize, key: Key, conn: usize, batch: Batch) {
        assert!(!self.conns[conn].closed, "sends on a closed socket");
        assert!(!batch.is_empty(), "a batch to send is not empty");
        self.conns[conn].operations += 1;
        let bytes = batch.slices().take(SEND_CHUNKS_MAX).collect::<Vec<_>>().concat();
        let send = Send {
            key,
            conn,
            bytes,
            batch,
            sent: 0,
            stage: Stage::Asked,
            cancelled: false,
            quiet: false,
        };
        let before = self.rings[ring].sends.insert(key.slot, send);
        assert!(before.is_none(), "one send at a time in slot {}", key.slot);
    }

    pub(crate) fn set_quiet(&mut self, ring: usize, key: Key, quiet: bool) {
        let send = self.rings[ring].sends.get_mut(&key.slot).filter(|send| send.key == key);
        if let Some(send) = send {
            send.quiet = quiet;
        }
    }

    pub(crate) fn cancel_send(&mut self, ring: usize, key: Key) {
        let send = self.rings[ring].sends.get_mut(&key.slot).filter(|send| send.key == key);
        if let Some(send) = send {
            send.cancelled = true;
        }
    }

    pub(crate) fn write(&mut self, ring: usize, write: Write) {
        self.disk.write(ring, write);
    }

    /// The broker shuts both directions.
    pub(crate) fn shutdown(&mut self, conn: usize) {
        self.conns[conn].shut = true;
        self.conns[conn].to_client.ended = true;
    }

    /// The broker drops its socket.
    pub(crate) fn close(&mut self, conn: usize) {
        if self.dying {
            return;
        }
        if self.conns[conn].operations > 0 {
            self.faults.push(format!("connection {conn} is closed with operations in flight"));
        }
        self.conns[conn].closed = true;
        self.conns[conn].closed_ms = self.now_ms;
        self.shutdown(conn);
    }

    pub(crate) fn recycle(&mut self, ring: usize, buffer: u16) {
        let lent = &mut self.rings[ring].lent[usize::from(buffer)];
        assert!(*lent, "buffer {buffer} is recycled twice");
        *lent = false;
        self.rings[ring].recycled.push(buffer);
    }

    /// Submits the requests of this turn.
    pub(crate) fn submit(&mut self, at: usize) {
        self.disk.submit(at);
        let ring = &mut self.rings[at];
        let recvs = ring.recvs.values_mut().map(|recv| &mut recv.stage);
        let sends = ring.sends.values_mut().map(|send| &mut send.stage);
        for stage in recvs.chain(sends).filter(|stage| **stage == Stage::Asked) {
            *stage = Stage::Begun;
        }
        ring.free.append(&mut ring.recycled);
        self.end_quiet_sends(at);
    }

    /// Completes some quiet sends at once, without waking their ring; the others are like any send.
    fn end_quiet_sends(&mut self, at: usize) {
        let ring = &mut self.rings[at];
        for send in ring.sends.values_mut().filter(|send| send.stage == Stage::Begun && send.quiet)
        {
            let conn = &mut self.conns[send.conn];
            let has_room = !conn.shut && !conn.reset && conn.to_client.room() >= send.bytes.len();
            send.quiet = has_room && send.sent == 0 && !send.cancelled && self.random.one_in(2);
            if send.quiet {
                send.sent = conn.to_client.write(&send.bytes);
                send.stage = Stage::Ended;
                let (key, batch) = (send.key, std::mem::take(&mut send.batch));
                ring.done.push_back(Done::Sent { key, result: Ok(send.sent), batch });
            }
        }
    }

    /// Delivers some completions, at least one if there are any.
    pub(crate) fn take_done(&mut self, ring: usize) -> (bool, Vec<Done>) {
        let ring = &mut self.rings[ring];
        let all = ring.done.len();
        let count = if self.random.one_in(2) { all } else { self.random.below(all + 1).max(1) };
        let done: Vec<Done> = ring.done.drain(..count.min(all)).collect();
        for done in &done {
            let conn = match done {
                Done::Received { key, more: false, .. } => {
                    ring.recvs.remove(&key.slot).map(|recv| recv.conn)
                }
                Done::Sent { key, .. } => ring.sends.remove(&key.slot).map(|send| send.conn),
                Done::Accepted { .. } | Done::Received { .. } | Done::Written { .. } => None,
            };
            if let Some(conn) = conn {
                self.conns[conn].operations -= 1;
            }
        }
        (std::mem::take(&mut ring.woken), done)
    }

    /// Whether a ring has completions. As the real kernel's hint, it may be wrong.
    pub(crate) fn seems_ready(&mut self, ring: usize) -> bool {
        self.rings[ring].done.is_empty() == self.random.one_in(4)
    }

    /// Operations of a ring that can get on.
    pub(crate) fn ready(&self, at: usize, into: &mut Vec<(usize, Operation)>) {
        let ring = &self.rings[at];
        if ring.accepting && (ring.accept_cancelled || !ring.backlog.is_empty()) {
            into.push((at, Operation::Accept));
        }
        for recv in ring.recvs.values().filter(|recv| recv.stage == Stage::Begun) {
            if recv.cancelled || self.conns[recv.conn].is_readable() {
                into.push((at, Operation::Recv(recv.key.slot)));
            }
        }
        if self.disk.may_write(at) {
            into.push((at, Operation::Write));
        }
        if self.disk.may_serve(at) {
            into.push((at, Operation::Request));
        }
        for send in ring.sends.values().filter(|send| send.stage == Stage::Begun) {
            if send.cancelled || self.conns[send.conn].is_writable() {
                into.push((at, Operation::Send(send.key.slot)));
            }
        }
    }

    /// Lets an operation get on.
    pub(crate) fn advance(&mut self, ring: usize, operation: Operation) {
        match operation {
            Operation::Accept => self.advance_accept(ring),
            Operation::Recv(slot) => self.advance_recv(ring, slot),
            Operation::Send(slot) => self.advance_send(ring, slot),
            Operation::Write => {
                let result = self.disk.advance_write(ring);
                self.rings[ring].done.push_back(Done::Written { result });
            }
            Operation::Request => {
                let answered = self.disk.serve(ring);
                self.rings[ring].woken |= answered;
            }
        }
    }

    fn advance_accept(&mut self, ring: usize) {
        let ring = &mut self.rings[ring];
        let fails = ring.accepts_failed < ACCEPTS_FAILED_MAX
            && self.random.one_in(self.accept_fails_one_in);
        ring.accepts_failed = if fails { ring.accepts_failed + 1 } else { 0 };
        let next = if ring.accept_cancelled || fails { None } else { ring.backlog.pop_front() };
        ring.accepting = next.is_some();
        ring.accept_cancelled = false;
        // EMFILE; of a cancelled accept the number does not matter.
        let result = next.ok_or_else(|| io::Error::from_raw_os_error(24));
        ring.done.push_back(Done::Accepted { result, more: next.is_some() });
    }

    fn advance_recv(&mut self, ring: usize, slot: u32) {
        let ring = &mut self.rings[ring];
        let Some(recv) = ring.recvs.get_mut(&slot) else { return };
        let conn = &mut self.conns[recv.conn];
        let has_data = conn.to_broker.len() > 0 && !conn.shut;
        // A cancel races with received bytes: both orders happen.
        let (brought, more) = if has_data && (!recv.cancelled || self.random.one_in(2)) {
            match ring.free.pop() {
                None => (Brought::NoBuffers, false),
                Some(buffer) => {
                    ring.lent[usize::from(buffer)] = true;
                    let whole = self.buffer_bytes;
                    let part = 1 + self.random.below(whole);
                    let max = if self.random.one_in(2) { whole } else { part };
                    let bytes = conn.to_broker.read(max);
                    (Brought::Data(buffer, bytes), recv.mode == RecvMode::Multishot)
                }
            }
        } else if recv.cancelled {
            (Brought::Cancelled, false)
        } else if conn.reset && !conn.shut {
            (Brought::Failed, false)
        } else {
            (Brought::End, false)
        };
        if !more {
            recv.stage = Stage::Ended;
        }
        ring.done.push_back(Done::Received { key: recv.key, brought, more });
    }

    fn advance_send(&mut self, ring: usize, slot: u32) {
        let ring = &mut self.rings[ring];
        let Some(send) = ring.sends.get_mut(&slot) else { return };
        let conn = &mut self.conns[send.conn];
        let errno = if conn.shut || conn.reset {
            Some(32)
        } else if send.cancelled && (conn.to_client.room() == 0 || self.random.one_in(2)) {
            Some(125)
        } else {
            let rest = &send.bytes[send.sent..];
            let part = 1 + self.random.below(rest.len());
            let max = if self.random.one_in(2) { rest.len() } else { part };
            send.sent += conn.to_client.write(&rest[..max]);
            None
        };
        // A short send is the exception.
        let ends = send.sent == send.bytes.len() || send.sent > 0 && self.random.one_in(32);
        let result = match errno {
            None if !ends => return,
            Some(errno) if send.sent == 0 => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(send.sent),
        };
        send.stage = Stage::Ended;
        let (key, batch) = (send.key, std::mem::take(&mut send.batch));
        ring.done.push_back(Done::Sent { key, result, batch });
    }

    /// Closes a ring and its listener: connections that were not accepted, or are not known, are
    /// refused.
    pub(crate) fn end(&mut self, at: usize) {
        if self.dying {
            return;
        }
        self.faults.extend(self.unrest(at));
        let ring = &mut self.rings[at];
        let mut refused = std::mem::take(&mut ring.backlog);
        for done in ring.done.drain(..) {
            if let Done::Accepted { result: Ok(conn), .. } = done {
                refused.push_back(conn);
            }
        }
        refused.into_iter().for_each(|conn| self.close(conn));
    }

    /// The reason why a ring is not at rest: except its accept, nothing may be in flight or lent.
    pub(crate) fn unrest(&self, at: usize) -> Option<String> {
        let ring = &self.rings[at];
        let lent = ring.lent.iter().filter(|lent| **lent).count();
        let (recvs, sends) = (ring.recvs.len(), ring.sends.len());
        let at_rest = recvs + sends + lent == 0;
        (!at_rest).then(|| format!("ring {at}: {recvs} receives, {sends} sends, {lent} lent"))
    }
}
