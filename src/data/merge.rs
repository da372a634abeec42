//! Reads the queues of one store's sessions together, so that a message that waits in several of
//! them is written once.
//!
//! Each queue is read in its order. The next message is the oldest of the first messages of all
//! queues, by its time of arrival and then by its position; positions alone are in no order once
//! cleaning has moved messages. So sessions that wait for the same message mostly reach it
//! together.
//!
//! Reading takes the store apart in memory. Its files are not changed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::store::{NewMessage, Position, QueueEntry, QueueNext, SessionKey, Store, Target};

use super::error::DataError;
use super::writer::Writer;

/// Number of packet identifiers: it and a message's number determine the packet identifier.
const IDENTIFIERS: u64 = 65_535;

/// A session of the old store and its successor in the new one.
pub(super) struct Moved {
    pub(super) old: SessionKey,
    pub(super) new: SessionKey,
}

/// The result of a merge.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Merged {
    /// Messages of queues that were written; a message counts once for each queue.
    pub(super) queued: u64,
    /// Messages that could not be read.
    pub(super) lost: u64,
}

/// A queue that is being read.
struct Cursor {
    moved: Moved,
    /// Messages below this number were sent.
    sent: u64,
    /// The number after that of the last message.
    expected: u64,
    /// The number in the new queue of the last message that was sent.
    new_sent: u64,
    /// The latest arrival time of its messages so far.
    time_ms: u64,
    next: Option<Head>,
}

/// The first message of a queue.
#[derive(Clone, Copy)]
struct Head {
    number: u64,
    packet_id: u16,
    entry: QueueEntry,
}

/// Copies the queues of the old sessions to the new ones. A time of the old time line is `shift_ms`
/// later in the new one.
pub(super) fn merge(
    sessions: Vec<Moved>,
    shift_ms: i64,
    old: &mut Store,
    new: &mut Writer,
) -> Result<Merged, DataError> {
    let mut merged = Merged::default();
    let mut cursors: Vec<Cursor> =
        sessions.into_iter().map(|moved| Cursor::new(moved, old)).collect();
    let mut heap = BinaryHeap::new();
    for (at, cursor) in cursors.iter_mut().enumerate() {
        heap.extend(cursor.advance(old, new, &mut merged).map(|key| Reverse((key, at))));
    }
    let mut together = Vec::new();
    while let Some(Reverse((key, at))) = heap.pop() {
        together.push(at);
        while let Some(Reverse((_, at))) = heap.peek().copied().filter(|first| first.0.0 == key) {
            heap.pop();
            together.push(at);
        }
        for at in &together {
            cursors[*at].expect_next(new);
        }
        write(key.1, &together, &cursors, shift_ms, old, new);
        merged.queued += together.len() as u64;
        new.write_some()?;
        for at in together.drain(..) {
            let cursor = &mut cursors[at];
            cursor.pass(old, new);
            heap.extend(cursor.advance(old, new, &mut merged).map(|key| Reverse((key, at))));
        }
        old.logs.disk.end_turn();
    }
    for cursor in cursors {
        new.store.catalog.adopt_sent(cursor.moved.new, cursor.new_sent);
    }
    Ok(merged)
}

/// The order of the first messages of queues: by time and position.
type Key = (u64, u64);

/// Writes the message at an offset, for these sessions.
fn write(
    offset: u64,
    together: &[usize],
    cursors: &[Cursor],
    shift_ms: i64,
    old: &Store,
    new: &mut Writer,
) {
    let message = old.logs.disk.message(Position::durable(offset)).expect("it was read before");
    let Store { catalog, logs, .. } = &mut new.store;
    let mut targets = Vec::with_capacity(together.len());
    let mut own = None;
    for cursor in together.iter().map(|at| &cursors[*at]) {
        let terms = cursor.next.expect("it is the first of this queue").entry.terms();
        let (session, retain) = (cursor.moved.new, terms.retain);
        targets.push(Target { session, retain, exactly_once: terms.exactly_once });
        let identifiers = message.own_identifiers();
        let identifiers = identifiers.filter(|own| own.session == cursor.moved.old);
        own = own.or(identifiers.map(|own| own.of(session)));
    }
    let message = NewMessage {
        vhost: message.vhost,
        qos: message.qos,
        retain: false,
        time_ms: message.time_ms.saturating_add_signed(shift_ms),
        topic: message.topic,
        payload: message.payload,
        properties: message.properties,
        received: None,
        origin: None,
        own,
    };
    catalog.store(&message, &targets, logs);
}

