//! The write in flight: its memory, its file, and its operations that are still to be submitted.
//!
//! ```text
//!        begin          next                 the round's last completion
//! none ────────► due ──────────► in flight ──┬─ short, interrupted, link torn ──► due
//!                                            └─ whole, or failed ──► none, and the result
//! ```
//!
//! A round is a write of all remaining bytes and, if the data must be durable, a linked fdatasync:
//! the kernel begins that when the write is complete, otherwise it cancels it. One write at a time.
//!
//! Obligations towards the kernel, kept here:
//! - The bytes and the descriptor in the entries of [`Writes::next`] stay until the round's last
//!   completion: a [`Bytes`] keeps its memory in place and is never written.
//! - [`Writes`] is not dropped while a round is in flight; its owner leaks it instead.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use io_uring::types::{Fd, FsyncFlags};
use io_uring::{opcode, squeue};

use super::tag::{Kind, Tag};

/// The number of interruptions in a row, with nothing written between, after which the write fails:
/// more retries would keep a core busy.
const INTERRUPTIONS_MAX: u32 = 1000;

/// The one write of a ring, if there is one.
#[derive(Default)]
pub(super) struct Writes {
    current: Option<Writing>,
}

/// A write that has begun and not ended.
struct Writing {
    file: Arc<OwnedFd>,
    /// The offset of `rest` in the file.
    offset: u64,
    /// The bytes that are not known to be written.
    rest: Bytes,
    sync: bool,
    /// Interruptions since bytes were last written; at most [`INTERRUPTIONS_MAX`].
    interruptions: u32,
    /// The round in flight; `None`: the next round is due.
    round: Option<Round>,
}

/// Operations that were submitted together.
struct Round {
    write: Operation,
    sync: Operation,
    /// Whether the two may have been submitted apart, so that the sync may have run before the
    /// write.
    is_torn: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    NotAsked,
    InFlight,
    /// The kernel's result.
    Ended(i32),
}

impl Writes {
    /// Takes a write until it ends; [`Writes::next`] has its first round.
    ///
    /// # Panics
    /// If there is one already, or if `bytes` is empty or has 4 GiB or more.
    pub(super) fn begin(&mut self, file: Arc<OwnedFd>, offset: u64, bytes: Bytes, sync: bool) {
        assert!(self.current.is_none(), "one write at a time");
        assert!(!bytes.is_empty(), "a write has something to write");
        assert!(u32::try_from(bytes.len()).is_ok(), "a write is shorter than 4 GiB");
        // The kernel uses -1 for the file's own position.
        assert!(i64::try_from(offset).is_ok(), "a file's offsets have 63 bits");
        let (interruptions, round) = (0, None);
        let writing = Writing { file, offset, rest: bytes, sync, interruptions, round };
        self.current = Some(writing);
    }

    /// The round that is due: entries to submit together, each of which completes once. Empty if
    /// there is no write or a round is in flight.
    pub(super) fn next(&mut self) -> Vec<squeue::Entry> {
        match &mut self.current {
            Some(writing) if writing.round.is_none() => writing.start_round(),
            _ => Vec::new(),
        }
    }

    /// Whether a write has not ended. A linked operation begins only in an enter.
    pub(super) fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// Notes that the kernel did not accept all submissions at once. A link ends with the last
    /// accepted one, so the sync in flight does not prove that its write is durable.
    pub(super) fn distrust_link(&mut self) {
        let round = self.current.as_mut().and_then(|writing| writing.round.as_mut());
        if let Some(round) = round {
            round.is_torn = true;
        }
    }

    /// Handles the end of a round's write or sync with `result`; returns the outcome if the write
    /// has ended.
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

    /// Handles the results of a round; breaks with the outcome of the write.
    fn settle(&mut self, round: &Round) -> ControlFlow<io::Result<()>> {
        if let Operation::Ended(result) = round.write
            && let Err(error) = self.on_written(result)
        {
            return ControlFlow::Break(Err(error));
        }
        let is_whole = self.rest.is_empty();
        match round.sync {
            // The link was cut as intended.
            Operation::Ended(result) if result == -libc::ECANCELED && !is_whole => {
                ControlFlow::Continue(())
            }
            // A sync is never repeated: the kernel reports lost pages once, and then considers them
            // clean. That also holds for a sync that ran apart from its write.
            Operation::Ended(result @ ..0) => {
                ControlFlow::Break(Err(io::Error::from_raw_os_error(-result)))
            }
            Operation::Ended(_) if round.is_torn => ControlFlow::Continue(()),
            _ if is_whole => ControlFlow::Break(Ok(())),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Handles the result of a write operation.
    ///
    /// # Errors
    /// If the remaining bytes cannot be written.
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

    use super::*;

    const OFFSET: u64 = 1000;

    /// The results of one round of a write of ten bytes, and its operations.
    #[derive(Clone, Copy, Debug)]
    enum Told {
        /// Both were submitted and end so.
        Both(i32, i32),
        /// As [`Told::Both`], but submitted apart.
        Apart(i32, i32),
        /// Only a write was submitted.
        Write(i32),
        /// Only a sync was submitted.
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

    /// Reports one round; `reversed`: the sync's completion comes first, as is possible.
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
    /// again, a sync counts only after the complete write, and its error ends the write. The last
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
            // A write that is cut at the kernel's own limit counts as complete for the link.
            (&[Both(4, 0), Both(6, 0)], 0),
            (&[Apart(10, 0), Sync(0)], 0),
            (&[Apart(10, 0), Sync(-libc::EIO)], libc::EIO),
            (&[Apart(10, -libc::EIO)], libc::EIO),
            (&[Apart(4, 0), Both(6, 0)], 0),
            (&[Apart(4, CANCELLED), Both(6, 0)], 0),
            // This sync reported lost pages, and the kernel does not report them again.
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
                let found = outcome.map_or_else(|e| e.raw_os_error().unwrap_or(-1), |()| 0);
                assert_eq!(found, *errno, "{rounds:?}, reversed: {reversed}");
                assert!(writes.current.is_none() && writes.next().is_empty());
            }
        }
    }

    /// `rest` and `offset` advance together, by the number of written bytes.
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

    /// Endless interruptions are an error; with progress in between they are not.
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

    /// File and memory are held exactly as long as the write lasts.
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

    /// Forbidden behaviour of the caller or the kernel is a bug and panics.
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
