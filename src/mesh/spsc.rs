//! The ring from one shard to another: one sender, one receiver, records in order.
//!
//! Bytes in the ring have *positions* that only grow; the low bits of a position are its place. A
//! record starts on a word and is contiguous. It is counted when it is pushed and when it is taken:
//!
//! | word | holds |
//! |---|---|
//! | 0 | header: length of the payload in bytes, times four, plus the kind |
//! | 1… | payload: the bytes, or the address of a boxed object |
//!
//! A record that does not fit before the end of memory is placed at its start, and a header of kind
//! `WRAP` takes its place.
//!
//! Invariant, in positions and then in records:
//! `released <= head <= published <= tail <= released + capacity`;
//! `handled, settled <= taken <= pushed`.
//!
//! # Obligations of the unsafe code
//!
//! 1. *Ownership.* The receiver may read `[released, published)`; the sender may write the rest of
//!    the memory. Each limit moves by one Release store of the side that gives up the bytes and one
//!    Acquire load of the side that gets them. A side relies only on limits that it has loaded.
//! 2. *Form.* The sender publishes only complete records as in the table; a `WRAP` is followed by a
//!    record in the same publish.
//! 3. *Objects.* An address between `head` and `tail` owns its object. It leaves by `next` or by
//!    the drop of the memory, and each end publishes its own position before it drops the memory's
//!    handle.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

use super::sync::{Arc, AtomicU64, AtomicUsize, Line, Ordering, RaceCheck};

/// Bytes of a word, the unit of alignment.
const WORD: usize = size_of::<u64>();

/// Smallest capacity: a quarter of it holds a header and an address.
const CAPACITY_MIN: usize = 8 * WORD;

/// Bits of a header that hold the kind.
const KIND_BITS: u32 = 2;
const KIND_BYTES: usize = 0;
const KIND_OBJECT: usize = 1;
/// The whole header of a wrap marker; it has no payload.
const WRAP: usize = 2;

const _: () = assert!(CAPACITY_MIN / 4 >= 2 * WORD);

/// Makes a ring of at least `capacity_bytes` (rounded up to a power of two, at least 64).
///
/// Memory is first touched when records reach it, so an unused ring costs none.
///
/// # Panics
/// If there is no such power of two, or not enough memory.
pub fn channel<T: Send>(capacity_bytes: usize) -> (Sender<T>, Receiver<T>) {
    let capacity = capacity_bytes
        .max(CAPACITY_MIN)
        .checked_next_power_of_two()
        .expect("a ring is smaller than half the address space");
    let shared = Arc::new(Shared {
        memory: Memory::new(capacity),
        sent: Line::default(),
        done: Line::default(),
        objects: PhantomData,
    });
    let sender =
        Sender { shared: Arc::clone(&shared), tail: 0, published: 0, released_seen: 0, pushed: 0 };
    let receiver = Receiver {
        shared,
        head: 0,
        released: 0,
        published_seen: 0,
        taken: 0,
        settled: 0,
        answers: 0,
    };
    (sender, receiver)
}

/// The ring has no room for the record now. It will have room when the receiver has handled more.
///
/// Only published records can be handled: publish before you wait for room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// The sender's end. Dropping it publishes the pushed records.
pub struct Sender<T: Send> {
    shared: Arc<Shared<T>>,
    /// Position of the next record.
    tail: usize,
    /// Position that was published to the receiver. `published <= tail`
    published: usize,
    /// The receiver's position as last seen. `released_seen <= released`
    released_seen: usize,
    /// Records before `tail`.
    pushed: u64,
}

impl<T: Send> Sender<T> {
    /// Largest record that this ring can carry as bytes: a quarter of the capacity less the header,
    /// so that an empty ring can take it at any position.
    pub fn record_bytes_max(&self) -> usize {
        self.shared.memory.capacity / 4 - WORD
    }

    /// Copies the concatenation of `parts` into the ring as one record; the receiver sees it after
    /// `publish`.
    ///
    /// # Errors
    /// [`Full`]; then nothing has changed.
    ///
    /// # Panics
    /// If the record is larger than [`Sender::record_bytes_max`]: send it as an object.
    pub fn push(&mut self, parts: &[&[u8]]) -> Result<(), Full> {
        // Saturating, because the safety of the copy depends on this sum.
        let len = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        let len_max = self.record_bytes_max();
        assert!(len <= len_max, "a record of {len} bytes in a ring for {len_max}: send an object");
        let start = self.find_room(len).ok_or(Full)?;
        let mut position = self.place(start, len, KIND_BYTES);
        for part in parts {
            // SAFETY: ownership: `find_room` found room for `len` contiguous bytes, of which the
            // earlier parts took all but at least `part.len()`.
            unsafe { self.shared.memory.write_bytes(position, part) };
            position += part.len();
        }
        Ok(())
    }

