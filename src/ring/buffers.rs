//! The provided-buffer ring: receive buffers the kernel picks from, and which of them are lent out.
//!
//! One anonymous mapping: first the ring of entries, page-aligned, then the buffers. A buffer is
//! with the kernel (in the ring, or picked by an operation) or lent to the caller, never both.
//!
//! Obligations towards the kernel, kept here:
//! - Entries below the published tail are not written again before the kernel handed their buffer
//!   back; there are as many entries as buffers, so the ring cannot overrun.
//! - Entry 0's last field *is* the tail: entries are written field by field, never whole.
//! - The tail is stored with Release after the entries it covers; the partner is the kernel's
//!   acquiring load.
//! - References are formed only to buffers that are lent.
//! - Pages are given back only while no buffer is lent. The kernel writes by address, so a buffer
//!   in the ring may lose its pages at any time; they are there again when it writes.
//! - The mapping goes after the ring's descriptor is closed with nothing in flight, or never.

#![allow(unsafe_code)]

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;

use super::Buffer;

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

/// What the buffers start at a multiple of, behind the entries.
const PAGE_BYTES: usize = 4096;

/// Receive buffers shared by all links of a ring.
pub(super) struct Buffers {
    mapping: Mapping,
    /// How many, a power of two.
    count: u16,
    buffer_bytes: u32,
    /// Where the first buffer starts in the mapping.
    offset: usize,
    /// Entries written; wraps. `published <= tail <= published + count`, as counters.
    tail: u16,
    /// Entries the kernel may take; wraps.
    published: u16,
    /// Which buffers the caller has.
    lent: Box<[bool]>,
}

