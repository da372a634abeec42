//! The numbers of vhosts: records name a vhost by its number, and the file `VHOSTS` maps numbers to
//! names.
//!
//! ```text
//! next 3                     the number that the next new vhost gets
//! 1 tenant-a                 number, and name: bytes but letters, digits and -._~/ as %XX
//! 2 tenant%20b
//! sum 0123abcd               CRC-32C of the lines before; a directory of format 1 has none
//! ```
//! The vhost `/` has number 0 and no line. A number is never assigned twice, even if its vhost was
//! deleted: shards drop records with the deleted number when they open.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::error::DirectoryError;
use super::note::{replace, with_sum, without_sum};
use crate::limits::{VHOST_NAME_BYTES_MAX, VHOSTS_MAX, VHOSTS_TEXT_BYTES_MAX};

pub(super) const FILE: &str = "VHOSTS";

/// The prefix of the last line. No other line begins with it.
const SUM: &str = "\nsum ";

/// The name of vhost 0.
const ROOT: &str = "/";

/// See the module.
#[derive(Clone, Debug)]
pub struct Vhosts {
    directory: PathBuf,
    /// All numbers are between 0 and `next`, both excluded.
    names: BTreeMap<u16, String>,
    next: u16,
}

impl Vhosts {
    /// Reads the numbers of a data directory. Without the file only `/` exists.
    ///
    /// # Errors
    /// If the file cannot be read or is malformed.
    pub(super) fn read(directory: &Path) -> Result<Self, DirectoryError> {
        let path = directory.join(FILE);
        let directory = directory.to_owned();
        let mut text = String::new();
        let read = File::open(&path)
            .and_then(|file| file.take(VHOSTS_TEXT_BYTES_MAX).read_to_string(&mut text));
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Self { directory, names: BTreeMap::new(), next: 1 })
            }
            Err(error) => Err(DirectoryError::system("read", &path)(error)),
            Ok(_) => match parse(&text) {
                Some((names, next)) => Ok(Self { directory, names, next }),
                None => Err(DirectoryError::MalformedVhosts(path)),
            },
        }
    }

    /// Numbers and names in order; the first name is `/`.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        let others = self.names.iter().map(|(number, name)| (*number, name.as_str()));
        std::iter::once((0, ROOT)).chain(others)
    }

    /// The name of the vhost with this number, if it exists.
    pub fn name_of(&self, number: u16) -> Option<&str> {
        self.iter().find(|(known, _)| *known == number).map(|(_, name)| name)
    }

    /// The number of a vhost, if it has one.
    pub fn find(&self, name: &str) -> Option<u16> {
        self.iter().find(|(_, known)| *known == name).map(|(number, _)| number)
    }

    /// The number of a vhost. A new vhost is assigned one permanently, which is durable before this
    /// returns.
    ///
    /// # Errors
    /// If there are too many vhosts, the name is too long, or the file cannot be written: says what
    /// to do.
    pub fn number_of(&mut self, name: &str) -> Result<u16, String> {
        let before = self.next;
        let number = self.assign(name)?;
        if self.next == before {
            return Ok(number);
        }
        self.write().map(|()| number).map_err(|error| {
            self.names.remove(&number);
            self.next = before;
            format!("cannot write {}: {error}", self.directory.join(FILE).display())
        })
    }

    /// As [`Vhosts::number_of`], but the file is not written before [`Vhosts::save`].
    ///
    /// # Errors
    /// If there are too many vhosts, or the name is too long.
    pub fn assign(&mut self, name: &str) -> Result<u16, String> {
        if let Some(number) = self.find(name) {
            return Ok(number);
        }
        if name.is_empty() || name.len() > VHOST_NAME_BYTES_MAX {
            return Err(format!("vhost names have 1 to {VHOST_NAME_BYTES_MAX} bytes"));
        }
        let number = self.next;
        if usize::from(number) >= VHOSTS_MAX {
            return Err(format!("there were {VHOSTS_MAX} vhosts in this data directory already"));
        }
        self.names.insert(number, name.to_owned());
        self.next += 1;
        Ok(number)
    }

    /// Makes the assigned numbers durable.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn save(&self) -> Result<(), DirectoryError> {
        let path = self.directory.join(FILE);
        self.write().map_err(DirectoryError::system("write", &path))
    }

    /// Removes a vhost durably; returns whether it existed. Records with its number then belong to
    /// no vhost.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn delete(&mut self, name: &str) -> Result<bool, DirectoryError> {
        let Some(number) = self.find(name).filter(|number| *number > 0) else { return Ok(false) };
        self.names.remove(&number);
        let path = self.directory.join(FILE);
        self.write().map(|()| true).map_err(DirectoryError::system("write", &path))
    }

    fn write(&self) -> io::Result<()> {
        let mut text = format!("next {}\n", self.next);
        for (number, name) in &self.names {
            text.push_str(&format!("{number} {}\n", encoded(name)));
        }
        replace(&self.directory, FILE, &with_sum(&text))
    }
}

fn parse(text: &str) -> Option<(BTreeMap<u16, String>, u16)> {
    let text = if text.contains(SUM) { without_sum(text)? } else { text };
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let next: u16 = lines.next()?.strip_prefix("next ")?.parse().ok()?;
    let mut names = BTreeMap::new();
    for line in lines {
        let (number, name) = line.split_once(' ')?;
        let number = number.parse().ok().filter(|number| (1..next).contains(number))?;
        let name = decoded(name).filter(|name| !name.is_empty() && name != ROOT)?;
        let taken = names.values().any(|known| *known == name);
        if taken || names.insert(number, name).is_some() {
            return None;
        }
    }
    (next > 0).then_some((names, next))
}

pub(super) fn encoded(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _infallible = write!(text, "%{byte:02X}");
        }
    }
    text
}

pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first == b'%' {
            let digits = rest.get(..2).and_then(|digits| str::from_utf8(digits).ok())?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}
