//! Disconnects clients because the broker is drained, some in each step.

use crate::limits::{ASK_SLOTS_MAX, DRAIN_CLOSES_MAX};

use super::super::super::inspect::{Reply, Shed, Step};
use super::super::super::names::{CloseReason, ConnId, Context};
use super::super::Shard;

impl Shard {
    /// Answers with the number of clients that are still connected.
    pub(super) fn shed(
        &mut self,
        shed: &mut Shed,
        reply: &mut Reply,
        context: &mut Context<'_>,
    ) -> Step {
        let end = self.catalog.sessions().end();
        let excess = self.clients().saturating_sub(shed.keep);
        if excess > 0 && shed.from < end {
            let until = shed.from.saturating_add(ASK_SLOTS_MAX).min(end);
            let sessions = self.catalog.sessions();
            let held = sessions.keys_in(shed.from..until);
            let held = held.filter_map(|key| sessions.get(key).holder.map(|it| (key, it)));
            let held: Vec<_> = held.take(excess.min(DRAIN_CLOSES_MAX)).collect();
            // The next step looks at the other slots.
            let is_cut = held.len() == DRAIN_CLOSES_MAX;
            let last = held.last().map(|(key, _)| key + 1);
            for (_, holder) in held {
                self.close(ConnId::of(holder), CloseReason::Stopping, context);
            }
            shed.from = last.filter(|_| is_cut).unwrap_or(until);
            return Step::More;
        }
        *reply = Reply::Shed(self.clients() as u64);
        Step::Done
    }
}
