//! [`Pause`]: a sleep that other threads can end, and that what completes meanwhile does not.
//!
//! io_uring has a minimum wait of its own (6.12). It is not used, because a waker cannot end it: the
//! kernel counts the waker's completion and sleeps on. So the thread sleeps on the descriptors that
//! may end the pause and on nothing else; what completes stays with the kernel until it is asked
//! for, and wakes nobody.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Descriptors that may end a pause: the waker, and with epoll the writer's signal.
const ENDERS_MAX: usize = 2;

/// The descriptors that end a pause. Edge-triggered: the waker is written and never read.
pub(super) struct Pause {
    enders: OwnedFd,
    /// Whether the kernel has something to tell that the ring knows already.
    is_stale: bool,
    /// Room for what the kernel tells.
    events: Vec<Event>,
}

impl Pause {
    pub(super) fn new() -> io::Result<Self> {
        let enders = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { enders, is_stale: false, events: Vec::with_capacity(ENDERS_MAX) })
    }

    /// From now on this descriptor ends a pause when it becomes readable.
    pub(super) fn add_ender(&self, ender: &impl AsFd) -> io::Result<()> {
        let readable = EventFlags::IN | EventFlags::ET;
        Ok(epoll::add(&self.enders, ender, EventData::new_u64(0), readable)?)
    }

    /// The ring has seen that a descriptor became readable: that ends no later pause.
    pub(super) fn note_ended(&mut self) {
        self.is_stale = true;
    }

    /// To be called before the ring looks for what it would not pause for: a descriptor that
    /// becomes readable after this ends the pause, one that did before is seen by that look.
    pub(super) fn prepare(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            let _told = epoll::wait(&self.enders, spare_capacity(&mut self.events), Some(&ZERO));
            self.events.clear();
        }
    }

    /// Sleeps for `time`, less if a descriptor has become readable, and at a signal.
    pub(super) fn rest(&mut self, time: Duration) {
        let Ok(time) = Timespec::try_from(time) else { return };
        let mut enders = [PollFd::new(&self.enders, PollFlags::IN)];
        // A failure is a pause of no time: the wait that follows does without.
        let _ended = poll(&mut enders, Some(&time));
    }
}

const ZERO: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
