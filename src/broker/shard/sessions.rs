//! Sessions at start and at their end: bound and unbound, expired, deleted by an operator.

use log::info;

use crate::limits::SESSIONS_DUE_MAX;
use crate::mqtt::{QoS, TopicFilter};
use crate::store::{ClockReading, SessionKey};

use super::super::exchange::{Grant, GrantOptions};
use super::super::inspect::SessionName;
use super::super::names::{CloseReason, ConnId, Context, ShardSet, VhostId, placement};
use super::super::peer::PeerMessage;
use super::Shard;

impl Shard {
    /// Ends a session with its subscriptions and waiting messages. A will that is kept with it is
    /// published [MQTT-3.1.2-8] v5.
    pub(super) fn end_session(&mut self, key: SessionKey, context: &mut Context<'_>) {
        self.free_received(key, context);
        self.expiry.clear_deadline(key);
        let will = self.take_kept_will(key);
        let vhost = VhostId(self.catalog.session(key).vhost);
        self.end_member(key, context);
        let stored = (!self.catalog.session(key).clean).then(|| self.name_of(key));
        let subscriptions = self.catalog.end_session(key, &mut self.logs);
        if let Some(name) = stored {
            self.ends.note(name, &self.logs.disk);
        }
        for (filter, _) in subscriptions.iter() {
            let filter = TopicFilter::parse(filter).expect("it was checked before");
            if filter.is_shared() {
                continue;
            }
            self.unbind(vhost, key, filter, context);
        }
        self.publishing.forget(key);
        self.relieve_session(key, context);
        self.relieve_vhost(vhost, context);
        if let Some(will) = will {
            self.publish_will(vhost, None, &will, context);
        }
    }

    /// Binds the sessions that recovery found, and tells the other shards about their filters. Data
    /// of deleted vhosts is dropped.
    pub fn restore_bindings(&mut self, context: &mut Context<'_>) {
        self.drop_unnamed(context);
        // Their connections ended with the process. A session with a will stays until the
        // subscribers on other shards are known.
        let sessions = self.catalog.sessions();
        let is_over = |key: &SessionKey| {
            let session = sessions.get(*key);
            session.ends_with_connection() && session.will().is_none()
        };
        let over: Vec<SessionKey> = sessions.keys_from(0).filter(is_over).collect();
        over.into_iter().for_each(|key| self.end_session(key, context));
        let keys: Vec<SessionKey> = self.catalog.sessions().keys_from(0).collect();
        self.restore_groups(&keys, context);
        for key in keys {
            let session = self.catalog.session(key);
            let vhost = VhostId(session.vhost);
            for (filter, options) in session.subscriptions.iter() {
                let parsed = TopicFilter::parse(filter).ok().zip(QoS::try_from(options.qos).ok());
                let Some((filter, qos)) = parsed else { continue };
                if filter.is_shared() {
                    continue;
                }
                let grant = Grant { qos, durable: true, options: GrantOptions::of(options) };
                if self.exchanges.bind(vhost, filter, key, grant) {
                    let others = ShardSet::all_but(self.options.shards, self.options.shard);
                    let message = PeerMessage::Interested { filter: filter.as_str() };
                    if !others.is_empty() {
                        message.send(vhost, others, context.peers);
                    }
                }
            }
        }
        self.review_sessions(None, context);
        self.restore_deadlines(context);
        if !self.catalog.sessions().is_empty() {
            self.expiry.expect(context.now_ms);
        }
    }

    /// Sets the deadlines of the sessions that recovery found.
    fn restore_deadlines(&mut self, context: &mut Context<'_>) {
        let keys: Vec<SessionKey> = self.catalog.sessions().keys_from(0).collect();
        for key in keys {
            let session = self.catalog.session(key);
            if session.is_lane() {
                continue;
            }
            if session.expiry_s().is_some() || session.will().is_some() {
                self.expect_deadline(key, context);
            }
        }
    }

    /// Holds the deadlines until the other shards have reported their subscriptions, so that a will
    /// that fell due while the broker was down reaches all its subscribers.
    pub fn hold_deadlines(&mut self, holds: bool) {
        self.expiry.hold_deadlines(holds);
    }

