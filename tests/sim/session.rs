//! One session as its client sees it: what it asked for, what it got, and whether it may get that.
//!
//! A session begins with a CONNACK that knows of none, and ends when its client or its connection
//! ends it. Every PUBLISH is judged when it comes; what is missing, at the end (`verdict`).

use std::collections::BTreeMap;

use ringmq::mqtt::{Publish, QoS};

use crate::ledger::{Ledger, Message, MessageId, SessionId, matches};

/// A filter of a SUBSCRIBE, with the ticks between which it may or must apply.
///
/// ```text
///  sent ──may──► acked ──must──► superseded ──may──► ended
/// ```
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) filter: &'static str,
    pub(crate) qos: QoS,
    /// The connection it was sent on.
    pub(crate) conn: usize,
    pub(crate) sent: u64,
    pub(crate) acked: Option<u64>,
    /// Another SUBSCRIBE or an UNSUBSCRIBE of this filter was sent.
    pub(crate) superseded: Option<u64>,
    /// That was acknowledged.
    pub(crate) ended: Option<u64>,
}

impl Subscription {
    fn may_apply(&self, message: &Message) -> bool {
        matches(self.filter, message.topic)
            && message.acked.is_none_or(|acked| self.sent <= acked)
            && self.ended.is_none_or(|ended| ended > message.sent)
    }

    /// Whether a message is sure to be routed by it. Ask when its fate is known.
    pub(crate) fn must_apply(&self, message: &Message) -> bool {
        let routed_by = message.acked.unwrap_or(u64::MAX);
        let settled = self.acked.zip(message.sure_from).is_some_and(|(acked, sure)| acked <= sure);
        settled
            && self.superseded.is_none_or(|tick| tick > routed_by)
            && matches(self.filter, message.topic)
    }
}

/// What came of one message.
#[derive(Default, Debug)]
pub(crate) struct Receipt {
    /// Deliveries with RETAIN clear, repetitions left out.
    pub(crate) live: u32,
    /// Of those, at QoS 2.
    once: u32,
    /// Deliveries with RETAIN set, repetitions left out.
    pub(crate) retained: u32,
}

/// What a packet identifier was last used for.
#[derive(Debug)]
struct Exchange {
    message: Option<MessageId>,
    qos: QoS,
    retain: bool,
    /// The connection it last came on.
    conn: usize,
    /// The client has answered for good.
    done: bool,
}

