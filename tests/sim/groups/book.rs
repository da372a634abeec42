//! The oracle of groups: what was published, who has it, and who has answered it.
//!
//! A *stream* is one topic of one publisher. A message is *settled* when the member that answered
//! it has heard of something that the broker did later: then the broker has the answer.

use std::collections::BTreeMap;

use ringmq::mqtt::{Publish, QoS};

/// Bytes at the start of a payload that hold the message's number.
const NUMBER_BYTES: usize = 4;

/// An answer that is older than this when the broker dies is on its disk, if that is well.
const WRITTEN_MS: u64 = 5_000;

/// Starts of the broker after which identifiers may come round again: each skips 8,192 of them, and
/// those that were used.
const STRIDES: usize = 3;

pub(super) type MessageId = usize;

/// A message.
#[derive(Debug)]
struct Note {
    stream: usize,
    qos: QoS,
    /// The connection that it was published on: what follows on it is behind it.
    conn: usize,
    bytes: usize,
    /// Its publisher has the broker's promise.
    acked: bool,
    /// The group must have it: it was there, and has not lost its memory since.
    counts: bool,
    /// A member has answered it, or was granted no more than QoS 0.
    answered: bool,
    settled_ms: Option<u64>,
    received: u32,
}

/// What a member has of the group.
#[derive(Default, Debug)]
struct Hold {
    /// The connection that it has.
    conn: Option<usize>,
    /// Whether it has asked for a new session, and does not know whether it got one.
    may_be_new: bool,
    /// Messages that it had on this connection and has not answered.
    in_flight: Vec<(u16, MessageId)>,
    /// Those of the connection before, in the same session.
    before: BTreeMap<MessageId, u16>,
    /// Identifiers that it had in this session when the broker died, and for which time that was.
    crashed: BTreeMap<u16, (MessageId, usize)>,
    /// The last that came on this connection, by stream.
    last: BTreeMap<usize, MessageId>,
    /// What it answered since its last PINGREQ, and before those that wait.
    answered: Vec<MessageId>,
    pings: Vec<Vec<MessageId>>,
}

/// How a message came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) member: usize,
    /// On a session that was there.
    pub(super) resumed: bool,
    /// Messages that the member takes at once.
    pub(super) window: usize,
}

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Book {
    notes: Vec<Note>,
    /// The topic of each stream, and its messages of QoS 1.
    streams: Vec<(String, Vec<MessageId>)>,
    holds: Vec<Hold>,
    /// The group is there, and does not end.
    pub(super) group_lives: bool,
    /// Some members are granted QoS 0: what they are sent is done with.
    pub(super) is_loose: bool,
    pub(super) now_ms: u64,
    crashes: usize,
    tells: bool,
}

impl Book {
    pub(super) fn new(members: usize, tells: bool) -> Self {
        let holds = (0..members).map(|_| Hold::default()).collect();
        Self { holds, tells, ..Self::default() }
    }

    /// Prints an event, if somebody wants to read the story of a run.
    pub(super) fn tell(&self, story: impl FnOnce() -> String) {
        if self.tells {
            println!("{:>7} ms {}", self.now_ms, story());
        }
    }

    pub(super) fn add_stream(&mut self, topic: String) -> usize {
        self.streams.push((topic, Vec::new()));
        self.streams.len() - 1
    }

    pub(super) fn topic(&self, stream: usize) -> &str {
        &self.streams[stream].0
    }

    /// A message is published.
    pub(super) fn add(&mut self, stream: usize, qos: QoS, conn: usize, bytes: usize) -> MessageId {
        let id = self.notes.len();
        self.notes.push(Note {
            stream,
            qos,
            conn,
            bytes: bytes.max(NUMBER_BYTES),
            acked: false,
            counts: self.group_lives,
            answered: false,
            settled_ms: None,
            received: 0,
        });
        if qos > QoS::AtMostOnce {
            self.streams[stream].1.push(id);
        }
        id
    }

