//! The end of a connection that an operator wants gone.

use super::session_name::SessionName;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kick {
    /// Whose.
    pub name: SessionName,
    /// Its session ends as well.
    pub deletes_session: bool,
    /// Its will is not published.
    pub discards_will: bool,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kicked {
    /// There was a session.
    pub found: bool,
    /// Its client was connected, and is not any more.
    pub closed: bool,
    /// The session has ended: it was to be deleted, or it was clean.
    pub ended: bool,
}
