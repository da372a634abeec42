//! The oracle: full sessions that take nothing more, and publishers of MQTT 5 that are told.

use ringmq::mqtt::{QoS, ReasonCode};

use crate::ledger::{Ledger, MessageId};

impl Ledger {
    /// A message was refused: nobody has it. Where it was sent more than once, somebody may have
    /// got it before.
    pub(crate) fn note_refused(&mut self, id: MessageId) {
        assert!(self.overflows, "{id} is refused, and no session can be full");
        self.messages[id].refused = true;
        for session in 0..self.sessions.len() {
            self.judge_refused(session, id);
        }
    }

    /// A session has nothing of a message that was refused.
    pub(crate) fn judge_refused(&self, session: usize, id: MessageId) {
        let message = &self.messages[id];
        let came = self.sessions[session].receipts.contains_key(&id);
        let is_sure = message.refused && message.sends == 1 && !message.undone;
        assert!(!is_sure || !came, "session {session} has {id}, which was refused: {message:?}");
    }

    /// Somebody has each message of MQTT 5 that was not refused, if all who may have it are
    /// sessions that stay.
    pub(crate) fn judge_takers(&self) {
        for (id, message) in self.messages.iter().enumerate() {
            let is_told = message.taken && message.qos > QoS::AtMostOnce && message.sends == 1;
            // A retained one is taken by its topic, even if every session is full.
            if !is_told || message.undone || message.retain || self.may_be_over(message) {
                continue;
            }
            let mut may = self.sessions.iter().filter(|session| {
                let mut known = session.subscriptions.iter();
                known.any(|known| known.may_apply(message, session.owner))
            });
            let is_sure = may.clone().all(|session| {
                let known = session.subscriptions.iter();
                let mut known = known.filter(|known| known.must_apply(message, session.owner));
                let stays = session.alive && !session.clean && !session.may_refuse(message);
                stays && known.any(|known| known.wish.qos > QoS::AtMostOnce)
            });
            let any = may.clone().next().is_some();
            let came = may.any(|session| session.receipts.contains_key(&id));
            assert!(!any || !is_sure || came, "nobody has {id}, which was taken: {message:?}");
        }
    }

    /// What an acknowledgement says of a message, to a publisher of MQTT 5.
    pub(crate) fn note_reason(&mut self, id: MessageId, reason: ReasonCode, is_v5: bool) {
        match reason {
            ReasonCode::QuotaExceeded => self.note_refused(id),
            ReasonCode::Success => self.messages[id].taken |= is_v5,
            _ => self.judge_reason(id, reason),
        }
    }
}
