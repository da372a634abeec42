//! Wills (3.1.2.5): published at once when a connection ends, or after a delay (v5 3.1.3.2.2) if
//! the session outlives it.

use crate::mqtt::TopicName;
use crate::store::SessionKey;

use super::super::connection::Will;
use super::super::names::{Context, VhostId};
use super::super::output::{Message, Source};
use super::super::publish::InboundMessage;
use super::Shard;

impl Shard {
    /// Replaces the will kept with a durable session by the will of its new connection, or by none.
    /// So it is published even if the broker ends together with the connection. While the log has
    /// no room for requests, a will without a delay is kept only in the connection: a full disk
    /// must not refuse its client.
    pub(super) fn keep_will(&mut self, key: SessionKey, will: Option<&Will>) {
        let is_short = self.storage.shortage().holds_requests(&self.logs.disk);
        let logs = &mut self.logs;
        let is_clean = self.catalog.session(key).clean;
        match will.filter(|will| !is_clean && (will.delay_s > 0 || !is_short)) {
            Some(will) => self.catalog.set_will(key, &will.stored(), logs),
            None => {
                self.catalog.clear_will(key, logs);
            }
        }
    }

    /// Publishes the wills of all connections, because the broker stops while their subscribers are
    /// connected. Delayed wills wait for the next start, as do their sessions.
    pub fn publish_wills(&mut self, context: &mut Context<'_>) {
        for conn in self.connections.ids() {
            let catalog = &self.catalog;
            let ends = |key| catalog.session(key).ends_with_connection();
            let taken = self.connections.take_prompt_will(conn, ends);
            let Some((vhost, key, will)) = taken else { continue };
            self.catalog.clear_will(key, &mut self.logs);
            if self.may_publish_will(key, &will) {
                self.publish_will(vhost, Some(key), &will, context);
            }
        }
    }

    /// Publishes an overdue will of a session that is about to get another connection.
    pub(super) fn publish_overdue_will(
        &mut self,
        vhost: VhostId,
        client_id: &str,
        context: &mut Context<'_>,
    ) {
        let key = self.catalog.sessions().find(vhost.0, client_id);
        let time_ms = self.time_ms(context.now_ms);
        if let Some(key) = key
            && self.catalog.will_due_ms(key, time_ms) == Some(0)
        {
            self.on_session_due(key, context);
        }
    }

    /// Takes the will kept with a session, if it may be published.
    pub(super) fn take_kept_will(&mut self, key: SessionKey) -> Option<Box<Will>> {
        let session = self.catalog.session(key);
        let is_named = self.exchanges.is_named(VhostId(session.vhost));
        let will = Box::new(Will::kept(&session.will()?));
        self.catalog.clear_will(key, &mut self.logs);
        (is_named && self.may_publish_will(key, &will)).then_some(will)
    }

    /// Whether a session's client may publish this will.
    pub(super) fn may_publish_will(&mut self, key: SessionKey, will: &Will) -> bool {
        let topic = TopicName::parse(&will.topic).expect("it was checked at CONNECT");
        let session = self.catalog.session(key);
        let may = self.admission.may_publish(session, topic, self.options.topic_levels_max);
        if !may {
            self.count_denied_publish(key, topic);
            self.stats.wills_denied += 1;
        }
        may
    }

    /// Publishes a will; `publisher` is the session of its client id, if it exists.
    pub(super) fn publish_will(
        &mut self,
        vhost: VhostId,
        publisher: Option<SessionKey>,
        will: &Will,
        context: &mut Context<'_>,
    ) {
        let topic = TopicName::parse(&will.topic).expect("it was checked at CONNECT");
        let Will { payload, properties, qos, retain, .. } = will;
        let message = Message { topic, properties, payload, qos: *qos, retain: *retain };
        let route = self.route(vhost, topic);
        let mut inbound =
            InboundMessage { publisher, ..InboundMessage::of(&message, Source::Nobody) };
        self.publish(vhost, route, &mut inbound, context);
    }

    /// Sets the next deadline of a session whose client is away: the end of its own expiry
    /// interval, or its will.
    pub(super) fn expect_deadline(&mut self, key: SessionKey, context: &Context<'_>) {
        let time_ms = self.time_ms(context.now_ms);
        let session = self.catalog.session(key);
        let ends_ms = self.expiry.own_left_ms(session, &self.catalog, time_ms);
        let will_ms = self.catalog.will_due_ms(key, time_ms);
        match ends_ms.into_iter().chain(will_ms).min() {
            Some(left_ms) => self.expiry.set_deadline(key, context.now_ms + left_ms),
            None => self.expiry.clear_deadline(key),
        }
    }

    /// Handles a deadline of a session whose client is away.
    pub(super) fn on_session_due(&mut self, key: SessionKey, context: &mut Context<'_>) {
        let time_ms = self.time_ms(context.now_ms);
        let session = self.catalog.session(key);
        if session.is_lane() {
            return self.expire_group(key, context);
        }
        if session.holder.is_some() {
            return;
        }
        if self.expiry.has_expired(session, &self.catalog, time_ms) {
            return self.expire(key, context);
        }
        let vhost = VhostId(session.vhost);
        if self.catalog.will_due_ms(key, time_ms) == Some(0)
            && let Some(will) = self.take_kept_will(key)
        {
            self.publish_will(vhost, Some(key), &will, context);
        }
        self.expect_deadline(key, context);
    }
}