    /// Moves `object` into the ring as one record; the receiver sees it after `publish`.
    ///
    /// # Errors
    /// The object if the ring is full; then nothing has changed.
    pub fn push_object(&mut self, object: T) -> Result<(), T> {
        let Some(start) = self.find_room(WORD) else {
            return Err(object);
        };
        let object = Box::into_raw(Box::new(object));
        let position = self.place(start, WORD, KIND_OBJECT);
        // SAFETY: ownership: `find_room` found room for this word.
        unsafe { self.shared.memory.write(position, object) };
        Ok(())
    }

    /// Makes all pushed records visible to the receiver; returns true if there were any.
    pub fn publish(&mut self) -> bool {
        if self.published == self.tail {
            return false;
        }
        // Release: with the Acquire in `Receiver::next`, gives the records' bytes to the receiver.
        self.shared.sent.0.store(self.tail, Ordering::Release);
        self.published = self.tail;
        true
    }

    /// The number of records pushed since the beginning, published or not.
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// The number of records that the receiver has handled. The receiver's writes before it marked
    /// them are visible to the caller, and their space is free.
    pub fn handled(&self) -> u64 {
        // Acquire: with the Release in `Receiver::set_handled`.
        self.shared.done.0.handled.load(Ordering::Acquire)
    }

    /// The number of records that the receiver has settled: their data is on disk, or no session
    /// needs it from the disk any more.
    pub fn settled(&self) -> u64 {
        // Acquire: with the Release in `Receiver::set_settled`.
        self.shared.done.0.settled.load(Ordering::Acquire)
    }

    /// Answers that the receiver sends to records up to [`Sender::settled`], if that was read
    /// before: as many, or more.
    pub fn answers(&self) -> u64 {
        // Relaxed: whoever sees a mark by `settled` sees the answers before it.
        self.shared.done.0.answers.load(Ordering::Relaxed)
    }

    /// The position at which a record with `len` bytes of payload can start, if there is room for
    /// it, and for the gap at the end if it must start at the beginning of memory.
    ///
    /// The receiver's cache line is read only if the last known position does not suffice.
    fn find_room(&mut self, len: usize) -> Option<usize> {
        let memory = &self.shared.memory;
        let gap = match memory.to_end(self.tail) {
            to_end if footprint(len) <= to_end => 0,
            to_end => to_end,
        };
        let start = self.tail.wrapping_add(gap);
        let end = start.wrapping_add(footprint(len));
        if end.wrapping_sub(self.released_seen) > memory.capacity {
            // Acquire: with the Release of `released` in `Receiver::set_handled` and in the
            // receiver's drop: the receiver does not read these bytes any more.
            self.released_seen = self.shared.done.0.released.load(Ordering::Acquire);
        }
        (end.wrapping_sub(self.released_seen) <= memory.capacity).then_some(start)
    }

    /// Writes the header of a record at `start`, which `find_room` returned, and counts the record.
    /// Returns the position of its payload, which must be filled before a publish.
    fn place(&mut self, start: usize, len: usize, kind: usize) -> usize {
        let memory = &self.shared.memory;
        if start != self.tail {
            // SAFETY: ownership: the gap between tail and `start` was found free too.
            unsafe { memory.write(self.tail, WRAP) };
        }
        // SAFETY: ownership: `find_room` found room for the header before the payload.
        unsafe { memory.write(start, len << KIND_BITS | kind) };
        self.tail = start.wrapping_add(footprint(len));
        self.pushed += 1;
        start.wrapping_add(WORD)
    }
}

impl<T: Send> Drop for Sender<T> {
    fn drop(&mut self) {
        // Obligation 3: the memory's drop would not find objects that were pushed and not
        // published.
        self.publish();
    }
}

/// A record received from a ring.
#[derive(Debug)]
pub enum Record<'a, T> {
    /// The bytes of one `push`, in the ring's own memory.
    Bytes(&'a [u8]),
    /// The object of one `push_object`.
    Object(T),
}

/// The receiver's end. Dropping it does not change `handled`.
pub struct Receiver<T: Send> {
    shared: Arc<Shared<T>>,
    /// Position of the next record.
    head: usize,
    /// Position up to which space was released. `released <= head`
    released: usize,
    /// The sender's position as last seen. `head <= published_seen <= published`
    published_seen: usize,
    /// Records before `head`.
    taken: u64,
    /// The last argument of `set_settled`. `settled <= taken`
    settled: u64,
    /// The count of `count_answers`.
    answers: u64,
}

