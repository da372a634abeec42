//! The submission and completion queues, and the one syscall that moves both.
//!
//! Obligations towards the kernel: an entry's memory is the pusher's ([`Queue::push`]); the
//! syscall's arguments live on the stack across it. Used from the thread that made it; the kernel
//! refuses others (`SINGLE_ISSUER`).
//!
//! Completions are seen only after [`Queue::enter`]: with `DEFER_TASKRUN` the kernel works for this
//! ring inside that call and nowhere else. The call's descriptor is not registered: that saves a
//! reference count of some ten nanoseconds a turn, and the crate keeps its index in a borrow that
//! cannot outlive the call.

#![allow(unsafe_code)]

use std::io;
use std::time::Duration;

use io_uring::squeue::PushError;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, squeue};

/// How many completions a sleep waits for. One: latency first. A Linux with `DEFER_TASKRUN` then
/// returns about twenty at a time, which costs 0.05 syscalls each.
const COMPLETIONS_WANTED: usize = 1;

/// Kernel threads that may work for a ring: on files, which take one at a time here, and on what
/// may never end, which there is none of. Zero would not be taken as a bound.
const WORKERS_MAX: [u32; 2] = [2, 2];

/// The two queues of a ring.
pub(super) struct Queue {
    ring: IoUring,
    /// Whether completions did not fit their queue when it was last seen.
    overflowing: bool,
    /// Whether the last [`Queue::enter`] did not submit everything.
    leftovers: bool,
}

impl Queue {
    pub(super) fn new(ring: IoUring) -> Self {
        Self { ring, overflowing: false, leftovers: false }
    }

    /// Bounds the kernel threads that do this ring's file work, and keeps them to `cpus`; empty: to
    /// those the kernel chooses. On the CPU of the ring's own thread they stall it, milliseconds at
    /// a time. A setting that the kernel refuses stays as it is.
    pub(super) fn set_workers(&self, cpus: &[usize]) {
        let submitter = self.ring.submitter();
        let mut workers = WORKERS_MAX;
        if let Err(error) = submitter.register_iowq_max_workers(&mut workers) {
            log::debug!("io_uring: the kernel's threads are not bounded: {error}");
        }
        if cpus.is_empty() {
            return;
        }
        if let Err(error) = submitter.register_iowq_aff(&cpu_set(cpus)) {
            log::debug!("io_uring: the kernel's threads are not kept to CPUs {cpus:?}: {error}");
        }
    }

    /// Appends submissions, all or none: linked entries must be submitted at once. A queue without
    /// room refuses them: then [`Queue::enter`] makes some.
    ///
    /// # Safety
    /// Memory that the entries point at stays valid, and unaliased if the kernel writes it, until
    /// the entries' last completions.
    pub(super) unsafe fn push(&mut self, entries: &[squeue::Entry]) -> Result<(), PushError> {
        // SAFETY: passed on to the caller.
        unsafe { self.ring.submission().push_multiple(entries) }
    }

    /// Submits what was pushed and waits until a completion is there or `timeout` is over (`None`:
    /// for ever). Zero does not wait, and does not even ask the kernel when it has nothing to do.
    ///
    /// Interruption, time-out, lack of memory and a full completion queue end it early; the caller
    /// reaps and comes back, and what was not submitted is submitted then.
    ///
    /// # Errors
    /// Errors that the ring cannot survive, such as a lost completion (`EBADR`).
    pub(super) fn enter(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let entered = match timeout {
            Some(Duration::ZERO) => self.poll(),
            Some(timeout) => self.sleep(COMPLETIONS_WANTED, timeout),
            None => {
                let args = SubmitArgs::new();
                self.ring.submitter().submit_with_args(COMPLETIONS_WANTED, &args)
            }
        };
        self.end_enter(entered)
    }

    /// As [`Queue::enter`], but until `wanted` completions are there. No waker ends it.
    ///
    /// # Errors
    /// As for [`Queue::enter`].
    pub(super) fn gather(&mut self, wanted: usize, time: Duration) -> io::Result<()> {
        let entered = self.sleep(wanted, time);
        self.end_enter(entered)
    }

    fn sleep(&self, wanted: usize, time: Duration) -> io::Result<usize> {
        let time = Timespec::new().sec(time.as_secs()).nsec(time.subsec_nanos());
        let args = SubmitArgs::new().timespec(&time);
        self.ring.submitter().submit_with_args(wanted, &args)
    }

