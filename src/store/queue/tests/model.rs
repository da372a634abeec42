//! A model of a queue's behaviour, as simple as possible.

use super::*;

/// Handles one message after the other, by number.
#[derive(Clone, Default, Debug)]
pub(super) struct Model {
    /// Messages that are not completed; released ones have [`Entry::RELEASED`].
    pub(super) messages: BTreeMap<u64, Entry>,
    pub(super) next: u64,
    pub(super) sent: u64,
    pub(super) end: u64,
    /// The number after the last released message that was taken ahead of others.
    pub(super) owed: u64,
}

impl Model {
    pub(super) fn push(&mut self, entry: Entry) {
        self.messages.insert(self.end, entry);
        self.end += 1;
    }

    pub(super) fn unacked(&self) -> usize {
        self.messages.range(..self.next).count()
    }

    pub(super) fn waiting(&self) -> usize {
        self.messages.range(self.next..).count()
    }

    pub(super) fn take(&mut self, window: u16) -> Option<Next> {
        while let Some((number, entry)) = self.messages.range(self.next..).next()
            && (*entry, *number < self.owed) == (Entry::RELEASED, true)
        {
            self.next = number + 1;
        }
        if self.unacked() >= window.into() {
            let mut rest = self.messages.range(self.next.max(self.owed)..);
            let (number, _) = rest.find(|(_, entry)| **entry == Entry::RELEASED)?;
            self.owed = number + 1;
            return Some(Next::Release { packet_id: identifier(*number) });
        }
        let (number, entry) = self.messages.range(self.next..).next()?;
        let (number, entry) = (*number, *entry);
        let again = number < self.sent;
        self.next = number + 1;
        self.sent = self.sent.max(self.next);
        let packet_id = identifier(number);
        Some(match entry == Entry::RELEASED {
            true => Next::Release { packet_id },
            false => Next::Publish { entry, packet_id, number, again },
        })
    }

    pub(super) fn acknowledge(&mut self, packet_id: u16) -> Answer {
        let Some((number, entry)) = self.in_flight(packet_id) else { return Answer::Known };
        if entry.terms().exactly_once {
            return Answer::Wrong;
        }
        self.messages.remove(&number);
        Answer::Done
    }

    pub(super) fn release(&mut self, packet_id: u16) -> Answer {
        match self.in_flight(packet_id) {
            None | Some((_, Entry::RELEASED)) => Answer::Known,
            Some((_, entry)) if !entry.terms().exactly_once => Answer::Wrong,
            Some((number, _)) => {
                self.messages.insert(number, Entry::RELEASED);
                Answer::Done
            }
        }
    }

    pub(super) fn refuse(&mut self, packet_id: u16) -> Answer {
        match self.in_flight(packet_id) {
            None | Some((_, Entry::RELEASED)) => Answer::Known,
            Some((_, entry)) if !entry.terms().exactly_once => Answer::Wrong,
            Some((number, _)) => {
                self.messages.remove(&number);
                Answer::Done
            }
        }
    }

    pub(super) fn complete(&mut self, packet_id: u16) -> Answer {
        match self.in_flight(packet_id) {
            Some((number, Entry::RELEASED)) => {
                self.messages.remove(&number);
                Answer::Done
            }
            Some((number, _)) if number < self.next => Answer::Wrong,
            _ => Answer::Known,
        }
    }

    pub(super) fn drop_oldest_waiting(&mut self) -> bool {
        let waiting = self.messages.range(self.next..);
        let oldest = waiting.filter(|(_, entry)| **entry != Entry::RELEASED).map(|(at, _)| *at);
        let oldest = oldest.min();
        oldest.is_some_and(|number| self.messages.remove(&number).is_some())
    }

    pub(super) fn rewind(&mut self) {
        (self.next, self.owed) = (0, 0);
    }

    /// The number of the oldest message that was never sent.
    pub(super) fn oldest_unsent(&self) -> Option<u64> {
        self.messages.range(self.next.max(self.sent)..).next().map(|(number, _)| *number)
    }

    /// Whether sent messages wait to be sent again.
    pub(super) fn waits_again(&self) -> bool {
        self.messages.range(self.next..self.sent.max(self.next)).next().is_some()
    }

    pub(super) fn relocate(&mut self, range: &Range<u64>, moves: &BTreeMap<u64, Position>) -> u64 {
        let before = self.messages.len();
        self.messages.retain(|_, entry| {
            let Some(at) = entry.position().map(Position::offset) else { return true };
            if !range.contains(&at) {
                return true;
            }
            let new = moves.get(&at);
            new.is_some_and(|new| {
                *entry = Entry::stored(*new, entry.bytes(), entry.terms());
                true
            })
        });
        (before - self.messages.len()) as u64
    }

    fn in_flight(&self, packet_id: u16) -> Option<(u64, Entry)> {
        let mut sent = self.messages.range(..self.sent);
        let found = sent.find(|(number, _)| identifier(**number) == packet_id);
        found.map(|(number, entry)| (*number, *entry))
    }
}

fn identifier(number: u64) -> u16 {
    u16::try_from(number % 65_535 + 1).expect("in range")
}
