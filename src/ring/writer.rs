//! The thread that writes to files, so that a disk never blocks the ring: one write at a time, one
//! result for each.
//!
//! A result is in its channel before its signal. Dropping the writer waits for the present write.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use bytes::{Buf, Bytes};
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::ring::sync_failure::sync_failure;
use crate::ring::{Wake, Waker};

/// The number of interruptions in a row, with nothing written between, after which the write fails:
/// more retries would keep a core busy.
const INTERRUPTIONS_MAX: u32 = 1000;

/// A requested write.
struct Job {
    file: Arc<OwnedFd>,
    offset: u64,
    bytes: Bytes,
    sync: bool,
}

/// See the file.
pub(super) struct Writer {
    /// `None` while it is dropped.
    jobs: Option<SyncSender<Job>>,
    results: Receiver<io::Result<()>>,
    signal: Waker,
    is_busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on these CPUs; on those of the caller if there are none.
    ///
    /// # Errors
    /// If the system has no thread or descriptor left.
    pub(super) fn start(cpus: Vec<usize>) -> io::Result<Self> {
        let signal = Waker::new()?;
        let (jobs, to_do) = sync_channel::<Job>(1);
        let (done, results) = sync_channel(1);
        let ring = signal.clone();
        let owner = thread::current();
        let name = format!("{}-writer", owner.name().unwrap_or("ring"));
        let work = move || {
            settle_on(&cpus);
            for job in to_do {
                // File and bytes are released before the result is sent.
                if done.send(job.run()).is_err() {
                    return;
                }
                ring.wake();
            }
        };
        let thread = Some(thread::Builder::new().name(name).spawn(work)?);
        Ok(Self { jobs: Some(jobs), results, signal, is_busy: false, thread })
    }

    /// Becomes readable when there is a result, once for each.
    pub(super) fn signal(&self) -> &Waker {
        &self.signal
    }

    /// Takes a write; the next result is that of this write.
    ///
    /// # Panics
    /// If there is one already, or if `bytes` is empty or has 4 GiB or more.
    pub(super) fn begin(&mut self, file: Arc<OwnedFd>, offset: u64, bytes: Bytes, sync: bool) {
        assert!(!self.is_busy, "one write at a time");
        assert!(!bytes.is_empty(), "a write has something to write");
        assert!(u32::try_from(bytes.len()).is_ok(), "a write is shorter than 4 GiB");
        assert!(i64::try_from(offset).is_ok(), "a file's offsets have 63 bits");
        self.is_busy = true;
        let job = Job { file, offset, bytes, sync };
        let jobs = self.jobs.as_ref().expect("it is there until the drop");
        jobs.send(job).expect("the thread ends with its writer");
    }

    /// The result of the write, if there is one.
    pub(super) fn take_result(&mut self) -> Option<io::Result<()>> {
        match self.results.try_recv() {
            Ok(result) => {
                self.is_busy = false;
                Some(result)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the thread that writes has panicked"),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported already.
            let _panicked = thread.join();
        }
    }
}

impl Job {
    fn run(self) -> io::Result<()> {
        let Self { file, offset, bytes, sync } = self;
        write_whole(bytes, offset, |bytes, offset| rustix::io::pwrite(&file, bytes, offset))?;
        if sync {
            // A sync is never repeated: the kernel reports lost pages once, and then considers them
            // clean.
            rustix::fs::fdatasync(&file).map_err(|error| sync_failure(error.into()))?;
        }
        Ok(())
    }
}

/// Writes all of `bytes`, even if each call writes little.
fn write_whole(
    mut bytes: Bytes,
    mut offset: u64,
    mut write: impl FnMut(&[u8], u64) -> rustix::io::Result<usize>,
) -> io::Result<()> {
    let mut interruptions = 0;
    while !bytes.is_empty() {
        match write(&bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes.advance(count);
                offset += count as u64;
                interruptions = 0;
            }
            Err(Errno::INTR | Errno::AGAIN) if interruptions < INTERRUPTIONS_MAX => {
                interruptions += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Binds the calling thread to these CPUs, if there are any.
fn settle_on(cpus: &[usize]) {
    if cpus.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    if let Err(error) = sched_setaffinity(None, &set) {
        log::warn!("cannot keep the thread that writes to its CPUs: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that accepts a part at a time gets all bytes in order and in place, also with
    /// interruptions now and then.
    #[test]
    fn short_writes_go_on() {
        for part in [1, 3, 9, 10, 11] {
            let (mut file, mut calls) = (vec![0; 5], 0);
            let written = write_whole(Bytes::from_static(b"0123456789"), 5, |bytes, offset| {
                calls += 1;
                if calls % 3 == 1 {
                    return Err(Errno::INTR);
                }
                assert_eq!(offset, file.len() as u64);
                let taken = &bytes[..part.min(bytes.len())];
                file.extend_from_slice(taken);
                Ok(taken.len())
            });
            assert!(written.is_ok() && file[5..] == *b"0123456789", "{part} at a time");
        }
    }

    /// A write that cannot continue is an error: a failing rest, a file that accepts no bytes,
    /// endless interruptions.
    #[test]
    fn what_cannot_go_on_fails() {
        type Answer = fn(usize) -> rustix::io::Result<usize>;
        let cases: [(Answer, Option<i32>); 3] = [
            (|call| if call == 0 { Ok(4) } else { Err(Errno::NOSPC) }, Some(libc::ENOSPC)),
            (|call| Ok(if call == 0 { 4 } else { 0 }), None),
            (|_| Err(Errno::INTR), Some(libc::EINTR)),
        ];
        for (answer, errno) in cases {
            let mut calls = 0;
            let written = write_whole(Bytes::from_static(b"0123456789"), 0, |_, _| {
                calls += 1;
                answer(calls - 1)
            });
            assert_eq!(written.expect_err("it fails").raw_os_error(), errno);
        }
    }
}
