//! From a message to all its receivers: sessions here, other shards, the retain store.

use log::warn;

use crate::mqtt::{PacketId, QoS, SubscriptionId, TopicName, Version};
use crate::shown::Shown;
use crate::store::{NewMessage, Origin, OwnIdentifiers, SessionKey, Subscriptions, Target};

use super::super::delivery::DeliveryOptions;
use super::super::exchange::{Route, RouteTarget, find_identifiers};
use super::super::names::{ConnId, Context, Options, RouteHandle, ShardSet, VhostId, placement};
use super::super::output::{OutboundMessage, Source};
use super::super::peer::{PeerMessage, PeerPublish, Refusable};
use super::super::publish::{InboundMessage, Working};
use super::super::replies::Wait;
use super::super::trace::TracedTarget;
use super::{Shard, lent};

/// The part of a message that was written to the log.
#[derive(Clone, Copy, Default)]
struct Stored {
    /// Whether anything was written.
    is_logged: bool,
    /// Bytes of the message for each session that it is stored for.
    bytes: u64,
    /// No receiver takes it: their sessions are full, or it may not be retained.
    is_refused: bool,
}

/// The sessions of a route for which a message is stored.
#[derive(Clone, Copy, Default)]
struct Chosen {
    /// Whether some are full and do not take it.
    is_refused: bool,
    /// The number of others that take it, get it at QoS 0, or have it already.
    others: u32,
}

/// The result of publishing a message.
#[derive(Clone, Copy)]
pub(super) struct Published {
    /// The events for which its acknowledgement waits.
    pub(super) wait: Wait,
    pub(super) fate: Fate,
}

/// The result of routing a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// A session has subscribed to its topic, or should have.
    Routed,
    /// No session has subscribed to its topic.
    Unrouted,
    /// All sessions that have subscribed are full and do not take it, or there are none and it may
    /// not be retained. What other shards do with it is not known.
    Refused,
}

/// The result of publishing a message on this shard.
#[derive(Clone, Copy)]
pub(super) struct PublishedHere {
    /// Whether something was written to the log.
    pub(super) is_logged: bool,
    /// As in [`Fate::Refused`].
    pub(super) is_refused: bool,
}

/// Collects the subscription identifiers for a target's copy.
#[cold]
fn note_identifiers(
    route: &Route,
    (target, publisher, subscriptions): (&RouteTarget, Option<SessionKey>, &Subscriptions),
    topic: TopicName<'_>,
    identifiers: &mut Vec<SubscriptionId>,
) {
    identifiers.clear();
    if target.is_screened(publisher) {
        find_identifiers(subscriptions, topic, true, |identifier| {
            identifiers.extend(SubscriptionId::new(identifier));
        });
    } else {
        let found = route.identifiers(target.session);
        identifiers.extend(found.filter_map(SubscriptionId::new));
    }
}

impl Shard {
    /// Finds the present route of a topic.
    pub(super) fn route(&mut self, vhost: VhostId, topic: TopicName<'_>) -> RouteHandle {
        let readers = self.admission.readers(vhost, self.catalog.sessions());
        let may_receive = |session| readers.may_receive(session, topic);
        let sessions = self.catalog.sessions();
        let identify = |session, into: &mut Vec<_>| {
            let subscriptions = &sessions.get(session).subscriptions;
            find_identifiers(subscriptions, topic, false, |id| into.push((session, id)));
        };
        let route = self.exchanges.route(vhost, topic, may_receive, identify);
        if self.traces.is_on() {
            self.trace_route(vhost, route, topic);
        }
        route
    }

