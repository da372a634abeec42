//! The file `FORMAT` of a data directory: the format of its files, and its number of shards.

use std::io;
use std::path::Path;

use super::note::{replace, with_sum, without_sum};
use crate::limits::SHARDS_MAX;

/// The current format. It is written, and newer ones are refused.
pub(super) const FORMAT_VERSION: u32 = 5;

/// The last format without `EXTENT` files and without sums in text files.
pub(super) const FORMAT_WITHOUT_SUMS: u32 = 1;

/// The last format whose logs have no records of MQTT 5.
const FORMAT_BEFORE_MQTT_5: u32 = 2;

/// The last format whose logs have no lanes of groups.
const FORMAT_BEFORE_GROUPS: u32 = 3;

/// The last format whose logs do not say which messages carry which subscription identifiers.
const FORMAT_BEFORE_IDENTIFIERS: u32 = 4;

/// The name of the file.
pub(super) const FORMAT_FILE: &str = "FORMAT";
/// The name of the file while it is being written.
pub(super) const FORMAT_FILE_BEGUN: &str = "FORMAT.new";

/// The name of the file until all other files exist; then it is renamed to `FORMAT` (see `making`).
pub(super) const UNFINISHED_FILE: &str = "FORMAT.unfinished";

/// The content of `FORMAT` for this many shards.
pub(super) fn format_text(shards: u16) -> String {
    with_sum(&format!("ringmq data, format {FORMAT_VERSION}\nshards {shards}\n"))
}

/// Writes the current format and the number of shards into a directory.
pub(super) fn write_format(directory: &Path, shards: u16) -> io::Result<()> {
    replace(directory, FORMAT_FILE, &format_text(shards))
}

/// Whether the making of the directory is not finished.
pub(super) fn is_unfinished(path: &Path) -> bool {
    path.join(UNFINISHED_FILE).exists()
}

/// The format and number of shards of a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Made {
    pub(super) version: u32,
    pub(super) shards: u16,
}

/// The content of `FORMAT`.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Format {
    Known(Made),
    Newer(u32),
}

impl Format {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let version_of = |line: &str| number(line.strip_prefix("ringmq data, format ")?);
        let version: u32 = version_of(text.lines().next()?)?;
        let lines = match version {
            0 => return None,
            FORMAT_WITHOUT_SUMS => text,
            FORMAT_BEFORE_MQTT_5
            | FORMAT_BEFORE_GROUPS
            | FORMAT_BEFORE_IDENTIFIERS
            | FORMAT_VERSION => without_sum(text)?,
            _ => return Some(Self::Newer(version)),
        };
        let mut lines = lines.lines().skip(1);
        let shards = number(lines.next()?.strip_prefix("shards ")?).filter(|n| is_count(*n))?;
        lines.next().is_none().then_some(Self::Known(Made { version, shards }))
    }
}

/// Whether a directory may have this number of shards.
pub(super) fn is_count(shards: u16) -> bool {
    (1..=SHARDS_MAX).contains(&usize::from(shards))
}

/// Parses a number that consists of digits only, without a sign.
pub(super) fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The file has exactly two lines, and a third with their sum from format 2 on. Of a newer
    // format only the first line is read.
    #[test]
    fn format_text() {
        let known = |version, shards| Some(Format::Known(Made { version, shards }));
        for (text, format) in [
            ("ringmq data, format 1\nshards 1\n", known(1, 1)),
            ("ringmq data, format 1\nshards 64", known(1, 64)),
            ("ringmq data, format 1\r\nshards 2\r\n", known(1, 2)),
            ("ringmq data, format 2\nshards 1\n", None),
            ("ringmq data, format 2\nshards 1\nsum 00000000\n", None),
            (&with_sum("ringmq data, format 2\nshards 1\n"), known(2, 1)),
            ("ringmq data, format 3\nshards 1\n", None),
            (&with_sum("ringmq data, format 3\nshards 1\n"), known(3, 1)),
            (&with_sum("ringmq data, format 4\nshards 1\n"), known(4, 1)),
            (&with_sum("ringmq data, format 5\nshards 1\n"), known(5, 1)),
            ("ringmq data, format 6\nshards 1\n", Some(Format::Newer(6))),
            ("ringmq data, format 4294967295", Some(Format::Newer(u32::MAX))),
            ("ringmq data, format 4294967296\nshards 1\n", None),
            ("ringmq data, format 0\nshards 1\n", None),
            ("ringmq data, format +1\nshards 1\n", None),
            ("ringmq data, format \nshards 1\n", None),
            ("ringmq data, format 1\n", None),
            ("ringmq data, format 1\nshards 0\n", None),
            ("ringmq data, format 1\nshards 65\n", None),
            ("ringmq data, format 1\nshards 65536\n", None),
            ("ringmq data, format 1\nshards +2\n", None),
            ("ringmq data, format 1\nshards two\n", None),
            ("ringmq data, format 1\nshards 2\n\n", None),
            ("ringmq data, format 1\nshards 2\nmore\n", None),
            ("something else\n", None),
            ("", None),
        ] {
            assert_eq!(Format::parse(text.as_bytes()), format, "{text:?}");
        }
        assert_eq!(Format::parse(b"ringmq data, format 1\nshards 2\n\xff"), None);
    }
}
