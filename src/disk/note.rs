//! Small text files of a data directory. A file is replaced as a whole and durably. Its last line
//! is a sum, which reveals a changed byte.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use super::sync::sync_directory;

/// The suffix of the file while it is being written.
pub(super) const BEGUN_SUFFIX: &str = ".new";

/// Appends a line with the sum to a text.
pub(super) fn with_sum(text: &str) -> String {
    format!("{text}sum {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// The text before the line with the sum, if the sum is right.
pub(super) fn without_sum(text: &str) -> Option<&str> {
    let (before, _) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = &text[..=before.len()];
    (with_sum(body) == text).then_some(body)
}

/// Replaces the file with this name. The new file has the owner of the old file, or of the
/// directory: a broker that runs as another user must be able to read an administrator's file.
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

    // The sum reveals each changed and each missing byte.
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
