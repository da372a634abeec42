//! The replays of one connection: the filter, the progress, and the awaited event.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::limits::REPLAY_PAGE_BYTES;
use crate::mqtt::{TopicFilter, TopicName};

use super::super::names::{ConnId, Context, Options, ShardId, ShardSet, VhostId, placement};
use super::super::peer::{Ask, PeerMessage, ReplayId};
use super::granted::Granted;

/// The first string after all that begin with `$SYS/`.
const BEHIND_SYSTEM: &str = "$SYS0";

fn is_system(filter: &str) -> bool {
    TopicFilter::parse(filter).is_ok_and(TopicFilter::is_system)
}

/// Replays of one connection.
#[derive(Default, Debug)]
pub(crate) struct Replays {
    /// Filters whose replay has not begun, each with what was granted.
    pending: BTreeMap<Box<str>, Granted>,
    current: Option<Replay>,
    /// Whether an ask about the current replay is unanswered.
    asked: bool,
    /// Number of unsent SUBACKs; their replays follow them.
    subacks: u32,
    /// Whether it is on the list for the next turn.
    listed: bool,
    /// Topics whose newer message was sent live since their replay was due.
    seen: BTreeSet<Box<str>>,
}

#[derive(Debug)]
struct Replay {
    /// Its name for other shards. No two replays of a shard have the same for a long time, so a
    /// late answer to an ended replay is not attributed to another.
    serial: u32,
    filter: Box<str>,
    granted: Granted,
    /// The shard whose store is being walked, and the last shard.
    keeper: ShardId,
    last_keeper: ShardId,
    /// The topic after which to go on there.
    after: Option<Box<str>>,
}

impl Replays {
    pub(super) fn start(&mut self, filter: TopicFilter<'_>, granted: Granted) {
        // Messages that were sent live before are due again [MQTT-3.8.4-3].
        let is_due = |topic: &str| TopicName::parse(topic).is_ok_and(|topic| filter.matches(topic));
        self.seen.retain(|topic| !is_due(topic));
        self.regrant(filter, granted);
        self.pending.insert(filter.as_str().into(), granted);
    }

    /// Has what is still to come for a filter come as it is granted now.
    pub(super) fn regrant(&mut self, filter: TopicFilter<'_>, granted: Granted) {
        if let Some(pending) = self.pending.get_mut(filter.as_str()) {
            *pending = granted;
        }
        let current = self.current.as_mut().filter(|replay| &*replay.filter == filter.as_str());
        if let Some(current) = current {
            current.granted = granted;
        }
    }

    pub(super) fn stop(&mut self, filter: TopicFilter<'_>) {
        self.pending.remove(filter.as_str());
        if self.current.as_ref().is_some_and(|replay| &*replay.filter == filter.as_str()) {
            self.end_current();
        }
    }

    pub(super) fn note_live(&mut self, topic: TopicName<'_>, seen_max: usize) {
        if self.seen.len() < seen_max {
            self.seen.insert(topic.as_str().into());
        }
    }

    /// Whether a newer message of this topic was sent live.
    pub(crate) fn has_seen(&self, topic: &str) -> bool {
        self.seen.contains(topic)
    }

    /// Notes a SUBACK that is held back, and with it its replay.
    pub(crate) fn hold(&mut self) {
        self.subacks += 1;
    }

    /// Notes that a SUBACK that was held back was sent.
    pub(crate) fn release(&mut self) {
        self.subacks -= 1;
    }

    /// Schedules them for the next turn.
    pub(crate) fn list(&mut self) {
        self.listed = true;
    }

    pub(super) fn unlist(&mut self) {
        self.listed = false;
    }

    pub(super) fn is_listed(&self) -> bool {
        self.listed
    }

    pub(crate) fn has_current(&self) -> bool {
        self.current.is_some()
    }

    /// The shard whose store is being walked.
    pub(crate) fn keeper(&self) -> Option<ShardId> {
        self.current.as_ref().map(|replay| replay.keeper)
    }

