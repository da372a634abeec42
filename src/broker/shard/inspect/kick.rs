//! The end of a connection on an operator's request.

use log::info;

use super::super::super::inspect::{Kick, Kicked, SessionName};
use super::super::super::names::{CloseReason, ConnId, Context};
use super::super::Shard;

impl Shard {
    pub(super) fn kick(&mut self, kick: &Kick, context: &mut Context<'_>) -> Kicked {
        let SessionName { vhost, client_id } = &kick.name;
        let Some(key) = self.catalog.sessions().find(*vhost, client_id) else {
            return Kicked { found: false, closed: false, ended: false };
        };
        let holder = self.catalog.session(key).holder.map(ConnId::of);
        if kick.discards_will {
            self.catalog.clear_will(key, &mut self.logs);
        }
        if let Some(conn) = holder {
            if kick.discards_will {
                self.connections.discard_will(conn);
            }
            self.close(conn, CloseReason::Kicked, context);
        }
        if kick.deletes_session {
            info!(client = &**client_id; "its session is deleted, as an operator asked");
            self.stats.sessions_deleted += 1;
            // A clean session has ended with its connection.
            if let Some(key) = self.catalog.sessions().find(*vhost, client_id) {
                self.end_session(key, context);
            }
        }
        let ended = self.catalog.sessions().find(*vhost, client_id).is_none();
        Kicked { found: true, closed: holder.is_some(), ended }
    }
}
