//! What is wrong with a setting, and where it stands.

use std::fmt;
use std::path::PathBuf;

/// A fault as data, so that whoever asked can be told in any form: on a terminal, in the log, as
/// JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fault {
    /// The file that it is in.
    pub file: Option<PathBuf>,
    /// The line in that file, from 1.
    pub line: Option<usize>,
    /// What is set, as the user wrote it: the key of a file, a variable, a flag.
    pub key: Option<String>,
    /// What is wrong, and what to do.
    pub says: String,
}

impl Fault {
    /// A fault that names no setting and no file.
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

/// A flag that cannot be as it is beside the others.
#[derive(Debug)]
pub(super) struct Misfit {
    /// Its long name.
    pub(super) flag: &'static str,
    /// What is wrong, and what to do.
    pub(super) says: String,
}
