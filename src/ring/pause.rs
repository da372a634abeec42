//! [`Pause`]: a sleep that other threads and the end of a write can end, and that what else
//! completes meanwhile does not.
//!
//! io_uring can wait for several completions, and has a minimum wait of its own (6.12). Neither is
//! for this, because a waker cannot end them: the kernel counts the waker's completion and sleeps
//! on. So the thread sleeps on the signals and nothing else; what completes stays with the kernel
//! until it is asked for, and wakes nobody.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::socket::Waker;

/// Signals that end a pause: the ring's waker, and that of its writer.
const SIGNALS: usize = 2;

/// Watches the signals that end a pause. Edge-triggered: they are written and never read.
pub(super) struct Pause {
    watch: OwnedFd,
    /// Whether the kernel has an event that the ring knows already.
    is_stale: bool,
    /// Memory for events.
    events: Vec<Event>,
}

impl Pause {
    pub(super) fn new(signals: [&Waker; SIGNALS]) -> io::Result<Self> {
        let watch = epoll::create(CreateFlags::CLOEXEC)?;
        let rings = EventFlags::IN | EventFlags::ET;
        for signal in signals {
            epoll::add(&watch, signal, EventData::new_u64(0), rings)?;
        }
        Ok(Self { watch, is_stale: false, events: Vec::with_capacity(SIGNALS) })
    }

    /// The ring has seen a signal: that ends no later pause.
    pub(super) fn note_signal(&mut self) {
        self.is_stale = true;
    }

    /// To be called before the ring looks for what it would not pause for: a signal that rings
    /// after this ends the pause, and one that rang before is seen by that look.
    pub(super) fn prepare(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            let _told = epoll::wait(&self.watch, spare_capacity(&mut self.events), Some(&ZERO));
            self.events.clear();
        }
    }

    /// Sleeps for `time`, less if a signal rings, or the process gets a Unix signal.
    pub(super) fn rest(&mut self, time: Duration) {
        let Ok(time) = Timespec::try_from(time) else { return };
        let mut watch = [PollFd::new(&self.watch, PollFlags::IN)];
        // After a failure there is no pause: the next wait works without one.
        let _ended = poll(&mut watch, Some(&time));
    }
}

const ZERO: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
