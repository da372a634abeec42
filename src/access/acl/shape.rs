//! One filter of a rule: a topic filter that may contain `%u` and `%c`.
//!
//! Invariant: the text is a valid topic filter. The value of `%u` or `%c` is compared literally and
//! is never a wildcard; it does not match topics that begin with `$` either.

use std::borrow::Cow;

use crate::mqtt::{TopicFilter, TopicName};

/// The client that requests access.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) client_id: &'a str,
}

/// A filter, cut into text and parts that are not text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    text: Box<str>,
    parts: Box<[Part]>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(Box<str>),
    /// `%u`
    User,
    /// `%c`
    ClientId,
    /// `+`
    Level,
    /// `/#` at the end.
    Below,
    /// `#` alone.
    Everything,
}

impl Shape {
    /// `filter` as written: a `%` is a `%`.
    pub(super) fn of_topic(filter: TopicFilter<'_>) -> Self {
        Self::cut(filter, |_| None)
    }

    /// `filter` with `%u` and `%c`.
    pub(super) fn of_pattern(filter: TopicFilter<'_>) -> Self {
        Self::cut(filter, |text| {
            if text.starts_with("%u") {
                Some(Part::User)
            } else {
                text.starts_with("%c").then_some(Part::ClientId)
            }
        })
    }

    fn cut(filter: TopicFilter<'_>, insert: impl Fn(&str) -> Option<Part>) -> Self {
        let text = filter.as_str();
        if text == "#" {
            return Self { text: text.into(), parts: [Part::Everything].into() };
        }
        let (body, end) = match text.strip_suffix("/#") {
            Some(body) => (body, Some(Part::Below)),
            None => (text, None),
        };
        let mut parts = Vec::new();
        let mut begin = 0;
        let mut at = 0;
        while at < body.len() {
            // A `+` is a whole level, so it cannot be inside of a text.
            let part = match body.as_bytes()[at] {
                b'+' => Some((Part::Level, 1)),
                b'%' => insert(&body[at..]).map(|part| (part, 2)),
                _ => None,
            };
            let Some((part, length)) = part else {
                at += 1;
                continue;
            };
            parts.extend(text_part(&body[begin..at]));
            parts.push(part);
            at += length;
            begin = at;
        }
        parts.extend(text_part(&body[begin..]));
        parts.extend(end);
        Self { text: text.into(), parts: parts.into() }
    }

    /// The only topic that the filter matches for any client, if there is one.
    pub(super) fn exact(&self) -> Option<&str> {
        match &*self.parts {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the filter matches `topic` for a client.
    pub(super) fn matches(&self, topic: TopicName<'_>, asker: Asker<'_>) -> bool {
        if topic.is_dollar() && !self.is_dollar() {
            return false;
        }
        let mut rest = topic.as_str();
        for part in &self.parts {
            let after = match part {
                Part::Text(text) => rest.strip_prefix(&**text),
                Part::User => asker.user.and_then(|user| rest.strip_prefix(user)),
                Part::ClientId => rest.strip_prefix(asker.client_id),
                Part::Level => {
                    let end = rest.bytes().position(|byte| byte == b'/');
                    Some(&rest[end.unwrap_or(rest.len())..])
                }
                // `a/#` matches `a` (4.7.1.2).
                Part::Below => return rest.is_empty() || rest.starts_with('/'),
                Part::Everything => return true,
            };
            match after {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// The filter with the values of `asker` filled in; `None` if the client has no user for `%u`,
    /// or if a value would make it match `$` topics: then nothing matches.
    pub(super) fn filled(&self, asker: Asker<'_>) -> Option<Cow<'_, str>> {
        if !self.parts.iter().any(|part| matches!(part, Part::User | Part::ClientId)) {
            return Some(Cow::Borrowed(&self.text));
        }
        let mut text = String::with_capacity(self.text.len() + asker.client_id.len());
        for part in &self.parts {
            text.push_str(match part {
                Part::Text(text) => text,
                Part::User => asker.user?,
                Part::ClientId => asker.client_id,
                Part::Level => "+",
                Part::Below => "/#",
                Part::Everything => "#",
            });
        }
        (self.is_dollar() || !text.starts_with('$')).then_some(Cow::Owned(text))
    }

    /// Whether the text itself begins with `$`. Otherwise it matches no topic that does, as in
    /// [MQTT-4.7.2-1], whatever the values are.
    fn is_dollar(&self) -> bool {
        self.text.starts_with('$')
    }
}

fn text_part(text: &str) -> Option<Part> {
    (!text.is_empty()).then(|| Part::Text(text.into()))
}