impl<T: Send> Receiver<T> {
    /// The next record, in order. Its bytes are borrowed until the next call.
    ///
    /// The sender's cache line is read only if all records that were seen are taken.
    #[allow(clippy::should_implement_trait)] // It lends; an `Iterator` cannot.
    pub fn next(&mut self) -> Option<Record<'_, T>> {
        if self.head == self.published_seen {
            // Acquire: with the Release in `Sender::publish`.
            self.published_seen = self.shared.sent.0.load(Ordering::Acquire);
        }
        // SAFETY: the position is this end's own, and the limit was loaded with Acquire.
        let (object, next) = unsafe { self.shared.memory.record(self.head, self.published_seen) }?;
        self.head = next;
        self.taken += 1;
        Some(match object {
            Record::Bytes(bytes) => Record::Bytes(bytes),
            // SAFETY: objects: `head` has passed the address, so this is the only owner.
            Record::Object(object) => Record::Object(*unsafe { Box::from_raw(object) }),
        })
    }

    /// Publishes that all taken records were handled, and releases their space. Writes no shared
    /// line if none was taken since the last call.
    pub fn set_handled(&mut self) {
        if self.released == self.head {
            return;
        }
        let done = &self.shared.done.0;
        // Release: with the Acquire in `Sender::find_room`. Before `handled`, so that a sender that
        // sees the mark finds the space free.
        done.released.store(self.head, Ordering::Release);
        // Release: with the Acquire in `Sender::handled`.
        done.handled.store(self.taken, Ordering::Release);
        self.released = self.head;
    }

    /// The number of records taken since the beginning.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Publishes that the data of the first `records` records is on disk.
    ///
    /// # Panics
    /// If `records` is less than before, or more than the taken records.
    pub fn set_settled(&mut self, records: u64) {
        assert!(self.settled <= records, "{records} is less than {}", self.settled);
        assert!(records <= self.taken, "{records} settled of {} taken", self.taken);
        if self.settled < records {
            let done = &self.shared.done.0;
            // Release: with the Acquire in `Sender::settled`.
            done.settled.store(records, Ordering::Release);
            self.settled = records;
        }
    }

    /// Publishes that some more records have answers, which come by another way. It belongs before
    /// [`Receiver::set_settled`] for these records.
    pub fn count_answers(&mut self, answers: u64) {
        self.answers += answers;
        // Relaxed: the Release in `set_settled` follows.
        self.shared.done.0.answers.store(self.answers, Ordering::Relaxed);
    }

    /// Whether no record is waiting. Reads the sender's line again: this is the check after
    /// [`Bell::announce_sleep`](super::Bell::announce_sleep).
    pub fn is_empty(&self) -> bool {
        // Relaxed: no record is read because of it. The bell's fences make the value recent enough
        // to sleep on.
        self.shared.sent.0.load(Ordering::Relaxed) == self.head
    }
}

impl<T: Send> Drop for Receiver<T> {
    fn drop(&mut self) {
        let done = &self.shared.done.0;
        // Obligation 3: objects taken and not handled would be dropped again with the memory.
        // Release: with the Acquire in `Sender::find_room`.
        done.released.store(self.head, Ordering::Release);
    }
}

/// The state that both ends share, in three separate parts: constants, fields that the sender
/// writes, and fields that the receiver writes.
struct Shared<T> {
    memory: Memory,
    /// The position `published`.
    sent: Line<AtomicUsize>,
    done: Line<Done>,
    /// The memory owns objects.
    objects: PhantomData<T>,
}

/// The receiver's marks.
#[derive(Default)]
struct Done {
    /// The position `released`.
    released: AtomicUsize,
    /// Records handled.
    handled: AtomicU64,
    /// Records settled.
    settled: AtomicU64,
    /// Answers to records.
    answers: AtomicU64,
}

// SAFETY: of what is shared only the memory is not atomic, and it is accessed by ownership
// (obligation 1); the objects in it move from one thread to another, for which `T: Send` suffices.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above; no `&T` is ever given out, so `T: Sync` is not needed.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Relaxed: both ends are dropped, and dropping the last handle comes after all their
        // accesses.
        let mut head = self.done.0.released.load(Ordering::Relaxed);
        let published = self.sent.0.load(Ordering::Relaxed);
        // SAFETY: there is no other owner; between the two positions there are whole records.
        while let Some((record, next)) = unsafe { self.memory.record::<T>(head, published) } {
            head = next;
            if let Record::Object(object) = record {
                // SAFETY: objects: the receiver's head did not pass it, and it is passed here once.
                drop(unsafe { Box::from_raw(object) });
            }
        }
    }
}

