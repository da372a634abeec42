//! Records that are not committed yet, gathered in commit groups. Owned by the log.
//!
//! ```text
//!  committed                                                    appended
//!      │ in flight │ sealed │ sealed │ … │ open                    │
//! ```
//!
//! Invariant: the groups follow each other in the log without a gap, none is empty, and none
//! reaches beyond the end of a segment. The first record of each group is marked as such, and no
//! other is. Each group begins with space for a segment's header, which is written only if the
//! group is the first of its segment.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::super::record::Record;
use super::super::segment::HEADER_BYTES;
use super::index;
use crate::limits::{GROUP_BUFFERS_KEPT_MAX, GROUP_BYTES_MAX, OWN_MEMORY_BYTES_MIN};

/// [`HEADER_BYTES`] as a length in memory.
const HEADER: usize = 64;
const _: () = assert!(HEADER as u64 == HEADER_BYTES);
const _: () = assert!(HEADER + GROUP_BYTES_MAX >= OWN_MEMORY_BYTES_MIN);

/// The greatest capacity of a buffer that is kept; buffers grow by doubling.
const BUFFER_BYTES_KEPT_MAX: usize = 2 * GROUP_BYTES_MAX;

/// The records from `start` on.
#[derive(Default)]
struct Group {
    start: u64,
    /// The space for the header and the records; empty if there are none.
    bytes: Vec<u8>,
}

/// A group that is being written.
struct Flight {
    start: u64,
    /// As in a group. The zeros after it are written too, but do not belong to it.
    bytes: Bytes,
}

/// See the file.
#[derive(Default)]
pub(super) struct Staging {
    flight: Option<Flight>,
    sealed: VecDeque<Group>,
    open: Group,
    /// Empty buffers.
    spares: Vec<Vec<u8>>,
    /// The salt of the segments that are written.
    pub(super) salt: u64,
}

impl Staging {
    /// Appends a record at `offset`, the end of the log; returns its size.
    #[inline]
    pub(super) fn append(&mut self, record: &Record<'_>, offset: u64) -> usize {
        if self.open.bytes.len() + record.bytes_max() > HEADER + GROUP_BYTES_MAX {
            self.seal();
        }
        let is_first = self.open.bytes.is_empty();
        if is_first {
            self.begin(offset);
        }
        let before = self.open.bytes.len();
        record.encode(offset ^ self.salt, is_first, &mut self.open.bytes);
        self.open.bytes.len() - before
    }

    /// Makes the last record, which is at `offset`, the first of a new group.
    pub(super) fn part(&mut self, offset: u64) {
        let at = HEADER + index(offset - self.open.start);
        if at == HEADER {
            return;
        }
        let mut bytes = self.buffer();
        bytes.extend_from_slice(&self.open.bytes[at..]);
        Record::begin_group(offset ^ self.salt, &mut bytes[HEADER..]);
        self.open.bytes.truncate(at);
        self.seal();
        self.open = Group { start: offset, bytes };
    }

    /// The offsets of the next group to write.
    pub(super) fn next(&self) -> Option<Range<u64>> {
        let group = self.sealed.front().unwrap_or(&self.open);
        let records = group.bytes.get(HEADER..).filter(|records| !records.is_empty())?;
        Some(group.start..group.start + records.len() as u64)
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// Takes the next group into flight: returns its bytes, after the header if there is one, and
    /// with `zeros` zeros behind.
    ///
    /// # Panics
    /// If there is none, or one is in flight.
    pub(super) fn take_off(&mut self, header: Option<[u8; HEADER]>, zeros: usize) -> Bytes {
        assert!(self.flight.is_none(), "one group is in flight at a time");
        if self.sealed.is_empty() {
            self.seal();
        }
        let Group { start, mut bytes } = self.sealed.pop_front().expect("the caller saw a group");
        let from = if header.is_some() { 0 } else { HEADER };
        if let Some(header) = header {
            bytes[..HEADER].copy_from_slice(&header);
        }
        let end = bytes.len();
        bytes.resize(end + zeros, 0);
        let bytes = Bytes::from(bytes);
        let written = bytes.slice(from..);
        self.flight = Some(Flight { start, bytes: bytes.slice(..end) });
        written
    }

    /// Ends the write of the group in flight; returns its start and end. Its memory is used again
    /// if it is not shared.
    ///
    /// # Panics
    /// If none is in flight.
    pub(super) fn land(&mut self) -> (u64, u64) {
        let Flight { start, bytes } = self.flight.take().expect("a write ends that was begun");
        let end = start + (bytes.len() - HEADER) as u64;
        if let Ok(mut bytes) = bytes.try_into_mut() {
            bytes.clear();
            self.keep(bytes.into());
        }
        (start, end)
    }

    /// Makes the group in flight the next one again, because its write failed; returns its start.
    ///
    /// # Panics
    /// If none is in flight.
    pub(super) fn turn_back(&mut self) -> u64 {
        let Flight { start, bytes } = self.flight.take().expect("a write ends that was begun");
        let bytes = bytes.try_into_mut().map_or_else(|shared| shared.to_vec(), Vec::from);
        self.sealed.push_front(Group { start, bytes });
        start
    }

    /// The bytes from `offset` to the end of its group.
    #[inline]
    pub(super) fn bytes_at(&self, offset: u64) -> Option<&[u8]> {
        if !self.open.bytes.is_empty() && self.open.start <= offset {
            return self.open.bytes.get(HEADER + index(offset - self.open.start)..);
        }
        let after = self.sealed.partition_point(|group| group.start <= offset);
        let (start, bytes) = match after.checked_sub(1) {
            Some(at) => (self.sealed[at].start, &self.sealed[at].bytes[..]),
            None => {
                let flight = self.flight.as_ref().filter(|flight| flight.start <= offset)?;
                (flight.start, &flight.bytes[..])
            }
        };
        bytes.get(HEADER + index(offset - start)..)
    }

    /// Returns the memory of empty buffers.
    pub(super) fn reclaim(&mut self) {
        self.spares = Vec::new();
    }

    fn begin(&mut self, offset: u64) {
        self.open = Group { start: offset, bytes: self.buffer() };
    }

    fn seal(&mut self) {
        if !self.open.bytes.is_empty() {
            self.sealed.push_back(std::mem::take(&mut self.open));
        }
    }

    /// A buffer with space for a header. It has an allocation of its own, so memory that is never
    /// written is not counted as used.
    fn buffer(&mut self) -> Vec<u8> {
        let new = || Vec::with_capacity(HEADER + GROUP_BYTES_MAX);
        let mut bytes = self.spares.pop().unwrap_or_else(new);
        bytes.resize(HEADER, 0);
        bytes
    }

    fn keep(&mut self, bytes: Vec<u8>) {
        let is_fit = bytes.capacity() <= BUFFER_BYTES_KEPT_MAX;
        if is_fit && self.spares.len() < GROUP_BUFFERS_KEPT_MAX {
            self.spares.push(bytes);
        }
    }
}
