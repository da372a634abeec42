//! Sessions that are full, or of a vhost that is: what `--session-overflow` does, and who waits for
//! them. A vhost that is full does to each session that would grow what a bound that it had reached
//! itself would do: it does not grow. Nothing is taken from the others.
//!
//! A publisher that waits gets no acknowledgement of what it published since, and is not read from
//! while its own session is empty. While it is not, it is: what a client has to acknowledge may be
//! what fills a session, its own or that of another who waits in turn. So whoever has a full
//! session is read from, and no circle of clients waits for itself. How much such a client can
//! publish meanwhile is bounded by its own window, since it is not acknowledged; and, should that
//! be large, by [`BLOCK_BYTES_MIN`] beyond the bound, from where on the oldest is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::limits::BLOCK_BYTES_MIN;
use crate::store::SessionKey;

use super::accounts::Matter;
use super::connection::Phase;
use super::letter::Source;
use super::peers::{PeerMessage, ShardId, ShardSet};
use super::shard::{Context, Event, Shard};
use super::vhost::{DEFAULT_VHOST, Vhost, VhostId};
use super::{ConnId, Overflow};

/// What is full, as an operator may set it.
pub(super) const FULL: &str = "--session-max-bytes, or max-queued-bytes of its vhost";

/// Publishers that wait for sessions to have room.
pub(super) type Blocked = BTreeMap<SessionKey, BTreeSet<(ShardId, ConnId)>>;

impl Shard {
    /// A session, or its vhost, has more waiting than it may; before the last message there waited
    /// `bytes_before` in the session.
    pub(super) fn handle_overflow(
        &mut self,
        key: SessionKey,
        bytes_before: u64,
        source: Source,
        context: &mut Context<'_>,
    ) {
        let policy = self.out.options.session_overflow;
        // The next one is not taken.
        if policy == Overflow::DropNewest {
            return;
        }
        if policy == Overflow::Block && self.block(key, source, context) {
            return;
        }
        let most = |max: u64| match policy {
            Overflow::Block => max.saturating_add(max.max(BLOCK_BYTES_MIN)),
            Overflow::DropNewest | Overflow::DropOldest => max,
        };
        let session = self.catalog.sessions.get_mut(key);
        let Vhost { quota, usage, .. } = &mut self.vhosts[VhostId(session.vhost)];
        let (own_max, vhost_max) =
            (most(self.out.options.session_bytes_max), most(quota.queued_bytes_max));
        loop {
            let own = session.queue.stored_bytes();
            let grew_too_far = usage.queued_bytes > vhost_max && own > bytes_before;
            if own <= own_max && !grew_too_far || !self.out.drop_oldest(key, session) {
                break;
            }
            usage.count(session);
        }
        self.catalog.note_acks(key);
    }

    /// Has a publisher wait until a session has room; false if nobody can, or does already.
    fn block(&mut self, key: SessionKey, source: Source, context: &mut Context<'_>) -> bool {
        let Some((shard, publisher)) = self.publisher_of(source) else { return false };
        if !self.blocked.entry(key).or_default().insert((shard, publisher)) {
            return false;
        }
        self.out.stats.publishers_blocked += 1;
        let vhost = &mut self.vhosts[VhostId(self.catalog.sessions.get(key).vhost)];
        vhost.usage.awaited |= vhost.is_crowded();
        if shard == self.out.options.shard {
            self.out.block(publisher);
        } else {
            let message = PeerMessage::Block { conn: publisher };
            message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
        }
        true
    }

    /// Lets those go on who wait for a session, if it has room again or is gone.
    pub(super) fn relieve_session(&mut self, key: SessionKey, context: &mut Context<'_>) {
        if self.blocked.is_empty() {
            return;
        }
        let full = self.catalog.sessions.try_get(key).is_some_and(|session| {
            if session.is_withheld() {
                return false;
            }
            let vhost = &mut self.vhosts[VhostId(session.vhost)];
            vhost.usage.awaited |= vhost.is_crowded();
            session.queue.stored_bytes() > self.out.options.session_bytes_max / 4 * 3
                || vhost.is_crowded()
        });
        if full {
            return;
        }
        for (shard, publisher) in self.blocked.remove(&key).unwrap_or_default() {
            if shard == self.out.options.shard {
                self.unblock(publisher, context);
            } else {
                let message = PeerMessage::Unblock { conn: publisher };
                message.send(DEFAULT_VHOST, ShardSet::of(shard), context.peers);
            }
        }
    }

    /// What waits in a session has become less: lets those go on who wait for it, or for its vhost.
    pub(super) fn relieve_waiting(&mut self, key: SessionKey, context: &mut Context<'_>) {
        if !self.blocked.is_empty() {
            self.relieve_session(key, context);
            let vhost = VhostId(self.catalog.sessions.get(key).vhost);
            self.relieve_vhost(vhost, context);
        }
    }

    /// A session this publisher waited for has room, or is gone.
    pub(super) fn unblock(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(connection) = self.out.connections.get_mut(conn) else { return };
        connection.blocks -= 1;
        if connection.blocks > 0 {
            return;
        }
        connection.granted = 0;
        connection.last_packet_ms = context.now_ms;
        let is_closed = matches!(connection.phase, Phase::Closed);
        for reply in std::mem::take(&mut connection.withheld) {
            self.keep_promise(conn, &reply, context);
        }
        if is_closed {
            return self.go_on_closing(conn);
        }
        self.out.events.push_back(Event::Resume(conn));
    }
}

/// Which message was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DropReason {
    /// The oldest, for one that came.
    Oldest,
    /// The one that came.
    Newest,
}

impl DropReason {
    pub(super) fn matter(self) -> Matter {
        match self {
            Self::Oldest => Matter::DroppedOldest,
            Self::Newest => Matter::DroppedNewest,
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oldest => "its oldest message is dropped",
            Self::Newest => "a message for it is dropped",
        })
    }
}
