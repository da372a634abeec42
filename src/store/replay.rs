//! Recovery: builds a catalog from the records of the log.
//!
//! Records are applied in their order, from the start of a checkpoint on. The checkpoint's own
//! parts are among the records that were appended meanwhile. Each part replaces the state of its
//! session or topics, so it does not matter that the parts were captured one after another. A
//! record of an unknown session is ignored.
//!
//! The damage of one record must not cost others. A session's messages are numbered in the order of
//! their records, so a lost one must be counted, for which the targets in the damaged record are
//! trusted. If the number of lost messages is unknown, messages that were acknowledged after them
//! are sent again. A lost record of the end of a session, or of a cleaning, is inferred from later
//! records.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use compact_str::CompactString;

use super::catalog::{Catalog, CatalogLimits};
use super::cursor::Cursor;
use super::hashing::Hashing;
use super::logs::Logs;
use super::position::Position;
use super::queue::{Entry as QueueEntry, QueueLog, Terms as QueueTerms};
use super::record::{AcksRecord, BlockRecord, MessageRecord, Record, SessionKey};
use super::retained::{RetainStore, Retained};
use super::session::Session;
use super::sessions::Sessions;
use super::timeline::Timeline;

/// See the file.
#[derive(Default)]
pub(super) struct Replay {
    sessions: Vec<Option<Session>>,
    /// For each session, how many sessions were opened before it.
    ages: Vec<u64>,
    came: u64,
    retained: Vec<RetainStore>,
    remote_qos2: BTreeSet<super::Origin>,
    pub(super) timeline: Timeline,
    /// The new positions of messages that an unfinished cleaning moved.
    moves: HashMap<Position, Position>,
    /// By start of segment, the references that there ever were. The present ones relative to them
    /// show how much of the segment is live.
    holds: HashMap<u64, u64>,
    /// The lengths of segments, by start.
    pub(super) ends: BTreeMap<u64, u64>,
    /// Messages in damaged records: the session, and the number in its queue.
    lost: Vec<(SessionKey, u64)>,
    /// Sessions whose message numbers are known only below this one: after it an unknown number of
    /// messages is lost.
    sure_below: HashMap<SessionKey, u64>,
    /// Other losses.
    losses: Losses,
}

/// The log while it is read: only the segments of positions.
struct Places<'a>(&'a dyn Fn(Position) -> u64);

impl QueueLog for Places<'_> {
    fn hold(&mut self, _: Position, _: u32) {
        unreachable!("nothing is held before all is read")
    }

    fn release(&mut self, _: Position, _: u32) {
        unreachable!("nothing is held before all is read")
    }

    fn segment_of(&self, position: Position) -> u64 {
        (self.0)(position)
    }

    fn append_block(&mut self, _: &BlockRecord<'_>) -> Position {
        unreachable!("nothing is appended before all is read")
    }

    fn block(&self, _: Position) -> Option<BlockRecord<'_>> {
        None
    }
}

/// State that recovery could not restore.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Losses {
    /// Messages that waited in sessions.
    pub queued: u64,
    /// Retained messages.
    pub retained: u64,
    /// Sessions.
    pub sessions: u64,
    /// Records with a right checksum and invalid content: by our own fault, or of a later version.
    pub records: u64,
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queued, retained, sessions, records } = self;
        write!(f, "{queued} queued messages, {retained} retained messages, {sessions} sessions")?;
        write!(f, "; {records} records were not understood")
    }
}

