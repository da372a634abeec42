//! [`Pause`]: a sleep that other threads can end, but completions cannot.
//!
//! io_uring can wait for several completions, and has a minimum wait of its own (6.12). Neither is
//! suitable, because a waker cannot end them: the kernel counts the waker's completion and
//! continues to sleep. So the thread sleeps on the waker only. Completions stay with the kernel
//! until they are requested, and wake no one.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::socket::Waker;

/// Watches the waker that ends a pause. Edge-triggered: it is written and never read.
pub(super) struct Pause {
    watch: OwnedFd,
    /// Whether the kernel has an event that the ring knows already.
    is_stale: bool,
    /// Memory for events.
    events: Vec<Event>,
}

impl Pause {
    pub(super) fn new(waker: &Waker) -> io::Result<Self> {
        let watch = epoll::create(CreateFlags::CLOEXEC)?;
        let rings = EventFlags::IN | EventFlags::ET;
        epoll::add(&watch, waker, EventData::new_u64(0), rings)?;
        Ok(Self { watch, is_stale: false, events: Vec::with_capacity(1) })
    }

    /// Notes that the ring has seen the waker's event, which must not end a later pause.
    pub(super) fn note_woken(&mut self) {
        self.is_stale = true;
    }

    /// Must be called before the ring checks for completions. If the waker is used later, it ends
    /// the pause; if it was used before, the check finds that.
    pub(super) fn prepare(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            let _told = epoll::wait(&self.watch, spare_capacity(&mut self.events), Some(&ZERO));
            self.events.clear();
        }
    }

    /// Sleeps for `time`, or less if the waker is used or a signal arrives.
    pub(super) fn rest(&mut self, time: Duration) {
        let Ok(time) = Timespec::try_from(time) else { return };
        let mut watch = [PollFd::new(&self.watch, PollFlags::IN)];
        // After a failure there is no pause: the next wait works without one.
        let _ended = poll(&mut watch, Some(&time));
    }
}

const ZERO: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
