//! Output bytes: the broker gathers them and the ring sends them.
//!
//! A [`Chunk`] owns its memory, which does not move during a send. A [`Batch`] is the chunks of one
//! send: it is moved into the ring and comes back in the completion, and its memory returns to the
//! [`ChunkPool`].

use std::collections::VecDeque;

use bytes::Bytes;

use crate::limits::{CHUNK_LARGE_BYTES, CHUNK_SMALL_BYTES, CHUNKS_KEPT_IDLE, CHUNKS_KEPT_MAX};

/// Owned or shared output bytes.
#[derive(Debug)]
pub enum Chunk {
    /// Packets copied together for one link.
    Owned(Vec<u8>),
    /// A large payload that several links share.
    Shared(Bytes),
}

impl Chunk {
    /// The bytes to send. Their address does not change when the chunk moves.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// The chunks of one send, and how many bytes were sent.
///
/// `sent <= first chunk's length`; an empty batch has no chunks.
#[derive(Debug, Default)]
pub struct Batch {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that were already sent.
    sent: usize,
}

impl Batch {
    /// Appends a chunk; an empty one is ignored.
    pub fn push(&mut self, chunk: Chunk) {
        if !chunk.as_slice().is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// Inserts a chunk before the others, if none of them was sent in part; an empty one is
    /// ignored.
    ///
    /// # Panics
    /// If a part of the first chunk was sent.
    pub fn push_front(&mut self, chunk: Chunk) {
        assert_eq!(self.sent, 0, "what goes first has not begun");
        if !chunk.as_slice().is_empty() {
            self.chunks.push_front(chunk);
        }
    }

    /// Slices still to be sent, in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().enumerate().map(|(at, chunk)| {
            let from = if at == 0 { self.sent } else { 0 };
            &chunk.as_slice()[from..]
        })
    }

    /// Number of slices still to be sent.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether nothing is left to send.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes still to be sent.
    pub fn bytes(&self) -> usize {
        self.slices().map(<[u8]>::len).sum()
    }

    /// Records that `count` more bytes were sent, and returns finished chunks to `pool`.
    ///
    /// # Panics
    /// If `count` is more than [`Batch::bytes`].
    pub fn advance(&mut self, mut count: usize, pool: &mut ChunkPool) {
        while count > 0 {
            let first = self.chunks.front().expect("the kernel sent no more than it was given");
            let left = first.as_slice().len() - self.sent;
            if count < left {
                self.sent += count;
                return;
            }
            count -= left;
            self.sent = 0;
            if let Some(done) = self.chunks.pop_front() {
                pool.recycle(done);
            }
        }
    }

    /// Returns all memory to `pool`, sent or not.
    pub fn clear(&mut self, pool: &mut ChunkPool) {
        self.sent = 0;
        while let Some(chunk) = self.chunks.pop_front() {
            pool.recycle(chunk);
        }
    }
}

/// Free memory for chunks, in two sizes, so that a turn allocates nothing.
#[derive(Debug, Default)]
pub struct ChunkPool {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
}

impl ChunkPool {
    /// An empty chunk of [`CHUNK_SMALL_BYTES`].
    pub fn take_small(&mut self) -> Vec<u8> {
        self.small.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_SMALL_BYTES))
    }

    /// An empty chunk of [`CHUNK_LARGE_BYTES`].
    pub fn take_large(&mut self) -> Vec<u8> {
        self.large.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_LARGE_BYTES))
    }

    /// Frees the memory of all but a few free chunks.
    pub fn reclaim(&mut self) {
        for class in [&mut self.small, &mut self.large] {
            class.truncate(CHUNKS_KEPT_IDLE);
            class.shrink_to(CHUNKS_KEPT_IDLE);
        }
    }

    /// Takes memory back. It is kept only while fewer than [`CHUNKS_KEPT_MAX`] chunks of its size
    /// are free.
    pub fn recycle(&mut self, chunk: Chunk) {
        let Chunk::Owned(mut bytes) = chunk else {
            return;
        };
        let class = match bytes.capacity() {
            CHUNK_SMALL_BYTES => &mut self.small,
            CHUNK_LARGE_BYTES => &mut self.large,
            _ => return,
        };
        if class.len() < CHUNKS_KEPT_MAX {
            bytes.clear();
            class.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(parts: &[&[u8]]) -> Batch {
        let mut batch = Batch::default();
        for part in parts {
            batch.push(Chunk::Owned(part.to_vec()));
        }
        batch
    }

    /// Advancing by any split of the whole leaves exactly the rest.
    #[test]
    fn advance_leaves_the_rest() {
        let parts: [&[u8]; 4] = [b"abc", b"", b"d", b"efgh"];
        let whole = parts.concat();
        for first in 0..=whole.len() {
            let (mut batch, mut pool) = (batch(&parts), ChunkPool::default());
            batch.advance(first, &mut pool);
            assert_eq!(batch.slices().collect::<Vec<_>>().concat(), whole[first..]);
            assert_eq!(batch.bytes(), whole.len() - first);
            batch.advance(whole.len() - first, &mut pool);
            assert!(batch.is_empty());
        }
    }

    /// A chunk of one of the pool's sizes is reused; others are freed.
    #[test]
    fn pool_keeps_its_two_sizes() {
        let mut pool = ChunkPool::default();
        let mut small = pool.take_small();
        small.extend_from_slice(b"x");
        let address = small.as_ptr();
        pool.recycle(Chunk::Owned(small));
        let again = pool.take_small();
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        pool.recycle(Chunk::Owned(Vec::with_capacity(CHUNK_SMALL_BYTES + 1)));
        assert!(pool.small.is_empty() && pool.large.is_empty());
    }

    /// A few of many free chunks remain when memory is reclaimed.
    #[test]
    fn pool_gives_memory_back() {
        let mut pool = ChunkPool::default();
        for _ in 0..CHUNKS_KEPT_MAX {
            pool.recycle(Chunk::Owned(Vec::with_capacity(CHUNK_SMALL_BYTES)));
            pool.recycle(Chunk::Owned(Vec::with_capacity(CHUNK_LARGE_BYTES)));
        }
        assert_eq!((pool.small.len(), pool.large.len()), (CHUNKS_KEPT_MAX, CHUNKS_KEPT_MAX));
        pool.reclaim();
        assert_eq!((pool.small.len(), pool.large.len()), (CHUNKS_KEPT_IDLE, CHUNKS_KEPT_IDLE));
    }
}
