//! The fault of a file, its location, and its remedy.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A fault in the text of a file, by line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// The line, from 1; `None` if the fault concerns the whole file.
    pub(super) line: Option<usize>,
    /// What is wrong, and what to do.
    pub(super) says: String,
    /// Whether the process has no permission to read the file.
    pub(super) is_denied: bool,
}

impl Fault {
    pub(super) fn at(line: usize, says: impl Into<String>) -> Self {
        Self { line: Some(line), says: says.into(), is_denied: false }
    }

    pub(super) fn whole(says: impl Into<String>) -> Self {
        Self { line: None, says: says.into(), is_denied: false }
    }

    /// A file that cannot be read. `kind` is the expected kind.
    pub(super) fn unreadable(error: &io::Error, kind: &str) -> Self {
        let says = match error.kind() {
            ErrorKind::NotFound => format!("there is no such {kind}"),
            ErrorKind::PermissionDenied => "cannot be read: permission denied".to_owned(),
            ErrorKind::IsADirectory | ErrorKind::NotADirectory => format!("is no {kind}"),
            _ => format!("cannot be read: {error}"),
        };
        Self { is_denied: error.kind() == ErrorKind::PermissionDenied, ..Self::whole(says) }
    }

    pub(super) fn of(self, path: &Path) -> LoadError {
        LoadError {
            flag: None,
            path: path.to_owned(),
            line: self.line,
            says: self.says,
            is_denied: self.is_denied,
        }
    }
}

/// Why a policy cannot be loaded: the file, the line, the fault and the remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadError {
    /// The flag that names it, or the directory it is in.
    pub flag: Option<&'static str>,
    /// The file or directory.
    pub path: PathBuf,
    /// The line, from 1; `None` if the fault concerns the whole file or directory.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub says: String,
    /// Whether the process has no permission to read it.
    pub is_denied: bool,
}

impl LoadError {
    /// The same error with the flag.
    pub(super) fn of_flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(flag) = self.flag {
            write!(f, "{flag} ")?;
        }
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.says)
    }
}

impl std::error::Error for LoadError {}
