//! One session as its client sees it: its requests, its deliveries, and whether these are allowed.
//!
//! A session begins with a CONNACK without a session present, and ends when its client or its
//! connection ends it. Every PUBLISH is checked when it is received; missing ones at the end
//! (`verdict`).

use std::collections::BTreeMap;

use ringmq::mqtt::{Publish, QoS, RetainHandling};

use crate::ledger::{Ledger, Message, MessageId, OWN, SessionId, TOPICS, matches};
use crate::position::{POSITION_BYTES_MAX, Positions};
use crate::terms::TERMS_BYTES_MAX;
use crate::wish::Wish;

/// A filter of a SUBSCRIBE, with the ticks between which it may or must apply.
///
/// ```text
///  sent ──may──► acked ──must──► superseded ──may──► ended
/// ```
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) wish: Wish,
    /// Whether it causes replays of retained messages; `None`: perhaps.
    pub(crate) replays: Option<bool>,
    /// The connection it was sent on.
    pub(crate) conn: usize,
    pub(crate) sent: u64,
    pub(crate) sent_ms: u64,
    pub(crate) acked: Option<u64>,
    /// Another SUBSCRIBE or an UNSUBSCRIBE of this filter was sent.
    pub(crate) superseded: Option<u64>,
    /// When that request was acknowledged.
    pub(crate) ended: Option<u64>,
}

impl Subscription {
    /// `owner`: the client whose session it is.
    pub(crate) fn may_apply(&self, message: &Message, owner: usize) -> bool {
        self.wants(message, owner)
            && message.acked.is_none_or(|acked| self.sent <= acked)
            && self.ended.is_none_or(|ended| ended > message.sent)
    }

    /// Whether a message is sure to be routed by it. Ask when its fate is known.
    pub(crate) fn must_apply(&self, message: &Message, owner: usize) -> bool {
        let routed_by = message.acked.unwrap_or(u64::MAX);
        let settled = self.acked.zip(message.sure_from).is_some_and(|(acked, sure)| acked <= sure);
        settled && self.superseded.is_none_or(|tick| tick > routed_by) && self.wants(message, owner)
    }

    fn wants(&self, message: &Message, owner: usize) -> bool {
        // [MQTT-3.8.3-3] v5
        let is_local = self.wish.no_local && message.publisher == owner;
        matches(self.wish.filter, message.topic) && !is_local
    }
}

/// The deliveries of one message.
#[derive(Default, Debug)]
pub(crate) struct Receipt {
    /// Deliveries with RETAIN clear, without repetitions.
    pub(crate) live: u32,
    /// Those of them at QoS 2.
    pub(crate) once: u32,
    /// Deliveries with RETAIN set, without repetitions.
    pub(crate) retained: u32,
    /// Those of them that may have been live: RETAIN as published.
    pub(crate) either: u32,
    /// The remaining seconds of the last delivery.
    pub(crate) left_s: Option<u32>,
}

/// The last use of a packet identifier.
#[derive(Debug)]
struct Exchange {
    message: Option<MessageId>,
    qos: QoS,
    retain: bool,
    /// The connection of its last delivery.
    conn: usize,
    /// The client has completed the exchange.
    done: bool,
}

