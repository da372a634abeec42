//! The provided-buffer ring: receive buffers from which the kernel picks.
//!
//! In the mapping of the [`Pool`], the ring of entries precedes the buffers. A buffer is with the
//! kernel (in the ring, or picked by an operation), lent to the caller, or free.
//!
//! The kernel takes buffers in the ring's order, as many as it has data for. If all of them were
//! always in the ring, a turn of fast streams would receive more than the processor's cache holds,
//! and each buffer would be the one that was used longest ago. So only enough for one [`Intake`]
//! are outside of the free list at a time, judged by how full buffers come back, and the buffer
//! that was recycled last is provided first.
//!
//! Obligations towards the kernel, kept here:
//! - Entries below the published tail are not written again before the kernel has returned their
//!   buffer. There are as many entries as buffers, so the ring cannot overrun.
//! - Entry 0's last field *is* the tail: entries are written field by field, never whole.
//! - The tail is stored with Release after the entries it covers; the partner is the kernel's
//!   acquiring load.
//! - The kernel writes by address, so a buffer in the ring may lose its pages at any time. They are
//!   mapped again when it writes.
//! - The pool is unmapped after the ring's descriptor is closed and nothing is in flight, or never.

#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;

use super::intake::Intake;
use super::pool::Pool;
use super::{Buffer, Rearm};

/// An entry of the ring as the kernel defines it (`struct io_uring_buf`).
#[repr(C)]
struct Entry {
    address: u64,
    bytes: u32,
    id: u16,
    /// In entry 0 only: the ring's tail. Reserved in all others.
    tail: u16,
}

const _: () = assert!(size_of::<Entry>() == 16);

/// The average fill of buffers follows the present one by this part of the difference.
const FILL_WEIGHT: i64 = 8;

/// See the file.
pub(super) struct Buffers {
    /// The number of buffers is a power of two.
    pool: Pool,
    /// Entries written; wraps. `published <= tail <= published + count`, as counters.
    tail: u16,
    /// Entries that the kernel may use; wraps.
    published: u16,
    /// Buffers that are neither with the kernel nor lent; the last is provided first.
    free: Vec<u16>,
    /// The average number of bytes in a received buffer.
    fill: u32,
    intake: Intake,
}

