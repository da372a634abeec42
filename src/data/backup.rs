//! `ringmq data backup`: copies the committed data of a directory that a broker may be using.
//!
//! ```text
//!  look at each shard ──► copy what is new of the segments that are needed ──► all still there? ─┐
//!     ▲                                                                     no │             yes │
//!     └────────────────────────────────────────────────────────────────────────┘                 ▼
//!                                                                         EXTENT, texts, FORMAT
//! ```
//! Records are only appended to a segment. So a copied part stays valid as long as the file holds
//! that segment, and each round copies only the bytes that are new since the last. The broker
//! reuses a file when nothing refers to its segment any more. If that happens to a segment that a
//! round needs, the round is discarded, and the next one does not need the segment.
//!
//! The copy has the state of each shard in the last round. Rounds are repeated until one has little
//! to copy, so that the shards are read within a short time and know of each other's messages.
//! Every message that was acknowledged before the first round is in the copy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::disk::{Directory, Making, segment_path};
use crate::limits::LIVE_LOOKS_MAX;
use crate::store::{Extent, FileId, HEADER_BYTES, SegmentFacts, SegmentIdentity};

use super::error::{DataError, counted};
use super::snapshot::Snapshot;

/// Bytes that are copied at once.
const COPY_BYTES: usize = 1 << 20;

/// A round that copies no more than this has read the shards at about the same time.
const SMALL_ROUND_BYTES: u64 = 16 << 20;

/// Executes the command; returns the text to print.
pub(super) fn run(dir: &Path, to: &Path) -> Result<String, DataError> {
    let directory = Directory::look_at(dir)?;
    let making = Making::begin(to, directory.shards())?;
    match copy_all(&directory, &making).and_then(|copied| verify(&making, copied)) {
        Ok(copied) => {
            making.finish(dir)?;
            Ok(copied.report(&directory, to))
        }
        Err(error) => {
            making.abandon();
            Err(error)
        }
    }
}

/// Figures of the report.
#[derive(Clone, Copy, Default)]
struct Copied {
    sessions: u64,
    retained: u64,
    bytes: u64,
    /// Shards with damage.
    damaged: u64,
}

/// The copy of a shard's folder.
struct Folder {
    shard: u16,
    path: PathBuf,
    /// The copied segments, and how many bytes of each.
    files: BTreeMap<FileId, (Option<SegmentIdentity>, u64)>,
}

/// The result of a round.
#[derive(Default)]
struct Round {
    copied: Copied,
    /// Bytes that were copied in it.
    new_bytes: u64,
    /// A file that the round needs was reused.
    is_stale: bool,
    extents: Vec<Option<Extent>>,
}

fn copy_all(directory: &Directory, making: &Making) -> Result<Copied, DataError> {
    let mut folders: Vec<Folder> = (0..making.shards())
        .map(|shard| Folder { shard, path: making.folder(shard), files: BTreeMap::new() })
        .collect();
    for _ in 0..LIVE_LOOKS_MAX {
        let mut round = Round::default();
        for folder in &mut folders {
            folder.copy(directory, &mut round)?;
        }
        let is_small = round.new_bytes <= SMALL_ROUND_BYTES || !directory.is_live();
        if round.is_stale || !is_small {
            continue;
        }
        for (shard, extent) in (0..).zip(round.extents) {
            extent.iter().try_for_each(|extent| making.note(shard, extent))?;
        }
        // A vhost gets its number before data is stored under it.
        making.take_over_texts(directory.path())?;
        round.copied.bytes = folders.iter().flat_map(|it| it.files.values()).map(|it| it.1).sum();
        return Ok(round.copied);
    }
    Err(DataError::TooFast(directory.path().to_owned()))
}

impl Folder {
    /// Copies the new bytes of a shard.
    fn copy(&mut self, directory: &Directory, round: &mut Round) -> Result<(), DataError> {
        let snapshot = Snapshot::of(directory, self.shard, None)?;
        let disk = &snapshot.store.logs.disk;
        let needed =
            |segment: &&SegmentFacts| segment.references > 0 || segment.end >= disk.checkpoint();
        let mut kept = BTreeSet::new();
        for segment in snapshot.segments.iter().filter(needed) {
            // A segment without a file would mean a log that continues in memory.
            let Some(id) = segment.file else { continue };
            match self.copy_segment(id, segment, &snapshot)? {
                Some(bytes) => round.new_bytes += bytes,
                None => round.is_stale = true,
            }
            kept.insert(id);
        }
        // A header without records still names the checkpoint.
        let newest = newest_file(&snapshot).filter(|id| !kept.contains(id));
        if let (Some(id), Some(last)) = (newest, snapshot.segments.last()) {
            let empty = SegmentFacts { start: last.end, end: last.end, ..*last };
            round.is_stale |= self.copy_segment(id, &empty, &snapshot)?.is_none();
            kept.insert(id);
        }
        for (id, _) in self.files.extract_if(.., |id, _| !kept.contains(id)) {
            let path = segment_path(&self.path, id);
            fs::remove_file(&path).map_err(DataError::system("remove", &path))?;
        }
        round.is_stale |= kept.iter().any(|id| !snapshot.files.is_current(*id));
        round.extents.push(extent_of(&snapshot));
        round.copied.sessions += snapshot.opened.sessions as u64;
        round.copied.retained += snapshot.opened.retained as u64;
        round.copied.damaged += u64::from(!snapshot.is_whole());
        Ok(())
    }

