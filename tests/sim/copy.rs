//! Checks a copy of a message that a session received: whether it may be delivered, and in this
//! form.
//!
//! A copy with RETAIN set was retained when its client subscribed, or it is live and a subscription
//! has Retain As Published. If both are possible, either is accepted.

use std::ops::RangeInclusive;

use ringmq::mqtt::{Publish, QoS, ReasonCode, SubscriptionId};

use crate::ledger::{Ledger, Message, MessageId, SessionId, matches};
use crate::position::Position;
use crate::session::{Session, Subscription, Via};

/// The kinds of a copy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Live,
    Replayed,
    Either,
}

impl Ledger {
    /// Checks a PUBLISH that a session received.
    pub(crate) fn receive(
        &mut self,
        session: SessionId,
        topic: &str,
        publish: &Publish<'_>,
        via: Via,
    ) {
        self.tick();
        let id = self.identify(topic, publish.payload);
        let user: Vec<_> = publish.properties.list().user_properties().collect();
        let position = Position::split(&user).1;
        let is_told = via.has_positions && publish.qos > QoS::AtMostOnce;
        assert_eq!(position.is_some(), is_told, "{publish:?}");
        position.into_iter().for_each(|position| self.judge_position(session, id, &position));
        let fresh = self.note_packet_id(session, publish, id, via);
        // An empty message, which clears a retained one, has no name: its terms are not judged.
        let Some(id) = id else { return };
        self.judge_will(id);
        let way = self.way_of(session, id, publish);
        let stale = self.judge_way(session, id, publish, way);
        let newer = stale.unwrap_or_else(|why| panic!("{id}: {why}: {:?}", self.messages[id]));
        if via.is_v5 {
            self.judge_properties(session, id, publish, way);
        }
        self.judge_lifetime(&self.sessions[session], id, publish, via);
        if fresh {
            self.count(session, id, publish, way);
            self.judge_refused(session, id);
            self.note_order(session, id, publish, way, newer.filter(|_| fresh));
        }
    }

    fn way_of(&self, session: SessionId, id: MessageId, publish: &Publish<'_>) -> Way {
        let (message, session) = (&self.messages[id], &self.sessions[session]);
        let keeps = |known: &Subscription| {
            known.wish.retain_as_published && known.may_apply(message, session.owner)
        };
        match (publish.retain, session.subscriptions.iter().any(keeps)) {
            (false, _) => Way::Live,
            (true, false) => Way::Replayed,
            (true, true) => Way::Either,
        }
    }

    /// Returns the newer value that was delivered before, if the client must get it once more.
    fn judge_way(
        &self,
        session: SessionId,
        id: MessageId,
        publish: &Publish<'_>,
        way: Way,
    ) -> Result<Option<MessageId>, String> {
        match way {
            Way::Live => self.judge_live(session, id, publish).map(|()| None),
            Way::Replayed => self.judge_retained(session, id, publish),
            Way::Either => {
                let live = self.judge_live(session, id, publish);
                live.or_else(|_| self.judge_retained(session, id, publish).map(|_| ()))?;
                Ok(None)
            }
        }
    }

    fn judge_live(
        &self,
        session: SessionId,
        id: MessageId,
        publish: &Publish<'_>,
    ) -> Result<(), String> {
        let (message, session) = (&self.messages[id], &self.sessions[session]);
        let known = session.subscriptions.iter();
        let may = known.clone().filter(|known| known.may_apply(message, session.owner));
        let high = may.map(|known| known.wish.qos).max().ok_or("nobody asked for it")?;
        let must = known.filter(|known| known.must_apply(message, session.owner));
        let low = must.clone().map(|known| known.wish.qos).max();
        let range = low.unwrap_or(QoS::AtMostOnce).min(message.qos)..=high.min(message.qos);
        check_qos(publish, &range)?;
        // [MQTT-3.3.1-13] v5
        let keeps = message.retain && must.clone().any(|known| known.wish.retain_as_published);
        if keeps && !publish.retain { Err("RETAIN is not as published".into()) } else { Ok(()) }
    }

