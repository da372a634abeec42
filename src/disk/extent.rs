//! The file `EXTENT`: the known end of a shard's log.
//!
//! ```text
//! start 1048576      where the newest segment starts in the log
//! file 7             which file has it
//! end 1060000        up to here the log was committed
//! ended yes          the broker ended there; else no
//! sum 0123abcd       CRC-32C of the lines before
//! ```
//! The file is made before the first segment. It is replaced when a segment is begun and when the
//! broker ends. So the broker notices when a segment file is missing or truncated.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::note::{BEGUN_SUFFIX, replace, with_sum, without_sum};
use crate::limits::FORMAT_TEXT_BYTES_MAX;
use crate::store::{Extent, FileId};

pub(super) const FILE: &str = "EXTENT";

/// The content of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ExtentFound {
    Absent,
    Damaged,
    Known(Extent),
}

pub(super) fn read(folder: &Path) -> io::Result<ExtentFound> {
    let mut bytes = Vec::new();
    match File::open(folder.join(FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(ExtentFound::Absent),
        opened => opened?.take(FORMAT_TEXT_BYTES_MAX).read_to_end(&mut bytes)?,
    };
    let known = str::from_utf8(&bytes).ok().and_then(parse);
    Ok(known.map_or(ExtentFound::Damaged, ExtentFound::Known))
}

pub(super) fn write(folder: &Path, extent: &Extent) -> io::Result<()> {
    replace(folder, FILE, &text(extent))
}

/// Writes an `EXTENT` with an extent of zero if there is none: the log's extent is not known yet.
pub(super) fn begin(folder: &Path) -> io::Result<()> {
    if folder.join(FILE).try_exists()? {
        return Ok(());
    }
    write(folder, &Extent { start: 0, file: FileId(0), end: 0, is_ended: false })
}

/// Whether this is the name of the file, or of the new file that will replace it.
pub(super) fn is_name(name: &str) -> bool {
    name.strip_prefix(FILE).is_some_and(|rest| rest.is_empty() || rest == BEGUN_SUFFIX)
}

fn text(extent: &Extent) -> String {
    let Extent { start, file, end, is_ended } = extent;
    let ended = if *is_ended { "yes" } else { "no" };
    with_sum(&format!("start {start}\nfile {}\nend {end}\nended {ended}\n", file.0))
}

fn parse(text: &str) -> Option<Extent> {
    let mut lines = without_sum(text)?.lines();
    let mut number = |name: &str| -> Option<u64> {
        lines.next()?.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()
    };
    let (start, file, end) = (number("start")?, FileId(number("file")?), number("end")?);
    let is_ended = match lines.next()? {
        "ended yes" => true,
        "ended no" => false,
        _ => return None,
    };
    Some(Extent { start, file, end, is_ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The written file can be read back, and has the documented format.
    #[test]
    fn texts() {
        let extent = Extent { start: 4032, file: FileId(7), end: 5000, is_ended: true };
        let lines = "start 4032\nfile 7\nend 5000\nended yes\n";
        assert_eq!(text(&extent), with_sum(lines));
        for extent in [extent, Extent { is_ended: false, end: u64::MAX, ..extent }] {
            assert_eq!(parse(&text(&extent)), Some(extent));
        }
        for text in ["", "start 4032\nfile 7\nend 5000\n", "start 4032\nfile 7\nend -1\nended no\n"]
        {
            assert_eq!(parse(&with_sum(text)), None, "{text:?}");
        }
        assert_eq!(parse(lines), None);
    }
}