    pub(super) fn payload(&self, id: MessageId) -> Vec<u8> {
        let number = u32::try_from(id).expect("few messages").to_le_bytes();
        let filler = |at: usize| (id * 31 + at).to_le_bytes()[0];
        let bytes = self.notes[id].bytes;
        (0..bytes).map(|at| number.get(at).copied().unwrap_or_else(|| filler(at))).collect()
    }

    pub(super) fn note_puback(&mut self, id: MessageId) {
        self.notes[id].acked = true;
    }

    /// A member asks for a new session. If it never hears the answer, it may find that one later.
    pub(super) fn ask_for_new_session(&mut self, member: usize) {
        self.holds[member].may_be_new = true;
    }

    /// A member has a connection, of the session that it had if `resumed`.
    pub(super) fn begin(&mut self, member: usize, conn: usize, resumed: bool) {
        let hold = &mut self.holds[member];
        hold.conn = Some(conn);
        if std::mem::take(&mut hold.may_be_new) || !resumed {
            hold.before.clear();
            hold.crashed.clear();
        }
    }

    /// A member has lost its connection: what it has not answered goes elsewhere, or comes again.
    pub(super) fn end(&mut self, member: usize) {
        let hold = &mut self.holds[member];
        hold.conn = None;
        let in_flight = std::mem::take(&mut hold.in_flight);
        hold.before = in_flight.into_iter().map(|(packet_id, id)| (id, packet_id)).collect();
        hold.last.clear();
        hold.answered.clear();
        hold.pings.clear();
    }

    /// Judges a message that came to a member; whether it is to be answered.
    pub(super) fn receive(&mut self, topic: &str, publish: &Publish<'_>, at: Arrival) {
        let number = publish.payload.first_chunk::<NUMBER_BYTES>().expect("all have their number");
        let id = u32::from_le_bytes(*number) as usize;
        assert!(id < self.notes.len(), "a payload that nobody sent: {publish:?}");
        assert_eq!(self.payload(id), publish.payload, "message {id} has changed");
        assert_eq!(self.topic(self.notes[id].stream), topic, "message {id} has changed its topic");
        assert!(!publish.retain, "nothing is retained here: {publish:?}");
        self.notes[id].received += 1;
        if self.notes[id].qos == QoS::AtMostOnce {
            assert_eq!(publish.qos, QoS::AtMostOnce, "{id}");
            // Rule 11.
            assert_eq!(self.notes[id].received, 1, "{id} was of QoS 0 and came again");
            return;
        }
        // Rule 4.
        assert!(self.notes[id].settled_ms.is_none(), "{id} was answered and comes again: {at:?}");
        let Some(packet_id) = publish.packet_id.map(|packet_id| packet_id.get()) else {
            assert!(self.is_loose, "{id} came at QoS 0: {publish:?}");
            self.notes[id].answered = true;
            return;
        };
        assert_eq!(publish.qos, QoS::AtLeastOnce, "{id}");
        self.judge_place(id, at);
        self.judge_identifier(id, (packet_id, publish.dup), at);
        let hold = &mut self.holds[at.member];
        hold.in_flight.push((packet_id, id));
        // Rule 7.
        let count = hold.in_flight.len();
        assert!(count <= at.window, "{count} messages in flight, {at:?}");
    }

    /// Rules 2 and 3: the messages of a stream are with one member, and in order.
    fn judge_place(&mut self, id: MessageId, at: Arrival) {
        let stream = self.notes[id].stream;
        let last = self.holds[at.member].last.insert(stream, id);
        assert!(last.is_none_or(|last| last < id), "{id} came behind {last:?}: {at:?}");
        if self.is_loose {
            return;
        }
        for (other, hold) in self.holds.iter().enumerate().filter(|(other, _)| *other != at.member)
        {
            let of_it = |(_, held): &&(u16, MessageId)| self.notes[*held].stream == stream;
            let held = hold.in_flight.iter().find(of_it);
            assert!(held.is_none(), "{id} came to {at:?}, and {other} has {held:?}");
        }
        let own = &self.holds[at.member].in_flight;
        for before in self.streams[stream].1.iter().take_while(|before| **before < id) {
            let note = &self.notes[*before];
            let is_sure = note.acked || note.conn == self.notes[id].conn;
            let is_had = note.answered || own.iter().any(|(_, held)| held == before);
            assert!(!note.counts || !is_sure || is_had, "{id} came before {before}: {at:?}");
        }
    }

