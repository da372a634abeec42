//! Full sessions, and sessions of a full vhost: applies `--session-overflow`, and knows the
//! publishers that wait for them. In a full vhost each session that would grow is treated as if it
//! had reached its own bound. The other sessions lose no messages.
//!
//! A waiting publisher gets no acknowledgement of later messages. The broker reads from it only
//! while its own session holds messages, so that its acknowledgements can free space: these
//! messages may keep a session full, its own or that of another waiting publisher. So the client of
//! a full session is always read from, and no circle of clients waits for itself. The publisher's
//! own window bounds how much it can publish meanwhile, because it gets no acknowledgements. If the
//! window is large, [`BLOCK_BYTES_MIN`](crate::limits::BLOCK_BYTES_MIN) beyond the session's bound
//! is the limit, from which on the oldest message is dropped.
//!
//! Invariant: a publisher is once in the set of each full session that it waits for; its shard was
//! told as often.
//!
//! Verbs: [`FullSessions::on_full`] and [`FullSessions::relieve`]. The shard lets the publishers
//! wait and go on.
//!
//! It uses `names`, `client_log`, `delivery` and `quota`.

mod bounds;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use compact_str::CompactString;

use crate::limits::{FULL_SESSIONS_LOOK_MS, FULL_SESSIONS_LOOKS_MAX};
use crate::store::{Catalog, Session, SessionKey, SessionMut};

use super::delivery::{Delivery, Lent};
use super::names::{ConnId, Options, Overflow, ShardId, Stats, VhostId};
use super::quota::Quotas;
use bounds::Bounds;

/// A connection of some shard.
type Publisher = (ShardId, ConnId);

/// The handling of a session over its bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnFull {
    /// None: the next message for it is not taken.
    RefuseNext,
    /// The publisher waits.
    Wait(Publisher),
    /// Its oldest messages are dropped.
    DropOldest,
}

/// Bytes that the record of a message has at most beside topic, properties and payload, and its
/// place in a queue.
const RECORD_BYTES: u64 = 128;

/// See the room.
pub(crate) struct FullSessions {
    /// `--session-max-bytes`, `--session-overflow` and `--session-limit`.
    bounds: Bounds,
    waiting: BTreeMap<SessionKey, BTreeSet<Publisher>>,
    /// When to look for what has expired in sessions that publishers wait for, and after which to
    /// go on.
    look_ms: u64,
    looked: Option<SessionKey>,
    stats: Stats,
}

