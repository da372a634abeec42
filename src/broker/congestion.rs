//! Who waits for whom when a connection's output is full.
//!
//! ```text
//!  Free ──full──► Holding ──patience over──► Slow
//!    ▲               │ drained                 │ drained
//!    └───────────────┴─────────────────────────┘
//! ```
//! While `Holding`, publishers that fed the connection are not read from. While `Slow`, they run
//! free: QoS 0 for the connection is dropped, QoS 1 waits in its session.

use std::collections::BTreeSet;

use super::ConnId;
use super::delivery::Outgoing;
use super::letter::Source;
use super::peers::{PeerMessage, ShardId, ShardSet};
use super::session::Session;
use super::shard::{Context, Event};
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
    waiters: BTreeSet<(ShardId, ConnId)>,
}

impl Outgoing {
    /// Notes that `conn` is full and holds `source` back, unless `conn` is slow.
    pub(super) fn hold(&mut self, conn: ConnId, source: Source, context: &mut Context<'_>) {
        let deadline_ms = context.now_ms + self.options.qos0_patience_ms;
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        if matches!(connection.pace, Pace::Free) {
            let holding = Holding { deadline_ms, waiters: BTreeSet::new() };
            connection.pace = Pace::Holding(Box::new(holding));
            self.patience.push_back((deadline_ms, conn));
        }
        let Pace::Holding(holding) = &mut connection.pace else {
            return;
        };
        let (shard, publisher) = match source {
            Source::Here(publisher) => (self.options.shard, publisher),
            Source::There(shard, publisher) => (shard, publisher),
            Source::Nobody => return,
        };
        if !holding.waiters.insert((shard, publisher)) {
            return;
        }
        self.stats.publishers_held += 1;
        if shard == self.options.shard {
            self.add_hold(publisher);
        } else {
            let message = PeerMessage::Hold { conn: publisher };
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
    }

    /// Frees whoever waits for `conn` if its output, and what waits in its session, is low again.
    pub(super) fn relieve(&mut self, conn: ConnId, session: &Session, context: &mut Context<'_>) {
        let max = self.options.outgoing_bytes_max;
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        let waits = if session.queue.waiting() == 0 { 0 } else { session.stored_bytes };
        let low = connection.output.bytes() <= max / 2 && waits <= max as u64 / 2;
        if low && !matches!(connection.pace, Pace::Free) {
            let pace = std::mem::replace(&mut connection.pace, Pace::Free);
            self.free_waiters(pace, context);
        }
    }

    /// Ends the patience of connections that stayed full.
    pub(super) fn end_patience(&mut self, context: &mut Context<'_>) {
        while let Some((deadline_ms, conn)) = self.patience.front().copied() {
            if deadline_ms > context.now_ms {
                return;
            }
            self.patience.pop_front();
            let Some(connection) = self.connections.get_mut(conn) else {
                continue;
            };
            // An earlier deadline of a connection that drained and filled again is void.
            let due = matches!(&connection.pace, Pace::Holding(h) if h.deadline_ms == deadline_ms);
            if due {
                let pace = std::mem::replace(&mut connection.pace, Pace::Slow);
                self.stats.marked_slow += 1;
                self.free_waiters(pace, context);
            }
        }
    }

    /// Ends the holds that a connection had on others.
    pub(super) fn free_waiters(&mut self, pace: Pace, context: &mut Context<'_>) {
        let Pace::Holding(holding) = pace else { return };
        for (shard, publisher) in holding.waiters {
            if shard == self.options.shard {
                self.end_hold(publisher, context.now_ms);
            } else {
                let message = PeerMessage::Release { conn: publisher };
                message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
            }
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
        let Some(connection) = self.connections.get_mut(publisher) else {
            return;
        };
        connection.holds -= 1;
        if connection.holds == 0 {
            // It was not read from: its silence was ours.
            connection.last_packet_ms = now_ms;
            self.events.push_back(Event::Resume(publisher));
        }
    }
}
