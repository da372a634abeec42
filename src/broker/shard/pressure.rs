//! Full outputs and sessions: publishers that wait for them and go on.

use crate::limits::{CHOKE_FACTOR, PROMISED_MAX};
use crate::store::{Catalog, SessionKey};

use super::super::connection::Connections;
use super::super::full_sessions::OnFull;
use super::super::names::{ConnId, Context, DEFAULT_VHOST, ShardId, ShardSet, VhostId};
use super::super::output::{Outputs, Source};
use super::super::peer::PeerMessage;
use super::super::read_gate::Pause;
use super::{Shard, lent};

impl Shard {
    /// Stops reading from a client that sends requests without taking the replies, or while no more
    /// replies can be promised.
    #[inline]
    pub(super) fn pause_if_output_full(&mut self, conn: ConnId) {
        let max = self.options.outgoing_bytes_max * CHOKE_FACTOR;
        let has_too_many = || self.replies.promised(conn) >= PROMISED_MAX;
        if self.outputs.bytes(conn) >= max || self.replies.is_waiting() && has_too_many() {
            self.gates.pause(conn, Pause::OwnOutput);
        }
    }

    /// A client has taken some of its output: reads from it again if its own output was the reason
    /// not to.
    pub(super) fn resume_if_output_taken(&mut self, conn: ConnId, context: &mut Context<'_>) {
        if !self.gates.is_paused_by(conn, Pause::OwnOutput) {
            return;
        }
        // The broker did not read from it, and it has taken replies, so it is alive.
        self.gates.note_alive(conn, context.now_ms);
        let is_taken = self.outputs.bytes(conn) <= self.options.outgoing_bytes_max;
        if is_taken && self.replies.promised(conn) <= PROMISED_MAX / 2 {
            self.gates.resume(conn, Pause::OwnOutput, context.now_ms);
        }
    }

    /// Lists a connection whose output may be low again, so that its publishers are resumed.
    pub(super) fn relieve(&mut self, conn: ConnId) {
        if is_low(conn, &self.outputs, &self.connections, &self.catalog) {
            self.outputs.relieve(conn);
        }
    }

    /// Resumes the next publisher that waits for an output that is low.
    pub(super) fn relieve_next(&mut self, context: &mut Context<'_>) {
        let (connections, catalog) = (&self.connections, &self.catalog);
        let is_low = |outputs: &Outputs, conn| is_low(conn, outputs, connections, catalog);
        self.outputs.relieve_next(is_low, &mut self.gates, context);
    }

    /// Handles that more waits in a session, or in its vhost, than may. `bytes_before` waited in
    /// the session before the last message.
    pub(super) fn handle_overflow(
        &mut self,
        key: SessionKey,
        bytes_before: u64,
        source: Source,
        context: &mut Context<'_>,
    ) {
        if self.make_room(key, context) {
            return;
        }
        let client_id = &self.catalog.session(key).client_id;
        let publisher = source.publisher(self.options.shard);
        match self.full_sessions.on_full(key, client_id, publisher) {
            OnFull::RefuseNext => {}
            OnFull::Wait((shard, publisher)) => {
                let vhost = self.catalog.session(key).vhost;
                let queued_bytes = self.catalog.totals(vhost).queued_bytes;
                self.quotas.note_awaited(VhostId(vhost), queued_bytes);
                self.block(shard, publisher, context);
            }
            OnFull::DropOldest => {
                let dropped_before = self.catalog.session(key).dropped;
                let mut session = self.catalog.session_mut(key);
                let (quotas, delivery) = (&self.quotas, &mut self.delivery);
                self.full_sessions.drop_oldest(
                    &mut session,
                    bytes_before,
                    quotas,
                    delivery,
                    lent!(self),
                );
                drop(session);
                if self.traces.is_on() {
                    let dropped = self.catalog.session(key).dropped - dropped_before;
                    self.trace_dropped_oldest(key, dropped, context.now_ms);
                }
            }
        }
    }

    /// Drops expired messages of a session while it, or its vhost, exceeds its bound; returns
    /// whether both have room now.
    fn make_room(&mut self, key: SessionKey, context: &mut Context<'_>) -> bool {
        let time_ms = self.time_ms(context.now_ms);
        let mut session = self.catalog.session_mut(key);
        let mut has_dropped = false;
        while self.full_sessions.is_over(&session, &self.quotas) {
            if self.delivery.drop_expired(&mut session, time_ms, &mut self.logs) == 0 {
                return false;
            }
            has_dropped = true;
        }
        drop(session);
        if has_dropped {
            self.relieve_waiting(key, context);
        }
        true
    }

