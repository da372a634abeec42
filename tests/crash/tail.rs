//! The ends of the logs, while the broker writes and after: what came behind that which anybody was
//! promised may be lost when the power goes, in any way.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ringmq::store::{FileId, Found, HEADER_BYTES, Mapping, segment_walks};

use crate::common::Random;

/// What a disk writes as one.
const SECTOR: usize = 512;

/// Looks until the logs are quiet.
const LOOKS_MAX: usize = 100;

/// Where a log ends.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct End {
    shard: PathBuf,
    /// The file of its newest segment, and the offset in it.
    file: PathBuf,
    offset: usize,
}

struct Image(Vec<u8>);

impl Mapping for Image {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Where the log of each shard ends that has one. While the broker writes: what was committed
/// before is before that.
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
        // One may have gone meanwhile.
        File::open(&file).ok()?.read_exact_at(&mut header, 0).ok()?;
        let start = u64::from_le_bytes(*header[24..].first_chunk().expect("8 bytes"));
        let is_used = header.starts_with(b"ringmqsg");
        (is_used && file.extension()? == "segment").then_some((start, file))
    });
    let (_, file) = starts.max()?;
    let mapping = Box::new(Image(fs::read(&file).ok()?));
    let found = [Found { id: FileId(0), mapping }];
    let walk = segment_walks(&found, &BTreeMap::new());
    let end = walk.first()?.walk(&mut |_| {}).expect("it is the newest");
    let offset = usize::try_from(end.offset).expect("files are small");
    Some(End { shard: shard.to_owned(), file, offset })
}

/// The ends of a moment at which no log grew: what stands before them depends on nothing that
/// stands behind them, on no shard. None if they grow on and on.
pub(crate) fn quiet_ends(data: &Path) -> Vec<End> {
    let mut before = ends(data);
    for _ in 0..LOOKS_MAX {
        let now = ends(data);
        if now == before {
            return now;
        }
        before = now;
    }
    Vec::new()
}

/// Tears the log of each shard, behind what was promised; tells how many bytes of records that may
/// cost. A single log is torn anywhere there. Of several, one may have noted what another had
/// committed: they are torn where they were at one moment.
pub(crate) fn tear(data: &Path, promised: &[End], random: &mut Random) -> u64 {
    let torn: Vec<(End, usize)> = ends(data)
        .into_iter()
        .filter_map(|end| {
            let before = promised.iter().find(|before| before.shard == end.shard)?;
            // A segment that was begun since has nothing that was promised.
            let header = usize::try_from(HEADER_BYTES).expect("small");
            let first = if before.file == end.file { before.offset } else { header };
            Some((end, first))
        })
        .collect();
    let is_one = torn.len() == 1;
    let is_same = |(end, _): &(End, usize)| promised.iter().any(|before| before.file == end.file);
    if !is_one && !torn.iter().all(is_same) {
        return 0;
    }
    let mut bytes = 0;
    for (end, first) in torn {
        assert!(first <= end.offset, "{end:?} is before what was promised: {first}");
        let from = if is_one { first + random.below(end.offset - first + 1) } else { first };
        bytes += (end.offset - from) as u64;
        let file = File::options().read(true).write(true).open(&end.file).expect("it is there");
        tear_file(&file, from..end.offset, random);
    }
    bytes
}

/// Cuts, zeros or scrambles what stands there.
fn tear_file(file: &File, range: std::ops::Range<usize>, random: &mut Random) {
    let (from, mut tail) = (range.start, vec![0; range.len()]);
    file.read_exact_at(&mut tail, from as u64).expect("it was read before");
    match random.below(5) {
        // Not written at all.
        0 => tail.fill(0),
        1 => file.set_len(from as u64).expect("it is writable"),
        // Written by sectors.
        2 => {
            for (at, byte) in tail.iter_mut().enumerate() {
                let sector = (from + at) / SECTOR;
                if Random::new(sector as u64 ^ from as u64).one_in(2) {
                    *byte = 0;
                }
            }
        }
        3 => tail.iter_mut().for_each(|byte| *byte = random.byte()),
        _ => {}
    }
    // A record that stands there whole would still be there.
    let mut sum = [0];
    if file.read_at(&mut sum, from as u64).expect("it was read before") > 0
        && let Some(byte) = tail.first_mut()
    {
        *byte = !sum[0];
    }
    if file.metadata().expect("it is open").len() > from as u64 {
        file.write_all_at(&tail, from as u64).expect("it is writable");
    }
}
