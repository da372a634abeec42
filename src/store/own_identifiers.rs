//! Subscription identifiers (MQTT 5, 3.3.2.3.8) that are recorded with a message, for one session's
//! copy of it.
//!
//! Mostly they are those of all the session's subscriptions that match the topic, and are not
//! recorded. They are others if some of the subscriptions did not cause the copy: those with No
//! Local, if the session's own client published the message; all but one, if the copy answers a
//! subscription to a retained message.
//!
//! Each identifier is a *v*.

use super::cursor::{Cursor, put_varint};
use super::record::SessionKey;

/// See the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnIdentifiers<'a> {
    /// The session.
    pub session: SessionKey,
    /// The encoded identifiers.
    pub(super) encoded: &'a [u8],
}

impl<'a> OwnIdentifiers<'a> {
    /// The identifiers of a session's copy, as [`OwnIdentifiers::put`] encodes them.
    pub fn new(session: SessionKey, encoded: &'a [u8]) -> Self {
        Self { session, encoded }
    }

    /// Appends an identifier.
    pub fn put(identifier: u32, into: &mut Vec<u8>) {
        put_varint(into, identifier.into());
    }

    /// The encoded identifiers.
    pub fn encoded(self) -> &'a [u8] {
        self.encoded
    }

    /// The same identifiers for another session.
    #[must_use]
    pub fn of(self, session: SessionKey) -> Self {
        Self { session, ..self }
    }

    /// The identifiers, up to an invalid one.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        let mut cursor = Cursor(self.encoded);
        std::iter::from_fn(move || cursor.narrow())
    }
}