    fn judge_retained(
        &self,
        session: SessionId,
        id: MessageId,
        publish: &Publish<'_>,
    ) -> Result<Option<MessageId>, String> {
        let (message, session) = (&self.messages[id], &self.sessions[session]);
        if !message.retain {
            return Err("it came with RETAIN".into());
        }
        let asked = session.subscriptions.iter().filter(|known| asks(known, message));
        let first = asked.map(|known| known.sent).min();
        let first = first.ok_or("nobody asked for what is retained")?;
        if !self.may_be_retained(id, first) {
            return Err("retained, it is stale".into());
        }
        // A replay continues with the QoS granted to a replaced subscription.
        let mut all = session.subscriptions.iter();
        let fits = |known: &Subscription| {
            matches(known.wish.filter, message.topic)
                && known.wish.qos.min(message.qos) == publish.qos
        };
        if !all.any(fits) {
            return Err(format!("retained, it came at {:?}", publish.qos));
        }
        // One of several replays may have been on its way with an older value when a newer one was
        // sent live: then another replay repeats the newer one.
        let stream = (message.publisher, message.topic, publish.qos);
        let newer = session.newest_live.get(&stream).copied();
        Ok(newer.filter(|newer| *newer > id && !message.will && message.sends == 1))
    }

    /// Counts a copy: none may be delivered more often than there is a reason for.
    fn count(&mut self, session: SessionId, id: MessageId, publish: &Publish<'_>, way: Way) {
        let (message, session) = (&self.messages[id], &mut self.sessions[session]);
        let receipt = session.receipts.entry(id).or_default();
        match way {
            Way::Live => receipt.live += 1,
            Way::Replayed => receipt.retained += 1,
            Way::Either => receipt.either += 1,
        }
        let asked = session.subscriptions.iter().filter(|known| asks(known, message)).count();
        assert!(receipt.retained as usize <= asked, "retained {id} came too often");
        // A message that is forwarded at a lower QoS may be sent before its commit.
        receipt.once += u32::from(publish.qos == QoS::ExactlyOnce && way != Way::Replayed);
        let several =
            message.will || message.qos == QoS::AtLeastOnce || message.undone && receipt.once <= 1;
        let copies = if several { message.sends } else { 1 };
        assert!(receipt.live <= copies, "message {id} came {} times: {message:?}", receipt.live);
        let (all, most) =
            (receipt.live + receipt.either + receipt.retained, copies as usize + asked);
        assert!(all as usize <= most, "message {id} came {all} times, not {most}: {message:?}");
    }

    /// Checks the order of the copies (invariant 7), and notes it.
    fn note_order(
        &mut self,
        session: SessionId,
        id: MessageId,
        publish: &Publish<'_>,
        way: Way,
        newer: Option<MessageId>,
    ) {
        let is_over = self.may_be_over(&self.messages[id]);
        let (message, session) = (&self.messages[id], &mut self.sessions[session]);
        let is_lost = is_over || session.may_refuse(message);
        let stream = (message.publisher, message.topic, publish.qos);
        session.outdated.retain(|known, newer| *known != stream || id < *newer);
        session.outdated.extend(newer.map(|newer| (stream, newer)));
        if way != Way::Live {
            return;
        }
        // If a first copy was routed before the subscription, or at QoS 0 to an absent client, or
        // not to it any more, a repeated one is the first to be delivered.
        let first = message.sends == 1
            || message.qos == QoS::ExactlyOnce && !message.undone
            || session.subscriptions.iter().any(|known| {
                publish.qos > QoS::AtMostOnce
                    && known.wish.qos >= publish.qos
                    && known.must_apply(message, session.owner)
            }) && !is_lost;
        // After a crash the broker may have forgotten that it skipped a message that was expired or
        // too large.
        let is_revived = publish.dup && is_lost;
        if session.receipts[&id].live == 1 && first && !message.will && !is_revived {
            let all = (message.publisher, message.topic, message.qos, publish.qos);
            let before = session.newest.insert(all, id);
            assert!(before.is_none_or(|before| before < id), "{id} came after {before:?}");
        }
        if message.retain && !message.will {
            session.newest_live.insert(stream, id);
        }
    }
}