    /// Routes a message to its sessions here and to the shards that want it.
    pub(super) fn publish(
        &mut self,
        vhost: VhostId,
        route: RouteHandle,
        inbound: &mut InboundMessage<'_>,
        context: &mut Context<'_>,
    ) -> Published {
        let Options { shard, shards, .. } = self.options;
        let message = inbound.message;
        let targets = self.exchanges.get(vhost, route);
        let remote = targets.remote;
        // Counted on the publisher's shard only: other shards do not know all receivers.
        let is_routed =
            !targets.targets.is_empty() || !remote.is_empty() || !targets.groups.is_empty();
        self.stats.unrouted += u64::from(!is_routed);
        let keeper = message.retain.then(|| {
            placement::keeper_of(self.exchanges.name(vhost), message.topic.as_str(), shards)
        });
        inbound.keep = keeper == Some(shard);
        inbound.is_shared = !targets.groups.is_empty();
        inbound.traces = inbound.traces.or(targets.traces);
        let inbound = &*inbound;
        if inbound.traces.is_any() {
            self.trace_publishing(vhost, route, inbound, context.now_ms);
        }
        let here = self.publish_on(vhost, route, inbound, context);
        let keeper = keeper.filter(|keeper| *keeper != shard);
        let wait = Wait { peers: !remote.is_empty() || keeper.is_some(), disk: here.is_logged };
        if !wait.peers {
            let fate = match is_routed {
                _ if here.is_refused => Fate::Refused,
                true => Fate::Routed,
                false => Fate::Unrouted,
            };
            return Published { wait, fate };
        }
        let fate = if is_routed { Fate::Routed } else { Fate::Unrouted };
        let mut told = remote;
        keeper.into_iter().for_each(|keeper| told.insert(keeper));
        let refusable = inbound
            .packet_id
            .and_then(|packet_id| self.refusable(vhost, route, inbound, (packet_id, told), here));
        let copy = PeerPublish {
            source: match inbound.source {
                Source::Here(publisher) => Some(publisher),
                Source::There(..) | Source::Nobody => None,
            },
            origin: inbound.origin.map(|origin| (origin.serial, origin.packet_id)),
            refusable,
            stamp: self.meters.turn_stamp(),
            topic: message.topic.as_str(),
            properties: message.properties,
            payload: message.payload,
            qos: message.qos,
            retain: message.retain,
            keep: false,
            deliver: true,
        };
        let mut others = remote;
        if let Some(owner) = keeper {
            let deliver = others.take(owner);
            let copy = PeerPublish { keep: true, deliver, ..copy };
            PeerMessage::Publish(copy).send(vhost, ShardSet::of(owner), context.peers);
        }
        if !others.is_empty() {
            PeerMessage::Publish(copy).send(vhost, others, context.peers);
        }
        Published { wait, fate }
    }

    /// A message that other shards are sent, as they name it if they refuse it; `None`: its
    /// publisher cannot be told.
    fn refusable(
        &self,
        vhost: VhostId,
        route: RouteHandle,
        inbound: &InboundMessage<'_>,
        (packet_id, others): (PacketId, ShardSet),
        here: PublishedHere,
    ) -> Option<Refusable> {
        let Source::Here(conn) = inbound.source else { return None };
        if self.outputs.version(conn) != Version::V5 {
            return None;
        }
        let targets = &self.exchanges.get(vhost, route).targets;
        let is_for = |target: &RouteTarget| target.granted_from(inbound.publisher).is_some();
        let is_for_here = inbound.keep || inbound.is_shared || targets.iter().any(is_for);
        let is_taken = is_for_here && !here.is_refused;
        let shards = u16::try_from(others.iter().count()).expect("shards have 16 bits");
        Some(Refusable { packet_id, shards: shards + u16::from(is_taken) })
    }