impl FullSessions {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            bounds: Bounds::new(options),
            waiting: BTreeMap::new(),
            look_ms: 0,
            looked: None,
            stats: Stats::default(),
        }
    }

    /// Replaces the options. The caller then relieves all waiting publishers.
    pub(crate) fn set_options(&mut self, options: &Options) {
        self.bounds = Bounds::new(options);
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Whether a message for a session is dropped before it is stored: the session, or its vhost
    /// with `queued_bytes`, is full, and the policy drops the newest message.
    #[inline]
    pub(crate) fn refuses(
        &self,
        session: &SessionMut<'_>,
        queued_bytes: u64,
        queued_bytes_max: u64,
    ) -> bool {
        let bound = self.bounds.of(&session.client_id);
        bound.policy == Overflow::DropNewest
            && (session.queue.stored_bytes() >= bound.bytes_max || queued_bytes >= queued_bytes_max)
    }

    /// Whether a session, or its vhost, has no room for so many bytes from a publisher that ought
    /// to wait: its message would cost an older one its place. `queued`: bytes in all sessions of
    /// the vhost, and how many there may be.
    pub(crate) fn is_beyond(&self, session: &Session, queued: (u64, u64), bytes: u64) -> bool {
        let bound = self.bounds.of(&session.client_id);
        let bytes = bytes + RECORD_BYTES;
        bound.policy == Overflow::Block
            && (session.queue.stored_bytes() + bytes > bound.most(bound.bytes_max)
                || queued.0 + bytes > bound.most(queued.1))
    }

    /// Whether a session or its vhost is over its bound.
    #[inline]
    pub(crate) fn is_over(&self, session: &SessionMut<'_>, quotas: &Quotas) -> bool {
        session.queue.stored_bytes() > self.bounds.of(&session.client_id).bytes_max
            || quotas.is_over(VhostId(session.vhost), session.vhost_queued_bytes())
    }

    /// Handles a session that is, or whose vhost is, over its bound since this publisher's message.
    pub(crate) fn on_full(
        &mut self,
        key: SessionKey,
        client_id: &CompactString,
        publisher: Option<Publisher>,
    ) -> OnFull {
        match (self.bounds.of(client_id).policy, publisher) {
            (Overflow::DropNewest, _) => OnFull::RefuseNext,
            (Overflow::Block, Some(publisher)) => {
                let is_new = self.waiting.entry(key).or_default().insert(publisher);
                self.stats.publishers_blocked += u64::from(is_new);
                if is_new { OnFull::Wait(publisher) } else { OnFull::DropOldest }
            }
            (Overflow::Block | Overflow::DropOldest, _) => OnFull::DropOldest,
        }
    }

    /// Drops the oldest messages of a session until it and its vhost are within their bounds. For
    /// the vhost's bound the session does not shrink below `bytes_before`, its bytes before the
    /// last message. Where publishers wait, the bounds are wider.
    pub(crate) fn drop_oldest(
        &self,
        session: &mut SessionMut<'_>,
        bytes_before: u64,
        quotas: &Quotas,
        delivery: &mut Delivery,
        lent: &mut Lent<'_>,
    ) {
        let bound = self.bounds.of(&session.client_id);
        let queued_bytes_max = bound.most(quotas.get(VhostId(session.vhost)).queued_bytes_max);
        loop {
            let own = session.queue.stored_bytes();
            let grew_too_far =
                session.vhost_queued_bytes() > queued_bytes_max && own > bytes_before;
            if own <= bound.most(bound.bytes_max) && !grew_too_far
                || !delivery.drop_oldest(session, lent)
            {
                break;
            }
        }
    }

    /// Whether a publisher waits.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When to look for what has expired, if publishers wait.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.is_awaited().then_some(self.look_ms)
    }

    /// The next sessions to look for what has expired in: nothing else may ever free their room,
    /// since their clients are away and their publishers wait.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Vec<SessionKey> {
        if !self.is_awaited() || now_ms < self.look_ms {
            return Vec::new();
        }
        self.look_ms = now_ms + FULL_SESSIONS_LOOK_MS;
        let from = self.looked.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.waiting.range((from, Bound::Unbounded));
        let keys: Vec<SessionKey> =
            rest.take(FULL_SESSIONS_LOOKS_MAX).map(|(key, _)| *key).collect();
        self.looked = keys.last().copied().filter(|_| keys.len() == FULL_SESSIONS_LOOKS_MAX);
        keys
    }

    /// The sessions for which publishers wait.
    pub(crate) fn sessions(&self) -> impl ExactSizeIterator<Item = SessionKey> {
        self.waiting.keys().copied()
    }

    /// Returns the publishers that wait for a session if they may go on: the session has room again
    /// or is gone, or the policy no longer waits. Otherwise notes for its vhost that they wait.
    pub(crate) fn relieve(
        &mut self,
        key: SessionKey,
        sessions: &Catalog,
        quotas: &mut Quotas,
    ) -> BTreeSet<Publisher> {
        if self.waiting.is_empty() {
            return BTreeSet::new();
        }
        let is_full = sessions.sessions().try_get(key).is_some_and(|session| {
            let bound = self.bounds.of(&session.client_id);
            if session.is_withheld() || bound.policy != Overflow::Block {
                return false;
            }
            let (vhost, queued) = (VhostId(session.vhost), sessions.totals(session.vhost));
            quotas.note_awaited(vhost, queued.queued_bytes);
            session.queue.stored_bytes() > bound.bytes_max / 4 * 3
                || quotas.is_crowded(vhost, queued.queued_bytes)
        });
        if is_full { BTreeSet::new() } else { self.waiting.remove(&key).unwrap_or_default() }
    }
}
