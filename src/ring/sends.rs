//! The memory of sends in flight: each batch, and the vectors that describe it to the kernel.
//!
//! Obligations towards the kernel, kept here:
//! - The memory of [`Sends::begin`] stays in place, unread and unwritten by us, until
//!   [`Sends::end`]: a batch's bytes are on the heap and never move, and a [`Message`] is boxed.
//! - [`Sends`] is not dropped while a send is in flight; its owner leaks it instead.

#![allow(unsafe_code)]

use std::ptr;

use slab::Slab;

use crate::chunk::Batch;
use crate::limits::SEND_CHUNKS_MAX;

/// The messages kept for reuse, 1 KiB each. The memory of others is freed.
const MESSAGES_KEPT_MAX: usize = 1024;

/// The most bytes of one buffer that the kernel sends (`MAX_RW_COUNT`); more are a short send.
const SLICE_BYTES_MAX: u32 = 0x7fff_f000;

/// A `msghdr` and its vectors. `header` points into `vectors`.
struct Message {
    header: libc::msghdr,
    vectors: [libc::iovec; SEND_CHUNKS_MAX],
}

/// A send in flight.
struct Sending {
    batch: Batch,
    /// Only if the batch has several slices.
    message: Option<Box<Message>>,
    /// The kernel's result if all bytes are sent and no one waits for that; `None`: someone waits.
    quiet_bytes: Option<i32>,
}

/// The arguments of a send operation. Valid until [`Sends::end`] of its slot.
pub(super) enum Prepared {
    /// One slice.
    Slice {
        address: *const u8,
        bytes: u32,
    },
    Message(*const libc::msghdr),
}

/// All sends in flight, and messages for the next ones.
#[derive(Default)]
pub(super) struct Sends {
    slots: Slab<Sending>,
    /// Never more than [`MESSAGES_KEPT_MAX`].
    #[expect(clippy::vec_box, reason = "a message keeps its memory when it is used again")]
    messages: Vec<Box<Message>>,
}

impl Sends {
    /// Takes the batch until [`Sends::end`], and describes its first [`SEND_CHUNKS_MAX`] slices.
    ///
    /// # Panics
    /// If the batch is empty.
    pub(super) fn begin(&mut self, batch: Batch) -> (u32, Prepared) {
        assert!(!batch.is_empty(), "a send has something to send");
        let message = (batch.len() > 1).then(|| self.messages.pop().unwrap_or_else(Message::new));
        let entry = self.slots.vacant_entry();
        let slot =
            u32::try_from(entry.key()).expect("no more sends than links, which have 32 bits");
        // The pointers are made from the final place, which does not change.
        let sending = entry.insert(Sending { batch, message, quiet_bytes: None });
        let prepared = match &mut sending.message {
            Some(message) => Prepared::Message(message.describe(sending.batch.slices())),
            None => Prepared::slice(&sending.batch),
        };
        (slot, prepared)
    }

    /// Sets whether no one waits for the end of this send.
    pub(super) fn set_quiet(&mut self, slot: u32, is_quiet: bool) {
        let sending = &mut self.slots[slot as usize];
        let whole = || i32::try_from(sending.batch.bytes()).ok();
        sending.quiet_bytes = if is_quiet { whole() } else { None };
    }

    /// Whether no one waits for the end of this send, and `result` means that all bytes were sent.
    pub(super) fn is_quiet_end(&self, slot: u32, result: i32) -> bool {
        self.slots[slot as usize].quiet_bytes == Some(result)
    }

    /// Returns the batch after the kernel has finished with it.
    ///
    /// # Panics
    /// If the send has ended before.
    pub(super) fn end(&mut self, slot: u32) -> Batch {
        let Sending { batch, message, .. } = self.slots.remove(slot as usize);
        if self.messages.len() < MESSAGES_KEPT_MAX {
            self.messages.extend(message);
        }
        batch
    }

    /// Returns memory if no send is in flight.
    pub(super) fn reclaim(&mut self) {
        if self.slots.is_empty() {
            *self = Self::default();
        }
    }
}

impl Prepared {
    fn slice(batch: &Batch) -> Self {
        let slice = batch.slices().next().expect("the batch is not empty");
        let bytes = u32::try_from(slice.len()).map_or(SLICE_BYTES_MAX, |n| n.min(SLICE_BYTES_MAX));
        Self::Slice { address: slice.as_ptr(), bytes }
    }
}

impl Message {
    fn new() -> Box<Self> {
        // SAFETY: msghdr is a C structure of integers and pointers, for which zero is a value.
        let header = unsafe { std::mem::zeroed() };
        let empty = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        Box::new(Self { header, vectors: [empty; SEND_CHUNKS_MAX] })
    }

    fn describe<'a>(&mut self, slices: impl Iterator<Item = &'a [u8]>) -> *const libc::msghdr {
        let mut count = 0;
        for (vector, slice) in self.vectors.iter_mut().zip(slices) {
            vector.iov_base = slice.as_ptr().cast_mut().cast();
            vector.iov_len = slice.len();
            count += 1;
        }
        self.header.msg_iov = self.vectors.as_mut_ptr();
        self.header.msg_iovlen = count;
        &raw const self.header
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunk;

    fn batch(chunks: usize) -> Batch {
        let mut batch = Batch::default();
        for _ in 0..chunks {
            batch.push(Chunk::Owned(b"abc".to_vec()));
        }
        batch
    }

    /// One slice needs no message; several use one that is reused; too many are cut.
    #[test]
    fn messages_are_reused() {
        let mut sends = Sends::default();
        let mut headers = Vec::new();
        for chunks in [1, 2, SEND_CHUNKS_MAX, SEND_CHUNKS_MAX + 1] {
            let (slot, prepared) = sends.begin(batch(chunks));
            assert_eq!(slot, 0);
            match prepared {
                Prepared::Slice { bytes, .. } => assert_eq!((chunks, bytes), (1, 3)),
                Prepared::Message(header) => headers.push(header),
            }
            let described = sends.slots[0].message.as_ref();
            let count = described.map_or(1, |message| message.header.msg_iovlen);
            assert_eq!(count, chunks.min(SEND_CHUNKS_MAX));
            assert_eq!(sends.end(slot).len(), chunks);
        }
        assert!(headers.len() == 3 && headers.iter().all(|header| *header == headers[0]));
    }

    /// Memory is returned when no send is in flight, and not before; otherwise it is reused.
    #[test]
    fn memory_goes_back_when_idle() {
        let mut sends = Sends::default();
        let slots: Vec<u32> = (0..1000).map(|_| sends.begin(batch(2)).0).collect();
        sends.reclaim();
        assert!(sends.slots.len() == 1000, "they are in flight");
        slots.into_iter().for_each(|slot| drop(sends.end(slot)));
        sends.reclaim();
        assert_eq!(sends.slots.capacity() + sends.messages.capacity(), 0);
        assert_eq!(sends.begin(batch(1)).0, 0);
    }

    /// A prepared send stays in place while other sends begin and end.
    #[test]
    fn prepared_memory_stays() {
        let mut sends = Sends::default();
        let (first, Prepared::Message(header)) = sends.begin(batch(2)) else {
            panic!("two slices are a message");
        };
        let others: Vec<u32> = (0..1000).map(|_| sends.begin(batch(2)).0).collect();
        for slot in others {
            drop(sends.end(slot));
        }
        let message = sends.slots[first as usize].message.as_ref();
        assert!(message.is_some_and(|message| ptr::eq(&raw const message.header, header)));
    }
}
