//! Sessions that are full, or of a vhost that is: what `--session-overflow` does, and the
//! publishers that wait for them. A vhost that is full does to each session that would grow what a
//! bound that it had reached itself would do: it does not grow. Nothing is taken from the others.
//!
//! A publisher that waits gets no acknowledgement of what it published since. It is read from only
//! while its own session holds messages, so that its acknowledgements can free space: they may be
//! what keeps a session full, its own or that of another publisher that waits in turn. So the
//! client of a full session is always read from, and no circle of clients waits for itself. How
//! much such a client can publish meanwhile is bounded by its own window, since it is not
//! acknowledged; and, should that be large, by [`BLOCK_BYTES_MIN`] beyond the bound, from where on
//! the oldest is dropped.
//!
//! Invariant: a publisher is in the set of each full session that it waits for, once; its shard was
//! told as often.
//!
//! Verbs: [`FullSessions::on_full`] and [`FullSessions::relieve`]. The hub has the publishers wait
//! and go on.
//!
//! May use `names`, `client_log`, `delivery` and `quota`.

mod bounds;

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;

use crate::limits::BLOCK_BYTES_MIN;
use crate::store::{Catalog, SessionKey, SessionMut};

use super::delivery::{Delivery, Lent};
use super::names::{ConnId, Options, Overflow, ShardId, Stats, VhostId};
use super::quota::Quotas;
use bounds::Bounds;

/// A connection of some shard.
type Publisher = (ShardId, ConnId);

/// What is to be done about a session that has more waiting than it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnFull {
    /// Nothing: the next message for it is not taken.
    RefuseNext,
    /// The publisher waits.
    Wait(Publisher),
    /// Its oldest messages are dropped.
    DropOldest,
}

/// See the room.
pub(crate) struct FullSessions {
    /// `--session-max-bytes`, `--session-overflow` and `--session-limit`.
    bounds: Bounds,
    waiting: BTreeMap<SessionKey, BTreeSet<Publisher>>,
    stats: Stats,
}

impl FullSessions {
    pub(crate) fn new(options: &Options) -> Self {
        Self { bounds: Bounds::new(options), waiting: BTreeMap::new(), stats: Stats::default() }
    }

    /// Replaces the options. All that wait are to be relieved then.
    pub(crate) fn set_options(&mut self, options: &Options) {
        self.bounds = Bounds::new(options);
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Whether a message for a session is to be dropped before it is stored: the session, or its
    /// vhost with `queued_bytes`, is full, and the newest message is the one to go.
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

    /// Whether a session or its vhost has more waiting than it may.
    #[inline]
    pub(crate) fn is_over(&self, session: &SessionMut<'_>, quotas: &Quotas) -> bool {
        session.queue.stored_bytes() > self.bounds.of(&session.client_id).bytes_max
            || quotas.is_over(VhostId(session.vhost), session.vhost_queued_bytes())
    }

    /// A session, or its vhost, has more waiting than it may since this publisher's message came.
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

    /// Drops the oldest messages of a session until it, and its vhost, have no more than they may.
    /// Before the last message there waited `bytes_before`: for the sake of its vhost it is not
    /// made smaller than that. Where publishers wait the bounds are wider.
    pub(crate) fn drop_oldest(
        &self,
        session: &mut SessionMut<'_>,
        bytes_before: u64,
        quotas: &Quotas,
        delivery: &mut Delivery,
        lent: &mut Lent<'_>,
    ) {
        let bound = self.bounds.of(&session.client_id);
        let most = |max: u64| match bound.policy {
            Overflow::Block => max.saturating_add(max.max(BLOCK_BYTES_MIN)),
            Overflow::DropNewest | Overflow::DropOldest => max,
        };
        let queued_bytes_max = most(quotas.get(VhostId(session.vhost)).queued_bytes_max);
        loop {
            let own = session.queue.stored_bytes();
            let grew_too_far =
                session.vhost_queued_bytes() > queued_bytes_max && own > bytes_before;
            if own <= most(bound.bytes_max) && !grew_too_far || !delivery.drop_oldest(session, lent)
            {
                break;
            }
        }
    }

    /// Whether publishers wait.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sessions that publishers wait for.
    pub(crate) fn sessions(&self) -> impl ExactSizeIterator<Item = SessionKey> {
        self.waiting.keys().copied()
    }

    /// Gives the publishers that wait for a session, if it has room again or is gone, or if none is
    /// to wait any more: they are to go on. While it has none, notes for its vhost that they wait.
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
