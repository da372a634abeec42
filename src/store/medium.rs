//! The seam to the disk: what a store asks for, and what it gets.
//!
//! The store itself opens, maps and writes nothing. It hands out [`Request`]s, which a [`Medium`]
//! fulfils in its own time, and writes (see [`super::Log::next_write`]), which the reactor gives to
//! its ring. Rules that hold for every implementation:
//!
//! - A file is named once and for all: a number is never used for another file of the shard.
//! - A file that is supplied has its full length allocated, is durable under its name, and begins
//!   with [`super::HEADER_BYTES`] zeros.
//! - What else it has is zeros, or what an earlier use in this run of the process left. What was
//!   free when the store was opened is made anew, or made zeros: it may have records of a write
//!   that a crash interrupted, and those would be good in a segment with the same start. Zeros need
//!   not be written: where the file system knows that nothing was, it reads zeros.
//! - Its mapping shows what was written to it, as soon as the write has completed.

use std::io;

use super::timeline::ClockReading;

/// Names a segment file of one shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(pub u64);

/// The bytes of a file, mapped for reading. Only what was written is to be read.
///
/// A disk may not be able to read some of them. Who has looked at them within
/// [`Mapping::guard`], and then uses them in the same turn, finds them as they were.
pub trait Mapping: Send {
    /// All of the file.
    fn bytes(&self) -> &[u8];

    /// Calls `read`, which may read any of [`Mapping::bytes`]. What the disk cannot read is zeros,
    /// from then on; whether there was nothing of that. Elsewhere it may end the process.
    fn guard(&self, read: &mut dyn FnMut()) -> bool {
        read();
        true
    }

    /// Lets go of the memory that reading has mapped; what is read again is mapped again.
    fn forget(&self) {}
}

impl dyn Mapping + '_ {
    /// What `look` makes of the bytes; as an error if the disk could not read some that it looked
    /// at, which were zeros then.
    pub fn look<'a, T>(&'a self, look: impl FnOnce(&'a [u8]) -> T) -> Result<T, T> {
        let (mut look, mut seen) = (Some(look), None);
        let is_whole = self.guard(&mut || {
            seen = look.take().map(|look| look(self.bytes()));
        });
        let seen = seen.expect("a guard calls what it is given");
        if is_whole { Ok(seen) } else { Err(seen) }
    }
}

/// A file that was there when the store was opened. What its mapping shows is durable, also if it
/// was not yet when the process before was killed.
pub struct Found {
    /// Its name.
    pub id: FileId,
    /// Its bytes.
    pub mapping: Box<dyn Mapping>,
}

/// What a store wants of its medium.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// A file of this length, header included. Answered by [`Answer::Supplied`] or
    /// [`Answer::Refused`], once, in the order they were asked.
    Supply {
        /// Bytes of the file.
        bytes: u64,
    },
    /// Nothing in this file is needed any more: make its header zeros, durably, and keep it for the
    /// next `Supply` of its length, or remove it. No answer.
    Recycle(FileId),
    /// Space is low: what free files are kept are removed. No answer.
    Shed,
    /// What the clocks show is wanted. Answered by [`Answer::Clocks`].
    Clocks,
    /// This file is damaged: rename it so that it is not found again, and keep it. No answer.
    SetAside(FileId),
}

/// What a medium has to say.
pub enum Answer<F> {
    /// A file, as it was asked for.
    Supplied {
        /// Its name.
        id: FileId,
        /// For writing.
        file: F,
        /// Its bytes.
        mapping: Box<dyn Mapping>,
    },
    /// There is no file: no space, most likely. The store asks again later.
    Refused(io::Error),
    /// How much space the file system has for us, and its size, bytes.
    Space {
        /// Bytes that may still be allocated.
        free: u64,
        /// Bytes there are in all.
        total: u64,
    },
    /// What the clocks show.
    Clocks(ClockReading),
}

/// One shard's part of a disk, as its reactor sees it. Nothing in it waits.
pub trait Medium {
    /// What the ring writes to. All clones are the same file.
    type File: Clone + 'static;

    /// Asks for something.
    fn ask(&mut self, request: Request);

    /// The next thing it has to say, if there is one. A medium that has something to say wakes the
    /// reactor.
    fn next_answer(&mut self) -> Option<Answer<Self::File>>;
}