    /// Drops sessions and retained messages of vhosts that were deleted.
    fn drop_unnamed(&mut self, context: &mut Context<'_>) {
        let (sessions, exchanges) = (self.catalog.sessions(), &self.exchanges);
        let is_unnamed = |key: &SessionKey| !exchanges.is_named(VhostId(sessions.get(*key).vhost));
        let keys: Vec<SessionKey> = sessions.keys_from(0).filter(is_unnamed).collect();
        for key in &keys {
            self.end_session(*key, context);
        }
        let mut dropped = 0;
        for vhost in self.catalog.retained_vhosts() {
            if !self.exchanges.is_named(VhostId(vhost)) {
                dropped += self.catalog.clear_all_retained(vhost, &mut self.logs);
            }
        }
        if !keys.is_empty() || dropped > 0 {
            let sessions = keys.len();
            info!("dropped {sessions} sessions and {dropped} retained messages of deleted vhosts");
        }
    }

    /// Handles the reading of the clocks, which may be a moment old.
    pub fn on_clocks(&mut self, clocks: ClockReading, now_ms: u64) {
        let time_ms = self.time_ms(now_ms);
        self.expiry.on_clocks(clocks, time_ms, &mut self.catalog, &mut self.logs);
    }

    /// Asks for the clocks and checks some sessions of absent clients, if that is due.
    pub(super) fn check_expiry(&mut self, context: &mut Context<'_>) {
        let has_sessions = !self.catalog.sessions().is_empty();
        let has_room = !self.storage.shortage().is_of_space();
        self.expiry.look_at_clocks(has_sessions, has_room, context.now_ms);
        for _ in 0..SESSIONS_DUE_MAX {
            if self.expiry.are_deadlines_held() {
                break;
            }
            let Some(key) = self.expiry.take_due(context.now_ms) else { break };
            self.on_session_due(key, context);
        }
        let time_ms = self.time_ms(context.now_ms);
        if let Some(expired) = self.expiry.begin_step(&self.catalog, time_ms, context.now_ms) {
            expired.into_iter().for_each(|key| self.expire(key, context));
            let has_sessions = !self.catalog.sessions().is_empty();
            self.expiry.end_step(has_sessions, context.now_ms);
        }
    }

    /// The session of a client. An expired session is not found, even if it is not removed yet.
    pub(super) fn find_session(
        &self,
        vhost: VhostId,
        client_id: &str,
        context: &Context<'_>,
    ) -> Option<SessionKey> {
        let key = self.catalog.sessions().find(vhost.0, client_id)?;
        let (session, time_ms) = (self.catalog.session(key), self.time_ms(context.now_ms));
        (!self.expiry.has_expired(session, &self.catalog, time_ms)).then_some(key)
    }

    /// Ends the session of a client that returns too late.
    pub(super) fn end_if_expired(
        &mut self,
        vhost: VhostId,
        client_id: &str,
        context: &mut Context<'_>,
    ) {
        let key = self.catalog.sessions().find(vhost.0, client_id);
        if let Some(key) = key
            && self.find_session(vhost, client_id, context).is_none()
        {
            self.expire(key, context);
        }
    }

    pub(super) fn expire(&mut self, key: SessionKey, context: &mut Context<'_>) {
        self.expiry.count_expired(self.catalog.session(key));
        self.end_session(key, context);
    }

    /// The number of sessions that have expired since the last call, and the number that exist.
    pub fn take_expired(&mut self) -> (usize, usize) {
        (self.expiry.take_ended(), self.catalog.sessions().len())
    }

    /// Ends those of these sessions that live here, and their connections. Names without a session
    /// are logged as well.
    pub fn delete_sessions(&mut self, names: &[SessionName], context: &mut Context<'_>) {
        for SessionName { vhost, client_id } in names {
            self.delete_session(VhostId(*vhost), client_id, context);
        }
    }

    fn delete_session(&mut self, vhost: VhostId, client_id: &str, context: &mut Context<'_>) {
        self.introduce(vhost);
        let name = self.exchanges.name(vhost);
        let home = placement::home_of(name, client_id, self.options.shards);
        if home != self.options.shard {
            return;
        }
        let Some(key) = self.catalog.sessions().find(vhost.0, client_id) else {
            return info!(client = client_id; "no session in vhost {name} to delete");
        };
        info!(client = client_id; "its session in vhost {name} is deleted, as was asked for");
        self.stats.sessions_deleted += 1;
        if let Some(holder) = self.catalog.session(key).holder {
            self.close(ConnId::of(holder), CloseReason::Deleted, context);
        }
        // A clean session has ended with its connection.
        if let Some(key) = self.catalog.sessions().find(vhost.0, client_id) {
            self.end_session(key, context);
        }
    }
}
