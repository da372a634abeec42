//! Takes over the sessions of another store, with the state that their clients know.
//!
//! The appended records do not have all of that state, so recovery must begin at a later checkpoint
//! (see [`super::Housekeeping::owe_checkpoint`]).

use super::catalog::Catalog;
use super::logs::Logs;
use super::queue::Queue;
use super::record::SessionKey;
use super::session::Session;

impl Catalog {
    /// Opens a copy of another store's session, without its messages. Its client left at the time
    /// `left_ms` of this store's time line and must have no session here. `None` if the session has
    /// more subscriptions than allowed.
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
        session.adopt_identified_from(other);
        Some(key)
    }

    /// Notes that messages of a session below this number were sent, so that they are sent with
    /// DUP.
    pub fn adopt_sent(&mut self, key: SessionKey, sent: u64) {
        self.sessions.get_mut(key).queue.replay_sent(sent);
    }
}