impl Replay {
    /// Applies a record; `mark` is as in [`super::Log::mark_of`], `segment_of` as in
    /// [`super::QueueLog::segment_of`].
    pub(super) fn apply(
        &mut self,
        position: Position,
        mark: u64,
        record: Record<'_>,
        segment_of: &dyn Fn(Position) -> u64,
    ) {
        match record {
            Record::Message(message) => {
                let holds = message.targets.iter().count() + usize::from(message.retained);
                *self.holds.entry(segment_of(position)).or_default() += holds as u64;
                if message.moved_from.is_none() {
                    self.timeline.replay_time(message.time_ms);
                }
                self.message(position, &message);
            }
            Record::Acks(acks) => self.acks(&acks),
            Record::SessionOpened { session, vhost, time_ms, client_id } => {
                let mut opened = Session::new(client_id, vhost, false);
                (opened.serial, opened.left_ms) = (mark, time_ms);
                self.timeline.replay_time(time_ms);
                // If another session has the key, the record of that session's end is damaged.
                self.end(session);
                self.put(session, opened);
            }
            Record::SessionEnded { session } => self.end(session),
            Record::Block(block) => {
                let is_moving = !self.moves.is_empty();
                if let Some(session) = self.session(block.session) {
                    let (first, count) = (block.first, block.count);
                    session.queue.replay_block(position, first, count, &Places(segment_of));
                    if is_moving {
                        // The queue may already have used the new positions.
                        session.queue.replay_doubt(first);
                    }
                }
            }
            Record::SessionState { session, state } => match Session::decode(Cursor(state)) {
                Some(decoded) => {
                    self.timeline.replay_hearsay(decoded.left_ms);
                    self.put(session, decoded);
                }
                None => self.losses.records += 1,
            },
            Record::RetainedState { vhost, entries } => {
                if self.retained(vhost).restore(entries).is_none() {
                    self.losses.records += 1;
                }
            }
            Record::Cleared { vhost, topic } => {
                self.retained(vhost).clear(topic);
            }
            Record::FreedElsewhere(origin) => {
                self.remote_qos2.remove(&origin);
            }
            Record::Origins(origins) => self.remote_qos2.extend(origins),
            Record::References(segments) => self.holds.extend(segments),
            Record::Ends(segments) => self.ends.extend(segments),
            Record::Queued { target, position, bytes } => {
                let terms = QueueTerms { retain: target.retain, exactly_once: target.exactly_once };
                if let Some(session) = self.session(target.session) {
                    session.queue.replay_push(QueueEntry::stored(position, bytes, terms));
                }
            }
            Record::Cleaned { from, to } => self.relocate(from, to),
            Record::Clock(mark) => self.timeline.replay_mark(mark),
            Record::Gaps(gaps) => self.timeline.replay_gaps(gaps),
            Record::CheckpointBegun | Record::CheckpointEnded { .. } => {}
            of_a_session => self.change(&of_a_session),
        }
    }

    /// Applies a corrected record with one damaged byte. Records that refer to its place lose it
    /// nevertheless.
    pub(super) fn mended(
        &mut self,
        position: Position,
        mark: u64,
        record: Record<'_>,
        segment_of: &dyn Fn(Position) -> u64,
    ) {
        match record {
            Record::Message(_) | Record::Block(_) => self.pass_over(position, Some(&record)),
            _ => self.apply(position, mark, record, segment_of),
        }
    }

    /// Applies a client's acknowledgements. After a gap, messages may have other numbers than
    /// before. They are sent again, because the wrong message could be taken as acknowledged
    /// otherwise.
    fn acks(&mut self, acks: &AcksRecord) {
        let sure = self.sure_below.get(&acks.session).copied();
        let Some(session) = self.session(acks.session) else { return };
        let Some(sure) = sure else {
            return session.queue.replay_acks(acks.first, &acks.gone, &acks.released);
        };
        let below = |numbers: &[u64]| -> Vec<u64> {
            numbers.iter().copied().filter(|number| *number < sure).collect()
        };
        let (gone, released) = (below(&acks.gone), below(&acks.released));
        session.queue.replay_acks(acks.first.min(sure), &gone, &released);
    }

    /// Notes that an unknown number of messages is lost here, for any session.
    pub(super) fn begin_gap(&mut self) {
        for (key, session) in (0..).zip(&self.sessions) {
            let Some(session) = session else { continue };
            self.sure_below.entry(key).or_insert(session.queue.end());
        }
    }

    /// Skips a damaged record; `guess` is its probable content.
    pub(super) fn pass_over(&mut self, position: Position, guess: Option<&Record<'_>>) {
        match guess {
            Some(Record::Message(MessageRecord { moved_from: Some(before), .. })) => {
                // Sessions that have it will find it damaged.
                self.moves.entry(*before).or_insert(position);
            }
            Some(Record::Message(message)) => {
                message.targets.iter().for_each(|target| self.lose(target.session));
                self.losses.retained += u64::from(message.retained);
            }
            Some(Record::Queued { target, .. }) => self.lose(target.session),
            Some(Record::SessionOpened { session, .. } | Record::SessionState { session, .. })
                if self.session(*session).is_none() =>
            {
                self.losses.sessions += 1;
            }
            _ => {}
        }
    }

