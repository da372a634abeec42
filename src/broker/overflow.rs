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

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use log::warn;

use crate::limits::{BLOCK_BYTES_MIN, DROPS_NAMED_MAX};
use crate::store::SessionKey;

use super::connection::Phase;
use super::letter::Source;
use super::peers::{PeerMessage, ShardId, ShardSet};
use super::shard::{Context, Event, Shard};
use super::vhost::{DEFAULT_VHOST, Vhost, VhostId};
use super::{ConnId, Overflow};

/// What is full, as an operator may set it.
pub(super) const FULL: &str = "--session-max-bytes, or max-queued-bytes of its vhost";

/// Time between two such accounts.
const DROPS_TOLD_MS: u64 = 60_000;

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

    /// Says once a minute what was dropped for full sessions.
    pub(super) fn tell_of_drops(&mut self, now_ms: u64) {
        if self.out.drops.due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            self.out.drops.take_lines(now_ms).iter().for_each(|line| warn!("{line}"));
        }
    }
}

/// What was dropped since it was last told, by session and reason.
#[derive(Default, Debug)]
pub(super) struct Drops {
    /// Of at most [`DROPS_NAMED_MAX`] sessions.
    named: BTreeMap<SessionKey, Dropped>,
    /// Of all others.
    rest: u64,
    told_ms: u64,
}

#[derive(Debug)]
struct Dropped {
    client_id: Box<str>,
    oldest: u64,
    newest: u64,
}

/// Which message was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DropReason {
    /// The oldest, for one that came.
    Oldest,
    /// The one that came.
    Newest,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oldest => "its oldest message is dropped",
            Self::Newest => "a message for it is dropped",
        })
    }
}

impl Drops {
    /// Counts one; whether its session is named when it is told.
    pub(super) fn count(&mut self, key: SessionKey, client_id: &str, reason: DropReason) -> bool {
        let room = self.named.len() < DROPS_NAMED_MAX;
        let dropped = match self.named.entry(key) {
            Entry::Vacant(free) if room => {
                free.insert(Dropped { client_id: client_id.into(), oldest: 0, newest: 0 })
            }
            // A key may have gone to another session meanwhile.
            Entry::Occupied(known) if *known.get().client_id == *client_id => known.into_mut(),
            Entry::Vacant(_) | Entry::Occupied(_) => {
                self.rest += 1;
                return false;
            }
        };
        match reason {
            DropReason::Oldest => dropped.oldest += 1,
            DropReason::Newest => dropped.newest += 1,
        }
        true
    }

    /// When to tell, if there is something.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let is_any = !self.named.is_empty() || self.rest > 0;
        is_any.then_some(self.told_ms + DROPS_TOLD_MS)
    }

    /// What there is to tell, and begins anew.
    fn take_lines(&mut self, now_ms: u64) -> Vec<String> {
        let mut lines = Vec::new();
        for Dropped { client_id, oldest, newest } in std::mem::take(&mut self.named).into_values() {
            for (count, reason) in [(oldest, "the oldest"), (newest, "the newest")] {
                if count > 0 {
                    lines.push(format!(
                        "{client_id:?}: session full ({FULL}), {count} messages dropped since \
                         the last such line, each {reason} (--session-overflow)"
                    ));
                }
            }
        }
        let rest = std::mem::take(&mut self.rest);
        if rest > 0 {
            lines.push(format!("{rest} messages dropped for other full sessions since then"));
        }
        self.told_ms = now_ms;
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is dropped is told by session and reason, of so many sessions; the rest is a sum.
    #[test]
    fn drops_are_told_by_session() {
        let mut drops = Drops::default();
        assert_eq!((drops.due_ms(), drops.take_lines(5)), (None, Vec::new()));
        for key in 0..u32::try_from(DROPS_NAMED_MAX).expect("few") + 2 {
            for _ in 0..=key {
                let is_named = drops.count(key, &format!("client {key}"), DropReason::Oldest);
                assert_eq!(is_named, (key as usize) < DROPS_NAMED_MAX);
            }
        }
        assert!(drops.count(1, "client 1", DropReason::Newest));
        assert!(!drops.count(1, "another", DropReason::Newest), "the session of that key is gone");
        assert_eq!(drops.due_ms(), Some(5 + DROPS_TOLD_MS));
        let lines = drops.take_lines(100_000);
        assert_eq!(lines.len(), DROPS_NAMED_MAX + 2);
        let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
        assert!(has(
            "\"client 0\": session full (--session-max-bytes, or max-queued-bytes of its vhost), 1 "
        ));
        assert!(has(
            "\"client 1\": session full (--session-max-bytes, or max-queued-bytes of its vhost), 2 "
        ));
        assert!(lines[2].contains("1 messages dropped since the last such line, each the newest"));
        let rest = 2 * DROPS_NAMED_MAX + 3 + 1;
        assert!(has(&format!("{rest} messages dropped for other full sessions")), "{lines:?}");
        assert!(drops.count(7, "client 7", DropReason::Oldest));
        assert_eq!(drops.due_ms(), Some(100_000 + DROPS_TOLD_MS));
    }
}
