//! The sends in flight: their memory and progress.
//!
//! ```text
//! begin ──► due ──step──┬─ whole, or failed ──► end
//!            ▲          └─ no room ──► waiting ──room, hang-up──┐
//!            └──────────────────────────────────────────────────┘
//! ```
//! Invariant: `sent` is below the size of the first [`SEND_CHUNKS_MAX`] slices, unless the send
//! ends.

use std::io::{self, IoSlice};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use slab::Slab;

use crate::chunk::Batch;
use crate::limits::SEND_CHUNKS_MAX;

use super::descriptor::Descriptor;

/// NOSIGNAL: a closed peer is a result. DONTWAIT: the socket's own mode does not matter.
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

/// A send in flight.
pub(super) struct Sending {
    pub(super) socket: Descriptor,
    batch: Batch,
    /// Bytes that were sent.
    sent: usize,
    /// Whether it waits for the kernel to report room; otherwise it is due.
    pub(super) waits: bool,
    /// Whether no one waits for its end.
    pub(super) is_quiet: bool,
}

/// The result of one step.
pub(super) enum Step {
    /// It has ended.
    Ended(io::Result<usize>),
    /// There may be room for more.
    Short,
    /// There is no room.
    Full,
}

/// All sends in flight.
#[derive(Default)]
pub(super) struct Sends {
    slots: Slab<Sending>,
}

impl Sends {
    /// Takes a batch until [`Sends::end`].
    ///
    /// # Panics
    /// If the batch is empty.
    pub(super) fn begin(&mut self, socket: Descriptor, batch: Batch) -> u32 {
        assert!(!batch.is_empty(), "a send has something to send");
        let slot =
            self.slots.insert(Sending { socket, batch, sent: 0, waits: false, is_quiet: false });
        u32::try_from(slot).expect("no more sends than links, which have 32 bits")
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Sending {
        &mut self.slots[slot as usize]
    }

    /// Returns the batch and the number of bytes that were sent.
    pub(super) fn end(&mut self, slot: u32) -> (Batch, usize) {
        let Sending { batch, sent, .. } = self.slots.remove(slot as usize);
        (batch, sent)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Releases memory if no send is in flight.
    pub(super) fn reclaim(&mut self) {
        if self.slots.is_empty() {
            self.slots = Slab::new();
        }
    }
}

impl Sending {
    /// Sends as many bytes as there is room for.
    pub(super) fn step(&mut self) -> Step {
        let mut vectors = [IoSlice::new(&[]); SEND_CHUNKS_MAX];
        let (mut count, mut left, mut skipped) = (0, 0, self.sent);
        for slice in self.batch.slices().take(SEND_CHUNKS_MAX) {
            let rest = slice.get(skipped..).unwrap_or_default();
            skipped -= slice.len() - rest.len();
            if !rest.is_empty() {
                vectors[count] = IoSlice::new(rest);
                count += 1;
                left += rest.len();
            }
        }
        let went = match &vectors[..count] {
            [one] => rustix::net::send(self.socket, one, SEND_FLAGS),
            several => {
                let mut control = SendAncillaryBuffer::default();
                rustix::net::sendmsg(self.socket, several, &mut control, SEND_FLAGS)
            }
        };
        match went {
            Ok(bytes) => {
                self.sent += bytes;
                if bytes == left { Step::Ended(Ok(self.sent)) } else { Step::Short }
            }
            Err(Errno::AGAIN) => Step::Full,
            Err(Errno::INTR) => Step::Short,
            // Bytes sent before are reported first; the next send sees the error of the connection.
            Err(_) if self.sent > 0 => Step::Ended(Ok(self.sent)),
            Err(error) => Step::Ended(Err(error.into())),
        }
    }
}
