//! The way of topics with the broker's own state to their subscribers.
//!
//! A durable session gets these messages at QoS 0, so that they are not stored, and gets none while
//! its client is away.

use crate::limits::{SYSTEM_COPIES_MAX, SYSTEM_REPLAYS_MAX};
use crate::mqtt::{QoS, SubscriptionId};
use crate::store::{ScanEnd, SessionKey};

use super::super::delivery::DeliveryOptions;
use super::super::exchange::is_identified;
use super::super::names::{ConnId, Context, DEFAULT_VHOST, VhostId};
use super::super::output::{Message, OutboundMessage, Source};
use super::super::publish::Working;
use super::super::retained::{Granted, Replays};
use super::super::system::{SystemTopic, SystemUpdate};
use super::{Shard, lent};

impl Shard {
    /// Whether a subscription to system topics has to wait for their first values.
    pub(super) fn awaits_system(&self, vhost: VhostId) -> bool {
        vhost == DEFAULT_VHOST && self.system.is_awaited()
    }

    /// Takes the next step of an update: serves clients that wait for values, then publishes the
    /// changes to all subscribers; returns whether it was the last step.
    pub(super) fn advance_system(
        &mut self,
        update: &mut SystemUpdate,
        context: &mut Context<'_>,
    ) -> bool {
        if update.changed.is_none() {
            self.system.set(update);
        }
        let waiting = self.retained.take_awaiting_system(SYSTEM_REPLAYS_MAX);
        if !waiting.is_empty() {
            waiting.into_iter().for_each(|conn| self.advance_replay(conn, context));
            return false;
        }
        let Some(changed) = &mut update.changed else { return true };
        let mut copies = 0;
        while copies < SYSTEM_COPIES_MAX
            && let Some(topic) = changed.pop()
        {
            copies += 1 + self.publish_system(&topic, context);
        }
        changed.is_empty()
    }

    /// Publishes a topic's value to its subscribers; returns how many there are.
    fn publish_system(&mut self, value: &SystemTopic, context: &mut Context<'_>) -> usize {
        let route = self.route(DEFAULT_VHOST, value.topic());
        let route = self.exchanges.get(DEFAULT_VHOST, route);
        let Working { encode, identifiers, .. } = self.publishing.working();
        let message = message_of(value);
        let mut outbound = OutboundMessage::new(&message, 0, encode);
        for target in &route.targets {
            let session = self.catalog.session(target.session);
            let Some(conn) = session.holder.map(ConnId::of) else { continue };
            let outbound = &mut outbound;
            identifiers.clear();
            let found = route.identifiers(target.session);
            identifiers.extend(found.filter_map(SubscriptionId::new));
            let options = DeliveryOptions { identifiers, ..DeliveryOptions::plain(Source::Nobody) };
            let is_kept = if target.durable || target.granted == QoS::AtMostOnce {
                self.delivery.deliver_qos0(session, outbound, options, lent!(self), context)
            } else {
                let (qos, session) =
                    (target.granted, &mut self.catalog.session_mut(target.session));
                self.delivery.deliver_clean(qos, session, outbound, options, lent!(self), context);
                true
            };
            if is_kept {
                self.retained.note_live(conn, value.topic());
            }
        }
        route.targets.len()
    }

    /// Takes a step of a replay of system topics.
    pub(super) fn step_system(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        replays: &mut Replays,
        context: &mut Context<'_>,
    ) -> ScanEnd {
        let Some((filter, granted, after)) = replays.current() else { return ScanEnd::Done };
        let known = self.system.get().filter(|_| vhost == DEFAULT_VHOST);
        let Some(topics) = known.cloned() else { return ScanEnd::Done };
        for value in topics.after(after) {
            let topic = value.topic();
            if !filter.matches(topic)
                || replays.has_seen(topic.as_str())
                || !self.may_receive(key, topic)
            {
                continue;
            }
            self.replay_system(key, granted, value, context);
            if self.is_behind(key) {
                return ScanEnd::After(topic.as_str().into());
            }
        }
        ScanEnd::Done
    }

    fn replay_system(
        &mut self,
        key: SessionKey,
        granted: Granted,
        value: &SystemTopic,
        context: &mut Context<'_>,
    ) {
        let message = message_of(value);
        let encode = &mut self.publishing.working().encode;
        let mut outbound = OutboundMessage::new(&message, 0, encode);
        let identifiers = granted.identifier.as_slice();
        let session = self.catalog.session(key);
        let options = DeliveryOptions {
            retain: true,
            source: Source::Nobody,
            identifiers,
            keeps_identifiers: is_identified(&session.subscriptions, value.topic()),
        };
        let (lent, outbound) = (lent!(self), &mut outbound);
        if granted.qos == QoS::AtMostOnce || !session.clean {
            self.delivery.deliver_qos0(session, outbound, options, lent, context);
        } else {
            let session = &mut self.catalog.session_mut(key);
            self.delivery.deliver_clean(granted.qos, session, outbound, options, lent, context);
        }
    }
}

/// The message for a value: retained and at QoS 2, as Mosquitto publishes it.
fn message_of(value: &SystemTopic) -> Message<'_> {
    let (topic, payload) = (value.topic(), value.payload().as_bytes());
    Message { topic, properties: &[], payload, qos: QoS::ExactlyOnce, retain: true }
}
