//! The write in flight: its memory, its file, and the operations that are still to be submitted.
//!
//! ```text
//!        begin          next                 the round's last completion
//! none ────────► due ──────────► in flight ──┬─ short, interrupted, link torn ──► due
//!                                            └─ whole, or failed ──► none, and the result
//! ```
//!
//! A round is a write of all that is left and, where the data is to be durable, an fdatasync linked
//! to it: the kernel begins that when the write is whole, else it cancels it. One write at a time.
//!
//! Obligations towards the kernel, kept here:
//! - The bytes and the descriptor that entries of [`Writes::next`] point at stay until the round's
//!   last completion: a [`Bytes`] keeps its memory in place, and it is never written to.
//! - [`Writes`] is not dropped while a round is in flight; its owner leaks it rather.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use io_uring::types::{Fd, FsyncFlags};
use io_uring::{opcode, squeue};

use super::sync_failure::sync_failure;
use super::tag::{Kind, Tag};

/// Interruptions in a row, nothing written between, before one is the result: by then it is no
/// accident, and asking on would keep a core busy.
const INTERRUPTIONS_MAX: u32 = 1000;

/// The one write of a ring, if there is one.
#[derive(Default)]
pub(super) struct Writes {
    current: Option<Writing>,
}

/// A write that was begun and is not over.
struct Writing {
    file: Arc<OwnedFd>,
    /// The offset of `rest` in the file.
    offset: u64,
    /// Bytes that are not known to be written.
    rest: Bytes,
    sync: bool,
    /// Since bytes were last written; at most [`INTERRUPTIONS_MAX`].
    interruptions: u32,
    /// The kernel's current round; none: the next round is due.
    round: Option<Round>,
}

/// Operations that were submitted together.
struct Round {
    write: Operation,
    sync: Operation,
    /// Whether the two may have been submitted apart: the sync may have run before the write.
    is_torn: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    NotAsked,
    InFlight,
    /// With what the kernel returned.
    Ended(i32),
}

impl Writes {
    /// Takes a write until it is over; [`Writes::next`] has its first round.
    ///
    /// # Panics
    /// If there is one already, or if `bytes` is empty or has 4 GiB or more.
    pub(super) fn begin(&mut self, file: Arc<OwnedFd>, offset: u64, bytes: Bytes, sync: bool) {
        assert!(self.current.is_none(), "one write at a time");
        assert!(!bytes.is_empty(), "a write has something to write");
        assert!(u32::try_from(bytes.len()).is_ok(), "a write is shorter than 4 GiB");
        // The kernel takes -1 for the file's own position.
        assert!(i64::try_from(offset).is_ok(), "a file's offsets have 63 bits");
        let (interruptions, round) = (0, None);
        let writing = Writing { file, offset, rest: bytes, sync, interruptions, round };
        self.current = Some(writing);
    }

    /// The round that is due: entries to be submitted together, each completes once. Empty while
    /// there is nothing to do or the kernel is at it.
    pub(super) fn next(&mut self) -> Vec<squeue::Entry> {
        match &mut self.current {
            Some(writing) if writing.round.is_none() => writing.start_round(),
            _ => Vec::new(),
        }
    }

    /// Whether the kernel is at it. What is linked begins in an enter only.
    pub(super) fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// The kernel did not take all that was submitted at once. A link ends with what it took, so
    /// the sync in flight does not prove that its write is durable.
    pub(super) fn distrust_link(&mut self) {
        let round = self.current.as_mut().and_then(|writing| writing.round.as_mut());
        if let Some(round) = round {
            round.is_torn = true;
        }
    }

    /// A round's write or sync ended with `result`. Gives the outcome if the whole is over.
    ///
    /// # Panics
    /// If it was not in flight.
    pub(super) fn on_ended(&mut self, kind: Kind, result: i32) -> Option<io::Result<()>> {
        let writing = self.current.as_mut().expect("nothing is written");
        let round = writing.round.as_mut().expect("nothing is in flight");
        let operation = if kind == Kind::Write { &mut round.write } else { &mut round.sync };
        assert_eq!(*operation, Operation::InFlight, "a {kind:?} ends once");
        *operation = Operation::Ended(result);
        if [round.write, round.sync].contains(&Operation::InFlight) {
            return None;
        }
        let round = writing.round.take()?;
        let outcome = writing.settle(&round).break_value()?;
        self.current = None;
        Some(outcome)
    }
}

