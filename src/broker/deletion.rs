//! Sessions that end because an operator asks for it: one may lock its client out, since it is
//! another user's.

use log::info;

use super::reason::CloseReason;
use super::shard::{Context, Shard};
use super::vhost::VhostId;
use super::{ConnId, placement};

/// Names a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionName {
    /// The number of its vhost.
    pub vhost: u16,
    /// Its client id.
    pub client_id: String,
}

impl Shard {
    /// Ends those of these sessions that live here, and the connections of their clients. Names
    /// that belong here and have no session are told as well.
    pub fn delete_sessions(&mut self, names: &[SessionName], context: &mut Context<'_>) {
        for SessionName { vhost, client_id } in names {
            self.delete_session(VhostId(*vhost), client_id, context);
        }
    }

    fn delete_session(&mut self, vhost: VhostId, client_id: &str, context: &mut Context<'_>) {
        self.vhosts.introduce(vhost);
        let name = &self.vhosts[vhost].name;
        let home = placement::home_of(name, client_id, self.out.options.shards);
        if home != self.out.options.shard {
            return;
        }
        let Some(key) = self.catalog.sessions.find(vhost.0, client_id) else {
            return info!(client = client_id; "no session in vhost {name} to delete");
        };
        info!(client = client_id; "its session in vhost {name} is deleted, as was asked for");
        self.out.stats.sessions_deleted += 1;
        if let Some(holder) = self.catalog.sessions.get(key).holder {
            self.close(ConnId::of(holder), CloseReason::Deleted, context);
        }
        // A clean one has ended with its connection.
        if let Some(key) = self.catalog.sessions.find(vhost.0, client_id) {
            self.end_session(key, context);
        }
    }
}
