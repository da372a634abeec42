//! The state of one shard without its logs: sessions, retained messages, and the QoS 2 messages of
//! publishers on other shards.
//!
//! Invariant: each change to a durable session, or to a retained message, is appended to the log in
//! the same call, so recovery reads exactly the changes that were made. Acknowledgements are the
//! exception: they are appended at the end of the turn ([`Catalog::write_acks`]).
//! [`super::Log::committed`] tells which changes are on disk. A session's queue is changed only
//! through [`SessionMut`], which keeps totals and notes up to date.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};

use super::hashing::Hashing;
use super::logs::Logs;
use super::own_identifiers::OwnIdentifiers;
use super::position::Position;
use super::queue::{Entry as QueueEntry, QueueLog, Terms as QueueTerms};
use super::record::{AcksRecord, MessageRecord, Origin, Record, SessionKey, Target, Targets};
use super::retained::{RetainStore, Retained};
use super::session::{Holder, LANE, Session};
use super::session_mut::{SessionMut, SessionTotals};
use super::sessions::Sessions;
use super::subscription::SubscriptionOptions;
use super::timeline::{ClockReading, Gap, Timeline};

/// Bounds of a shard's catalog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CatalogLimits {
    /// Retained messages.
    pub retained_count_max: u64,
    /// Bytes of their records.
    pub retained_bytes_max: u64,
}

/// A message to be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewMessage<'a> {
    /// The number of the vhost.
    pub vhost: u16,
    /// The QoS of its publication, 0 to 2.
    pub qos: u8,
    /// Whether it becomes its topic's retained message; then its payload is not empty.
    pub retain: bool,
    /// The time on the time line, in milliseconds.
    pub time_ms: u64,
    /// Topic name.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
    /// The properties (MQTT 5) that each receiver gets, encoded as in a packet; none for earlier
    /// versions. Properties that depend on the receiver are not among them. If the message expires,
    /// they begin with the Message Expiry Interval of the publication: `02` and 4 bytes, big
    /// endian.
    pub properties: &'a [u8],
    /// The session and packet identifier of a QoS 2 publisher here.
    pub received: Option<(SessionKey, u16)>,
    /// The origin of a QoS 2 message from another shard.
    pub origin: Option<Origin>,
    /// The subscription identifiers of one target's copy, if they are not those of all its matching
    /// subscriptions.
    pub own: Option<OwnIdentifiers<'a>>,
}

/// See the module.
pub struct Catalog {
    pub(super) sessions: Sessions,
    /// Totals of the sessions of each vhost.
    totals: Vec<SessionTotals>,
    /// The time line, which tells how old something is.
    pub timeline: Timeline,
    pub(super) limits: CatalogLimits,
    /// By vhost.
    pub(super) retained: Vec<RetainStore>,
    /// QoS 2 messages of publishers on other shards that are not released.
    pub(super) remote_qos2: BTreeSet<Origin>,
    /// Whether some of them name the copies of single sessions.
    pub(super) has_copies: bool,
    /// Starts of segments with messages that do not name all sessions that wait for them, because
    /// they were sent to these sessions as retained messages. All segments that were found at the
    /// start may be such.
    unlisted: BTreeSet<u64>,
    unlisted_below: u64,
    /// Offsets of the segment that is being cleaned, and the sessions that were sent retained
    /// messages in it since then.
    watched: Range<u64>,
    late_unlisted: Vec<(SessionKey, Position)>,
    /// Sessions with acknowledgements to write.
    noted: Vec<SessionKey>,
    /// Memory for the encoded targets of a message.
    encoded: Vec<u8>,
}

impl Catalog {
    pub(super) fn new(limits: CatalogLimits, hashing: &Hashing) -> Self {
        Self {
            sessions: Sessions::new(hashing),
            totals: Vec::new(),
            timeline: Timeline::default(),
            limits,
            retained: Vec::new(),
            remote_qos2: BTreeSet::new(),
            has_copies: false,
            unlisted: BTreeSet::new(),
            unlisted_below: 0,
            watched: 0..0,
            late_unlisted: Vec::new(),
            noted: Vec::new(),
            encoded: Vec::new(),
        }
    }

    /// Sets the sessions that recovery has found.
    pub(super) fn with_sessions(self, sessions: Sessions) -> Self {
        let mut catalog = Self { sessions, ..self };
        let keys: Vec<SessionKey> = catalog.sessions.keys_from(0).collect();
        for key in keys {
            let vhost = catalog.session(key).vhost;
            let is_lane = catalog.session(key).is_lane();
            catalog.totals_mut(vhost).sessions += u64::from(!is_lane);
            // Dropping the guard counts the waiting messages.
            drop(catalog.session_mut(key));
        }
        catalog
    }