/// The words of one ring. This type knows the form of records, but not their owner.
struct Memory {
    base: NonNull<u64>,
    /// In bytes; a power of two.
    capacity: usize,
    races: RaceCheck,
}

impl Memory {
    fn new(capacity: usize) -> Self {
        let words = vec![0u64; capacity / WORD].into_boxed_slice();
        let races = RaceCheck::new(capacity);
        Self { base: NonNull::from(Box::leak(words)).cast(), capacity, races }
    }

    /// The record at `head` (an object by its address) and the position after it; `None` if `head`
    /// is `limit`.
    ///
    /// # Safety
    /// The caller owns `[head, limit)`, which holds valid records, until it gives them up.
    unsafe fn record<T>(&self, head: usize, limit: usize) -> Option<(Record<'_, *mut T>, usize)> {
        if head == limit {
            return None;
        }
        let mut start = head;
        // SAFETY: form: where a record can start there is a header.
        let mut header = unsafe { self.read::<usize>(start) };
        if header == WRAP {
            start = start.wrapping_add(self.to_end(start));
            // SAFETY: form: a record follows the marker, before the limit.
            header = unsafe { self.read::<usize>(start) };
        }
        let len = header >> KIND_BITS;
        let payload = start.wrapping_add(WORD);
        let record = match header & ((1 << KIND_BITS) - 1) {
            // SAFETY: form: this many bytes follow, in one piece.
            KIND_BYTES => Record::Bytes(unsafe { self.read_bytes(payload, len) }),
            // SAFETY: form: the address of a `T` follows.
            KIND_OBJECT => Record::Object(unsafe { self.read::<*mut T>(payload) }),
            kind => unreachable!("kind {kind} at position {start}"),
        };
        Some((record, start.wrapping_add(footprint(len))))
    }

    /// Bytes from a position to the end of memory; a whole number of words at a record's start.
    fn to_end(&self, position: usize) -> usize {
        self.capacity - self.offset(position)
    }

    fn offset(&self, position: usize) -> usize {
        position & (self.capacity - 1)
    }

    fn address(&self, position: usize) -> *mut u8 {
        // SAFETY: the offset is less than the capacity, which is the size of the allocation.
        unsafe { self.base.as_ptr().cast::<u8>().add(self.offset(position)) }
    }

    /// # Safety
    /// The caller may write this word, and the position is a multiple of a word.
    unsafe fn write<V>(&self, position: usize, value: V) {
        const { assert!(size_of::<V>() <= WORD && align_of::<V>() <= WORD) };
        self.races.write(self.offset(position), WORD);
        // SAFETY: in bounds and aligned; unshared by the caller's promise.
        unsafe { self.address(position).cast::<V>().write(value) };
    }

    /// # Safety
    /// The caller may read this word, the position is a multiple of a word, and the last write to
    /// it was `write::<V>`.
    unsafe fn read<V: Copy>(&self, position: usize) -> V {
        const { assert!(size_of::<V>() <= WORD && align_of::<V>() <= WORD) };
        self.races.read(self.offset(position), WORD);
        // SAFETY: in bounds, aligned and a `V` by the caller's promise; no thread writes it now.
        unsafe { self.address(position).cast::<V>().read() }
    }

    /// # Safety
    /// The caller may write these bytes, and they do not extend past the end of memory.
    unsafe fn write_bytes(&self, position: usize, bytes: &[u8]) {
        assert!(bytes.len() <= self.to_end(position), "a record lies in one piece");
        self.races.write(self.offset(position), bytes.len());
        let to = self.address(position);
        // SAFETY: in bounds and unshared by the caller's promise; a slice the caller could still
        // read cannot lie in memory that it may write.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// # Safety
    /// The caller may read these bytes as long as it keeps them, and they do not extend past the
    /// end of memory.
    unsafe fn read_bytes(&self, position: usize, len: usize) -> &[u8] {
        assert!(len <= self.to_end(position), "a record lies in one piece");
        self.races.read(self.offset(position), len);
        // SAFETY: in bounds, initialised since memory began as zeros, and not written while
        // borrowed, by the caller's promise.
        unsafe { slice::from_raw_parts(self.address(position), len) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let words = ptr::slice_from_raw_parts_mut(self.base.as_ptr(), self.capacity / WORD);
        // SAFETY: `new` leaked a box of exactly this slice, and it comes back only here.
        drop(unsafe { Box::from_raw(words) });
    }
}

/// Bytes that a record with `len` bytes of payload takes.
fn footprint(len: usize) -> usize {
    WORD + len.next_multiple_of(WORD)
}
