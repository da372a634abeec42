//! [`Pause`]: a sleep that other threads and the end of a write can end, but other completions
//! cannot.
//!
//! io_uring can wait for several completions, and has a minimum wait of its own (6.12). Neither
//! works here, because a waker cannot end them: the kernel counts the waker's completion and
//! continues to sleep. So the thread sleeps only on the signals. Completions stay in the kernel
//! until they are requested, and wake no thread.

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

    /// Notes that the ring has seen a signal, which then ends no later pause.
    pub(super) fn note_signal(&mut self) {
        self.is_stale = true;
    }

    /// Must be called before the ring checks for work: a signal after this call ends the pause, and
    /// that check sees the effects of an earlier one.
    pub(super) fn prepare(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            let _told = epoll::wait(&self.watch, spare_capacity(&mut self.events), Some(&ZERO));
            self.events.clear();
        }
    }

    /// Sleeps for `time`, less if a signal rings or the process gets a Unix signal.
    pub(super) fn rest(&mut self, time: Duration) {
        let Ok(time) = Timespec::try_from(time) else { return };
        let mut watch = [PollFd::new(&self.watch, PollFlags::IN)];
        // After a failure there is no pause: the next wait works without one.
        let _ended = poll(&mut watch, Some(&time));
    }
}

const ZERO: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
