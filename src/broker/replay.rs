//! Retained messages for new subscriptions (3.3.1.3): a walk over every shard's retain store, in
//! bounded steps, at the pace of the subscriber's output.
//!
//! ```text
//!  step here: scan ──output full──► wait for progress
//!  step there: Ask ──► Answer* AnswerEnd(after) ──► Ask again, or the next shard
//! ```
//! Invariant: at most one ask of a connection is out.
//!
//! What another shard published before it knew of the subscription must be in the keeper's store
//! before the keeper answers, or it would be missed: it went to the keeper alone. So the first ask
//! to a keeper has all other shards vouch: each tells the keeper, behind all it had for it, that it
//! has heard of the replay (and so of the subscription, which it was told before).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::limits::{REPLAY_PAGE_BYTES, REPLAY_SEEN_MAX, REPLAY_STEPS_MAX, REPLAY_VISITS_MAX};
use crate::mqtt::{QoS, TopicFilter, TopicName};
use crate::store::{Catalog, Logs, NewMessage, Retained, ScanEnd, Session, SessionKey, Target};

use super::connection::Phase;
use super::delivery::{Outgoing, Terms};
use super::letter::{Letter, Message, Source};
use super::peers::{Ask, PeerMessage, ReplayId, ShardId, ShardSet};
use super::shard::{Context, Shard};
use super::vhost::VhostId;
use super::{ConnId, Options, placement};

/// Retained messages that one step reads at most: it looks at their topics first.
const PAGE_MESSAGES: usize = 256;

/// Replays of one connection.
#[derive(Default, Debug)]
pub(super) struct Replays {
    /// Filters whose replay has not begun, each with what was granted.
    pending: BTreeMap<Box<str>, QoS>,
    current: Option<Replay>,
    /// An ask about the current replay is out.
    asked: bool,
    /// SUBACKs that have not left: what they grant follows them.
    subacks: u32,
    /// It is on the list of those that go on in the next turn.
    listed: bool,
    /// Topics whose newer value has gone out live since their replay was due.
    seen: BTreeSet<Box<str>>,
}

#[derive(Debug)]
struct Replay {
    /// Names it towards other shards: no two of a shard have the same for a long time, so that what
    /// still comes for one that was ended is not taken for another's.
    serial: u32,
    filter: Box<str>,
    granted: QoS,
    /// The shard whose store is being walked, and the last one to be.
    keeper: ShardId,
    last_keeper: ShardId,
    /// The topic after which to go on there.
    after: Option<Box<str>>,
}

/// Vouchers that came for an ask, and the ask when it has come.
#[derive(Default, Debug)]
pub(super) struct Vouchers {
    came: u16,
    ask: Option<(VhostId, Box<str>, u32)>,
}

impl Outgoing {
    /// Whether a session's client has enough to do for now.
    fn is_behind(&self, session: &Session) -> bool {
        let connection = session.holder.and_then(|held| self.connections.get(ConnId::of(held)));
        let bytes = connection.map_or(0, |connection| connection.output.bytes());
        bytes > self.options.outgoing_bytes_max / 2 || session.queue.waiting() > 0
    }

    /// Remembers that a retained publish went out live while a replay is due.
    pub(super) fn note_live_retained(&mut self, session: &Session, topic: TopicName<'_>) {
        let connection =
            session.holder.and_then(|holder| self.connections.get_mut(ConnId::of(holder)));
        if let Some(replays) = connection.and_then(|connection| connection.replays.as_mut())
            && replays.seen.len() < REPLAY_SEEN_MAX
        {
            replays.seen.insert(topic.as_str().into());
        }
    }
}

impl Shard {
    /// Queues the replay for a subscription that was granted.
    pub(super) fn start_replay(&mut self, conn: ConnId, filter: TopicFilter<'_>, granted: QoS) {
        let Some(connection) = self.out.connections.get_mut(conn) else { return };
        let replays = connection.replays.get_or_insert_default();
        // What went out live before is due again [MQTT-3.8.4-3].
        let is_due = |topic: &str| TopicName::parse(topic).is_ok_and(|topic| filter.matches(topic));
        replays.seen.retain(|topic| !is_due(topic));
        replays.pending.insert(filter.as_str().into(), granted);
    }

