//! A fault of a setting, and its place.

use std::fmt;
use std::path::PathBuf;

/// A fault as data, so that it can be shown on a terminal, in the log or as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fault {
    /// The file with the fault.
    pub file: Option<PathBuf>,
    /// The line in that file, from 1.
    pub line: Option<usize>,
    /// The setting as the user wrote it: the key in a file, a variable, a flag.
    pub key: Option<String>,
    /// What is wrong, and what to do.
    pub says: String,
}

impl Fault {
    /// A fault that belongs to no setting and no file.
    pub fn plain(says: impl Into<String>) -> Self {
        Self { says: says.into(), ..Self::default() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.says)
    }
}

impl std::error::Error for Fault {}

/// A flag that conflicts with the others.
#[derive(Debug)]
pub(super) struct Misfit {
    /// Its long name.
    pub(super) flag: &'static str,
    /// What is wrong, and what to do.
    pub(super) says: String,
}
