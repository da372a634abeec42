//! What clients have seen, and what they may see.

use super::lane_queue::Message;
use super::plan::Plan;

/// A member's client.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct Client {
    pub(super) connected: bool,
    /// The broker has a session of it.
    pub(super) has_session: bool,
    /// The broker waits for it.
    pub(super) awaited: bool,
    /// Messages that it was sent on this connection and has not answered, by identifier.
    pub(super) held: Vec<(u16, Message)>,
    /// The same of earlier connections of its session, and before the broker was killed.
    pub(super) before: Vec<(u16, Message)>,
    pub(super) crashed: Vec<(u16, Message)>,
    /// What it was sent on this connection.
    seen: Vec<Message>,
}

/// What is known of one message.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
struct Note {
    /// Its publisher has the PUBACK.
    promised: bool,
    /// A member has answered it.
    answered: bool,
    /// A member has answered it on the connection on which it was sent, and the broker has not been
    /// killed since.
    settled: bool,
    /// Each member that has answered it since the broker was killed last.
    answered_by: [bool; 2],
}

/// See the file.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct Oracle {
    pub(super) clients: [Client; 2],
    notes: [Note; 3],
}

impl Oracle {
    pub(super) fn promise(&mut self, message: Message) {
        self.notes[message].promised = true;
    }

    pub(super) fn begin(&mut self, at: usize) {
        let client = &mut self.clients[at];
        (client.connected, client.has_session, client.awaited) = (true, true, false);
        client.seen.clear();
    }

    /// A connection breaks; `durable`: the session stays.
    pub(super) fn end(&mut self, at: usize, durable: bool) {
        let client = &mut self.clients[at];
        client.connected = false;
        let held = std::mem::take(&mut client.held);
        client.before.retain(|(_, message)| held.iter().all(|(_, other)| other != message));
        client.before.extend(held);
        client.seen.clear();
        if !durable {
            client.before.clear();
            client.crashed.clear();
        }
        (client.has_session, client.awaited) = (durable, durable);
    }

    pub(super) fn crash(&mut self, plan: &Plan) {
        for at in 0..2 {
            let had = self.clients[at].has_session;
            self.end(at, plan.durable[at] && had);
            let client = &mut self.clients[at];
            client.awaited = false;
            client.crashed.append(&mut client.before);
        }
        for note in &mut self.notes {
            (note.settled, note.answered_by) = (false, [false; 2]);
        }
    }

    /// A client gets a message.
    ///
    /// # Errors
    /// What is wrong with that.
    pub(super) fn receive(
        &mut self,
        at: usize,
        (packet_id, again): (u16, bool),
        message: Message,
        plan: &Plan,
    ) -> Result<(), String> {
        let fail = |why: &str| Err(format!("{message} to {at} as {packet_id} ({again}): {why}"));
        let note = self.notes[message];
        if note.settled {
            return fail("it was acknowledged");
        }
        if note.answered_by[at] {
            return fail("it was acknowledged by this client");
        }
        if self.clients[at].seen.contains(&message) {
            return fail("it comes again on one connection");
        }
        let is_of_lane = |other: &Message| plan.messages[*other] == plan.messages[message];
        let others = &self.clients[1 - at].held;
        if others.iter().any(|(_, other)| is_of_lane(other)) {
            return fail("the other has messages of the lane");
        }
        let own = &self.clients[at];
        if own.seen.iter().any(|other| is_of_lane(other) && *other > message) {
            return fail("it is behind a later one");
        }
        let has = |other: &Message| own.held.iter().any(|(_, held)| held == other);
        if (0..message).any(|other| {
            let note = self.notes[other];
            is_of_lane(&other) && note.promised && !note.answered && !has(&other)
        }) {
            return fail("it overtakes an earlier one");
        }
        let same = |(id, other): &&(u16, Message)| *id == packet_id || *other == message;
        if own.held.iter().any(|held| same(&held)) {
            return fail("identifier or message are in flight");
        }
        let used = own.before.iter().find(|(id, _)| *id == packet_id);
        let mut taken = used.into_iter().chain(&own.crashed);
        if taken.any(|(id, other)| *id == packet_id && *other != message) {
            return fail("the client may still answer another message by it");
        }
        if again != used.is_some() {
            return fail("DUP does not tell whether it was sent with this identifier before");
        }
        let client = &mut self.clients[at];
        client.before.retain(|(_, other)| *other != message);
        client.held.push((packet_id, message));
        client.seen.push(message);
        if client.held.len() > plan.window as usize {
            return fail("the window is exceeded");
        }
        Ok(())
    }

    /// A client answers the message of one of its identifiers; returns it.
    pub(super) fn answer(&mut self, at: usize, nth: usize) -> u16 {
        let (packet_id, message) = self.clients[at].held.remove(nth);
        let note = &mut self.notes[message];
        (note.answered, note.settled, note.answered_by[at]) = (true, true, true);
        packet_id
    }

    /// The same for a message of an earlier connection.
    pub(super) fn answer_late(&mut self, at: usize, nth: usize) -> (u16, Message) {
        let client = &mut self.clients[at];
        let list = match nth.checked_sub(client.before.len()) {
            None => &mut client.before,
            Some(_) => &mut client.crashed,
        };
        let nth = nth.min(list.len() - 1);
        let (packet_id, message) = list.remove(nth);
        self.notes[message].answered = true;
        (packet_id, message)
    }

    /// The broker knows which message a late answer is for.
    pub(super) fn note_known(&mut self, at: usize, message: Message) {
        self.notes[message].answered_by[at] = true;
    }

    /// The first message that was promised, is not answered, and is not among `kept`.
    pub(super) fn missing(&self, kept: impl Fn(Message) -> bool) -> Option<Message> {
        let is_due = |message: &Message| {
            let note = self.notes[*message];
            note.promised && !note.answered && !kept(*message)
        };
        (0..self.notes.len()).find(is_due)
    }
}
