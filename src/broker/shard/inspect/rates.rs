//! How much clients send and receive: the difference between two looks at what they have so far.

use crate::limits::ASK_SLOTS_MAX;
use crate::store::{Session, SessionKey};

use super::super::super::inspect::{RateSample, Reply, Sampling, Step};
use super::super::super::names::{ConnId, Context};
use super::super::Shard;

impl Shard {
    /// Looks at what all clients have sent and received, unless somebody has lately; answers with
    /// how long ago that was.
    pub(super) fn answer_sampling(
        &mut self,
        sampling: &mut Sampling,
        reply: &mut Reply,
        context: &Context<'_>,
    ) -> Step {
        let now_ms = context.now_ms;
        if sampling.from == 0
            && let Some(age_ms) = self.rates.age_ms(now_ms)
        {
            *reply = Reply::Sampled(age_ms);
            return Step::Done;
        }
        let sessions = self.catalog.sessions();
        let until = sampling.from.saturating_add(ASK_SLOTS_MAX).min(sessions.end());
        sampling.counted.resize(until as usize, None);
        for key in sessions.keys_in(sampling.from..until) {
            let conn = sessions.get(key).holder.map(ConnId::of);
            sampling.counted[key as usize] = conn.map(|conn| (conn, self.carried_bytes(conn)));
        }
        sampling.from = until;
        if until < sessions.end() {
            return Step::More;
        }
        let counted = std::mem::take(&mut sampling.counted);
        self.rates = RateSample::new(now_ms, counted);
        *reply = Reply::Sampled(0);
        Step::Done
    }

    /// Bytes each second that a session's client has sent and received since the first look, or
    /// since it connected.
    pub(super) fn rate(&self, key: SessionKey, session: &Session, now_ms: u64) -> u64 {
        let Some(conn) = session.holder.map(ConnId::of) else { return 0 };
        let Some(open) = self.connections.client(conn) else { return 0 };
        let counted = self.rates.of(key);
        let (since_ms, before) = match (self.rates.age_ms(now_ms), counted) {
            (Some(age_ms), Some((other, bytes))) if other == conn => (now_ms - age_ms, bytes),
            _ => (open.since_ms, 0),
        };
        let bytes = self.carried_bytes(conn).saturating_sub(before);
        bytes.saturating_mul(1000) / now_ms.saturating_sub(since_ms).max(1)
    }

    fn carried_bytes(&self, conn: ConnId) -> u64 {
        self.gates.received_bytes(conn) + self.outputs.sent_bytes(conn)
    }
}
