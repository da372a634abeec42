//! Taking over what another store has: its sessions, with the state that their clients know.
//!
//! The records that are appended for it are not all there is to know: recovery must begin at a
//! checkpoint of afterwards (see [`super::Housekeeping::owe_checkpoint`]).

use super::catalog::Catalog;
use super::logs::Logs;
use super::queue::Queue;
use super::record::SessionKey;
use super::session::Session;

impl Catalog {
    /// Opens a session as another store has it, without its messages: its client left at the time
    /// `left_ms` of this store's time line. There must be none of that client. `None` if it has
    /// more subscriptions than a session may have.
    pub fn adopt_session(
        &mut self,
        other: &Session,
        left_ms: u64,
        logs: &mut Logs,
    ) -> Option<SessionKey> {
        let key = self.open_session(other.vhost, &other.client_id, false, left_ms, logs);
        self.set_owner(key, other.owner(), logs);
        self.set_expiry(key, other.expiry_s(), logs);
        if let Some(will) = other.will() {
            self.set_will(key, &will, logs);
        }
        if other.leases_below() > 0 {
            self.reserve_leases(key, other.leases_below(), logs);
        }
        for (filter, options) in other.subscriptions.iter() {
            self.subscribe(key, filter, options, logs)?;
        }
        for packet_id in other.received() {
            self.receive(key, packet_id, logs);
        }
        let session = self.sessions.get_mut(key);
        session.left_ms = left_ms;
        session.queue = Queue::starting_at(other.queue.first());
        Some(key)
    }

    /// Messages of a session below this number were sent: they go out with DUP.
    pub fn adopt_sent(&mut self, key: SessionKey, sent: u64) {
        self.sessions.get_mut(key).queue.replay_sent(sent);
    }
}