impl Buffers {
    /// Maps the memory and puts every buffer in the ring. The pages of a buffer cost nothing until
    /// the kernel first writes in it.
    ///
    /// # Errors
    /// If there is no address space.
    ///
    /// # Panics
    /// If `count` is not a power of two up to 32,768, the kernel's limit.
    pub(super) fn new(count: u16, buffer_bytes: u32) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel wants a power of two");
        assert!(buffer_bytes > 0);
        let offset = (usize::from(count) * size_of::<Entry>()).next_multiple_of(PAGE_BYTES);
        let mapping = Mapping::new(offset + usize::from(count) * buffer_bytes as usize)?;
        let lent = vec![false; usize::from(count)].into_boxed_slice();
        let (tail, published) = (0, 0);
        let mut buffers = Self { mapping, count, buffer_bytes, offset, tail, published, lent };
        for id in 0..count {
            buffers.provide(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// Makes the buffers known to the kernel under a group's number. They outlive the ring.
    ///
    /// # Errors
    /// If the kernel has no provided-buffer rings, or not these flags.
    pub(super) fn register(&self, ring: &Submitter, group: u16, flags: u16) -> io::Result<()> {
        let address = self.mapping.start.as_ptr().expose_provenance() as u64;
        // SAFETY: the entries start at `address`, page-aligned, `count` of them, and stay until the
        // ring is closed: `Uring` drops its buffers after its queue.
        unsafe { ring.register_buf_ring_with_flags(address, self.count, group, flags) }
    }

    /// Takes a buffer that an operation brought, with `len` bytes written in it.
    ///
    /// # Panics
    /// If the kernel does not own that buffer, or it is smaller.
    pub(super) fn lend(&mut self, id: u16, len: u32) -> Buffer {
        assert!(len <= self.buffer_bytes, "the kernel wrote {len} bytes in a smaller buffer");
        let lent = &mut self.lent[usize::from(id)];
        assert!(!*lent, "buffer {id} completed twice");
        *lent = true;
        Buffer { id, len }
    }

    /// The bytes of a lent buffer.
    ///
    /// # Panics
    /// If it is not lent by this ring.
    pub(super) fn bytes_mut(&mut self, buffer: &Buffer) -> &mut [u8] {
        assert!(self.lent[usize::from(buffer.id)] && buffer.len <= self.buffer_bytes);
        let start = self.buffer(buffer.id);
        // SAFETY: `len` bytes from the start of a buffer are inside the mapping and, as pages of an
        // anonymous mapping, initialized. The buffer is lent, so the kernel does not write in it,
        // and `&mut self` is borrowed as long as the slice, so no other reference exists.
        unsafe { std::slice::from_raw_parts_mut(start, buffer.len as usize) }
    }

    /// Takes a buffer back; the kernel has it after [`Buffers::publish`].
    ///
    /// # Panics
    /// If it is not lent by this ring.
    #[expect(clippy::needless_pass_by_value, reason = "who recycles a buffer has it no more")]
    pub(super) fn recycle(&mut self, buffer: Buffer) {
        let Buffer { id, .. } = buffer;
        let lent = &mut self.lent[usize::from(id)];
        assert!(*lent, "buffer {id} is recycled twice");
        *lent = false;
        self.provide(id);
    }

    /// Lets the kernel take what was recycled.
    pub(super) fn publish(&mut self) {
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

    /// Gives the pages of all buffers back to the system: they are zero when the kernel next writes
    /// in one. While buffers are lent nothing happens.
    ///
    /// The caller knows of all that was received: what is in buffers that are not lent is lost.
    pub(super) fn forget_contents(&mut self) {
        if self.lent.contains(&true) {
            return;
        }
        let start = self.buffer(0).cast();
        let bytes = usize::from(self.count) * self.buffer_bytes as usize;
        // SAFETY: the range is that of the buffers inside our own mapping, from a page's start on,
        // and no buffer is lent, so no reference into it is left. Its pages stay mapped, writable
        // and, being anonymous, initialized: with zeros.
        let given = unsafe { libc::madvise(start, bytes, libc::MADV_DONTNEED) };
        debug_assert_eq!(given, 0, "the range is mapped");
    }

    /// Leaves the memory mapped for ever, because the kernel may still write in it.
    pub(super) fn leak(&mut self) {
        self.mapping.leaked = true;
    }

    /// Writes the entry at the tail.
    fn provide(&mut self, id: u16) {
        let address = self.buffer(id).expose_provenance() as u64;
        let entry = self.entry(self.tail & (self.count - 1));
        // SAFETY: the entry is inside the mapping, aligned, and above the published tail, so the
        // kernel does not read it yet.
        unsafe { (*entry).address = address };
        // SAFETY: as above.
        unsafe { (*entry).bytes = self.buffer_bytes };
        // SAFETY: as above. `tail` is not written: in entry 0 it is the ring's.
        unsafe { (*entry).id = id };
        self.tail = self.tail.wrapping_add(1);
    }

    fn entry(&self, at: u16) -> *mut Entry {
        let offset = usize::from(at) * size_of::<Entry>();
        self.mapping.at(offset).cast()
    }

    fn buffer(&self, id: u16) -> *mut u8 {
        self.mapping.at(self.offset + usize::from(id) * self.buffer_bytes as usize)
    }
}

/// Anonymous, private, page-aligned memory; zero until written.
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    /// Whether it stays when this is dropped.
    leaked: bool,
}

impl Mapping {
    fn new(bytes: usize) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping where the kernel wants it touches nothing else.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).expect("the kernel maps nothing at address 0");
        Ok(Self { start, bytes, leaked: false })
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.bytes);
        self.start.as_ptr().wrapping_add(offset)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.leaked {
            return;
        }
        // SAFETY: start and length are those of our own mapping, and no reference into it is left:
        // all borrow the `Buffers` that owns it.
        let unmapped = unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(unmapped, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Recycled buffers go round the ring in order, past the tail's wrap, and only when published.
    #[test]
    fn buffers_go_round() {
        let mut buffers = Buffers::new(4, 64).expect("a page");
        assert_eq!((buffers.tail, buffers.published), (4, 4));
        for round in 0..u32::from(u16::MAX) + 8 {
            let id = u16::try_from(round * 3 % 4).expect("below 4");
            let buffer = buffers.lend(id, 64);
            buffers.recycle(buffer);
            assert_ne!(buffers.tail, buffers.published);
            let at = buffers.tail.wrapping_sub(1) & 3;
            // SAFETY: the entry is inside the mapping and no kernel knows it.
            assert_eq!(unsafe { (*buffers.entry(at)).id }, id);
            buffers.publish();
            // SAFETY: as above.
            assert_eq!(unsafe { (*buffers.entry(0)).tail }, buffers.tail);
        }
    }

    /// Buffers do not overlap, each from its first byte to its last.
    #[test]
    fn buffers_are_apart() {
        let mut buffers = Buffers::new(4, 64).expect("a page");
        let lent: Vec<Buffer> = (0..4).map(|id| buffers.lend(id, 64)).collect();
        for (at, buffer) in (1..).zip(&lent) {
            buffers.bytes_mut(buffer).fill(at);
        }
        for (at, buffer) in (1..).zip(&lent) {
            assert!(buffers.bytes_mut(buffer).iter().all(|byte| *byte == at));
        }
    }

    /// Contents are forgotten while no buffer is lent, and only then; entries of the ring never.
    #[test]
    fn contents_are_forgotten() {
        let mut buffers = Buffers::new(4, 64).expect("a page");
        let buffer = buffers.lend(2, 64);
        buffers.bytes_mut(&buffer).fill(7);
        buffers.forget_contents();
        assert_eq!(buffers.bytes_mut(&buffer), [7; 64], "it is lent");
        buffers.recycle(buffer);
        buffers.forget_contents();
        let buffer = buffers.lend(2, 64);
        assert_eq!(buffers.bytes_mut(&buffer), [0; 64]);
        // SAFETY: the entry is inside the mapping and no kernel knows it.
        assert_eq!(unsafe { (*buffers.entry(3)).bytes }, 64);
    }

    /// A buffer has one owner: it is neither lent nor recycled twice, nor read after.
    #[test]
    fn a_buffer_has_one_owner() {
        let mut buffers = Buffers::new(2, 64).expect("a page");
        let panics = |action: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(action)).is_err();
        let first = buffers.lend(1, 8);
        assert!(panics(&mut || drop(buffers.lend(1, 8))));
        buffers.recycle(first);
        let forged = Buffer { id: 1, len: 8 };
        assert!(panics(&mut || buffers.bytes_mut(&forged).fill(0)));
        assert!(panics(&mut || buffers.recycle(Buffer { id: 1, len: 8 })));
        assert!(panics(&mut || drop(buffers.lend(0, 65))));
    }
}
