//! Checks missing deliveries when all clients are connected and idle.

use ringmq::mqtt::QoS;

use crate::ledger::{Ledger, OWN, SessionId, TOPICS, matches};

impl Ledger {
    /// Every live session has all its messages. `lossy`: the broker reports that it dropped QoS 0.
    pub(crate) fn check(&self, lossy: bool) {
        let sessions = self.sessions.iter().enumerate().filter(|(_, session)| session.alive);
        for (at, _) in sessions {
            let open = self.open_exchanges(at);
            assert!(open.is_empty(), "session {at}: neither completed nor repeated: {open:?}");
            self.judge_obligations(at, 0, lossy);
            self.judge_replays(at, lossy);
        }
        self.judge_takers();
    }

    /// Every session that was connected when the broker began to stop, at `tick`, got the wills; or
    /// those that outlive it will get them.
    /// `count`: how many those are at most.
    pub(crate) fn judge_wills(&self, tick: u64, count: usize, lossy: bool) {
        let sessions = self.sessions.iter().enumerate();
        let sessions = sessions.filter(|(_, session)| {
            session.alive && session.clean && count <= usize::from(session.receive_max)
        });
        sessions.for_each(|(at, _)| self.judge_obligations(at, tick, lossy));
    }

    /// Messages published from `tick` on, while a session was certainly subscribed, were delivered.
    fn judge_obligations(&self, at: SessionId, tick: u64, lossy: bool) {
        let session = &self.sessions[at];
        for (id, message) in self.messages.iter().enumerate() {
            let known = session.subscriptions.iter();
            let granted = known.filter(|known| known.must_apply(message, session.owner));
            let granted = granted.map(|known| known.wish.qos);
            let Some(qos) = granted.max().map(|granted| granted.min(message.qos)) else { continue };
            let published = match message.qos {
                _ if message.will => message.sure_from.is_some() && !message.excused,
                QoS::AtMostOnce => message.handled,
                QoS::AtLeastOnce | QoS::ExactlyOnce => message.acked.is_some(),
            };
            let was_there = message.sure_from.is_some_and(|sure| session.connected < sure);
            // The time of a delayed publication is unknown.
            let was_there = was_there && message.delay_ms == 0;
            let due = match qos {
                // With a filter that may apply already, its copy is stored, and dropped if the
                // session is full.
                QoS::AtMostOnce => {
                    let mut known = session.subscriptions.iter();
                    let may_store = known.any(|known| {
                        known.wish.qos.min(message.qos) > QoS::AtMostOnce
                            && known.may_apply(message, session.owner)
                    });
                    published && was_there && !lossy && !(self.overflows && may_store)
                }
                // A full session has not taken it.
                _ => published && !self.overflows,
            };
            let asked = message.sure_from.is_some_and(|sure| sure >= tick);
            let is_lost = self.may_be_over(message) || session.may_refuse(message);
            if due && asked && message.bytes > 0 && !is_lost {
                let receipt = session.receipts.get(&id);
                let came = receipt.is_some_and(|receipt| receipt.live + receipt.either > 0);
                assert!(came, "session {at} has not got {id} ({receipt:?}): {message:?}");
            }
        }
    }

    /// Each subscription of the connection it has now saw its topics' values: by replay or live.
    fn judge_replays(&self, at: SessionId, lossy: bool) {
        let session = &self.sessions[at];
        for ((_, topic, _), newer) in &session.outdated {
            let stands = self.candidates(topic) == [*newer];
            assert!(
                !stands || lossy || self.overflows,
                "session {at} is left with an older value than {newer}"
            );
        }
        for topic in TOPICS.iter().chain(OWN) {
            let candidates = self.candidates(topic);
            let ([last], false) = (&*candidates, self.may_be_bare(topic, u64::MAX)) else {
                continue;
            };
            for known in session.subscriptions.iter().filter(|known| known.conn == session.conn) {
                let message = &self.messages[*last];
                let stands = known.acked.is_some() && known.superseded.is_none();
                let qos = known.wish.qos.min(message.qos);
                let due =
                    stands && matches(known.wish.filter, topic) && known.replays == Some(true);
                let is_local = known.wish.no_local && message.publisher == session.owner;
                let is_lost = self.may_be_over(message) || session.may_refuse(message);
                let due = due && !is_local && !is_lost;
                // A crash may have left it on the subscriber's shard and undone it on the topic's.
                // Sent again it is known to the first shard, and too late for the replay.
                let is_halved = message.undone && message.qos == QoS::ExactlyOnce;
                let is_dropped = if qos == QoS::AtMostOnce { lossy } else { self.overflows };
                if due && !is_halved && !is_dropped {
                    let came = session.receipts.contains_key(last);
                    assert!(came, "session {at} never saw {last} by {known:?}: {message:?}");
                }
            }
        }
    }

    /// A session that subscribed to everything when all was quiet has each topic's last value.
    pub(crate) fn judge_probe(&self, at: SessionId, lossy: bool) {
        let session = &self.sessions[at];
        let lossy = lossy || self.overflows;
        for topic in TOPICS.iter().chain(OWN) {
            let asked = session.subscriptions.iter().any(|known| matches(known.wish.filter, topic));
            let candidates = self.candidates(topic);
            let mut values = candidates.iter().filter(|id| session.receipts.contains_key(id));
            let found = values.next().is_some();
            let is_over = |id: &usize| self.may_be_over(&self.messages[*id]);
            let bare = self.may_be_bare(topic, u64::MAX) || candidates.iter().any(is_over);
            assert!(found || bare || lossy || !asked, "{topic} has lost {candidates:?}");
        }
        // Values that cannot be the last are rejected on receipt: see `judge_retained`.
    }
}
