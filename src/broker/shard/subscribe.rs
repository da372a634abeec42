//! SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11).

use crate::mqtt::{
    QoS, ReasonCode, RetainHandling, SharedFilter, Suback, Subscribe, SubscribeEntry,
    SubscriptionId, TopicFilter, Unsubscribe, Version,
};
use crate::store::{SessionKey, SubscriptionOptions};

use super::super::exchange::{Grant, GrantOptions};
use super::super::names::{ConnId, Context, ShardSet, VhostId};
use super::super::peer::PeerMessage;
use super::super::replies::{Reply, Wait};
use super::super::retained::Granted;
use super::Shard;

impl Shard {
    pub(super) fn handle_subscribe(
        &mut self,
        conn: ConnId,
        subscribe: &Subscribe<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(open) = self.connections.client(conn) else { return };
        let (vhost, key) = (open.vhost, open.session);
        let version = open.version;
        let identifier = subscribe.subscription_id();
        let (mut codes, mut replays) = (Vec::new(), false);
        for entry in subscribe.entries() {
            let granted = self.subscribe(conn, (vhost, key), &entry, identifier, context);
            if self.traces.is_on() {
                let granted = granted.ok().map(|(qos, _)| qos);
                self.trace_subscription(conn, entry.filter, granted, context.now_ms);
            }
            codes.push(match granted {
                Ok((qos, wants_retained)) => {
                    replays |= wants_retained;
                    qos as u8
                }
                Err(refused) if version == Version::V5 => refused as u8,
                Err(_) => Suback::FAILURE,
            });
        }
        // A message published on another shard could be missed until that shard knows the filter.
        // The SUBACK waits also if another session reported the filter just before: that report may
        // still be under way.
        let is_granted = codes.iter().any(|code| *code < Suback::FAILURE);
        self.update_if_withheld(key, context);
        let durable = !self.catalog.session(key).clean;
        let wait =
            Wait { peers: is_granted && self.options.shards > 1, disk: is_granted && durable };
        let (packet_id, codes) = (subscribe.packet_id, codes.into());
        let waits = self.promise(conn, Reply::Suback { packet_id, codes, replays }, wait);
        if waits
            && replays
            && let Some(replays) = self.retained.get_mut(conn)
        {
            replays.hold();
        }
        if self.groups.has_members() {
            self.begin_if_new(conn, waits, context);
        }
        self.advance_replay(conn, context);
    }

    pub(super) fn handle_unsubscribe(
        &mut self,
        conn: ConnId,
        unsubscribe: &Unsubscribe<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(open) = self.connections.client(conn) else { return };
        let (vhost, key) = (open.vhost, open.session);
        let mut wait = Wait::default();
        let durable = !self.catalog.session(key).clean;
        let mut codes = Vec::new();
        for filter in unsubscribe.filters() {
            let existed = self.catalog.unsubscribe(key, filter.as_str(), &mut self.logs);
            if existed {
                // The end of a group is always recorded, even if a clean session causes it.
                wait.disk |= durable || filter.is_shared();
                wait.peers |= if filter.is_shared() {
                    self.unsubscribe_shared(vhost, key, filter.as_str(), context)
                } else {
                    self.unbind(vhost, key, filter, context)
                };
                self.retained.stop(conn, filter);
            }
            let none = ReasonCode::NoSubscriptionExisted;
            codes.push(if existed { ReasonCode::Success } else { none } as u8);
        }
        self.update_if_withheld(key, context);
        let (packet_id, codes) = (unsubscribe.packet_id, codes.into());
        self.promise(conn, Reply::Unsuback { packet_id, codes }, wait);
    }

    /// A session whose client may read nothing has another filter, or one less.
    pub(super) fn update_if_withheld(&mut self, key: SessionKey, context: &mut Context<'_>) {
        if self.catalog.session(key).is_withheld() {
            self.update_withheld(key, context);
        }
    }

