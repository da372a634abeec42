//! The free receive buffers. The buffer that was recycled last is lent next, because it is the most
//! likely to be in the cache.

use std::io;

use crate::ring::Buffer;
use crate::ring::pool::Pool;

/// See the file.
pub(super) struct Buffers {
    pool: Pool,
    /// Buffers that are not lent.
    free: Vec<u16>,
}

impl Buffers {
    /// # Errors
    /// If there is not enough address space.
    pub(super) fn new(count: u16, buffer_bytes: u32) -> io::Result<Self> {
        Ok(Self { pool: Pool::new(0, count, buffer_bytes)?, free: (0..count).rev().collect() })
    }

    /// Lends a complete buffer, if one is free.
    pub(super) fn lend(&mut self) -> Option<Buffer> {
        let id = self.free.pop()?;
        Some(self.pool.lend(id, self.pool.buffer_bytes()))
    }

    /// As [`Pool::bytes_mut`].
    pub(super) fn bytes_mut(&mut self, buffer: &Buffer) -> &mut [u8] {
        self.pool.bytes_mut(buffer)
    }

    /// Takes a buffer back.
    pub(super) fn recycle(&mut self, buffer: Buffer) {
        let id = self.pool.recycle(buffer);
        self.free.push(id);
    }

    /// As [`Pool::forget_contents`].
    pub(super) fn forget_contents(&mut self) {
        self.pool.forget_contents();
    }
}