/// The checks of MQTT 5.
impl Ledger {
    /// Checks a reason code: "no matching subscribers" is wrong if a session certainly matches.
    pub(crate) fn judge_reason(&self, id: MessageId, reason: ReasonCode) {
        if reason == ReasonCode::Success {
            return;
        }
        assert_eq!(reason, ReasonCode::NoMatchingSubscribers, "{id} is refused");
        let message = &self.messages[id];
        let may_be_gone = |session: &Session| !session.alive || session.has_left;
        for session in self.sessions.iter().filter(|session| !may_be_gone(session)) {
            let subscribed = session.subscriptions.iter().any(|known| {
                known.superseded.is_none() && known.must_apply(message, session.owner)
            });
            assert!(!subscribed, "{id} has a subscriber: {message:?}");
        }
    }

    fn judge_properties(
        &mut self,
        session: SessionId,
        id: MessageId,
        publish: &Publish<'_>,
        way: Way,
    ) {
        let (message, session) = (&self.messages[id], &mut self.sessions[session]);
        let list = publish.properties.list();
        let is_bare = message.is_bare && crate::terms::Terms::default().are(list);
        assert!(is_bare || message.is_rich && message.terms.are(list), "{id} has {list:?}");
        judge_identifiers(session, message, publish, way);
        let mut scratch = Vec::new();
        let left_s = ringmq::mqtt::expiry(publish.properties.forwarded(&mut scratch));
        if way == Way::Live && message.sends == 1 {
            let receipt = session.receipts.entry(id).or_default();
            let before_s = std::mem::replace(&mut receipt.left_s, left_s);
            let grows = before_s.zip(left_s).is_some_and(|(before_s, left_s)| left_s > before_s);
            assert!(!grows, "{id} has {left_s:?} s left, after {before_s:?} s");
        }
    }
}

/// Checks the identifiers of a copy: those of all certainly matching subscriptions, and of no
/// others [MQTT-3.3.4-4] v5. A waiting message has the identifiers at the time of sending, of
/// filters that had one when it came.
fn judge_identifiers(session: &Session, message: &Message, publish: &Publish<'_>, way: Way) {
    let mut came: Vec<u32> =
        publish.properties.subscription_ids().map(SubscriptionId::get).collect();
    came.sort_unstable();
    let matching = session.subscriptions.iter().filter(|known| {
        matches(known.wish.filter, message.topic)
            && known.ended.is_none_or(|ended| ended > message.sent)
    });
    let of = |known: &Subscription| known.wish.identifier;
    let came_before = |known: &Subscription| message.acked.is_none_or(|acked| known.sent <= acked);
    let is_due = |known: &&Subscription| {
        let mut same =
            session.subscriptions.iter().filter(|it| it.wish.filter == known.wish.filter);
        way != Way::Live || same.any(|it| of(it).is_some() && came_before(it))
    };
    let may: Vec<u32> = matching.clone().filter(is_due).filter_map(of).collect();
    let count = |list: &[u32], id: u32| list.iter().filter(|known| **known == id).count();
    for id in &came {
        assert!(count(&came, *id) <= count(&may, *id), "identifiers {came:?} of {may:?}");
    }
    let is_sure = |known: &&Subscription| {
        known.acked.is_some_and(|acked| acked < message.sent)
            && known.superseded.is_none()
            && known.must_apply(message, session.owner)
    };
    if way == Way::Live {
        let must: Vec<u32> = matching.clone().filter(is_sure).filter_map(of).collect();
        for id in &must {
            assert!(count(&must, *id) <= count(&came, *id), "identifiers {came:?}, not {must:?}");
        }
        return;
    }
    // A replay has at least that of its own subscription, if it still exists.
    let mut asked = matching;
    assert!(
        !came.is_empty()
            || way == Way::Either
            || asked.any(|known| of(known).is_none() || known.superseded.is_some()),
        "a replay without an identifier"
    );
}

/// Whether a subscription may cause a replay of the retained message.
fn asks(known: &Subscription, message: &Message) -> bool {
    known.replays != Some(false) && matches(known.wish.filter, message.topic)
}

fn check_qos(publish: &Publish<'_>, range: &RangeInclusive<QoS>) -> Result<(), String> {
    let is_right = range.contains(&publish.qos);
    is_right.then_some(()).ok_or_else(|| format!("it came at {:?}, not {range:?}", publish.qos))
}
