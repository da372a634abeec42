//! Filters of shared subscriptions (MQTT 5, 4.8.2): `$share/NAME/FILTER`. A [`SharedFilter`] is
//! always valid. Clients of 3.1 and 3.1.1 may use them too.

use std::fmt;

use crate::limits::SHARE_NAME_BYTES_MAX;

use super::filter::TopicFilter;

/// The filter of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedFilter<'a> {
    /// The complete text, which names the group: equal names with different filters are different
    /// groups.
    text: &'a str,
    name: &'a str,
    filter: TopicFilter<'a>,
}

/// The reason why a filter that begins with `$share/` is not one of a shared subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidShare {
    /// The name is empty, or has a `+` or `#` [MQTT-4.8.2-1].
    Name,
    /// The name is longer than [`SHARE_NAME_BYTES_MAX`].
    LongName,
    /// No topic filter follows the name [MQTT-4.8.2-2].
    Filter,
}

impl<'a> SharedFilter<'a> {
    /// Parses a filter; `None` if it is not one of a shared subscription, because it does not begin
    /// with `$share/`.
    ///
    /// # Errors
    /// The fault of a filter that begins with it.
    pub fn parse(filter: TopicFilter<'a>) -> Option<Result<Self, InvalidShare>> {
        let text = filter.as_str();
        let rest = text.strip_prefix("$share/")?;
        let (name, inner) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() || name.contains(['+', '#']) {
            return Some(Err(InvalidShare::Name));
        }
        if name.len() > SHARE_NAME_BYTES_MAX {
            return Some(Err(InvalidShare::LongName));
        }
        let inner = TopicFilter::parse(inner).map_err(|_| InvalidShare::Filter);
        Some(inner.map(|filter| Self { text, name, filter }))
    }

    /// The text, as in packets.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// The name, which identifies the group only together with the filter.
    pub fn name(self) -> &'a str {
        self.name
    }

    /// The topics whose messages are shared.
    pub fn filter(self) -> TopicFilter<'a> {
        self.filter
    }
}

impl fmt::Display for InvalidShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("the name behind $share/ is empty or has a wildcard"),
            Self::LongName => {
                write!(f, "the name behind $share/ has more than {SHARE_NAME_BYTES_MAX} bytes")
            }
            Self::Filter => f.write_str("no topic filter follows the name behind $share/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::tests::Random;

    fn parse(text: &str) -> Option<Result<(&str, &str), InvalidShare>> {
        let filter = TopicFilter::parse(text).expect("a filter");
        let shared = SharedFilter::parse(filter)?;
        Some(shared.map(|shared| (shared.name(), shared.filter().as_str())))
    }

    /// Name and filter are found, and invalid ones are refused. Filters that only look similar are
    /// not shared.
    #[test]
    fn parse_table() {
        use InvalidShare::{Filter, LongName, Name};
        let longest = format!("$share/{}/a", "n".repeat(SHARE_NAME_BYTES_MAX));
        let longer = format!("$share/{}/a", "n".repeat(SHARE_NAME_BYTES_MAX + 1));
        for (text, expected) in [
            ("$share/g/a", Some(Ok(("g", "a")))),
            ("$share/g/+/b/#", Some(Ok(("g", "+/b/#")))),
            ("$share/g//", Some(Ok(("g", "/")))),
            ("$share/g//a", Some(Ok(("g", "/a")))),
            ("$share/$share/a", Some(Ok(("$share", "a")))),
            ("$share/g/$share/h/a", Some(Ok(("g", "$share/h/a")))),
            (&longest, Some(Ok((&longest[7..7 + SHARE_NAME_BYTES_MAX], "a")))),
            (&longer, Some(Err(LongName))),
            ("$share/g", Some(Err(Filter))),
            ("$share/g/", Some(Err(Filter))),
            ("$share/", Some(Err(Name))),
            ("$share//a", Some(Err(Name))),
            ("$share/+/a", Some(Err(Name))),
            ("$share/#", Some(Err(Name))),
            ("$share", None),
            ("$shared/g/a", None),
            ("a/$share/g/b", None),
            ("/$share/g/b", None),
        ] {
            assert_eq!(parse(text), expected, "{text:.40}");
        }
    }

    /// With any text after the prefix, the parts of an accepted filter make up the text again, and
    /// the name is one level without wildcards.
    #[test]
    fn whatever_follows() {
        let mut random = Random::new(0x5ba7);
        let mut taken = 0;
        for _ in 0..20_000 {
            let mut text = String::from("$share/");
            for _ in 0..random.below(9) {
                text.push(['/', '+', '#', 'a', '$', 'é', '/', 'b'][random.below(8)]);
            }
            let Ok(filter) = TopicFilter::parse(&text) else { continue };
            let shared = SharedFilter::parse(filter).expect("it begins with the prefix");
            let Ok(shared) = shared else { continue };
            taken += 1;
            let (name, inner) = (shared.name(), shared.filter().as_str());
            assert_eq!(format!("$share/{name}/{inner}"), text);
            assert!(!name.is_empty() && !name.contains(['/', '+', '#']), "{text}");
            assert_eq!(shared.as_str(), text);
        }
        assert!(taken > 100, "{taken}");
    }
}
