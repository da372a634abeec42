//! Receive buffers: one anonymous mapping, and the state of each of its buffers.
//!
//! ```text
//!        lend               recycle
//! ours ───────► the caller's ───────► ours
//! ```
//! Invariant: a buffer has one owner, the ring or the caller. The mapping has space before the
//! buffers for the pool's owner.
//!
//! Obligations kept here:
//! - References are formed only to lent buffers.
//! - Pages are released only while no buffer is lent.
//! - The code that gave addresses of this mapping to the kernel keeps the kernel from lent buffers,
//!   and drops the mapping when the kernel does not use it any more, or never.

#![allow(unsafe_code)]

use std::io;
use std::ptr::{self, NonNull};

use super::Buffer;

/// The alignment of the buffers after the space in front.
const PAGE_BYTES: usize = 4096;

/// Receive buffers shared by all links of a ring.
pub(super) struct Pool {
    mapping: Mapping,
    count: u16,
    buffer_bytes: u32,
    /// The offset of the first buffer in the mapping.
    offset: usize,
    /// Whether the caller has each buffer.
    lent: Box<[bool]>,
}

impl Pool {
    /// Maps memory for `count` buffers after `front_bytes` of space. The pages of a buffer use no
    /// memory until it is first written.
    ///
    /// # Errors
    /// If there is not enough address space.
    pub(super) fn new(front_bytes: usize, count: u16, buffer_bytes: u32) -> io::Result<Self> {
        assert!(buffer_bytes > 0);
        let offset = front_bytes.next_multiple_of(PAGE_BYTES);
        let mapping = Mapping::new(offset + usize::from(count) * buffer_bytes as usize)?;
        let lent = vec![false; usize::from(count)].into_boxed_slice();
        Ok(Self { mapping, count, buffer_bytes, offset, lent })
    }

    /// The number of buffers.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// The size of each buffer.
    pub(super) fn buffer_bytes(&self) -> u32 {
        self.buffer_bytes
    }

    /// The first byte of a buffer.
    pub(super) fn buffer(&self, id: u16) -> *mut u8 {
        self.mapping.at(self.offset + usize::from(id) * self.buffer_bytes as usize)
    }

    /// A byte of the space in front.
    pub(super) fn front(&self, at: usize) -> *mut u8 {
        assert!(at < self.offset);
        self.mapping.at(at)
    }

    /// Lends a buffer that has `len` bytes.
    ///
    /// # Panics
    /// If it is lent already, or smaller than `len`.
    pub(super) fn lend(&mut self, id: u16, len: u32) -> Buffer {
        assert!(len <= self.buffer_bytes, "{len} bytes are more than a buffer has");
        let lent = &mut self.lent[usize::from(id)];
        assert!(!*lent, "buffer {id} is lent twice");
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

    /// Takes a buffer back; returns its number.
    ///
    /// # Panics
    /// If it is not lent by this ring.
    #[expect(clippy::needless_pass_by_value, reason = "who recycles a buffer has it no more")]
    pub(super) fn recycle(&mut self, buffer: Buffer) -> u16 {
        let Buffer { id, .. } = buffer;
        let lent = &mut self.lent[usize::from(id)];
        assert!(*lent, "buffer {id} is recycled twice");
        *lent = false;
        id
    }

    /// Returns the pages of all buffers to the system; they are zero when next used. It has no
    /// effect while buffers are lent.
    ///
    /// All received data must be handled: the content of buffers that are not lent is lost.
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

    /// Leaves the memory mapped forever, because the kernel may still write to it.
    pub(super) fn leak(&mut self) {
        self.mapping.leaked = true;
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
        // all borrow the `Pool` that owns it.
        let unmapped = unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(unmapped, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Neither buffers nor the space in front overlap, from their first byte to their last.
    #[test]
    fn buffers_are_apart() {
        let mut pool = Pool::new(64, 4, 64).expect("a page");
        let lent: Vec<Buffer> = (0..4).map(|id| pool.lend(id, 64)).collect();
        for (at, buffer) in (1..).zip(&lent) {
            pool.bytes_mut(buffer).fill(at);
        }
        for (at, buffer) in (1..).zip(&lent) {
            assert!(pool.bytes_mut(buffer).iter().all(|byte| *byte == at));
        }
        // SAFETY: the room is inside the mapping and initialized, and there is no other reference
        // to it.
        assert_eq!(unsafe { *pool.front(63) }, 0);
    }

    /// Contents are forgotten only while no buffer is lent.
    #[test]
    fn contents_are_forgotten() {
        let mut pool = Pool::new(0, 4, 64).expect("a page");
        let buffer = pool.lend(2, 64);
        pool.bytes_mut(&buffer).fill(7);
        pool.forget_contents();
        assert_eq!(pool.bytes_mut(&buffer), [7; 64], "it is lent");
        pool.recycle(buffer);
        pool.forget_contents();
        let buffer = pool.lend(2, 64);
        assert_eq!(pool.bytes_mut(&buffer), [0; 64]);
    }

    /// A buffer has one owner: it is neither lent nor recycled twice, nor read after recycling.
    #[test]
    fn a_buffer_has_one_owner() {
        let mut pool = Pool::new(0, 2, 64).expect("a page");
        let panics = |action: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(action)).is_err();
        let first = pool.lend(1, 8);
        assert!(panics(&mut || drop(pool.lend(1, 8))));
        pool.recycle(first);
        let forged = Buffer { id: 1, len: 8 };
        assert!(panics(&mut || pool.bytes_mut(&forged).fill(0)));
        assert!(panics(&mut || assert_eq!(pool.recycle(Buffer { id: 1, len: 8 }), 1)));
        assert!(panics(&mut || drop(pool.lend(0, 65))));
    }
}