impl Buffers {
    /// Maps the memory and puts every buffer in the ring. The pages of a buffer use no memory until
    /// the kernel first writes to it.
    ///
    /// # Errors
    /// If there is not enough address space.
    ///
    /// # Panics
    /// If `count` is not a power of two up to 32,768, the kernel's limit.
    pub(super) fn new(count: u16, buffer_bytes: u32) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel wants a power of two");
        let pool = Pool::new(usize::from(count) * size_of::<Entry>(), count, buffer_bytes)?;
        let free = (0..count).rev().collect();
        let mut buffers =
            Self { pool, tail: 0, published: 0, free, fill: 0, intake: Intake::default() };
        buffers.publish();
        Ok(buffers)
    }

    /// Registers the buffers with the kernel under a group's number. They outlive the ring.
    ///
    /// # Errors
    /// If the kernel does not support provided-buffer rings, or these flags.
    pub(super) fn register(&self, ring: &Submitter, group: u16, flags: u16) -> io::Result<()> {
        let address = self.pool.front(0).expose_provenance() as u64;
        // SAFETY: the entries start at `address`, page-aligned, `count` of them, and stay until the
        // ring is closed: `Uring` drops its buffers after its queue.
        unsafe { ring.register_buf_ring_with_flags(address, self.pool.count(), group, flags) }
    }

    /// Lends a buffer that an operation has filled with `len` bytes.
    ///
    /// # Panics
    /// If the kernel does not own that buffer, or it is smaller.
    pub(super) fn lend(&mut self, id: u16, len: u32) -> Buffer {
        let fill = i64::from(self.fill);
        let step = (i64::from(len) - fill) / FILL_WEIGHT;
        self.fill = u32::try_from(fill + step).expect("between two lengths");
        self.intake.note_received(len);
        self.pool.lend(id, len)
    }

    /// Notes that the kernel has sent something.
    pub(super) fn note_sent(&mut self, bytes: u32) {
        self.intake.note_sent(bytes);
    }

    /// The number of buffers outside of the free list.
    fn wanted(&self) -> u16 {
        let wanted = self.intake.bytes().checked_div(self.fill).unwrap_or(u32::MAX);
        u16::try_from(wanted).unwrap_or(u16::MAX).clamp(1, self.pool.count())
    }

    /// What to arm in a turn after receives that found no buffer.
    pub(super) fn rearm(&self) -> Rearm {
        let are_streams = self.fill > self.pool.buffer_bytes() / 2;
        Rearm { receives: usize::from(self.wanted()), are_streams }
    }

    /// The bytes of a lent buffer.
    ///
    /// # Panics
    /// If it is not lent by this ring.
    pub(super) fn bytes_mut(&mut self, buffer: &Buffer) -> &mut [u8] {
        self.pool.bytes_mut(buffer)
    }

    /// Takes a buffer back; the kernel may use it after [`Buffers::publish`].
    ///
    /// # Panics
    /// If it is not lent by this ring.
    pub(super) fn recycle(&mut self, buffer: Buffer) {
        let id = self.pool.recycle(buffer);
        self.free.push(id);
    }

    /// Lets the kernel use as many of the free buffers as are wanted.
    pub(super) fn publish(&mut self) {
        self.intake.forget();
        let kept = usize::from(self.pool.count() - self.wanted());
        while self.free.len() > kept
            && let Some(id) = self.free.pop()
        {
            self.provide(id);
        }
        if self.published == self.tail {
            return;
        }
        let tail = self.entry(0).cast::<u8>().wrapping_add(std::mem::offset_of!(Entry, tail));
        // SAFETY: the tail is an aligned u16 inside the mapping, and both sides access it only
        // atomically while the ring lives.
        let shared = unsafe { AtomicU16::from_ptr(tail.cast()) };
        // Release: the entries are written before. Pairs with the kernel's load when it picks.
        shared.store(self.tail, Ordering::Release);
        self.published = self.tail;
    }

    /// As [`Pool::forget_contents`].
    pub(super) fn forget_contents(&mut self) {
        self.pool.forget_contents();
    }

    /// As [`Pool::leak`].
    pub(super) fn leak(&mut self) {
        self.pool.leak();
    }

    /// Writes the entry at the tail.
    fn provide(&mut self, id: u16) {
        let address = self.pool.buffer(id).expose_provenance() as u64;
        let entry = self.entry(self.tail & (self.pool.count() - 1));
        // SAFETY: the entry is inside the mapping, aligned, and above the published tail, so the
        // kernel does not read it yet.
        unsafe { (*entry).address = address };
        // SAFETY: as above.
        unsafe { (*entry).bytes = self.pool.buffer_bytes() };
        // SAFETY: as above. `tail` is not written: in entry 0 it is the ring's.
        unsafe { (*entry).id = id };
        self.tail = self.tail.wrapping_add(1);
    }

    fn entry(&self, at: u16) -> *mut Entry {
        self.pool.front(usize::from(at) * size_of::<Entry>()).cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recycled buffers are provided in the ring's order, past the tail's wrap, and only when
    /// published.
    #[test]
    fn buffers_go_round() {
        let mut buffers = Buffers::new(4, 64).expect("a page");
        assert_eq!((buffers.tail, buffers.published), (4, 4));
        for round in 0..u32::from(u16::MAX) + 8 {
            let id = u16::try_from(round * 3 % 4).expect("below 4");
            let buffer = buffers.lend(id, 64);
            buffers.recycle(buffer);
            assert_eq!(buffers.tail, buffers.published);
            buffers.publish();
            let at = buffers.tail.wrapping_sub(1) & 3;
            // SAFETY: the entry is inside the mapping and no kernel knows it.
            assert_eq!(unsafe { (*buffers.entry(at)).id }, id);
            // SAFETY: as above.
            assert_eq!(unsafe { (*buffers.entry(0)).tail }, buffers.tail);
        }
    }

    /// If buffers come back full, few are provided, and the same ones again; if they come back
    /// nearly empty, all are.
    #[test]
    fn as_many_as_a_turn_needs() {
        const BYTES: u32 = 16 * 1024;
        let mut buffers = Buffers::new(256, BYTES).expect("memory");
        assert_eq!(buffers.rearm(), Rearm { receives: 256, are_streams: false });
        let outside = |buffers: &Buffers| 256 - buffers.free.len();
        // The kernel takes them in the order of the ring, from the first entry on.
        let mut head = 0_u16;
        let mut turn = |buffers: &mut Buffers, count: usize, len: u32| {
            let taken: Vec<u16> = (0..count)
                .map(|_| {
                    // SAFETY: the entry is inside the mapping and no kernel knows it.
                    let id = unsafe { (*buffers.entry(head & 255)).id };
                    head = head.wrapping_add(1);
                    id
                })
                .collect();
            let lent: Vec<Buffer> = taken.iter().map(|id| buffers.lend(*id, len)).collect();
            let mut ids = taken;
            lent.into_iter().for_each(|buffer| buffers.recycle(buffer));
            buffers.publish();
            ids.sort_unstable();
            ids
        };
        turn(&mut buffers, 256, BYTES);
        assert!((16..=17).contains(&outside(&buffers)), "{}", outside(&buffers));
        assert_eq!(buffers.rearm(), Rearm { receives: buffers.wanted().into(), are_streams: true });
        let count = outside(&buffers);
        let first = turn(&mut buffers, count, BYTES);
        let second = turn(&mut buffers, count, BYTES);
        assert!(second.iter().all(|id| first.contains(id)), "{first:?} {second:?}");
        for _ in 0..20 {
            let count = outside(&buffers);
            turn(&mut buffers, count, 100);
        }
        assert_eq!((outside(&buffers), buffers.rearm().are_streams), (256, false));
    }

    /// Only the contents of buffers are forgotten; the entries of the ring stay.
    #[test]
    fn entries_are_kept() {
        let mut buffers = Buffers::new(4, 64).expect("a page");
        buffers.forget_contents();
        // SAFETY: the entry is inside the mapping and no kernel knows it.
        assert_eq!(unsafe { (*buffers.entry(3)).bytes }, 64);
    }
}