    /// Drops expired messages of sessions for which publishers wait, if that is due. Nothing else
    /// makes room there while their clients are away.
    pub(super) fn drop_expired_in_full_sessions(&mut self, context: &mut Context<'_>) {
        for key in self.full_sessions.take_due(context.now_ms) {
            if self.catalog.sessions().try_get(key).is_none() {
                continue;
            }
            let time_ms = self.time_ms(context.now_ms);
            let mut session = self.catalog.session_mut(key);
            let dropped = self.delivery.drop_expired(&mut session, time_ms, &mut self.logs);
            drop(session);
            if dropped > 0 {
                self.relieve_waiting(key, context);
            }
        }
    }

    /// Makes a publisher wait until a session has room.
    fn block(&mut self, shard: ShardId, publisher: ConnId, context: &mut Context<'_>) {
        if shard == self.options.shard {
            self.pause_for_full_session(publisher);
        } else {
            let message = PeerMessage::Block { conn: publisher };
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
    }

    /// Pauses a publisher because a session that it feeds is full, here or on another shard.
    pub(super) fn pause_for_full_session(&mut self, publisher: ConnId) {
        if self.gates.pause(publisher, Pause::FullSession) {
            self.replies.withhold(publisher);
        }
    }

    /// Resumes a publisher because a session that it waited for has room or has ended.
    pub(super) fn resume_for_full_session(&mut self, conn: ConnId, context: &mut Context<'_>) {
        if self.gates.resume(conn, Pause::FullSession, context.now_ms) {
            for reply in self.replies.take_withheld(conn) {
                self.keep_promise(conn, &reply, context);
            }
            self.go_on_closing(conn);
        }
    }

    /// Resumes the publishers that wait for a session, if it has room again or has ended.
    pub(super) fn relieve_session(&mut self, key: SessionKey, context: &mut Context<'_>) {
        let relieved = self.full_sessions.relieve(key, &self.catalog, &mut self.quotas);
        for (shard, publisher) in relieved {
            if shard == self.options.shard {
                self.resume_for_full_session(publisher, context);
            } else {
                let message = PeerMessage::Unblock { conn: publisher };
                message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
            }
        }
    }

    /// Fewer messages wait in a session: resumes the publishers that wait for it or for its vhost.
    pub(super) fn relieve_waiting(&mut self, key: SessionKey, context: &mut Context<'_>) {
        if self.full_sessions.is_awaited() {
            self.relieve_session(key, context);
            let vhost = VhostId(self.catalog.session(key).vhost);
            self.relieve_vhost(vhost, context);
        }
    }

    /// Resumes the publishers that wait for sessions of a vhost, if it has room again.
    pub(super) fn relieve_vhost(&mut self, vhost: VhostId, context: &mut Context<'_>) {
        let queued_bytes = self.catalog.totals(vhost.0).queued_bytes;
        if !self.quotas.take_relieved(vhost, queued_bytes) {
            return;
        }
        let sessions = self.catalog.sessions();
        let is_of_vhost = |key: &SessionKey| {
            sessions.try_get(*key).is_some_and(|session| session.vhost == vhost.0)
        };
        let keys: Vec<SessionKey> = self.full_sessions.sessions().filter(is_of_vhost).collect();
        keys.into_iter().for_each(|key| self.relieve_session(key, context));
    }

    /// As [`Shard::relieve_vhost`] for all vhosts, after a change of their quotas.
    pub(super) fn relieve_vhosts(&mut self, context: &mut Context<'_>) {
        let vhosts: Vec<VhostId> = self.exchanges.vhosts().map(|(vhost, _)| vhost).collect();
        vhosts.into_iter().for_each(|vhost| self.relieve_vhost(vhost, context));
    }
}

/// Whether a connection's output was full and is low again, and little waits in its session.
fn is_low(conn: ConnId, outputs: &Outputs, connections: &Connections, catalog: &Catalog) -> bool {
    if !outputs.is_held_up(conn) || !outputs.is_low(conn) {
        return false;
    }
    let Some(key) = connections.session(conn) else { return false };
    let queue = &catalog.session(key).queue;
    queue.waiting() == 0 || queue.stored_bytes() <= outputs.bytes_max() as u64 / 2
}
