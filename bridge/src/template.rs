//! Texts made from a message, compiled once: `{topic}`, its levels `{1}` and `{-1}`, `{payload}`,
//! `{position}`, `{time}`.

use std::fmt;

use crate::flow::Message;

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Topic,
    /// From 0.
    Level(usize),
    /// From 0, counted from the end.
    LevelFromEnd(usize),
    Payload,
    Position,
    Time,
}

/// The reason why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTemplate(String);

impl InvalidTemplate {
    pub(crate) fn new(says: String) -> Self {
        Self(says)
    }
}

impl fmt::Display for InvalidTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The topic has no such level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoLevel {
    /// The level as written in the template.
    pub level: i32,
}

impl fmt::Display for NoLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the topic has no level {{{}}}", self.level)
    }
}

impl Template {
    /// Compiles a text. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// An unknown placeholder, or an unpaired brace.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let (brace, behind) = rest[at..].split_at(1);
            if let Some(behind) = behind.strip_prefix(brace) {
                literal.push_str(brace);
                rest = behind;
                continue;
            }
            let end = behind.find('}').filter(|_| brace == "{").ok_or_else(|| {
                InvalidTemplate(format!(
                    "a {brace} without its partner in {text:?}; {{{{ is a brace"
                ))
            })?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::parse(&behind[..end])?);
            rest = &behind[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// The text between its places.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether it is the same for all messages.
    pub(crate) fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// Whether it tells the position.
    pub(crate) fn has_position(&self) -> bool {
        self.parts.contains(&Part::Position)
    }

    /// The one place that the template is, if it is no more than that.
    pub(crate) fn only(&self) -> Option<Only> {
        match self.parts.as_slice() {
            [Part::Time] => Some(Only::Time),
            [Part::Topic] => Some(Only::Topic),
            [Part::Payload] => Some(Only::Payload),
            [Part::Position] => Some(Only::Position),
            _ => None,
        }
    }

    /// Appends the text; `escape` is applied to the parts from the message.
    ///
    /// # Errors
    /// The topic lacks a level; the appended bytes are then invalid.
    pub fn render(
        &self,
        message: &Message<'_>,
        out: &mut Vec<u8>,
        escape: impl Fn(&[u8], &mut Vec<u8>),
    ) -> Result<(), NoLevel> {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Topic => escape(message.topic.as_bytes(), out),
                Part::Level(at) => {
                    let level = message.topic.split('/').nth(*at);
                    escape(level.ok_or_else(|| no_level(*at, 1))?.as_bytes(), out);
                }
                Part::LevelFromEnd(at) => {
                    let level = message.topic.rsplit('/').nth(*at);
                    escape(level.ok_or_else(|| no_level(*at, -1))?.as_bytes(), out);
                }
                Part::Payload => escape(message.payload, out),
                Part::Position => escape(message.position.to_string().as_bytes(), out),
                Part::Time => escape(message.time_ms.to_string().as_bytes(), out),
            }
        }
        Ok(())
    }

    /// The text as a string; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn text(&self, message: &Message<'_>) -> Result<String, NoLevel> {
        let mut out = Vec::new();
        self.render(message, &mut out, |piece, out| out.extend_from_slice(piece))?;
        Ok(String::from_utf8(out)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}

/// A template that is one placeholder only: it has a type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Only {
    Time,
    Topic,
    Payload,
    Position,
}

fn no_level(at: usize, sign: i32) -> NoLevel {
    NoLevel { level: sign * i32::try_from(at + 1).unwrap_or(i32::MAX) }
}

impl Part {
    fn parse(name: &str) -> Result<Self, InvalidTemplate> {
        Ok(match name {
            "topic" => Self::Topic,
            "payload" => Self::Payload,
            "position" => Self::Position,
            "time" => Self::Time,
            _ => match name.parse::<i16>() {
                Ok(level) if level > 0 => Self::Level(usize::from(level.unsigned_abs()) - 1),
                Ok(level) if level < 0 => Self::LevelFromEnd(usize::from(level.unsigned_abs()) - 1),
                _ => {
                    let says = "is no part of a message: there are {topic}, {1} and so on for its \
                                levels, {-1} for the last, {payload}, {position} and {time}";
                    return Err(InvalidTemplate(format!("{{{name}}} {says}")));
                }
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each placeholder is replaced by its value; a missing level is an error.
    #[test]
    fn places_are_filled() {
        let message = Message { topic: "a/bc/", payload: b"pay", ..Message::default() };
        for (text, is) in [
            ("", Ok("")),
            ("x", Ok("x")),
            ("{topic}", Ok("a/bc/")),
            ("{1}.{2}|{3}|{-1}|{-3}", Ok("a.bc|||a")),
            ("{{{1}}}", Ok("{a}")),
            ("<{payload}>", Ok("<pay>")),
            ("{4}", Err(NoLevel { level: 4 })),
            ("{-4}", Err(NoLevel { level: -4 })),
        ] {
            let template = Template::parse(text).expect(text);
            assert_eq!(template.text(&message), is.map(str::to_owned), "{text}");
        }
        for text in ["{", "}", "{0}", "{}", "{topics}", "{1", "a}b", "{1.5}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
