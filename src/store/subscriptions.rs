//! The filters of one session with their grants.
//!
//! Most sessions have one filter, which needs no map. Invariant: each filter is there once, in
//! order.
//!
//! A single filter has a character for its options in front of it, so that these need no word of
//! their own. Identifiers, which few filters have, are in a separate map if there are several
//! filters.

use std::collections::BTreeMap;

use std::ops::Bound;

use compact_str::CompactString;

use super::cursor::{Cursor, put_bytes, put_varint};
use super::subscription::SubscriptionOptions;
use crate::limits::{SUBSCRIPTION_BYTES_MAX, SUBSCRIPTIONS_MAX};

/// See the file.
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

/// A filter with its grant: a character, four more for an identifier, and the filter.
#[derive(Debug)]
struct One(CompactString);

/// The first character of the options without and with an identifier.
const PLAIN: u8 = b'0';
const IDENTIFIED: u8 = b'P';

/// The characters of an identifier, with 7 bits each.
const IDENTIFIER_BYTES: usize = 4;

impl One {
    fn new(filter: &str, options: SubscriptionOptions) -> Self {
        let has_identifier = options.identifier > 0;
        let more = if has_identifier { IDENTIFIER_BYTES } else { 0 };
        let mut text = CompactString::with_capacity(1 + more + filter.len());
        if !has_identifier {
            text.push(char::from(PLAIN + options.bits()));
        } else {
            text.push(char::from(IDENTIFIED + options.bits()));
            for byte in 0..IDENTIFIER_BYTES {
                let bits = options.identifier >> (7 * byte) & 0x7f;
                text.push(char::from_u32(bits).expect("7 bits are a character"));
            }
        }
        text.push_str(filter);
        Self(text)
    }

    fn filter(&self) -> &str {
        let is_plain = self.0.as_bytes()[0] < IDENTIFIED;
        &self.0[if is_plain { 1 } else { 1 + IDENTIFIER_BYTES }..]
    }

    fn options(&self) -> SubscriptionOptions {
        let bytes = self.0.as_bytes();
        let plain = bytes[0] < IDENTIFIED;
        let bits = bytes[0] - if plain { PLAIN } else { IDENTIFIED };
        let options = SubscriptionOptions::from_bits(bits).expect("it was put so");
        if plain {
            return options;
        }
        let groups = bytes[1..=IDENTIFIER_BYTES].iter().rev();
        let identifier = groups.fold(0, |sum, byte| sum << 7 | u32::from(*byte));
        SubscriptionOptions { identifier, ..options }
    }
}

#[derive(Default, Debug)]
struct Many {
    /// The options without identifiers.
    filters: BTreeMap<Box<str>, u8>,
    /// The size of all filters.
    bytes: usize,
    /// The identifiers of the filters that have one; `None` if none has.
    identifiers: Option<Box<Identifiers>>,
}

/// Subscription identifiers by filter. They are behind a pointer because few sessions have any.
#[derive(Default, Debug)]
struct Identifiers(BTreeMap<Box<str>, u32>);

impl Many {
    fn options(&self, filter: &str, bits: u8) -> SubscriptionOptions {
        let options = SubscriptionOptions::from_bits(bits).expect("it was put so");
        let identifiers = self.identifiers.as_ref();
        let identifier = identifiers.and_then(|known| known.0.get(filter).copied()).unwrap_or(0);
        SubscriptionOptions { identifier, ..options }
    }

    fn set_identifier(&mut self, filter: &str, identifier: u32) {
        if identifier > 0 {
            self.identifiers.get_or_insert_default().0.insert(filter.into(), identifier);
            return;
        }
        if let Some(identifiers) = &mut self.identifiers {
            identifiers.0.remove(filter);
            if identifiers.0.is_empty() {
                self.identifiers = None;
            }
        }
    }
}

impl Subscriptions {
    /// Sets the grant of a filter; `None` if the session may not have another filter.
    pub fn set(&mut self, filter: &str, options: SubscriptionOptions) -> Option<()> {
        match &mut self.filters {
            Filters::None if filter.len() <= SUBSCRIPTION_BYTES_MAX => {
                self.filters = Filters::One(One::new(filter, options));
                return Some(());
            }
            Filters::None => return None,
            Filters::One(known) if known.filter() == filter => {
                *known = One::new(filter, options);
                return Some(());
            }
            Filters::One(_) => self.grow(),
            Filters::Many(_) => {}
        }
        let Filters::Many(many) = &mut self.filters else { return None };
        if let Some(known) = many.filters.get_mut(filter) {
            *known = options.bits();
            many.set_identifier(filter, options.identifier);
            return Some(());
        }
        let full = many.filters.len() >= SUBSCRIPTIONS_MAX
            || many.bytes + filter.len() > SUBSCRIPTION_BYTES_MAX;
        if full {
            return None;
        }
        many.bytes += filter.len();
        many.filters.insert(filter.into(), options.bits());
        many.set_identifier(filter, options.identifier);
        Some(())
    }

    /// Removes a filter; returns whether the session had it.
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
                    many.set_identifier(filter, 0);
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

    /// The grant of a filter; `None` if it is not among them.
    pub fn get(&self, filter: &str) -> Option<SubscriptionOptions> {
        match &self.filters {
            Filters::None => None,
            Filters::One(known) => (known.filter() == filter).then(|| known.options()),
            Filters::Many(many) => many.filters.get(filter).map(|bits| many.options(filter, *bits)),
        }
    }

