//! Sessions that an operator has named, in figures: looked at when somebody asks.

use std::sync::Arc;

use crate::store::SessionKey;

use super::page::Page;

/// Names sessions of one vhost.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SessionPattern {
    /// The number of the vhost.
    pub vhost: u16,
    /// A client id, or what client ids begin with.
    pub id: Box<str>,
    /// All sessions whose client id begins so; else one.
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

/// A question for the sessions that patterns name.
#[derive(Clone, Debug)]
pub struct Watch {
    pub(crate) patterns: Arc<[SessionPattern]>,
    /// Sessions have to be looked at one by one, because some pattern has a beginning alone.
    pub(crate) looks_at_all: bool,
    /// Where the next step begins: a session, or the number of a pattern.
    pub(crate) from: SessionKey,
    pub(crate) found: Watched,
}

/// The sessions of one shard that patterns name.
#[derive(Clone, Default, Debug)]
pub struct Watched {
    /// A row for each, with its lag: [`WATCHED_SESSIONS_MAX`](crate::limits::WATCHED_SESSIONS_MAX)
    /// at most.
    pub page: Page,
    /// Sessions that were found besides.
    pub left_out: u64,
}

impl Watch {
    /// All sessions that one of the patterns names, each once.
    pub fn new(patterns: Arc<[SessionPattern]>) -> Self {
        let looks_at_all = patterns.iter().any(|pattern| pattern.is_prefix);
        Self { patterns, looks_at_all, from: 0, found: Watched::default() }
    }
}
