//! The filters of one session, each with the QoS it was granted.
//!
//! Most sessions have one or a few: those cost no map. Invariant: each filter is there once, in
//! order.

use compact_str::CompactString;

use super::cursor::{Cursor, put_bytes, put_varint};
use crate::limits::{SUBSCRIPTION_BYTES_MAX, SUBSCRIPTIONS_MAX};

/// See the module.
#[derive(Default, Debug)]
pub struct Subscriptions {
    filters: Filters,
}

#[derive(Default, Debug)]
enum Filters {
    #[default]
    None,
    One(CompactString, u8),
    Many(Box<Many>),
}

#[derive(Default, Debug)]
struct Many {
    filters: std::collections::BTreeMap<Box<str>, u8>,
    /// Bytes of all filters.
    bytes: usize,
}

impl Subscriptions {
    /// Sets the granted QoS of a filter; `None` if there may not be another.
    pub fn set(&mut self, filter: &str, granted: u8) -> Option<()> {
        match &mut self.filters {
            Filters::None if filter.len() <= SUBSCRIPTION_BYTES_MAX => {
                self.filters = Filters::One(filter.into(), granted);
                return Some(());
            }
            Filters::None => return None,
            Filters::One(known, qos) if **known == *filter => {
                *qos = granted;
                return Some(());
            }
            Filters::One(..) => self.grow(),
            Filters::Many(_) => {}
        }
        let Filters::Many(many) = &mut self.filters else { return None };
        if let Some(known) = many.filters.get_mut(filter) {
            *known = granted;
            return Some(());
        }
        let full = many.filters.len() >= SUBSCRIPTIONS_MAX
            || many.bytes + filter.len() > SUBSCRIPTION_BYTES_MAX;
        if full {
            return None;
        }
        many.bytes += filter.len();
        many.filters.insert(filter.into(), granted);
        Some(())
    }

    /// Takes a filter away; whether it was there.
    pub fn remove(&mut self, filter: &str) -> bool {
        match &mut self.filters {
            Filters::None => false,
            Filters::One(known, _) => {
                let found = **known == *filter;
                if found {
                    self.filters = Filters::None;
                }
                found
            }
            Filters::Many(many) => {
                let found = many.filters.remove(filter).is_some();
                if found {
                    many.bytes -= filter.len();
                }
                found
            }
        }
    }

    /// Whether a filter is among them.
    pub fn contains(&self, filter: &str) -> bool {
        match &self.filters {
            Filters::None => false,
            Filters::One(known, _) => **known == *filter,
            Filters::Many(many) => many.filters.contains_key(filter),
        }
    }

    /// The filters, each with what was granted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u8)> {
        let (one, many) = match &self.filters {
            Filters::None => (None, None),
            Filters::One(filter, granted) => (Some((&**filter, *granted)), None),
            Filters::Many(many) => (None, Some(&many.filters)),
        };
        let many = many.into_iter().flatten().map(|(filter, granted)| (&**filter, *granted));
        one.into_iter().chain(many)
    }

    /// Number of filters.
    pub fn len(&self) -> usize {
        match &self.filters {
            Filters::None => 0,
            Filters::One(..) => 1,
            Filters::Many(many) => many.filters.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends them: their number *v*, then for each QoS 1 and the filter *text*.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.len() as u64);
        for (filter, granted) in self.iter() {
            out.push(granted);
            put_bytes(out, filter.as_bytes());
        }
    }

    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut subscriptions = Self::default();
        for _ in 0..cursor.varint()? {
            let granted = cursor.u8().filter(|qos| *qos <= 2)?;
            subscriptions.set(cursor.text()?, granted)?;
        }
        Some(subscriptions)
    }

    fn grow(&mut self) {
        let mut many = Many::default();
        if let Filters::One(filter, granted) = std::mem::take(&mut self.filters) {
            many.bytes = filter.len();
            many.filters.insert(filter.as_str().into(), granted);
        }
        self.filters = Filters::Many(Box::new(many));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One for a filter, bounded in bytes, and the same after they were written and read.
    #[test]
    fn one_for_a_filter() {
        let mut subscriptions = Subscriptions::default();
        let long = "l".repeat(SUBSCRIPTION_BYTES_MAX - 1);
        assert!(subscriptions.set(&"l".repeat(SUBSCRIPTION_BYTES_MAX + 1), 1).is_none());
        for (filter, expected) in [("b", true), ("b", true), (&long, true), ("c", false)] {
            assert_eq!(subscriptions.set(filter, 1).is_some(), expected);
        }
        assert!(subscriptions.remove(&long) && !subscriptions.remove(&long));
        assert!(subscriptions.set("a", 2).is_some(), "there is room again");
        assert_eq!(subscriptions.iter().collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
        let mut bytes = Vec::new();
        subscriptions.encode(&mut bytes);
        assert_eq!(bytes, [2, 2, 1, b'a', 1, 1, b'b']);
        let read = Subscriptions::decode(&mut Cursor(&bytes)).expect("they are whole");
        assert!(read.iter().eq(subscriptions.iter()));
        assert!(subscriptions.remove("a") && subscriptions.remove("b"));
        assert!(subscriptions.is_empty());
        assert!(size_of::<Subscriptions>() <= 32);
    }
}
