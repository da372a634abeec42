//! The helper's work for one shard: it makes, clears and removes segment files.

use std::cmp::Reverse;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};

use log::{debug, error, warn};

use super::files::{Folder, FreeFile, ShardFiles, Space};
use super::mapping::FileMapping;
use crate::limits::FREE_FILES_MAX;
use crate::store::{Extent, FileId, MediumAnswer, Request};

pub(super) type Answer = MediumAnswer<Arc<OwnedFd>>;

/// A request to the helper.
pub(super) enum Message {
    /// Adds the shard with the next slot.
    Join(Box<FileSupply>),
    /// A request of the medium with this slot.
    Ask(usize, Request),
}

/// The most votes by which one length of files may lead.
const LEAD_MAX: u64 = 8;

/// See the module.
pub(super) struct FileSupply {
    folder: Folder,
    /// Files for the next `Supply`, each once.
    free: Vec<FreeFile>,
    /// The highest number that the store has received. Its file is never removed.
    newest: Option<FileId>,
    /// The number of the next file; above `newest`.
    next: u64,
    usual: Majority,
    /// The space that was last reported to the medium.
    told: Option<Space>,
    answers: Sender<Answer>,
    wake: Box<dyn Fn() + Send>,
    waiter: Weak<()>,
}

impl FileSupply {
    /// Makes the supply of a shard with these files. Its medium receives `answers` and is woken
    /// with `wake`. Files are no longer wanted when `waiter` is dropped.
    ///
    /// # Panics
    /// If the directory was opened for reading only.
    pub(super) fn new(
        files: ShardFiles,
        answers: Sender<Answer>,
        wake: Box<dyn Fn() + Send>,
        waiter: Weak<()>,
    ) -> Self {
        Self {
            folder: files.folder.expect("the directory was opened for writing"),
            free: files.free,
            newest: files.newest,
            next: files.newest.map_or(0, |newest| newest.0.saturating_add(1)),
            usual: Majority::default(),
            told: None,
            answers,
            wake,
            waiter,
        }
    }

    /// Handles a request of the medium. The caller handles requests for clocks.
    pub(super) fn handle(&mut self, request: Request) {
        match request {
            Request::Supply { .. } if self.waiter.strong_count() == 0 => return,
            Request::Supply { bytes } => self.handle_supply(bytes),
            Request::Recycle(id) => self.handle_recycle(id),
            Request::Shed => self.trim(0),
            Request::Clocks => unreachable!("the caller does it"),
            Request::SetAside(id) => self.handle_set_aside(id),
            Request::Note(extent) => self.handle_note(&extent),
        }
        self.look_at_space();
    }

    fn handle_supply(&mut self, bytes: u64) {
        let answer = self.supply(bytes).unwrap_or_else(Answer::Refused);
        let is_full = matches!(
            &answer,
            Answer::Refused(error)
                if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
        );
        if let Answer::Supplied { .. } = &answer {
            self.usual.count(bytes);
        }
        self.say(answer);
        if !is_full {
            self.trim(FREE_FILES_MAX);
        } else if self.would_fit(bytes) {
            // Free files of other lengths take the space that the new file needs.
            self.trim(0);
        }
    }

    /// Whether a file would fit if no free files were kept. If it would not, they stay for shorter
    /// requests: after a start they are the reserve of a full disk, which another shard might use
    /// otherwise.
    fn would_fit(&self, bytes: u64) -> bool {
        let kept: u64 = self.free.iter().map(|free| free.bytes).sum();
        self.folder.space().is_ok_and(|space| space.free.saturating_add(kept) >= bytes)
    }

    fn supply(&mut self, bytes: u64) -> io::Result<Answer> {
        let reused = self.free.iter().position(|free| free.bytes == bytes);
        let (id, file) = match reused {
            Some(at) => {
                let free = self.free.swap_remove(at);
                (free.id, self.folder.reopen(free)?)
            }
            None => {
                let id = FileId(self.next);
                // A number is not used again even if its file could not be made: a partly made file
                // that could not be removed must not block the next one.
                self.next = self.next.saturating_add(1);
                let file = self.folder.create(id, bytes)?;
                self.newest = Some(id);
                (id, file)
            }
        };
        match FileMapping::new(&file, bytes, &self.folder.segment_path(id)) {
            Ok(mapping) => {
                let file = Arc::new(OwnedFd::from(file));
                Ok(Answer::Supplied { id, file, mapping: Box::new(mapping) })
            }
            Err(error) => {
                self.free.push(FreeFile { id, bytes, is_unknown: true });
                let path = self.folder.segment_path(id);
                let text = format!("cannot map {}: {error}", path.display());
                Err(io::Error::new(error.kind(), text))
            }
        }
    }

    fn handle_recycle(&mut self, id: FileId) {
        assert!(self.free.iter().all(|free| free.id != id), "{id:?} is free already");
        match self.folder.clear(id) {
            Ok(free) => self.free.push(free),
            Err(error) => {
                let path = self.folder.segment_path(id);
                warn!("cannot clear {}, it stays as it is: {error}", path.display());
            }
        }
        self.trim(FREE_FILES_MAX);
    }

    fn handle_note(&self, extent: &Extent) {
        if let Err(error) = self.folder.note(extent) {
            warn!("cannot note how far the log goes, an end that is lost may be missed: {error}");
        }
    }