impl Writing {
    fn start_round(&mut self) -> Vec<squeue::Entry> {
        let fd = Fd(self.file.as_raw_fd());
        let mut entries = Vec::with_capacity(2);
        let asked = |is_asked| if is_asked { Operation::InFlight } else { Operation::NotAsked };
        let (write, sync) = (asked(!self.rest.is_empty()), asked(self.sync));
        if write == Operation::InFlight {
            let bytes = u32::try_from(self.rest.len()).expect("asserted when it began");
            let entry = opcode::Write::new(fd, self.rest.as_ptr(), bytes).offset(self.offset);
            let tag = Tag::other(Kind::Write, 0).encode();
            let link = if self.sync { squeue::Flags::IO_LINK } else { squeue::Flags::empty() };
            entries.push(entry.build().flags(link).user_data(tag));
        }
        if sync == Operation::InFlight {
            let entry = opcode::Fsync::new(fd).flags(FsyncFlags::DATASYNC).build();
            entries.push(entry.user_data(Tag::other(Kind::Sync, 0).encode()));
        }
        self.round = Some(Round { write, sync, is_torn: false });
        entries
    }

    /// Takes note of what a round did; breaks with the outcome of the whole.
    fn settle(&mut self, round: &Round) -> ControlFlow<io::Result<()>> {
        if let Operation::Ended(result) = round.write
            && let Err(error) = self.on_written(result)
        {
            return ControlFlow::Break(Err(error));
        }
        let is_whole = self.rest.is_empty();
        match round.sync {
            // The link did what it is for.
            Operation::Ended(result) if result == -libc::ECANCELED && !is_whole => {
                ControlFlow::Continue(())
            }
            // Never asked again: the kernel tells once that pages are lost, and then takes them
            // for clean. That holds for a sync that ran apart from its write, too.
            Operation::Ended(result @ ..0) => {
                ControlFlow::Break(Err(sync_failure(io::Error::from_raw_os_error(-result))))
            }
            Operation::Ended(_) if round.is_torn => ControlFlow::Continue(()),
            _ if is_whole => ControlFlow::Break(Ok(())),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Takes note of what a write did.
    ///
    /// # Errors
    /// If the rest cannot be written.
    fn on_written(&mut self, result: i32) -> io::Result<()> {
        match result {
            0 => Err(io::ErrorKind::WriteZero.into()),
            1.. => {
                let bytes = result.unsigned_abs();
                self.rest.advance(bytes as usize);
                self.offset += u64::from(bytes);
                self.interruptions = 0;
                Ok(())
            }
            _ if [libc::EINTR, libc::EAGAIN].contains(&-result)
                && self.interruptions < INTERRUPTIONS_MAX =>
            {
                self.interruptions += 1;
                Ok(())
            }
            _ => Err(io::Error::from_raw_os_error(-result)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use io_uring::squeue::Entry;

    use super::super::sync_failure::{errno_of, is_sync_failure};
    use super::*;

    const OFFSET: u64 = 1000;

    /// The results of one round of a write of ten bytes, and its operations.
    #[derive(Clone, Copy, Debug)]
    enum Told {
        /// Both were asked for and end so.
        Both(i32, i32),
        /// As [`Told::Both`], but submitted apart.
        Apart(i32, i32),
        /// Only a write was asked for.
        Write(i32),
        /// Only a sync was asked for.
        Sync(i32),
    }

    use Told::{Apart, Both, Sync, Write};

    fn file() -> Arc<OwnedFd> {
        Arc::new(File::open("/").expect("there is a root").into())
    }

    fn begun(sync: bool) -> Writes {
        let mut writes = Writes::default();
        writes.begin(file(), OFFSET, Bytes::from_static(b"0123456789"), sync);
        writes
    }

    fn panics(action: impl FnOnce()) -> bool {
        catch_unwind(AssertUnwindSafe(action)).is_err()
    }

    fn kinds(entries: &[Entry]) -> Vec<Kind> {
        entries.iter().map(|entry| Tag::decode(entry.get_user_data()).kind).collect()
    }

    /// One round; `reversed`: the sync's completion comes first, as the kernel may have it.
    fn tell(writes: &mut Writes, told: Told, reversed: bool) -> Option<io::Result<()>> {
        let mut ends = match told {
            Both(write, sync) | Apart(write, sync) => {
                vec![(Kind::Write, write), (Kind::Sync, sync)]
            }
            Write(write) => vec![(Kind::Write, write)],
            Sync(sync) => vec![(Kind::Sync, sync)],
        };
        let asked: Vec<Kind> = ends.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds(&writes.next()), asked, "before {told:?}");
        assert!(writes.next().is_empty(), "a round is given out once");
        if matches!(told, Apart(..)) {
            writes.distrust_link();
        }
        if reversed {
            ends.reverse();
        }
        let (kind, result) = ends.pop().expect("one at least");
        for (kind, result) in ends {
            assert!(writes.on_ended(kind, result).is_none(), "over before its last completion");
            assert!(writes.next().is_empty(), "memory is still the kernel's");
        }
        writes.on_ended(kind, result)
    }

    /// For any results in any order: written bytes are not written again, other bytes are submitted
    /// once more, a sync counts only after the whole write, and its error ends the write. The last
    /// column is the outcome: 0 is success, -1 has no errno.
    #[test]
    fn rounds_follow_the_answers() {
        const CANCELLED: i32 = -libc::ECANCELED;
        let table: &[(&[Told], i32)] = &[
            (&[Write(10)], 0),
            (&[Write(4), Write(6)], 0),
            (&[Write(1), Write(8), Write(1)], 0),
            (&[Write(-libc::EINTR), Write(10)], 0),
            (&[Write(-libc::EAGAIN), Write(3), Write(-libc::EINTR), Write(7)], 0),
            (&[Write(-libc::EBADF)], libc::EBADF),
            (&[Write(9), Write(-libc::ENOSPC)], libc::ENOSPC),
            (&[Write(0)], -1),
            (&[Write(9), Write(0)], -1),
            (&[Both(10, 0)], 0),
            (&[Both(10, -libc::EIO)], libc::EIO),
            (&[Both(10, -libc::EINTR)], libc::EINTR),
            (&[Both(10, CANCELLED)], libc::ECANCELED),
            (&[Both(4, CANCELLED), Both(6, 0)], 0),
            (&[Both(4, CANCELLED), Both(6, -libc::EIO)], libc::EIO),
            (&[Both(4, CANCELLED), Both(5, CANCELLED), Both(1, 0)], 0),
            (&[Both(4, CANCELLED), Both(-libc::EDQUOT, CANCELLED)], libc::EDQUOT),
            (&[Both(-libc::EINTR, CANCELLED), Both(10, 0)], 0),
            (&[Both(-libc::EAGAIN, CANCELLED), Both(10, 0)], 0),
            (&[Both(-libc::EBADF, CANCELLED)], libc::EBADF),
            (&[Both(0, CANCELLED)], -1),
            // A write cut at the kernel's own limit counts as whole for the link.
            (&[Both(4, 0), Both(6, 0)], 0),
            (&[Apart(10, 0), Sync(0)], 0),
            (&[Apart(10, 0), Sync(-libc::EIO)], libc::EIO),
            (&[Apart(10, -libc::EIO)], libc::EIO),
            (&[Apart(4, 0), Both(6, 0)], 0),
            (&[Apart(4, CANCELLED), Both(6, 0)], 0),
            // This sync reported lost pages: the kernel does not report them again.
            (&[Apart(4, -libc::EIO)], libc::EIO),
            (&[Apart(-libc::EINTR, -libc::EIO)], libc::EIO),
        ];
        for (rounds, errno) in table {
            for reversed in [false, true] {
                let is_sync = !matches!(rounds[0], Write(_));
                let mut writes = begun(is_sync);
                let (last, before) = rounds.split_last().expect("one at least");
                for told in before {
                    assert!(tell(&mut writes, *told, reversed).is_none(), "{rounds:?}");
                }
                let outcome = tell(&mut writes, *last, reversed).expect("it is over");
                let found = outcome.as_ref().map_or_else(|e| errno_of(e).unwrap_or(-1), |()| 0);
                assert_eq!(found, *errno, "{rounds:?}, reversed: {reversed}");
                let is_of_sync = match last {
                    Both(_, sync) | Apart(_, sync) | Sync(sync) => -sync == *errno,
                    Write(_) => false,
                };
                let is_told = outcome.as_ref().is_err_and(is_sync_failure);
                assert_eq!(is_told, is_of_sync && *errno > 0, "{rounds:?}");
                assert!(writes.current.is_none() && writes.next().is_empty());
            }
        }
    }

    /// Rest and offset move together, by exactly what was written.
    #[test]
    fn the_rest_goes_where_it_belongs() {
        let mut writes = begun(false);
        for (wrote, offset, rest) in
            [(3, 1003, "3456789"), (-libc::EINTR, 1003, "3456789"), (6, 1009, "9")]
        {
            assert_eq!(writes.next().len(), 1);
            assert!(writes.on_ended(Kind::Write, wrote).is_none());
            let writing = writes.current.as_ref().expect("not over");
            assert_eq!((writing.offset, &writing.rest[..]), (offset, rest.as_bytes()));
        }
    }

    /// Interruptions without end are an error; with progress between they are none.
    #[test]
    fn interruptions_are_bounded() {
        let mut writes = begun(false);
        for wrote in [1, 9] {
            for _ in 0..INTERRUPTIONS_MAX {
                assert!(tell(&mut writes, Write(-libc::EINTR), false).is_none());
            }
            assert_eq!(tell(&mut writes, Write(wrote), false).is_some(), wrote == 9);
        }
        let mut writes = begun(false);
        for _ in 0..INTERRUPTIONS_MAX {
            assert!(tell(&mut writes, Write(-libc::EAGAIN), false).is_none());
        }
        let outcome = tell(&mut writes, Write(-libc::EAGAIN), false).expect("it is over");
        assert_eq!(outcome.map_err(|error| error.raw_os_error()), Err(Some(libc::EAGAIN)));
    }

    /// File and memory are held while the write lasts, and no longer.
    #[test]
    fn what_the_kernel_uses_is_held() {
        let (mut writes, file) = (Writes::default(), file());
        let bytes = Bytes::from(vec![1; 10]);
        writes.begin(Arc::clone(&file), 0, bytes.clone(), false);
        assert!(tell(&mut writes, Write(4), false).is_none());
        assert!(Arc::strong_count(&file) == 2 && !bytes.is_unique());
        assert!(tell(&mut writes, Write(6), false).is_some());
        assert!(Arc::strong_count(&file) == 1 && bytes.is_unique());
    }

    /// Forbidden behaviour of the caller or the kernel is a bug and not a case.
    #[test]
    fn misuse_panics() {
        let begin = |offset, bytes: &'static [u8]| {
            Writes::default().begin(file(), offset, Bytes::from_static(bytes), false);
        };
        assert!(!panics(|| begin(i64::MAX.unsigned_abs(), b"x")));
        assert!(panics(|| begin(i64::MAX.unsigned_abs() + 1, b"x")));
        assert!(panics(|| begin(u64::MAX, b"x")) && panics(|| begin(0, b"")));
        let mut writes = begun(false);
        assert!(panics(|| writes.begin(file(), 0, Bytes::from_static(b"x"), false)));
        assert!(panics(|| drop(writes.on_ended(Kind::Write, 10))), "it was not submitted");
        assert_eq!(writes.next().len(), 1);
        assert!(panics(|| drop(writes.on_ended(Kind::Sync, 0))), "it was not asked for");
        assert!(panics(|| drop(writes.on_ended(Kind::Write, 11))), "there was no such byte");
    }
}
