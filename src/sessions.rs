//! `ringmq session`: has the session of a client deleted.
//!
//! The command is for a device that cannot connect because another user owns the session of its
//! client id. Only the broker changes sessions: the command leaves a request in the data directory,
//! and the broker processes it at its start or at SIGHUP.

use std::fmt;
use std::path::Path;

use crate::config::SessionAct;
use crate::disk::{Deletion, Directory, DirectoryError};
use crate::limits::CLIENT_ID_BYTES_MAX;

/// Why no session was deleted, and what to do.
#[derive(Debug)]
pub enum SessionError {
    /// The directory cannot be used.
    Directory(DirectoryError),
    /// There is no such vhost.
    UnknownVhost {
        /// Its name.
        name: String,
        /// The names of all vhosts.
        known: Vec<String>,
    },
    /// A client id cannot look like this.
    ClientId,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(error) => error.fmt(f),
            Self::UnknownVhost { name, known } => {
                write!(f, "--vhost: there is no vhost {name:?}; there are {}", known.join(", "))
            }
            Self::ClientId => write!(f, "a client id has 1 to {CLIENT_ID_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<DirectoryError> for SessionError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

/// Leaves the request; returns the text to print.
///
/// # Errors
/// If it fails; then nothing was changed.
pub fn run(act: &SessionAct) -> Result<String, SessionError> {
    let SessionAct::Delete { client_id, vhost, data_dir } = act;
    delete(client_id, vhost, data_dir)
}

fn delete(client_id: &str, vhost: &str, data_dir: &Path) -> Result<String, SessionError> {
    if !(1..=CLIENT_ID_BYTES_MAX).contains(&client_id.len()) {
        return Err(SessionError::ClientId);
    }
    let vhosts = Directory::vhosts_at(data_dir)?;
    if vhosts.find(vhost).is_none() {
        let known = vhosts.iter().map(|(_, name)| name.to_owned()).collect();
        return Err(SessionError::UnknownVhost { name: vhost.to_owned(), known });
    }
    let deletion = Deletion { vhost: vhost.to_owned(), client_id: client_id.to_owned() };
    deletion.request(data_dir)?;
    Ok(format!(
        "the session of client {client_id:?} in vhost {vhost} will be deleted: if a broker is \
         running, at SIGHUP (systemctl reload ringmq), else at the next start; the log says so"
    ))
}