    /// The filter of the current replay, and the topic after which it goes on.
    pub(crate) fn current(&self) -> Option<(TopicFilter<'_>, Granted, Option<&str>)> {
        let replay = self.current.as_ref()?;
        let filter = TopicFilter::parse(&replay.filter).expect("it was granted");
        Some((filter, replay.granted, replay.after.as_deref()))
    }

    /// The granted options of the current replay, if it has this serial.
    pub(crate) fn granted(&self, serial: u32) -> Option<Granted> {
        let replay = self.current.as_ref().filter(|replay| replay.serial == serial)?;
        Some(replay.granted)
    }

    /// Notes the answer to the ask about the replay with this serial; returns whether it is the
    /// current one.
    pub(crate) fn end_ask(&mut self, serial: u32) -> bool {
        self.granted(serial).is_some() && std::mem::take(&mut self.asked)
    }

    /// Whether they wait for no event.
    pub(crate) fn may_step(&self) -> bool {
        !self.asked && !self.listed && self.subacks == 0
    }

    /// Whether replays wait to begin.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Begins the next replay; returns false if none may begin. `awaits_system`: replays of `$SYS`
    /// topics have to wait.
    pub(crate) fn begin_next(
        &mut self,
        serial: u32,
        vhost: &str,
        options: &Options,
        awaits_system: bool,
    ) -> bool {
        let Some((filter, granted)) = self.take_pending(awaits_system) else { return false };
        let parsed = TopicFilter::parse(&filter).expect("it was granted");
        let shards = options.shards;
        let (keeper, last_keeper) = if parsed.is_system() {
            // Every shard knows their values.
            (options.shard, options.shard)
        } else if parsed.is_wildcard() {
            (ShardId(0), ShardId(shards - 1))
        } else {
            // One topic, which one shard keeps.
            let keeper = placement::keeper_of(vhost, &filter, shards);
            (keeper, keeper)
        };
        self.current = Some(Replay { serial, filter, granted, keeper, last_keeper, after: None });
        true
    }

    fn take_pending(&mut self, awaits_system: bool) -> Option<(Box<str>, Granted)> {
        let first = self.pending.first_key_value()?.0;
        if !awaits_system || !is_system(first) {
            return self.pending.pop_first();
        }
        // Filters that begin with `$SYS` are neighbours.
        let behind = (Bound::Included(BEHIND_SYSTEM), Bound::Unbounded);
        let behind = self.pending.range::<str, _>(behind).next()?.0.clone();
        self.pending.remove_entry(&behind)
    }

    /// Asks the current shard for a page.
    pub(crate) fn ask(
        &mut self,
        conn: ConnId,
        vhost: VhostId,
        options: &Options,
        context: &mut Context<'_>,
    ) {
        let Some(Replay { serial, filter, keeper, after, .. }) = &self.current else { return };
        let replay = ReplayId { conn, serial: *serial };
        let bytes_max = REPLAY_PAGE_BYTES.min(options.outgoing_bytes_max);
        let bytes_max = u32::try_from(bytes_max).expect("a page is small");
        let mut witnesses = ShardSet::all_but(options.shards, options.shard);
        witnesses.take(*keeper);
        let vouched = after.is_none() && !witnesses.is_empty();
        if vouched {
            let vouch = PeerMessage::Vouch { replay, keeper: *keeper };
            vouch.send(vhost, witnesses, context.peers);
        }
        let ask = Ask { replay, bytes_max, filter, after: after.as_deref(), vouched };
        PeerMessage::Ask(ask).send(vhost, ShardSet::of(*keeper), context.peers);
        self.asked = true;
    }

    /// Goes on after a topic, with the next shard, or with the next replay.
    pub(crate) fn go_on_after(&mut self, after: Option<Box<str>>) {
        let Some(replay) = &mut self.current else { return };
        if after.is_some() {
            replay.after = after;
        } else if replay.keeper == replay.last_keeper {
            self.end_current();
        } else {
            replay.keeper.0 += 1;
            replay.after = None;
        }
    }

    fn end_current(&mut self) {
        self.current = None;
        self.asked = false;
    }
}