    /// Ends the replay of a filter that was unsubscribed from [MQTT-3.10.4-2].
    pub(super) fn stop_replay(&mut self, conn: ConnId, filter: TopicFilter<'_>) {
        let Some(connection) = self.out.connections.get_mut(conn) else { return };
        let Some(replays) = &mut connection.replays else { return };
        replays.pending.remove(filter.as_str());
        if replays.current.as_ref().is_some_and(|replay| &*replay.filter == filter.as_str()) {
            replays.end_current();
        }
    }

    /// Goes on with the replays that stopped only to let others have their turn.
    pub fn continue_replays(&mut self, context: &mut Context<'_>) {
        for conn in std::mem::take(&mut self.replaying) {
            let connection = self.out.connections.get_mut(conn);
            if let Some(replays) = connection.and_then(|connection| connection.replays.as_mut()) {
                replays.listed = false;
                self.advance_replay(conn, context);
            }
        }
    }

    /// Whether [`Shard::continue_replays`] has something to do.
    pub fn has_replays(&self) -> bool {
        !self.replaying.is_empty()
    }

    /// A SUBACK is held back, and with it what it grants.
    pub(super) fn hold_replay(&mut self, conn: ConnId) {
        if let Some(connection) = self.out.connections.get_mut(conn)
            && let Some(replays) = &mut connection.replays
        {
            replays.subacks += 1;
        }
    }

    /// A SUBACK that was held back has left.
    pub(super) fn release_replay(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let connection = self.out.connections.get_mut(conn);
        if let Some(replays) = connection.and_then(|connection| connection.replays.as_mut()) {
            replays.subacks -= 1;
            self.advance_replay(conn, context);
        }
    }

    /// Takes the next steps of a connection's replays, as far as its output allows.
    pub(super) fn advance_replay(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(connection) = self.out.connections.get_mut(conn) else { return };
        let Phase::Open(open) = &connection.phase else { return };
        let (vhost, key) = (open.vhost, open.session);
        // Out of the connection while it works: deliveries need the connection.
        let Some(mut replays) = connection.replays.take_if(|replays| replays.may_step()) else {
            return;
        };
        let mut steps = 0;
        while replays.may_step() && !self.is_behind(vhost, key) {
            if replays.current.is_none() {
                let name = &self.vhosts[vhost].name;
                self.replays_begun = self.replays_begun.wrapping_add(1);
                if !replays.begin_next(self.replays_begun, name, self.out.options.shards) {
                    return;
                }
            }
            let keeper = replays.current.as_ref().map(|replay| replay.keeper);
            match keeper {
                Some(keeper) if keeper == self.out.options.shard => {
                    self.step_here(vhost, key, &mut replays, context);
                }
                _ => replays.ask(conn, vhost, &self.out.options, context),
            }
            steps += 1;
            replays.listed |= steps == REPLAY_STEPS_MAX;
        }
        if replays.listed {
            self.replaying.push(conn);
        }
        if let Some(connection) = self.out.connections.get_mut(conn) {
            connection.replays = Some(replays);
        }
    }

    /// A retained message came that another shard was asked for. What was asked for is not dropped,
    /// however full the output is: it is one page at most.
    pub(super) fn handle_answer(
        &mut self,
        id: ReplayId,
        message: &Message<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(connection) = self.out.connections.get(id.conn) else { return };
        let Phase::Open(open) = &connection.phase else { return };
        let Some(replays) = &connection.replays else { return };
        let Some(replay) = &replays.current else { return };
        if replay.serial != id.serial || replays.seen.contains(message.topic.as_str()) {
            return;
        }
        let (vhost, key, granted) = (open.vhost, open.session, replay.granted);
        if !self.may_receive(key, message.topic) {
            return;
        }
        self.deliver_retained(vhost, key, message, granted, None, context);
    }