    /// All sessions of the shard.
    #[inline]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// # Panics
    /// If the session has ended: holders of keys drop them with the session.
    #[inline]
    pub fn session(&self, key: SessionKey) -> &Session {
        self.sessions.get(key)
    }

    /// A session for changes.
    ///
    /// # Panics
    /// As [`Catalog::session`].
    #[inline]
    pub fn session_mut(&mut self, key: SessionKey) -> SessionMut<'_> {
        let session = self.sessions.get_mut(key);
        let totals = &mut self.totals[usize::from(session.vhost)];
        SessionMut { key, session, totals, noted: &mut self.noted, timeline: &self.timeline }
    }

    /// Totals of the sessions of a vhost.
    #[inline]
    pub fn totals(&self, vhost: u16) -> SessionTotals {
        self.totals.get(usize::from(vhost)).copied().unwrap_or_default()
    }

    fn totals_mut(&mut self, vhost: u16) -> &mut SessionTotals {
        let at = usize::from(vhost);
        if at >= self.totals.len() {
            self.totals.resize(at + 1, SessionTotals::default());
        }
        &mut self.totals[at]
    }

    /// Notes the time of the clocks at which the log was opened, before the owner appends to it.
    pub fn begin_time(&mut self, logs: &mut Logs) {
        logs.disk.append(&Record::Clock(self.timeline.mark_start()));
    }

    /// Handles a reading of the clocks that is not newer than `time_ms`; returns a gap of the time
    /// line that was not known before.
    pub fn look_at_clocks(
        &mut self,
        clocks: ClockReading,
        time_ms: u64,
        logs: &mut Logs,
    ) -> Option<Gap> {
        let gap = self.timeline.look(clocks, time_ms);
        self.capture_time(gap.is_some(), logs);
        gap
    }

    /// Appends the state of the time line, and its gaps if asked for.
    pub(super) fn capture_time(&self, with_gaps: bool, logs: &mut Logs) {
        let (mark, gaps) = self.timeline.captured();
        if with_gaps && !gaps.is_empty() {
            logs.disk.append(&Record::Gaps(gaps.to_vec()));
        }
        if let Some(mark) = mark {
            logs.disk.append(&Record::Clock(mark));
        }
    }

    /// Opens a session; the client must not have one.
    pub fn open_session(
        &mut self,
        vhost: u16,
        client_id: &str,
        clean: bool,
        time_ms: u64,
        logs: &mut Logs,
    ) -> SessionKey {
        let session = self.sessions.insert(vhost, client_id, clean);
        let (totals, is_lane) = (self.totals_mut(vhost), client_id.starts_with(LANE));
        totals.sessions += u64::from(!is_lane);
        totals.clean += u64::from(clean && !is_lane);
        if !clean {
            let opened = Record::SessionOpened { session, vhost, time_ms, client_id };
            let position = logs.append_promised(&opened);
            self.sessions.get_mut(session).serial = logs.disk.mark_of(position);
        }
        session
    }

    /// Ends a session with its waiting messages; returns its subscriptions.
    pub fn end_session(&mut self, key: SessionKey, logs: &mut Logs) -> super::Subscriptions {
        let mut session = self.sessions.remove(key);
        let totals = self.totals_mut(session.vhost);
        totals.sessions -= u64::from(!session.is_lane());
        totals.clean -= u64::from(session.clean && !session.is_lane());
        totals.queued_bytes -= session.counted_bytes;
        session.queue.drain(logs);
        if !session.clean {
            logs.append_promised(&Record::SessionEnded { session: key });
        }
        session.subscriptions
    }

    /// Attaches a client to a session.
    pub fn attach(&mut self, key: SessionKey, holder: Holder, logs: &mut Logs) {
        let session = self.sessions.get_mut(key);
        session.holder = Some(holder);
        session.left_ms = 0;
        session.queue.rewind();
        if !session.clean {
            logs.append_promised(&Record::Attached { session: key });
        }
    }

    /// Sets the owner of the session: the user name of its client; `None`: no user.
    pub fn set_owner(&mut self, key: SessionKey, user: Option<&str>, logs: &mut Logs) {
        let session = self.sessions.get_mut(key);
        if session.owner() != user {
            session.set_owner(user.unwrap_or_default());
            if !session.clean {
                let user = user.unwrap_or_default();
                logs.append_promised(&Record::Owner { session: key, user });
            }
        }
    }

    /// Detaches the client of a session.
    pub fn detach(&mut self, key: SessionKey, time_ms: u64, logs: &mut Logs) {
        let session = self.sessions.get_mut(key);
        session.holder = None;
        session.left_ms = time_ms;
        session.queue.rewind();
        if !session.clean {
            let sent = session.queue.sent();
            logs.disk.append(&Record::Detached { session: key, sent, time_ms });
        }
    }

    /// Notes with a group's lane 0 that the group has members (`None`), or since when it has none.
    pub fn set_memberless(&mut self, key: SessionKey, since_ms: Option<u64>, logs: &mut Logs) {
        let session = self.sessions.get_mut(key);
        session.left_ms = since_ms.unwrap_or(0);
        if !session.clean {
            match since_ms {
                None => {
                    logs.append_promised(&Record::Attached { session: key });
                }
                Some(time_ms) => {
                    let sent = session.queue.sent();
                    logs.disk.append(&Record::Detached { session: key, sent, time_ms });
                }
            }
        }
    }

    /// Reserves the numbers of leases below `below` for a durable session. No other message gets
    /// their packet identifiers after the next start. They may be used once the record is
    /// committed.
    pub fn reserve_leases(&mut self, key: SessionKey, below: u64, logs: &mut Logs) {
        let session = self.sessions.get_mut(key);
        session.set_leases_below(below);
        logs.append_promised(&Record::Leases { session: key, below });
    }

    /// Notes that so many members were lost one after the other with a lane's message of this
    /// number, so that they count when the broker starts again.
    pub fn note_losses(&mut self, lane: SessionKey, number: u64, losses: u8, logs: &mut Logs) {
        let session = self.sessions.get_mut(lane);
        if session.is_lane() && !session.clean {
            let below = number << 8 | u64::from(losses);
            session.set_leases_below(below);
            logs.append_promised(&Record::Leases { session: lane, below });
        }
    }

    /// Sets what a filter is granted; `None` if the session may not have another.
    pub fn subscribe(
        &mut self,
        key: SessionKey,
        filter: &str,
        options: SubscriptionOptions,
        logs: &mut Logs,
    ) -> Option<()> {
        let session = self.sessions.get_mut(key);
        session.subscribe(filter, options)?;
        if !session.clean {
            logs.append_promised(&Record::Subscribed { session: key, options, filter });
        }
        Some(())
    }

    /// Removes a filter; returns whether the session had it.
    pub fn unsubscribe(&mut self, key: SessionKey, filter: &str, logs: &mut Logs) -> bool {
        let session = self.sessions.get_mut(key);
        let found = session.unsubscribe(filter);
        if found && !session.clean {
            logs.append_promised(&Record::Unsubscribed { session: key, filter });
        }
        found
    }

    /// Replaces the limits. Retained messages beyond the new limits stay.
    pub fn set_limits(&mut self, limits: CatalogLimits) {
        self.limits = limits;
    }

    /// Whether a message may be retained: there is room, also within the vhost's `vhost_bytes_max`,
    /// or the message replaces one that is not smaller.
    pub fn may_retain(&self, message: &NewMessage<'_>, vhost_bytes_max: u64) -> bool {
        let store = self.retained(message.vhost);
        let vhost_bytes = store.map_or(0, RetainStore::bytes);
        let known = store.and_then(|store| store.get(message.topic));
        let count = self.retained.iter().map(|store| store.len() as u64).sum::<u64>();
        let bytes = self.retained.iter().map(RetainStore::bytes).sum::<u64>();
        let room = self.limits.retained_bytes_max.saturating_sub(bytes);
        let room = room.min(vhost_bytes_max.saturating_sub(vhost_bytes));
        let needed = message.topic.len() + message.payload.len() + message.properties.len();
        let needed = needed as u64;
        needed <= room + known.map_or(0, |known| known.bytes.into())
            && (known.is_some() || count < self.limits.retained_count_max)
    }

    /// Stores a message for sessions and as the retained one; returns its position and size.
    pub fn store(
        &mut self,
        message: &NewMessage<'_>,
        targets: &[Target],
        logs: &mut Logs,
    ) -> Retained {
        self.encoded.clear();
        let own = message.own.filter(|own| targets.iter().any(|to| to.session == own.session));
        if let Some(own) = own {
            // The record has them for its first target.
            let is_first = |to: &&Target| to.session == own.session;
            targets.iter().filter(is_first).for_each(|to| to.put(&mut self.encoded));
            let others = targets.iter().filter(|to| !is_first(to));
            others.for_each(|to| to.put(&mut self.encoded));
        } else {
            targets.iter().for_each(|target| target.put(&mut self.encoded));
        }
        let record = MessageRecord {
            vhost: message.vhost,
            qos: message.qos,
            retained: message.retain,
            time_ms: message.time_ms,
            topic: message.topic,
            payload: message.payload,
            properties: message.properties,
            moved_from: None,
            received: message.received,
            origin: message.origin,
            targets: Targets(&self.encoded),
            own: own.map(|own| own.encoded),
        };
        let (bytes, deadline_s) = (record.own_bytes(), record.deadline_s());
        let position = logs.disk.append(&Record::Message(record));
        let stored = Retained { position, bytes, deadline_s };
        for target in targets {
            let terms = QueueTerms { retain: target.retain, exactly_once: target.exactly_once };
            let entry = QueueEntry::stored(position, bytes, terms);
            self.session_mut(target.session).push(entry, logs);
        }
        // The retained message may replace one that is lost in a crash.
        if message.retain || message.received.is_some() || message.origin.is_some() {
            logs.promise_turn();
        }
        if let Some((session, packet_id)) = message.received {
            self.sessions.get_mut(session).receive(packet_id);
        }
        self.remote_qos2.extend(message.origin);
        if message.retain {
            logs.hold(position, 1);
            if let Some(before) = self.retained_mut(message.vhost).set(message.topic, stored) {
                logs.release(before.position, 1);
            }
        }
        stored
    }

    /// Queues a message for a session that is stored already because it is retained.
    pub fn queue_retained(&mut self, target: Target, retained: Retained, logs: &mut Logs) {
        let Retained { position, bytes, .. } = retained;
        logs.disk.append(&Record::Queued { target, position, bytes });
        self.expect_unlisted(position, logs);
        if self.watched.contains(&position.offset()) {
            self.late_unlisted.push((target.session, position));
        }
        let terms = QueueTerms { retain: target.retain, exactly_once: target.exactly_once };
        self.session_mut(target.session).push(QueueEntry::stored(position, bytes, terms), logs);
    }

    /// Whether sessions may wait for messages of a segment that do not name them.
    pub(super) fn has_unlisted(&self, start: u64) -> bool {
        start < self.unlisted_below || self.unlisted.contains(&start)
    }

    /// Makes [`Self::has_unlisted`] true below `end`, because it is unknown for older segments.
    pub(super) fn expect_unlisted_below(&mut self, end: u64) {
        self.unlisted_below = end;
    }

    /// Notes that sessions may wait for this message without being named by it.
    pub(super) fn expect_unlisted(&mut self, position: Position, logs: &Logs) {
        self.unlisted.extend(logs.disk.segment_of(position));
    }

    /// From now on, notes each session that is sent a retained message of this segment.
    pub(super) fn watch_unlisted(&mut self, segment: Range<u64>) {
        self.watched = segment;
        self.late_unlisted.clear();
    }

    /// Takes the sessions that were noted.
    pub(super) fn take_late_unlisted(&mut self) -> Vec<(SessionKey, Position)> {
        std::mem::take(&mut self.late_unlisted)
    }

    /// Notes that a segment was cleaned.
    pub(super) fn forget_unlisted(&mut self, start: u64) {
        self.unlisted.remove(&start);
        self.watch_unlisted(0..0);
    }

    /// Clears the retained message of a topic; returns whether there was one.
    pub fn clear_retained(&mut self, vhost: u16, topic: &str, logs: &mut Logs) -> bool {
        let Some(before) = self.retained_mut(vhost).clear(topic) else { return false };
        logs.append_promised(&Record::Cleared { vhost, topic });
        logs.release(before.position, 1);
        true
    }

    /// Clears all retained messages of a vhost; returns how many there were.
    pub fn clear_all_retained(&mut self, vhost: u16, logs: &mut Logs) -> usize {
        let mut topics = Vec::new();
        if let Some(store) = self.retained(vhost) {
            let _end = store.scan("", None, usize::MAX, |topic, _| {
                topics.push(topic.to_owned());
                ControlFlow::Continue(())
            });
        }
        topics.iter().for_each(|topic| {
            self.clear_retained(vhost, topic, logs);
        });
        topics.len()
    }

    /// The vhosts that may have retained messages.
    pub fn retained_vhosts(&self) -> Range<u16> {
        0..u16::try_from(self.retained.len()).expect("named by 16 bits")
    }

    /// The retained messages of a vhost; `None` if it never had any.
    pub fn retained(&self, vhost: u16) -> Option<&RetainStore> {
        self.retained.get(usize::from(vhost))
    }

    pub(super) fn retained_mut(&mut self, vhost: u16) -> &mut RetainStore {
        let at = usize::from(vhost);
        if at >= self.retained.len() {
            self.retained.resize_with(at + 1, RetainStore::default);
        }
        &mut self.retained[at]
    }

    /// Notes the identifier of a QoS 2 message that is not stored here; returns whether it is new.
    pub fn receive(&mut self, key: SessionKey, packet_id: u16, logs: &mut Logs) -> bool {
        let session = self.sessions.get_mut(key);
        let new = session.receive(packet_id);
        if new && !session.clean {
            logs.append_promised(&Record::Received { session: key, packet_id });
        }
        new
    }

    /// Frees an identifier after PUBREL [MQTT-4.3.3-2]; returns whether it was in use.
    pub fn free(&mut self, key: SessionKey, packet_id: u16, logs: &mut Logs) -> bool {
        let session = self.sessions.get_mut(key);
        let was = session.free(packet_id);
        if was && !session.clean {
            logs.append_promised(&Record::Freed { session: key, packet_id });
        }
        was
    }

    /// The QoS 2 messages of publishers on other shards that are not released, in order.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        self.remote_qos2.iter().copied()
    }

    /// Whether a QoS 2 message of a publisher on another shard came before.
    pub fn has_origin(&self, origin: &Origin) -> bool {
        self.remote_qos2.contains(origin)
    }

    /// Notes a QoS 2 message of a publisher on another shard that is not stored here.
    pub fn note_origin(&mut self, origin: Origin, logs: &mut Logs) {
        if self.remote_qos2.insert(origin) {
            logs.append_promised(&Record::Origins(vec![origin]));
        }
    }

    /// Frees the origin of a message that a publisher on another shard has released.
    pub fn free_origin(&mut self, origin: Origin, logs: &mut Logs) {
        if self.remote_qos2.remove(&origin) {
            logs.append_promised(&Record::FreedElsewhere(origin));
        }
        if self.has_copies {
            self.free_copies(origin, logs);
        }
    }

    /// Notes that a session has a QoS 2 message that other sessions of this shard may not have.
    pub fn note_copy(&mut self, origin: Origin, key: SessionKey, logs: &mut Logs) {
        self.note_origin(origin.copy_of(self.sessions.get(key).serial), logs);
        self.has_copies = true;
    }

    /// Whether there are such notes.
    #[inline]
    pub fn has_copies(&self) -> bool {
        self.has_copies
    }

    /// Whether a session has a repeated QoS 2 message already.
    pub fn has_copy(&self, origin: Origin, key: SessionKey) -> bool {
        self.has_copies && self.has_origin(&origin.copy_of(self.sessions.get(key).serial))
    }

    #[cold]
    fn free_copies(&mut self, origin: Origin, logs: &mut Logs) {
        for key in self.sessions.keys_from(0) {
            let copy = origin.copy_of(self.sessions.get(key).serial);
            if self.remote_qos2.remove(&copy) {
                logs.append_promised(&Record::FreedElsewhere(copy));
            }
        }
        self.has_copies = self.remote_qos2.range(Origin::FIRST_COPY..).next().is_some();
    }

    /// Returns memory of ended sessions, `slots_max` of them at most, and of large fan-outs;
    /// returns whether there is more to do.
    pub fn reclaim(&mut self, slots_max: usize) -> bool {
        self.noted.shrink_to(0);
        self.encoded = Vec::new();
        self.sessions.reclaim(slots_max)
    }

    /// Appends the acknowledgements that were noted since the last call.
    pub fn write_acks(&mut self, logs: &mut Logs) {
        for key in self.noted.drain(..) {
            // The session may have ended, and its key may belong to another.
            let Some(session) = self.sessions.try_get_mut(key) else { continue };
            session.noted = false;
            if let Some(acks) = session.queue.take_acks() {
                let (first, gone, released) = (acks.first, acks.gone, acks.released);
                if !released.is_empty() {
                    logs.promise_turn();
                }
                let acks = AcksRecord { session: key, first, gone, released };
                logs.disk.append(&Record::Acks(acks));
            }
        }
    }
}
