//! The number of a link's socket, which an operation keeps while the caller owns the socket.
//!
//! Obligation of its owners: the number is used only while the link has an operation in flight. The
//! trait requires the caller to drop a socket only after that.

#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::ring::Socket;

/// See the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Descriptor(RawFd);

impl Descriptor {
    pub(super) fn of(socket: &Socket) -> Self {
        Self(socket.as_fd().as_raw_fd())
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the number is that of an open socket, so it is not -1, and the socket stays open
        // as long as its link has an operation in flight, as the module asks.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}