/// A stream whose messages come in order (invariant 7): publisher, topic, QoS as published and as
/// delivered.
type Stream = (usize, &'static str, QoS, QoS);

/// The connection a PUBLISH came on.
#[derive(Clone, Copy)]
pub(crate) struct Via {
    pub(crate) conn: usize,
    /// Its CONNACK said that there was a session.
    pub(crate) resumed: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) alive: bool,
    /// It ends with its connection.
    pub(crate) clean: bool,
    /// A reply has come that promises that it is still there after a crash.
    pub(crate) durable: bool,
    /// The connection it has, and since when.
    pub(crate) conn: usize,
    pub(crate) connected: u64,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) receipts: BTreeMap<MessageId, Receipt>,
    exchanges: BTreeMap<u16, Exchange>,
    newest: BTreeMap<Stream, MessageId>,
    /// The newest retained publish that came live.
    newest_live: BTreeMap<(usize, &'static str, QoS), MessageId>,
    /// Where an older value came after a newer one: that one must come once more.
    pub(crate) outdated: BTreeMap<(usize, &'static str, QoS), MessageId>,
}

impl Session {
    /// Notes a filter of a SUBSCRIBE (or, without a QoS, of an UNSUBSCRIBE); names what was there.
    pub(crate) fn change(
        &mut self,
        filter: &'static str,
        qos: Option<QoS>,
        conn: usize,
        sent: u64,
    ) -> Change {
        let before = self.subscriptions.len();
        for known in self.subscriptions.iter_mut().filter(|known| known.filter == filter) {
            known.superseded.get_or_insert(sent);
        }
        if let Some(qos) = qos {
            let (acked, superseded, ended) = (None, None, None);
            let subscription = Subscription { filter, qos, conn, sent, acked, superseded, ended };
            self.subscriptions.push(subscription);
        }
        Change { filter, before, qos }
    }

    /// The change was acknowledged.
    pub(crate) fn confirm(&mut self, change: &Change, tick: u64) {
        let (before, after) = self.subscriptions.split_at_mut(change.before);
        for known in before.iter_mut().filter(|known| known.filter == change.filter) {
            known.ended.get_or_insert(tick);
        }
        if let (Some(_), Some(granted)) = (change.qos, after.first_mut()) {
            granted.acked = Some(tick);
        }
    }

    /// The client has answered a message for good.
    pub(crate) fn complete(&mut self, packet_id: u16) {
        if let Some(exchange) = self.exchanges.get_mut(&packet_id) {
            exchange.done = true;
        }
    }

    /// PUBREL came; whether it belongs to something.
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
    qos: Option<QoS>,
}

impl Ledger {
    /// Identifiers whose exchange must be done and is not.
    pub(crate) fn open_exchanges(&self, session: SessionId) -> Vec<u16> {
        let exchanges = self.sessions[session].exchanges.iter();
        let open = exchanges.filter(|(_, known)| !known.done && !self.is_forgotten(known));
        open.map(|(packet_id, _)| *packet_id).collect()
    }

    /// Whether the broker may have forgotten at a crash that it sent something: nobody had its
    /// promise. At QoS 2 it sends only what it will not forget.
    fn is_forgotten(&self, exchange: &Exchange) -> bool {
        let Some(crash) = self.crashes.iter().find(|crash| exchange.conn < crash.conns) else {
            return false;
        };
        let acked = exchange.message.and_then(|id| self.messages[id].acked);
        let promised = !exchange.retain && acked.is_some_and(|acked| acked < crash.tick);
        exchange.qos == QoS::AtLeastOnce && !promised
    }

    /// Notes the identifier of a PUBLISH; whether the message is a new one, not a repetition.
    fn note_packet_id(
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
        let free = before.done || self.is_forgotten(&before);
        assert!(free, "identifier in use for {before:?}: {publish:?}");
        true
    }

    /// Judges a PUBLISH that came to a session.
    pub(crate) fn receive(&mut self, session: SessionId, publish: &Publish<'_>, via: Via) {
        self.tick();
        let topic = publish.topic.expect("no alias was offered");
        let id = self.identify(topic.as_str(), publish.payload);
        let fresh = self.note_packet_id(session, publish, id, via);
        // An empty message, which clears a retained one, has no name: its terms are not judged.
        let Some(id) = id else { return };
        assert!(!self.messages[id].void, "a will after DISCONNECT: {id}");
        let mut newer = None;
        if publish.retain {
            newer = self.judge_retained(session, id, publish, fresh);
        } else {
            self.judge_live(session, id, publish);
        }
        if !fresh {
            return;
        }
        let (messages, session) = (&self.messages, &mut self.sessions[session]);
        let message = &messages[id];
        let receipt = session.receipts.entry(id).or_default();
        let stream = (message.publisher, message.topic, publish.qos);
        session.outdated.retain(|known, newer| *known != stream || id < *newer);
        session.outdated.extend(newer.map(|newer| (stream, newer)));
        if publish.retain {
            receipt.retained += 1;
            let filters = session.subscriptions.iter();
            let asked = filters.filter(|known| matches(known.filter, message.topic)).count();
            assert!(receipt.retained as usize <= asked, "retained {id} came too often");
            return;
        }
        receipt.live += 1;
        // What is passed on at a lower QoS may go out before the broker is sure of it.
        receipt.once += u32::from(publish.qos == QoS::ExactlyOnce);
        let several = message.qos == QoS::AtLeastOnce || message.undone && receipt.once <= 1;
        let copies = if several { message.sends } else { 1 };
        assert!(receipt.live <= copies, "message {id} came {} times: {message:?}", receipt.live);
        // Where a first copy was routed before the subscription, or at QoS 0 while the client was
        // away, a repeated one is the first to come.
        let first = message.sends == 1
            || message.qos == QoS::ExactlyOnce && !message.undone
            || session.subscriptions.iter().any(|known| {
                publish.qos > QoS::AtMostOnce
                    && known.qos >= publish.qos
                    && known.must_apply(message)
            });
        if receipt.live == 1 && first && !message.will {
            let all = (message.publisher, message.topic, message.qos, publish.qos);
            let before = session.newest.insert(all, id);
            assert!(before.is_none_or(|before| before < id), "{id} came after {before:?}");
        }
        if message.retain && !message.will {
            session.newest_live.insert(stream, id);
        }
    }

    fn judge_live(&self, session: SessionId, id: MessageId, publish: &Publish<'_>) {
        let (message, session) = (&self.messages[id], &self.sessions[session]);
        let known = session.subscriptions.iter();
        let may = known.clone().filter(|known| known.may_apply(message));
        let high = may.map(|known| known.qos).max();
        let high = high.unwrap_or_else(|| panic!("nobody asked for {id}: {message:?}"));
        let low = known.filter(|known| known.must_apply(message)).map(|known| known.qos).max();
        let range = low.unwrap_or(QoS::AtMostOnce).min(message.qos)..=high.min(message.qos);
        assert!(range.contains(&publish.qos), "{id} came at {:?}, not {range:?}", publish.qos);
    }

    /// Names the newer value that came before, if the client must get that once more.
    fn judge_retained(
        &self,
        session: SessionId,
        id: MessageId,
        publish: &Publish<'_>,
        fresh: bool,
    ) -> Option<MessageId> {
        let (message, session) = (&self.messages[id], &self.sessions[session]);
        assert!(message.retain, "{id} came with RETAIN: {message:?}");
        let asked = |known: &&_| {
            let Subscription { filter, .. } = known;
            matches(filter, message.topic)
        };
        let mut known = session.subscriptions.iter().filter(asked);
        let first = known.clone().map(|known| known.sent).min();
        let first = first.unwrap_or_else(|| panic!("nobody asked for retained {id}: {message:?}"));
        assert!(self.may_be_retained(id, first), "retained {id} is stale: {message:?}");
        let fits = known.any(|known| known.qos.min(message.qos) == publish.qos);
        assert!(fits, "retained {id} came at {:?}", publish.qos);
        // Of several replays one may have been on its way with an older value when a newer one went
        // live: another then brings the newer one again.
        let stream = (message.publisher, message.topic, publish.qos);
        let newer = *session.newest_live.get(&stream)?;
        (newer > id && fresh && !message.will && message.sends == 1).then_some(newer)
    }
}
