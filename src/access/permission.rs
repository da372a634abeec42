//! LavinMQ's and RabbitMQ's permission of a user in a vhost: three regular expressions over the
//! names that the user may configure, write to and read from.
//!
//! The names are `mqtt.default`, which all messages go through, and `mqtt.<client id>`, the
//! client's session. Publishing takes writing to the first; subscribing takes reading from the
//! first and writing to the second. No MQTT operation needs the configure permission. An expression
//! may match anywhere in the name; an empty one matches nothing.

use regex::{Regex, RegexBuilder};

use crate::limits;

const EXCHANGE: &str = "mqtt.default";
const SESSION_PREFIX: &str = "mqtt.";

/// The permissions of a user in a vhost, for all topics.
#[derive(Clone, Debug)]
pub(super) struct Permission {
    publishes: bool,
    reads: bool,
    sessions: Names,
    /// The line that gives it, if it comes from a file of rules.
    line: Option<u32>,
}

/// Names that an expression matches.
#[derive(Clone, Debug)]
enum Names {
    All,
    None,
    Some(Regex),
}

impl Permission {
    /// # Errors
    /// The expression that is invalid or too large, and the reason.
    pub(super) fn parse(configure: &str, write: &str, read: &str) -> Result<Self, String> {
        Names::parse("CONFIGURE", configure)?;
        let write = Names::parse("WRITE", write)?;
        let read = Names::parse("READ", read)?;
        Ok(Self {
            publishes: write.has(EXCHANGE),
            reads: read.has(EXCHANGE),
            sessions: write,
            line: None,
        })
    }

    /// The same permission, with its line.
    pub(super) fn at(self, line: u32) -> Self {
        Self { line: Some(line), ..self }
    }

    pub(super) const fn line(&self) -> Option<u32> {
        self.line
    }

    pub(super) const fn may_write(&self) -> bool {
        self.publishes
    }

    pub(super) fn may_read(&self, client_id: &str) -> bool {
        self.reads
            && match &self.sessions {
                Names::All => true,
                Names::None => false,
                names @ Names::Some(_) => {
                    let mut name = compact_str::CompactString::from(SESSION_PREFIX);
                    name.push_str(client_id);
                    names.has(&name)
                }
            }
    }
}

impl Names {
    fn parse(which: &str, text: &str) -> Result<Self, String> {
        match text {
            "" | "\"\"" | "^$" => return Ok(Self::None),
            ".*" | "^.*" | ".*$" | "^.*$" => return Ok(Self::All),
            _ => {}
        }
        let regex = RegexBuilder::new(text)
            .size_limit(limits::REGEX_BYTES_MAX)
            .dfa_size_limit(limits::REGEX_BYTES_MAX)
            .nest_limit(limits::REGEX_NESTING_MAX)
            .build();
        regex.map(Self::Some).map_err(|error| {
            // The crate's message spans several lines; the last one has the reason.
            let says = error.to_string();
            let last = says.lines().last().unwrap_or_default().trim();
            format!("{which} is no regular expression that can be used: {last}")
        })
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Some(regex) => regex.is_match(name),
        }
    }
}
