//! `ringmq vhost`: lists the vhosts of a data directory, or deletes one.
//!
//! Only the name is deleted; the next start drops the data that is stored under its number. No
//! broker may use the directory meanwhile, because it would keep using the names that it has read.

use std::fmt;
use std::path::Path;

use crate::config::VhostAct;
use crate::disk::{Directory, DirectoryError};

/// Why the command failed, and what to do.
#[derive(Debug)]
pub enum VhostError {
    /// The directory cannot be used.
    Directory(DirectoryError),
    /// There is no such vhost.
    Unknown {
        /// Its name.
        name: String,
        /// The names of all vhosts except `/`.
        known: Vec<String>,
    },
    /// The vhost `/` cannot be deleted.
    Root,
}

impl fmt::Display for VhostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => write!(f, "{error}"),
            Self::Unknown { name, known } if known.is_empty() => {
                write!(f, "there is no vhost {name:?}, nor any but /")
            }
            Self::Unknown { name, known } => {
                write!(f, "there is no vhost {name:?}; there are {}", known.join(", "))
            }
            Self::Root => f.write_str("the vhost / cannot be deleted: it is there without a name"),
        }
    }
}

impl std::error::Error for VhostError {}

impl From<DirectoryError> for VhostError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

/// Executes the command; returns the text to print.
///
/// # Errors
/// If it fails; then nothing was changed.
pub fn run(act: &VhostAct) -> Result<String, VhostError> {
    match act {
        VhostAct::Delete { name, data_dir } => delete(name, data_dir),
        VhostAct::List { data_dir } => list(data_dir),
    }
}

fn delete(name: &str, data_dir: &Path) -> Result<String, VhostError> {
    if Directory::shards_at(data_dir)?.is_none() {
        return Err(DirectoryError::no_data(data_dir).into());
    }
    // The vhost exists, so no default is needed.
    let directory = Directory::open(data_dir, None, 1)?;
    let mut vhosts = directory.vhosts()?;
    match vhosts.find(name) {
        Some(0) => return Err(VhostError::Root),
        Some(_) => {}
        None => {
            let known = vhosts.iter().skip(1).map(|(_, name)| name.to_owned()).collect();
            return Err(VhostError::Unknown { name: name.to_owned(), known });
        }
    }
    vhosts.delete(name)?;
    Ok(format!(
        "vhost {name} is deleted; the next start drops its sessions and retained messages, and \
         makes an empty one if --vhosts still has a directory for it"
    ))
}

/// A line for each vhost: number, space, name.
fn list(data_dir: &Path) -> Result<String, VhostError> {
    let vhosts = Directory::vhosts_at(data_dir)?;
    let lines: Vec<String> =
        vhosts.iter().map(|(number, name)| format!("{number} {name}")).collect();
    Ok(lines.join("\n"))
}
