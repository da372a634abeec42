//! The output of one connection that is not sent yet: packets copied together into chunks.
//!
//! Invariant: `bytes()` counts the bytes that were put in and neither sent nor discarded.

use bytes::Bytes;

use crate::chunk::{Batch, Chunk, ChunkPool};
use crate::limits::{CHUNK_LARGE_BYTES, CHUNK_SMALL_BYTES};

/// The chunk that is being filled; it has no capacity if there is none.
#[derive(Default, Debug)]
pub(super) struct Buffer {
    /// Chunks that are closed.
    full: Batch,
    /// The chunk that is being filled; without capacity when there is none.
    tail: Vec<u8>,
    /// Bytes in `full` and `tail`.
    queued_bytes: usize,
    /// Bytes of the batch that is being sent.
    sending_bytes: usize,
}

impl Buffer {
    /// Bytes that wait or are being sent.
    pub(super) fn bytes(&self) -> usize {
        self.queued_bytes + self.sending_bytes
    }

    /// Whether something waits to be sent.
    pub(super) fn is_waiting(&self) -> bool {
        self.queued_bytes > 0
    }

    /// Memory for a packet of `bytes`, all of which the caller appends.
    #[inline]
    pub(super) fn room(&mut self, bytes: usize, pool: &mut ChunkPool) -> &mut Vec<u8> {
        if self.tail.capacity() - self.tail.len() < bytes {
            self.open_chunk(bytes, pool);
        }
        self.queued_bytes += bytes;
        &mut self.tail
    }

    /// Appends bytes that are shared with other outputs.
    pub(super) fn share(&mut self, bytes: Bytes) {
        self.queued_bytes += bytes.len();
        self.full.push(Chunk::Owned(std::mem::take(&mut self.tail)));
        self.full.push(Chunk::Shared(bytes));
    }

    /// Takes all waiting bytes as one batch; the memory of the empty batch `spare` may be used.
    pub(super) fn take(&mut self, mut spare: Batch) -> Batch {
        self.sending_bytes += self.queued_bytes;
        self.queued_bytes = 0;
        let tail = Chunk::Owned(std::mem::take(&mut self.tail));
        if self.full.is_empty() {
            spare.push(tail);
            return spare;
        }
        let mut batch = std::mem::take(&mut self.full);
        batch.push(tail);
        batch
    }

    /// Notes that `bytes` of the taken ones were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        assert!(bytes <= self.sending_bytes, "no more is sent than was taken");
        self.sending_bytes -= bytes;
    }

    /// Discards the waiting bytes and returns their memory.
    pub(super) fn discard(&mut self, pool: &mut ChunkPool) {
        self.full.clear(pool);
        pool.recycle(Chunk::Owned(std::mem::take(&mut self.tail)));
        self.queued_bytes = 0;
    }

    fn open_chunk(&mut self, bytes: usize, pool: &mut ChunkPool) {
        // The first chunk of a batch is small: most links have a single message or reply to send.
        let first = self.tail.capacity() == 0 && self.full.is_empty();
        let next = match bytes {
            ..=CHUNK_SMALL_BYTES if first => pool.take_small(),
            ..=CHUNK_LARGE_BYTES => pool.take_large(),
            _ => Vec::with_capacity(bytes),
        };
        let filled = std::mem::replace(&mut self.tail, next);
        if filled.is_empty() {
            pool.recycle(Chunk::Owned(filled));
        } else {
            self.full.push(Chunk::Owned(filled));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of any size keep their order in the batch, and the counts return to zero.
    #[test]
    fn keeps_order_and_count() {
        let (mut buffer, mut pool, mut expected) =
            (Buffer::default(), ChunkPool::default(), Vec::new());
        let sizes = [1, 511, 512, 513, 4, CHUNK_LARGE_BYTES, CHUNK_LARGE_BYTES + 1, 3];
        for (fill, size) in (0u8..).zip(sizes) {
            let packet = vec![fill; size];
            buffer.room(size, &mut pool).extend_from_slice(&packet);
            expected.extend_from_slice(&packet);
        }
        buffer.share(Bytes::from_static(b"shared"));
        buffer.room(1, &mut pool).push(b'!');
        expected.extend_from_slice(b"shared!");
        assert_eq!(buffer.bytes(), expected.len());
        let mut batch = buffer.take(Batch::default());
        assert_eq!(batch.slices().collect::<Vec<_>>().concat(), expected);
        assert!(!buffer.is_waiting());
        assert_eq!(buffer.bytes(), expected.len(), "on its way");
        buffer.sent(expected.len());
        assert_eq!(buffer.bytes(), 0);
        batch.advance(expected.len(), &mut pool);
        assert!(batch.is_empty());
    }
}
