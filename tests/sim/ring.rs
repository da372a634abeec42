//! [`SimRing`]: the ring of one shard on the simulated kernel, with its sockets and wakers.
//!
//! A wait never blocks: the scheduler gives a shard its turn only when it would be awake.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ringmq::chunk::Batch;
use ringmq::ring::{Buffer, Completion, Key, Received, RecvMode, Ring, Wake};

use crate::disk::{SimFile, Write};
use crate::kernel::{Brought, Done, Shared, lock};

/// `--gather-max` of these shards.
pub(crate) const GATHER_MAX: Duration = Duration::from_micros(500);

/// The broker's end of a connection; to be dropped once nothing is in flight on it.
pub(crate) struct SimSocket {
    kernel: Shared,
    conn: usize,
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        lock(&self.kernel).close(self.conn);
    }
}

/// A shard's only listener.
pub(crate) struct SimListener;

#[derive(Clone)]
pub(crate) struct SimWaker {
    kernel: Shared,
    ring: usize,
}

impl Wake for SimWaker {
    fn wake(&self) {
        lock(&self.kernel).wake(self.ring);
    }
}

/// See the module.
pub(crate) struct SimRing {
    kernel: Shared,
    at: usize,
    /// By id; the bytes last received in each.
    buffers: Vec<Vec<u8>>,
}

impl SimRing {
    pub(crate) fn new(kernel: &Shared, at: usize, buffers: u16) -> Self {
        Self { kernel: kernel.clone(), at, buffers: vec![Vec::new(); usize::from(buffers)] }
    }

    fn received(&mut self, brought: Brought) -> Received {
        match brought {
            Brought::Data(id, bytes) => {
                let len = u32::try_from(bytes.len()).expect("buffers are small");
                self.buffers[usize::from(id)] = bytes;
                Received::Data(Buffer::new(id, len))
            }
            Brought::End => Received::End,
            Brought::NoBuffers => Received::NoBuffers,
            Brought::Cancelled => Received::Cancelled,
            Brought::Failed => Received::Failed(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Drop for SimRing {
    fn drop(&mut self) {
        lock(&self.kernel).end(self.at);
    }
}

impl Ring for SimRing {
    type Socket = SimSocket;
    type Listener = SimListener;
    type Waker = SimWaker;
    type File = SimFile;

    fn waker(&self) -> SimWaker {
        SimWaker { kernel: self.kernel.clone(), ring: self.at }
    }

    fn add_listener(&mut self, _: SimListener) -> u32 {
        0
    }

    fn submit_accept(&mut self, _: u32) {
        lock(&self.kernel).accept(self.at);
    }

    fn cancel_accept(&mut self, _: u32) {
        lock(&self.kernel).cancel_accept(self.at);
    }

    fn submit_recv(&mut self, key: Key, socket: &SimSocket, mode: RecvMode) {
        lock(&self.kernel).recv(self.at, key, socket.conn, mode);
    }

    fn cancel_recv(&mut self, key: Key) {
        lock(&self.kernel).cancel_recv(self.at, key);
    }

    fn submit_send(&mut self, key: Key, socket: &SimSocket, batch: Batch) {
        lock(&self.kernel).send(self.at, key, socket.conn, batch);
    }

    fn submit_quiet_send(&mut self, key: Key, socket: &SimSocket, batch: Batch) {
        self.submit_send(key, socket, batch);
        lock(&self.kernel).set_quiet(self.at, key, true);
    }

    fn await_send(&mut self, key: Key) {
        lock(&self.kernel).set_quiet(self.at, key, false);
    }

    fn cancel_send(&mut self, key: Key) {
        lock(&self.kernel).cancel_send(self.at, key);
    }

    fn submit_write(&mut self, file: &SimFile, offset: u64, bytes: Bytes, sync: bool) {
        lock(&self.kernel).write(self.at, Write { file: *file, offset, bytes, sync });
    }

    fn shutdown(&mut self, socket: &SimSocket) {
        lock(&self.kernel).shutdown(socket.conn);
    }

    fn peer(&self, _: &SimSocket) -> Option<SocketAddr> {
        None
    }

    fn bytes_mut(&mut self, buffer: &Buffer) -> &mut [u8] {
        &mut self.buffers[usize::from(buffer.id())]
    }

    fn is_ready(&mut self) -> bool {
        lock(&self.kernel).seems_ready(self.at)
    }

    fn recycle(&mut self, buffer: Buffer) {
        self.buffers[usize::from(buffer.id())].clear();
        lock(&self.kernel).recycle(self.at, buffer.id());
    }

    fn gather(
        &mut self,
        time: Duration,
        timeout: Option<Duration>,
        into: &mut Vec<Completion<SimSocket>>,
    ) -> io::Result<()> {
        assert!(time.is_zero() || timeout != Some(Duration::ZERO), "gathers while there is work");
        assert!(time <= GATHER_MAX, "gathers for {time:?}");
        let (woken, done) = lock(&self.kernel).take_done(self.at);
        for done in done {
            into.push(match done {
                Done::Accepted { result, more } => {
                    let kernel = self.kernel.clone();
                    let result = result.map(|conn| SimSocket { kernel, conn });
                    Completion::Accepted { listener: 0, result, more }
                }
                Done::Received { key, brought, more } => {
                    Completion::Received { key, received: self.received(brought), more }
                }
                Done::Sent { key, result, batch } => Completion::Sent { key, result, batch },
                Done::Written { result } => Completion::Written { result },
            });
        }
        if woken {
            into.push(Completion::Woken);
        }
        Ok(())
    }
}
