//! Retained messages for new subscriptions (3.3.1.3): a walk over every shard's retain store, in
//! bounded steps, at the pace of the subscriber's output.
//!
//! ```text
//!  step here: scan ──output full──► wait for progress
//!  step there: Ask ──► Answer* AnswerEnd(after) ──► Ask again, or the next shard
//! ```
//! Invariant: a connection has at most one unanswered ask, and no two replays of a shard have the
//! same serial for a long time.
//!
//! A message that another shard published before it knew of the subscription went only to the
//! keeper. It must be in the keeper's store before the keeper answers, or the subscriber would miss
//! it. So for the first ask to a keeper all other shards vouch: each tells the keeper, after all
//! earlier messages, that it knows of the replay, and so of the subscription, which it was told
//! before.
//!
//! Verbs: [`RetainedDelivery::start`], `regrant` and `stop` for subscriptions, those of
//! [`Replays`] for the steps, which the shard takes; [`visit`] walks the store.
//!
//! It uses `names`, `output` (the message) and `peer`.

mod granted;
mod replay;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use crate::limits::REPLAY_SEEN_MAX;
use crate::mqtt::{TopicFilter, TopicName};
use crate::store::Retained;

use super::names::{ConnId, ShardId, VhostId};
use super::peer::{Ask, ReplayId};

pub(crate) use granted::Granted;
pub(crate) use replay::Replays;
pub(crate) use walk::{PAGE_MESSAGES, ReadMessage, read, visit};

/// The vouchers for an ask, and the ask itself once it has come.
#[derive(Default, Debug)]
struct Vouchers {
    came: u16,
    ask: Option<VouchedAsk>,
}

/// An ask that waits for vouchers.
#[derive(Debug)]
pub(crate) struct VouchedAsk {
    pub(crate) vhost: VhostId,
    pub(crate) filter: Box<str>,
    pub(crate) bytes_max: u32,
}

/// Memory for a step of a replay.
#[derive(Default, Debug)]
pub(crate) struct Page {
    pub(crate) found: Vec<Retained>,
    pub(crate) topic: String,
    pub(crate) properties: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// See the room.
#[derive(Default, Debug)]
pub(crate) struct RetainedDelivery {
    replays: BTreeMap<ConnId, Box<Replays>>,
    /// The connections whose replay goes on in the next turn.
    continuing: Vec<ConnId>,
    /// The connections with a replay that waits for the values of `$SYS` topics.
    awaiting_system: BTreeSet<ConnId>,
    /// The serial of the last replay.
    begun: u32,
    /// Asks that wait for the vouchers of other shards.
    vouchers: BTreeMap<(ShardId, ReplayId), Vouchers>,
    page: Page,
}

impl RetainedDelivery {
    /// Forgets the replays of a connection.
    pub(crate) fn end(&mut self, conn: ConnId) {
        self.replays.remove(&conn);
        self.awaiting_system.remove(&conn);
    }

    /// Notes that a replay of a connection waits for the values of `$SYS` topics.
    pub(crate) fn await_system(&mut self, conn: ConnId) {
        self.awaiting_system.insert(conn);
    }

    /// Takes some of the connections with a replay that waits so.
    pub(crate) fn take_awaiting_system(&mut self, count_max: usize) -> Vec<ConnId> {
        let taken: Vec<ConnId> = self.awaiting_system.iter().take(count_max).copied().collect();
        taken.iter().for_each(|conn| {
            self.awaiting_system.remove(conn);
        });
        taken
    }

    /// Whether a connection has unfinished replays.
    #[inline]
    pub(crate) fn has_replays(&self, conn: ConnId) -> bool {
        !self.replays.is_empty() && self.replays.contains_key(&conn)
    }

    /// Queues the replay for a subscription that was granted.
    pub(crate) fn start(&mut self, conn: ConnId, filter: TopicFilter<'_>, granted: Granted) {
        self.replays.entry(conn).or_default().start(filter, granted);
    }