    /// Counts a lost message of a session.
    fn lose(&mut self, key: SessionKey) {
        if let Some(session) = self.session(key) {
            session.queue.replay_lost();
            let number = session.queue.end() - 1;
            self.lost.push((key, number));
        }
    }

    /// Infers the content of damaged records; `is_there` tells which segments exist.
    pub(super) fn mend(&mut self, is_there: &dyn Fn(Position) -> bool) {
        // If a client has two sessions, the older has ended.
        let mut newest: HashMap<(u16, CompactString), usize> = HashMap::new();
        for at in 0..self.sessions.len() {
            let Some(session) = &self.sessions[at] else { continue };
            let client = (session.vhost, session.client_id.clone());
            let Some(other) = newest.insert(client.clone(), at) else { continue };
            let is_newer = self.ages[at] > self.ages[other];
            self.sessions[if is_newer { other } else { at }] = None;
            newest.insert(client, if is_newer { at } else { other });
        }
        // A segment is released when all its live records were moved.
        let moves = std::mem::take(&mut self.moves);
        let gone: HashMap<Position, Position> =
            moves.into_iter().filter(|(old, _)| !is_there(*old)).collect();
        if !gone.is_empty() {
            let map = |position: Position| Some(*gone.get(&position).unwrap_or(&position));
            for session in self.sessions.iter_mut().flatten() {
                session.queue.replay_relocate(&(0..u64::MAX), &map);
            }
        }
    }

    fn change(&mut self, record: &Record<'_>) {
        match *record {
            Record::Subscribed { session, options, filter } => {
                if let Some(session) = self.session(session) {
                    let _bounded = session.subscribe(filter, options);
                }
            }
            Record::Unsubscribed { session, filter } => {
                if let Some(session) = self.session(session) {
                    session.unsubscribe(filter);
                }
            }
            Record::Owner { session, user } => {
                if let Some(session) = self.session(session) {
                    session.set_owner(user);
                }
            }
            Record::Expiry { session, interval_s } => {
                if let Some(session) = self.session(session) {
                    session.set_expiry(interval_s);
                }
            }
            Record::Will { session, will } => {
                if let Some(session) = self.session(session) {
                    session.set_will(Some(&will));
                }
            }
            Record::Leases { session, below } => {
                if let Some(session) = self.session(session) {
                    session.set_leases_below(below);
                }
            }
            Record::WillCleared { session } => {
                if let Some(session) = self.session(session) {
                    session.set_will(None);
                }
            }
            Record::Attached { session } => {
                if let Some(session) = self.session(session) {
                    session.left_ms = 0;
                }
            }
            Record::Detached { session, sent, time_ms } => {
                self.timeline.replay_time(time_ms);
                if let Some(session) = self.session(session) {
                    session.left_ms = time_ms;
                    session.queue.replay_sent(sent);
                }
            }
            Record::Received { session, packet_id } => {
                if let Some(session) = self.session(session) {
                    session.receive(packet_id);
                }
            }
            Record::Freed { session, packet_id } => {
                if let Some(session) = self.session(session) {
                    session.free(packet_id);
                }
            }
            _ => unreachable!("the caller has the rest"),
        }
    }

    fn message(&mut self, position: Position, message: &MessageRecord<'_>) {
        let bytes = message.own_bytes();
        let retained = Retained { position, bytes, deadline_s: message.deadline_s() };
        if let Some(before) = message.moved_from {
            self.moves.insert(before, position);
            let store = self.retained(message.vhost);
            let is_it = |known: Retained| known.position == before;
            if message.retained && store.get(message.topic).is_some_and(is_it) {
                store.set(message.topic, retained);
            }
            return;
        }
        for target in message.targets.iter() {
            let terms = QueueTerms { retain: target.retain, exactly_once: target.exactly_once };
            if let Some(session) = self.session(target.session) {
                session.queue.replay_push(QueueEntry::stored(position, bytes, terms));
            }
        }
        if let Some((session, packet_id)) = message.received
            && let Some(session) = self.session(session)
        {
            session.receive(packet_id);
        }
        self.remote_qos2.extend(message.origin);
        if message.retained {
            self.retained(message.vhost).set(message.topic, retained);
        }
    }

