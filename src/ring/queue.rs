//! The submission and completion queues, and the one syscall that moves both.
//!
//! Obligations towards the kernel: the memory of an entry belongs to the caller of [`Queue::push`];
//! the syscall's arguments stay on the stack during the call. The queue is used only from the
//! thread that made it; the kernel refuses others (`SINGLE_ISSUER`).
//!
//! Completions are visible only after [`Queue::enter`]: with `DEFER_TASKRUN` the kernel works for
//! this ring only inside that call. The call's descriptor is not registered. That would save a
//! reference count of about ten nanoseconds a turn, but the crate keeps its index in a borrow that
//! cannot outlive the call.

#![allow(unsafe_code)]

use std::io;
use std::time::Duration;

use io_uring::squeue::PushError;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, squeue};

/// The completions for which a sleep waits. One, because latency comes first. With `DEFER_TASKRUN`
/// Linux then returns about twenty at a time, which costs 0.05 syscalls each.
const COMPLETIONS_WANTED: usize = 1;

/// The kernel threads that may work for a ring, for each kind of work. Operations on sockets need
/// none. The kernel ignores a bound of zero.
const WORKERS_MAX: [u32; 2] = [1, 1];

/// The two queues of a ring.
pub(super) struct Queue {
    ring: IoUring,
    /// Whether completions did not fit their queue when last checked.
    overflowing: bool,
}

impl Queue {
    pub(super) fn new(ring: IoUring) -> Self {
        Self { ring, overflowing: false }
    }

    /// Bounds the kernel threads that work for this ring. A setting that the kernel refuses stays
    /// as it is.
    pub(super) fn bound_workers(&self) {
        let mut workers = WORKERS_MAX;
        if let Err(error) = self.ring.submitter().register_iowq_max_workers(&mut workers) {
            log::debug!("io_uring: the kernel's threads are not bounded: {error}");
        }
    }

    /// Appends a submission. A full queue refuses it; [`Queue::enter`] makes room.
    ///
    /// # Safety
    /// Memory of the entry must stay valid, and unaliased if the kernel writes it, until its last
    /// completion.
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) -> Result<(), PushError> {
        // SAFETY: passed on to the caller.
        unsafe { self.ring.submission().push(entry) }
    }

    /// Submits the pushed entries and waits until there is a completion or `timeout` is over
    /// (`None`: without limit). Zero does not wait, and makes no call if the kernel has nothing to
    /// do.
    ///
    /// Interruption, time-out, lack of memory and a full completion queue end it early. The caller
    /// reaps completions and calls again, which submits the other entries.
    ///
    /// # Errors
    /// Errors that the ring cannot survive, such as a lost completion (`EBADR`).
    pub(super) fn enter(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let entered = match timeout {
            Some(Duration::ZERO) => self.poll(),
            Some(timeout) => {
                let time = Timespec::new().sec(timeout.as_secs()).nsec(timeout.subsec_nanos());
                let args = SubmitArgs::new().timespec(&time);
                self.ring.submitter().submit_with_args(COMPLETIONS_WANTED, &args)
            }
            None => {
                let args = SubmitArgs::new();
                self.ring.submitter().submit_with_args(COMPLETIONS_WANTED, &args)
            }
        };
        match entered.map_err(|error| (error.raw_os_error(), error)) {
            Ok(_) | Err((Some(libc::EINTR | libc::ETIME | libc::EAGAIN | libc::EBUSY), _)) => {}
            Err((_, error)) => return Err(error),
        }
        self.watch();
        Ok(())
    }

    /// Moves all completions out, which makes room for others.
    pub(super) fn reap(&mut self, into: &mut Vec<cqueue::Entry>) {
        into.extend(self.ring.completion());
    }

    /// Whether the kernel reports work for this ring, which it does in an enter. The report may be
    /// stale.
    pub(super) fn has_work(&mut self) -> bool {
        self.ring.submission().taskrun()
    }

    /// Whether all present completions were moved out.
    pub(super) fn is_drained(&mut self) -> bool {
        self.ring.completion().is_empty() && !self.ring.submission().cq_overflow()
    }

    /// Submits, and lets the kernel do deferred work, without sleeping.
    fn poll(&mut self) -> io::Result<usize> {
        let queue = self.ring.submission();
        let pending = u32::try_from(queue.len()).expect("a queue's length has 32 bits");
        if pending == 0 && !queue.taskrun() && !queue.cq_overflow() {
            return Ok(0);
        }
        drop(queue);
        let flags = EnterFlags::GETEVENTS.bits();
        let submitter = self.ring.submitter();
        // SAFETY: `pending` entries are in the queue, the flags ask for no argument, and none is
        // given.
        unsafe { submitter.enter::<libc::sigset_t>(pending, 0, flags, None) }
    }

    /// The kernel keeps completions that do not fit, at a cost that the operator should know.
    fn watch(&mut self) {
        let overflowing = self.ring.submission().cq_overflow();
        if overflowing && !self.overflowing {
            let entries = self.ring.params().cq_entries();
            log::warn!("io_uring: more than {entries} completions waited at once");
        }
        self.overflowing = overflowing;
    }
}

#[cfg(test)]
mod tests {
    use io_uring::opcode;

    use super::*;

    fn queue(entries: u32) -> Queue {
        Queue::new(IoUring::new(entries).expect("this machine has io_uring"))
    }

    /// A full queue refuses an entry, and accepts it after an enter.
    #[test]
    fn a_full_queue_refuses() {
        let mut queue = queue(8);
        let nop = opcode::Nop::new().build();
        for _ in 0..8 {
            // SAFETY: the entry points to no memory.
            unsafe { queue.push(&nop) }.expect("there is room");
        }
        // SAFETY: the entry points to no memory.
        unsafe { queue.push(&nop) }.expect_err("there is none");
        queue.enter(Some(Duration::ZERO)).expect("the ring works");
        // SAFETY: the entry points to no memory.
        unsafe { queue.push(&nop) }.expect("there is room again");
        queue.enter(Some(Duration::ZERO)).expect("the ring works");
        let mut reaped = Vec::new();
        queue.reap(&mut reaped);
        assert_eq!(reaped.len(), 9);
    }

    /// The kernel has accepted the bound on its threads.
    #[test]
    fn workers_are_bounded() {
        let queue = queue(8);
        queue.bound_workers();
        let mut found = [0, 0];
        queue.ring.submitter().register_iowq_max_workers(&mut found).expect("Linux 5.15");
        assert_eq!(found, WORKERS_MAX);
    }
}