    /// Hands a retained message to a session; `kept` is where it stands, if this shard keeps it.
    fn deliver_retained(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        message: &Message<'_>,
        granted: QoS,
        kept: Option<Retained>,
        context: &mut Context<'_>,
    ) {
        let source = Source::Nobody;
        let terms = Terms { granted, retain: true, source };
        let qos = message.qos.min(granted);
        let mut letter = Letter::new(*message, &mut self.forms);
        let session = self.catalog.sessions.get_mut(key);
        if session.clean || qos == QoS::AtMostOnce {
            self.out.deliver(key, session, &mut letter, terms, context);
            return;
        }
        let exactly_once = qos == QoS::ExactlyOnce;
        let target = Target { session: key, retain: true, exactly_once };
        match kept {
            Some(kept) => self.catalog.queue_retained(target, kept, &mut self.out.logs),
            None => {
                self.catalog.targets.push(target);
                let copy = NewMessage {
                    vhost: vhost.0,
                    qos: message.qos as u8,
                    retain: false,
                    time_ms: self.out.time_ms(context),
                    topic: message.topic.as_str(),
                    payload: message.payload,
                    received: None,
                    origin: None,
                };
                self.catalog.store(&copy, &mut self.out.logs);
            }
        }
        let session = self.catalog.sessions.get_mut(key);
        self.out.deliver_stored(qos, session, &mut letter, terms, context);
        let before = self.count_queued(key);
        if self.is_over(key) {
            self.handle_overflow(key, before, source, context);
        }
    }

    /// Another shard has answered an ask.
    pub(super) fn handle_answer_end(
        &mut self,
        id: ReplayId,
        after: Option<&str>,
        context: &mut Context<'_>,
    ) {
        let Some(connection) = self.out.connections.get_mut(id.conn) else { return };
        let Some(replays) = &mut connection.replays else { return };
        let is_current = replays.current.as_ref().is_some_and(|replay| replay.serial == id.serial);
        if is_current && std::mem::take(&mut replays.asked) {
            replays.go_on_after(after.map(Into::into));
            self.advance_replay(id.conn, context);
        }
    }

    /// Another shard asks for retained messages.
    pub(super) fn handle_ask(
        &mut self,
        from: ShardId,
        vhost: VhostId,
        ask: &Ask<'_>,
        context: &mut Context<'_>,
    ) {
        if ask.vouched {
            let vouchers = self.vouchers.entry((from, ask.replay)).or_default();
            vouchers.ask = Some((vhost, ask.filter.into(), ask.bytes_max));
            self.answer_if_vouched(from, ask.replay, context);
        } else {
            self.answer_replay(from, vhost, ask, context);
        }
    }

    /// A shard has vouched for an ask of `asker`, which may be still to come.
    pub(super) fn handle_vouched(
        &mut self,
        asker: ShardId,
        replay: ReplayId,
        context: &mut Context<'_>,
    ) {
        self.vouchers.entry((asker, replay)).or_default().came += 1;
        self.answer_if_vouched(asker, replay, context);
    }

    fn answer_if_vouched(&mut self, asker: ShardId, replay: ReplayId, context: &mut Context<'_>) {
        let Some(vouchers) = self.vouchers.get(&(asker, replay)) else { return };
        // All but this shard and the one that asks.
        if vouchers.came + 2 < self.out.options.shards || vouchers.ask.is_none() {
            return;
        }
        let vouchers = self.vouchers.remove(&(asker, replay));
        if let Some((vhost, filter, bytes_max)) = vouchers.and_then(|vouchers| vouchers.ask) {
            let ask = Ask { replay, bytes_max, filter: &filter, after: None, vouched: true };
            self.answer_replay(asker, vhost, &ask, context);
        }
    }

