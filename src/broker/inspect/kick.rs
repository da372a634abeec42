//! The end of a connection on an operator's request.

use super::session_name::SessionName;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kick {
    /// The session of the client.
    pub name: SessionName,
    /// Whether its session ends as well.
    pub deletes_session: bool,
    /// Whether its will is not published.
    pub discards_will: bool,
}

/// The result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kicked {
    /// Whether there was a session.
    pub found: bool,
    /// Whether its client was connected; it is not any more.
    pub closed: bool,
    /// Whether the session has ended: on request, or because it was clean.
    pub ended: bool,
}