    /// Subscribes a filter; returns its granted QoS, and whether retained messages are to be
    /// replayed.
    fn subscribe(
        &mut self,
        conn: ConnId,
        (vhost, key): (VhostId, SessionKey),
        entry: &SubscribeEntry<'_>,
        identifier: Option<SubscriptionId>,
        context: &mut Context<'_>,
    ) -> Result<(QoS, bool), ReasonCode> {
        let filter = entry.filter;
        if filter.level_count() > self.options.topic_levels_max {
            self.refuse_subscription(key, filter, "more levels than --max-topic-levels");
            self.stats.subscriptions_too_deep += 1;
            return Err(ReasonCode::TopicFilterInvalid);
        }
        if let Some(shared) = SharedFilter::parse(filter) {
            let granted =
                self.subscribe_shared((vhost, key), shared, entry, identifier, context)?;
            // [MQTT-3.8.4] A shared subscription gets no retained messages.
            return Ok((granted, false));
        }
        let session = self.catalog.session(key);
        if !self.admission.may_subscribe(session, filter) {
            let why = "the access rules deny it";
            self.client_log.denied_subscription((key, &session.client_id), filter, why);
            self.stats.subscriptions_denied += 1;
            self.quotas.counts_mut(vhost).subscriptions_denied += 1;
            return Err(ReasonCode::NotAuthorized);
        }
        let (granted, text) = (entry.qos, filter.as_str());
        let &SubscribeEntry { no_local, retain_as_published, .. } = entry;
        let options = SubscriptionOptions {
            qos: granted as u8,
            no_local,
            retain_as_published,
            identifier: identifier.map_or(0, SubscriptionId::get),
        };
        let is_new = !session.subscriptions.contains(text);
        if !self.has_room_for(key, text)
            || self.catalog.subscribe(key, text, options, &mut self.logs).is_none()
        {
            self.refuse_subscription(key, filter, "the session has as many as it may");
            return Err(ReasonCode::QuotaExceeded);
        }
        let durable = !self.catalog.session(key).clean;
        let grant = Grant { qos: granted, durable, options: GrantOptions::of(options) };
        if self.exchanges.bind(vhost, filter, key, grant) {
            let message = PeerMessage::Interested { filter: filter.as_str() };
            self.send_to_all(vhost, &message, context);
        }
        let wants_retained = match entry.retain_handling {
            // [MQTT-3.8.4-3] Also if the subscription existed before.
            RetainHandling::Always => true,
            RetainHandling::IfNew => is_new,
            RetainHandling::Never => false,
        };
        let of_replay = Granted { qos: granted, identifier };
        if wants_retained {
            self.retained.start(conn, filter, of_replay);
        } else {
            self.retained.regrant(conn, filter, of_replay);
        }
        Ok((granted, wants_retained))
    }

    pub(super) fn refuse_subscription(
        &mut self,
        key: SessionKey,
        filter: TopicFilter<'_>,
        why: &str,
    ) {
        let session = self.catalog.session(key);
        self.client_log.denied_subscription((key, &session.client_id), filter, why);
        self.stats.subscriptions_refused += 1;
    }

    /// Whether a session may have one more filter, or has this one already.
    pub(super) fn has_room_for(&self, key: SessionKey, filter: &str) -> bool {
        let subscriptions = &self.catalog.session(key).subscriptions;
        subscriptions.len() < self.options.subscriptions_max || subscriptions.contains(filter)
    }

    pub(super) fn unbind(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        filter: TopicFilter<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let last = self.exchanges.unbind(vhost, filter, key);
        let message = PeerMessage::NotInterested { filter: filter.as_str() };
        last && self.send_to_all(vhost, &message, context)
    }

    /// Sends a message to all other shards; false if there are none.
    pub(super) fn send_to_all(
        &mut self,
        vhost: VhostId,
        message: &PeerMessage<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let others = ShardSet::all_but(self.options.shards, self.options.shard);
        if others.is_empty() {
            return false;
        }
        message.send(vhost, others, context.peers);
        true
    }
}
