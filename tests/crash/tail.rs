//! The ends of the logs of a killed broker: written, uncommitted bytes may be lost in a power
//! failure, in any way.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ringmq::store::{FileId, Found, HEADER_BYTES, Mapping, segment_walks};

use crate::common::Random;

/// The unit of a disk's writes.
const SECTOR: usize = 512;

/// The end of a log.
#[derive(Debug)]
struct End {
    shard: PathBuf,
    /// The file of its newest segment, where that starts in the log, and the offset in the file.
    file: PathBuf,
    start: u64,
    offset: usize,
}

struct Image(Vec<u8>);

impl Mapping for Image {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The ends of the shards' logs.
fn ends(data: &Path) -> Vec<End> {
    let shards = entries(data).into_iter().filter(|path| path.is_dir());
    shards.filter_map(|shard| end_of(&shard)).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("it is a directory");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths
}

fn end_of(shard: &Path) -> Option<End> {
    let starts = entries(shard).into_iter().filter_map(|file| {
        let mut header = [0; 64];
        File::open(&file).ok()?.read_exact_at(&mut header, 0).ok()?;
        let start = u64::from_le_bytes(*header[24..].first_chunk().expect("8 bytes"));
        let is_used = header.starts_with(b"ringmqsg");
        (is_used && file.extension()? == "segment").then_some((start, file))
    });
    let (start, file) = starts.max()?;
    let mapping = Box::new(Image(fs::read(&file).ok()?));
    let found = [Found { id: FileId(0), mapping }];
    let walk = segment_walks(&found, &BTreeMap::new());
    let end = walk.first()?.walk(&mut |_| {}).expect("it is the newest");
    let offset = usize::try_from(end.offset).expect("files are small");
    Some(End { shard: shard.to_owned(), file, start, offset })
}

/// How far the log of each shard was committed, according to the broker's output.
fn committed(said: &str) -> BTreeMap<String, u64> {
    let lines = said.lines().filter_map(|line| {
        let (_, told) = line.split_once(" shard ")?;
        let (shard, end) = told.split_once(": committed up to ")?;
        Some((format!("shard-{shard}"), end.parse().ok()?))
    });
    lines.collect()
}

/// Damages the log of each shard anywhere behind the committed part; returns how many bytes of
/// records may be lost.
pub(crate) fn tear(data: &Path, said: &str, random: &mut Random) -> usize {
    let committed = committed(said);
    let mut bytes = 0;
    for end in ends(data) {
        let shard = end.shard.file_name().expect("it has one").to_string_lossy();
        let Some(committed) = committed.get(&*shard) else { continue };
        // A segment's header may be written, and nothing of it committed.
        let first = HEADER_BYTES + committed.saturating_sub(end.start);
        let first = usize::try_from(first).expect("files are small");
        assert!(first <= end.offset, "{end:?}: {committed} was committed");
        let from = first + random.below(end.offset - first + 1);
        bytes += end.offset - from;
        let file = File::options().read(true).write(true).open(&end.file).expect("it is there");
        tear_file(&file, from..end.offset, random);
    }
    bytes
}

/// Zeros or scrambles bytes. No file becomes shorter: its length was durable before it was used.
fn tear_file(file: &File, range: std::ops::Range<usize>, random: &mut Random) {
    let (from, mut tail) = (range.start, vec![0; range.len()]);
    file.read_exact_at(&mut tail, from as u64).expect("it was read before");
    match random.below(4) {
        // Not written at all.
        0 => tail.fill(0),
        // Written by sectors.
        1 => {
            for (at, byte) in tail.iter_mut().enumerate() {
                let sector = (from + at) / SECTOR;
                if Random::new(sector as u64 ^ from as u64).one_in(2) {
                    *byte = 0;
                }
            }
        }
        2 => tail.iter_mut().for_each(|byte| *byte = random.byte()),
        _ => {}
    }
    // A record that stands there whole would still be there.
    let mut sum = [0];
    if file.read_at(&mut sum, from as u64).expect("it was read before") > 0
        && let Some(byte) = tail.first_mut()
    {
        *byte = !sum[0];
    }
    file.write_all_at(&tail, from as u64).expect("it is writable");
}
