//! Listeners, and which of them accept connections.
//!
//! ```text
//!  Off ──arm──► Armed ──event──► Armed, ready ──nobody waits──► Armed
//!   ▲             │                  │
//!   └─────────────┴─cancel, failure──┘
//! ```
//! A listener is watched only while it is armed. Several rings may share one: the kernel notifies
//! one ring that sleeps, and that must not be a ring that does not accept.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::ring::{ListenSocket, Socket};

/// The connections that one turn accepts from one listener. Other rings that share it, or the next
/// turn, accept the rest.
const ACCEPTS_MAX: usize = 64;

/// A listener and whether an accept is armed on it.
pub(super) struct Accepting {
    listener: ListenSocket,
    pub(super) armed: bool,
    /// Whether a client may be waiting to be accepted; only while it is armed.
    pub(super) ready: bool,
}

impl Accepting {
    /// Takes a listener and makes it non-blocking, also for others that share it.
    pub(super) fn new(listener: ListenSocket) -> Self {
        let flags = fcntl_getfl(&listener).expect("it is open");
        fcntl_setfl(&listener, flags | OFlags::NONBLOCK).expect("every socket can be so");
        Self { listener, armed: false, ready: false }
    }

    /// Makes the kernel watch it.
    ///
    /// # Errors
    /// If the kernel has no memory for that.
    pub(super) fn arm(&mut self, epoll: &OwnedFd, data: EventData) -> io::Result<()> {
        self.armed = true;
        let watched = EventFlags::IN | EventFlags::ET;
        match epoll::add(epoll, &self.listener, data, watched | EventFlags::EXCLUSIVE) {
            // A sandbox may not know the flag. Then all rings that share the listener are notified.
            Err(Errno::INVAL) => epoll::add(epoll, &self.listener, data, watched)?,
            added => added?,
        }
        Ok(())
    }

    /// Notes an event.
    pub(super) fn note(&mut self) {
        self.ready = self.armed;
    }

    /// Ends the accept.
    pub(super) fn disarm(&mut self, epoll: &OwnedFd) {
        (self.armed, self.ready) = (false, false);
        // It is not watched if arming failed.
        let _not_there = epoll::delete(epoll, self.listener.as_fd());
    }

    /// Passes waiting connections to `accepted`, a bounded number.
    ///
    /// # Errors
    /// If accepting fails.
    pub(super) fn accept(&mut self, mut accepted: impl FnMut(Socket)) -> io::Result<()> {
        for _ in 0..ACCEPTS_MAX {
            match accept_with(&self.listener, SocketFlags::CLOEXEC) {
                Ok(socket) => accepted(Socket::from(socket)),
                Err(Errno::AGAIN) => {
                    self.ready = false;
                    break;
                }
                // A waiting client has disconnected; the others are not affected.
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
