//! Retained messages for new subscriptions (3.3.1.3): a walk over every shard's retain store, in
//! bounded steps, at the pace of the subscriber's output.
//!
//! ```text
//!  step here: scan ──output full──► wait for progress
//!  step there: Ask ──► Answer* AnswerEnd(after) ──► Ask again, or the next shard
//! ```
//! Invariant: at most one ask of a connection is out.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;

use crate::limits::{REPLAY_PAGE_BYTES, REPLAY_SEEN_MAX, REPLAY_VISITS_MAX};
use crate::mqtt::{QoS, TopicFilter, TopicName};
use crate::store::{RetainStore, Retained, ScanEnd};

use super::ConnId;
use super::connection::Phase;
use super::delivery::{Outgoing, Terms};
use super::letter::{Letter, Message, Source};
use super::peers::{PeerMessage, ReplayId, ShardId, ShardSet};
use super::session::{Session, SessionKey};
use super::shard::{Context, Shard};
use super::vhost::{Vhost, VhostId};

/// Replays of one connection, in order of their subscriptions.
#[derive(Default, Debug)]
pub(super) struct Replays {
    queue: VecDeque<Replay>,
    /// Names the first of the queue towards other shards.
    serial: u32,
    /// An ask about the first of the queue is out.
    asked: bool,
    /// SUBACKs that have not left: what they grant follows them.
    subacks: u32,
    /// It is on the list of those that go on in the next turn.
    listed: bool,
    /// Topics whose newer value has gone out live since.
    seen: BTreeSet<Box<str>>,
}

#[derive(Debug)]
struct Replay {
    filter: Box<str>,
    granted: QoS,
    /// The shard whose store is being walked.
    keeper: ShardId,
    /// The topic after which to go on there.
    after: Option<Box<str>>,
}

impl Outgoing {
    /// Whether a session's client has enough to do for now.
    fn is_behind(&self, session: &Session) -> bool {
        let connection = session.conn.and_then(|conn| self.connections.get(conn));
        let bytes = connection.map_or(0, |connection| connection.output.bytes());
        bytes > self.options.outgoing_bytes_max / 2 || session.queue.waiting() > 0
    }

    /// Remembers that a retained publish went out live while a replay runs.
    pub(super) fn note_live_retained(&mut self, session: &Session, topic: TopicName<'_>) {
        let Some(connection) = session.conn.and_then(|conn| self.connections.get_mut(conn)) else {
            return;
        };
        if let Some(replays) = &mut connection.replays
            && replays.seen.len() < REPLAY_SEEN_MAX
        {
            replays.seen.insert(topic.as_str().into());
        }
    }
}