    /// Copies the new bytes of a segment; returns how many, or `None` if its file was reused.
    fn copy_segment(
        &mut self,
        id: FileId,
        segment: &SegmentFacts,
        snapshot: &Snapshot,
    ) -> Result<Option<u64>, DataError> {
        let (from, to) = (snapshot.files.path(id), segment_path(&self.path, id));
        let Some(header) = snapshot.files.header(id) else { return Ok(None) };
        let identity = SegmentIdentity::of(&header);
        let known = self.files.get(&id).filter(|(known, _)| known.is_some() && *known == identity);
        let (is_new, done) = (known.is_none(), known.map_or(HEADER_BYTES, |(_, bytes)| *bytes));
        let end = HEADER_BYTES + segment.end - segment.start;
        let mut options = File::options();
        options.write(true).create(true).truncate(is_new).mode(0o600);
        let target = options.open(&to).map_err(DataError::system("make", &to))?;
        // From here on a file exists, which must be removed if the copy fails.
        self.files.insert(id, (identity, done));
        let written = target.write_all_at(&header, 0);
        written.map_err(DataError::system("write", &to))?;
        let copied = match snapshot.files.copied(id) {
            Some(bytes) => write_part(bytes, done, end, &target),
            None => match File::open(&from) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => {
                    let source = opened.map_err(DataError::system("open", &from))?;
                    copy_part(&source, done, end, &target)
                }
            },
        };
        copied.map_err(DataError::system("copy", &from))?;
        // The file's length shows whether its end is missing.
        let length = fs::metadata(&from).map_or(end, |found| found.len());
        target.set_len(length.max(end)).map_err(DataError::system("write", &to))?;
        self.files.insert(id, (identity, end.max(done)));
        Ok(Some(end.saturating_sub(done)))
    }
}

fn write_part(bytes: &[u8], done: u64, end: u64, target: &File) -> io::Result<()> {
    let place = |offset: u64| usize::try_from(offset).map_err(io::Error::other);
    let part = bytes.get(place(done)?..place(end)?).unwrap_or_default();
    target.write_all_at(part, done)
}

fn copy_part(source: &File, done: u64, end: u64, target: &File) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut at = done;
    while at < end {
        let most = usize::try_from(end - at).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
        let count = source.read_at(&mut buffer[..most], at)?;
        if count == 0 {
            // The end of the file is missing, and so the copy is cut as well.
            break;
        }
        target.write_all_at(&buffer[..count], at)?;
        at += count as u64;
    }
    Ok(())
}

/// The file with the newest segment.
fn newest_file(snapshot: &Snapshot) -> Option<FileId> {
    let identity = |id| SegmentIdentity::of(&snapshot.files.header(id)?);
    let files = snapshot.lengths.iter().map(|(id, _)| *id);
    let newest = files.filter_map(|id| Some((identity(id)?, id))).max();
    newest.map(|(_, id)| id)
}

/// The end of the log of a copy.
fn extent_of(snapshot: &Snapshot) -> Option<Extent> {
    let newest = snapshot.segments.last()?;
    let is_ended = snapshot.files.extent().is_some_and(|extent| {
        extent.is_ended && extent.end == newest.end && !snapshot.files.is_live()
    });
    Some(Extent { start: newest.start, file: newest.file?, end: newest.end, is_ended })
}

/// Opens the copy: it must contain what the rounds have read.
fn verify(making: &Making, copied: Copied) -> Result<Copied, DataError> {
    let mut found = Copied::default();
    for shard in 0..making.shards() {
        let snapshot = Snapshot::open(making.written(shard)?, shard, None)?;
        found.sessions += snapshot.opened.sessions as u64;
        found.retained += snapshot.opened.retained as u64;
        found.damaged += u64::from(!snapshot.is_whole());
        if !snapshot.is_whole() && copied.damaged == 0 {
            return Err(DataError::Differs(snapshot.damage().join("; ")));
        }
    }
    let counts = |of: Copied| (of.sessions, of.retained);
    if counts(found) != counts(copied) || found.damaged > copied.damaged {
        return Err(DataError::Differs(format!(
            "sessions and retained messages are {:?}, and were {:?}; {} with damage, and {} before",
            counts(found),
            counts(copied),
            counted(found.damaged, "shard"),
            copied.damaged
        )));
    }
    Ok(copied)
}

impl Copied {
    /// The text of the report.
    fn report(&self, directory: &Directory, to: &Path) -> String {
        let Self { sessions, retained, bytes, damaged } = self;
        let from = directory.path().display();
        let how = if directory.is_live() { ", which is in use" } else { "" };
        let mut text = format!(
            "{} has what was committed in {from}{how}: {} and {} in {} MiB of {}",
            to.display(),
            counted(*sessions, "session"),
            counted(*retained, "retained message"),
            bytes.div_ceil(1 << 20),
            counted(directory.shards().into(), "shard")
        );
        if *damaged > 0 {
            text.push_str(
                "\nsome of it is damaged, and so is the copy: ringmq-store check tells what",
            );
        }
        text
    }
}
