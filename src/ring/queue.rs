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

/// The kernel threads that may work for a ring: for files, which need one at a time here, and for
/// operations that may never end, which are not used here. The kernel ignores a bound of zero.
const WORKERS_MAX: [u32; 2] = [2, 2];

/// The two queues of a ring.
pub(super) struct Queue {
    ring: IoUring,
    /// Whether completions did not fit their queue when last checked.
    overflowing: bool,
    /// Whether the last [`Queue::enter`] left entries unsubmitted.
    leftovers: bool,
}

impl Queue {
    pub(super) fn new(ring: IoUring) -> Self {
        Self { ring, overflowing: false, leftovers: false }
    }

    /// Bounds the kernel threads for this ring's file work, and binds them to `cpus`; if empty, the
    /// kernel chooses. On the CPU of the ring's own thread they would delay it by milliseconds. A
    /// setting that the kernel refuses stays as it is.
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

    /// Appends submissions, all or none: linked entries must be submitted together. If the queue
    /// has no room, it refuses them; [`Queue::enter`] makes room.
    ///
    /// # Safety
    /// Memory of the entries must stay valid, and unaliased if the kernel writes it, until their
    /// last completions.
    pub(super) unsafe fn push(&mut self, entries: &[squeue::Entry]) -> Result<(), PushError> {
        // SAFETY: passed on to the caller.
        unsafe { self.ring.submission().push_multiple(entries) }
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
            Some(timeout) => self.sleep(COMPLETIONS_WANTED, timeout),
            None => {
                let args = SubmitArgs::new();
                self.ring.submitter().submit_with_args(COMPLETIONS_WANTED, &args)
            }
        };
        self.end_enter(entered)
    }

    /// As [`Queue::enter`], but until there are `wanted` completions. No waker ends it.
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

    /// Whether the last [`Queue::enter`] left submissions in the queue for lack of memory. A link
    /// between a submitted entry and another one is lost.
    pub(super) fn has_leftovers(&self) -> bool {
        self.leftovers
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

/// The kernel's form of a set of CPUs; numbers that do not fit are left out.
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

    /// The kernel has accepted the bound on its threads.
    #[test]
    fn workers_are_bounded() {
        let queue = queue(8);
        queue.set_workers(&[]);
        let mut found = [0, 0];
        queue.ring.submitter().register_iowq_max_workers(&mut found).expect("Linux 5.15");
        assert_eq!(found, WORKERS_MAX);
    }

    /// A set has the given CPUs, up to the last one that has a bit.
    #[test]
    fn sets_of_cpus() {
        let set = cpu_set(&[0, 63, 64, 1023, 1024, usize::MAX]);
        // SAFETY: the set has a bit for each of these CPUs.
        let found: Vec<usize> =
            (0..1024).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect();
        assert_eq!(found, [0, 63, 64, 1023]);
    }
}
