//! The oracle: positions of messages, as a back end relies on them that keeps the last one with its
//! results. A message whose number is not higher has come before; all others are new.

use std::collections::BTreeMap;

use ringmq::mqtt::Properties;

use crate::ledger::{Ledger, MessageId, SessionId};

/// The user property that asks for positions.
pub(crate) const ASKING: (&str, &str) = ("ringmq-position", "1");

/// Bytes that the properties of a position take at most.
pub(crate) const POSITION_BYTES_MAX: usize = 110;

/// The names of its user properties, in their order.
const NAMES: [&str; 3] = ["ringmq-epoch", "ringmq-number", "ringmq-stored"];

/// Where a message stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    epoch: String,
    number: u64,
}

impl Position {
    /// The position among user properties, and those before it.
    pub(crate) fn split<'a, 'b>(
        user: &'b [(&'a str, &'a str)],
    ) -> (&'b [(&'a str, &'a str)], Option<Self>) {
        let at = user.len().saturating_sub(NAMES.len());
        let (own, last) = user.split_at(at);
        let names = last.iter().map(|(name, _)| *name);
        if !names.eq(NAMES) {
            return (user, None);
        }
        let number = |value: &str| value.parse::<u64>().expect("a number");
        assert!(number(last[2].1) > 0, "it was stored at some time");
        let position = Self { epoch: last[0].1.to_owned(), number: number(last[1].1) };
        (own, Some(position))
    }

    /// The epoch that a CONNACK tells.
    pub(crate) fn epoch_in(properties: Properties<'_>) -> Option<String> {
        let mut user = properties.user_properties();
        user.find(|(name, _)| *name == NAMES[0]).map(|(_, epoch)| epoch.to_owned())
    }
}

/// The positions that a session's clients were told.
#[derive(Default, Debug)]
pub(crate) struct Positions {
    epoch: Option<String>,
    /// One more than the highest number.
    next: u64,
    known: BTreeMap<u64, Option<MessageId>>,
}

impl Ledger {
    /// A CONNACK has told a session's epoch: it is always the same. One that begins has that of no
    /// other session of its client; one that does not may be an older one, whose end a crash has
    /// undone.
    pub(crate) fn note_epoch(&mut self, session: SessionId, epoch: &str, begins: bool) {
        let owner = self.sessions[session].owner;
        let others = self.sessions.iter().enumerate().filter(|(at, _)| begins && *at != session);
        for (at, other) in others.filter(|(_, other)| other.owner == owner) {
            assert_ne!(other.positions.epoch.as_deref(), Some(epoch), "sessions {at}, {session}");
        }
        let known = &mut self.sessions[session].positions.epoch;
        let known = known.get_or_insert_with(|| epoch.to_owned());
        assert_eq!(*known, epoch, "session {session} has another epoch");
    }

    /// A message came with a position.
    pub(crate) fn judge_position(
        &mut self,
        session: SessionId,
        id: Option<MessageId>,
        position: &Position,
    ) {
        let Positions { epoch, next, known } = &mut self.sessions[session].positions;
        assert_eq!(epoch.as_ref(), Some(&position.epoch), "the epoch of the CONNACK");
        let number = position.number;
        if number >= *next {
            *next = number + 1;
            known.insert(number, id);
        } else {
            let before = known.get(&number);
            assert_eq!(before, Some(&id), "session {session}: {number} is passed over, and is new");
        }
    }
}
