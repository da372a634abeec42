//! Small text files of a data directory: replaced as a whole, durably, and with a sum in the last
//! line, so that no byte of them changes unseen.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use super::sync::sync_directory;

/// The suffix of the file while it is being written.
pub(super) const BEGUN_SUFFIX: &str = ".new";

/// The text and a line with its sum.
pub(super) fn with_sum(text: &str) -> String {
    format!("{text}sum {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// The text in front of the line with its sum, if it is the right one.
pub(super) fn without_sum(text: &str) -> Option<&str> {
    let (before, _) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = &text[..=before.len()];
    (with_sum(body) == text).then_some(body)
}

/// Replaces the file of this name with a text. It keeps the owner of the old file, or of the
/// directory: a broker that runs as another user must be able to read what an administrator writes.
pub(super) fn replace(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let path = directory.join(name);
    let begun = directory.join(format!("{name}{BEGUN_SUFFIX}"));
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&begun)?;
    file.write_all(text.as_bytes())?;
    let owner = fs::metadata(&path).or_else(|_| fs::metadata(directory))?;
    if file.metadata()?.uid() != owner.uid() {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.sync_all()?;
    fs::rename(&begun, path)?;
    sync_directory(&File::open(directory)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    // No byte changes unseen, and none is missed.
    #[test]
    fn sums() {
        for body in ["a\n", "next 2\n1 tenant\n"] {
            let text = with_sum(body);
            assert_eq!(without_sum(&text), Some(body));
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1;
                let changed = String::from_utf8(bytes).expect("it is ASCII");
                assert_eq!(without_sum(&changed), None, "{changed:?}");
                assert_eq!(without_sum(&text[..at]), None, "{at} bytes");
            }
        }
        for text in ["", "\n", "sum 00000000\n", "a\nb\n"] {
            assert_eq!(without_sum(text), None, "{text:?}");
        }
    }
}