impl Shard {
    /// Queues the replay for a subscription that was granted.
    pub(super) fn start_replay(&mut self, conn: ConnId, filter: TopicFilter<'_>, granted: QoS) {
        let Some(connection) = self.out.connections.get_mut(conn) else {
            return;
        };
        let replays = connection.replays.get_or_insert_default();
        let filter = filter.as_str().into();
        replays.queue.push_back(Replay { filter, granted, keeper: ShardId(0), after: None });
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
    pub(super) fn release_replay(&mut self, conn: ConnId) {
        if let Some(connection) = self.out.connections.get_mut(conn)
            && let Some(replays) = &mut connection.replays
        {
            replays.subacks = replays.subacks.saturating_sub(1);
            if !std::mem::replace(&mut replays.listed, true) {
                self.replaying.push(conn);
            }
        }
    }

    /// Takes the next steps of a connection's replays, as far as its output allows.
    pub(super) fn advance_replay(&mut self, conn: ConnId, context: &mut Context<'_>) {
        let Some(connection) = self.out.connections.get_mut(conn) else {
            return;
        };
        let Phase::Open(open) = &connection.phase else {
            return;
        };
        let (vhost, key) = (open.vhost, open.session);
        if !connection.replays.as_ref().is_some_and(|replays| replays.may_step()) {
            return;
        }
        // Out of the connection while it works: deliveries need the connection.
        let Some(mut replays) = connection.replays.take() else {
            return;
        };
        while replays.may_step() {
            let Some(replay) = replays.queue.front() else {
                return;
            };
            if replay.keeper.0 == self.out.options.shards {
                replays.queue.pop_front();
                replays.serial = replays.serial.wrapping_add(1);
            } else if self.is_behind(conn, vhost, key) {
                break;
            } else if replay.keeper == self.out.options.shard {
                self.step_here(vhost, key, &mut replays, context);
            } else {
                let id = ReplayId { conn, serial: replays.serial };
                let after = replay.after.as_deref();
                let ask = PeerMessage::Ask { replay: id, filter: &replay.filter, after };
                ask.send(vhost, ShardSet::of(replay.keeper), context.peers);
                replays.asked = true;
            }
        }
        if replays.listed {
            self.replaying.push(conn);
        }
        if let Some(connection) = self.out.connections.get_mut(conn) {
            connection.replays = Some(replays);
        }
    }

    /// A retained message came that another shard was asked for.
    pub(super) fn handle_answer(
        &mut self,
        id: ReplayId,
        message: &Message<'_>,
        context: &mut Context<'_>,
    ) {
        let Some(connection) = self.out.connections.get(id.conn) else {
            return;
        };
        let Phase::Open(open) = &connection.phase else {
            return;
        };
        let Some(replays) = &connection.replays else {
            return;
        };
        let Some(replay) = replays.queue.front() else {
            return;
        };
        if replays.serial != id.serial || replays.seen.contains(message.topic.as_str()) {
            return;
        }
        let terms = Terms { granted: replay.granted, retain: true, source: Source::Nobody };
        let session = self.vhosts[usize::from(open.vhost.0)].sessions.get_mut(open.session);
        self.out.deliver(session, &mut Letter::new(*message, &mut self.forms), terms, context);
    }

    /// Another shard has answered an ask.
    pub(super) fn handle_answer_end(
        &mut self,
        id: ReplayId,
        after: Option<&str>,
        context: &mut Context<'_>,
    ) {
        let Some(connection) = self.out.connections.get_mut(id.conn) else {
            return;
        };
        let Some(replays) = &mut connection.replays else {
            return;
        };
        if replays.serial == id.serial && std::mem::take(&mut replays.asked) {
            replays.go_on_after(after.map(Into::into));
            self.advance_replay(id.conn, context);
        }
    }

    /// Sends another shard a page of what it asked for.
    pub(super) fn answer_replay(
        &mut self,
        to: ShardId,
        vhost: VhostId,
        replay: ReplayId,
        filter: &str,
        after: Option<&str>,
        context: &mut Context<'_>,
    ) {
        let to = ShardSet::of(to);
        let filter = TopicFilter::parse(filter).expect("a peer sends filters it has checked");
        let mut bytes = 0;
        let retained = &self.vhosts[usize::from(vhost.0)].retained;
        let end = visit(retained, filter, after, |message| {
            let Message { topic, payload, qos, .. } = *message;
            let answer = PeerMessage::Answer { replay, topic: topic.as_str(), payload, qos };
            answer.send(vhost, to, context.peers);
            bytes += topic.as_str().len() + payload.len();
            if bytes < REPLAY_PAGE_BYTES {
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

    /// Walks this shard's store for the first replay.
    fn step_here(
        &mut self,
        vhost: VhostId,
        key: SessionKey,
        replays: &mut Replays,
        context: &mut Context<'_>,
    ) {
        let Some(replay) = replays.queue.front() else {
            return;
        };
        let filter = TopicFilter::parse(&replay.filter).expect("it was granted");
        let terms = Terms { granted: replay.granted, retain: true, source: Source::Nobody };
        let Vhost { sessions, retained, .. } = &mut self.vhosts[usize::from(vhost.0)];
        let session = sessions.get_mut(key);
        let end = visit(retained, filter, replay.after.as_deref(), |message| {
            if !replays.seen.contains(message.topic.as_str()) {
                let mut letter = Letter::new(*message, &mut self.forms);
                self.out.deliver(session, &mut letter, terms, context);
            }
            if self.out.is_behind(session) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        match end {
            ScanEnd::Done => replays.go_on_after(None),
            ScanEnd::After(topic) => {
                replays.go_on_after(Some(topic));
                // When the output is full, its progress goes on with the replay.
                replays.listed = !self.out.is_behind(session);
            }
        }
    }

    fn is_behind(&self, conn: ConnId, vhost: VhostId, key: SessionKey) -> bool {
        let session = self.vhosts[usize::from(vhost.0)].sessions.get(key);
        debug_assert_eq!(session.conn, Some(conn));
        self.out.is_behind(session)
    }
}

impl Replays {
    /// Whether nothing has to happen first.
    fn may_step(&self) -> bool {
        !self.asked && !self.listed && self.subacks == 0
    }

    /// Goes on after a topic, or with the next shard.
    fn go_on_after(&mut self, after: Option<Box<str>>) {
        let Some(replay) = self.queue.front_mut() else {
            return;
        };
        if after.is_none() {
            replay.keeper.0 += 1;
        }
        replay.after = after;
    }
}

/// Visits the retained messages that match a filter, at most [`REPLAY_VISITS_MAX`] topics.
fn visit(
    retained: &RetainStore,
    filter: TopicFilter<'_>,
    after: Option<&str>,
    mut found: impl FnMut(&Message<'_>) -> ControlFlow<()>,
) -> ScanEnd {
    let mut hand_over = |topic: &str, kept: &Retained| {
        let topic = TopicName::parse(topic).expect("it was checked when it came");
        let qos = QoS::try_from(kept.qos).expect("it was checked when it came");
        if filter.matches(topic) {
            found(&Message { topic, payload: &kept.payload, qos, retain: true })
        } else {
            ControlFlow::Continue(())
        }
    };
    if !filter.is_wildcard() {
        if let Some(kept) = retained.get(filter.as_str()) {
            let _ = hand_over(filter.as_str(), kept);
        }
        return ScanEnd::Done;
    }
    // `a/#` matches `a` as well: the prefix ends before the separator.
    let prefix = filter.literal_prefix();
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    retained.scan(prefix, after, REPLAY_VISITS_MAX, hand_over)
}
