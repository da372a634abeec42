//! What is wrong with a file, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A fault in the text of a file, by line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// The line, from 1; `None` if it is about the whole file.
    pub(super) line: Option<usize>,
    /// What is wrong, and what to do.
    pub(super) says: String,
}

impl Fault {
    pub(super) fn at(line: usize, says: impl Into<String>) -> Self {
        Self { line: Some(line), says: says.into() }
    }

    pub(super) fn whole(says: impl Into<String>) -> Self {
        Self { line: None, says: says.into() }
    }

    pub(super) fn of(self, path: &Path) -> LoadError {
        LoadError { path: path.to_owned(), line: self.line, says: self.says }
    }
}

/// Why a policy cannot be loaded: the file, the line, what is wrong and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadError {
    /// The file or directory.
    pub path: PathBuf,
    /// The line, from 1; `None` if it is about the whole of it.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub says: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.says)
    }
}

impl std::error::Error for LoadError {}