    /// The filters with their grants.
    pub fn iter(&self) -> impl Iterator<Item = (&str, SubscriptionOptions)> {
        let (one, many) = match &self.filters {
            Filters::None => (None, None),
            Filters::One(one) => (Some((one.filter(), one.options())), None),
            Filters::Many(many) => (None, Some(many)),
        };
        let many = many.into_iter().flat_map(|many| {
            many.filters.iter().map(|(filter, bits)| (&**filter, many.options(filter, *bits)))
        });
        one.into_iter().chain(many)
    }

    /// The same in byte order, from the one after `after` on.
    pub fn iter_after(
        &self,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&str, SubscriptionOptions)> {
        let (one, many) = match &self.filters {
            Filters::None => (None, None),
            Filters::One(one) => (Some((one.filter(), one.options())), None),
            Filters::Many(many) => (None, Some(many)),
        };
        let one = one.filter(|(filter, _)| after.is_none_or(|after| *filter > after));
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let many = many.into_iter().flat_map(move |many| {
            let range = many.filters.range::<str, _>((from, Bound::Unbounded));
            range.map(|(filter, bits)| (&**filter, many.options(filter, *bits)))
        });
        one.into_iter().chain(many)
    }

    /// The number of filters.
    pub fn len(&self) -> usize {
        match &self.filters {
            Filters::None => 0,
            Filters::One(_) => 1,
            Filters::Many(many) => many.filters.len(),
        }
    }

    /// Whether there are no filters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the filters: their number *v*, then for each the options and the filter *text*.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.len() as u64);
        for (filter, options) in self.iter() {
            options.put(out);
            put_bytes(out, filter.as_bytes());
        }
    }

    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut subscriptions = Self::default();
        for _ in 0..cursor.varint()? {
            let options = SubscriptionOptions::read(cursor)?;
            subscriptions.set(cursor.text()?, options)?;
        }
        Some(subscriptions)
    }

    fn grow(&mut self) {
        let mut many = Many::default();
        if let Filters::One(one) = std::mem::take(&mut self.filters) {
            many.bytes = one.filter().len();
            let options = one.options();
            many.filters.insert(one.filter().into(), options.bits());
            many.set_identifier(one.filter(), options.identifier);
        }
        self.filters = Filters::Many(Box::new(many));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter is there once, all filters are bounded in bytes, and they are read back.
    #[test]
    fn one_for_a_filter() {
        let mut subscriptions = Subscriptions::default();
        let long = "l".repeat(SUBSCRIPTION_BYTES_MAX - 1);
        let [one, two] = [1, 2].map(SubscriptionOptions::of_qos);
        assert!(subscriptions.set(&"l".repeat(SUBSCRIPTION_BYTES_MAX + 1), one).is_none());
        for (filter, expected) in [("b", true), ("b", true), (&long, true), ("c", false)] {
            assert_eq!(subscriptions.set(filter, one).is_some(), expected);
        }
        assert!(subscriptions.remove(&long) && !subscriptions.remove(&long));
        assert!(subscriptions.set("a", two).is_some(), "there is room again");
        assert_eq!(subscriptions.iter().collect::<Vec<_>>(), [("a", two), ("b", one)]);
        let mut bytes = Vec::new();
        subscriptions.encode(&mut bytes);
        assert_eq!(bytes, [2, 2, 1, b'a', 1, 1, b'b']);
        let read = Subscriptions::decode(&mut Cursor(&bytes)).expect("they are whole");
        assert!(read.iter().eq(subscriptions.iter()));
        assert!(subscriptions.remove("a") && subscriptions.remove("b"));
        assert!(subscriptions.is_empty());
        assert!(size_of::<Subscriptions>() <= 24);
        assert!(size_of::<Many>() <= 40, "with its head three times 16 bytes of the heap");
    }

    /// Options are kept with one filter or several, also if some have identifiers and others lose
    /// theirs. They are removed with their filter, and take no memory if there are none.
    #[test]
    fn options_stay_with_their_filter() {
        let options = |identifier| SubscriptionOptions {
            qos: 1,
            no_local: true,
            retain_as_published: identifier % 2 == 0,
            identifier,
        };
        let mut subscriptions = Subscriptions::default();
        let mut known = BTreeMap::new();
        let identifiers = [0, 1, 127, 128, 16_384, 268_435_455];
        for (filter, identifier) in
            ["é", "b", "é", "c", "b", "é", "b"].into_iter().zip(identifiers.into_iter().cycle())
        {
            assert!(subscriptions.set(filter, options(identifier)).is_some());
            known.insert(filter, options(identifier));
            assert!(subscriptions.iter().eq(known.iter().map(|(f, options)| (*f, *options))));
            assert_eq!(subscriptions.get(filter), Some(options(identifier)));
            let mut bytes = Vec::new();
            subscriptions.encode(&mut bytes);
            let read = Subscriptions::decode(&mut Cursor(&bytes)).expect("they are whole");
            assert!(read.iter().eq(subscriptions.iter()));
        }
        for filter in ["c", "b"] {
            assert!(subscriptions.remove(filter));
            assert!(subscriptions.set(filter, options(0)).is_some());
            assert_eq!(subscriptions.get(filter), Some(options(0)), "it has forgotten the old one");
        }
        assert!(subscriptions.set("é", options(0)).is_some());
        let Filters::Many(many) = &subscriptions.filters else { panic!("there are three") };
        assert!(many.identifiers.is_none(), "no map for nothing");
        let plain = One::new("a/b", SubscriptionOptions::of_qos(2));
        assert_eq!(&*plain.0, "2a/b", "one byte beside the filter");
    }
}