    fn end_enter(&mut self, entered: io::Result<usize>) -> io::Result<()> {
        match entered.map_err(|error| (error.raw_os_error(), error)) {
            Ok(_) | Err((Some(libc::EINTR | libc::ETIME | libc::EAGAIN | libc::EBUSY), _)) => {}
            Err((_, error)) => return Err(error),
        }
        self.watch();
        Ok(())
    }

    /// Whether the last [`Queue::enter`] left submissions in the queue, for want of memory. A link
    /// between one that went and one that did not is lost.
    pub(super) fn has_leftovers(&self) -> bool {
        self.leftovers
    }

    /// Moves all completions out, which makes room for the next.
    pub(super) fn reap(&mut self, into: &mut Vec<cqueue::Entry>) {
        into.extend(self.ring.completion());
    }

    /// Whether the kernel says that it has work for this ring, which it does in an enter. It may
    /// say so without having any.
    pub(super) fn has_work(&mut self) -> bool {
        self.ring.submission().taskrun()
    }

    /// Whether all completions there are were moved out.
    pub(super) fn is_drained(&mut self) -> bool {
        self.ring.completion().is_empty() && !self.ring.submission().cq_overflow()
    }

    /// Submits and lets the kernel do what it deferred, without sleeping.
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

    /// Completions that do not fit are kept by the kernel, at a price: the operator should know.
    fn watch(&mut self) {
        let queue = self.ring.submission();
        let overflowing = queue.cq_overflow();
        self.leftovers = !queue.is_empty();
        drop(queue);
        if overflowing && !self.overflowing {
            let entries = self.ring.params().cq_entries();
            log::warn!("io_uring: more than {entries} completions waited at once");
        }
        self.overflowing = overflowing;
    }
}

/// The kernel's form of a set of CPUs; numbers that it has no room for are left out.
fn cpu_set(cpus: &[usize]) -> libc::cpu_set_t {
    // SAFETY: cpu_set_t is a C structure of integers, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &cpu in cpus.iter().filter(|&&cpu| cpu < 8 * size_of::<libc::cpu_set_t>()) {
        // SAFETY: the set has a bit for this CPU.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    set
}

#[cfg(test)]
mod tests {
    use io_uring::opcode;

    use super::*;

    fn queue(entries: u32) -> Queue {
        Queue::new(IoUring::new(entries).expect("this machine has io_uring"))
    }

    fn nops(count: usize) -> Vec<squeue::Entry> {
        vec![opcode::Nop::new().build(); count]
    }

    /// Entries that are pushed together are submitted together or not at all.
    #[test]
    fn a_group_is_not_split() {
        for (before, group, fits) in [(6, 2, true), (7, 2, false), (8, 1, false), (0, 8, true)] {
            let mut queue = queue(8);
            for nop in nops(before) {
                // SAFETY: the entry points at no memory.
                unsafe { queue.push(&[nop]) }.expect("there is room");
            }
            // SAFETY: the entries point at no memory.
            let pushed = unsafe { queue.push(&nops(group)) };
            assert_eq!(pushed.is_ok(), fits);
            queue.enter(Some(Duration::ZERO)).expect("the ring works");
            let mut reaped = Vec::new();
            queue.reap(&mut reaped);
            assert_eq!(reaped.len(), before + if fits { group } else { 0 });
            assert!(!queue.has_leftovers());
        }
    }

    /// The kernel took the bound on its threads.
    #[test]
    fn workers_are_bounded() {
        let queue = queue(8);
        queue.set_workers(&[]);
        let mut found = [0, 0];
        queue.ring.submitter().register_iowq_max_workers(&mut found).expect("Linux 5.15");
        assert_eq!(found, WORKERS_MAX);
    }

    /// A set has the CPUs it was given, up to the last it has a bit for.
    #[test]
    fn sets_of_cpus() {
        let set = cpu_set(&[0, 63, 64, 1023, 1024, usize::MAX]);
        // SAFETY: the set has a bit for each of these CPUs.
        let found: Vec<usize> =
            (0..1024).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect();
        assert_eq!(found, [0, 63, 64, 1023]);
    }
}