/// A stream whose messages are delivered in order (invariant 7): publisher, topic, QoS as published
/// and as delivered.
pub(crate) type Stream = (usize, &'static str, QoS, QoS);

/// The connection of a received PUBLISH.
#[derive(Clone, Copy)]
pub(crate) struct Via {
    pub(crate) conn: usize,
    /// Whether its CONNACK reported a session.
    pub(crate) resumed: bool,
    /// When it began, as `lifetime` has it.
    pub(crate) began_ms: u64,
    pub(crate) is_v5: bool,
    /// Its client wants positions.
    pub(crate) has_positions: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) alive: bool,
    /// Its client is not sure to have a connection now.
    pub(crate) has_left: bool,
    /// Its client.
    pub(crate) owner: usize,
    /// It ends with the connection that began it.
    pub(crate) clean: bool,
    /// Its client's receive maximum.
    pub(crate) receive_max: u16,
    /// The smallest maximum packet size of its clients.
    pub(crate) packet_bytes_max: usize,
    /// One of them wanted positions.
    pub(crate) has_positions: bool,
    pub(crate) positions: Positions,
    /// A reply was received that promises that it survives a crash.
    pub(crate) durable: bool,
    /// Its connection, and its start.
    pub(crate) conn: usize,
    pub(crate) connected: u64,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) receipts: BTreeMap<MessageId, Receipt>,
    exchanges: BTreeMap<u16, Exchange>,
    pub(crate) newest: BTreeMap<Stream, MessageId>,
    /// The newest retained message that was delivered live.
    pub(crate) newest_live: BTreeMap<(usize, &'static str, QoS), MessageId>,
    /// An older value was delivered after this newer one, which must be delivered once more.
    pub(crate) outdated: BTreeMap<(usize, &'static str, QoS), MessageId>,
}

impl Session {
    /// A session of a client, without anything.
    pub(crate) fn new(owner: usize) -> Self {
        Self { owner, packet_bytes_max: usize::MAX, ..Self::default() }
    }

    /// Whether a message may be larger than a client took that had the session.
    pub(crate) fn may_refuse(&self, message: &Message) -> bool {
        self.may_refuse_size(message.topic.len(), message.bytes)
    }

    /// The same by the length of its topic and its payload.
    fn may_refuse_size(&self, topic: usize, payload: usize) -> bool {
        // Fixed header, length of the topic, identifier, length of properties, alias.
        let head = 5 + 2 + 2 + 3 + 3;
        let identifiers = 5 * self.subscriptions.len();
        let position = if self.has_positions { POSITION_BYTES_MAX } else { 0 };
        let terms = TERMS_BYTES_MAX + position;
        head + topic + terms + identifiers + payload > self.packet_bytes_max
    }

    /// Notes a filter of a SUBSCRIBE (or, without a QoS, of an UNSUBSCRIBE); returns the old one.
    pub(crate) fn change(
        &mut self,
        filter: &'static str,
        wish: Option<Wish>,
        conn: usize,
        (sent, sent_ms): (u64, u64),
    ) -> Change {
        let before = self.subscriptions.len();
        let existed = self.has(filter);
        for known in self.subscriptions.iter_mut().filter(|known| known.wish.filter == filter) {
            known.superseded.get_or_insert(sent);
        }
        if let Some(wish) = wish {
            let replays = match wish.handling {
                RetainHandling::Always => Some(true),
                RetainHandling::IfNew => existed.map(|existed| !existed),
                RetainHandling::Never => Some(false),
            };
            self.subscriptions.push(Subscription {
                wish,
                replays,
                conn,
                sent,
                sent_ms,
                acked: None,
                superseded: None,
                ended: None,
            });
        }
        Change { filter, before, is_wish: wish.is_some(), existed }
    }

    /// Whether a filter is in the session; none: maybe.
    fn has(&self, filter: &str) -> Option<bool> {
        let of_it = self.subscriptions.iter().filter(|known| known.wish.filter == filter);
        let mut standing = of_it.filter(|known| known.ended.is_none()).peekable();
        if standing.peek().is_none() {
            return Some(false);
        }
        let is_sure = |known: &Subscription| known.acked.is_some() && known.superseded.is_none();
        standing.any(is_sure).then_some(true)
    }

    /// The change was acknowledged.
    pub(crate) fn confirm(&mut self, change: &Change, tick: u64) {
        let (before, after) = self.subscriptions.split_at_mut(change.before);
        for known in before.iter_mut().filter(|known| known.wish.filter == change.filter) {
            known.ended.get_or_insert(tick);
        }
        if let (true, Some(granted)) = (change.is_wish, after.first_mut()) {
            granted.acked = Some(tick);
        }
    }

    /// The client has answered a message for good.
    pub(crate) fn complete(&mut self, packet_id: u16) {
        if let Some(exchange) = self.exchanges.get_mut(&packet_id) {
            exchange.done = true;
        }
    }

    /// Notes a PUBREL; returns whether its identifier is known.
    pub(crate) fn is_known(&self, packet_id: u16) -> bool {
        let exchange = self.exchanges.get(&packet_id);
        exchange.is_some_and(|exchange| exchange.qos == QoS::ExactlyOnce)
    }
}

/// A change of subscriptions that waits for its acknowledgement.
#[derive(Debug)]
pub(crate) struct Change {
    filter: &'static str,
    /// Subscriptions there were before.
    before: usize,
    is_wish: bool,
    /// The filter was there before; none: maybe.
    pub(crate) existed: Option<bool>,
}

impl Ledger {
    /// Identifiers whose exchange must be done and is not.
    pub(crate) fn open_exchanges(&self, session: SessionId) -> Vec<u16> {
        let exchanges = self.sessions[session].exchanges.iter();
        let open = exchanges.filter(|(_, known)| {
            !known.done && !self.is_forgotten(known) && !self.is_refused(session, known)
        });
        open.map(|(packet_id, _)| *packet_id).collect()
    }

    /// Whether the broker may have forgotten at a crash that it sent a message, without a promise
    /// to a client. At QoS 2 it sends only committed messages.
    fn is_forgotten(&self, exchange: &Exchange) -> bool {
        let Some(crash) = self.crashes.iter().find(|crash| exchange.conn < crash.conns) else {
            return false;
        };
        let acked = exchange.message.and_then(|id| self.messages[id].acked);
        let promised = !exchange.retain && acked.is_some_and(|acked| acked < crash.tick);
        exchange.qos == QoS::AtLeastOnce && !promised
    }

    /// Whether a later client of the session may have refused a message because of its size: it
    /// counts as sent again and acknowledged [MQTT-3.1.2-25] v5.
    fn is_refused(&self, session: SessionId, exchange: &Exchange) -> bool {
        let session = &self.sessions[session];
        match exchange.message {
            Some(id) => session.may_refuse(&self.messages[id]),
            // An empty payload does not tell which message it is of.
            None => {
                let lengths = TOPICS.iter().chain(OWN).map(|topic| topic.len());
                session.may_refuse_size(lengths.max().unwrap_or(0), 0)
            }
        }
    }

    /// Notes the identifier of a PUBLISH; whether the message is a new one, not a repetition.
    pub(crate) fn note_packet_id(
        &mut self,
        session: SessionId,
        publish: &Publish<'_>,
        id: Option<MessageId>,
        via: Via,
    ) -> bool {
        let Publish { packet_id, dup, qos, retain, .. } = *publish;
        let Some(packet_id) = packet_id.map(|id| id.get()) else { return true };
        assert!(!dup || via.resumed, "DUP in a session that is new: {publish:?}");
        let exchange = Exchange { message: id, qos, retain, conn: via.conn, done: false };
        let exchanges = &mut self.sessions[session].exchanges;
        let Some(before) = exchanges.insert(packet_id, exchange) else { return true };
        if before.message == id && before.qos == qos && dup {
            assert_ne!(before.conn, via.conn, "repeated on one connection: {publish:?}");
            let completed = before.done && qos == QoS::ExactlyOnce;
            assert!(!completed, "repeated after PUBREL: {publish:?}");
            return false;
        }
        let free = before.done || self.is_forgotten(&before) || self.is_refused(session, &before);
        assert!(free, "identifier in use for {before:?}: {publish:?}");
        true
    }
}
