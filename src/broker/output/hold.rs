//! Publishers that wait for full outputs.

use std::collections::VecDeque;

use super::super::names::{ConnId, Context, DEFAULT_VHOST, ShardId, ShardSet};
use super::super::peer::PeerMessage;
use super::super::read_gate::{Pause, ReadGates};
use super::pace::{Holding, Pace};
use super::{Outputs, Source};

impl Outputs {
    /// Notes that `conn` is full and pauses the publisher of `source`, unless `conn` is slow.
    pub(crate) fn hold(
        &mut self,
        conn: ConnId,
        source: Source,
        gates: &mut ReadGates,
        context: &mut Context<'_>,
    ) {
        let deadline_ms = context.now_ms + self.patience_ms;
        let Some(outlet) = self.table.get_mut(conn) else { return };
        if matches!(outlet.pace, Pace::Free) {
            outlet.pace = Pace::Holding(Box::new(Holding::until(deadline_ms)));
            self.patience.push_back((deadline_ms, conn));
        }
        let Pace::Holding(holding) = &mut outlet.pace else { return };
        let Some((shard, publisher)) = source.publisher(self.shard) else { return };
        if !holding.add(shard, publisher) {
            return;
        }
        self.stats.publishers_held += 1;
        if shard == self.shard {
            gates.pause(publisher, Pause::FullOutput);
        } else {
            let message = PeerMessage::Hold { conn: publisher };
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
    }

    /// The time at which [`Outputs::end_patience`] is due.
    pub(crate) fn patience_ends_ms(&self) -> Option<u64> {
        self.patience.front().map(|(deadline_ms, _)| *deadline_ms)
    }

    /// Ends the patience for connections that stayed full.
    pub(crate) fn end_patience(&mut self, gates: &mut ReadGates, context: &mut Context<'_>) {
        while let Some((deadline_ms, conn)) = self.patience.front().copied() {
            if deadline_ms > context.now_ms {
                return;
            }
            self.patience.pop_front();
            let Some(outlet) = self.table.get_mut(conn) else { continue };
            // The connection has drained and filled again since this deadline was set.
            let Pace::Holding(holding) = &mut outlet.pace else { continue };
            if holding.deadline_ms != deadline_ms {
                continue;
            }
            let waiters = holding.take_waiters();
            if holding.took {
                holding.took = false;
                holding.deadline_ms = context.now_ms + self.patience_ms;
                self.patience.push_back((holding.deadline_ms, conn));
            } else {
                outlet.pace = Pace::Slow;
                self.slow_clients += 1;
                self.stats.marked_slow += 1;
            }
            self.free_waiters(waiters, gates, context);
        }
    }

    /// Resumes all publishers that wait for a connection that ends.
    pub(crate) fn stop_holding(
        &mut self,
        conn: ConnId,
        gates: &mut ReadGates,
        context: &mut Context<'_>,
    ) {
        let Some(outlet) = self.table.get_mut(conn) else { return };
        match std::mem::take(&mut outlet.pace) {
            Pace::Free => {}
            Pace::Holding(mut holding) => {
                self.free_waiters(holding.take_waiters(), gates, context);
            }
            Pace::Slow => self.slow_clients -= 1,
        }
    }

    /// Whether a connection is full, or was and still has publishers to resume.
    pub(crate) fn is_held_up(&self, conn: ConnId) -> bool {
        self.table.get(conn).is_some_and(|outlet| !matches!(outlet.pace, Pace::Free))
    }

    /// Whether its client is marked slow.
    pub(crate) fn is_slow(&self, conn: ConnId) -> bool {
        self.table.get(conn).is_some_and(|outlet| matches!(outlet.pace, Pace::Slow))
    }

    /// Lists a connection whose output is low again, so that its publishers are resumed.
    pub(crate) fn relieve(&mut self, conn: ConnId) {
        self.relieving.push_back(conn);
    }

    /// Resumes the next publisher that waits for an output that is low. `is_low` checks an output
    /// and the messages that wait in its session.
    pub(crate) fn relieve_next(
        &mut self,
        is_low: impl Fn(&Self, ConnId) -> bool,
        gates: &mut ReadGates,
        context: &mut Context<'_>,
    ) {
        while !gates.has_events()
            && let Some(conn) = self.relieving.front().copied()
        {
            if is_low(self, conn)
                && let Some(outlet) = self.table.get_mut(conn)
            {
                if let Pace::Holding(holding) = &mut outlet.pace
                    && let Some((shard, publisher)) = holding.next_waiter()
                {
                    self.free_waiter(shard, publisher, gates, context);
                    continue;
                }
                if matches!(std::mem::take(&mut outlet.pace), Pace::Slow) {
                    self.slow_clients -= 1;
                }
            }
            self.relieving.pop_front();
        }
    }

    fn free_waiters(
        &mut self,
        waiters: VecDeque<(ShardId, ConnId)>,
        gates: &mut ReadGates,
        context: &mut Context<'_>,
    ) {
        for (shard, publisher) in waiters {
            self.free_waiter(shard, publisher, gates, context);
        }
    }

    fn free_waiter(
        &mut self,
        shard: ShardId,
        publisher: ConnId,
        gates: &mut ReadGates,
        context: &mut Context<'_>,
    ) {
        if shard == self.shard {
            gates.resume(publisher, Pause::FullOutput, context.now_ms);
        } else {
            let message = PeerMessage::Release { conn: publisher };
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
    }
}