impl Cursor {
    fn new(moved: Moved, old: &mut Store) -> Self {
        let mut session = old.catalog.session_mut(moved.old);
        session.rewind();
        let (sent, expected) = (session.queue.sent(), session.queue.first());
        Self { moved, sent, expected, new_sent: 0, time_ms: 0, next: None }
    }

    /// Advances to the next readable message, if there is one.
    fn advance(&mut self, old: &mut Store, new: &mut Writer, merged: &mut Merged) -> Option<Key> {
        loop {
            let Store { catalog, logs, .. } = old;
            let mut session = catalog.session_mut(self.moved.old);
            let next = session.take_next(u16::MAX, logs);
            merged.lost += session.take_lost();
            drop(session);
            match next? {
                QueueNext::Release { packet_id } => {
                    self.release(packet_id, new);
                    let mut session = catalog.session_mut(self.moved.old);
                    session.complete(packet_id, logs);
                    session.forget_acks();
                    merged.queued += 1;
                }
                QueueNext::Publish { entry, packet_id, number, .. } => {
                    self.next = Some(Head { number, packet_id, entry });
                    let position = entry.position().expect("it is in the log");
                    if let Some(message) = logs.disk.message(position) {
                        self.time_ms = self.time_ms.max(message.time_ms);
                        return Some((self.time_ms, position.offset()));
                    }
                    merged.lost += 1;
                    self.end(old);
                }
            }
        }
    }

    /// The next message is the one whose QoS 2 exchange the client must still complete.
    fn release(&mut self, packet_id: u16, new: &mut Writer) {
        let residue = u64::from(packet_id) - 1;
        let ahead = (residue + IDENTIFIERS - self.expected % IDENTIFIERS) % IDENTIFIERS;
        let number = self.expected + ahead;
        self.skip_to(number, new);
        let Store { catalog, logs, .. } = &mut new.store;
        catalog.session_mut(self.moved.new).push_released(logs);
        self.note_sent(number, new);
    }

    /// The next message is about to be pushed.
    fn expect_next(&mut self, new: &mut Writer) {
        let number = self.next.expect("it is the first of this queue").number;
        self.skip_to(number, new);
    }

    /// A message that was sent keeps its packet identifier; others have none.
    fn skip_to(&mut self, number: u64, new: &mut Writer) {
        if number < self.sent {
            let count = (number - self.expected) % IDENTIFIERS;
            let Store { catalog, logs, .. } = &mut new.store;
            let count = u16::try_from(count).expect("a remainder below 65,535");
            catalog.session_mut(self.moved.new).pass_over(count, logs);
        }
        self.expected = number + 1;
    }

    fn note_sent(&mut self, number: u64, new: &Writer) {
        if number < self.sent {
            self.new_sent = new.store.catalog.session(self.moved.new).queue.end();
        }
    }

    /// The message was written.
    fn pass(&mut self, old: &mut Store, new: &Writer) {
        let number = self.next.expect("it is the first of this queue").number;
        self.note_sent(number, new);
        self.end(old);
    }

    /// Removes the message from the old session.
    fn end(&mut self, old: &mut Store) {
        let Head { packet_id, entry, .. } = self.next.take().expect("it is there");
        let Store { catalog, logs, .. } = old;
        let mut session = catalog.session_mut(self.moved.old);
        if entry.terms().exactly_once {
            session.release(packet_id, logs);
            session.complete(packet_id, logs);
        } else {
            session.acknowledge(packet_id, logs);
        }
        session.forget_acks();
    }
}