    fn handle_set_aside(&mut self, id: FileId) {
        let path = self.folder.segment_path(id);
        match self.folder.set_aside(id) {
            Ok(now) => warn!("{} is damaged and is now {}", path.display(), now.display()),
            Err(error) => error!("{} is damaged and cannot be renamed: {error}", path.display()),
        }
    }

    /// Removes the free files beyond `keep_max`, and those that do not have the usual length.
    /// Before the first `Supply` the usual length is unknown, and all files stay.
    fn trim(&mut self, keep_max: usize) {
        let (usual, newest) = (self.usual.bytes, self.newest);
        if usual == 0 {
            return;
        }
        // The newest file should be one of those that are kept.
        self.free.sort_unstable_by_key(|free| Reverse(free.id));
        let mut room = keep_max;
        let surplus = self.free.extract_if(.., |free| {
            let is_kept = room > 0 && free.bytes == usual;
            room -= usize::from(is_kept);
            !is_kept && Some(free.id) != newest
        });
        let surplus: Vec<FreeFile> = surplus.collect();
        if surplus.is_empty() {
            return;
        }
        for free in surplus {
            if let Err(error) = self.folder.remove(free.id) {
                let path = self.folder.segment_path(free.id);
                warn!("cannot remove {}, it stays until the next start: {error}", path.display());
            }
        }
        if let Err(error) = self.folder.sync() {
            warn!("cannot sync the directory of removed files: {error}");
        }
    }

    /// Reports the space to the medium if it has changed enough.
    pub(super) fn look_at_space(&mut self) {
        match self.folder.space() {
            Ok(space) if self.told.is_none_or(|told| space.is_news(told)) => {
                self.told = Some(space);
                self.say(Answer::Space { free: space.free, total: space.total });
            }
            Ok(_) => {}
            Err(error) => debug!("cannot read how much space there is: {error}"),
        }
    }

    pub(super) fn say(&self, answer: Answer) {
        if self.answers.send(answer).is_ok() {
            (self.wake)();
        }
    }
}

impl Space {
    /// Whether a change of the space must be reported: the total has changed, or the free space has
    /// by at least 1/256 of itself, so that a limit near it is noticed in time. If little is free,
    /// the threshold is the smaller of 1 MiB and 1/256 of the total. Smaller changes would wake an
    /// idle shard for every log line of its neighbours.
    fn is_news(self, told: Self) -> bool {
        let enough = (told.free / 256).max((self.total / 256).min(1 << 20)).max(1);
        self.total != told.total || self.free.abs_diff(told.free) >= enough
    }
}

/// The length of more than half of the recent requests, if there is one (Boyer and Moore's majority
/// vote). The lead of a length is bounded, because files grow.
#[derive(Default)]
struct Majority {
    bytes: u64,
    lead: u64,
}

impl Majority {
    fn count(&mut self, bytes: u64) {
        if self.bytes == bytes {
            self.lead = (self.lead + 1).min(LEAD_MAX);
        } else if self.lead == 0 {
            *self = Self { bytes, lead: 1 };
        } else {
            self.lead -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The length in the majority wins in any order of the requests.
    #[test]
    fn majority() {
        for (asked, usual) in [
            (&[][..], 0),
            (&[5], 5),
            (&[5, 5, 9], 5),
            (&[9, 5, 5], 5),
            (&[9, 9, 5, 5, 5], 5),
            (&[5, 9, 5, 9, 5, 9, 5], 5),
            (&[1, 1, 1, 1, 4, 4, 4, 16, 16, 16], 16),
        ] {
            let mut majority = Majority::default();
            asked.iter().for_each(|bytes| majority.count(*bytes));
            assert_eq!(majority.bytes, usual, "{asked:?}");
        }
        let mut majority = Majority::default();
        (0..1000).for_each(|_| majority.count(5));
        (0..=2 * LEAD_MAX).for_each(|_| majority.count(9));
        assert_eq!(majority.bytes, 9, "asked for lately");
    }

    // A report is due for a change of 1/256 of the free space, of 1 MiB, or of 1/256 of a small
    // file system.
    #[test]
    fn news_of_space() {
        const MIB: u64 = 1 << 20;
        const TIB: u64 = 1 << 40;
        for (total, told, free, is_news) in [
            (TIB, TIB / 2, TIB / 2, false),
            (TIB, TIB / 2, TIB / 2 - TIB / 512 + 1, false),
            (TIB, TIB / 2, TIB / 2 - TIB / 512, true),
            (TIB, TIB / 2, TIB / 2 + TIB / 512, true),
            (TIB, 9 * MIB, 8 * MIB + 1, false),
            (TIB, 9 * MIB, 8 * MIB, true),
            (TIB, 0, MIB - 1, false),
            (TIB, 0, MIB, true),
            (25_600, 50, 1, false),
            (25_600, 100, 0, true),
            (0, 0, 0, false),
            (0, 0, 1, true),
        ] {
            let (told, now) = (Space { free: told, total }, Space { free, total });
            assert_eq!(now.is_news(told), is_news, "{told:?} {now:?}");
        }
        let grown = Space { free: MIB, total: 2 * TIB };
        assert!(grown.is_news(Space { free: MIB, total: TIB }));
    }
}