    /// A subscription that may be in replay was granted anew, and is not replayed again.
    pub(crate) fn regrant(&mut self, conn: ConnId, filter: TopicFilter<'_>, granted: Granted) {
        if let Some(replays) = self.replays.get_mut(&conn) {
            replays.regrant(filter, granted);
        }
    }

    /// Ends the replay of a filter that was unsubscribed from [MQTT-3.10.4-2].
    pub(crate) fn stop(&mut self, conn: ConnId, filter: TopicFilter<'_>) {
        if let Some(replays) = self.replays.get_mut(&conn) {
            replays.stop(filter);
        }
    }

    /// Notes a retained publish that was sent live while a replay is due.
    pub(crate) fn note_live(&mut self, conn: ConnId, topic: TopicName<'_>) {
        if self.replays.is_empty() {
            return;
        }
        if let Some(replays) = self.replays.get_mut(&conn) {
            replays.note_live(topic, REPLAY_SEEN_MAX);
        }
    }

    /// The replays of a connection, if there are any.
    pub(crate) fn get(&self, conn: ConnId) -> Option<&Replays> {
        self.replays.get(&conn).map(|replays| &**replays)
    }

    /// As [`RetainedDelivery::get`].
    pub(crate) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Replays> {
        self.replays.get_mut(&conn).map(|replays| &mut **replays)
    }

    /// Takes the replays of a connection for a step, if they may go on; [`RetainedDelivery::put`]
    /// follows, unless they have ended.
    pub(crate) fn take(&mut self, conn: ConnId) -> Option<Box<Replays>> {
        self.replays.get(&conn).filter(|replays| replays.may_step())?;
        self.replays.remove(&conn)
    }

    /// Puts the replays of a connection back: for the next turn, if they wait for no event.
    pub(crate) fn put(&mut self, conn: ConnId, replays: Box<Replays>) {
        if replays.is_listed() {
            self.continuing.push(conn);
        }
        self.replays.insert(conn, replays);
    }

    /// A number for the next replay.
    pub(crate) fn next_serial(&mut self) -> u32 {
        self.begun = self.begun.wrapping_add(1);
        self.begun
    }

    /// The connections whose replays stopped only for the bound of a step.
    pub(crate) fn take_continuing(&mut self) -> Vec<ConnId> {
        let mut conns = std::mem::take(&mut self.continuing);
        conns.retain(|conn| match self.replays.get_mut(conn) {
            Some(replays) => {
                replays.unlist();
                true
            }
            None => false,
        });
        conns
    }

    /// Their number.
    pub(crate) fn continuing(&self) -> usize {
        self.continuing.len()
    }

    /// Takes an ask of `asker` that waits for vouchers.
    pub(crate) fn await_vouchers(&mut self, asker: ShardId, vhost: VhostId, ask: &Ask<'_>) {
        let vouchers = self.vouchers.entry((asker, ask.replay)).or_default();
        let (filter, bytes_max) = (ask.filter.into(), ask.bytes_max);
        vouchers.ask = Some(VouchedAsk { vhost, filter, bytes_max });
    }

    /// Notes that a shard has vouched for an ask of `asker`, which may come later.
    pub(crate) fn note_vouched(&mut self, asker: ShardId, replay: ReplayId) {
        self.vouchers.entry((asker, replay)).or_default().came += 1;
    }

    /// Takes an ask of `asker` for which all other shards have vouched.
    pub(crate) fn take_vouched(
        &mut self,
        asker: ShardId,
        replay: ReplayId,
        shards: u16,
    ) -> Option<VouchedAsk> {
        let vouchers = self.vouchers.get(&(asker, replay))?;
        // All shards but this one and the asker.
        if vouchers.came + 2 < shards || vouchers.ask.is_none() {
            return None;
        }
        self.vouchers.remove(&(asker, replay))?.ask
    }

    /// Memory for a step; [`RetainedDelivery::recycle`] takes it back.
    pub(crate) fn take_page(&mut self) -> Page {
        std::mem::take(&mut self.page)
    }

    /// Takes memory of a step for reuse.
    pub(crate) fn recycle(&mut self, page: Page) {
        self.page = page;
    }
}