    /// Rule 6: DUP is of the same session and identifier, and nothing comes twice.
    fn judge_identifier(&self, id: MessageId, (packet_id, dup): (u16, bool), at: Arrival) {
        let hold = &self.holds[at.member];
        let is_used = hold.in_flight.iter().any(|(used, held)| *used == packet_id || *held == id);
        assert!(!is_used, "{id} as {packet_id} to {at:?}, which has {:?}", hold.in_flight);
        assert!(!dup || at.resumed, "{id} has DUP in a new session: {at:?}");
        let crashed = hold.crashed.get(&packet_id);
        let is_past = |crash: usize| crash + STRIDES < self.crashes;
        let is_free = crashed.is_none_or(|(before, crash)| *before == id || is_past(*crash));
        assert!(is_free, "{id} is {packet_id}, which was {crashed:?} before a crash: {at:?}");
        if let Some(before) = hold.before.get(&id) {
            let is_same = *before == packet_id;
            assert!(!dup || is_same, "{id} was {before} and is {packet_id} with DUP: {at:?}");
            assert!(dup || !is_same, "{id} is {packet_id} again without DUP: {at:?}");
        }
    }

    /// A member answers.
    pub(super) fn answer(&mut self, member: usize, packet_id: u16) {
        let hold = &mut self.holds[member];
        let found = hold.in_flight.iter().position(|(used, _)| *used == packet_id);
        let (_, id) = hold.in_flight.remove(found.expect("it answers what it has"));
        hold.answered.push(id);
        hold.before.remove(&id);
        self.notes[id].answered = true;
    }

    pub(super) fn note_pingreq(&mut self, member: usize) {
        let hold = &mut self.holds[member];
        let answered = std::mem::take(&mut hold.answered);
        hold.pings.push(answered);
    }

    pub(super) fn note_pingresp(&mut self, member: usize) {
        for id in self.holds[member].pings.remove(0) {
            self.notes[id].settled_ms.get_or_insert(self.now_ms);
        }
    }

    /// The broker has died: answers that its disk may not have are forgotten, and with them all
    /// messages of a group in memory.
    pub(super) fn on_crash(&mut self, durable: bool, is_disk_well: bool) {
        let now_ms = self.now_ms;
        self.crashes += 1;
        for note in &mut self.notes {
            note.counts &= durable;
            let is_written = |ms: &u64| is_disk_well && ms + WRITTEN_MS < now_ms;
            note.settled_ms = note.settled_ms.filter(is_written);
        }
        for hold in &mut self.holds {
            let in_flight = hold.in_flight.drain(..);
            hold.crashed.extend(in_flight.map(|(packet_id, id)| (packet_id, (id, self.crashes))));
        }
        (0..self.holds.len()).for_each(|member| self.end(member));
    }

    /// Rule 1: what was promised and no member has answered.
    pub(super) fn missing(&self) -> Vec<MessageId> {
        // What a member has at QoS 0 is lost with its connection.
        let is_due =
            |note: &Note| note.acked && note.counts && note.qos > QoS::AtMostOnce && !self.is_loose;
        let missing = |id: &MessageId| is_due(&self.notes[*id]) && !self.notes[*id].answered;
        (0..self.notes.len()).filter(missing).collect()
    }

    /// For the story of a run that got stuck.
    pub(super) fn describe(&self, id: MessageId) -> String {
        format!("{id}: {:?}; members: {:?}", self.notes[id], self.holds)
    }
}
