//! The figures of sessions that an operator has named, computed when asked.

use std::sync::Arc;

use crate::store::SessionKey;

use super::page::Page;

/// Names one or more sessions of a vhost.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SessionPattern {
    /// The number of the vhost.
    pub vhost: u16,
    /// A client id, or a prefix of client ids.
    pub id: Box<str>,
    /// Whether `id` is a prefix.
    pub is_prefix: bool,
}

impl SessionPattern {
    pub(crate) fn has(&self, vhost: u16, client_id: &str) -> bool {
        self.vhost == vhost
            && match self.is_prefix {
                true => client_id.starts_with(&*self.id),
                false => *self.id == *client_id,
            }
    }
}

/// A question for the sessions that match patterns.
#[derive(Clone, Debug)]
pub struct Watch {
    pub(crate) patterns: Arc<[SessionPattern]>,
    /// Whether each session must be checked, because a pattern has a prefix.
    pub(crate) looks_at_all: bool,
    /// The start of the next step: a session, or the number of a pattern.
    pub(crate) from: SessionKey,
    pub(crate) found: Watched,
}

/// The sessions of one shard that match patterns.
#[derive(Clone, Default, Debug)]
pub struct Watched {
    /// A row for each, with its lag: [`WATCHED_SESSIONS_MAX`](crate::limits::WATCHED_SESSIONS_MAX)
    /// at most.
    pub page: Page,
    /// The number of further sessions.
    pub left_out: u64,
}

impl Watch {
    /// All sessions that match one of the patterns, each once.
    pub fn new(patterns: Arc<[SessionPattern]>) -> Self {
        let looks_at_all = patterns.iter().any(|pattern| pattern.is_prefix);
        Self { patterns, looks_at_all, from: 0, found: Watched::default() }
    }
}
