//! The end of a connection that an operator wants gone.

use log::info;

use super::super::connection::Phase;
use super::super::reason::CloseReason;
use super::super::shard::{Context, Shard};
use super::super::{ConnId, SessionName};

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

impl Shard {
    pub(super) fn kick(&mut self, kick: &Kick, context: &mut Context<'_>) -> Kicked {
        let SessionName { vhost, client_id } = &kick.name;
        let Some(key) = self.catalog.sessions.find(*vhost, client_id) else {
            return Kicked { found: false, closed: false, ended: false };
        };
        let holder = self.catalog.sessions.get(key).holder.map(ConnId::of);
        if let Some(conn) = holder {
            if let Some(connection) = self.out.connections.get_mut(conn)
                && let Phase::Open(open) = &mut connection.phase
                && kick.discards_will
            {
                open.will = None;
            }
            self.close(conn, CloseReason::Kicked, context);
        }
        if kick.deletes_session {
            info!(client = &**client_id; "its session is deleted, as an operator asked");
            self.out.stats.sessions_deleted += 1;
            // A clean one has ended with its connection.
            if let Some(key) = self.catalog.sessions.find(*vhost, client_id) {
                self.end_session(key, context);
            }
        }
        let ended = self.catalog.sessions.find(*vhost, client_id).is_none();
        Kicked { found: true, closed: holder.is_some(), ended }
    }
}
