//! The filters of one session, each with the QoS it was granted.
//!
//! Most sessions have one or a few: those cost no map. Invariant: each filter is there once, in
//! order.
//!
//! The only one of a session stands behind a digit for its QoS: so that takes no word of its own.

use std::ops::Bound;

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
    One(One),
    Many(Box<Many>),
}

/// A filter, and what was granted: a digit, and the filter behind it.
#[derive(Debug)]
struct One(CompactString);

impl One {
    fn new(filter: &str, granted: u8) -> Self {
        let mut text = CompactString::with_capacity(1 + filter.len());
        text.push(char::from(b'0' + granted));
        text.push_str(filter);
        Self(text)
    }

    fn filter(&self) -> &str {
        &self.0[1..]
    }

    fn granted(&self) -> u8 {
        self.0.as_bytes()[0] - b'0'
    }
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
                self.filters = Filters::One(One::new(filter, granted));
                return Some(());
            }
            Filters::None => return None,
            Filters::One(known) if known.filter() == filter => {
                *known = One::new(filter, granted);
                return Some(());
            }
            Filters::One(_) => self.grow(),
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
            Filters::One(known) => {
                let found = known.filter() == filter;
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
            Filters::One(known) => known.filter() == filter,
            Filters::Many(many) => many.filters.contains_key(filter),
        }
    }

    /// The filters, each with what was granted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u8)> {
        let (one, many) = match &self.filters {
            Filters::None => (None, None),
            Filters::One(one) => (Some((one.filter(), one.granted())), None),
            Filters::Many(many) => (None, Some(&many.filters)),
        };
        let many = many.into_iter().flatten().map(|(filter, granted)| (&**filter, *granted));
        one.into_iter().chain(many)
    }

    /// The same, in byte order, from the one behind `after` on.
    pub fn iter_after(&self, after: Option<&str>) -> impl Iterator<Item = (&str, u8)> {
        let (one, many) = match &self.filters {
            Filters::None => (None, None),
            Filters::One(one) => (Some((one.filter(), one.granted())), None),
            Filters::Many(many) => (None, Some(&many.filters)),
        };
        let one = one.filter(|(filter, _)| after.is_none_or(|after| *filter > after));
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let many =
            many.into_iter().flat_map(move |many| many.range::<str, _>((from, Bound::Unbounded)));
        one.into_iter().chain(many.map(|(filter, granted)| (&**filter, *granted)))
    }

    /// Number of filters.
    pub fn len(&self) -> usize {
        match &self.filters {
            Filters::None => 0,
            Filters::One(_) => 1,
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
        if let Filters::One(one) = std::mem::take(&mut self.filters) {
            many.bytes = one.filter().len();
            many.filters.insert(one.filter().into(), one.granted());
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
        assert!(size_of::<Subscriptions>() <= 24);
    }
}
