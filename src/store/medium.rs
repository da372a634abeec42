//! The interface to the disk: the requests of a store, and their answers.
//!
//! The store itself opens, maps and writes nothing. It hands out [`Request`]s, which a [`Medium`]
//! fulfils in its own time, and writes (see [`super::Log::next_write`]), which the reactor gives to
//! its ring. Rules that hold for every implementation:
//!
//! - A file is named once and for all: a number is never used for another file of the shard.
//! - A file that is supplied has its full length allocated, is durable under its name, and begins
//!   with [`super::HEADER_BYTES`] zeros.
//! - Its other bytes are zeros, or left from an earlier use in this run of the process. A file that
//!   was free when the store was opened is created again or zeroed: it may have records of a write
//!   that a crash interrupted, and those would be valid in a segment with the same start. Zeros
//!   need not be written: an unwritten extent reads as zeros.
//! - Its mapping shows what was written to it, as soon as the write has completed.

use std::io;

use super::timeline::ClockReading;

/// Names a segment file of one shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(pub u64);

/// The bytes of a file, mapped for reading. Only what was written is to be read.
///
/// A disk may not be able to read some of them. Bytes that were read within [`Mapping::guard`] stay
/// the same for the rest of the turn.
pub trait Mapping: Send {
    /// All of the file.
    fn bytes(&self) -> &[u8];

    /// Calls `read`, which may read any of [`Mapping::bytes`]. Bytes that the disk cannot read are
    /// zeros from then on. Returns whether all could be read. Outside of this call such a read may
    /// end the process.
    fn guard(&self, read: &mut dyn FnMut()) -> bool {
        read();
        true
    }

    /// Releases the pages that reading has mapped; a later read maps them again.
    fn forget(&self) {}
}

impl dyn Mapping + '_ {
    /// Returns the result of `look` on the bytes; as an error if the disk could not read some of
    /// those it looked at, which were zeros then.
    pub fn look<'a, T>(&'a self, look: impl FnOnce(&'a [u8]) -> T) -> Result<T, T> {
        let (mut look, mut seen) = (Some(look), None);
        let is_whole = self.guard(&mut || {
            seen = look.take().map(|look| look(self.bytes()));
        });
        let seen = seen.expect("a guard calls what it is given");
        if is_whole { Ok(seen) } else { Err(seen) }
    }
}

/// A file that was there when the store was opened. The bytes of its mapping are durable, also if
/// they were not yet when the previous process was killed.
pub struct Found {
    /// Its name.
    pub id: FileId,
    /// Its bytes.
    pub mapping: Box<dyn Mapping>,
}

/// How far a log is known to go. It is kept beside the files, so that a file that is gone, or has
/// lost its end, is missed. A log may go further, unless it was ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// The start of the newest segment in the log,
    pub start: u64,
    /// and the file that has it. If it starts where the log ends, there is none.
    pub file: FileId,
    /// Up to here the log was committed.
    pub end: u64,
    /// It was ended there: nothing follows.
    pub is_ended: bool,
}

/// A request of a store to its medium.
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
    /// The log goes so far: keep that, durably, instead of what was kept before; before anything
    /// that is asked later is done. No answer.
    Note(Extent),
    /// Space is low: free files that are kept are removed. No answer.
    Shed,
    /// Asks for the time of the clocks. Answered by [`Answer::Clocks`].
    Clocks,
    /// This file is damaged: rename it so that it is not found again, and keep it. No answer.
    SetAside(FileId),
}

/// An answer of a medium.
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
    /// The time of the clocks.
    Clocks(ClockReading),
}

/// One shard's part of a disk, as its reactor sees it. Its methods never block.
pub trait Medium {
    /// The file that the ring writes to. All clones are the same file.
    type File: Clone + 'static;

    /// Asks for something.
    fn ask(&mut self, request: Request);

    /// The next thing it has to say, if there is one. A medium that has something to say wakes the
    /// reactor.
    fn next_answer(&mut self) -> Option<Answer<Self::File>>;
}