    /// Stores a message for the sessions of a route that need it stored, and hands it to all
    /// sessions of the route.
    #[expect(
        clippy::inline_always,
        reason = "each message passes here, most of them by one of the callers"
    )]
    #[inline(always)]
    pub(super) fn publish_on(
        &mut self,
        vhost: VhostId,
        route: RouteHandle,
        inbound: &InboundMessage<'_>,
        context: &mut Context<'_>,
    ) -> PublishedHere {
        let InboundMessage { message, keep, origin, .. } = inbound;
        let keep = *keep;
        if origin.is_some_and(|origin| self.catalog.has_origin(&origin)) {
            // [MQTT-4.3.3-2] This shard has it already: the publisher's shard lost its own note of
            // it.
            return PublishedHere { is_logged: false, is_refused: false };
        }
        let targets = self.exchanges.get(vhost, route);
        let mut stores = targets.stores && message.qos > QoS::AtMostOnce;
        let has_targets = !targets.targets.is_empty();
        if inbound.is_shared {
            stores |= self.choose_lanes(vhost, route, message.qos, context);
        }
        let stored = if stores || keep {
            self.store(vhost, route, inbound, context)
        } else {
            Stored::default()
        };
        if has_targets {
            self.deliver(vhost, route, inbound, stored.bytes, context);
        }
        if inbound.is_shared {
            self.share(vhost, route, inbound, context);
        }
        PublishedHere { is_logged: stored.is_logged, is_refused: stored.is_refused }
    }

    /// Hands a message to the sessions of a route. `stored_bytes` is its size in the queue of each
    /// session for which it was stored.
    fn deliver(
        &mut self,
        vhost: VhostId,
        route: RouteHandle,
        inbound: &InboundMessage<'_>,
        stored_bytes: u64,
        context: &mut Context<'_>,
    ) {
        let &InboundMessage { message, source, publisher, stamp, .. } = inbound;
        let sent_before = self.outputs.stats().publishes_out;
        let (handle, route) = (route, self.exchanges.get(vhost, route));
        let traces = inbound.traces.or(route.traces);
        let time_ms = self.time_ms(context.now_ms);
        let Working { encode, refused, full, identifiers, .. } = self.publishing.working();
        let mut outbound = OutboundMessage::new(message, time_ms, encode)
            .with_receivers(route.targets.len(), handle);
        // `refused` has the order of the route.
        let mut refusals = 0;
        for target in &route.targets {
            let mut options = DeliveryOptions::plain(source);
            let mut granted = target.granted;
            if target.has_options() {
                let Some(own) = target.granted_from(publisher) else { continue };
                granted = own;
                let session = self.catalog.session(target.session);
                let of = (target, publisher, &session.subscriptions);
                note_identifiers(route, of, message.topic, identifiers);
                options.retain = target.retain(message.retain, publisher);
                options.identifiers = identifiers;
                options.keeps_identifiers = target.is_screened(publisher);
            }
            let qos = message.qos.min(granted);
            let is_kept = if qos == QoS::AtMostOnce {
                let session = self.catalog.session(target.session);
                self.delivery.deliver_qos0(session, &mut outbound, options, lent!(self), context)
            } else if refused.get(refusals) == Some(&target.session) {
                refusals += 1;
                false
            } else {
                let session = &mut self.catalog.session_mut(target.session);
                let (lent, outbound) = (lent!(self), &mut outbound);
                if target.durable {
                    self.delivery.deliver_stored(qos, session, outbound, options, lent, context);
                    if self.full_sessions.is_over(session, &self.quotas) {
                        full.push(target.session);
                    }
                } else {
                    self.delivery.deliver_clean(qos, session, outbound, options, lent, context);
                }
                true
            };
            if traces.or(target.traces).is_any() {
                let (session, traces) = (target.session, traces.or(target.traces));
                let target = TracedTarget { traces, session, qos, is_kept };
                self.traces.note_target(target, self.meters.turn_us());
            }
            if message.retain && is_kept {
                let holder = self.catalog.session(target.session).holder;
                holder.into_iter().for_each(|holder| {
                    self.retained.note_live(ConnId::of(holder), message.topic);
                });
            }
        }
        refused.clear();
        let copies = self.outputs.stats().publishes_out - sent_before;
        match source {
            Source::Here(_) => self.meters.count_delivered(copies),
            Source::There(..) => self.meters.count_crossed(stamp, copies),
            Source::Nobody => {}
        }
        self.handle_overflows(source, stored_bytes, context);
        if self.traces.has_targets() {
            self.trace_targets(message.topic, context.now_ms);
        }
    }

    /// Handles the sessions that a message of this size has filled.
    #[inline]
    fn handle_overflows(&mut self, source: Source, stored_bytes: u64, context: &mut Context<'_>) {
        while let Some(key) = self.publishing.working().full.pop() {
            let bytes = self.catalog.session(key).queue.stored_bytes();
            let bytes_before = bytes.saturating_sub(stored_bytes);
            self.handle_overflow(key, bytes_before, source, context);
        }
    }

    /// Appends a message to the log for the durable sessions of its route and as its topic's
    /// retained message.
    fn store(
        &mut self,
        vhost: VhostId,
        route: RouteHandle,
        inbound: &InboundMessage<'_>,
        context: &Context<'_>,
    ) -> Stored {
        let InboundMessage { message, received, origin, keep, .. } = *inbound;
        let time_ms = self.time_ms(context.now_ms);
        let Chosen { mut is_refused, others } = self.choose_targets(vhost, route, inbound, time_ms);
        let mut encoded = std::mem::take(&mut self.publishing.working().encoded);
        let own = self.own_identifiers(vhost, route, inbound, &mut encoded);
        let topic = message.topic.as_str();
        let mut new = NewMessage {
            vhost: vhost.0,
            qos: message.qos as u8,
            retain: keep && !message.payload.is_empty(),
            time_ms: self.time_ms(context.now_ms),
            topic,
            payload: message.payload,
            properties: message.properties,
            received,
            origin,
            own,
        };
        let bytes_max = self.quotas.get(vhost).retained_bytes_max;
        if new.retain && !self.catalog.may_retain(&new, bytes_max) {
            self.count_retained_refused(topic);
            new.retain = false;
            is_refused = true;
        }
        // [MQTT-3.3.1-10]
        let clears = keep && message.payload.is_empty();
        // This precedes the note that the message came: if it comes again after a crash, only that
        // note is checked.
        let is_cleared = clears && self.catalog.clear_retained(vhost.0, topic, &mut self.logs);
        let working = self.publishing.working();
        if new.retain || !working.targets().is_empty() {
            let stored = self.catalog.store(&new, working.targets(), &mut self.logs);
            working.clear_targets();
            working.encoded = encoded;
            self.meters.count_stored();
            return Stored { is_logged: true, bytes: stored.bytes.into(), is_refused: false };
        }
        if clears && let Some(origin) = origin {
            // If the message comes again, it must not clear a newer one.
            self.catalog.note_origin(origin, &mut self.logs);
            return Stored { is_logged: true, bytes: 0, is_refused: false };
        }
        let is_refused = is_refused && others == 0 && !is_cleared;
        Stored { is_logged: is_cleared, bytes: 0, is_refused }
    }

    /// The identifiers of the publisher's own copy, if some of its subscriptions have No Local and
    /// others have not.
    fn own_identifiers<'a>(
        &self,
        vhost: VhostId,
        route: RouteHandle,
        inbound: &InboundMessage<'_>,
        encoded: &'a mut Vec<u8>,
    ) -> Option<OwnIdentifiers<'a>> {
        let session = self.exchanges.get(vhost, route).screened(inbound.publisher)?;
        encoded.clear();
        let subscriptions = &self.catalog.session(session).subscriptions;
        find_identifiers(subscriptions, inbound.message.topic, true, |identifier| {
            OwnIdentifiers::put(identifier, encoded);
        });
        Some(OwnIdentifiers::new(session, encoded))
    }

    /// Finds the sessions of a route for which a message is stored, and those that do not take it:
    /// they have it already, or are full with messages that have not expired.
    fn choose_targets(
        &mut self,
        vhost: VhostId,
        route: RouteHandle,
        inbound: &InboundMessage<'_>,
        time_ms: u64,
    ) -> Chosen {
        let mut chosen = Chosen::default();
        let message = inbound.message;
        let again = if self.catalog.has_copies() { self.origin_of(inbound) } else { None };
        let route = self.exchanges.get(vhost, route);
        let queued_bytes_max = self.quotas.get(vhost).queued_bytes_max;
        let mut queued_bytes = self.catalog.totals(vhost.0).queued_bytes;
        for target in &route.targets {
            let Some(granted) = target.granted_from(inbound.publisher) else { continue };
            let qos = message.qos.min(granted);
            if !target.durable || qos == QoS::AtMostOnce {
                chosen.others += 1;
                continue;
            }
            if again.is_some_and(|origin| self.catalog.has_copy(origin, target.session)) {
                self.publishing.working().refused.push(target.session);
                chosen.others += 1;
                continue;
            }
            let session = &mut self.catalog.session_mut(target.session);
            let mut is_refused =
                self.full_sessions.refuses(session, queued_bytes, queued_bytes_max);
            if is_refused {
                let bytes_before = session.queue.stored_bytes();
                self.delivery.drop_expired(session, time_ms, &mut self.logs);
                queued_bytes -= bytes_before - session.queue.stored_bytes();
                is_refused = self.full_sessions.refuses(session, queued_bytes, queued_bytes_max);
            }
            if is_refused {
                self.delivery.drop_newest(session, &mut self.client_log);
                self.publishing.working().refused.push(target.session);
                chosen.is_refused = true;
                continue;
            }
            let exactly_once = qos == QoS::ExactlyOnce;
            let retain = target.retain(message.retain, inbound.publisher);
            let target = Target { session: target.session, retain, exactly_once };
            self.publishing.working().add_target(target);
            chosen.others += 1;
            queued_bytes += message.bytes() as u64;
        }
        if inbound.is_shared {
            chosen.others += 1;
            self.add_lanes(message.retain);
        }
        chosen
    }

    /// The origin of a QoS 2 message, as other shards know it.
    #[cold]
    fn origin_of(&self, inbound: &InboundMessage<'_>) -> Option<Origin> {
        inbound.origin.or_else(|| {
            let (key, packet_id) = inbound.received?;
            let serial = self.catalog.session(key).serial;
            Some(Origin { shard: self.options.shard.0, serial, packet_id })
        })
    }

    /// Notes that a message was not retained.
    fn count_retained_refused(&mut self, topic: &str) {
        self.stats.retained_refused_full += 1;
        if self.stats.retained_refused_full.is_power_of_two() {
            let count = self.stats.retained_refused_full;
            let topic = Shown(topic);
            warn!(
                "{topic}: not retained: as much is retained as may be (--retained-max-count, \
                 --retained-max-bytes, max-retained-bytes of its vhost); {count} on this shard"
            );
        }
    }
}
