//! Topic filters (4.7): the topics that a subscription selects. A [`TopicFilter`] is always valid:
//! in it, `+` is a complete level and `#` the complete last one.

use std::fmt;

use super::error::{InvalidFilter, InvalidFilterReason};
use super::topic::{Levels, TopicName, count_levels};
use super::wire::FIELD_BYTES_MAX;

/// A topic filter: 1 to 65,535 bytes, wildcards in their places, no U+0000 (4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// Checks `text`.
    ///
    /// # Errors
    /// The text and its fault.
    pub fn parse(text: &'a str) -> Result<Self, InvalidFilter<'a>> {
        match fault(text) {
            None => Ok(Self(text)),
            Some(reason) => Err(InvalidFilter { filter: text, reason }),
        }
    }

    /// A text that [`Self::parse`] has accepted before.
    pub(super) fn parsed_before(text: &'a str) -> Self {
        debug_assert_eq!(fault(text), None, "{text:.80?}");
        Self(text)
    }

    /// The text.
    #[inline]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The levels, in order; an empty level is a level (4.7.1.1).
    #[inline]
    pub const fn levels(self) -> Levels<'a> {
        Levels::new(self.0)
    }

    /// The number of levels, at least 1.
    #[inline]
    pub fn level_count(self) -> usize {
        count_levels(self.0)
    }

    /// Whether any level is `+` or `#`. Without one, the filter matches one topic: its own text.
    #[inline]
    pub fn is_wildcard(self) -> bool {
        self.0.bytes().any(is_wildcard_byte)
    }

    /// Whether MQTT 5 treats it as a shared subscription: it begins with `$share/`, even if no
    /// group and filter follow (MQTT 5, 4.8.2).
    #[inline]
    pub fn is_shared(self) -> bool {
        self.0.starts_with("$share/")
    }

    /// Whether it selects system topics: `$SYS` and those below it (4.7.2). No other filter matches
    /// any of these.
    #[inline]
    pub fn is_system(self) -> bool {
        self.0.strip_prefix("$SYS").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether this filter selects the topic (4.7).
    pub fn matches(self, topic: TopicName<'_>) -> bool {
        // [MQTT-4.7.2-1] A leading wildcard does not match topics that begin with `$`.
        if topic.is_dollar() && self.0.bytes().next().is_some_and(is_wildcard_byte) {
            return false;
        }
        let mut names = topic.levels();
        for level in self.levels() {
            if level == "#" {
                // Any number of levels, including none: `a/#` matches `a` (4.7.1.2).
                return true;
            }
            match names.next() {
                Some(name) if level == "+" || level == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }

    /// The text before the first wildcard level, including its trailing `/`; without a wildcard,
    /// the complete filter.
    ///
    /// Every matching topic begins with it, except one: `a/#` also matches `a`, which does not
    /// begin with `a/`. A range scan must look that one up separately.
    pub fn literal_prefix(self) -> &'a str {
        match self.0.bytes().position(is_wildcard_byte) {
            Some(at) => &self.0[..at],
            None => self.0,
        }
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[inline]
const fn is_wildcard_byte(byte: u8) -> bool {
    matches!(byte, b'+' | b'#')
}

fn fault(text: &str) -> Option<InvalidFilterReason> {
    if text.is_empty() {
        return Some(InvalidFilterReason::Empty); // [MQTT-4.7.3-1]
    }
    if text.len() > FIELD_BYTES_MAX {
        return Some(InvalidFilterReason::TooLong); // [MQTT-4.7.3-3]
    }
    let mut levels = Levels::new(text).peekable();
    while let Some(level) = levels.next() {
        if level.len() > 1 && level.contains('+') {
            return Some(InvalidFilterReason::PlusPosition); // [MQTT-4.7.1-3]
        }
        if level.contains('#') && (level.len() > 1 || levels.peek().is_some()) {
            return Some(InvalidFilterReason::HashPosition); // [MQTT-4.7.1-2]
        }
        if level.contains('\0') {
            return Some(InvalidFilterReason::Nul); // [MQTT-4.7.3-2]
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::tests::Random;

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::parse(text).unwrap()
    }

    fn topic(text: &str) -> TopicName<'_> {
        TopicName::parse(text).unwrap()
    }

    // Only a complete first level `$SYS` selects system topics.
    #[test]
    fn system_filters() {
        for (text, expected) in [
            ("$SYS", true),
            ("$SYS/", true),
            ("$SYS/#", true),
            ("$SYS/+/a", true),
            ("$SYSTEM/#", false),
            ("#", false),
            ("+/a", false),
            ("/$SYS", false),
            ("$share/g/$SYS/#", false),
        ] {
            assert_eq!(filter(text).is_system(), expected, "{text}");
        }
    }

    // Wildcards are accepted as complete levels, `#` only as the last one.
    #[test]
    fn parse_table() {
        use InvalidFilterReason::{Empty, HashPosition, Nul, PlusPosition, TooLong};
        let longest = "a".repeat(65_535);
        let too_long = "a".repeat(65_536);
        let table = [
            ("", Some(Empty)),
            (&longest, None),
            (&too_long, Some(TooLong)),
            ("#", None),
            ("+", None),
            ("/", None),
            ("+/+/#", None),
            ("sport/tennis/#", None),
            ("/+", None),
            ("+/", None),
            ("/#", None),
            ("$SYS/+", None),
            ("sport/tennis#", Some(HashPosition)),
            ("sport/tennis/#/ranking", Some(HashPosition)),
            ("#/", Some(HashPosition)),
            ("##", Some(HashPosition)),
            ("#/#", Some(HashPosition)),
            ("sport+", Some(PlusPosition)),
            ("+sport/a", Some(PlusPosition)),
            ("++", Some(PlusPosition)),
            ("a/+#", Some(PlusPosition)),
            ("a\0/b", Some(Nul)),
        ];
        for (text, reason) in table {
            let parsed = TopicFilter::parse(text);
            let expected = reason.map(|reason| InvalidFilter { filter: text, reason });
            assert_eq!(parsed.err(), expected, "{text:.40?}");
        }
    }

    // The examples of 4.7, and rows from the test suites of other brokers.
    #[test]
    fn matches_table() {
        let table: [(&str, &[&str], &[&str]); 11] = [
            (
                "a/b/c",
                &[
                    "a/b/c", "#", "a/#", "a/b/#", "a/b/+", "a/+/+", "+/+/+", "+/+/c", "+/b/c",
                    "+/#", "+/+/#", "a/+/#", "a/+/c", "a/b/c/#", "+/b/#", "a/+/+/#",
                ],
                &[
                    "c/a/b", "c/#", "+/a/+", "c/+/#", "+/+/d", "a/b", "a/b/c/d", "a/b/c/+", "+",
                    "+/+", "A/b/c", "/a/b/c", "a/b/c/", "a/b/cc", "a/b//c",
                ],
            ),
            (
                "a",
                &["a", "a/#", "+", "+/#", "#"],
                &["a/", "a/+", "/a", "/+", "+/+", "b/#", "a/b/#"],
            ),
            ("/finance", &["+/+", "/+", "#", "/#", "+/#", "+/finance"], &["+", "finance"]),
            ("a/", &["a/", "a/+", "+/+", "a/#", "a/+/#"], &["a", "+", "a//", "a/+/+"]),
            ("/", &["/", "+/+", "/+", "+/", "#", "/#"], &["+", "//"]),
            ("a//b", &["a//b", "a/+/b", "a//+", "a/#", "a//#"], &["a/b", "a/+"]),
            ("$SYS", &["$SYS", "$SYS/#"], &["#", "+", "+/#"]),
            ("$SYS/a", &["$SYS/a", "$SYS/+", "$SYS/#"], &["#", "+/a", "+/+", "+/#"]),
            ("$", &["$", "$/#"], &["#", "+"]),
            ("a/$b", &["a/+", "+/+", "#", "a/$b"], &["a/b"]),
            ("温/度", &["温/+", "+/度", "温/度"], &["温", "度/+"]),
        ];
        for (name, yes, no) in table {
            for text in yes {
                assert!(filter(text).matches(topic(name)), "{text} matches {name}");
            }
            for text in no {
                assert!(!filter(text).matches(topic(name)), "{text} does not match {name}");
            }
        }
    }

    // `is_wildcard`, `literal_prefix` and the levels agree with the text.
    #[test]
    fn prefixes() {
        let table = [
            ("#", true, "", 1),
            ("+/a", true, "", 2),
            ("a/#", true, "a/", 2),
            ("a/b/+/c", true, "a/b/", 4),
            ("/+", true, "/", 2),
            ("a/b", false, "a/b", 2),
            ("a/b/", false, "a/b/", 3),
        ];
        for (text, is_wildcard, prefix, levels) in table {
            assert_eq!(filter(text).is_wildcard(), is_wildcard, "{text}");
            assert_eq!(filter(text).literal_prefix(), prefix, "{text}");
            assert_eq!(filter(text).level_count(), levels, "{text}");
            assert_eq!(filter(text).levels().count(), levels, "{text}");
        }
    }

    /// 4.7 written as a recursion over levels: the model of [`TopicFilter::matches`].
    fn model(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) => true,
            ([], []) => true,
            (["+", filter @ ..], [_, topic @ ..]) => model(filter, topic),
            ([level, filter @ ..], [name, topic @ ..]) => level == name && model(filter, topic),
            _ => false,
        }
    }

    // `matches` agrees with the model, and `literal_prefix` with its description, on random pairs.
    #[test]
    fn matches_like_the_model() {
        let mut random = Random::new(0x6d71_7474_0001);
        let mut hits = 0;
        for round in 0..200_000 {
            let name = random.join_levels(&["a", "b", "", "$x", "ab"]);
            let pattern = random.join_levels(&["a", "b", "", "$x", "ab", "+", "+", "+", "#"]);
            let (Ok(name), Ok(filter)) = (TopicName::parse(&name), TopicFilter::parse(&pattern))
            else {
                continue;
            };
            let levels: Vec<_> = pattern.split('/').collect();
            let names: Vec<_> = name.as_str().split('/').collect();
            let is_hidden = names[0].starts_with('$') && ["+", "#"].contains(&levels[0]);
            let expected = !is_hidden && model(&levels, &names);
            assert_eq!(filter.matches(name), expected, "{random}, {round}: {filter} and {name}");
            let prefix = filter.literal_prefix();
            let is_in_range = name.as_str().starts_with(prefix) || format!("{name}/") == prefix;
            assert!(!expected || is_in_range, "{random}, {round}: {filter} and {name}");
            hits += usize::from(expected);
        }
        assert!(hits > 10_000, "{random}: only {hits} pairs matched, the test is too weak");
    }
}
