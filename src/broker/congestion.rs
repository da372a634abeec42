//! Who waits for whom when a connection's output is full.
//!
//! ```text
//!          full                  patience over, nothing taken
//!  Free ─────────► Holding ─────────────────────────────────► Slow
//!   ▲                 │ low again, nobody waits                │ low again
//!   └─────────────────┴────────────────────────────────────────┘
//! ```
//! While `Holding`, publishers that fed the connection are not read from: each for the patience at
//! most. When the output is low again they go on in the order they came, one at a time: whoever
//! fills it anew stands at the end. A client that takes something in each patience is merely
//! behind; one that takes nothing is `Slow`: its publishers run free, QoS 0 for it is dropped, QoS
//! 1 waits in its session. What a client takes is seen when a send ends: some 256 KiB, or all there
//! was.

use std::collections::{BTreeSet, VecDeque};

use super::ConnId;
use super::connection::Phase;
use super::delivery::Outgoing;
use super::letter::Source;
use super::peers::{PeerMessage, ShardId, ShardSet};
use super::shard::{Context, Event, Shard};
use super::vhost::DEFAULT_VHOST;

/// How a connection's output gets along.
#[derive(Debug)]
pub(super) enum Pace {
    Free,
    Holding(Box<Holding>),
    Slow,
}

#[derive(Debug)]
pub(super) struct Holding {
    /// When patience is over.
    deadline_ms: u64,
    /// Whether the client took something since patience began.
    took: bool,
    /// Publishers in the order they came; `members` are the same.
    waiters: VecDeque<(ShardId, ConnId)>,
    members: BTreeSet<(ShardId, ConnId)>,
}

impl Holding {
    fn next_waiter(&mut self) -> Option<(ShardId, ConnId)> {
        let waiter = self.waiters.pop_front()?;
        self.members.remove(&waiter);
        Some(waiter)
    }
}

impl Outgoing {
    /// Notes that `conn` is full and holds `source` back, unless `conn` is slow.
    pub(super) fn hold(&mut self, conn: ConnId, source: Source, context: &mut Context<'_>) {
        let deadline_ms = context.now_ms + self.options.qos0_patience_ms;
        let Some(connection) = self.connections.get_mut(conn) else { return };
        if matches!(connection.pace, Pace::Free) {
            let (waiters, members) = (VecDeque::new(), BTreeSet::new());
            let holding = Holding { deadline_ms, took: false, waiters, members };
            connection.pace = Pace::Holding(Box::new(holding));
            self.patience.push_back((deadline_ms, conn));
        }
        let Pace::Holding(holding) = &mut connection.pace else { return };
        let (shard, publisher) = match source {
            Source::Here(publisher) => (self.options.shard, publisher),
            Source::There(shard, publisher) => (shard, publisher),
            Source::Nobody => return,
        };
        if !holding.members.insert((shard, publisher)) {
            return;
        }
        holding.waiters.push_back((shard, publisher));
        self.stats.publishers_held += 1;
        if shard == self.options.shard {
            self.add_hold(publisher);
        } else {
            let message = PeerMessage::Hold { conn: publisher };
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
    }

    /// Ends the patience with connections that stayed full.
    pub(super) fn end_patience(&mut self, context: &mut Context<'_>) {
        while let Some((deadline_ms, conn)) = self.patience.front().copied() {
            if deadline_ms > context.now_ms {
                return;
            }
            self.patience.pop_front();
            let Some(connection) = self.connections.get_mut(conn) else { continue };
            // An earlier deadline of a connection that drained and filled again is void.
            let Pace::Holding(holding) = &mut connection.pace else { continue };
            if holding.deadline_ms != deadline_ms {
                continue;
            }
            let waiters = std::mem::take(&mut holding.waiters);
            holding.members.clear();
            if holding.took {
                holding.took = false;
                holding.deadline_ms = context.now_ms + self.options.qos0_patience_ms;
                self.patience.push_back((holding.deadline_ms, conn));
            } else {
                connection.pace = Pace::Slow;
                self.stats.marked_slow += 1;
            }
            self.free_waiters(waiters, context);
        }
    }

    /// The client of `conn` took something from its output.
    pub(super) fn note_taken(&mut self, conn: ConnId) {
        if let Some(connection) = self.connections.get_mut(conn)
            && let Pace::Holding(holding) = &mut connection.pace
        {
            holding.took = true;
        }
    }

    /// Ends the holds of a connection that is at its end.
    pub(super) fn stop_holding(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(connection) = self.connections.get_mut(conn) else { return };
        if let Pace::Holding(holding) = std::mem::replace(&mut connection.pace, Pace::Free) {
            self.free_waiters(holding.waiters, context);
        }
    }

    /// One more full output waits for this publisher to stop.
    pub(super) fn add_hold(&mut self, publisher: ConnId) {
        if let Some(connection) = self.connections.get_mut(publisher) {
            connection.holds += 1;
        }
    }

    /// One full output less.
    pub(super) fn end_hold(&mut self, publisher: ConnId, now_ms: u64) {
        let Some(connection) = self.connections.get_mut(publisher) else { return };
        connection.holds -= 1;
        if connection.holds == 0 {
            // It was not read from: its silence was ours.
            connection.last_packet_ms = now_ms;
            self.events.push_back(Event::Resume(publisher));
        }
    }

    /// One more full session waits for this publisher to stop.
    pub(super) fn block(&mut self, publisher: ConnId) {
        if let Some(connection) = self.connections.get_mut(publisher) {
            if connection.blocks == 0 {
                connection.granted = connection.promised;
            }
            connection.blocks += 1;
        }
    }

    fn free_waiters(&mut self, waiters: VecDeque<(ShardId, ConnId)>, context: &mut Context<'_>) {
        for (shard, publisher) in waiters {
            self.free_waiter(shard, publisher, context);
        }
    }

    fn free_waiter(&mut self, shard: ShardId, publisher: ConnId, context: &mut Context<'_>) {
        if shard == self.options.shard {
            self.end_hold(publisher, context.now_ms);
        } else {
            let message = PeerMessage::Release { conn: publisher };
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
    }
}

impl Shard {
    /// Puts a connection whose output may be low again on the list of those to relieve.
    pub(super) fn relieve(&mut self, conn: ConnId) {
        if self.is_low(conn) {
            self.relieving.push_back(conn);
        }
    }

    /// Lets the next publisher go on that waits for an output that is low.
    pub(super) fn relieve_next(&mut self, context: &mut Context<'_>) {
        while self.out.events.is_empty()
            && let Some(conn) = self.relieving.front().copied()
        {
            if self.is_low(conn)
                && let Some(connection) = self.out.connections.get_mut(conn)
            {
                if let Pace::Holding(holding) = &mut connection.pace
                    && let Some((shard, publisher)) = holding.next_waiter()
                {
                    self.out.free_waiter(shard, publisher, context);
                    continue;
                }
                connection.pace = Pace::Free;
            }
            self.relieving.pop_front();
        }
    }

    /// Whether a connection is not free, but its output, and what waits in its session, is low.
    fn is_low(&self, conn: ConnId) -> bool {
        let Some(connection) = self.out.connections.get(conn) else { return false };
        let Phase::Open(open) = &connection.phase else { return false };
        let max = self.out.options.outgoing_bytes_max;
        if matches!(connection.pace, Pace::Free) || connection.output.bytes() > max / 2 {
            return false;
        }
        let session = self.catalog.sessions.get(open.session);
        session.queue.waiting() == 0 || session.queue.stored_bytes() <= max as u64 / 2
    }
}
