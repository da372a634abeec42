//! Topic names (4.7): the topic to which a message is published. A [`TopicName`] is always valid.

use std::fmt;
use std::iter::FusedIterator;

use super::blocks::has_byte;
use super::error::{DecodeError, InvalidTopic};
use super::wire::FIELD_BYTES_MAX;

/// A topic name: 1 to 65,535 bytes without `+`, `#` and U+0000 (4.7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks `text`.
    ///
    /// # Errors
    /// The fault of a text that is not a topic name.
    #[inline]
    pub fn parse(text: &'a str) -> Result<Self, InvalidTopic> {
        if has_foul_bytes(text.as_bytes()) || text.is_empty() || text.len() > FIELD_BYTES_MAX {
            return Err(Self::fault(text));
        }
        Ok(Self(text))
    }

    /// A text that was a topic name before: it is not checked again.
    #[inline]
    pub(crate) const fn checked_before(text: &'a str) -> Self {
        Self(text)
    }

    /// As [`Self::parse`] for bytes of a packet, which may not be UTF-8.
    #[inline]
    pub(super) fn from_wire(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        // [MQTT-3.3.2-1] A topic name is a UTF-8 string.
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::InvalidUtf8)?;
        Self::parse(text).map_err(|invalid| match invalid {
            InvalidTopic::Nul => DecodeError::NulInString,
            other => DecodeError::Topic(other),
        })
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

    /// Whether the topic begins with `$`, which a leading wildcard does not match [MQTT-4.7.2-1].
    #[inline]
    pub const fn is_dollar(self) -> bool {
        matches!(self.0.as_bytes(), [b'$', ..])
    }

    /// Whether it is a system topic: `$SYS` or one below it (4.7.2).
    #[inline]
    pub fn is_system(self) -> bool {
        self.0.strip_prefix("$SYS").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    #[cold]
    fn fault(text: &str) -> InvalidTopic {
        if text.is_empty() {
            InvalidTopic::Empty // [MQTT-4.7.3-1]
        } else if text.len() > FIELD_BYTES_MAX {
            InvalidTopic::TooLong // [MQTT-4.7.3-3]
        } else if text.as_bytes().contains(&0) {
            InvalidTopic::Nul // [MQTT-4.7.3-2]
        } else {
            InvalidTopic::Wildcard // [MQTT-3.3.2-2], [MQTT-4.7.1-1]
        }
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Whether a topic name must not have one of these bytes: U+0000 or a wildcard.
#[inline]
fn has_foul_bytes(text: &[u8]) -> bool {
    has_byte(text, |byte| (byte == 0) | (byte == b'+') | (byte == b'#'))
}

/// The number of levels of a name or filter.
#[inline]
pub(super) fn count_levels(text: &str) -> usize {
    1 + text.bytes().filter(|&byte| byte == b'/').count()
}

/// The levels of a topic name or filter: the text between its slashes. Never empty.
#[derive(Debug, Clone)]
pub struct Levels<'a> {
    /// The levels that were not returned yet; `None` after the last one.
    rest: Option<&'a str>,
}

impl<'a> Levels<'a> {
    #[inline]
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }
}

impl<'a> Iterator for Levels<'a> {
    type Item = &'a str;

    // A loop over bytes is used instead of `str::split`: levels are short, and preparing the
    // searcher would cost more than the search.
    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        match rest.bytes().position(|byte| byte == b'/') {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                Some(&rest[..at])
            }
            None => self.rest.take(),
        }
    }
}

impl FusedIterator for Levels<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    // A topic name is 1 to 65,535 bytes without wildcards and U+0000, and all such names are
    // accepted.
    #[test]
    fn parse_table() {
        let longest = "a".repeat(65_535);
        let too_long = "a".repeat(65_536);
        let table: [(&str, Result<(), InvalidTopic>); 16] = [
            ("", Err(InvalidTopic::Empty)),
            ("a", Ok(())),
            ("/", Ok(())),
            ("//", Ok(())),
            ("$SYS/x", Ok(())),
            (" a b ", Ok(())),
            ("\u{feff}a", Ok(())),
            ("\u{1}", Ok(())),
            ("温度/°C", Ok(())),
            ("+", Err(InvalidTopic::Wildcard)),
            ("a/#", Err(InvalidTopic::Wildcard)),
            ("sixteen-bytes-and-a-tail/+", Err(InvalidTopic::Wildcard)),
            ("a\0", Err(InvalidTopic::Nul)),
            ("\0+", Err(InvalidTopic::Nul)),
            (&longest, Ok(())),
            (&too_long, Err(InvalidTopic::TooLong)),
        ];
        for (text, expected) in table {
            assert_eq!(TopicName::parse(text).map(|_| ()), expected, "{text:.40?}");
        }
    }

    // Levels are the result of `split`, and `level_count` counts them.
    #[test]
    fn levels_are_split_by_slash() {
        for text in ["a", "/", "a/b", "/a", "a/", "a//b", "///", "é/ü/"] {
            let topic = TopicName::parse(text).unwrap();
            let levels: Vec<_> = topic.levels().collect();
            assert_eq!(levels, text.split('/').collect::<Vec<_>>());
            assert_eq!(topic.level_count(), levels.len());
        }
    }

    // Only a leading `$` hides a topic from wildcards, and only a complete first level `$SYS` makes
    // it a system topic.
    #[test]
    fn dollar() {
        let table = [
            ("$", true, false),
            ("$SYS", true, true),
            ("$SYS/", true, true),
            ("$SYS/a", true, true),
            ("$SYSTEM/a", true, false),
            ("$sys/a", true, false),
            ("a/$", false, false),
            ("/$SYS", false, false),
            ("SYS/a", false, false),
        ];
        for (text, is_dollar, is_system) in table {
            let topic = TopicName::parse(text).unwrap();
            assert_eq!((topic.is_dollar(), topic.is_system()), (is_dollar, is_system), "{text}");
        }
    }
}
