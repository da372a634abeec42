//! The filters of a session that got a subscription identifier while messages waited, each with the
//! number of the first message that may carry it.
//!
//! A message carries the identifiers of the subscriptions that caused it [MQTT-3.3.4-4] v5. They
//! are computed when it is sent, so a subscription that was made after it came must be told from
//! the others. If a filter's identifier is replaced by another one, the waiting messages carry the
//! new one: the subscription that caused them has it now.
//!
//! It has only filters that the session has, so their bounds hold for it.
//!
//! Its encoding is a count *v*, then for each the filter *text* and the number *v*.

use std::collections::BTreeMap;

use super::cursor::{Cursor, put_bytes, put_varint};

/// See the file.
#[derive(Clone, Default, Debug)]
pub(super) struct IdentifiedFrom {
    filters: BTreeMap<Box<str>, u64>,
    /// The highest number that was set.
    highest: u64,
}

impl IdentifiedFrom {
    /// Notes a filter's first number.
    pub(super) fn set(&mut self, filter: &str, number: u64) {
        self.filters.insert(filter.into(), number);
        self.highest = self.highest.max(number);
    }

    pub(super) fn remove(&mut self, filter: &str) {
        self.filters.remove(filter);
    }

    /// Whether it says nothing about messages from `first` on.
    pub(super) fn is_past(&self, first: u64) -> bool {
        self.filters.is_empty() || self.highest <= first
    }

    /// Whether the message with this number may carry the filter's identifier.
    pub(super) fn includes(&self, filter: &str, number: u64) -> bool {
        self.filters.get(filter).is_none_or(|from| *from <= number)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.filters.len() as u64);
        for (filter, number) in &self.filters {
            put_bytes(out, filter.as_bytes());
            put_varint(out, *number);
        }
    }

    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut all = Self::default();
        for _ in 0..cursor.varint()? {
            let filter = cursor.text()?;
            all.set(filter, cursor.varint()?);
        }
        Some(all)
    }
}
