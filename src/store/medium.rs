//! The interface to the disk: the requests of a store, and their answers.
//!
//! The store itself opens, maps and writes nothing. It returns [`Request`]s, which a [`Medium`]
//! fulfils in its own time, and writes (see [`super::Log::next_write`]), which the reactor passes
//! to its ring. Rules for every implementation:
//!
//! - A file's number is never used for another file of the shard.
//! - A supplied file has its full length allocated, is durable under its name, and begins with
//!   [`super::HEADER_BYTES`] zeros.
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

/// The bytes of a file, mapped for reading. Only written bytes may be read.
///
/// A disk may not be able to read some of them. Bytes that were read within [`Mapping::guard`] stay
/// the same for the rest of the turn.
pub trait Mapping: Send {
    /// All bytes of the file.
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

/// A file that was found when the store was opened. The bytes of its mapping are durable, even if
/// they were not when the previous process was killed.
pub struct Found {
    /// Its name.
    pub id: FileId,
    /// Its bytes.
    pub mapping: Box<dyn Mapping>,
}

/// The known extent of a log. It is kept beside the files, so that a missing or truncated file is
/// noticed. A log may be longer, unless it was ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// The start of the newest segment in the log,
    pub start: u64,
    /// and its file. There is none if it starts where the log ends.
    pub file: FileId,
    /// The end of the committed log.
    pub end: u64,
    /// Whether it was ended there, so that nothing follows.
    pub is_ended: bool,
}

/// A request of a store to its medium.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Requests a file of this length, including the header. Answered by [`Answer::Supplied`] or
    /// [`Answer::Refused`], once, in the order of requests.
    Supply {
        /// The length of the file.
        bytes: u64,
    },
    /// This file is not needed any more. Its header must be set to zeros durably. Then it is kept
    /// for the next `Supply` of its length, or removed. No answer.
    Recycle(FileId),
    /// Keep this extent durably in place of the previous one, before any later request is done. No
    /// answer.
    Note(Extent),
    /// Space is low: remove the free files that are kept. No answer.
    Shed,
    /// Asks for the time of the clocks. Answered by [`Answer::Clocks`].
    Clocks,
    /// This file is damaged: rename it so that it is not found again, and keep it. No answer.
    SetAside(FileId),
}

/// An answer of a medium.
pub enum Answer<F> {
    /// A requested file.
    Supplied {
        /// Its name.
        id: FileId,
        /// The file to write to.
        file: F,
        /// Its bytes.
        mapping: Box<dyn Mapping>,
    },
    /// There is no file, most likely because of space. The store asks again later.
    Refused(io::Error),
    /// The available space and the size of the file system.
    Space {
        /// Bytes that can still be allocated.
        free: u64,
        /// Bytes in total.
        total: u64,
    },
    /// The time of the clocks.
    Clocks(ClockReading),
}

/// One shard's interface to a disk, for its reactor. Its methods never block.
pub trait Medium {
    /// The file that the ring writes to. All clones are the same file.
    type File: Clone + 'static;

    /// Makes a request.
    fn ask(&mut self, request: Request);

    /// The next answer, if there is one. A medium with an answer wakes the reactor.
    fn next_answer(&mut self) -> Option<Answer<Self::File>>;
}