    /// Sends another shard a page of what it asked for.
    fn answer_replay(
        &mut self,
        to: ShardId,
        vhost: VhostId,
        ask: &Ask<'_>,
        context: &mut Context<'_>,
    ) {
        let Ask { replay, bytes_max, filter, after, .. } = *ask;
        let to = ShardSet::of(to);
        let filter = TopicFilter::parse(filter).expect("a peer sends filters it has checked");
        let mut bytes = 0;
        let logs = &self.out.logs;
        let end = visit(&self.catalog, vhost, filter, after, |kept| {
            let Some(message) = read(logs, kept) else { return ControlFlow::Continue(()) };
            let Message { topic, payload, qos, .. } = message;
            let answer = PeerMessage::Answer { replay, topic: topic.as_str(), payload, qos };
            answer.send(vhost, to, context.peers);
            bytes += topic.as_str().len() + payload.len();
            if bytes < bytes_max as usize {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        let after = match &end {
            ScanEnd::Done => None,
            ScanEnd::After(topic) => Some(&**topic),
        };
        PeerMessage::AnswerEnd { replay, after }.send(vhost, to, context.peers);
    }

    /// Walks this shard's store for the current replay.
    fn step_here(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        replays: &mut Replays,
        context: &mut Context<'_>,
    ) {
        let Some(replay) = &replays.current else { return };
        let (filter, granted) = (filter_of(replay), replay.granted);
        let mut page = std::mem::take(&mut self.page);
        let mut end = visit(&self.catalog, vhost, filter, replay.after.as_deref(), |kept| {
            page.push(kept);
            let full = page.len() == PAGE_MESSAGES;
            if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        // A copy: where it stands may move while it is delivered.
        let (mut topic, mut payload) = std::mem::take(&mut self.page_message);
        for kept in page.drain(..) {
            let Some(message) = read(&self.out.logs, kept) else {
                self.out.stats.stored_lost += 1;
                continue;
            };
            topic.clear();
            topic.push_str(message.topic.as_str());
            payload.clear();
            payload.extend_from_slice(message.payload);
            if !replays.seen.contains(topic.as_str()) {
                let name = TopicName::parse(&topic).expect("it was checked when it came");
                let message = Message { topic: name, payload: &payload, ..message };
                if self.may_receive(key, name) {
                    self.deliver_retained(vhost, key, &message, granted, Some(kept), context);
                }
            }
            if self.is_behind(vhost, key) {
                end = ScanEnd::After(topic.as_str().into());
                break;
            }
        }
        (self.page, self.page_message) = (page, (topic, payload));
        match end {
            ScanEnd::Done => replays.go_on_after(None),
            ScanEnd::After(topic) => {
                replays.go_on_after(Some(topic));
                // When the output is full, its progress goes on with the replay.
                replays.listed = !self.is_behind(vhost, key);
            }
        }
    }

    fn is_behind(&self, _: VhostId, key: SessionKey) -> bool {
        self.out.is_behind(self.catalog.sessions.get(key))
    }
}

impl Replays {
    /// Whether nothing has to happen first.
    fn may_step(&self) -> bool {
        !self.asked && !self.listed && self.subacks == 0
    }

    /// Makes the next replay the current one; false if there is none left.
    fn begin_next(&mut self, serial: u32, vhost: &str, shards: u16) -> bool {
        let Some((filter, granted)) = self.pending.pop_first() else { return false };
        let wildcard = TopicFilter::parse(&filter).is_ok_and(TopicFilter::is_wildcard);
        let (keeper, last_keeper) = if wildcard {
            (ShardId(0), ShardId(shards - 1))
        } else {
            // One topic, which one shard keeps.
            let keeper = placement::keeper_of(vhost, &filter, shards);
            (keeper, keeper)
        };
        self.current = Some(Replay { serial, filter, granted, keeper, last_keeper, after: None });
        true
    }

    /// Asks the shard whose turn it is for a page.
    fn ask(&mut self, conn: ConnId, vhost: VhostId, options: &Options, context: &mut Context<'_>) {
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
    fn go_on_after(&mut self, after: Option<Box<str>>) {
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

fn filter_of(replay: &Replay) -> TopicFilter<'_> {
    TopicFilter::parse(&replay.filter).expect("it was granted")
}

/// Visits the retained messages that match a filter, at most [`REPLAY_VISITS_MAX`] topics.
fn visit(
    catalog: &Catalog,
    vhost: VhostId,
    filter: TopicFilter<'_>,
    after: Option<&str>,
    mut found: impl FnMut(Retained) -> ControlFlow<()>,
) -> ScanEnd {
    let Some(retained) = catalog.retained(vhost.0) else { return ScanEnd::Done };
    let mut hand_over = |topic: &str, kept: Retained| {
        let topic = TopicName::parse(topic).expect("it was checked when it came");
        if filter.matches(topic) { found(kept) } else { ControlFlow::Continue(()) }
    };
    if !filter.is_wildcard() {
        if after.is_none()
            && let Some(kept) = retained.get(filter.as_str())
        {
            let _ = hand_over(filter.as_str(), kept);
        }
        return ScanEnd::Done;
    }
    // `a/#` matches `a` as well: the prefix ends before the separator.
    let prefix = filter.literal_prefix();
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    retained.scan(prefix, after, REPLAY_VISITS_MAX, hand_over)
}

/// Reads a retained message; `None` if the disk has lost it.
fn read(logs: &Logs, kept: Retained) -> Option<Message<'_>> {
    let stored = logs.message(kept.position)?;
    let topic = TopicName::parse(stored.topic).expect("it was checked when it came");
    let qos = QoS::try_from(stored.qos).expect("it was checked when it came");
    Some(Message { topic, payload: stored.payload, qos, retain: true })
}