    fn relocate(&mut self, from: u64, to: u64) {
        let moves = std::mem::take(&mut self.moves);
        let map = |position: Position| moves.get(&position).copied();
        for session in self.sessions.iter_mut().flatten() {
            session.queue.replay_relocate(&(from..to), &map);
        }
        // Other moves exist if a cleaning did not end, or the record of its end is damaged.
        let others = moves.iter().filter(|(old, _)| !(from..to).contains(&old.offset()));
        self.moves = others.map(|(old, new)| (*old, map(*new).unwrap_or(*new))).collect();
    }

    /// Holds the segments with references and returns the catalog. Clients that were connected
    /// count as disconnected since `now_ms`. If it is 0, the store is only read, and they still
    /// count as connected.
    pub(super) fn finish(
        self,
        limits: CatalogLimits,
        hashing: &Hashing,
        now_ms: u64,
        logs: &mut Logs,
    ) -> (Catalog, Losses) {
        let lost = self.lost.iter().filter(|(key, number)| {
            let session = self.sessions.get(*key as usize).and_then(Option::as_ref);
            session.is_some_and(|session| session.queue.first() <= *number)
        });
        let mut losses = Losses { queued: lost.count() as u64, ..self.losses };
        let timeline = self.timeline;
        // Moved one by one into their places: a copy of all sessions would stay in the heap.
        let sessions = (0..).zip(self.sessions).filter_map(|(key, session)| {
            let mut session = session?;
            let (was_there, left_ms) = (session.left_ms == 0, session.left_ms);
            if was_there {
                session.left_ms = now_ms;
            } else if now_ms > 0 {
                session.left_ms = timeline.departure_ms(left_ms);
            }
            if was_there {
                // Waiting messages may have been sent; later messages were not.
                session.queue.replay_sent(session.queue.end());
            }
            session.queue.settle(logs);
            session.forget_identified_from();
            losses.queued += session.queue.take_lost();
            if session.left_ms != left_ms {
                let (sent, time_ms) = (session.queue.sent(), session.left_ms);
                logs.disk.append(&Record::Detached { session: key, sent, time_ms });
            }
            Some((key, session))
        });
        let sessions = Sessions::restored(sessions, hashing);
        losses.queued += logs.missed();
        let mut catalog = Catalog::new(limits, hashing).with_sessions(sessions);
        catalog.timeline = timeline;
        catalog.has_copies = self.remote_qos2.range(super::Origin::FIRST_COPY..).next().is_some();
        catalog.remote_qos2 = self.remote_qos2;
        catalog.retained = self.retained;
        for store in &mut catalog.retained {
            let gone = store.iter().filter(|(_, kept)| !logs.hold_retained(kept.position));
            let gone: Vec<String> = gone.map(|(topic, _)| topic.to_owned()).collect();
            losses.retained += gone.len() as u64;
            for topic in gone {
                store.clear(&topic);
            }
        }
        for (start, holds) in self.holds {
            logs.disk.recall_holds(start, holds);
        }
        (catalog, losses)
    }

    /// The starts of segments of the checkpoint and of now, including missing ones.
    pub(super) fn starts(&self) -> impl Iterator<Item = u64> {
        self.holds.keys().copied()
    }

    fn session(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.sessions.get_mut(key as usize)?.as_mut()
    }

    fn end(&mut self, key: SessionKey) {
        if let Some(slot) = self.sessions.get_mut(key as usize) {
            *slot = None;
        }
    }

    fn put(&mut self, key: SessionKey, session: Session) {
        let at = key as usize;
        // The numbers of its messages are known from here on.
        self.sure_below.remove(&key);
        if at >= self.sessions.len() {
            self.sessions.resize_with(at + 1, || None);
            self.ages.resize(at + 1, 0);
        }
        if self.sessions[at].is_none() {
            self.ages[at] = self.came;
            self.came += 1;
        }
        self.sessions[at] = Some(session);
    }

    fn retained(&mut self, vhost: u16) -> &mut RetainStore {
        let at = usize::from(vhost);
        if at >= self.retained.len() {
            self.retained.resize_with(at + 1, RetainStore::default);
        }
        &mut self.retained[at]
    }
}
